"""The commands that look at the whole store: `ls`, `stats`."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from heapq import merge
from itertools import islice
from typing import Any

import click

from eventstore.cli import words
from eventstore.cli.output import print_record, print_records
from eventstore.cli.run import Run, example, json_option, store_option
from eventstore.cli.table import NOTHING, Column, print_table
from eventstore.index_rows import ORDERS, StoreStats
from eventstore.session_info import SessionInfo
from eventstore.store import EventStore

_PAGE = 500
_LONG_AGO = datetime.min.replace(tzinfo=UTC)

_LS = (
    Column("id", style="cyan"),
    Column("versions", right=True, leaves=5),
    Column("state", leaves=1),
    Column("messages", right=True, leaves=2),
    Column("size", right=True, leaves=3),
    Column("updated", leaves=6),
    Column("name", least=10, leaves=4),
)


@click.command(
    short_help="List the sessions.",
    epilog=example("eventstore -s sessions/ ls --state Active --limit 20"),
)
@store_option()
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="List N sessions at most.")
@click.option("--all", "everything", is_flag=True, help="List deleted sessions too.")
@click.option("--parent", metavar="ID", help="Only the children of a session.")
@click.option("--state", metavar="STATE", help="Only sessions in a state, such as Active.")
@click.option(
    "--order-by",
    type=click.Choice(tuple(ORDERS)),
    default="updated_at",
    show_default=True,
    help="What to sort by.",
)
@json_option
@click.pass_obj
def ls(
    run: Run,
    *,
    limit: int | None,
    everything: bool,
    parent: str | None,
    state: str | None,
    order_by: str,
    as_json: bool,
) -> None:
    """List the sessions of the store.

    On a terminal that is too narrow the less important columns are left out; in a pipe every
    line is whole. With --json: one JSON document a line.
    """
    with run.store() as store:
        size = min(limit or _PAGE, _PAGE)
        question = {"parent": parent, "state": state, "order_by": order_by, "limit": size}
        found = _pages(store, question)
        if everything:
            found = _merged(found, _pages(store, {**question, "deleted": True}), order_by)
        sessions = islice(found, limit)
        if as_json:
            print_records(map(_info_record, sessions))
        else:
            print_table(_LS, map(_info_row, sessions))


def _pages(store: EventStore, question: dict[str, Any]) -> Iterator[SessionInfo]:
    """Yield every session that answers the question, page after page."""
    after = None
    while True:
        page = store.sessions(after=after, **question)
        yield from page.items
        after = page.next
        if after is None:
            return


def _merged(
    live: Iterator[SessionInfo], deleted: Iterator[SessionInfo], order_by: str
) -> Iterator[SessionInfo]:
    """Merge two lists that are in the store's order: times newest first, texts from A."""

    def key(info: SessionInfo) -> tuple[Any, str]:
        value = getattr(info, order_by)
        return (_LONG_AGO if value is None else value, info.id)

    return merge(live, deleted, key=key, reverse=order_by.endswith("_at"))


def _info_record(info: SessionInfo) -> dict[str, Any]:
    """Return what `ls --json` prints of a session."""
    names = (
        "id version commit address name state parent_id messages cost size stored "
        "created_at updated_at saved_at deleted damaged"
    )
    return {name: getattr(info, name) for name in names.split()}


def _info_row(info: SessionInfo) -> tuple[str, ...]:
    """Return what `ls` prints of a session."""
    return (
        words.shown_id(info.id),
        str(info.version),
        _state_text(info),
        str(info.messages),
        words.size(info.size),
        words.minute(info.updated_at),
        words.clean(info.name or ""),
    )


def _state_text(info: SessionInfo) -> str:
    """Say what became of a session, or else what it says it is doing."""
    if info.damaged:
        return "damaged"
    return "deleted" if info.deleted else words.clean(info.state or NOTHING)


@click.command(
    short_help="Count sessions, versions and bytes.",
    epilog=example("eventstore -s sessions/ stats"),
)
@store_option()
@json_option
@click.pass_obj
def stats(run: Run, as_json: bool) -> None:
    """Count what the store holds, and what it takes on disk.

    "a file per version" is what the same states take if each save writes one whole JSON file.
    """
    with run.store() as store:
        found = store.stats()
    if as_json:
        names = "sessions deleted versions stored_bytes state_bytes verified_at unverified"
        ratio = found.state_bytes / found.stored_bytes if found.stored_bytes else None
        print_record({**{name: getattr(found, name) for name in names.split()}, "ratio": ratio})
        return
    rows = (
        ("sessions", words.number(found.sessions)),
        ("deleted", words.number(found.deleted)),
        ("versions", words.number(found.versions)),
        ("stored", words.size(found.stored_bytes)),
        ("a file per version", words.size(found.state_bytes)),
        ("ratio", words.ratio(found.state_bytes, found.stored_bytes)),
        ("oldest check", _checked(found)),
    )
    for name, value in rows:
        click.echo(f"{name:<19} {value}")


def _checked(found: StoreStats) -> str:
    """Say when the session that was not verified for longest was, and how many never were."""
    if found.verified_at is None:
        return "never; next: eventstore verify"
    never = f", {words.plural(found.unverified, 'session')} never" if found.unverified else ""
    return words.iso(found.verified_at) + never
