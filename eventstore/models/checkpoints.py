"""Checkpoints: whole generations of a session, and where loops and workflows can resume."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field

from eventstore.errors import InvalidInputError
from eventstore.models.artifacts import ArtifactManifest, ArtifactStore, ToolArtifact
from eventstore.models.json_value import FrozenJson
from eventstore.models.layout import OMIT, REQUIRED, Made
from eventstore.models.messages import Message
from eventstore.models.record import U32, U64, Flag, Record, Size, Text
from eventstore.models.runs import RunRecord, now_ms, validate_invariants
from eventstore.models.session import SessionData
from eventstore.models.traces import TraceEvent
from eventstore.models.usage import TokenUsage
from eventstore.models.verification import VerificationReport

CHECKPOINT_SCHEMA_VERSION: Final = 1


class SubagentStatus(StrEnum):
    """How far a delegated task is."""

    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class SubagentProgressEntry(Record):
    """One report of progress."""

    timestamp_ms: Annotated[U64, REQUIRED] = Field(default_factory=now_ms)
    status: Text
    metadata: Annotated[FrozenJson, REQUIRED] = None


class SubagentTaskSnapshot(Record):
    """A task that was delegated to another agent."""

    task_id: Text
    parent_session_id: Text
    child_session_id: Text
    agent: Text
    description: Text
    status: Annotated[SubagentStatus, REQUIRED] = SubagentStatus.RUNNING
    started_ms: Annotated[U64, REQUIRED] = Field(default_factory=now_ms)
    updated_ms: Annotated[U64, REQUIRED] = Field(default_factory=now_ms)
    finished_ms: Annotated[U64 | None, OMIT] = None
    output: Annotated[Text | None, OMIT] = None
    success: Annotated[Flag | None, OMIT] = None
    progress: Annotated[tuple[SubagentProgressEntry, ...], REQUIRED] = ()


class SessionSnapshotV1(Record):
    """One generation of a session with everything beside it."""

    schema_version: Annotated[U32, Field(ge=1, le=1), REQUIRED] = CHECKPOINT_SCHEMA_VERSION
    session: SessionData
    artifacts: tuple[ToolArtifact, ...] = ()
    retained_artifact_uris: tuple[Text, ...] = ()
    trace_events: tuple[TraceEvent, ...] = ()
    run_records: tuple[RunRecord, ...] = ()
    verification_reports: tuple[VerificationReport, ...] = ()
    subagent_tasks: tuple[SubagentTaskSnapshot, ...] = ()

    def artifact_store(self) -> ArtifactStore:
        """Return the artifacts as a store, with their retained URIs."""
        manifest = ArtifactManifest(
            artifacts=self.artifacts, retained_uris=self.retained_artifact_uris
        )
        return ArtifactStore.from_manifest(manifest)

    def validate_invariants(self) -> None:
        """Check that runs and delegated tasks belong to the session; raise `InvalidInputError`."""
        session = self.session.id
        validate_invariants(self.run_records, session)
        for at, task in enumerate(self.subagent_tasks):
            if task.parent_session_id not in ("", session):
                raise InvalidInputError(
                    f"the task belongs to session {task.parent_session_id!r}",
                    session=session,
                    field=f"subagent_tasks.{at}.parent_session_id",
                )

    def fork_for_session(self, session_id: str, workspace: str) -> Self:
        """Return a copy that belongs to another session and workspace.

        Artifacts, traces, run ids and child sessions stay what they were.
        """
        self.validate_invariants()
        if not session_id.strip():
            raise InvalidInputError("a session id cannot be blank", field="session.id")
        config = self.session.config.model_copy(update={"workspace": workspace})
        session = self.session.model_copy(update={"id": session_id, "config": config})
        runs = tuple(_moved_run(record, session_id) for record in self.run_records)
        tasks = tuple(_moved_task(task, session_id) for task in self.subagent_tasks)
        update = {"session": session, "run_records": runs, "subagent_tasks": tasks}
        return self.model_copy(update={k: v for k, v in update.items() if v != ()})


class LoopCheckpoint(Record):
    """Where the loop of one run can resume: between two rounds of tool calls."""

    schema_version: Annotated[U32, Field(le=1), Made(1)] = 0
    run_id: Text
    session_id: Text
    capability_binding: Annotated[FrozenJson, OMIT] = None
    turn: Annotated[Size, REQUIRED] = 0
    messages: Annotated[tuple[Message, ...], REQUIRED] = ()
    total_usage: Annotated[TokenUsage, REQUIRED] = TokenUsage()
    tool_calls_count: Annotated[Size, REQUIRED] = 0
    verification_reports: tuple[VerificationReport, ...] = ()
    convergence: Annotated[FrozenJson, OMIT] = None
    checkpoint_ms: Annotated[U64, REQUIRED] = Field(default_factory=now_ms)


class WorkflowStepOutcome(Record):
    """What one step of a workflow came to."""

    task_id: Text
    session_id: Text
    agent: Text
    output: Text
    success: Flag
    structured: FrozenJson = None
    source_anchors: tuple[FrozenJson, ...] = ()


class WorkflowStep(Record):
    """One finished step of a workflow."""

    task_id: Text
    outcome: WorkflowStepOutcome
    result_receipt: Annotated[FrozenJson, OMIT] = None


class WorkflowCheckpoint(Record):
    """The steps of a workflow that are done."""

    schema_version: Annotated[U32, Field(le=1), Made(1)] = 0
    workflow_id: Text
    steps: Annotated[tuple[WorkflowStep, ...], REQUIRED] = ()
    checkpoint_ms: Annotated[U64, REQUIRED] = Field(default_factory=now_ms)


def _moved_run(record: RunRecord, session_id: str) -> RunRecord:
    """Return *record* as a run of another session."""
    snapshot = record.snapshot.model_copy(update={"session_id": session_id})
    return record.model_copy(update={"snapshot": snapshot})


def _moved_task(task: SubagentTaskSnapshot, session_id: str) -> SubagentTaskSnapshot:
    """Return *task* as a task of another session, unless it never named one."""
    if not task.parent_session_id:
        return task
    return task.model_copy(update={"parent_session_id": session_id})
