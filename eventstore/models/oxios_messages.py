"""What a session of oxios is made of: messages, answers, and the steps between them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from eventstore.models.json_value import FrozenJson
from eventstore.models.layout import OMIT, REQUIRED
from eventstore.models.moments import Moment, now
from eventstore.models.record import U64, Flag, Record, Size, Text


class UserMessage(Record):
    """What a user said."""

    content: Text
    timestamp: Annotated[Moment, REQUIRED] = Field(default_factory=now)


class TrajectoryRange(Record):
    """Which steps of the session's trajectory led to an answer."""

    start: Size
    end: Size


class AgentResponse(Record):
    """What an agent answered; later programs write no `seed_id`, and a `trajectory_range`."""

    content: Text
    session_id: Text | None = None
    seed_id: Text | None = None
    phase_reached: Text | None = None
    evaluation_passed: Flag | None = None
    timestamp: Annotated[Moment, REQUIRED] = Field(default_factory=now)
    trajectory_range: Annotated[TrajectoryRange | None, OMIT] = None


class TrajectoryStepRecord(Record):
    """One call of a tool; `output_summary` is cut by whoever records it."""

    tool_name: Text
    tool_args: FrozenJson
    output_summary: Text
    duration_ms: U64
    is_error: Flag
    tool_call_id: Text
    timestamp: Annotated[Moment, REQUIRED] = Field(default_factory=now)


class ReasoningSegment(Record):
    """A piece of reasoning, and the step it came before."""

    before_step: Size = 0
    text: Annotated[Text, OMIT] = ""


class ReasoningRecord(Record):
    """What a model thought on the way to an answer."""

    content: Text
    source: FrozenJson
    timestamp: Annotated[Moment, REQUIRED] = Field(default_factory=now)
    segments: Annotated[tuple[ReasoningSegment, ...], OMIT] = ()
