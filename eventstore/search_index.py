"""The search index: what sessions say, in SQLite's full-text tables, derived and disposable.

`search.db` holds the texts of the newest version of every session, `search-all.db` those of every
version, each text once with the versions it was in. Neither is there before somebody searches, and
each is brought up to date by the next search, at the cost of what was committed since.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from hashlib import blake2b
from pathlib import Path
from typing import Any

from eventstore.errors import BackendError, CorruptError, ErasedError, UnsupportedError
from eventstore.feed import Feed, Run
from eventstore.fs import FileSystem
from eventstore.index_database import DAMAGED, UNUSABLE, Database, connect, is_passing
from eventstore.search_query import CLOSES, OPENS, Hit, SearchQuery, hit_of
from eventstore.texts import Said, said_in

NEWEST, EVERY = "search.db", "search-all.db"

_RUNS = 200
_VERSIONS = 64
"""How many versions are taken in by one transaction."""

_SCHEMA_VERSION = 1
_MODULE = "fts5"
_SCHEMA = """
PRAGMA secure_delete = ON;
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
  number INTEGER PRIMARY KEY, id TEXT UNIQUE, version INTEGER, time INTEGER);
CREATE TABLE IF NOT EXISTS texts (
  id INTEGER PRIMARY KEY, session INTEGER, message INTEGER, block INTEGER, role TEXT, tool TEXT,
  digest BLOB, first INTEGER, last INTEGER, time INTEGER);
