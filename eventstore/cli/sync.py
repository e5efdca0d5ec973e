"""The commands that bring two stores together: `push` and `pull`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from eventstore.cli import words
from eventstore.cli.output import print_record, progress, remark
from eventstore.cli.run import Run, example, json_option, open_store, store_option
from eventstore.interchange.sync import SyncReport
from eventstore.interchange.sync import push as send
from eventstore.store import EventStore

_dry_run = click.option("--dry-run", is_flag=True, help="Say what would be sent; send nothing.")


@click.command(
    short_help="Send another store what it lacks.",
    epilog=example("eventstore -s sessions/ push backup/"),
)
@store_option()
@click.argument("other", metavar="STORE")
@click.argument("sessions", metavar="[ID]...", nargs=-1)
@_dry_run
@json_option
@click.pass_obj
def push(run: Run, *, other: str, sessions: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Send STORE the sessions and versions that it lacks; it is made if it is missing.

    Commits travel as they are. A session that has another history there is reported, with the
    version from which on it differs, and left as it is. Both stores may be in use. An interrupted
    push goes on where it was. Exits 1 if anything could not be sent.
    """
    with run.store() as source, _receiving(other, dry_run) as target:
        report = _sync(source, target, sessions, dry_run, "pushing")
    _tell(run, report, as_json)


@click.command(
    short_help="Bring in what another store has.",
    epilog=example("eventstore -s sessions/ pull backup/ fix-login"),
)
@store_option()
@click.argument("other", metavar="STORE")
@click.argument("sessions", metavar="[ID]...", nargs=-1)
@_dry_run
@json_option
@click.pass_obj
def pull(run: Run, *, other: str, sessions: tuple[str, ...], dry_run: bool, as_json: bool) -> None:
    """Bring in the sessions and versions of STORE that this store lacks; it is made if missing.

    The same as a push from there to here.
    """
    with (
        open_store(other, create=False) as source,
        run.store(create=True, durability="unsafe_os", dry_run=dry_run) as target,
        _synced(target),
    ):
        report = _sync(source, target, sessions, dry_run, "pulling")
    _tell(run, report, as_json)


@contextmanager
def _receiving(location: str, dry_run: bool) -> Iterator[EventStore]:
    """Open the store to send to; a dry run makes no store."""
    if dry_run and "://" not in location and not Path(location).exists():
        location = "memory://"
    with open_store(location, create=not dry_run, durability="unsafe_os") as store, _synced(store):
        yield store


@contextmanager
def _synced(store: EventStore) -> Iterator[None]:
    """Make durable, in the end, whatever was received."""
    try:
        yield
    finally:
        store.sync()


def _sync(
    source: EventStore, target: EventStore, sessions: tuple[str, ...], dry_run: bool, verb: str
) -> SyncReport:
    """Send, showing progress."""
    with progress(verb) as drawn:
        return send(source, target, sessions or None, dry_run=dry_run, progress=drawn)


def _tell(run: Run, report: SyncReport, as_json: bool) -> None:
    """Say what was done, and what was not."""
    for session in report.ahead:
        remark(f"note: the receiver has later versions of session {words.shown_id(session)}")
    reasons: list[object] = [*report.diverged, *report.problems]
    for reason in reasons:
        run.fail(words.clean(str(reason)))
    if as_json:
        print_record(report.as_dict())
        return
    for name, value in _rows(report):
        click.echo(f"{name:<19} {words.number(value)}")


def _rows(report: SyncReport) -> Iterator[tuple[str, int]]:
    """Yield the lines of the summary."""
    yield "would send versions" if report.dry_run else "versions sent", report.versions
    yield "of sessions", len(report.sent)
    yield "sessions unchanged", report.unchanged + len(report.ahead)
    if report.diverged:
        yield "diverged", len(report.diverged)
