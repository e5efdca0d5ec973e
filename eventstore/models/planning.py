"""Planning: tasks, the plan they form, and the goal they serve."""

from __future__ import annotations

import time
from enum import StrEnum
from typing import Annotated

from pydantic import Field

from eventstore.models.layout import OMIT, REQUIRED, Also
from eventstore.models.record import I64, Flag, Real, Record, Size, Text


class TaskStatus(StrEnum):
    """How far a task is."""

    PENDING = "pending"
    IN_PROGRESS = "in_progress"
    COMPLETED = "completed"
    FAILED = "failed"
    SKIPPED = "skipped"
    CANCELLED = "cancelled"


class TaskPriority(StrEnum):
    """How much a task matters."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


class Complexity(StrEnum):
    """How hard a plan is."""

    SIMPLE = "Simple"
    MEDIUM = "Medium"
    COMPLEX = "Complex"
    VERY_COMPLEX = "VeryComplex"


class Task(Record):
    """One thing to do."""

    id: Text
    content: Annotated[Text, Also("description")]
    status: Annotated[TaskStatus, REQUIRED] = TaskStatus.PENDING
    priority: TaskPriority = TaskPriority.MEDIUM
    tool: Annotated[Text | None, OMIT] = None
    dependencies: Annotated[tuple[Text, ...], OMIT] = ()
    success_criteria: Annotated[Text | None, OMIT] = None


class ExecutionPlan(Record):
    """The steps towards a goal."""

    goal: Text
    steps: Annotated[tuple[Task, ...], REQUIRED] = ()
    complexity: Annotated[Complexity, REQUIRED] = Complexity.SIMPLE
    required_tools: Annotated[tuple[Text, ...], REQUIRED] = ()
    estimated_steps: Annotated[Size, REQUIRED] = 0


class AgentGoal(Record):
    """What an agent is after, and how far it got."""

    description: Text
    success_criteria: Annotated[tuple[Text, ...], REQUIRED] = ()
    progress: Annotated[Real, REQUIRED] = 0.0
    achieved: Annotated[Flag, REQUIRED] = False
    created_at: Annotated[I64, REQUIRED] = Field(default_factory=lambda: int(time.time()))
    achieved_at: I64 | None = None
