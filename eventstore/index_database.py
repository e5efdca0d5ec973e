"""Derived SQLite databases: how they are opened and done away with, and the tables of the index."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

from eventstore.backends.founding import FORMAT
from eventstore.fs import FileSystem
from eventstore.session_info import COLUMNS

INDEX = "index.db"
DAMAGED = (sqlite3.DatabaseError, UnicodeDecodeError)
"""What a damaged database raises; the second, where SQLite quotes what is no text."""
UNUSABLE = (sqlite3.Error, OSError, UnicodeDecodeError)
"""What using the database may raise."""

# The file is as good as ever; the medium, the machine or another process stands in the way.
_PASSING = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOMEM,
}
_inherited: list[sqlite3.Connection] = []

_BUSY_SECONDS = 30
_SCHEMA_VERSION = 4

_SCHEMA = """
CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS checked (id TEXT PRIMARY KEY, quick INTEGER, deep INTEGER) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS sessions (
  id TEXT PRIMARY KEY, version INTEGER, commit_id TEXT, live INTEGER,
  name TEXT, state TEXT, parent_id TEXT, created INTEGER, updated INTEGER, saved INTEGER,
  stored INTEGER, settled INTEGER, log TEXT, origin_log TEXT, origin_version INTEGER, more TEXT,
  change INTEGER) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS by_id ON sessions (live, id);
