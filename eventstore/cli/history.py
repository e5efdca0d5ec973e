"""The commands that look back: `log` and `cat`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain
from typing import Any

import click

from eventstore.cli import words
from eventstore.cli.find import find_part, find_version
from eventstore.cli.output import print_bytes, print_record, print_records, remark
from eventstore.cli.run import Run, example, json_option, part_option, store_option
from eventstore.cli.selectors import split
from eventstore.cli.table import NOTHING, Column, print_table
from eventstore.commit import SESSION, Version
from eventstore.history import LIMIT_MAX
from eventstore.store import EventStore

_PAGE = 500
_LOG = (
    Column("version", right=True, style="cyan"),
    Column("saved"),
    Column("kind"),
    Column("size", right=True),
    Column("address", style="dim", folds=True),
    Column("actor", least=8, leaves=1),
    Column("note", least=12, leaves=2),
)
_CHANGES = (*_LOG[:4], Column("changed", least=24, leaves=3), *_LOG[4:])

Row = tuple[Version, str | None]


@click.command(
    short_help="Print the history of a session.",
    epilog=example(
        "eventstore -s sessions/ log fix-login --limit 10",
        'eventstore -s sessions/ log fix-login --actor agent-7 --since "2 hours ago"',
    ),
)
@store_option()
@click.argument("session", metavar="ID[@V]")
@click.option("--part", metavar="NAME", help="Only versions that changed a part; its addresses.")
@click.option("--actor", metavar="NAME", help="Only versions that somebody saved.")
@click.option("--kind", metavar="KIND", help="Only versions of a kind, such as delete.")
@click.option("--since", metavar="TIME", help="Only versions since a time, or `2 hours ago`.")
@click.option("--until", metavar="TIME", help="Only versions up to a time.")
@click.option("--oldest-first", is_flag=True, help="The other way round; with @V, from V on.")
@click.option("--limit", type=click.IntRange(1, LIMIT_MAX), metavar="N", help="Only N versions.")
@click.option("--after", metavar="CURSOR", help="Go on where --limit ended, as it said.")
@click.option(
    "--changes/--no-changes",
    default=None,
    help="Say what changed, which reads states; by default with --limit.",
)
@json_option
@click.pass_obj
def log(
    run: Run,
    /,
    *,
    session: str,
    limit: int | None,
    after: str | None,
    changes: bool | None,
    as_json: bool,
    **filters: Any,
) -> None:
    """Print the history of a session (from version V back), newest first, one line a version.

    The address is the BLAKE3 of the part's bytes: `eventstore cat ID@17 | b3sum` prints it too.
    Sizes and addresses are of the part `session`, unless --part says another. With --json: one
    JSON document a line.
    """
    part = filters["part"]
    with run.store() as store:
        start = find_version(store, session)
        _, at = split(session, lambda whole: store.version(whole) is not None)
        if after is None and at is not None:
            after = f"{start.version}.0"
        told = limit is not None if changes is None else changes
        options = {**filters, "changes": told, "after": after}
        rows = _rows(store, start.session, limit, options)
        if part is not None:
            rows = _not_empty(rows, start, part)
        if as_json:
            print_records(_record(*row) for row in rows)
        else:
            columns = _CHANGES if told else _LOG
            print_table(columns, (_version_row(v, part or SESSION, text) for v, text in rows))


def _rows(store: EventStore, id: str, limit: int | None, options: dict[str, Any]) -> Iterator[Row]:
    """Yield the versions of a page with what they changed, or of all pages without a limit."""
    while True:
        page = store.history_page(id, limit=limit or _PAGE, **options)
        yield from zip(page.items, page.changes or [None] * len(page), strict=True)
        if page.next is None:
            return
        if limit is not None:
            remark(f"more with: --after {page.next}")
            return
        options = {**options, "after": page.next}


def _not_empty(rows: Iterator[Row], start: Version, part: str) -> Iterator[Row]:
    """Return *rows*; stop the run if there are none because no version has the part."""
    first = next(rows, None)
    if first is None:
        find_part(start, part)
        return rows
    return chain((first,), rows)


def _record(version: Version, changes: str | None) -> dict[str, Any]:
    """Return what `log --json` prints of a version."""
    record = version_record(version)
    return record if changes is None else {**record, "changes": changes}


def version_record(version: Version) -> dict[str, Any]:
    """Return what `--json` prints of a version."""
    return {
        "session": version.session,
        "version": version.version,
        "kind": version.kind,
        "saved_at": version.saved_at,
        "time": version.time,
        "actor": version.actor,
        "note": version.note,
        "key": version.key,
        "ref": version.ref,
        "commit": version.commit,
        "prev": version.prev,
        "stored": version.stored,
        "parts": {
            name: {"address": p.address, "size": p.size, "changed": p.changed}
            for name, p in version.parts.items()
        },
    }


def _version_row(version: Version, part: str, changes: str | None) -> tuple[str, ...]:
    """Return what `log` prints of a version."""
    found = version.parts.get(part)
    return (
        str(version.version),
        words.iso(version.saved_at),
        version.kind,
        words.size(found.size) if found else NOTHING,
        *(() if changes is None else (words.clean(changes),)),
        f"b3:{found.address}" if found else NOTHING,
        words.clean(version.actor or ""),
        words.clean(version.note or ""),
    )


@click.command(
    short_help="Print the exact bytes of a version.",
    epilog=example("eventstore -s sessions/ cat fix-login@17 | b3sum"),
)
@store_option()
@click.argument("session", metavar="ID[@V]")
@part_option
@click.option("--pretty", is_flag=True, help="Lay the JSON out for people; other bytes.")
@json_option
@click.pass_obj
def cat(run: Run, session: str, part: str, pretty: bool, as_json: bool) -> None:
    """Print one part of a session, exactly the bytes that were saved and no newline.

    With --json: the state inside a document that says which session, version and part it is.
    """
    with run.store() as store:
        version = find_version(store, session)
        found = find_part(version, part)
        state = store.load_bytes(version.session, part, at=version.version) or b""
    if as_json:
        label = {"session": version.session, "version": version.version, "part": part}
        print_record({**label, "address": found.address, "size": found.size}, state=state)
    elif pretty:
        click.echo(words.pretty_json(state.decode()))
    else:
        print_bytes(state)
