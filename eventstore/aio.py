"""The same store for asyncio: every call waits in a thread, and nothing else differs."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from itertools import islice
from types import TracebackType
from typing import Any, ParamSpec, Self, TypeVar

from pydantic import BaseModel

from eventstore.at import At
from eventstore.commit import Version
from eventstore.errors import BackendError
from eventstore.index_rows import Page, StoreStats
from eventstore.models.a3s import (
    ArtifactStore,
    RunRecord,
    SessionData,
    TraceEvent,
    VerificationReport,
)
from eventstore.state import STATE_SIZE_MAX
from eventstore.store import CACHE_SIZE, Durability, EventStore, Model

THREADS_MAX = 32
"""How many calls of one store may wait for the medium at the same time."""

_HISTORY_BATCH = 64

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


class AsyncEventStore:
    """An `EventStore` whose methods are coroutines; see there for what each promises.

    `async with AsyncEventStore.open(…) as store` or `store = await AsyncEventStore.open(…)`.
    Cancelling a call stops the waiting, not the work: a cancelled save may still be committed.
    """

    def __init__(self, opening: Callable[[], EventStore]) -> None:
        """Open with *opening* when first awaited; most callers want `AsyncEventStore.open`."""
        self._opening = opening
        self._store: EventStore | None = None
        self._closed = False
        self._start()

    @classmethod
    def open(
        cls,
        location: str | os.PathLike[str],
        *,
        model: Model = SessionData,
        durability: Durability = "sync",
        create: bool = True,
        state_size_max: int = STATE_SIZE_MAX,
        cache_size: int = CACHE_SIZE,
    ) -> Self:
        """Return the store at *location*, to be awaited or entered with `async with`."""
        return cls(
            lambda: EventStore.open(
                location,
                model=model,
                durability=durability,
                create=create,
                state_size_max=state_size_max,
                cache_size=cache_size,
            )
        )

    def __await__(self) -> Generator[Any, None, Self]:
        """Open, unless that was done already."""
        return self._opened().__await__()

    async def __aenter__(self) -> Self:
        """Open."""
        return await self._opened()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        await self.close()

    def __repr__(self) -> str:
        """Say which store."""
        return f"<{type(self).__name__} of {self._store!r}>"

    async def close(self) -> None:
        """Close the store. Repeating it does nothing."""
        if self._closed:
            return
        if self._store is not None:
            await self._wait(self._store.close)
        self._closed = True
        self._threads.shutdown(wait=False)

    async def save(
        self,
        session: BaseModel | Mapping[str, Any],
        *,
        id: str | None = None,
        artifacts: ArtifactStore | Mapping[str, Any] | None = None,
        trace_events: Sequence[TraceEvent | Mapping[str, Any]] | None = None,
        run_records: Sequence[RunRecord | Mapping[str, Any]] | None = None,
        verification_reports: Sequence[VerificationReport | Mapping[str, Any]] | None = None,
        parts: Mapping[str, Any] | None = None,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
        key: str | None = None,
    ) -> Version:
        """Save a session and any of its other parts as one version."""
        return await self._wait(
            (await self._opened())._sync.save,
            session,
            id=id,
            artifacts=artifacts,
            trace_events=trace_events,
            run_records=run_records,
            verification_reports=verification_reports,
            parts=parts,
            actor=actor,
            note=note,
            expected=expected,
            key=key,
        )

    async def save_artifacts(
        self, id: str, artifacts: ArtifactStore | Mapping[str, Any], **options: Any
    ) -> Version:
        """Save the artifacts of a session."""
        return await self._wait(
            (await self._opened())._sync.save_artifacts, id, artifacts, **options
        )

    async def save_trace_events(
        self, id: str, events: Sequence[TraceEvent | Mapping[str, Any]], **options: Any
    ) -> Version:
        """Save the trace events of a session."""
        return await self._wait(
            (await self._opened())._sync.save_trace_events, id, events, **options
        )

    async def save_run_records(
        self, id: str, records: Sequence[RunRecord | Mapping[str, Any]], **options: Any
    ) -> Version:
        """Save the runs of a session with their events."""
        return await self._wait(
            (await self._opened())._sync.save_run_records, id, records, **options
        )

    async def save_verification_reports(
        self, id: str, reports: Sequence[VerificationReport | Mapping[str, Any]], **options: Any
    ) -> Version:
        """Save the verification reports of a session."""
        return await self._wait(
            (await self._opened())._sync.save_verification_reports, id, reports, **options
        )

    async def save_states(self, id: str, states: Mapping[str, bytes], **options: Any) -> Version:
        """Save states given as exact bytes, by part."""
        return await self._wait((await self._opened())._sync.save_states, id, states, **options)

    async def load(self, id: str, *, at: At | None = None, model: Model | None = None) -> Any:
        """Return the session's newest state, or that at an earlier version."""
        return await self._wait((await self._opened())._sync.load, id, at=at, model=model)

    async def load_artifacts(self, id: str, *, at: At | None = None) -> ArtifactStore | None:
        """Return the artifacts of a session."""
        return await self._wait((await self._opened())._sync.load_artifacts, id, at=at)

    async def load_trace_events(
        self, id: str, *, at: At | None = None
    ) -> tuple[TraceEvent, ...] | None:
        """Return the trace events of a session."""
        return await self._wait((await self._opened())._sync.load_trace_events, id, at=at)

    async def load_run_records(
        self, id: str, *, at: At | None = None
    ) -> tuple[RunRecord, ...] | None:
        """Return the runs of a session with their events."""
        return await self._wait((await self._opened())._sync.load_run_records, id, at=at)

    async def load_verification_reports(
        self, id: str, *, at: At | None = None
    ) -> tuple[VerificationReport, ...] | None:
        """Return the verification reports of a session."""
        return await self._wait((await self._opened())._sync.load_verification_reports, id, at=at)

    async def load_part(self, id: str, part: str, *, at: At | None = None) -> Any:
        """Return any part as plain JSON values."""
        return await self._wait((await self._opened())._sync.load_part, id, part, at=at)

    async def load_bytes(
        self, id: str, part: str = "session", *, at: At | None = None
    ) -> bytes | None:
        """Return the exact bytes of a state."""
        return await self._wait((await self._opened())._sync.load_bytes, id, part, at=at)

    async def list(self) -> list[str]:
        """Return the ids of all sessions that are not deleted, sorted."""
        return await self._wait((await self._opened())._sync.list)

    async def exists(self, id: str) -> bool:
        """Whether there is a session of that id that is not deleted."""
        return await self._wait((await self._opened())._sync.exists, id)

    async def delete(
        self,
        id: str,
        *,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
    ) -> bool:
        """Delete a session with all its parts; its history stays."""
        return await self._wait(
            (await self._opened())._sync.delete, id, actor=actor, note=note, expected=expected
        )

    async def undelete(
        self, id: str, *, actor: str | None = None, note: str | None = None
    ) -> Version:
        """Make a deleted session current again."""
        return await self._wait((await self._opened())._sync.undelete, id, actor=actor, note=note)

    async def sessions(
        self,
        *,
        order_by: str = "updated_at",
        limit: int = 50,
        after: str | None = None,
        parent: str | None = None,
        state: str | None = None,
        updated_since: datetime | None = None,
        deleted: bool = False,
    ) -> Page:
        """Return a page of sessions from the index."""
        return await self._wait(
            (await self._opened())._sync.sessions,
            order_by=order_by,
            limit=limit,
            after=after,
            parent=parent,
            state=state,
            updated_since=updated_since,
            deleted=deleted,
        )

    async def history(self, id: str, part: str | None = None) -> AsyncIterator[Version]:
        """Yield the versions of a session, newest first."""
        versions = (await self._opened())._sync.history(id, part)
        while batch := await self._wait(_taken, versions):
            for version in batch:
                yield version

    async def version(self, id: str, at: At | None = None) -> Version | None:
        """Return the version that *at* means."""
        return await self._wait((await self._opened())._sync.version, id, at)

    async def stats(self) -> StoreStats:
        """Count what the store holds."""
        return await self._wait((await self._opened())._sync.stats)

    async def sync(self) -> None:
        """Make everything saved so far durable."""
        await self._wait((await self._opened())._sync.sync)

    async def health_check(self) -> None:
        """Prove that a write, a sync and a read-back work."""
        await self._wait((await self._opened())._sync.health_check)

    def backend_name(self) -> str:
        """Return the backend's name, once the store is open."""
        return self._sync.backend_name()

    @property
    def _sync(self) -> EventStore:
        """The store behind this one."""
        if self._store is None:
            raise BackendError("the store is not open", hint="await it first")
        return self._store

    def _start(self) -> None:
        """Make the threads of this process; they start when there is work."""
        self._process = os.getpid()
        self._lock = asyncio.Lock()
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="eventstore")

    async def _opened(self) -> Self:
        """Open the store once, however many tasks ask."""
        if self._store is None:
            async with self._lock:
                if self._store is None:
                    self._store = await self._wait(self._opening)
        return self

    async def _wait(
        self, call: Callable[_Args, _Result], *args: _Args.args, **kwargs: _Args.kwargs
    ) -> _Result:
        """Run *call* in a thread and wait for it."""
        if self._closed:
            raise BackendError("the store is closed", hint="open it again")
        if self._process != os.getpid():
            self._start()  # A forked child has none of its parent's threads.
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, lambda: call(*args, **kwargs))


def _taken(versions: Any) -> list[Version]:
    """Return the next few versions."""
    return list(islice(versions, _HISTORY_BATCH))
