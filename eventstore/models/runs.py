"""Runs: one prompt's way from start to end, and every event on it."""

from __future__ import annotations

import time
from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from eventstore.errors import InvalidInputError
from eventstore.models.json_value import FrozenJson
from eventstore.models.layout import OMIT, REQUIRED
from eventstore.models.record import U64, Flag, Record, Size, Text


class RunStatus(StrEnum):
    """How far a run is."""

    CREATED = "created"
    PLANNING = "planning"
    EXECUTING = "executing"
    VERIFYING = "verifying"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


def now_ms() -> int:
    """Return the present moment in Unix milliseconds."""
    return time.time_ns() // 1_000_000


class RunWorkspaceChangeSet(Record):
    """What a run changed in the workspace, as a patch."""

    base_tree: Text
    result_tree: Text
    patch_digest: Text
    patch_bytes: U64
    patch_base64: Text
    observed_at_ms: U64


class RunSnapshot(Record):
    """What is known about a run without its events."""

    id: Text
    session_id: Text
    status: Annotated[RunStatus, REQUIRED] = RunStatus.CREATED
    prompt: Annotated[Text, REQUIRED] = ""
    cognitive_package_binding: Annotated[FrozenJson, OMIT] = None
    capability_binding: Annotated[FrozenJson, OMIT] = None
    created_at_ms: Annotated[U64, REQUIRED] = Field(default_factory=now_ms)
    updated_at_ms: Annotated[U64, REQUIRED] = Field(default_factory=now_ms)
    result_text: Annotated[Text | None, OMIT] = None
    error: Annotated[Text | None, OMIT] = None
    event_count: Annotated[Size, REQUIRED] = 0
    workspace_change_set: Annotated[RunWorkspaceChangeSet | None, OMIT] = None


class RunEventRecord(Record):
    """One event of a run; its payload is kept as free-form JSON."""

    sequence: Size
    timestamp_ms: Annotated[U64, REQUIRED] = Field(default_factory=now_ms)
    event: FrozenJson


class RunRecord(Record):
    """A run with its events; the oldest events may have been trimmed."""

    snapshot: RunSnapshot
    events: Annotated[tuple[RunEventRecord, ...], REQUIRED] = ()


class RunEventPage(Record):
    """A page of a run's events, and where the next one starts."""

    events: Annotated[tuple[RunEventRecord, ...], REQUIRED] = ()
    first_available_sequence: Size | None = None
    latest_sequence_exclusive: Annotated[Size, REQUIRED] = 0
    next_after_sequence: Size | None = None
    retention_gap: Annotated[Flag, REQUIRED] = False
    has_more: Annotated[Flag, REQUIRED] = False


def validate_invariants(records: Iterable[RunRecord], session_id: str) -> None:
    """Check that *records* can be the runs of one session.

    Raises `InvalidInputError` for a run id that comes twice, a run of another session, sequence
    numbers that do not increase, and an event count that does not cover the last event.
    """
    seen: set[str] = set()
    for at, record in enumerate(records):
        snapshot = record.snapshot
        if snapshot.id in seen:
            raise _refused(at, "snapshot.id", f"run id {snapshot.id!r} comes twice", session_id)
        seen.add(snapshot.id)
        if snapshot.session_id != session_id:
            reason = f"the run belongs to session {snapshot.session_id!r}"
            raise _refused(at, "snapshot.session_id", reason, session_id)
        _check_sequence(at, record, session_id)


def _check_sequence(at: int, record: RunRecord, session_id: str) -> None:
    """Check the sequence numbers of the run at index *at*, and the count that covers them."""
    last = -1
    for index, event in enumerate(record.events):
        if event.sequence <= last:
            reason = f"sequence {event.sequence} does not come after {last}"
            raise _refused(at, f"events.{index}.sequence", reason, session_id)
        last = event.sequence
    if record.snapshot.event_count < last + 1:
        reason = f"{record.snapshot.event_count} events cannot include sequence {last}"
        raise _refused(at, "snapshot.event_count", reason, session_id)


def _refused(at: int, field: str, reason: str, session_id: str) -> InvalidInputError:
    """Return the error for one field of the run at index *at*."""
    return InvalidInputError(reason, session=session_id, field=f"run_records.{at}.{field}")
