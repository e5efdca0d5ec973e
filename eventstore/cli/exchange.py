"""The commands that talk to other programs' files: `import` and `export`."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from itertools import islice
from pathlib import Path

import click

from eventstore.cli import words
from eventstore.cli.find import find_version
from eventstore.cli.output import print_record, progress, remark
from eventstore.cli.run import Run, example, json_option, part_option, store_option
from eventstore.cli.selectors import parse_at
from eventstore.interchange.exports import ExportOptions, known_exports
from eventstore.interchange.importer import import_paths
from eventstore.interchange.report import ImportReport, Remark
from eventstore.store import EventStore


@click.command(
    "import",
    short_help="Import sessions of other programs.",
    epilog=example(
        "eventstore -s sessions/ import ~/.claude/projects",
        "eventstore -s sessions/ import --dry-run .a3s/sessions chat.jsonl run.traj",
        "eventstore -s sessions/ import states.jsonl --id-field id --version-field n",
    ),
)
@store_option()
@click.argument("paths", metavar="PATH...", nargs=-1, required=True)
@click.option("--dry-run", is_flag=True, help="Say what would be imported; write nothing.")
@click.option(
    "--id-field", metavar="NAME", help="Read plain JSON states; NAME holds the session's id."
)
@click.option(
    "--version-field", metavar="NAME", help="With --id-field: NAME holds the version's number."
)
@json_option
@click.pass_obj
def import_(
    run: Run,
    *,
    paths: tuple[str, ...],
    dry_run: bool,
    id_field: str | None,
    version_field: str | None,
    as_json: bool,
) -> None:
    """Import sessions of other programs, version by version.

    Each PATH is a file or a directory, which is walked. What a file is, is found by its content:
    sessions of a3s-code, oxios, Claude Code, SWE-agent, mini-SWE-agent and OpenHands, chats in
    the style of OpenAI, histories and bundles that were exported, and with --id-field plain JSON.
    The store is made if it is missing. What cannot be imported is named file by file and the rest
    is imported; importing again adds only what is new. Exits 1 if anything could not be imported.
    """
    fields = {"id_field": id_field, "version_field": version_field}
    with _target(run, dry_run) as store:
        report = import_into(run, store, paths, dry_run=dry_run, **fields)
        stored, whole = (0, 0) if dry_run else _bytes_of(store, report.added)
    if as_json:
        print_record({**report.as_dict(), "stored_bytes": stored, "state_bytes": whole})
        return
    for name, value in _import_rows(report, stored, whole):
        click.echo(f"{name:<19} {value}")


def import_into(
    run: Run,
    store: EventStore,
    paths: Iterable[str],
    *,
    dry_run: bool = False,
    **fields: str | None,
) -> ImportReport:
    """Import files into an open store, showing progress; problems make the run fail."""
    with progress("importing") as drawn:
        report = import_paths(store, paths, progress=drawn, dry_run=dry_run, **fields)
    _tell_remarks(run, report.problems, report.warnings)
    return report


@contextmanager
def _target(run: Run, dry_run: bool) -> Iterator[EventStore]:
    """Give the store to import into, synced once at the end; a dry run makes no store."""
    with run.store(create=True, durability="unsafe_os", dry_run=dry_run) as store:
        try:
            yield store
        finally:
            store.sync()


def _bytes_of(store: EventStore, added: Mapping[str, int]) -> tuple[int, int]:
    """Return what the newest versions of sessions take here, and as a file each."""
    stored = whole = 0
    for session, count in added.items():
        for version in islice(store.history(session), count):
            stored += version.stored
            whole += sum(part.size for part in version.parts.values() if part.changed)
    return stored, whole


def _import_rows(report: ImportReport, stored: int, whole: int) -> Iterator[tuple[str, str]]:
    """Yield the lines of the summary."""
    yield "files", words.number(len(report.files))
    yield "sessions", words.number(len(report.sessions))
    yield (
        "would add versions" if report.dry_run else "new versions",
        words.number(report.versions_added),
    )
    yield "read", words.size(report.size)
    if not report.dry_run:
        yield "stored", words.size(stored)
        yield "a file per version", words.size(whole)
        yield "ratio", words.ratio(whole, stored)
    if report.passed_over:
        yield "passed over", words.plural(report.passed_over, "file") + " in no known format"
    if report.problems:
        yield "not imported", words.plural(len(report.problems), "problem")


@click.command(
    short_help="Write sessions as files.",
    epilog=example(
        "eventstore -s sessions/ export fix-login@17 --to resumed/",
        "eventstore -s sessions/ export fix-login --format markdown --to fix-login.md",
        "eventstore -s sessions/ export --format bundle --to all.esb",
        "eventstore -s sessions/ export --format bundle --since all.esb --to new.esb",
    ),
)
@store_option()
@click.argument("sessions", metavar="[ID[@V]]...", nargs=-1)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(sorted(known_exports())),
    default="a3s",
    show_default=True,
    help="What to write.",
)
@click.option("--to", "target", metavar="PATH", required=True, help="Where to; - is the output.")
@click.option("--since", metavar="WHEN", help="For bundle: a time, or the bundle before this one.")
@part_option
@json_option
@click.pass_obj
def export(
    run: Run,
    *,
    sessions: tuple[str, ...],
    format_name: str,
    target: str,
    since: str | None,
    part: str,
    as_json: bool,
) -> None:
    """Write sessions to files that other programs, people or other stores read.

    a3s is a directory that a3s-code 2.1 to 3.1 resumes from, oxios one that oxios reads: what was
    imported from the same program comes out byte for byte. json is the exact bytes of one state,
    jsonl all versions line by line, events all that happened in them, markdown a transcript for
    people. A bundle is one file with all history, which import restores commit for commit. All
    sessions if none is named. PATH must not be there yet; a directory may be empty.
    """
    if since is not None and format_name != "bundle":
        raise click.UsageError("--since is for --format bundle", click.get_current_context())
    with run.store() as store:
        wanted = _wanted(store, sessions)
        with progress("exporting") as drawn:
            options = ExportOptions(part, None if since is None else _since(since), drawn)
            place = sys.stdout.buffer if target == "-" else target
            report = known_exports()[format_name].run(store, wanted, place, options)
    _tell_remarks(run, report.problems, report.warnings)
    if as_json and target != "-":
        print_record({"format": format_name, **report.as_dict()})
    elif target != "-":
        click.echo(
            f"{words.plural(len(report.sessions), 'session')} in "
            f"{words.plural(report.files, 'file')}, {words.size(report.size)}, "
            f"written to {words.clean(target)}"
        )


def _wanted(store: EventStore, sessions: tuple[str, ...]) -> dict[str, int] | None:
    """Return the versions of the sessions that were named; None for all sessions."""
    wanted: dict[str, int] = {}
    for version in (find_version(store, text) for text in sessions):
        if version.session in wanted:
            message = f"session {words.shown_id(version.session)} is named twice"
            raise click.UsageError(message, click.get_current_context())
        wanted[version.session] = version.version
    return wanted or None


def _since(text: str) -> datetime | str:
    """Return the time that is written, else the path of a bundle."""
    if Path(text).exists():
        return text
    moment = parse_at(text)
    if isinstance(moment, datetime):
        return moment
    message = f"--since {text!r} is neither a time nor a file"
    raise click.UsageError(message, click.get_current_context())


def _tell_remarks(run: Run, problems: list[Remark], warnings: list[Remark]) -> None:
    """Name each thing that was not done, and each other thing to know, on standard error."""
    for warning in warnings:
        remark(f"note: {words.clean(str(warning))}")
    for problem in problems:
        run.fail(words.clean(str(problem)))