CREATE INDEX IF NOT EXISTS by_session ON texts (session, last);
"""
_WORDS = "CREATE VIRTUAL TABLE IF NOT EXISTS words USING {module} (text, tokenize = 'unicode61')"
_UNMARKED = str.maketrans({OPENS: " ", CLOSES: " ", "\0": " "})

_logger = logging.getLogger("eventstore")


@dataclass(frozen=True, slots=True)
class Reading:
    """A version as it is read for the search: its time, its kind, and its session document."""

    time: int
    kind: str
    document: Any


class SearchIndex:
    """Answers searches; safe to use from several threads, shared with other processes on disk."""

    def __init__(
        self,
        fs: FileSystem,
        directory: Path | None,
        store_id: str,
        *,
        every: bool,
        feed: Feed,
        read: Callable[[str, int], Reading],
    ) -> None:
        """Keep the index in *directory*, or in memory without one.

        It is of *every* version, or of the newest ones; *feed* says what was committed, *read*
        reads a version.
        """
        self._database = Database(
            fs,
            directory,
            name=EVERY if every else NEWEST,
            connect=partial(_connect, store_id=store_id),
        )
        self._every = every
        self._feed = feed
        self._read = read
        self._guard = threading.RLock()
        self._forgot = False

    def search(self, query: SearchQuery) -> list[Hit]:
        """Return the best hits among all that was committed before this call.

        An index that is damaged is made anew. Raises `UnsupportedError` where SQLite was built
        without full-text search.
        """
        sql, values = query.sql(every=self._every)
        self._feed.catch_up()
        with self._guard:
            try:
                return self._answer(sql, values)
            except DAMAGED as error:
                self._database.close()
                if not is_passing(error):
                    _logger.warning("the search index is made anew: %s", type(error).__name__)
                    self._database.remove()
            try:
                return self._answer(sql, values)
            except UNUSABLE as error:
                raise BackendError(
                    f"the search index cannot be used: {error}",
                    hint="if the disk is full or read-only, change that first",
                ) from error

    def close(self) -> None:
        """Close the database."""
        with self._guard:
            self._database.close()

    def abandon(self) -> None:
        """Let go in a forked child, without touching what the parent still uses."""
        self._database.abandon()

    def _answer(self, sql: str, values: list[Any]) -> list[Hit]:
        """Bring the index up to date and ask it."""
        connection = self._database.connection()
        while self._take_some(connection):
            pass
        return [hit_of(row) for row in connection.execute(sql, values)]

    def _take_some(self, connection: sqlite3.Connection) -> bool:
        """Take in some of what the feed has behind the place reached; False if there is nothing."""
        self._forgot = False
        with connection:
            place, feed = self._reached(connection)
            if not self._feed.runs(place + 1, 1):
                return False
            # Another process that searches may have come as far meanwhile.
            connection.execute("BEGIN IMMEDIATE")
            place, feed = self._reached(connection)
            left = _VERSIONS
            for run in self._feed.runs(place + 1, _RUNS):
                left = self._take_run(connection, run, left)
                if left <= 0:
                    break
                place = run.place
            marks = [("feed", feed), ("place", place)]
            connection.executemany("REPLACE INTO meta VALUES (?, ?)", marks)
        if self._forgot:
            # What was erased must not stay in the file's write-ahead log either.
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        return True

    def _reached(self, connection: sqlite3.Connection) -> tuple[int, str]:
        """Return the last place that was taken in, of the feed that there is now."""
        meta = dict(connection.execute("SELECT key, value FROM meta"))
        feed = self._feed.identity()
        return (int(meta.get("place", 0)) if meta.get("feed") == feed else 0), feed

    def _take_run(self, connection: sqlite3.Connection, run: Run, left: int) -> int:
        """Take in the versions of a run, *left* of them at most; return how many are left then.

        Nothing is left either where the run is not finished.
        """
        row = connection.execute(
            "SELECT number, version FROM sessions WHERE id = ?", (run.session,)
        )
        number, known = row.fetchone() or (0, 0)
        if not number:
            found = connection.execute("INSERT INTO sessions (id) VALUES (?)", (run.session,))
            number = found.lastrowid or 0
        known = known or 0
        first = known + 1 if self._every else run.last
        for version in range(first, run.last + 1):
            if version <= known:
                return left
            if left <= 0:
                return 0
            self._take_version(connection, run.session, number, version)
            left -= 1
        return max(left, 1)

    def _take_version(
        self, connection: sqlite3.Connection, session: str, number: int, version: int
    ) -> None:
        """Make the texts of a session those of one version."""
        try:
            reading = self._read(session, version)
        except ErasedError:
            return  # What it said is gone, and the version that says so comes later.
        except CorruptError:
            _logger.warning(
                "version %s of session %r is damaged and cannot be searched", version, session
            )
            return
        if reading.kind == "erase":
            _forget(connection, number)
            self._forgot = True
        said = {(s.message, s.block): s for s in said_in(reading.document)}
        before = connection.execute(
            "SELECT id, message, block, digest FROM texts WHERE session = ? AND last = 0", (number,)
        ).fetchall()
        for id, message, block, digest in before:
            same = said.get((message, block))
            if same is not None and _digest(same) == digest:
                del said[message, block]
            elif self._every:
                connection.execute("UPDATE texts SET last = ? WHERE id = ?", (version - 1, id))
            else:
                connection.execute("DELETE FROM texts WHERE id = ?", (id,))
                connection.execute("DELETE FROM words WHERE rowid = ?", (id,))
        for text in said.values():
            _insert(connection, number, version, reading.time, text)
        connection.execute(
            "UPDATE sessions SET version = ?, time = ? WHERE number = ?",
            (version, reading.time, number),
        )


def _insert(
    connection: sqlite3.Connection, number: int, version: int, time: int, said: Said
) -> None:
    """Add one text."""
    found = connection.execute(
        "INSERT INTO texts (session, message, block, role, tool, digest, first, last, time) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?)",
        (number, said.message, said.block, said.role, said.tool, _digest(said), version, time),
    )
    text = said.text.translate(_UNMARKED)
    connection.execute("INSERT INTO words (rowid, text) VALUES (?, ?)", (found.lastrowid, text))


def _forget(connection: sqlite3.Connection, number: int) -> None:
    """Remove every text of a session, and what the full-text tables remember of it."""
    connection.execute(
        "DELETE FROM words WHERE rowid IN (SELECT id FROM texts WHERE session = ?)", (number,)
    )
    connection.execute("DELETE FROM texts WHERE session = ?", (number,))
    connection.execute("INSERT INTO words (words) VALUES ('optimize')")


def _digest(said: Said) -> bytes:
    """Return what tells one text from another in the same place."""
    whole = "\0".join((said.role, said.tool, said.text))
    return blake2b(whole.encode(), digest_size=16).digest()


def _connect(path: Path | None, *, store_id: str) -> sqlite3.Connection:
    """Return a connection to the search index of one store, with its tables."""
    connection = connect(path, _SCHEMA, _SCHEMA_VERSION)
    try:
        try:
            connection.execute(_WORDS.format(module=_MODULE))
        except sqlite3.OperationalError as error:
            if "no such module" in str(error):
                raise UnsupportedError(
                    "the SQLite of this Python has no full-text search (FTS5)",
                    hint="use a Python whose SQLite was built with it",
                ) from error
            raise
        with connection:
            connection.execute("INSERT OR IGNORE INTO meta VALUES ('store', ?)", (store_id,))
        (found,) = connection.execute("SELECT value FROM meta WHERE key = 'store'").fetchone()
        if found != store_id:
            raise sqlite3.DatabaseError("the search index is of another store")
    except BaseException:
        with suppress(sqlite3.Error):
            connection.close()
        raise
    return connection
