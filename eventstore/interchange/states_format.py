"""Plain states: JSON objects that say in one field which session they are a state of.

Asked for by naming that field. A file is one object, a list of them, or JSON Lines of them; the
states of one session stand in the order in which they were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from eventstore.commit import SESSION
from eventstore.errors import (
    BackendError,
    DurabilityError,
    EventStoreError,
    InvalidInputError,
)
from eventstore.interchange import serde
from eventstore.interchange.follow import Follower, Given
from eventstore.interchange.formats import Format, Options
from eventstore.interchange.lines import Lines
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sample import Sample
from eventstore.interchange.sink import Advance, Sink

NAME = "states"
_DIGITS_MAX = 18


def _recognises(sample: Sample, options: Options) -> bool:
    """Whether plain states were asked for, and the file may hold some."""
    return options.id_field is not None and sample.looks_like_json


def _read(sample: Sample, sink: Sink, advance: Advance, options: Options) -> list[FileOutcome]:
    """Import every state of the file."""
    outcome = FileOutcome(str(sample.path), NAME)

    def done(size: int) -> None:
        outcome.size += size
        advance(sample.path, size)

    reading = _Reading(options, Follower(sink, outcome), outcome)
    values, broken = _values(sample, outcome, done)
    for place, value in values:
        try:
            reading.take(value)
        except (BackendError, DurabilityError):
            raise  # No other state would fare better.
        except EventStoreError as error:
            broken(place, str(error))
    if not outcome.sessions and outcome.ok:
        outcome.problem("holds no state")
    return [outcome]


def _values(
    sample: Sample, outcome: FileOutcome, done: Callable[[int], None]
) -> tuple[Iterator[tuple[int, Any]], Callable[[int, str], None]]:
    """Return the values of a file with their places, and what reports a broken one."""
    lines = Lines(sample, outcome, done)
    if sample.document is None:
        return lines.values(), lines.broken
    done(sample.size)
    document = sample.document
    values = document if isinstance(document, list) else [document]
    return iter(list(enumerate(values, start=1))), lines.broken


class _Reading:
    """One reading of a file of states."""

    def __init__(self, options: Options, follower: Follower, outcome: FileOutcome) -> None:
        """Read as *options* say."""
        assert options.id_field is not None, "plain states are asked for by their id field"
        self._id_field = options.id_field
        self._version_field = options.version_field
        self._follower = follower
        self._outcome = outcome
        self._numbers: dict[str, int] = {}

    def take(self, value: Any) -> None:
        """Take one state; raise `InvalidInputError` for what is none."""
        id = _text(value, self._id_field)
        note = None
        if self._version_field is not None:
            number = self._number(value, self._version_field)
            before = self._numbers.get(id)
            if before is not None and number < before:
                raise _refused(f"states version {number} of session {id!r} after {before}")
            self._numbers[id] = number
            note = f"{self._version_field} {number}"
        self._outcome.counts["state"] += 1
        self._follower.follow(id, Given({SESSION: serde.compact(value)}, note))

    def _number(self, value: Any, field: str) -> int:
        """Return the version's number."""
        text = _text(value, field)
        if not text.isdecimal() or len(text) > _DIGITS_MAX:
            raise _refused(f"has no version number in field {field!r}")
        return int(text)


def _text(value: Any, field: str) -> str:
    """Return the text or number in a field, which may be one of an object inside (`a.b`)."""
    found = value.get(field) if isinstance(value, dict) else None
    if found is None and "." in field:
        found = value
        for name in field.split("."):
            found = found.get(name) if isinstance(found, dict) else None
    if not isinstance(found, str) or not found:
        raise _refused(f"has no text or number in field {field!r}")
    return str(found)


def _refused(reason: str) -> EventStoreError:
    """Return the error for a value that cannot be taken."""
    return InvalidInputError(reason)


FORMAT = Format(NAME, "plain states (with --id-field)", _recognises, _read, rank=5)
