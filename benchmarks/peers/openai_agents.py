"""The session of the OpenAI Agents SDK: one row for every message."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path
from typing import Any

from agents import SQLiteSession

from benchmarks.peer import Peer
from benchmarks.turns import Turn

_OPEN_MAX = 64
"""Each open session holds connections of its own."""


class OpenAiAgents(Peer):
    """One `SQLiteSession` for each session, all in one database."""

    name = "openai-agents"
    about = "OpenAI Agents SDK, SQLiteSession"
    durability = "journal_mode=WAL, synchronous=FULL (SQLite's default)"
    distributions = ("openai-agents",)
    keeps = "messages"
    has_threads = False

    def __init__(self, folder: Path) -> None:
        """Use one event loop, as a program would."""
        self._path = folder / "sessions.db"
        self._loop = asyncio.new_event_loop()
        self._open: dict[str, SQLiteSession] = {}

    def save(self, turn: Turn) -> None:
        """Add the items of a turn."""
        items: Any = turn.new
        self._loop.run_until_complete(self._session(turn.id).add_items(items))

    def load(self, id: str, number: int | None = None) -> Any:
        """Read all items."""
        assert number is None, "there is only the newest"
        return self._loop.run_until_complete(self._session(id).get_items())

    def close(self) -> None:
        """Close every session and the loop's threads."""
        for session in self._open.values():
            session.close()
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()
        with sqlite3.connect(self._path) as connection:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.close()

    def _session(self, id: str) -> SQLiteSession:
        """Return the session of an id."""
        if id not in self._open:
            if len(self._open) >= _OPEN_MAX:
                self._open.pop(next(iter(self._open))).close()
            self._open[id] = SQLiteSession(id, self._path)
        return self._open[id]
