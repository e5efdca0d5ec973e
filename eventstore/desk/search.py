"""Searching: what was said, in which session and version."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from datetime import datetime

from eventstore.desk.base import StoreBase
from eventstore.desk.waiting import AsyncBase
from eventstore.errors import InvalidInputError
from eventstore.search_query import Hit, SearchQuery


class Searches(StoreBase):
    """What looks into sessions."""

    def search(
        self,
        query: str,
        *,
        role: str | None = None,
        tool: str | None = None,
        session: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        all_versions: bool = False,
        limit: int = 50,
    ) -> Iterator[Hit]:
        """Yield where messages and tool calls say all words of *query*, best first.

        `"a phrase"` stands in double quotes, `begin*` is how a word begins; nothing else means
        anything. Looks at the newest version of every session that is not deleted, and takes
        *since* and *until* for the time of that version; with *all_versions* at every text that
        ever was, and for the time it came. The first search takes in the whole store, a later one
        what was committed since. Raises `InvalidInputError` if the store was not opened with
        `search=True`, `UnsupportedError` where SQLite has no full-text search.
        """
        catalog = self._open_catalog()
        if not self._search:
            raise InvalidInputError(
                "search is off", field="search", hint="open the store with search=True"
            )
        asked = SearchQuery(query, role, tool, since, until, session, limit)
        return iter(catalog.search_index(every=bool(all_versions)).search(asked))


class AsyncSearches(AsyncBase):
    """The same for `async for`."""

    async def search(
        self,
        query: str,
        *,
        role: str | None = None,
        tool: str | None = None,
        session: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        all_versions: bool = False,
        limit: int = 50,
    ) -> AsyncIterator[Hit]:
        """Yield where messages and tool calls say all words of *query*, best first."""
        hits = await self._wait(
            Searches.search,
            query,
            role=role,
            tool=tool,
            session=session,
            since=since,
            until=until,
            all_versions=all_versions,
            limit=limit,
        )
        async for hit in self._items(hits):
            yield hit
