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

from eventstore.errors import BackendError
from eventstore.fs import FileSystem
from eventstore.index_database import UNUSABLE, Database
from eventstore.index_rows import UPSERT, Page, Query, Row, values_of
from eventstore.log_tail import Evidence
from eventstore.marks import Marks

PENDING_MAX = 512
"""How many sessions may be saved before the index is told of them in one transaction."""

_BATCH = 200

_logger = logging.getLogger("eventstore")
_Answer = TypeVar("_Answer")


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
        self._database = Database(fs, directory)
        self._marks = None if directory is None else Marks(fs, directory)
        self._read_row = read_row
        self._sizes = sizes
        self._guard = threading.RLock()
        self._begun = False
        self._unmarked = False
        self._pending: dict[str, Row] = {}
        self._newest: tuple[str, int, Callable[[], Row]] | None = None
        self._in_flight: Counter[str] = Counter()
        self._unclear: set[str] = set()

    def mark(self, session: str) -> None:
        """Note that a save of *session* is about to become durable."""
        with self._guard:
            self._in_flight[session] += 1
            if not self._begun:
                self._begin()
            if self._marks is not None:
                try:
                    self._marks.add(session)
                except OSError as error:
                    # Without a mark the index may miss this save; a full check makes up for it.
                    _logger.warning("cannot mark a save for the index: %s", error.strerror)
                    self._unmarked = True
                    self._distrust()

    def tell(
        self,
        session: str,
        row: tuple[int, Callable[[], Row]] | None,
        *,
        unclear: bool = False,
    ) -> None:
        """Say what became of a marked save: its version and how to make its row, or None.

        Where that is *unclear*, the log is looked at before the next list. The row is made, by
        whichever thread, when another session is saved or somebody asks.
        """
        with self._guard:
            if unclear:
                self._unclear.add(session)
            self._in_flight[session] -= 1
            if not self._in_flight[session]:
                del self._in_flight[session]
            if row is None:
                return
            version, make = row
            if self._newest is not None:
                if self._newest[0] != session:
                    self.note_newest()
                elif self._newest[1] > version:
                    return
            self._newest = session, version, make
            if len(self._pending) >= PENDING_MAX or self._unmarked:
                self._flush()

    def note_newest(self) -> None:
        """Make the row of the last save, if that was not done yet."""
        with self._guard:
            if self._newest is None:
                return
            session, version, make = self._newest
            self._newest = None
            newer = self._pending.get(session)
            if newer is None or newer.version <= version:
                self._pending[session] = make()

    def evidence(self, session: str) -> Evidence:
        """Return what is remembered of a log: a version, and up to where it was durable."""
        with self._guard:
            self.note_newest()
            row = self._pending.get(session)
            if row is not None:
                return Evidence(row.version, row.commit_id, row.settled)
            with suppress(*UNUSABLE):
                if self._database.exists():
                    found = self._database.connection().execute(
                        "SELECT version, commit_id, settled FROM sessions WHERE id = ?", (session,)
                    )
                    return Evidence(*(found.fetchone() or ()))
            return Evidence()

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
            self._database.close()
            if self._marks is not None:
                with suppress(OSError):
                    self._marks.close()

    def abandon(self) -> None:
        """Let go in a forked child, without touching what the parent still uses."""
        self._database.abandon()
        if self._marks is not None:
            self._marks.abandon()

    def _ask(self, question: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
        """Answer from an index that knows everything, making it anew if it is damaged."""
        with self._guard:
            try:
                return question(self._catch_up())
            except UNUSABLE as error:
                _logger.warning("the index is made anew: %s", type(error).__name__)
                self._database.give_up(error)
            try:
                return question(self._catch_up())
            except UNUSABLE:
                # The medium refuses a new one too, so this process keeps its own in memory.
                self._database.retreat()
            return question(self._catch_up())

    def _catch_up(self) -> sqlite3.Connection:
        """Bring in what is pending here, marked elsewhere, or changed while nobody watched."""
        self.note_newest()
        looked_up = list(self._rows(self._unclear))
        known = [row for row in looked_up if not row.damaged]
        connection = self._write([*self._pending.values(), *known])
        self._unclear = {row.id for row in looked_up if row.damaged}
        self._clear_pending()
        if not self._is_complete(connection):
            self._check_all(connection)
        if self._marks is None:
            return connection
        try:
            # A dead owner's file stays locked until it is removed, so that nobody takes it over.
            for path, dead, sessions in self._marks.others():
                if sessions is None:
                    self._check_all(connection)
                elif sessions:
                    self._store(self._rows(sessions), connection)
                if dead and self._database.on_disk:
                    self._marks.adopt(path)
        except OSError:
            # What cannot be read may mark anything.
            self._check_all(connection)
        return connection

    def _flush(self) -> None:
        """Write pending rows; where that fails, their marks stay for whoever lists next."""
        self.note_newest()
        if not self._pending:
            return
        try:
            self._write(list(self._pending.values()))
        except UNUSABLE as error:
            _logger.warning("the index misses some saves for now: %s", type(error).__name__)
            if len(self._pending) > 16 * PENDING_MAX:
                self._unclear.update(self._pending)
                self._pending.clear()
            return
        self._clear_pending()

    def _clear_pending(self) -> None:
        """Forget rows that were written, and every mark that is no longer needed."""
        self._pending.clear()
        if self._marks is None or not self._database.on_disk:
            return
        with suppress(OSError):
            self._marks.keep(self._unclear | self._in_flight.keys())
            self._unmarked = False

    def _write(self, rows: list[Row]) -> sqlite3.Connection:
        """Write rows into the database that has the index's name, even if it was just replaced."""
        while True:
            connection = self._database.connection()
            if rows:
                self._store(rows, connection)
            if self._database.is_current():
                return connection

    def _store(self, rows: Iterable[Row], connection: sqlite3.Connection) -> None:
        """Write rows in one transaction."""
        with connection:
            # The sole right to write first: a transaction that only read before cannot wait for it.
            connection.execute("BEGIN IMMEDIATE")
            connection.executemany(UPSERT, map(values_of, rows))

    def _rows(self, sessions: Iterable[str]) -> Iterator[Row]:
        """Read the rows of some sessions from their logs."""
        for session in sessions:
            row = self._read_row(session)
            if row is not None:
                yield row

    def _is_complete(self, connection: sqlite3.Connection) -> bool:
        """Whether the index was complete at some time since the machine started."""
        boot = self._database.boot()
        rows = connection.execute("SELECT value FROM meta WHERE key = 'complete'").fetchall()
        return bool(boot) and rows == [(boot,)]

    def _check_all(self, connection: sqlite3.Connection) -> None:
        """Compare every log's size with its row, and read again those that differ."""
        known = dict(connection.execute("SELECT id, stored FROM sessions"))
        stale: list[str] = []
        for session, size in self._sizes():
            if known.pop(session, None) != size:
                stale.append(session)
        stale += known  # Their logs are gone, which the index must not forget quietly.
        for start in range(0, len(stale), _BATCH):
            batch = stale[start : start + _BATCH]
            with connection:
                # Begun before the logs are read, so that no newer row is replaced by an older.
                connection.execute("BEGIN IMMEDIATE")
                rows = list(self._rows(batch))
                connection.executemany("DELETE FROM sessions WHERE id = ?", ((s,) for s in batch))
                connection.executemany(UPSERT, map(values_of, rows))
        with connection:
            self._set_complete(connection)

    def _begin(self) -> None:
        """Before this process's first save: the index of a store without logs knows everything."""
        self._begun = True
        with suppress(*UNUSABLE, BackendError):
            if not self._database.exists() and next(iter(self._sizes()), None) is None:
                connection = self._database.connection()
                with connection:
                    self._set_complete(connection)

    def _set_complete(self, connection: sqlite3.Connection) -> None:
        """Note that all logs there are were looked at."""
        connection.execute("REPLACE INTO meta VALUES ('complete', ?)", (self._database.boot(),))

    def _distrust(self) -> None:
        """Make the next list check every log."""
        with suppress(*UNUSABLE):
            connection = self._database.connection()
            with connection:
                connection.execute("DELETE FROM meta WHERE key = 'complete'")
