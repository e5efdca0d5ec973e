"""Export to a directory that a3s-code 2.1 to 3.1 resumes from.

What was imported from a3s-code comes out byte for byte. A file is written exactly for each part
there is: a3s-code takes a missing one for an empty list, and writes it at its next save. Blocks of
types that it does not know, which it would refuse with the whole session, become text.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from eventstore.at import At
from eventstore.commit import SESSION, Version
from eventstore.errors import (
    BackendError,
    DurabilityError,
    EventStoreError,
    InvalidInputError,
)
from eventstore.interchange import serde
from eventstore.interchange.a3s_document import document, replace_foreign_blocks
from eventstore.interchange.a3s_layout import PARTS, check_document, path_of, stem_of
from eventstore.interchange.exports import Export, ExportOptions
from eventstore.interchange.outfile import Target
from eventstore.interchange.report import ExportReport, Remark, Severity
from eventstore.interchange.sink import Progress
from eventstore.interchange.target import check_free, make_empty, write_new
from eventstore.store import EventStore


def export_a3s(
    store: EventStore,
    ids: Iterable[str] | Mapping[str, At | None] | None,
    directory: str | os.PathLike[str],
    at: At | None = None,
    *,
    progress: Progress | None = None,
) -> ExportReport:
    """Write sessions into *directory*, which must be empty or not there yet.

    *ids* of None means every session that is not deleted; a mapping says for each session at which
    version, else *at* does. Raises `InvalidInputError` for the directory, `BackendError` when it
    cannot be written; what is wrong with a single session is in the report. *progress* counts
    bytes of states. The files are not synced: the store stays the durable copy.
    """
    wanted: dict[str, At | None]
    if isinstance(ids, Mapping):
        wanted = dict(ids)
    else:
        wanted = dict.fromkeys(store.list() if ids is None else ids)
    target = Path(directory)
    make_empty(target)
    export = _Export(store, target)
    for id, version in wanted.items():
        export.plan(id, at if version is None else version)
    export.write_all(progress)
    return export.report


class _Export:
    """One export into one directory."""

    def __init__(self, store: EventStore, directory: Path) -> None:
        """Prepare to write into an empty *directory*."""
        self.store = store
        self.directory = directory
        self.report = ExportReport(str(directory))
        self.versions: list[Version] = []
        self.stems: dict[str, str] = {}

    def plan(self, id: str, at: At | None) -> None:
        """Take up one session at the version that *at* means."""
        with self._reporting(id):
            version = self.store.version(id, at)
            if version is None or not version.parts:
                raise InvalidInputError("there is no such session, or it is deleted")
            self.versions.append(version)

    def write_all(self, progress: Progress | None) -> None:
        """Write every session taken up."""
        sizes = [sum(part.size for part in version.parts.values()) for version in self.versions]
        done, total = 0, sum(sizes)
        for version, size in zip(self.versions, sizes, strict=True):
            self._write_session(version)
            done += size
            if progress is not None:
                progress(version.session, done, total)

    def _write_session(self, version: Version) -> None:
        """Write one session; all of it is read and checked before any of it is written."""
        with self._reporting(version.session):
            for path, text in self._files(version).items():
                self._write(path, text)
            self.report.sessions.append(version.session)

    @contextlib.contextmanager
    def _reporting(self, id: str) -> Iterator[None]:
        """Put what is wrong with one session into the report and go on."""
        try:
            yield
        except (BackendError, DurabilityError):
            raise  # No other session would fare better.
        except EventStoreError as error:
            self._remark(id, str(error))

    def _files(self, version: Version) -> dict[Path, bytes]:
        """Return everything to write for a session."""
        id = version.session
        stem = self._stem(id)
        files = {}
        for part in PARTS:
            if part in version.parts:
                path = self.directory / path_of(part, stem)
                files[path] = self._document(version, part)
        for path in files:
            check_free(path)
        self.stems[stem] = id
        for part in sorted(version.parts.keys() - set(PARTS)):
            self._remark(id, f"part {part!r} has no place in this format; left out", "warning")
        if SESSION not in version.parts:
            self._remark(id, "has no session document, so nothing can resume it", "warning")
        return files

    def _stem(self, id: str) -> str:
        """Return the file stem of a session that no other session took."""
        stem = stem_of(id)
        if stem in self.stems:
            raise InvalidInputError(
                f"would overwrite the files of session {self.stems[stem]!r}, which are named alike",
                hint="export it to another directory",
            )
        if stem == "." or "\0" in stem:
            raise InvalidInputError("has an id that cannot be a file name")
        return stem

    def _document(self, version: Version, part: str) -> bytes:
        """Return the file of one part."""
        id = version.session
        state = self.store.load_bytes(id, part, at=version)
        if state is None:
            raise InvalidInputError("is gone", field=part)
        check_document(part, state)
        value = serde.parse(state)
        if part == SESSION:
            self._make_readable(id, value)
        return document(part, value)

    def _make_readable(self, id: str, session: dict[str, Any]) -> None:
        """Replace what a3s-code would refuse to read, and say what may surprise."""
        if session["id"] != id:
            self._remark(id, f"its document states another id, {session['id']!r}", "warning")
        for kind, count in sorted(replace_foreign_blocks(session).items()):
            reason = f"a3s-code cannot read blocks of type {kind!r}; {count} written as text"
            self._remark(id, reason, "warning")

    def _write(self, path: Path, text: bytes) -> None:
        """Write one file."""
        write_new(path, text, self.directory)
        self.report.files += 1
        self.report.size += len(text)

    def _remark(self, id: str, reason: str, severity: Severity = "problem") -> None:
        """Add a remark about a session."""
        self.report.notes.append(Remark(id, reason, severity))


def _export(
    store: EventStore,
    wanted: Iterable[str] | Mapping[str, At | None] | None,
    target: Target,
    options: ExportOptions,
) -> ExportReport:
    """Export as the command line asks."""
    if not isinstance(target, str | os.PathLike):
        raise InvalidInputError("is a directory, which cannot go to a stream", field="a3s")
    return export_a3s(store, wanted, target, progress=options.progress)


EXPORTS = (Export("a3s", "a directory that a3s-code 2.1 to 3.1 resumes from", _export),)
