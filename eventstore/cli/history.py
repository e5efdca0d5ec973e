"""The commands that look back: `log` and `cat`."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any

import click

from eventstore.cli import words
from eventstore.cli.find import find_part, find_version
from eventstore.cli.output import print_bytes, print_record, print_records
from eventstore.cli.run import Run, example, json_option, part_option, store_option
from eventstore.cli.table import NOTHING, Column, print_table
from eventstore.commit import SESSION, Version

_LOG = (
    Column("version", right=True, style="cyan"),
    Column("saved"),
    Column("kind"),
    Column("size", right=True),
    Column("address", style="dim", folds=True),
    Column("actor", least=8, leaves=1),
    Column("note", least=12, leaves=2),
)


@click.command(
    short_help="Print the history of a session.",
    epilog=example("eventstore -s sessions/ log fix-login --limit 10"),
)
@store_option()
@click.argument("session", metavar="ID[@V]")
@click.option("--part", metavar="NAME", help="Only versions that changed a part; its addresses.")
@click.option("--limit", type=click.IntRange(min=1), metavar="N", help="The newest N versions.")
@click.option("--reverse", is_flag=True, help="Print the oldest first.")
@json_option
@click.pass_obj
def log(
    run: Run, *, session: str, part: str | None, limit: int | None, reverse: bool, as_json: bool
) -> None:
    """Print the history of a session (from version V back), newest first, one line a version.

    The address is the BLAKE3 of the part's bytes: `eventstore cat ID@17 | b3sum` prints it too.
    Sizes and addresses are of the part `session`, unless --part says another. With --json: one
    JSON document a line.
    """
    with run.store() as store:
        start = find_version(store, session)
        found = (v for v in store.history(start.session, part) if v.version <= start.version)
        versions: Iterator[Version] = islice(found, limit)
        if reverse:
            versions = iter(list(versions)[::-1])
        if part is not None:
            versions = _not_empty(versions, start, part)
        if as_json:
            print_records(map(version_record, versions))
        else:
            print_table(_LOG, (_version_row(v, part or SESSION) for v in versions))


def _not_empty(versions: Iterator[Version], start: Version, part: str) -> Iterator[Version]:
    """Return *versions*; stop the run if there are none because no version has the part."""
    first = next(versions, None)
    if first is None:
        find_part(start, part)
        return versions
    return chain((first,), versions)


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


def _version_row(version: Version, part: str) -> tuple[str, ...]:
    """Return what `log` prints of a version."""
    found = version.parts.get(part)
    return (
        str(version.version),
        words.iso(version.saved_at),
        version.kind,
        words.size(found.size) if found else NOTHING,
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
