"""What people write first: one row for every version in SQLite, the state as zstd of JSON."""

from __future__ import annotations

import json
import sqlite3
import threading
from pathlib import Path
from typing import Any

import zstandard

from benchmarks.peer import Peer
from benchmarks.turns import Turn

_SCHEMA = """
PRAGMA journal_mode = WAL;
PRAGMA synchronous = FULL;
CREATE TABLE IF NOT EXISTS states (
    id TEXT, number INTEGER, state BLOB, PRIMARY KEY (id, number)
) WITHOUT ROWID;
"""


def packed(document: dict[str, Any]) -> bytes:
    """Return the zstd of a document's compact JSON."""
    text = json.dumps(document, ensure_ascii=False, separators=(",", ":"))
    return zstandard.ZstdCompressor(level=3).compress(text.encode())


def unpacked(data: bytes) -> Any:
    """Return the document again."""
    return json.loads(zstandard.ZstdDecompressor().decompress(data))


class SqliteRows(Peer):
    """One connection for all threads, as SQLite has one writer anyway."""

    name = "sqlite"
    about = "SQLite, one row of zstd-3 JSON for every version"
    durability = "journal_mode=WAL, synchronous=FULL"
    has_versions = True
    is_whole = True
    is_general = True

    def __init__(self, folder: Path) -> None:
        """Open the database."""
        self._guard = threading.Lock()
        self._connection = sqlite3.connect(folder / "rows.db", check_same_thread=False)
        self._connection.executescript(_SCHEMA)

    def save(self, turn: Turn) -> None:
        """Insert a row."""
        row = (turn.id, turn.number, packed(turn.document))
        with self._guard, self._connection as connection:
            connection.execute("INSERT INTO states VALUES (?, ?, ?)", row)

    def load(self, id: str, number: int | None = None) -> Any:
        """Read a row."""
        newest = "SELECT state FROM states WHERE id = ? ORDER BY number DESC LIMIT 1"
        one = "SELECT state FROM states WHERE id = ? AND number = ?"
        with self._guard:
            found = (
                self._connection.execute(newest, (id,))
                if number is None
                else self._connection.execute(one, (id, number))
            ).fetchone()
        return unpacked(found[0])

    def close(self) -> None:
        """Close, which also brings the WAL into the database."""
        self._connection.close()
