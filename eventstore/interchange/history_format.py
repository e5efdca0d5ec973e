"""Histories in JSON Lines, as this package exports them: one version per line, with its states."""

from __future__ import annotations

from typing import Any

from eventstore.errors import (
    BackendError,
    DurabilityError,
    EventStoreError,
    InvalidInputError,
    UnsupportedError,
)
from eventstore.interchange import serde
from eventstore.interchange.follow import DELETE, SAVE, UNDELETE, Follower, Given
from eventstore.interchange.formats import Format, Options
from eventstore.interchange.lines import Lines
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sample import Sample
from eventstore.interchange.sink import Advance, Sink

NAME = "history"
MARK = "eventstore"
"""The member that makes a line one of ours; its value is the version of the format."""

VERSION = 1


def _recognises(sample: Sample, _options: Options) -> bool:
    """Whether the first line is a version as we write it."""
    first = sample.records[0] if sample.records else sample.document
    return isinstance(first, dict) and MARK in first and "session" in first and "version" in first


def _read(sample: Sample, sink: Sink, advance: Advance, _options: Options) -> list[FileOutcome]:
    """Import every version of the file."""
    outcome = FileOutcome(str(sample.path), NAME)

    def done(size: int) -> None:
        outcome.size += size
        advance(sample.path, size)

    follower = Follower(sink, outcome)
    lines = Lines(sample, outcome, done)
    for line, value in lines.values():
        try:
            id, given = _given(value)
            if given is None:
                outcome.warning("states were dropped before it was exported; left out", line=line)
            else:
                outcome.counts["version"] += 1
                follower.follow(id, given)
        except (BackendError, DurabilityError):
            raise  # No other version would fare better.
        except EventStoreError as error:
            lines.broken(line, str(error))
    return [outcome]


def _given(value: Any) -> tuple[str, Given | None]:
    """Return the session and the version that a line gives; None for one without its states."""
    if not isinstance(value, dict) or MARK not in value:
        raise InvalidInputError("is no version of a history")
    if value[MARK] != str(VERSION):
        raise UnsupportedError("is of a version of this format that is not known here")
    id, states = value.get("session"), value.get("states")
    if type(id) is not str or not isinstance(states, dict):
        raise InvalidInputError("is a version without a session or without states")
    if value.get("dropped"):
        return id, None
    kind = value.get("kind")
    given = Given(
        {name: serde.compact(state) for name, state in states.items()},
        note=_text(value.get("note")),
        kind=kind if kind in (DELETE, UNDELETE) else SAVE,
        actor=_text(value.get("actor")),
        key=_text(value.get("key")),
    )
    return id, given


def _text(value: Any) -> str | None:
    """Return text, None for anything else."""
    return value if type(value) is str else None


FORMAT = Format(NAME, "an exported history (.jsonl)", _recognises, _read, rank=6)
