"""Import of a state directory of oxios: every document a session of its own, one version each."""

from __future__ import annotations

from pathlib import Path

from eventstore.commit import SESSION
from eventstore.errors import BackendError, DurabilityError, EventStoreError
from eventstore.interchange.files import read_file
from eventstore.interchange.oxios_files import FILE_TEXT, FORMAT, states_of, why_no_session
from eventstore.interchange.oxios_scan import scan
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sink import Advance, Sink
from eventstore.models.oxios_place import Place


def import_state_directory(directory: Path, sink: Sink, advance: Advance) -> list[FileOutcome]:
    """Import every document of a directory; what is wrong with one stops no other."""
    found = scan(directory)
    outcomes = list(found.strays)
    for place, path in found.documents.items():
        outcome = FileOutcome(str(path), FORMAT)
        outcomes.append(outcome)
        try:
            _import(place, path, sink, outcome)
        except (BackendError, DurabilityError):
            raise  # No other document would fare better.
        except EventStoreError as error:
            outcome.problem(error)
        finally:
            advance(path, outcome.size)
    return outcomes


def _import(place: Place, path: Path, sink: Sink, outcome: FileOutcome) -> None:
    """Import one document as one version, unless the store has it already."""
    text = read_file(path)
    outcome.size = len(text)
    head = sink.head(place.id)
    if head is not None and not head.parts:
        outcome.warning(f"{place.id!r} was deleted in the store; undelete it to import")
        return
    had_text = head is not None and FILE_TEXT in head.parts
    states = states_of(place, text, had_text=had_text)
    reason = why_no_session(place, states[SESSION])
    if reason is not None:
        outcome.warning(f"{reason}; kept as a document")
    after = 0 if head is None else head.version
    note = f"{FORMAT} file {place.path}"
    outcome.add(place.id, sink.save(place.id, states, note=note, after=after) - after)
    outcome.sessions.append(place.id)
    outcome.counts["sessions" if place.is_session else "documents"] += 1
