"""Replaying: what happened to a session, event by event."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from eventstore.at import At
from eventstore.desk.base import StoreBase
from eventstore.desk.waiting import AsyncBase
from eventstore.errors import CorruptError, InvalidInputError
from eventstore.events import Event
from eventstore.log import Log
from eventstore.log_walk import LogWalk


class Replays(StoreBase):
    """What tells the past as events."""

    def replay(self, id: str, start: At | None = None, stop: At | None = None) -> Iterator[Event]:
        """Yield what happened from version *start* (default: the first) to *stop*, both included.

        In the order of commits. `Fold` makes the exact states of them again: of all versions, or
        from those before *start* on. A state that was dropped is told of as such, and the events
        go on with the next one that is there. Raises `InvalidInputError`, `CorruptError`.
        """
        log = self._log(id)
        newest = log.newest_sound()
        if newest is None:
            return iter(())
        first = 1 if start is None else self._seq(log, start) or 1
        last = newest if stop is None else self._seq(log, stop) or newest
        if first > last:
            raise InvalidInputError(
                f"version {first} is after version {last}",
                session=id,
                field="start",
                hint="swap start and stop",
            )
        return self._events(log, first, last, log.damage if stop is None else None)

    def _events(
        self, log: Log, first: int, last: int, damage: CorruptError | None
    ) -> Iterator[Event]:
        """Yield the events of the versions from *first* to *last*; then raise *damage*."""
        walk = LogWalk(self._backend, log, state_size_max=self._state_size_max)
        for _, events in walk.told(first, last):
            yield from events
        if damage is not None:
            raise damage


class AsyncReplays(AsyncBase):
    """The same as coroutines."""

    async def replay(
        self, id: str, start: At | None = None, stop: At | None = None
    ) -> AsyncIterator[Event]:
        """Yield what happened from version *start* to *stop*."""
        events = await self._wait(Replays.replay, id, start, stop)
        async for event in self._items(events):
            yield event
