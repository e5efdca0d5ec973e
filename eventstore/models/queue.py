"""The queue's configuration: lanes, their limits, and what happens when a command fails."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import AfterValidator, ConfigDict, Field
from pydantic.alias_generators import to_camel

from eventstore.models.json_value import FrozenDict
from eventstore.models.layout import REQUIRED, Made
from eventstore.models.record import U32, U64, Flag, Record, Size, Text


class SessionLane(StrEnum):
    """The queue's lanes, the most urgent first."""

    CONTROL = "Control"
    QUERY = "Query"
    EXECUTE = "Execute"
    GENERATE = "Generate"


class TaskHandlerMode(StrEnum):
    """Who runs the commands of a lane."""

    INTERNAL = "Internal"
    EXTERNAL = "External"
    HYBRID = "Hybrid"


def _frozen(value: Mapping[Any, Any]) -> Mapping[Any, Any]:
    """Make a mapping of immutable values immutable itself."""
    return FrozenDict.of_frozen(value)


class LaneHandlerConfig(Record):
    """Who runs the commands of one lane, and how long that may take."""

    mode: Annotated[TaskHandlerMode, REQUIRED] = TaskHandlerMode.INTERNAL
    timeout_ms: Annotated[U64, REQUIRED] = 60_000


class RetryPolicyConfig(Record):
    """How a failed command is tried again."""

    model_config = ConfigDict(alias_generator=to_camel)

    strategy: Text
    max_retries: U32 = 3
    initial_delay_ms: U64 = 100
    fixed_delay_ms: U64 | None = None


class RateLimitConfig(Record):
    """How many commands may run in a span of time."""

    model_config = ConfigDict(alias_generator=to_camel)

    limit_type: Text
    max_operations: U64 | None = None


class PriorityBoostConfig(Record):
    """How a command gains urgency as its deadline nears."""

    model_config = ConfigDict(alias_generator=to_camel)

    strategy: Text
    deadline_ms: U64 | None = None


class SessionQueueConfig(Record):
    """The queue of one session; the wire names are camelCase."""

    model_config = ConfigDict(alias_generator=to_camel)

    control_max_concurrency: Annotated[Size, Made(2)] = 4
    query_max_concurrency: Annotated[Size, Made(4)] = 12
    execute_max_concurrency: Annotated[Size, Made(2)] = 4
    generate_max_concurrency: Annotated[Size, Made(1)] = 2
    lane_handlers: Annotated[Mapping[SessionLane, LaneHandlerConfig], AfterValidator(_frozen)] = (
        FrozenDict()
    )
    enable_dlq: Flag = False
    dlq_max_size: Size | None = None
    enable_metrics: Flag = False
    enable_alerts: Flag = False
    default_timeout_ms: U64 | None = None
    storage_path: Text | None = None
    retry_policy: RetryPolicyConfig | None = None
    rate_limit: RateLimitConfig | None = None
    priority_boost: PriorityBoostConfig | None = None
    pressure_threshold: Size | None = None
    lane_timeouts: Annotated[Mapping[SessionLane, U64], AfterValidator(_frozen)] = Field(
        default_factory=FrozenDict
    )
