"""The feed: the commits of all sessions in one order, the same for everybody who watches.

It lies in `feed.db`, is made when somebody first watches, and is brought up to date by whoever
watches, never by who saves: from what is marked and from what the index says has changed. A row
stands for a run of versions of one session. Losing the file loses no commit, only the order, and
with it the cursors that were given out.
"""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from eventstore.errors import BackendError
from eventstore.fs import FileSystem
from eventstore.index import Index
from eventstore.index_database import DAMAGED, UNUSABLE, Database, connect, is_passing
from eventstore.index_tables import Position

FEED = "feed.db"

_BATCH = 1000
_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (number INTEGER PRIMARY KEY, id TEXT UNIQUE, version INTEGER);
CREATE TABLE IF NOT EXISTS runs (
  place INTEGER PRIMARY KEY, session INTEGER, first INTEGER, last INTEGER);
INSERT OR IGNORE INTO meta VALUES ('identity', lower(hex(randomblob(16))));
"""


@dataclass(frozen=True, slots=True)
class Run:
    """Versions *first* to *last* of a session, at a place of the feed."""

    place: int
    session: str
    first: int
    last: int


class Feed:
    """The order of commits, shared with every process that watches; safe to use from threads."""

    def __init__(
        self,
        fs: FileSystem,
        directory: Path | None,
        store_id: str,
        *,
        index: Index,
        size: Callable[[str], int | None],
        newest: Callable[[str], int | None],
    ) -> None:
        """Keep the feed of a store in *directory*, or in memory without one.

        *size* and *newest* say of a session's log how long it is and which version is its newest,
        None where that cannot be known now.
        """
        # Synced, because a cursor that was given out must not be ahead after a power cut.
        opening = partial(_connect, store_id=store_id)
        self._database = Database(fs, directory, name=FEED, connect=opening)
        self._index = index
        self._size = size
        self._newest = newest
        self._guard = threading.RLock()
        self._sizes: dict[str, int | None] = {}
        self._identity = ""
        self._position = Position("", 0)
        self._after = ""

    def identity(self) -> str:
        """Return what changes when the feed is lost and begun anew."""
        with self._using():
            return self._identity

    def end(self) -> int:
        """Return the last place, with every commit so far at it or before it."""
        self.catch_up()
        with self._using() as connection:
            (place,) = connection.execute("SELECT IFNULL(MAX(place), 0) FROM runs").fetchone()
            return int(place)

    def runs(self, place: int, limit: int) -> list[Run]:
        """Return what stands at *place* and behind it, without looking for more."""
        with self._using() as connection:
            rows = connection.execute(
                "SELECT place, id, first, last FROM runs JOIN sessions ON number = session "
                "WHERE place >= ? ORDER BY place LIMIT ?",
                (place, limit),
            )
            return [Run(*row) for row in rows]

    def catch_up(self) -> None:
        """Take in every commit that was made before this call, by this process or another.

        Costs what changed since, and a look at the logs that are marked.
        """
        with self._guard:
            with self._using():
                pass
            # The marks are read first: a mark is taken away only when the index was told.
            marked = self._index.marked()
            since, after = self._position, self._after
            if marked is None or not self._index.is_current(since):
                now = self._index.position()
                if now.index != since.index:
                    since, after = Position(now.index, 0), ""
                marked = self._index.marked() or set()
            sizes = {session: self._size(session) for session in marked}
            moved = [s for s, size in sizes.items() if self._sizes.get(s, -1) != size]
            self._take((session, self._newest(session)) for session in moved)
            self._sizes = sizes
            while changed := self._index.changed(since, after, _BATCH):
                self._take((session, version) for _, session, version in changed)
                change, after, _ = changed[-1]
                since = Position(since.index, change)
                self._note(since, after)
            self._position, self._after = since, after

    def close(self) -> None:
        """Close the database."""
        with self._guard:
            self._database.close()

    def abandon(self) -> None:
        """Let go in a forked child, without touching what the parent still uses."""
        self._database.abandon()

    def _take(self, found: Iterable[tuple[str, int | None]]) -> None:
        """Add the versions up to these that are not in the feed yet."""
        versions = {session: version for session, version in found if version is not None}
        with self._using() as connection:
            # Most have been taken in already, and then there is nothing to write or sync.
            news = [s for s, version in versions.items() if version != _known(connection, s)[1]]
            if not news:
                return
            with connection:
                connection.execute("BEGIN IMMEDIATE")
                for session in news:
                    self._add(connection, session, versions[session])

    def _add(self, connection: sqlite3.Connection, session: str, version: int) -> None:
        """Add the versions of one session up to *version*, inside a transaction."""
        number, known = _known(connection, session)
        if version < known:
            # Another watcher saw more, or a power cut took back what was never synced.
            newest = self._newest(session)
            if newest is None or newest >= known:
                return
            known = newest
        if number is None:
            found = connection.execute("INSERT INTO sessions (id) VALUES (?)", (session,))
            number = found.lastrowid
        connection.execute(
            "UPDATE sessions SET version = ? WHERE number = ?", (max(version, known), number)
        )
        if known < version:
            connection.execute(
                "INSERT INTO runs (session, first, last) VALUES (?, ?, ?)",
                (number, known + 1, version),
            )

    def _note(self, position: Position, after: str) -> None:
        """Remember how far the index was read, for whoever opens the feed next."""
        values = [("index", position.index), ("change", position.change), ("after", after)]
        with self._using() as connection, connection:
            connection.executemany("REPLACE INTO meta VALUES (?, ?)", values)

    @contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        """Give the database; one that is damaged is begun anew, under another identity."""
        with self._guard:
            try:
                connection = self._opened()
                yield connection
            except UNUSABLE as error:
                if not is_passing(error):
                    self._database.remove()
                self._database.close()
                self._identity = ""
                raise BackendError(
                    f"the feed of commits cannot be used: {error}",
                    hint="watch again; if the disk is full or read-only, change that first",
                ) from error

    def _opened(self) -> sqlite3.Connection:
        """Return the database, having read how far it is if it is another than before."""
        try:
            connection = self._database.connection()
        except DAMAGED as error:
            if is_passing(error):
                raise
            self._database.remove()
            connection = self._database.connection()
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        if meta["identity"] != self._identity:
            self._identity = meta["identity"]
            self._sizes = {}
            self._position = Position(meta.get("index", ""), int(meta.get("change", 0)))
            self._after = meta.get("after", "")
        return connection


def _known(connection: sqlite3.Connection, session: str) -> tuple[int | None, int]:
    """Return the number of a session in the feed and its last version there."""
    row = connection.execute("SELECT number, version FROM sessions WHERE id = ?", (session,))
    found: tuple[int | None, int] = row.fetchone() or (None, 0)
    return found


def _connect(path: Path | None, *, store_id: str) -> sqlite3.Connection:
    """Return a connection to the feed of one store; raises `sqlite3.DatabaseError` for another."""
    connection = connect(path, _SCHEMA, _SCHEMA_VERSION, synchronous="FULL")
    try:
        with connection:
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('store', ?)", (store_id,))
        (found,) = connection.execute("SELECT value FROM meta WHERE key = 'store'").fetchone()
        if found != store_id:
            raise sqlite3.DatabaseError("the feed is of another store")
    except BaseException:
        connection.close()
        raise
    return connection
