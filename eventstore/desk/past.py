"""The past: the versions of one session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime

from eventstore.at import At
from eventstore.commit import Version
from eventstore.desk.base import StoreBase
from eventstore.desk.waiting import AsyncBase
from eventstore.history import HistoryPage, Wanted, page, wanted
from eventstore.log import Log
from eventstore.log_walk import LogWalk
from eventstore.wording import in_few_words


class Past(StoreBase):
    """What walks the versions of a session."""

    def history(
        self,
        id: str,
        part: str | None = None,
        *,
        actor: str | None = None,
        kind: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        oldest_first: bool = False,
    ) -> Iterator[Version]:
        """Yield the versions of a session, newest first; with *part*, those that changed it.

        *actor* and *kind* are those of the commit; *since* and *until* are times, inclusive.
        """
        log, filter = self._log(id), wanted(part, actor, kind, since, until)
        return _matching(log, filter, oldest_first)

    def history_page(
        self,
        id: str,
        part: str | None = None,
        *,
        actor: str | None = None,
        kind: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        oldest_first: bool = False,
        limit: int = 50,
        after: str | None = None,
        changes: bool = False,
    ) -> HistoryPage:
        """Return a page of the same; *after* is the `next` of the page before.

        Costs the same wherever the page is. With *changes*, says of each version in a few words
        what changed, for which the states of the page are read.
        """
        log, filter = self._log(id), wanted(part, actor, kind, since, until)
        found = page(log, filter, limit=limit, after=after, oldest_first=oldest_first)
        if not changes:
            return found
        told = self._told(log, sorted(version.version for version in found))
        return HistoryPage(found.items, found.next, tuple(told[v.version] for v in found))

    def version(self, id: str, at: At | None = None) -> Version | None:
        """Return the version that *at* means (default: the newest), or None if there is none."""
        log = self._log(id)
        seq = self._seq(log, at)
        return log.current() if seq is None else log.version(seq)

    def _told(self, log: Log, versions: list[int]) -> dict[int, str]:
        """Return in a few words what happened at *versions*, which ascend."""
        told: dict[int, str] = {}
        for first, last in _runs(versions):
            walk = LogWalk(self._backend, log, state_size_max=self._state_size_max)
            for version, events in walk.told(first, last):
                told[version.version] = in_few_words(events)
        return told


def _matching(log: Log, filter: Wanted, oldest_first: bool) -> Iterator[Version]:
    """Yield the versions that are wanted."""
    for version, _ in log.onward() if oldest_first else log.back():
        if filter.has(version):
            yield version


def _runs(versions: list[int]) -> Iterator[tuple[int, int]]:
    """Yield the first and last of each run of consecutive numbers."""
    start = 0
    for place, number in enumerate(versions):
        if place + 1 == len(versions) or versions[place + 1] != number + 1:
            yield versions[start], number
            start = place + 1


class AsyncPast(AsyncBase):
    """The same as coroutines."""

    async def history(
        self,
        id: str,
        part: str | None = None,
        *,
        actor: str | None = None,
        kind: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        oldest_first: bool = False,
    ) -> AsyncIterator[Version]:
        """Yield the versions of a session, newest first."""
        versions = await self._wait(
            Past.history,
            id,
            part,
            actor=actor,
            kind=kind,
            since=since,
            until=until,
            oldest_first=oldest_first,
        )
        async for version in self._items(versions):
            yield version

    async def history_page(
        self,
        id: str,
        part: str | None = None,
        *,
        actor: str | None = None,
        kind: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        oldest_first: bool = False,
        limit: int = 50,
        after: str | None = None,
        changes: bool = False,
    ) -> HistoryPage:
        """Return a page of the same."""
        return await self._wait(
            Past.history_page,
            id,
            part,
            actor=actor,
            kind=kind,
            since=since,
            until=until,
            oldest_first=oldest_first,
            limit=limit,
            after=after,
            changes=changes,
        )

    async def version(self, id: str, at: At | None = None) -> Version | None:
        """Return the version that *at* means."""
        return await self._wait(Past.version, id, at)
