"""The configuration of a session: where it works, with which limits and policies."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, ClassVar

from pydantic import ConfigDict
from pydantic.alias_generators import to_camel

from eventstore.models.json_value import FrozenJson
from eventstore.models.layout import OMIT, REQUIRED, Also
from eventstore.models.policies import ConfirmationPolicy, PermissionPolicy
from eventstore.models.queue import SessionQueueConfig
from eventstore.models.record import U32, Flag, Real, Record, Size, Text
from eventstore.models.security import SecurityConfig


class StorageBackend(StrEnum):
    """Where the session's own program keeps it."""

    MEMORY = "memory"
    FILE = "file"
    CUSTOM = "custom"


class PlanningMode(StrEnum):
    """Whether a plan is made before work starts."""

    AUTO = "Auto"
    DISABLED = "Disabled"
    ENABLED = "Enabled"


class AutoDelegationConfig(Record):
    """When work is handed to other agents without being asked to; camelCase on the wire."""

    model_config = ConfigDict(alias_generator=to_camel)

    enabled: Flag = False
    auto_parallel: Annotated[Flag, Also("auto_parallel")] = True
    allow_manual_delegation: Annotated[Flag | None, OMIT, Also("allow_manual_delegation")] = None
    min_confidence: Real = 0.72
    max_tasks: Size = 4


class SessionConfig(Record):
    """The configuration of one session."""

    never_stored: ClassVar[frozenset[str]] = frozenset({"hook_engine"})

    name: Annotated[Text, REQUIRED] = ""
    workspace: Annotated[Text, REQUIRED] = ""
    system_prompt: Text | None = None
    max_context_length: Annotated[U32, REQUIRED] = 0
    auto_compact: Annotated[Flag, REQUIRED] = False
    auto_compact_threshold: Real = 0.8
    storage_type: StorageBackend = StorageBackend.FILE
    queue_config: Annotated[SessionQueueConfig | None, OMIT] = None
    confirmation_policy: Annotated[ConfirmationPolicy | None, OMIT] = None
    permission_policy: Annotated[PermissionPolicy | None, OMIT] = None
    enforce_active_skill_tool_restrictions: Annotated[Flag, OMIT] = False
    max_parallel_tasks: Annotated[Size | None, OMIT] = None
    auto_delegation: Annotated[AutoDelegationConfig | None, OMIT] = None
    parent_id: Annotated[Text | None, OMIT] = None
    security_config: Annotated[SecurityConfig | None, OMIT] = None
    planning_mode: PlanningMode = PlanningMode.AUTO
    goal_tracking: Flag = False
    tool_result_transform_policy: Annotated[FrozenJson, OMIT] = None
