"""The catalog: open logs by session id, and the index that is told of what they hold."""

from __future__ import annotations

import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from functools import partial

from eventstore.backend import Backend
from eventstore.commit import SESSION, Version
from eventstore.errors import CorruptError, EventStoreError
from eventstore.feed import Feed
from eventstore.index import Index
from eventstore.index_rows import INTEGER_MAX
from eventstore.index_tables import settle
from eventstore.intake import Intake
from eventstore.log import Log
from eventstore.log_standing import Standing
from eventstore.search_index import Reading, SearchIndex
from eventstore.session_info import Row
from eventstore.state import decode
from eventstore.views import Summary, summary_of

Summarise = Callable[[], Summary]
"""Returns what lists say of a state that was just saved."""

OPEN_LOGS_MAX = 1024
"""How many sessions are remembered between calls; beyond it the least recently used are not."""


class Catalog:
    """Every session of a store; safe to use from several threads."""

    def __init__(self, backend: Backend, *, state_size_max: int, cache_size: int) -> None:
        """Serve the sessions of *backend*, holding about *cache_size* bytes to make saves cheap."""
        self._cache_size = cache_size
        self._cached: OrderedDict[str, int] = OrderedDict()
        self._cached_size = 0
        self._backend = backend
        self.store_id = backend.store_id
        self._state_size_max = state_size_max
        self._guard = threading.Lock()
        self._feed: Feed | None = None
        self._searches: dict[bool, SearchIndex] = {}
        self._logs: OrderedDict[str, Log] = OrderedDict()
        self._summaries: OrderedDict[str, tuple[str, Summary]] = OrderedDict()
        self.index = Index(
            backend.fs, backend.directory, read_row=self._read_row, sizes=self._sizes
        )

    def sync(self) -> None:
        """Make everything saved so far durable, and note it as acknowledged."""
        ends = self._backend.sync()
        for session, end in ends.items():
            if (log := self._logs.get(session)) is not None:
                log.synced(end)
        if ends:
            self.index.ask(partial(settle, ends.items()))

    def close(self) -> None:
        """Close what is derived: the index, the feed, the search. Remember nothing of any log.

        The store itself may stay in memory until the garbage collector comes.
        """
        for search in self._searches.values():
            search.close()
        if self._feed is not None:
            self._feed.close()
        self.index.close()
        with self._guard:
            self._logs.clear()
            self._cached.clear()
            self._cached_size = 0
            self._summaries.clear()

    @property
    def feed(self) -> Feed:
        """The order in which watchers see commits; there is none before it is asked for."""
        with self._guard:
            if self._feed is None:
                backend = self._backend
                self._feed = Feed(
                    backend.fs,
                    backend.directory,
                    backend.store_id,
                    index=self.index,
                    size=backend.size,
                    newest=self._newest,
                )
            return self._feed

    def search_index(self, *, every: bool) -> SearchIndex:
        """Return what answers searches, of every version or of the newest."""
        feed = self.feed
        with self._guard:
            found = self._searches.get(every)
            if found is None:
                backend = self._backend
                found = self._searches[every] = SearchIndex(
                    backend.fs,
                    backend.directory,
                    backend.store_id,
                    every=every,
                    feed=feed,
                    read=self._reading,
                )
            return found

    def log(self, session: str) -> Log:
        """Return the log of *session*, which need not exist yet."""
        with self._guard:
            log = self._logs.get(session)
            if log is None:
                log = self._logs[session] = self._new_log(session)
                if len(self._logs) > OPEN_LOGS_MAX:
                    oldest, _ = self._logs.popitem(last=False)
                    self._cached_size -= self._cached.pop(oldest, 0)
            else:
                self._logs.move_to_end(session)
            return log

    def intake(self, session: str) -> Intake:
        """Return the log of *session* as one that takes in versions from elsewhere."""
        return Intake(
            self._backend,
            session,
            state_size_max=self._state_size_max,
            evidence=self.index.evidence,
        )

    def forget(self, session: str) -> None:
        """Remember nothing of a log that is no longer what it was."""
        with self._guard:
            self._logs.pop(session, None)
            self._cached_size -= self._cached.pop(session, 0)

    def repaired(self, log: Log, version: Version) -> None:
        """Take in the version that tells of a repair, so that nobody misses what it gave up."""
        self.forget(log.session)
        try:
            summary = self._summary(log)
        except CorruptError:
            summary = Summary()  # The state is among what is lost.
        self.index.mark(log.session)
        row = partial(row_of, version, log.standing, summary)
        self.index.tell(log.session, (version.version, row), now=True)

    def account(self, log: Log) -> None:
        """After a save or a load: keep what all logs hold to make the next cheap within bounds."""
        with self._guard:
            if self._logs.get(log.session) is not log:
                return  # Pushed out meanwhile: what it holds goes with it.
            size = log.memory_size
            self._cached_size += size - self._cached.get(log.session, 0)
            self._cached[log.session] = size
            self._cached.move_to_end(log.session)
            if self._cached_size <= self._cache_size:
                return
            for session in list(self._cached):
                if self._logs[session].forget_states():
                    self._cached_size -= self._cached.pop(session)
                if self._cached_size <= self._cache_size:
                    break

    def row_maker(
        self, log: Log, version: Version, summarise: Summarise | None
    ) -> Callable[[], Row]:
        """Return what makes the index row for a version that was just committed.

        It asks no log, so that it may be called at any time from any thread.
        """
        if summarise is None:
            # What is remembered counts only if nobody else committed in between.
            self.index.note_newest()
            commit, known = self._summaries.get(log.session, (None, None))
            summary = known if known and commit == version.prev else self._summary(log)
            return partial(self._row, version, log.standing, lambda: summary)
        return partial(self._row, version, log.standing, summarise)

    def sessions(self) -> Iterator[str]:
        """Yield the id of every log, from the medium itself."""
        return self._backend.logs()

    def abandon(self) -> None:
        """Let go in a forked child."""
        for search in self._searches.values():
            search.abandon()
        if self._feed is not None:
            self._feed.abandon()
        self.index.abandon()

    def _row(self, version: Version, standing: Standing, summarise: Summarise) -> Row:
        """Make a row and remember the summary in it."""
        summary = summarise()
        with self._guard:
            self._summaries[version.session] = version.commit, summary
            self._summaries.move_to_end(version.session)
            if len(self._summaries) > OPEN_LOGS_MAX:
                self._summaries.popitem(last=False)
        return row_of(version, standing, summary)

    def _new_log(self, session: str) -> Log:
        """Return a log that nothing is remembered of."""
        return Log(
            self._backend,
            session,
            state_size_max=self._state_size_max,
            evidence=self.index.evidence,
        )

    def _newest(self, session: str) -> int | None:
        """Return the newest version of a session; None while damage hides what is newest."""
        log = self.log(session)
        try:
            newest = log.newest_sound()
        except CorruptError:
            return None
        return None if log.damage is not None else newest or 0

    def _reading(self, session: str, seq: int) -> Reading:
        """Read a version for the search."""
        log = self.log(session)
        version = log.version(seq)
        state = log.state(SESSION, seq)
        document = None if state is None else decode(state, session=session, part=SESSION)
        return Reading(version.time, version.kind, document)

    def _sizes(self) -> Iterator[tuple[str, int]]:
        """Yield every log and its size."""
        for session in self._backend.logs():
            try:
                size = self._backend.size(session)
            except EventStoreError:
                size = -1  # Cannot be opened: its row, if one can be made, says so.
            if size is not None:
                yield session, size

    def _read_row(self, session: str) -> Row | None:
        """Make a row from the log alone; a damaged log gets a row that says so."""
        log = self._new_log(session)
        try:
            version = log.current()
            if version is None:
                return None
            return row_of(version, log.standing, self._shown(log))
        except EventStoreError:
            return _damaged_row(session, self.index.evidence(session).settled)

    def _shown(self, log: Log) -> Summary:
        """Return what `_summary` does; nothing of a deleted session whose last state is damaged."""
        try:
            return self._summary(log)
        except CorruptError:
            head = log.head()
            if head is None or SESSION in head.parts:
                raise
            return Summary()

    def _summary(self, log: Log) -> Summary:
        """Summarise the newest state of the session part, or the last before a delete."""
        if log.head() is None:
            return Summary()
        state = log.state(SESSION, log.newest_live())
        try:
            return summary_of(None if state is None else json.loads(state))
        except (ValueError, RecursionError) as error:
            raise CorruptError("the session part is not JSON", session=log.session) from error


def row_of(version: Version, standing: Standing, summary: Summary) -> Row:
    """Return the row of a version of a log that stands as *standing* says."""
    return Row(
        id=version.session,
        version=version.version,
        commit_id=version.commit,
        address=version.address or "",
        live=SESSION in version.parts,
        name=summary.name,
        state=summary.state,
        parent_id=summary.parent_id,
        messages=summary.messages,
        cost=summary.cost,
        size=min(version.size, INTEGER_MAX),
        created=summary.created,
        updated=summary.updated or version.time,
        saved=version.time,
        stored=standing.end,
        settled=standing.settled,
        log=standing.log,
        origin_log=standing.origin_log,
        origin_version=standing.origin_version,
        facts=summary.facts,
    )


def _damaged_row(session: str, settled: int) -> Row:
    """Return the row of a session that cannot be read, keeping what is known to be missing."""
    return Row(session, 0, "", "", True, "", "", "", 0, 0.0, 0, 0, 0, 0, 0, settled, damaged=True)
