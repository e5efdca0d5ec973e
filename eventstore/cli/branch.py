"""The commands that go on from an earlier version: `restore`, `fork`, `tree`."""

from __future__ import annotations

from typing import Any

import click

from eventstore.cli import words
from eventstore.cli.change import why
from eventstore.cli.find import find_part, find_version
from eventstore.cli.history import version_record
from eventstore.cli.output import print_record, print_records
from eventstore.cli.run import Run, example, json_option, store_option
from eventstore.commit import SESSION
from eventstore.lineage import TreeNode


@click.command(
    short_help="Make an older version the newest.",
    epilog=example('eventstore -s sessions/ restore fix-login@17 --note "wrong turn"'),
)
@store_option()
@click.argument("session", metavar="ID@V")
@why
@json_option
@click.pass_obj
def restore(run: Run, session: str, actor: str | None, note: str | None, as_json: bool) -> None:
    """Make an older version the newest, with exactly the parts it had; all history stays.

    A version that is what is current already is left as it is.
    """
    with run.store() as store:
        wanted = find_version(store, session)
        version = store.restore(wanted.session, at=wanted, actor=actor, note=note)
    if as_json:
        print_record(version_record(version))
    else:
        shown = words.shown_id(version.session)
        click.echo(f"{shown} is at version {version.version}, which is as {wanted.version} was")


@click.command(
    short_help="Begin a new session from a version of another.",
    epilog=example("eventstore -s sessions/ fork fix-login@17 second-try --rewrite-ids"),
)
@store_option()
@click.argument("session", metavar="ID[@V]")
@click.argument("new_id", metavar="NEW_ID")
@click.option(
    "--rewrite-ids", is_flag=True, help="Write the new id and parent_id into the documents."
)
@why
@json_option
@click.pass_obj
def fork(
    run: Run,
    *,
    session: str,
    new_id: str,
    rewrite_ids: bool,
    actor: str | None,
    note: str | None,
    as_json: bool,
) -> None:
    """Begin session NEW_ID with the states of a version of another session.

    The new session is whole in itself. Both logs say where the fork was; `tree` shows it.
    """
    with run.store() as store:
        origin = find_version(store, session)
        if not origin.parts:
            find_part(origin, SESSION)
        version = store.fork(
            origin.session, new_id, at=origin, rewrite_ids=rewrite_ids, actor=actor, note=note
        )
    if as_json:
        print_record(version_record(version))
        return
    source = f"{words.shown_id(origin.session)}@{origin.version}"
    click.echo(f"{words.shown_id(version.session)} begins as {source}")


@click.command(
    short_help="Print which session came from which.",
    epilog=example("eventstore -s sessions/ tree"),
)
@store_option()
@click.argument("session", metavar="[ID]", required=False)
@json_option
@click.pass_obj
def tree(run: Run, session: str | None, as_json: bool) -> None:
    """Print forks below the session they came from, and other sessions below their parent.

    With an ID: that session and all below it. With --json: one JSON document a line.
    """
    with run.store() as store:
        if session is not None:
            find_version(store, session)
        nodes = store.tree(session)
        if as_json:
            print_records(map(_node_record, nodes))
        else:
            for node in nodes:
                click.echo(_node_line(node))


def _node_record(node: TreeNode) -> dict[str, Any]:
    """Return what `tree --json` prints of a session."""
    info = node.session
    return {
        "id": info.id,
        "depth": node.depth,
        "link": node.link,
        "above": node.above,
        "forked_at": node.version,
        "version": info.version,
        "state": info.state,
        "name": info.name,
        "deleted": info.deleted,
    }


def _node_line(node: TreeNode) -> str:
    """Return what `tree` prints of a session."""
    info = node.session
    remarks = [words.plural(info.version, "version")]
    if node.link == "fork":
        where = "" if node.depth else f"{words.shown_id(node.above or '')} "
        remarks.insert(0, f"fork of {where}version {node.version}")
    if info.deleted:
        remarks.append("deleted")
    name = f" {words.clean(info.name)}" if info.name else ""
    return f"{'  ' * node.depth}{words.shown_id(info.id)}{name} ({', '.join(remarks)})"
