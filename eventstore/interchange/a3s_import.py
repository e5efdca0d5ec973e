"""Import of a directory that a3s-code (up to 3.x) wrote: one atomic version per session.

Ids come from inside the documents; the documents beside a session document belong to the
session whose stem they bear. A document is kept as it is, save for white space, so a part is
present in the store exactly when its file was there.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eventstore.commit import SESSION
from eventstore.errors import (
    BackendError,
    DurabilityError,
    EventStoreError,
    InvalidInputError,
)
from eventstore.interchange import serde
from eventstore.interchange.a3s_layout import (
    DIRECTORIES,
    FORMAT,
    check_document,
    stem_of,
    without_key,
)
from eventstore.interchange.a3s_scan import Scan, scan
from eventstore.interchange.files import is_session, read_file
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sink import Advance, Sink
from eventstore.parts import RUN_RECORDS


@dataclass(slots=True)
class _Document:
    """One file that was read: its state, and the id it states."""

    outcome: FileOutcome
    part: str
    stem: str
    state: bytes
    id: str | None


def import_directory(
    directory: Path, sink: Sink, advance: Advance, only: Path | None = None
) -> list[FileOutcome]:
    """Import every session of a directory, or the one whose document is *only*."""
    found = scan(directory)
    if only is not None:
        found.keep(only)
    importing = _DirectoryImport(found, sink, advance)
    importing.import_sessions()
    if only is None:
        importing.import_parts_without_session()
    return importing.outcomes


class _DirectoryImport:
    """One import of one directory."""

    def __init__(self, found: Scan, sink: Sink, advance: Advance) -> None:
        """Prepare to import what was *found*."""
        self.found = found
        self.sink = sink
        self.advance = advance
        self.outcomes = list(found.strays)
        self.files: dict[str, str] = {}
        """The file that each session was imported from."""
        self.stems: dict[str, str] = {}
        """The session that each stem belongs to."""

    def import_sessions(self) -> None:
        """Import what stands under its own name first: that is what a3s-code itself would load."""
        misnamed: list[tuple[_Document, str]] = []
        for stem, path in self.found.of(SESSION).items():
            document = self._read(SESSION, stem, path)
            if document is None or document.id is None:
                continue
            if stem_of(document.id) == stem:
                self._import_session(document, document.id)
            else:
                misnamed.append((document, document.id))
        claims = Counter(id for _, id in misnamed)
        for document, id in misnamed:
            self._import_misnamed(document, id, claims[id] > 1)

    def import_parts_without_session(self) -> None:
        """Import what no session document used up."""
        for stem in sorted({stem for part in DIRECTORIES for stem in self.found.of(part)}):
            self._import_without_session(stem)

    def _import_session(self, document: _Document, id: str) -> None:
        """Import a session with everything that bears its stem."""
        stem = stem_of(id)
        self.stems[stem] = id
        self._save(id, [document, *self._beside(stem)])

    def _import_misnamed(self, document: _Document, id: str, contested: bool) -> None:
        """Import a session from a file that is not named after its id, if nothing contradicts."""
        outcome, stem = document.outcome, stem_of(id)
        if id in self.files:
            outcome.problem(f"states the id {id!r}, as {self.files[id]} does; not imported")
        elif contested:
            outcome.problem(f"states the id {id!r}, as another file does; neither is imported")
        elif stem in self.stems:
            outcome.problem(
                f"the ids {id!r} and {self.stems[stem]!r} share one file name; the files beside "
                f"were taken for the latter"
            )
            self._save(id, [document])
        else:
            outcome.warning(f"is not named after its id {id!r}; an export names it {stem}.json")
            self._import_session(document, id)

    def _import_without_session(self, stem: str) -> None:
        """Import documents that stand beside no session document, as parts of a session."""
        documents = self._beside(stem)
        if not documents:
            return
        id = next((document.id for document in documents if document.id), stem)
        for document in documents:
            if id in self.files:
                reason = f"is of session {id!r}, which has other files; not imported"
            else:
                reason = f"has no session document beside it; imported as a part of {id!r}"
            document.outcome.problem(reason)
        if id not in self.files:
            self._save(id, documents)

    def _beside(self, stem: str) -> list[_Document]:
        """Read and use up the documents that bear a stem, the session document apart."""
        documents = []
        for part in DIRECTORIES:
            path = self.found.of(part).pop(stem, None)
            document = None if path is None else self._read(part, stem, path)
            if document is not None:
                documents.append(document)
        return documents

    def _save(self, id: str, documents: list[_Document]) -> None:
        """Save documents as one version."""
        outcome = documents[0].outcome
        self.files[id] = outcome.path
        try:
            head = self.sink.head(id)
            if head is not None and not head.parts:
                outcome.warning(f"session {id!r} was deleted in the store; undelete it to import")
                return
            states = {document.part: document.state for document in documents}
            after = 0 if head is None else head.version
            newest = self.sink.save(id, states, note=self._note(documents[0]), after=after)
        except (BackendError, DurabilityError):
            raise  # No other session would fare better.
        except EventStoreError as error:
            outcome.problem(error)
            return
        outcome.add(id, newest - after)
        for document in documents:
            document.outcome.sessions.append(id)

    def _read(self, part: str, stem: str, path: Path) -> _Document | None:
        """Read and check one file; None, and a problem, if it cannot be imported."""
        outcome = FileOutcome(str(path), FORMAT)
        self.outcomes.append(outcome)
        try:
            text = read_file(path)
            outcome.size = len(text)
            value = serde.parse(text)
            if part == SESSION and not is_session(value):
                raise InvalidInputError("is not a session document")
            if part == SESSION and without_key(value):
                outcome.warning("holds an API key, which is not imported")
            state = serde.compact(value)
            check_document(part, state)
        except EventStoreError as error:
            outcome.problem(error)
            return None
        finally:
            self.advance(path, outcome.size)
        return _Document(outcome, part, stem, state, _stated_id(part, value))

    def _note(self, document: _Document) -> str:
        """Return what the version says of where it came from."""
        path = Path(document.outcome.path)
        return f"{FORMAT} file {path.relative_to(self.found.directory)}"


def _stated_id(part: str, value: Any) -> str | None:
    """Return the id of the session that a checked document says it belongs to."""
    if part == SESSION:
        return str(value["id"])
    if part == RUN_RECORDS and value:
        return str(value[0]["snapshot"]["session_id"])
    return None
