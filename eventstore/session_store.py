"""The seeds' `SessionStore`: what an agent runtime asks of persistence, as a protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

from eventstore.commit import Version
from eventstore.models.a3s import (
    ArtifactStore,
    RunRecord,
    SessionData,
    TraceEvent,
    VerificationReport,
)


@runtime_checkable
class SessionStore(Protocol):
    """The fifteen methods of a3s-code's trait, in its order; `AsyncEventStore` has them all."""

    async def save(self, session: SessionData | Mapping[str, Any]) -> Version:
        """Save a session; durable once this returns."""

    async def load(self, id: str) -> SessionData | None:
        """Return the newest state, or None if there is none."""

    async def delete(self, id: str) -> bool:
        """Delete a session with all its parts; False if there was none."""

    async def list(self) -> list[str]:
        """Return the ids of all sessions, sorted."""

    async def exists(self, id: str) -> bool:
        """Whether there is a session of that id."""

    async def save_artifacts(self, id: str, artifacts: ArtifactStore) -> Version:
        """Save the artifacts of a session."""

    async def load_artifacts(self, id: str) -> ArtifactStore | None:
        """Return the artifacts of a session."""

    async def save_trace_events(self, id: str, events: Sequence[TraceEvent]) -> Version:
        """Save the trace events of a session."""

    async def load_trace_events(self, id: str) -> Sequence[TraceEvent] | None:
        """Return the trace events of a session."""

    async def save_run_records(self, id: str, records: Sequence[RunRecord]) -> Version:
        """Save the runs of a session with their events."""

    async def load_run_records(self, id: str) -> Sequence[RunRecord] | None:
        """Return the runs of a session with their events."""

    async def save_verification_reports(
        self, id: str, reports: Sequence[VerificationReport]
    ) -> Version:
        """Save the verification reports of a session."""

    async def load_verification_reports(self, id: str) -> Sequence[VerificationReport] | None:
        """Return the verification reports of a session."""

    async def health_check(self) -> None:
        """Raise unless the store can write, sync and read back."""

    def backend_name(self) -> str:
        """Return the backend's name, such as `file`."""
