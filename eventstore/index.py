"""The index: a derived, disposable summary of all logs in SQLite, so that lists need no log.

It is told of a save after the commit point and may miss it; marks say what it may have missed.
Whatever is wrong with it, it is made anew from the logs, and it never makes a save fail.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from eventstore.fs import FileSystem
from eventstore.index_database import connect
from eventstore.index_rows import UPSERT, Page, Query, Row, values_of
from eventstore.marks import Marks

INDEX = "index.db"
PENDING_MAX = 512
"""How many sessions may be saved before the index is told of them in one transaction."""

_BATCH = 1000

_logger = logging.getLogger("eventstore")
_Answer = TypeVar("_Answer")
_inherited: list[sqlite3.Connection] = []


class Index:
    """Answers lists; safe to use from several threads, shared with other processes on disk."""

    def __init__(
        self,
        fs: FileSystem,
        directory: Path | None,
        *,
        read_row: Callable[[str], Row | None],
        sizes: Callable[[], Iterable[tuple[str, int]]],
    ) -> None:
        """Keep the index in *directory*, or in memory without one.

        *read_row* makes a row from a session's log; *sizes* yields every log and its size.
        """
        self._fs = fs
        self._path = None if directory is None else directory / INDEX
        self._marks = None if directory is None else Marks(fs, directory)
        self._read_row = read_row
        self._sizes = sizes
        self._guard = threading.RLock()
        self._sql: sqlite3.Connection | None = None
        self._inode = 0
        self._pending: dict[str, Row] = {}
        self._in_flight: Counter[str] = Counter()

    def mark(self, session: str) -> None:
        """Note that a save of *session* is about to become durable."""
        with self._guard:
            self._in_flight[session] += 1
            if self._marks is not None:
                try:
                    self._marks.add(session)
                except OSError as error:
                    # Without a mark the index may miss this save; a full check makes up for it.
                    _logger.warning("cannot mark a save for the index: %s", error.strerror)
                    self._marks = None
                    self._distrust()

    def tell(self, session: str, row: Row | None) -> None:
        """Say what became of a marked save: its row, or None if nothing was committed."""
        with self._guard:
            self._in_flight[session] -= 1
            if not self._in_flight[session]:
                del self._in_flight[session]
            if row is not None:
                self._pending[session] = row
                if len(self._pending) >= PENDING_MAX:
                    self._flush()

    def settled(self, session: str) -> int:
        """Return up to which offset a log is remembered to have been durable."""
        with self._guard:
            row = self._pending.get(session)
            if row is not None:
                return row.settled
            with suppress(sqlite3.Error):
                found = self._connected().execute(
                    "SELECT settled FROM sessions WHERE id = ?", (session,)
                )
                for (settled,) in found:
                    return int(settled)
            return 0

    def page(self, query: Query) -> Page:
        """Answer one question."""
        sql, values = query.sql()
        return query.page(self._ask(lambda c: c.execute(sql, values).fetchall()))

    def ids(self) -> list[str]:
        """Return the ids of all live sessions, sorted."""
        rows = self._ask(
            lambda c: c.execute("SELECT id FROM sessions WHERE live = 1 ORDER BY id").fetchall()
        )
        return [row[0] for row in rows]

    def totals(self) -> tuple[int, int, int, int]:
        """Return the numbers of live and of deleted sessions, of versions, and stored bytes."""
        rows = self._ask(
            lambda c: c.execute(
                "SELECT TOTAL(live), COUNT(*), TOTAL(version), TOTAL(stored) FROM sessions"
            ).fetchall()
        )
        live, count, versions, stored = rows[0]
        return int(live), count - int(live), int(versions), int(stored)

    def close(self) -> None:
        """Write what is pending and close; an index that cannot be written is left to its marks."""
        with self._guard:
            self._flush()
            if self._sql is not None:
                with suppress(sqlite3.Error):
                    self._sql.close()
                self._sql = None
            if self._marks is not None:
                with suppress(OSError):
                    self._marks.close()

    def abandon(self) -> None:
        """Let go in a forked child, without touching what the parent still uses."""
        if self._sql is not None:
            # SQLite must not close a connection that came through a fork, so it is kept for ever.
            _inherited.append(self._sql)
        if self._marks is not None:
            self._marks.abandon()

    def _ask(self, question: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """Answer from an index that knows everything, making it anew if it is damaged."""
        with self._guard:
            try:
                self._catch_up()
                return question(self._connected())
            except sqlite3.DatabaseError as error:
                _logger.warning("the index is made anew: %s", type(error).__name__)
                self._discard()
            try:
                self._catch_up()
            except sqlite3.DatabaseError:
                # The medium refuses a new one too, so this process keeps its own in memory.
                self._discard()
                self._path = None
                self._catch_up()
            return question(self._connected())

    def _catch_up(self) -> None:
        """Bring in what is pending here, marked elsewhere, or changed while nobody watched."""
        connection = self._connected()
        self._store(self._pending.values(), connection)
        self._clear_pending()
        if not self._is_complete(connection):
            self._check_all(connection)
        if self._marks is None:
            return
        for path, dead, sessions in list(self._marks.others()):
            if sessions is None:
                self._check_all(connection)
            else:
                self._store(self._rows(sessions), connection)
            if dead:
                with suppress(OSError):
                    self._marks.adopt(path)

    def _flush(self) -> None:
        """Write pending rows; where that fails, their marks stay for whoever lists next."""
        if not self._pending:
            return
        try:
            self._store(self._pending.values(), self._connected())
        except sqlite3.Error as error:
            _logger.warning("the index misses some saves for now: %s", type(error).__name__)
            if len(self._pending) > 16 * PENDING_MAX:
                self._distrust()
                self._pending.clear()
            return
        self._clear_pending()

    def _clear_pending(self) -> None:
        """Forget rows that were written, and every mark but those of saves under way."""
        self._pending.clear()
        if self._marks is not None:
            with suppress(OSError):
                self._marks.keep(set(self._in_flight))

    def _store(self, rows: Iterable[Row], connection: sqlite3.Connection) -> None:
        """Write rows in one transaction."""
        with connection:
            connection.executemany(UPSERT, map(values_of, rows))

    def _rows(self, sessions: Iterable[str]) -> Iterator[Row]:
        """Read the rows of some sessions from their logs."""
        for session in sessions:
            row = self._read_row(session)
            if row is not None:
                yield row

    def _is_complete(self, connection: sqlite3.Connection) -> bool:
        """Whether the index was complete at some time since the machine started."""
        boot = self._fs.boot() if self._path is not None else "memory"
        rows = connection.execute("SELECT value FROM meta WHERE key = 'complete'").fetchall()
        return bool(boot) and rows == [(boot,)]

    def _check_all(self, connection: sqlite3.Connection) -> None:
        """Compare every log's size with its row, and read again those that differ."""
        known = dict(connection.execute("SELECT id, stored FROM sessions"))
        stale: list[str] = []
        for session, size in self._sizes():
            if known.pop(session, None) != size:
                stale.append(session)
        for start in range(0, len(stale), _BATCH):
            batch = stale[start : start + _BATCH]
            rows = list(self._rows(batch))
            with connection:
                connection.executemany("DELETE FROM sessions WHERE id = ?", ((s,) for s in batch))
                connection.executemany(UPSERT, map(values_of, rows))
        boot = self._fs.boot() if self._path is not None else "memory"
        with connection:
            connection.executemany("DELETE FROM sessions WHERE id = ?", ((s,) for s in known))
            connection.execute("REPLACE INTO meta VALUES ('complete', ?)", (boot,))

    def _distrust(self) -> None:
        """Make the next list check every log."""
        with suppress(sqlite3.Error):
            connection = self._connected()
            with connection:
                connection.execute("DELETE FROM meta WHERE key = 'complete'")

    def _connected(self) -> sqlite3.Connection:
        """Return the open database, opening the one that has the index's name now."""
        if self._sql is not None and self._path is not None:
            status = self._fs.status_at(self._path)
            if status is None or status.st_ino != self._inode:
                self._sql.close()
                self._sql = None
        if self._sql is None:
            self._sql = self._opened()
        return self._sql

    def _opened(self) -> sqlite3.Connection:
        """Open the database and make sure it has today's tables."""
        if self._path is not None and self._fs.status_at(self._path) is None:
            self._remove_files()
        if self._path is not None:
            # Made here first, so that it is as private as the logs.
            self._fs.close(self._fs.open(self._path, write=True, create=True))
        connection = connect(self._path)
        status = None if self._path is None else self._fs.status_at(self._path)
        self._inode = 0 if status is None else status.st_ino
        return connection

    def _discard(self) -> None:
        """Close the database and remove its files; rows still pending are kept."""
        if self._sql is not None:
            with suppress(sqlite3.Error):
                self._sql.close()
            self._sql = None
        with suppress(OSError):
            self._remove_files()

    def _remove_files(self) -> None:
        """Remove the database and what SQLite keeps beside it."""
        if self._path is None:
            return
        for suffix in ("", "-wal", "-shm", "-journal"):
            path = self._path.with_name(self._path.name + suffix)
            if self._fs.status_at(path) is not None:
                self._fs.remove(path)
