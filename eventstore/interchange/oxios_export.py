"""Export to a state directory that oxios reads: what was imported unchanged, byte for byte."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from eventstore.at import At
from eventstore.commit import SESSION, Version
from eventstore.errors import BackendError, DurabilityError, EventStoreError, InvalidInputError
from eventstore.interchange.exports import Export, ExportOptions
from eventstore.interchange.files import is_session
from eventstore.interchange.outfile import Target
from eventstore.interchange.oxios_files import FILE_TEXT, text_of, why_no_session
from eventstore.interchange.report import ExportReport, Remark, Severity
from eventstore.interchange.sink import Progress
from eventstore.interchange.target import check_free, make_empty, write_new
from eventstore.models.oxios_place import Place
from eventstore.state import check_bytes
from eventstore.store import EventStore


def export_oxios(
    store: EventStore,
    ids: Iterable[str] | Mapping[str, At | None] | None,
    directory: str | os.PathLike[str],
    at: At | None = None,
    *,
    progress: Progress | None = None,
) -> ExportReport:
    """Write documents into *directory*, which must be empty or not there yet.

    *ids* of None means all that are not deleted; a mapping says for each at which version, else
    *at* does. Raises `InvalidInputError` for the directory, `BackendError` when it cannot be
    written; what is wrong with a single document is in the report. *progress* counts documents.
    The files are not synced: the store stays the durable copy.
    """
    wanted: dict[str, At | None]
    if isinstance(ids, Mapping):
        wanted = dict(ids)
    else:
        wanted = dict.fromkeys(store.list() if ids is None else ids)
    target = Path(directory)
    make_empty(target)
    export = _Export(store, target)
    for done, (id, version) in enumerate(wanted.items(), start=1):
        with export.reporting(id):
            export.write(id, at if version is None else version)
        if progress is not None:
            progress(id, done, len(wanted))
    return export.report


class _Export:
    """One export into one directory."""

    def __init__(self, store: EventStore, directory: Path) -> None:
        """Prepare to write into an empty *directory*."""
        self.store = store
        self.directory = directory
        self.report = ExportReport(str(directory))

    def write(self, id: str, at: At | None) -> None:
        """Write one document at the version that *at* means."""
        version = self.store.version(id, at)
        if version is None or SESSION not in version.parts:
            raise InvalidInputError("there is no such session, or it is deleted")
        place = Place.of_id(id)
        if place is None:
            raise InvalidInputError("has an id that is no place in a state directory")
        states = self._states(version)
        if place.is_session and is_session(check_bytes(states[SESSION], part=SESSION)):
            raise InvalidInputError("is a session of a3s-code, which oxios cannot read")
        text = text_of(place, states)
        path = self.directory / place.path
        check_free(path)
        write_new(path, text, self.directory)
        self.report.files += 1
        self.report.size += len(text)
        self.report.sessions.append(id)
        self._warn(place, version, states)

    @contextmanager
    def reporting(self, id: str) -> Iterator[None]:
        """Put what is wrong with one document into the report and go on."""
        try:
            yield
        except (BackendError, DurabilityError):
            raise  # No other document would fare better.
        except EventStoreError as error:
            self._remark(id, str(error))

    def _states(self, version: Version) -> dict[str, bytes]:
        """Return the states that make the file of a document."""
        states = {}
        for part in {SESSION, FILE_TEXT} & version.parts.keys():
            state = self.store.load_bytes(version.session, part, at=version)
            if state is None:
                raise InvalidInputError("is gone", field=part)
            states[part] = state
        return states

    def _warn(self, place: Place, version: Version, states: Mapping[str, bytes]) -> None:
        """Say what may surprise in a document that was written."""
        reason = why_no_session(place, states[SESSION])
        if reason is not None:
            self._remark(version.session, reason, "warning")
        for part in sorted(version.parts.keys() - {SESSION, FILE_TEXT}):
            reason = f"part {part!r} has no place in this format; left out"
            self._remark(version.session, reason, "warning")

    def _remark(self, id: str, reason: str, severity: Severity = "problem") -> None:
        """Add a remark about a document."""
        self.report.notes.append(Remark(id, reason, severity))


def _export(
    store: EventStore,
    wanted: Iterable[str] | Mapping[str, At | None] | None,
    target: Target,
    options: ExportOptions,
) -> ExportReport:
    """Export as the command line asks."""
    if not isinstance(target, str | os.PathLike):
        raise InvalidInputError("is a directory, which cannot go to a stream", field="oxios")
    return export_oxios(store, wanted, target, progress=options.progress)


EXPORTS = (Export("oxios", "a state directory that oxios reads", _export),)
