"""The index: a derived, disposable summary of all logs in SQLite, so that lists need no log.

It is told of a save after the commit point and may miss it; marks say what it may have missed.
Whatever is wrong with it, it is made anew from the logs, and it never makes a save fail.
"""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, TypeVar

from eventstore.fs import FileSystem
from eventstore.index_database import UNUSABLE, Database
from eventstore.index_rows import Page, Query
from eventstore.index_tables import CHANGED, Position, Sizes, Tables
from eventstore.log_tail import Evidence
from eventstore.marks import Marks
from eventstore.session_info import Row

PENDING_MAX = 512
"""How many sessions may be saved before the index is told of them in one transaction."""

_TOTALS = "SELECT TOTAL(live), COUNT(*), TOTAL(version), TOTAL(stored) FROM sessions"
_IDS = "SELECT id FROM sessions WHERE live = 1 ORDER BY id"
_EVIDENCE = "SELECT version, commit_id, settled FROM sessions WHERE id = ?"

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
        sizes: Sizes,
    ) -> None:
        """Keep the index in *directory*, or in memory without one.

        *read_row* makes a row from a session's log; *sizes* yields every log and its size.
        """
        self._database = Database(fs, directory)
        self._marks = None if directory is None else Marks(fs, directory)
        self._tables = Tables(self._database, read_row=read_row, sizes=sizes)
        self._guard = threading.RLock()
        self._begun = False
        self._unmarked = False
        self._pending: dict[str, Row] = {}
        self._newest: tuple[str, int, Callable[[], Row]] | None = None
        self._in_flight: dict[str, int] = {}
        self._unclear: set[str] = set()

    def mark(self, session: str) -> None:
        """Note that a save of *session* is about to become durable."""
        with self._guard:
            self._in_flight[session] = self._in_flight.get(session, 0) + 1
            if not self._begun:
                self._begun = True
                self._tables.begin()
            if self._marks is not None:
                try:
                    self._marks.add(session)
                except OSError as error:
                    # Without a mark the index may miss this save; a full check makes up for it.
                    _logger.warning("cannot mark a save for the index: %s", error.strerror)
                    self._unmarked = True
                    self._tables.distrust()

    def tell(
        self,
        session: str,
        row: tuple[int, Callable[[], Row]] | None,
        *,
        unclear: bool = False,
        now: bool = False,
    ) -> None:
        """Say what became of a marked save: its version and how to make its row, or None.

        Where that is *unclear*, the log is looked at before the next list. The row is made, by
        whichever thread, when another session is saved or somebody asks, or *now*.
        """
        with self._guard:
            was_unclear = unclear or session in self._unclear
            self._unclear.add(session)  # Until this is done, which an interrupt may prevent.
            others = self._in_flight.pop(session) - 1
            if others:
                self._in_flight[session] = others
            if row is not None:
                if self._newest is not None and self._newest[0] != session:
                    self.note_newest()
                if self._newest is None or self._newest[1] <= row[0]:
                    self._newest = session, *row
            if not was_unclear:
                self._unclear.discard(session)
            if row is not None and (now or len(self._pending) >= PENDING_MAX or self._unmarked):
                self._flush()

    def note_newest(self) -> None:
        """Make the row of the last save, if that was not done yet."""
        with self._guard:
            if self._newest is None:
                return
            session, version, make = self._newest
            try:
                newer = self._pending.get(session)
                if newer is None or newer.version <= version:
                    self._pending[session] = make()
            except BaseException:
                self._unclear.add(session)
                raise
            finally:
                self._newest = None

    def evidence(self, session: str) -> Evidence:
        """Return what is remembered of a log: a version, and up to where it was durable."""
        with self._guard:
            self.note_newest()
            row = self._pending.get(session)
            if row is not None:
                return Evidence(row.version, row.commit_id, row.settled)
            with suppress(*UNUSABLE):
                if self._database.exists():
                    found = self._database.connection().execute(_EVIDENCE, (session,)).fetchall()
                    return Evidence(*found[0]) if found else Evidence()
            return Evidence()

    def apart(self, work: Callable[[Database], _Answer]) -> _Answer:
        """Return what *work* does with the database, which nobody else uses meanwhile."""
        with self._guard:
            return work(self._database)

    def page(self, query: Query) -> Page:
        """Answer one question."""
        sql, values = query.sql()
        return query.page(self.ask(lambda c: c.execute(sql, values).fetchall()))

    def rows(
        self, sql: str, values: tuple[Any, ...] | dict[str, Any] = (), *, fresh: bool = True
    ) -> list[tuple[Any, ...]]:
        """Answer a question of a room above in SQL.

        Not *fresh*: as the index is, for the later questions of one caller.
        """

        def ask(connection: sqlite3.Connection) -> list[tuple[Any, ...]]:
            return connection.execute(sql, values).fetchall()

        if not fresh:
            with self._guard, suppress(*UNUSABLE):
                return ask(self._database.connection())
        return self.ask(ask)

    def position(self) -> Position:
        """Return where the changes end that the index knows of now."""

        def ask(connection: sqlite3.Connection) -> Position:
            if self._marks is not None and not self._database.on_disk:
                # Kept in memory for want of a file, it is told nothing by anybody.
                self._tables.check_all(connection)
            return self._tables.position(connection)

        return self.ask(ask)

    def changed(self, since: Position, after: str, limit: int) -> list[tuple[int, str, int]]:
        """Return the sessions whose rows changed since a position: number, id and version.

        Beyond *after* where the number is that of *since*. None of what is only marked.
        """
        return self.rows(CHANGED, (since.change, after, limit), fresh=False)

    def is_current(self, position: Position) -> bool:
        """Whether a position is one of the index that is in use, and complete, now."""
        with self._guard, suppress(*UNUSABLE):
            connection = self._database.connection()
            same = self._tables.position(connection).index == position.index
            told = self._marks is None or self._database.on_disk
            return same and told and self._tables.is_complete(connection)
        return False

    def marked(self) -> set[str] | None:
        """Return what may have been saved without the index knowing; None if that is not known."""
        with self._guard:
            found = self._pending.keys() | self._in_flight.keys() | self._unclear
            if self._newest is not None:
                found.add(self._newest[0])
            if self._unmarked:
                return None
            if self._marks is not None:
                try:
                    marked = self._marks.elsewhere()
                except OSError:
                    return None
                return None if marked is None else found | marked
            return found

    def ids(self) -> list[str]:
        """Return the ids of all live sessions, sorted."""
        return [row[0] for row in self.ask(lambda c: c.execute(_IDS).fetchall())]

    def totals(self) -> tuple[int, int, int, int]:
        """Return the numbers of live and of deleted sessions, of versions, and stored bytes."""
        live, count, versions, stored = self.ask(lambda c: c.execute(_TOTALS).fetchone())
        return int(live), count - int(live), int(versions), int(stored)

    def close(self) -> None:
        """Write what is pending and close; an index that cannot be written is left to its marks."""
        with self._guard, ExitStack() as closing:
            if self._marks is not None:
                closing.callback(self._marks.close)
            closing.callback(self._database.close)
            self._flush()

    def abandon(self) -> None:
        """Let go in a forked child, without touching what the parent still uses."""
        self._database.abandon()
        if self._marks is not None:
            self._marks.abandon()

    def ask(self, question: Callable[[sqlite3.Connection], _Answer]) -> _Answer:
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
        looked_up = list(self._tables.rows(self._unclear))
        known = [row for row in looked_up if not row.damaged]
        connection = self._write([*self._pending.values(), *known])
        self._unclear = {row.id for row in looked_up if row.damaged}
        self._clear_pending()
        if not self._tables.is_complete(connection):
            self._tables.check_all(connection)
        if self._marks is None:
            return connection
        try:
            # A dead owner's file stays locked until it is removed, so that nobody takes it over.
            for path, dead, sessions in self._marks.others():
                if sessions is None:
                    self._tables.check_all(connection)
                elif sessions:
                    self._tables.store(self._tables.rows(sessions), connection)
                if dead and self._database.on_disk:
                    self._marks.adopt(path)
        except OSError:
            # What cannot be read may mark anything.
            self._tables.check_all(connection)
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
                self._tables.store(rows, connection)
            if not rows or self._database.is_current():
                return connection
