"""An open store for asyncio: every call waits in a thread, and nothing else differs."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from types import TracebackType
from typing import Any, Concatenate, ParamSpec, Self, TypeVar

from eventstore.desk.base import StoreBase
from eventstore.errors import BackendError

THREADS_MAX = 32
"""How many calls of one store may wait for the medium at the same time."""

_BATCH = 64

_Args = ParamSpec("_Args")
_Result = TypeVar("_Result")


class AsyncBase:
    """A store that is opened, closed and waited for; what it serves is in the other rooms."""

    def __init__(self, opening: Callable[[], StoreBase]) -> None:
        """Open with *opening* when first awaited; most callers want `AsyncEventStore.open`."""
        self._opening = opening
        self._store: StoreBase | None = None
        self._closed = False
        self._ended = False
        self._start()

    def __await__(self) -> Generator[Any, None, Self]:
        """Open, unless that was done already."""
        return self.__aenter__().__await__()

    async def __aenter__(self) -> Self:
        """Open."""
        await self._opened()
        return self

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
        if not self._closed:
            await self._in_thread(self._close)
            self._closed = True
            self._threads.shutdown(wait=False)

    async def sync(self) -> None:
        """Make everything saved so far durable."""
        await self._wait(StoreBase.sync)

    async def health_check(self) -> None:
        """Prove that a write, a sync and a read-back work."""
        await self._wait(StoreBase.health_check)

    def backend_name(self) -> str:
        """Return the backend's name, once the store is open."""
        if self._store is None:
            raise BackendError("the store is not open", hint="await it first")
        return self._store.backend_name()

    async def _wait(
        self,
        call: Callable[Concatenate[Any, _Args], _Result],
        *args: _Args.args,
        **kwargs: _Args.kwargs,
    ) -> _Result:
        """Run a method of the store in a thread and wait for it."""
        store = await self._opened()
        return await self._in_thread(lambda: call(store, *args, **kwargs))

    async def _items(self, items: Iterator[_Result]) -> AsyncIterator[_Result]:
        """Yield what *items* yields, asking for a few at a time in a thread."""
        while batch := await self._in_thread(lambda: list(islice(items, _BATCH))):
            for item in batch:
                yield item

    async def _opened(self) -> StoreBase:
        """Return the store, opened once, however many tasks ask."""
        store = self._store
        return await self._in_thread(self._open) if store is None else store

    def _open(self) -> StoreBase:
        """Open the store, once; whoever asked may have been cancelled meanwhile."""
        with self._guard:
            if self._ended:
                raise BackendError("the store is closed", hint="open it again")
            if self._store is None:
                self._store = self._opening()
            return self._store

    def _close(self) -> None:
        """Close the store for good, whether it was opened or not."""
        with self._guard:
            self._ended = True
            if self._store is not None:
                self._store.close()

    async def _in_thread(self, call: Callable[[], _Result]) -> _Result:
        """Run *call* in a thread and wait for it."""
        if self._closed:
            raise BackendError("the store is closed", hint="open it again")
        if self._process != os.getpid():
            self._start()  # A forked child has none of its parent's threads.
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _start(self) -> None:
        """Make the threads of this process; they start when there is work."""
        self._process = os.getpid()
        self._guard = threading.Lock()
        self._threads = ThreadPoolExecutor(THREADS_MAX, thread_name_prefix="eventstore")
