"""A session: its configuration, its conversation, and what it has cost so far."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Annotated, Any

from pydantic import Field

from eventstore.models.config import SessionConfig
from eventstore.models.json_value import FrozenJson
from eventstore.models.layout import OMIT, REQUIRED, UNWRITTEN, Also
from eventstore.models.messages import Message
from eventstore.models.planning import Task
from eventstore.models.record import I64, Flag, Real, Record, Size, Text
from eventstore.models.usage import ContextUsage, LlmCostRecord, TokenUsage


class SessionState(StrEnum):
    """What a session is doing."""

    UNKNOWN = "Unknown"
    ACTIVE = "Active"
    PAUSED = "Paused"
    COMPLETED = "Completed"
    ERROR = "Error"


class LlmConfigData(Record):
    """Which model a session talks to; the key is kept in memory and never written."""

    provider: Text
    model: Text
    api_key: Annotated[Text | None, UNWRITTEN] = Field(default=None, repr=False)
    base_url: Text | None = None

    def __iter__(self) -> Iterator[tuple[str, Any]]:  # type: ignore[override]
        """Yield the fields without the key, so that `dict(config)` does not hold it either."""
        return ((name, value) for name, value in super().__iter__() if name != "api_key")


class ToolDefinition(Record):
    """A tool that a model may call, with the JSON schema of its arguments."""

    name: Text
    description: Text
    parameters: FrozenJson


def _now() -> int:
    """Return the present moment in Unix seconds."""
    return int(time.time())


class SessionData(Record):
    """Everything about one session that is saved under its id."""

    id: Text
    config: Annotated[SessionConfig, REQUIRED] = SessionConfig()
    state: Annotated[SessionState, REQUIRED] = SessionState.UNKNOWN
    messages: Annotated[tuple[Message, ...], REQUIRED] = ()
    context_usage: Annotated[ContextUsage, REQUIRED] = ContextUsage()
    total_usage: Annotated[TokenUsage, REQUIRED] = TokenUsage()
    total_cost: Real = 0.0
    model_name: Annotated[Text | None, OMIT] = None
    cost_records: tuple[LlmCostRecord, ...] = ()
    tool_names: Annotated[tuple[Text, ...], REQUIRED] = ()
    thinking_enabled: Annotated[Flag, REQUIRED] = False
    thinking_budget: Size | None = None
    created_at: Annotated[I64, REQUIRED] = Field(default_factory=_now)
    updated_at: Annotated[I64, REQUIRED] = Field(default_factory=_now)
    llm_config: Annotated[LlmConfigData | None, OMIT] = None
    tasks: Annotated[tuple[Task, ...], Also("todos")] = ()
    parent_id: Annotated[Text | None, OMIT] = None
    tenant_id: Annotated[Text | None, OMIT] = None
    principal: Annotated[Text | None, OMIT] = None
    agent_template_id: Annotated[Text | None, OMIT] = None
    correlation_id: Annotated[Text | None, OMIT] = None
    cognitive_package_binding: Annotated[FrozenJson, OMIT] = None
    durable_memory_binding: Annotated[FrozenJson, OMIT] = None
    immutable_content_adapter_binding: Annotated[FrozenJson, OMIT] = None

    @staticmethod
    def tool_names_from_definitions(tools: Iterable[ToolDefinition]) -> tuple[str, ...]:
        """Return the names of *tools*, in their order."""
        return tuple(tool.name for tool in tools)
