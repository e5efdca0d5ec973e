"""The rows of the index as they are written: in transactions, numbered, and complete or not.

Every transaction has a number, one more than the one before, and leaves it in the rows it writes.
So whoever remembers a number can ask for what changed since, at the cost of what did.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass

from eventstore.errors import BackendError
from eventstore.index_database import UNUSABLE, Database
from eventstore.index_rows import UPSERT
from eventstore.session_info import Row, values_of

_BATCH = 200

_POSITION = (
    "SELECT (SELECT value FROM meta WHERE key = 'identity'), "
    "(SELECT CAST(value AS INTEGER) FROM meta WHERE key = 'change')"
)
CHANGED = (
    "SELECT change, id, version FROM sessions WHERE (change, id) > (?, ?) "
    "ORDER BY change, id LIMIT ?"
)

_SETTLE = "UPDATE sessions SET settled = ?1 WHERE id = ?2 AND settled < ?1 AND stored >= ?1"

Sizes = Callable[[], Iterable[tuple[str, int]]]
"""Returns every log and its size."""


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the changes of one index: its identity, and the number of a transaction."""

    index: str
    change: int


def settle(ends: Iterable[tuple[str, int]], connection: sqlite3.Connection) -> None:
    """Note up to where logs were made durable, in the rows that know of that much."""
    with connection:
        connection.execute("BEGIN IMMEDIATE")
        connection.executemany(_SETTLE, [(end, session) for session, end in ends])


class Tables:
    """Writes rows; the caller sees to it that only one thread does."""

    def __init__(
        self, database: Database, *, read_row: Callable[[str], Row | None], sizes: Sizes
    ) -> None:
        """Write into *database*; *read_row* makes a row from a session's log."""
        self._database = database
        self._read_row = read_row
        self._sizes = sizes

    def store(self, rows: Iterable[Row], connection: sqlite3.Connection) -> None:
        """Write rows in one transaction."""
        with connection:
            # The sole right to write first: a transaction that only read before cannot wait for it.
            connection.execute("BEGIN IMMEDIATE")
            _put(rows, connection)

    def rows(self, sessions: Iterable[str]) -> Iterator[Row]:
        """Read the rows of some sessions from their logs."""
        for session in sessions:
            row = self._read_row(session)
            if row is not None:
                yield row

    def is_complete(self, connection: sqlite3.Connection) -> bool:
        """Whether the index was complete at some time since the machine started."""
        boot = self._database.boot()
        rows = connection.execute("SELECT value FROM meta WHERE key = 'complete'").fetchall()
        return bool(boot) and rows == [(boot,)]

    def position(self, connection: sqlite3.Connection) -> Position:
        """Return where the changes end now."""
        return Position(*connection.execute(_POSITION).fetchone())

    def check_all(self, connection: sqlite3.Connection) -> None:
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
                rows = list(self.rows(batch))
                connection.executemany("DELETE FROM sessions WHERE id = ?", ((s,) for s in batch))
                _put(rows, connection)
        with connection:
            self._set_complete(connection)

    def begin(self) -> None:
        """Before a process's first save: the index of a store without logs knows everything."""
        with suppress(*UNUSABLE, BackendError):
            if not self._database.exists() and next(iter(self._sizes()), None) is None:
                connection = self._database.connection()
                with connection:
                    self._set_complete(connection)

    def distrust(self) -> None:
        """Make the next list check every log."""
        with suppress(*UNUSABLE):
            connection = self._database.connection()
            with connection:
                connection.execute("DELETE FROM meta WHERE key = 'complete'")

    def _set_complete(self, connection: sqlite3.Connection) -> None:
        """Note that all logs there are were looked at."""
        connection.execute("REPLACE INTO meta VALUES ('complete', ?)", (self._database.boot(),))


def _put(rows: Iterable[Row], connection: sqlite3.Connection) -> None:
    """Write rows under the number of this transaction."""
    connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'change'")
    connection.executemany(UPSERT, map(values_of, rows))