CREATE INDEX IF NOT EXISTS by_updated ON sessions (live, updated, id);
CREATE INDEX IF NOT EXISTS by_created ON sessions (live, created, id);
CREATE INDEX IF NOT EXISTS by_saved ON sessions (live, saved, id);
CREATE INDEX IF NOT EXISTS by_name ON sessions (live, name, id);
CREATE INDEX IF NOT EXISTS by_parent ON sessions (parent_id, id) WHERE parent_id != '';
CREATE INDEX IF NOT EXISTS by_change ON sessions (change, id);
INSERT OR IGNORE INTO meta VALUES ('identity', lower(hex(randomblob(16))));
INSERT OR IGNORE INTO meta VALUES ('change', 0);
CREATE INDEX IF NOT EXISTS by_log ON sessions (log);
CREATE INDEX IF NOT EXISTS by_origin ON sessions (origin_log, id) WHERE origin_log != '';
"""


class Database:
    """A derived database, on disk or in memory; not thread-safe by itself."""

    def __init__(
        self,
        fs: FileSystem,
        directory: Path | None,
        *,
        name: str = INDEX,
        connect: Callable[[Path | None], sqlite3.Connection] | None = None,
    ) -> None:
        """Keep it in *directory*, or in memory without one; nothing is opened yet.

        *connect* opens it and makes its tables (default: those of the index); it raises
        `sqlite3.DatabaseError` when what is there is something else.
        """
        self._fs = fs
        self._path = None if directory is None else directory / name
        self._connect = connect or connect_index
        self._sql: sqlite3.Connection | None = None
        self._inode = 0

    @property
    def on_disk(self) -> bool:
        """Whether other processes, and later ones, see what is written."""
        return self._path is not None

    def boot(self) -> str:
        """Return what changes when the database may have missed something unmarked."""
        return "memory" if self._path is None else self._fs.boot()

    def exists(self) -> bool:
        """Whether there is a database, so that asking it makes sense."""
        return self._sql is not None or (
            self._path is not None and self._fs.status_at(self._path) is not None
        )

    def is_current(self) -> bool:
        """Whether the open database is still the one that has the index's name."""
        if self._path is None:
            return True
        status = self._fs.status_at(self._path)
        return status is not None and status.st_ino == self._inode

    def connection(self) -> sqlite3.Connection:
        """Return the database that has the index's name now, opened or made."""
        if self._sql is not None and not self.is_current():
            self.close()
        if self._sql is None:
            self._sql = self._opened()
        return self._sql

    def close(self) -> None:
        """Close the connection; the next one is opened when it is asked for."""
        if self._sql is not None:
            with suppress(sqlite3.Error):
                self._sql.close()
            self._sql = None

    def give_up(self, error: Exception) -> None:
        """Leave a database that failed: remove a damaged one, go on in memory without a file."""
        self.close()
        if isinstance(error, sqlite3.ProgrammingError):
            return  # It was replaced, and so closed, while it was in use.
        if is_passing(error):
            self._path = None
            return
        self.remove()

    def remove(self) -> None:
        """Remove a damaged database, unless somebody else did already."""
        self.close()
        if self._path is not None:
            with suppress(OSError), self._alone():
                if self.is_current():
                    self._remove_files()

    def condition(self) -> str:
        """Say what is wrong with the database on disk; nothing is made or mended."""
        if self._path is None:
            return ""
        if self._fs.status_at(self._path) is None:
            return "is missing"
        try:
            found = self.connection().execute("PRAGMA quick_check(1)").fetchall()
        except UNUSABLE as error:
            self.close()
            if getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING:
                return ""
            return "is damaged"
        return "" if found == [("ok",)] else "is damaged"

    def retreat(self) -> None:
        """Go on in memory."""
        self.close()
        self._path = None

    def abandon(self) -> None:
        """Let go in a forked child, without touching what the parent still uses."""
        if self._sql is not None:
            # SQLite must not close a connection that came through a fork, so it is kept for ever.
            _inherited.append(self._sql)

    def _opened(self) -> sqlite3.Connection:
        """Open the database and make sure it has today's tables."""
        if self._path is None:
            return self._connect(None)
        with self._alone():
            if self._fs.status_at(self._path) is None:
                self._remove_files()
            # Made here first, so that it is as private as the logs.
            fd = self._fs.open(self._path, write=True, create=True)
            try:
                self._inode = self._fs.status(fd).st_ino
            finally:
                self._fs.close(fd)
            return self._connect(self._path)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep every other process from opening or removing the database meanwhile."""
        assert self._path is not None, "only a database on disk is shared"
        fd = self._fs.open(self._path.with_name(FORMAT))
        try:
            self._fs.lock(fd)
            yield
        finally:
            try:
                # An interrupt may come before a call: whichever it keeps, the other unlocks.
                self._fs.unlock(fd)
            finally:
                self._fs.close(fd)

    def _remove_files(self) -> None:
        """Remove the database and what SQLite keeps beside it."""
        assert self._path is not None, "only a database on disk has files"
        for suffix in ("", "-wal", "-shm", "-journal"):
            path = self._path.with_name(self._path.name + suffix)
            if self._fs.status_at(path) is not None:
                self._fs.remove(path)


def is_passing(error: Exception) -> bool:
    """Whether the file is as good as ever, and the medium or another process is in the way."""
    passing = getattr(error, "sqlite_errorcode", 0) & 0xFF in _PASSING
    return passing or not isinstance(error, DAMAGED)


def connect_index(path: Path | None) -> sqlite3.Connection:
    """Return a connection to the index at *path*, or to one in memory."""
    connection = connect(path, _SCHEMA, _SCHEMA_VERSION)
    try:
        _check_columns(connection)
    except BaseException:
        connection.close()
        raise
    return connection


def connect(
    path: Path | None, schema: str, version: int, *, synchronous: str = "NORMAL"
) -> sqlite3.Connection:
    """Return a connection to the database at *path*, or to one in memory, with its tables.

    Raises `sqlite3.DatabaseError` when what is there is of another schema.
    """
    connection = sqlite3.connect(
        ":memory:" if path is None else path, check_same_thread=False, timeout=_BUSY_SECONDS
    )
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute(f"PRAGMA synchronous = {synchronous}")
        (found,) = connection.execute("PRAGMA user_version").fetchone()
        if found not in (0, version):
            raise sqlite3.DatabaseError("schema")
        connection.executescript(schema)
        connection.execute(f"PRAGMA user_version = {version}")
    except BaseException:
        connection.close()
        raise
    return connection


def _check_columns(connection: sqlite3.Connection) -> None:
    """Raise `sqlite3.DatabaseError` unless the table is the one this library writes."""
    found = [row[1] for row in connection.execute("PRAGMA table_info(sessions)")]
    if tuple(found) != (*COLUMNS, "change"):
        raise sqlite3.DatabaseError("columns")


def store_of(path: Path) -> str | None:
    """Return the id of the store that the derived database at *path* says it is of, if it does."""
    # As it is first, which leaves nothing behind; then with what a crash left beside it.
    for how in ("immutable=1", "mode=ro"):
        try:
            with closing(sqlite3.connect(f"{path.as_uri()}?{how}", uri=True)) as connection:
                row = connection.execute("SELECT value FROM meta WHERE key = 'store'").fetchone()
        except UNUSABLE:
            continue
        if row is not None:
            return str(row[0])
    return None
