"""Import of anything this package knows, found by its content: directories, files, trees."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from eventstore.errors import InvalidInputError
from eventstore.interchange.files import entries, size_of
from eventstore.interchange.formats import (
    Format,
    Options,
    format_of_directory,
    format_of_file,
    titles,
)
from eventstore.interchange.report import FileOutcome, ImportReport
from eventstore.interchange.sample import Sample
from eventstore.interchange.sink import Advance, Progress, Sink
from eventstore.store import EventStore

UNKNOWN = "unknown"
_NAMED_LIKE_OURS = (".jsonl", ".traj", ".traj.json", ".esb")
"""A file of such a name that no format recognises is a problem wherever it is found."""

_DOCUMENTS = (".json", ".tmp")
"""A file of such a name is a problem if it is damaged; whole, it may be anybody's."""


@dataclass(frozen=True, slots=True)
class _Job:
    """One thing to import, and how many bytes of files it has.

    Nothing is done with a file that was `passed_over`; it is only counted.
    """

    run: Callable[[Sink, Advance], list[FileOutcome]]
    size: int = 0
    passed_over: bool = False


def import_paths(
    store: EventStore,
    paths: Iterable[str | os.PathLike[str]],
    *,
    progress: Progress | None = None,
    dry_run: bool = False,
    id_field: str | None = None,
    version_field: str | None = None,
) -> ImportReport:
    """Import files and directories into *store*; with *dry_run*, only say what would be done.

    With *id_field*, JSON files are plain states: objects that have a session's id in that field,
    and, with *version_field*, the number of a version in that one. What is wrong with one file is
    in the report and stops no other. Importing the same again writes nothing. Raises
    `BackendError` and `DurabilityError` when the store itself fails. *progress* counts bytes of
    files.
    """
    if version_field is not None and id_field is None:
        raise InvalidInputError("needs id_field too", field="version_field")
    options = Options(id_field, version_field)
    jobs = [job for path in paths for job in _jobs(Path(path), options)]
    report = ImportReport(dry_run=dry_run, passed_over=sum(job.passed_over for job in jobs))
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


def _jobs(path: Path, options: Options) -> Iterator[_Job]:
    """Yield what a path that somebody asked for makes to do."""
    try:
        # A link that somebody names is meant; links found below it are not followed.
        target = path.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as error:
        yield _failed(path, _why_no_path(error))
        return
    if target.is_dir():
        yield from _jobs_of_directory(target, options)
    else:
        yield _job_of_file(target, options)


def _why_no_path(error: Exception) -> str:
    """Return why nothing can be found at a path."""
    if isinstance(error, RuntimeError):
        return "is a symbolic link that leads back to itself"
    return f"cannot be read ({error.strerror if isinstance(error, OSError) else 'is no path'})"


def _jobs_of_directory(directory: Path, options: Options) -> Iterator[_Job]:
    """Yield what there is in a directory that somebody asked for."""
    whole = format_of_directory(directory)
    if whole is not None:
        yield _job_of_directory(whole, directory)
        return
    jobs = list(_walk(directory, replace(options, asked_for=False)))
    yield from jobs
    if all(job.passed_over for job in jobs):
        yield _failed(directory, f"holds nothing in a known format: {titles()}")


def _walk(directory: Path, options: Options) -> Iterator[_Job]:
    """Yield what is worth a look below a directory, files and directories that are one thing."""
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
            if entry.is_symlink():
                if _is_named_like_ours(path) or path.is_dir():
                    yield _failed(path, "is a symbolic link, which is not followed")
            elif not entry.is_dir():
                yield from _job_of_found(path, options)
        below = [Path(entry.path) for entry in found if entry.is_dir(follow_symlinks=False)]
        for path in reversed(below):
            whole = format_of_directory(path)
            if whole is not None:
                yield _job_of_directory(whole, path)
            else:
                pending.append(path)


def _job_of_found(path: Path, options: Options) -> Iterator[_Job]:
    """Yield what to do with a file found in a directory, if somebody would expect anything."""
    job = _job_of_file(path, options)
    if _is_named_like_ours(path):
        yield job
        return
    sample = Sample(path)
    try:
        if format_of_file(sample, options) is not None:
            yield job
        elif path.name.endswith(_DOCUMENTS):
            yield job if sample.flaw is not None else _PASSED_OVER
    except InvalidInputError:
        if path.name.endswith(_DOCUMENTS):  # Of another one nothing says that it should be read.
            yield job


def _job_of_file(path: Path, options: Options) -> _Job:
    """Return what to do with one file; what it is, is found out when it is its turn."""

    def run(sink: Sink, advance: Advance) -> list[FileOutcome]:
        sample = Sample(path)
        try:
            found = format_of_file(sample, options)
            if found is not None and found.read is not None:
                return found.read(sample, sink, advance, options)
            reason = _why_unknown(sample)
        except InvalidInputError as error:
            reason = str(error)
        advance(path, sample.size)
        return _failed(path, reason).run(sink, advance)

    return _Job(run, size_of(path))


def _why_unknown(sample: Sample) -> str:
    """Return why no format recognised a file."""
    flaw = sample.flaw
    broken = "" if flaw is None else f"is no whole JSON ({flaw}) and "
    return f"{broken}is in no known format: {titles()}"


def _job_of_directory(format: Format, directory: Path) -> _Job:
    """Return what to do with a directory that is one thing."""
    read = format.read_directory
    assert read is not None, "a format that recognises directories reads them"
    size = sum(size_of(Path(base, name)) for base, _, names in os.walk(directory) for name in names)
    return _Job(lambda sink, advance: read(directory, sink, advance), size)


_PASSED_OVER = _Job(lambda _sink, _advance: [], passed_over=True)


def _failed(path: Path, reason: str) -> _Job:
    """Return a job that only reports."""
    outcome = FileOutcome(str(path), UNKNOWN)
    outcome.problem(reason)
    return _Job(lambda _sink, _advance: [outcome])


def _is_named_like_ours(path: Path) -> bool:
    """Whether the name of a file says that it should be in a format we know."""
    return path.name.endswith(_NAMED_LIKE_OURS)
