"""Watching: what is committed, as it is committed."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from functools import partial

from eventstore.commit import Version
from eventstore.desk.base import StoreBase
from eventstore.desk.waiting import AsyncBase
from eventstore.errors import EventStoreError, InvalidInputError
from eventstore.input import check_id
from eventstore.watch import SessionSource, Source, StoreSource, Watch

After = str | int | Version | None
"""Where a watch begins: behind a cursor, behind a version of its session, or (None) now."""


class Watches(StoreBase):
    """What waits for commits."""

    def watch(
        self, id: str | None = None, *, after: After = None, wait: float | None = None
    ) -> Watch:
        """Yield versions as they are committed, by any process: of one session, or of all.

        Each comes once, those of one session in their order; all watchers of a whole store see one
        and the same order. Begins with what is committed from now on, or behind *after*: the
        `cursor` of an earlier watch, 0 for everything so far, or a version of the session *id*.
        Ends when nothing came for *wait* seconds (0: what is there by now; None: never).
        Raises `InvalidInputError` for a cursor of another store or watch.
        """
        if wait is not None and (isinstance(wait, bool) or not isinstance(wait, int | float)):
            raise InvalidInputError(f"is {type(wait).__name__}, not seconds", field="wait")
        if wait is not None and not wait >= 0:
            raise InvalidInputError(f"is {wait!r}, which is no time to wait", field="wait")
        self._open_catalog()
        if isinstance(after, Version):
            after = _own(after, id)
        source: Source
        if id is None:
            source = StoreSource(self._open_catalog, after)
        else:
            source = SessionSource(self._open_catalog, check_id(id), after)
        return Watch(source, wait=wait)


def _own(version: Version, id: str | None) -> int:
    """Return the number of a version, if it is of the session that is watched."""
    if version.session != id:
        raise InvalidInputError(f"is a version of session {version.session!r}", field="after")
    return version.version


class AsyncWatch(AsyncIterator[Version]):
    """A `Watch` for `async for`; no thread is held while it waits.

    A call that is cancelled takes nothing: the next one returns what it would have returned.
    """

    def __init__(
        self, store: AsyncWatches, id: str | None, after: After, wait: float | None
    ) -> None:
        """Watch when first asked; most callers want `AsyncEventStore.watch`."""
        self._store = store
        self._asked = id, after, wait
        self._watch: Watch | None = None
        self._cursor: str | None = None
        # A thread goes on when the call that waits for it is cancelled.
        self._guard = threading.Lock()
        self._found: tuple[Version | EventStoreError, str] | None = None

    async def start(self) -> Watch:
        """Begin to watch now, unless that was done, so that what comes from here on is seen."""
        watch = self._watch
        return await self._store._wait(self._begun) if watch is None else watch

    @property
    def cursor(self) -> str | None:
        """The place behind the last version that was returned; None before the watch began."""
        return self._cursor

    async def __anext__(self) -> Version:
        """Return the next version, waiting for it."""
        watch = await self.start()
        since = time.monotonic()
        while True:
            await self._store._in_thread(partial(self._look, watch))
            if self._found is not None:
                # Nothing is awaited from here on, so nothing can be cancelled.
                (found, self._cursor), self._found = self._found, None
                if isinstance(found, EventStoreError):
                    raise found
                return found
            pause = watch.left(since)
            if pause is None:
                raise StopAsyncIteration
            await asyncio.sleep(pause)

    def close(self) -> None:
        """End the watch; the cursor stays."""
        if self._watch is not None:
            self._watch.close()

    def _begun(self, store: Watches) -> Watch:
        """Begin to watch, once."""
        with self._guard:
            if self._watch is None:
                id, after, wait = self._asked
                watch = store.watch(id, after=after, wait=wait)
                self._cursor, self._watch = watch.cursor, watch
            return self._watch

    def _look(self, watch: Watch) -> None:
        """Keep the next version, if there is one, unless one is kept that nobody took yet."""
        with self._guard:
            if self._found is not None:
                return
            try:
                version: Version | EventStoreError | None = watch.poll()
            except EventStoreError as error:
                version = error  # It is raised once, so it must reach somebody.
            if version is not None:
                self._found = version, watch.cursor


class AsyncWatches(AsyncBase):
    """The same for `async for`."""

    def watch(
        self, id: str | None = None, *, after: After = None, wait: float | None = None
    ) -> AsyncWatch:
        """Yield versions as they are committed, from when the first is asked for."""
        return AsyncWatch(self, id, after, wait)
