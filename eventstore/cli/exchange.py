"""The commands that talk to other programs' files: `import` and `export`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice

import click

from eventstore.cli import words
from eventstore.cli.find import find_version
from eventstore.cli.output import print_record, progress, remark
from eventstore.cli.run import Run, example, json_option, store_option
from eventstore.interchange.a3s_export import export_a3s
from eventstore.interchange.importer import import_paths
from eventstore.interchange.report import ExportReport, ImportReport, Remark
from eventstore.store import EventStore


@click.command(
    "import",
    short_help="Import sessions of other programs.",
    epilog=example(
        "eventstore -s sessions/ import ~/.claude/projects",
        "eventstore -s sessions/ import --dry-run .a3s/sessions chat.jsonl run.traj",
        "eventstore -s sessions/ import states.jsonl --id-field id --version-field revision",
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
    sessions of a3s-code, Claude Code, SWE-agent, mini-SWE-agent and OpenHands, OpenAI-style
    chats, histories and bundles that were exported, and with --id-field plain JSON. The store
    is made if it is missing. What cannot be imported is named file by file and the rest is
    imported; importing again adds only what is new. Exits 1 if anything could not be imported.
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
    if report.problems:
        yield "not imported", words.plural(len(report.problems), "problem")


@click.command(
    short_help="Write sessions as another program's files.",
    epilog=example("eventstore -s sessions/ export fix-login@17 --to resumed/"),
)
@store_option()
@click.argument("sessions", metavar="[ID[@V]]...", nargs=-1)
@click.option(
    "--format",
    "format_name",
    type=click.Choice(("a3s",)),
    default="a3s",
    show_default=True,
    help="Whose files to write.",
)
@click.option("--to", "directory", metavar="DIR", required=True, help="Where to write them.")
@json_option
@click.pass_obj
def export(
    run: Run, *, sessions: tuple[str, ...], format_name: str, directory: str, as_json: bool
) -> None:
    """Write sessions into a directory that a3s-code 2.1 to 3.1 resumes from.

    All sessions if none is named. DIR must be new or empty. What was imported from a3s-code
    comes out byte for byte.
    """
    with run.store() as store:
        report = _export(store, sessions, directory)
    _tell_remarks(run, report.problems, report.warnings)
    if as_json:
        print_record({"format": format_name, **report.as_dict()})
        return
    click.echo(
        f"{words.plural(len(report.sessions), 'session')} in {words.plural(report.files, 'file')}, "
        f"{words.size(report.size)}, written to {words.clean(directory)}"
    )


def _export(store: EventStore, sessions: tuple[str, ...], directory: str) -> ExportReport:
    """Export all sessions, or those that were named at the versions that were named."""
    chosen: dict[str, int] = {}
    for version in (find_version(store, text) for text in sessions):
        if version.session in chosen:
            message = f"session {words.shown_id(version.session)} is named twice"
            raise click.UsageError(message, click.get_current_context())
        chosen[version.session] = version.version
    with progress("exporting") as drawn:
        return export_a3s(store, chosen or None, directory, progress=drawn)


def _tell_remarks(run: Run, problems: list[Remark], warnings: list[Remark]) -> None:
    """Name each thing that was not done, and each other thing to know, on standard error."""
    for warning in warnings:
        remark(f"note: {words.clean(str(warning))}")
    for problem in problems:
        run.fail(words.clean(str(problem)))
