"""The command `backup`: a store brought into another, and back."""

from __future__ import annotations

import click

from eventstore.cli import words
from eventstore.cli.output import print_record, progress
from eventstore.cli.run import Run, example, json_option, open_store, store_option


@click.command(
    short_help="Back up a store, or restore one.",
    epilog=example(
        "eventstore -s sessions/ backup backup/",
        "eventstore -s restored/ backup --restore backup/",
    ),
)
@store_option()
@click.argument("directory", metavar="DIR")
@click.argument("sessions", metavar="[ID]...", nargs=-1)
@click.option("--restore", is_flag=True, help="The other way: from DIR into the store.")
@click.option("--deep", is_flag=True, help="Rebuild and hash every state that arrived.")
@json_option
@click.pass_obj
def backup(
    run: Run,
    *,
    directory: str,
    sessions: tuple[str, ...],
    restore: bool,
    deep: bool,
    as_json: bool,
) -> None:
    """Bring the sessions of the store into DIR, and verify what arrived.

    All sessions if none is named. Nobody needs to stop writing. DIR is a store itself: every
    command works on it. Repeated, only what is new is written. What DIR has that is not in the
    store is never overwritten.

    With --restore the sessions of DIR are brought into the store, which is made if it is missing.

    Exits 1 if a session could not be brought over.
    """
    if not run.location:
        raise click.UsageError("which store? say --store PATH_OR_URL or set EVENTSTORE_STORE")
    source, target = (directory, run.location) if restore else (run.location, directory)
    with open_store(source, create=False) as store, progress("copying") as drawn:
        report = store.backup(target, sessions or None, deep=deep, progress=drawn)
    for log in report.refused:
        run.fail(f"{words.shown_id(log.session)}: {words.clean(log.error)}")
    if as_json:
        print_record(report.as_dict())
        return
    changed = sum(log.state in ("added", "replaced") for log in report.logs)
    click.echo(
        f"{words.plural(len(report.logs), 'session')}, {changed} with something new, "
        f"{words.size(report.size)} written to {words.clean(target)} and verified"
    )
