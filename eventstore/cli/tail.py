"""The command `tail`: the newest commits, and those to come."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from heapq import nlargest
from itertools import islice

import click

from eventstore.cli import words
from eventstore.cli.find import find_version
from eventstore.cli.history import version_record
from eventstore.cli.output import print_record, remark
from eventstore.cli.run import Run, example, json_option, store_option
from eventstore.commit import Version
from eventstore.store import EventStore
from eventstore.watch import Watch


@click.command(
    short_help="Print the newest commits, and those to come.",
    epilog=example("eventstore -s sessions/ tail -n 20"),
)
@store_option()
@click.argument("session", metavar="[ID]", required=False)
@click.option("-f", "--follow", is_flag=True, help="Go on with what is committed from now on.")
@click.option(
    "-n",
    "--lines",
    "count",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    metavar="N",
    help="Print the newest N commits first.",
)
@click.option("--after", metavar="CURSOR", help="Begin behind a cursor instead; `0`: at the start.")
@click.option(
    "--wait",
    type=click.FloatRange(min=0),
    metavar="SECONDS",
    help="End when nothing was committed for so long.",
)
@json_option
@click.pass_obj
def tail(
    run: Run,
    *,
    session: str | None,
    follow: bool,
    count: int,
    after: str | None,
    wait: float | None,
    as_json: bool,
) -> None:
    """Print the newest commits of a session or of the whole store, one a line, oldest first.

    With -f it goes on with what any process commits, until it is interrupted. Every commit is
    printed once. With --json every line has a cursor to go on from with --after.
    """
    with run.store() as store:
        if session is not None:
            find_version(store, session)
        place = 0 if after == "0" else after
        watch = store.watch(session, after=place, wait=wait if follow else 0)
        shown = set()
        if after is None:
            # The watch began before, so what is committed meanwhile is in both, and told once.
            for version in _newest(store, session, count):
                shown.add((version.session, version.version))
                _tell(version, None if follow else watch.cursor, as_json)
        if not follow and after is None:
            return
        for version in watch:
            if (version.session, version.version) not in shown:
                _tell(version, watch.cursor, as_json)
        _tell_end(watch, as_json)


def _newest(store: EventStore, session: str | None, count: int) -> list[Version]:
    """Return the newest versions, oldest first."""
    if session is not None:
        return list(islice(store.history(session), count))[::-1]
    if not count:
        return []
    found = nlargest(count, _candidates(store, count), key=_order)
    return sorted(found, key=_order)


def _candidates(store: EventStore, count: int) -> Iterator[Version]:
    """Yield versions among which the newest *count* of the store are."""
    for deleted in (False, True):
        for info in store.sessions(order_by="saved_at", limit=count, deleted=deleted):
            yield from islice(store.history(info.id), count)


def _order(version: Version) -> tuple[int, str, int]:
    """Return what commits of several sessions are sorted by."""
    return version.time, version.session, version.version


def _tell(version: Version, cursor: str | None, as_json: bool) -> None:
    """Print one commit at once, for whoever reads along."""
    if as_json:
        print_record({**version_record(version), "cursor": cursor})
    else:
        said = (
            words.iso(version.saved_at),
            f"{words.shown_id(version.session)}@{version.version}",
            version.kind,
            words.size(version.size),
            words.clean(version.actor or ""),
            words.clean(version.note or ""),
        )
        click.echo("  ".join(said).rstrip())
    sys.stdout.flush()


def _tell_end(watch: Watch, as_json: bool) -> None:
    """Say where the next watch can go on."""
    if not as_json:
        remark(f"to go on from here: --after {watch.cursor}")
