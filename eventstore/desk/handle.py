"""A handle: one session of a store, for a prompt or a notebook."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from itertools import islice
from typing import Any

from pydantic import BaseModel

from eventstore.at import At
from eventstore.commit import Version
from eventstore.desk.branches import AsyncBranches, Branches
from eventstore.desk.ends import AsyncEnds, Ends
from eventstore.desk.lists import AsyncLists, Lists
from eventstore.desk.loads import AsyncLoads, Loads
from eventstore.desk.past import AsyncPast, Past
from eventstore.desk.saves import AsyncSaves, Saves
from eventstore.desk.watches import AsyncWatch, AsyncWatches, Watches
from eventstore.input import check_id
from eventstore.notebook import table_html
from eventstore.watch import Watch

_SHOWN = 10


class Handle:
    """One session under its id, which need not exist yet; `store[id]` makes it."""

    def __init__(self, store: Handles, id: str) -> None:
        """Stand for session *id* of *store*."""
        self._store = store
        self.id = check_id(id)

    @property
    def history(self) -> Iterator[Version]:
        """The versions, newest first; every time from the beginning."""
        return self._store.history(self.id)

    @property
    def version(self) -> Version | None:
        """The newest version, or None if there is none."""
        return self._store.version(self.id)

    def at(self, at: At) -> Any:
        """Return the state at a version, as `load(at=…)` does; None if there was none."""
        return self._store.load(self.id, at=at)

    def load(self) -> Any:
        """Return the newest state, or None if there is none."""
        return self._store.load(self.id)

    def save(self, session: BaseModel | Mapping[str, Any], **options: Any) -> Version:
        """Save a state under this id, whatever id it says itself; *options* as for `save`."""
        return self._store.save(session, id=self.id, **options)

    def delete(self, **options: Any) -> bool:
        """Delete the session; *options* as for `delete`."""
        return self._store.delete(self.id, **options)

    def undelete(self, **options: Any) -> Version:
        """Bring the session back; *options* as for `undelete`."""
        return self._store.undelete(self.id, **options)

    def restore(self, at: At, **options: Any) -> Version:
        """Make an older version the newest; *options* as for `restore`."""
        return self._store.restore(self.id, at=at, **options)

    def fork(self, new_id: str, **options: Any) -> Handle:
        """Begin another session from this one and return its handle; *options* as for `fork`."""
        self._store.fork(self.id, new_id, **options)
        return Handle(self._store, new_id)

    def watch(self, **options: Any) -> Watch:
        """Watch the session; *options* as for `watch`."""
        return self._store.watch(self.id, **options)

    def __repr__(self) -> str:
        """Say which session, and where it stands."""
        newest = self.version
        state = "not saved yet" if newest is None else f"version {newest.version}, {newest.kind}"
        return f"<session {self.id!r}: {state}>"

    def _repr_html_(self) -> str:
        """Show the newest versions."""
        found = list(islice(self.history, _SHOWN + 1))
        rows: list[tuple[object, ...]] = [
            (v.version, v.kind, _time(v), v.size, v.actor or "", v.note or "") for v in found
        ]
        if len(found) > _SHOWN:
            rows[-1] = ("…", "", "", "", "", "")
        head = ("version", "kind", "saved at", "bytes", "actor", "note")
        return table_html(f"session {self.id!r}", rows, head=head if rows else ())


def _time(version: Version) -> str:
    """Return the time of a version, to the second."""
    return version.saved_at.isoformat(timespec="seconds")


class AsyncHandle:
    """The same with coroutines; `store[id]` of an `AsyncEventStore` makes it."""

    def __init__(self, store: AsyncHandles, id: str) -> None:
        """Stand for session *id* of *store*."""
        self._store = store
        self.id = check_id(id)

    @property
    def history(self) -> AsyncIterator[Version]:
        """The versions, newest first; every time from the beginning."""
        return self._store.history(self.id)

    @property
    async def version(self) -> Version | None:
        """The newest version, or None if there is none."""
        return await self._store.version(self.id)

    async def at(self, at: At) -> Any:
        """Return the state at a version."""
        return await self._store.load(self.id, at=at)

    async def load(self) -> Any:
        """Return the newest state, or None if there is none."""
        return await self._store.load(self.id)

    async def save(self, session: BaseModel | Mapping[str, Any], **options: Any) -> Version:
        """Save a state under this id."""
        return await self._store.save(session, id=self.id, **options)

    async def delete(self, **options: Any) -> bool:
        """Delete the session."""
        return await self._store.delete(self.id, **options)

    async def undelete(self, **options: Any) -> Version:
        """Bring the session back."""
        return await self._store.undelete(self.id, **options)

    async def restore(self, at: At, **options: Any) -> Version:
        """Make an older version the newest."""
        return await self._store.restore(self.id, at=at, **options)

    async def fork(self, new_id: str, **options: Any) -> AsyncHandle:
        """Begin another session from this one and return its handle."""
        await self._store.fork(self.id, new_id, **options)
        return AsyncHandle(self._store, new_id)

    def watch(self, **options: Any) -> AsyncWatch:
        """Watch the session."""
        return self._store.watch(self.id, **options)

    def __repr__(self) -> str:
        """Say which session."""
        return f"<session {self.id!r} of {self._store!r}>"


class Handles(Saves, Loads, Ends, Branches, Past, Watches, Lists):
    """A store as a mapping of ids to handles."""

    def __getitem__(self, id: str) -> Handle:
        """Return a handle for a session, which need not exist yet."""
        return Handle(self, id)

    def __contains__(self, id: object) -> bool:
        """Whether there is a session of that id that is not deleted."""
        return isinstance(id, str) and self.exists(id)

    def __iter__(self) -> Iterator[str]:
        """Iterate over the ids of all sessions that are not deleted."""
        return iter(self.list())


class AsyncHandles(
    AsyncSaves, AsyncLoads, AsyncEnds, AsyncBranches, AsyncPast, AsyncWatches, AsyncLists
):
    """The same with coroutines."""

    __iter__ = None
    __contains__ = None

    def __getitem__(self, id: str) -> AsyncHandle:
        """Return a handle for a session, which need not exist yet."""
        return AsyncHandle(self, id)
