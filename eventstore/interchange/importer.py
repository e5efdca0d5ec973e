"""Import of anything this package knows, found by its content: directories, files, trees."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from eventstore.errors import InvalidInputError
from eventstore.interchange import a3s_layout, claude_code
from eventstore.interchange.a3s_export import export_a3s
from eventstore.interchange.a3s_import import import_directory
from eventstore.interchange.a3s_scan import is_a3s
from eventstore.interchange.claude_code import import_transcript
from eventstore.interchange.files import KNOWN_FORMATS, entries, format_of, size_of
from eventstore.interchange.oxios_export import export_oxios
from eventstore.interchange.oxios_import import import_state_directory
from eventstore.interchange.oxios_scan import is_oxios
from eventstore.interchange.report import FileOutcome, ImportReport
from eventstore.interchange.sink import Advance, Progress, Sink
from eventstore.store import EventStore

__all__ = ["export_a3s", "export_oxios", "import_paths"]

UNKNOWN = "unknown"
_TRANSCRIPT = ".jsonl"
_DOCUMENTS = (".json", ".tmp")


@dataclass(frozen=True, slots=True)
class _Job:
    """One thing to import, and how many bytes of files it has."""

    run: Callable[[Sink, Advance], list[FileOutcome]]
    size: int = 0


def import_paths(
    store: EventStore,
    paths: Iterable[str | os.PathLike[str]],
    *,
    progress: Progress | None = None,
    dry_run: bool = False,
) -> ImportReport:
    """Import files and directories into *store*; with *dry_run*, only say what would be done.

    What is wrong with one file is in the report and stops no other. Importing the same again
    writes nothing. Raises `BackendError` and `DurabilityError` when the store itself fails.
    *progress* counts bytes of files.
    """
    jobs = [job for path in paths for job in _jobs(Path(path))]
    report = ImportReport(dry_run=dry_run)
    sink = Sink(store, dry_run=dry_run)
    advance = _advance(progress, sum(job.size for job in jobs))
    for job in jobs:
        report.files += job.run(sink, advance)
    return report


def _advance(progress: Progress | None, total: int) -> Advance:
    """Return what adds up the bytes done and tells *progress*."""
    done = 0

    def advance(path: Path, size: int) -> None:
        nonlocal done
        done += size
        if progress is not None:
            progress(str(path), min(done, total), total)

    return advance


def _jobs(path: Path) -> Iterator[_Job]:
    """Yield what a path that somebody asked for makes to do."""
    try:
        # A link that somebody names is meant; links found below it are not followed.
        target = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "is no path"
        yield _failed(path, f"cannot be read ({reason})")
        return
    if target.is_dir():
        yield from _jobs_of_directory(target)
    else:
        yield _job_of_file(target, asked_for=True)


def _jobs_of_directory(directory: Path) -> Iterator[_Job]:
    """Yield what there is in a directory that somebody asked for."""
    job = _job_of_known(directory)
    if job is not None:
        yield job
        return
    found = False
    for job in _walk(directory):
        found = True
        yield job
    if not found and _has_documents(directory):
        yield _job_of_a3s(directory)
    elif not found:
        yield _failed(directory, f"holds nothing in a known format: {KNOWN_FORMATS}")


def _walk(directory: Path) -> Iterator[_Job]:
    """Yield the transcripts and the a3s-code directories below a directory."""
    pending = [directory]
    while pending:
        here = pending.pop()
        try:
            found = list(entries(here))
        except InvalidInputError as error:
            yield _failed(here, str(error))
            continue
        for entry in found:
            path = Path(entry.path)
            if entry.name.endswith(_TRANSCRIPT) or (entry.is_symlink() and path.is_dir()):
                yield _job_of_file(path, asked_for=False)
        below = [Path(entry.path) for entry in found if entry.is_dir(follow_symlinks=False)]
        for path in reversed(below):
            job = _job_of_known(path)
            if job is None:
                pending.append(path)
            else:
                yield job


def _job_of_file(path: Path, *, asked_for: bool) -> _Job:
    """Return what to do with one file."""
    try:
        found = format_of(path)
    except InvalidInputError as error:
        return _failed(path, str(error))
    size = size_of(path)
    if found == a3s_layout.FORMAT:
        return _Job(lambda sink, go: import_directory(path.parent, sink, go, path), size)
    if found == claude_code.FORMAT or size == 0:
        return _Job(lambda sink, go: [import_transcript(path, sink, go, asked_for=asked_for)], size)
    return _failed(path, f"is in no known format: {KNOWN_FORMATS}")


def _job_of_known(directory: Path) -> _Job | None:
    """Return what to do with a directory that one program wrote; None for any other."""
    if is_a3s(directory):
        return _job_of_a3s(directory)
    if is_oxios(directory):
        return _Job(
            lambda sink, go: import_state_directory(directory, sink, go), _size_below(directory)
        )
    return None


def _job_of_a3s(directory: Path) -> _Job:
    """Return what to do with an a3s-code directory."""
    return _Job(lambda sink, go: import_directory(directory, sink, go), _size_below(directory))


def _size_below(directory: Path) -> int:
    """Return the size of all files below a directory."""
    return sum(size_of(Path(base, name)) for base, _, names in os.walk(directory) for name in names)


def _failed(path: Path, reason: str) -> _Job:
    """Return a job that only reports."""
    outcome = FileOutcome(str(path), UNKNOWN)
    outcome.problem(reason)
    return _Job(lambda _sink, _go: [outcome])


def _has_documents(directory: Path) -> bool:
    """Whether a directory holds files that may be damaged documents."""
    return any(entry.name.endswith(_DOCUMENTS) for entry in entries(directory))
