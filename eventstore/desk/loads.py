"""Loading: the states of a session, newest or at any version."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from eventstore.at import At
from eventstore.commit import SESSION
from eventstore.desk.base import Model, StoreBase
from eventstore.desk.waiting import AsyncBase
from eventstore.models.a3s import (
    ArtifactStore,
    RunRecord,
    TraceEvent,
    VerificationReport,
)
from eventstore.parts import (
    ARTIFACTS,
    PART_TYPES,
    RUN_RECORDS,
    TRACE_EVENTS,
    VERIFICATION_REPORTS,
)
from eventstore.state import decode, decode_as


class Loads(StoreBase):
    """What returns states."""

    def load(self, id: str, *, at: At | None = None, model: Model | None = None) -> Any:
        """Return the session's newest state, or that at an earlier version; None if there is none.

        The state is of the store's model, or of *model*. *at* is a version number (negative: that
        many before the newest), a time, an address `b3:…` or a `Version`.
        """
        state = self.load_bytes(id, at=at)
        if state is None:
            return None
        kind = self._type if model is None else None if model is dict else TypeAdapter(model)
        if kind is None:
            return decode(state, session=id, part=SESSION)
        return decode_as(kind, state, session=id, part=SESSION)

    def load_artifacts(self, id: str, *, at: At | None = None) -> ArtifactStore | None:
        """Return the artifacts of a session."""
        loaded: ArtifactStore | None = self._load_typed(id, ARTIFACTS, at)
        return loaded

    def load_trace_events(self, id: str, *, at: At | None = None) -> tuple[TraceEvent, ...] | None:
        """Return the trace events of a session."""
        loaded: tuple[TraceEvent, ...] | None = self._load_typed(id, TRACE_EVENTS, at)
        return loaded

    def load_run_records(self, id: str, *, at: At | None = None) -> tuple[RunRecord, ...] | None:
        """Return the runs of a session with their events."""
        loaded: tuple[RunRecord, ...] | None = self._load_typed(id, RUN_RECORDS, at)
        return loaded

    def load_verification_reports(
        self, id: str, *, at: At | None = None
    ) -> tuple[VerificationReport, ...] | None:
        """Return the verification reports of a session."""
        loaded: tuple[VerificationReport, ...] | None = self._load_typed(
            id, VERIFICATION_REPORTS, at
        )
        return loaded

    def load_part(self, id: str, part: str, *, at: At | None = None) -> Any:
        """Return any part as plain JSON values, or None if there is none."""
        state = self.load_bytes(id, part, at=at)
        return None if state is None else decode(state, session=id, part=part)

    def load_bytes(self, id: str, part: str = SESSION, *, at: At | None = None) -> bytes | None:
        """Return the exact bytes of a state, proven by their address; None if there is none."""
        log = self._log(id)
        state = log.state(part, self._seq(log, at))
        if at is None:
            self._catalog.account(log)
        return state

    def _load_typed(self, id: str, part: str, at: At | None) -> Any:
        """Return a part as its own type."""
        state = self.load_bytes(id, part, at=at)
        if state is None:
            return None
        return decode_as(PART_TYPES[part], state, session=id, part=part)


class AsyncLoads(AsyncBase):
    """The same as coroutines."""

    async def load(self, id: str, *, at: At | None = None, model: Model | None = None) -> Any:
        """Return the session's newest state, or that at an earlier version."""
        return await self._wait(Loads.load, id, at=at, model=model)

    async def load_artifacts(self, id: str, *, at: At | None = None) -> ArtifactStore | None:
        """Return the artifacts of a session."""
        return await self._wait(Loads.load_artifacts, id, at=at)

    async def load_trace_events(
        self, id: str, *, at: At | None = None
    ) -> tuple[TraceEvent, ...] | None:
        """Return the trace events of a session."""
        return await self._wait(Loads.load_trace_events, id, at=at)

    async def load_run_records(
        self, id: str, *, at: At | None = None
    ) -> tuple[RunRecord, ...] | None:
        """Return the runs of a session with their events."""
        return await self._wait(Loads.load_run_records, id, at=at)

    async def load_verification_reports(
        self, id: str, *, at: At | None = None
    ) -> tuple[VerificationReport, ...] | None:
        """Return the verification reports of a session."""
        return await self._wait(Loads.load_verification_reports, id, at=at)

    async def load_part(self, id: str, part: str, *, at: At | None = None) -> Any:
        """Return any part as plain JSON values."""
        return await self._wait(Loads.load_part, id, part, at=at)

    async def load_bytes(
        self, id: str, part: str = "session", *, at: At | None = None
    ) -> bytes | None:
        """Return the exact bytes of a state."""
        return await self._wait(Loads.load_bytes, id, part, at=at)
