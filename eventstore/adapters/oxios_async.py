"""The state store of oxios for asyncio: every call waits in a thread, and nothing else differs."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Generator, Mapping
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from eventstore.adapters.oxios import StateStore
from eventstore.adapters.oxios_pruning import PruneReport, UndoReport
from eventstore.adapters.oxios_sessions import SessionList
from eventstore.commit import Version
from eventstore.desk.base import Durability
from eventstore.errors import BackendError
from eventstore.models.oxios_pruning import PruneConfig
from eventstore.models.oxios_session import Session

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


class AsyncStateStore:
    """A `StateStore` whose methods are coroutines; see there for what each promises.

    `async with AsyncStateStore.open(…) as state` or `state = await AsyncStateStore.open(…)`.
    *options* are those of the plain method. Cancelling a call stops the waiting, not the work.
    """

    def __init__(self, opening: Callable[[], StateStore]) -> None:
        """Open with *opening* when first awaited; most callers want `AsyncStateStore.open`."""
        self._opening = opening
        self._state: StateStore | None = None
        self._guard = threading.Lock()
        self._closed = False

    @classmethod
    def open(
        cls,
        location: str | os.PathLike[str],
        *,
        durability: Durability = "sync",
        create: bool = True,
    ) -> Self:
        """Return the store at *location*, to be awaited or entered with `async with`."""
        return cls(lambda: StateStore.open(location, durability=durability, create=create))

    def __await__(self) -> Generator[Any, None, Self]:
        """Open, unless that was done already."""
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        """Open."""
        if self._state is None:
            await asyncio.to_thread(self._open)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        await self.close()

    async def close(self) -> None:
        """Wait for prunes in the background and close. Repeating it does nothing."""
        await asyncio.to_thread(self._close)

    @property
    def state(self) -> StateStore:
        """The plain store, once this one is open."""
        if self._state is None:
            raise BackendError("the store is not open", hint="await it first")
        return self._state

    async def save_markdown(
        self, category: str, name: str, content: str, **options: Any
    ) -> Version:
        """Save Markdown."""
        return await self._wait(StateStore.save_markdown, category, name, content, **options)

    async def load_markdown(self, category: str, name: str) -> str | None:
        """Return Markdown, or None."""
        return await self._wait(StateStore.load_markdown, category, name)

    async def list_category(self, category: str) -> list[str]:
        """Return the names in a category, sorted."""
        return await self._wait(StateStore.list_category, category)

    async def save_json(self, category: str, name: str, data: Any, **options: Any) -> Version:
        """Save JSON values or a pydantic model."""
        return await self._wait(StateStore.save_json, category, name, data, **options)

    async def load_json(self, category: str, name: str, model: Any = None) -> Any:
        """Return a JSON document, or None."""
        return await self._wait(StateStore.load_json, category, name, model)

    async def delete_file(self, category: str, name: str, **options: Any) -> bool:
        """Delete the JSON document of a name, or else its Markdown."""
        return await self._wait(StateStore.delete_file, category, name, **options)

    async def save_session(self, session: Session | Mapping[str, Any], **options: Any) -> Version:
        """Save a session under its id."""
        return await self._wait(StateStore.save_session, session, **options)

    async def update_session(self, session: Session | Mapping[str, Any], **options: Any) -> Version:
        """Save a session as `save_session` does."""
        return await self._wait(StateStore.update_session, session, **options)

    async def save_session_with_prune(
        self, session: Session, prune_config: PruneConfig, **options: Any
    ) -> Version:
        """Save a session, then prune in the background."""
        return await self._wait(
            StateStore.save_session_with_prune, session, prune_config, **options
        )

    async def load_session(self, session_id: str) -> Session | None:
        """Return a session, or None."""
        return await self._wait(StateStore.load_session, session_id)

    async def list_sessions(self) -> SessionList:
        """Return the summaries of all sessions, newest first."""
        return await self._wait(StateStore.list_sessions)

    async def delete_session(self, session_id: str, **options: Any) -> bool:
        """Delete a session; its history stays."""
        return await self._wait(StateStore.delete_session, session_id, **options)

    async def get_or_create_session(self, user_id: str, session_id: str | None = None) -> Session:
        """Return a session, or a new one."""
        return await self._wait(StateStore.get_or_create_session, user_id, session_id)

    async def prune_sessions(self, config: PruneConfig, **options: Any) -> PruneReport:
        """Delete what is too old, then the oldest of what is too many."""
        return await self._wait(StateStore.prune_sessions, config, **options)

    async def undo_prune(self, report: PruneReport, **options: Any) -> UndoReport:
        """Bring back the sessions of a prune."""
        return await self._wait(StateStore.undo_prune, report, **options)

    async def wait_for_prunes(self) -> list[PruneReport]:
        """Wait until no prune runs in the background; return the reports not yet returned."""
        return await self._wait(StateStore.wait_for_prunes)

    def _open(self) -> None:
        """Open the store, once; whoever asked may have been cancelled meanwhile."""
        with self._guard:
            if self._closed:
                raise BackendError("the store is closed", hint="open it again")
            if self._state is None:
                self._state = self._opening()

    def _close(self) -> None:
        """Close the store for good, whether it was opened or not."""
        with self._guard:
            self._closed = True
            if self._state is not None:
                self._state.close()

    async def _wait(
        self,
        call: Callable[Concatenate[StateStore, _Args], _Result],
        *args: _Args.args,
        **kwargs: _Args.kwargs,
    ) -> _Result:
        """Run a method of the plain store in a thread and wait for it."""
        await self.__aenter__()
        return await asyncio.to_thread(call, self.state, *args, **kwargs)
