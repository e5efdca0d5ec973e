"""Traces: compact facts about what was executed, one event per execution."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Any, Final

from pydantic import Field

from eventstore.models.json_value import FrozenJson
from eventstore.models.layout import OMIT, REQUIRED
from eventstore.models.record import I32, U64, Flag, Record, Size, Text

TRACE_EVENT_SCHEMA: Final = "a3s.trace_event.v1"
_SUMMARY = ("program_name", "success", "step_count", "failed_steps")


class TraceEventKind(StrEnum):
    """What was executed."""

    TOOL_EXECUTION = "tool_execution"
    PROGRAM_EXECUTION = "program_execution"


class TraceEvent(Record):
    """One execution of a tool or program."""

    schema_name: Annotated[Text, REQUIRED] = Field(default=TRACE_EVENT_SCHEMA, alias="schema")
    kind: Annotated[TraceEventKind, REQUIRED] = TraceEventKind.TOOL_EXECUTION
    name: Text
    success: Flag
    exit_code: Annotated[I32, REQUIRED] = 0
    duration_ms: Annotated[U64, REQUIRED] = 0
    output_bytes: Annotated[Size, REQUIRED] = 0
    metadata_keys: Annotated[tuple[Text, ...], OMIT] = ()
    artifact_uris: Annotated[tuple[Text, ...], OMIT] = ()
    details: Annotated[FrozenJson, OMIT] = None

    @classmethod
    def tool_execution(  # noqa: PLR0917 - upstream's own signature
        cls,
        name: str,
        success: bool,
        exit_code: int,
        duration: timedelta | int,
        output_bytes: int,
        metadata: Any = None,
    ) -> TraceEvent:
        """Return the event of one tool call; a *duration* that is a number is milliseconds."""
        return cls(
            name=name,
            success=success,
            exit_code=exit_code,
            duration_ms=_milliseconds(duration),
            output_bytes=output_bytes,
            metadata_keys=tuple(sorted(metadata)) if isinstance(metadata, dict) else (),
            artifact_uris=tuple(sorted(set(_artifact_uris(metadata)))),
        )

    @classmethod
    def program_execution(  # noqa: PLR0917 - upstream's own signature
        cls,
        name: str,
        success: bool,
        exit_code: int,
        duration: timedelta | int,
        output_bytes: int,
        metadata: Any = None,
    ) -> TraceEvent:
        """Return the event of one program run, with the summary of `metadata["trace"]`."""
        event = cls.tool_execution(name, success, exit_code, duration, output_bytes, metadata)
        update: dict[str, Any] = {"kind": TraceEventKind.PROGRAM_EXECUTION}
        trace = metadata.get("trace") if isinstance(metadata, dict) else None
        if isinstance(trace, dict):
            update["details"] = {field: trace.get(field) for field in _SUMMARY}
        return event.model_copy(update=update)


def _milliseconds(duration: timedelta | int) -> int:
    """Return whole milliseconds."""
    return duration // timedelta(milliseconds=1) if isinstance(duration, timedelta) else duration


def _artifact_uris(metadata: Any) -> Iterator[str]:
    """Yield every `artifact_uri` in *metadata*, however deep."""
    if isinstance(metadata, dict):
        uri = metadata.get("artifact_uri")
        if isinstance(uri, str):
            yield uri
        metadata = tuple(metadata.values())
    if isinstance(metadata, (list, tuple)):
        for item in metadata:
            yield from _artifact_uris(item)
