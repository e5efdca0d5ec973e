"""The past: the versions of one session."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from eventstore.at import At
from eventstore.commit import Version
from eventstore.desk.base import StoreBase
from eventstore.desk.waiting import AsyncBase


class Past(StoreBase):
    """What walks the versions of a session."""

    def history(self, id: str, part: str | None = None) -> Iterator[Version]:
        """Yield the versions of a session, newest first; with *part*, those that changed it."""
        for version in self._log(id).versions():
            if part is None or (part in version.parts and version.parts[part].changed):
                yield version

    def version(self, id: str, at: At | None = None) -> Version | None:
        """Return the version that *at* means (default: the newest), or None if there is none."""
        log = self._log(id)
        seq = self._seq(log, at)
        return log.current() if seq is None else log.version(seq)


class AsyncPast(AsyncBase):
    """The same as coroutines."""

    async def history(self, id: str, part: str | None = None) -> AsyncIterator[Version]:
        """Yield the versions of a session, newest first."""
        versions = await self._wait(Past.history, id, part)
        async for version in self._items(versions):
            yield version

    async def version(self, id: str, at: At | None = None) -> Version | None:
        """Return the version that *at* means."""
        return await self._wait(Past.version, id, at)
