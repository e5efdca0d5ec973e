"""Listing: which sessions there are, and what the index says of them."""

from __future__ import annotations

import builtins
from datetime import datetime

from eventstore.checked import Checked
from eventstore.commit import SESSION, instant
from eventstore.desk.base import StoreBase
from eventstore.desk.waiting import AsyncBase
from eventstore.index_rows import Page, Query, StoreStats
from eventstore.input import (
    nanoseconds,
)


class Lists(StoreBase):
    """What looks across sessions."""

    def list(self) -> builtins.list[str]:
        """Return the ids of all sessions that are not deleted, sorted."""
        return self._open_catalog().index.ids()

    def exists(self, id: str) -> bool:
        """Whether there is a session of that id that is not deleted."""
        head = self._log(id).head()
        return head is not None and SESSION in head.parts

    def sessions(
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
        """Return a page of sessions from the index: newest first, or ascending by id or name.

        *order_by* is `updated_at`, `created_at`, `saved_at`, `id` or `name`; *after* is the `next`
        of the page before. With *deleted*, the deleted sessions instead.
        """
        since = None if updated_since is None else nanoseconds("updated_since", updated_since)
        query = Query(order_by, limit, after, parent, state, since, deleted)
        return self._open_catalog().index.page(query)

    def stats(self) -> StoreStats:
        """Count what the store holds; reads the commits of every log."""
        catalog = self._open_catalog()
        state_bytes = sum(
            part.size
            for session in catalog.sessions()
            for version in catalog.log(session).versions()
            if version.kind == "save"
            for part in version.parts.values()
            if part.changed
        )
        oldest, never = Checked(catalog.index.ask).oldest()
        verified = instant(oldest) if oldest else None
        return StoreStats(*catalog.index.totals(), state_bytes, verified, never)


class AsyncLists(AsyncBase):
    """The same as coroutines."""

    async def list(self) -> list[str]:
        """Return the ids of all sessions that are not deleted, sorted."""
        return await self._wait(Lists.list)

    async def exists(self, id: str) -> bool:
        """Whether there is a session of that id that is not deleted."""
        return await self._wait(Lists.exists, id)

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
            Lists.sessions,
            order_by=order_by,
            limit=limit,
            after=after,
            parent=parent,
            state=state,
            updated_since=updated_since,
            deleted=deleted,
        )

    async def stats(self) -> StoreStats:
        """Count what the store holds."""
        return await self._wait(Lists.stats)
