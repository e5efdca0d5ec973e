"""When each log was last verified: remembered in the index's database, and as disposable as it.

Only a log that was found sound is noted, so that a damaged one stays due.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from typing import Any

Ask = Callable[[Callable[[sqlite3.Connection], Any]], Any]
"""Lets a question be answered by the index's database, whatever becomes of it."""

_RUN = "verify"
_NOTED_AT_ONCE = 64
_SECONDS_BETWEEN_NOTES = 1.0


class Checked:
    """The memory of verification; times are nanoseconds since the epoch."""

    def __init__(self, ask: Ask) -> None:
        """Remember through *ask*."""
        self._ask = ask

    def sizes(self) -> dict[str, int]:
        """Return every session that the index knows, deleted ones too, and its log's size."""
        return dict(self._ask(lambda c: c.execute("SELECT id, stored FROM sessions").fetchall()))

    def times(self, *, deep: bool) -> dict[str, int]:
        """Return when each log was last found sound; *deep*, only those that were rebuilt."""
        column = "deep" if deep else "quick"
        rows = self._ask(
            lambda c: c.execute(f"SELECT id, {column} FROM checked WHERE {column} > 0").fetchall()
        )
        return dict(rows)

    def note(self, found: dict[str, int], *, deep: bool) -> None:
        """Note when some logs were found sound."""
        rows = [(id, when, when if deep else 0) for id, when in found.items()]

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.executemany(
                    "INSERT INTO checked VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
                    "quick = excluded.quick, deep = MAX(deep, excluded.deep)",
                    rows,
                )

        if rows:
            self._ask(write)

    def oldest(self) -> tuple[int, int]:
        """Return when the log that was not looked at for longest was, and how many never were.

        The time is 0 where none was.
        """
        rows = self._ask(
            lambda c: c.execute(
                "SELECT MIN(checked.quick), COUNT(*) - COUNT(checked.id) FROM sessions "
                "LEFT JOIN checked ON checked.id = sessions.id"
            ).fetchall()
        )
        when, never = rows[0]
        return int(when or 0), int(never)

    def begin(self, now: int, *, resume: bool) -> int:
        """Note that all logs are being looked at; return since when.

        To *resume*, since the run that was not ended began, if there is one.
        """

        def write(connection: sqlite3.Connection) -> int:
            rows = connection.execute("SELECT value FROM meta WHERE key = ?", (_RUN,)).fetchall()
            if resume and rows and str(rows[0][0]).isdigit():
                return int(rows[0][0])
            with connection:
                connection.execute("REPLACE INTO meta VALUES (?, ?)", (_RUN, str(now)))
            return now

        return int(self._ask(write))

    def end(self) -> None:
        """Note that all logs were looked at."""

        def write(connection: sqlite3.Connection) -> None:
            with connection:
                connection.execute("DELETE FROM meta WHERE key = ?", (_RUN,))

        self._ask(write)


class Notes:
    """Remembers what was found sound, a few logs at a time, and the last when it is left."""

    def __init__(self, checked: Checked, deep: bool) -> None:
        """Note in *checked*."""
        self._checked = checked
        self._deep = deep
        self._found: dict[str, int] = {}
        self._written = time.monotonic()

    def __enter__(self) -> Notes:
        """Begin."""
        return self

    def __exit__(self, *_: object) -> None:
        """Write the rest, also where the work was interrupted."""
        self._write()

    def add(self, session: str) -> None:
        """Note a log."""
        self._found[session] = time.time_ns()
        late = time.monotonic() > self._written + _SECONDS_BETWEEN_NOTES
        if late or len(self._found) >= _NOTED_AT_ONCE:
            self._write()

    def _write(self) -> None:
        """Write."""
        self._checked.note(self._found, deep=self._deep)
        self._found = {}
        self._written = time.monotonic()
