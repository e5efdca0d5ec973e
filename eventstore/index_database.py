"""The index's SQLite database: its tables, and how it is opened."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from eventstore.index_rows import COLUMNS

_BUSY_SECONDS = 30
_SCHEMA_VERSION = 1

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
  id TEXT PRIMARY KEY, version INTEGER, commit_id TEXT, address TEXT, live INTEGER,
  name TEXT, state TEXT, parent_id TEXT, messages INTEGER, cost REAL, size INTEGER,
  created INTEGER, updated INTEGER, saved INTEGER, stored INTEGER, settled INTEGER,
  damaged INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_updated ON sessions (live, updated, id);
CREATE INDEX IF NOT EXISTS by_created ON sessions (live, created, id);
CREATE INDEX IF NOT EXISTS by_saved ON sessions (live, saved, id);
CREATE INDEX IF NOT EXISTS by_name ON sessions (live, name, id);
CREATE INDEX IF NOT EXISTS by_parent ON sessions (parent_id, id) WHERE parent_id != '';
"""


def connect(path: Path | None) -> sqlite3.Connection:
    """Return a connection to the database at *path*, or to one in memory.

    Raises `sqlite3.DatabaseError` when what is there is not an index of this library.
    """
    connection = sqlite3.connect(
        ":memory:" if path is None else path, check_same_thread=False, timeout=_BUSY_SECONDS
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, _SCHEMA_VERSION):
            raise sqlite3.DatabaseError("schema")
        connection.executescript(_SCHEMA)
        connection.execute(f"PRAGMA user_version = {_SCHEMA_VERSION}")
        _check_columns(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def _check_columns(connection: sqlite3.Connection) -> None:
    """Raise `sqlite3.DatabaseError` unless the table is the one this library writes."""
    found = [row[1] for row in connection.execute("PRAGMA table_info(sessions)")]
    if tuple(found) != COLUMNS:
        raise sqlite3.DatabaseError("columns")
