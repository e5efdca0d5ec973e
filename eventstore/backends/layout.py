"""Where things are in a file store's directory, and which of its names are known durable."""

from __future__ import annotations

import json
import secrets
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from eventstore.backends.log_names import SUFFIX, log_name, shard
from eventstore.errors import BackendError, CorruptError, InvalidInputError, UnsupportedError
from eventstore.fs import FileSystem

_PATHS_MAX = 4096

FORMAT = "format.json"
LOGS = "logs"
LOST = "lost+found"
FORMAT_VERSION = 1

_DRAFT = ".format.json.new"
_FORMAT_SIZE_MAX = 64 * 1024


class FileLayout:
    """The directory tree of one store."""

    def __init__(self, fs: FileSystem, directory: Path) -> None:
        """Describe *directory*; nothing is touched until `open`."""
        self._fs = fs
        self.directory = directory
        self._guard = threading.Lock()
        self._checked: set[str] = set()
        self._durable: set[str] = set()
        self._paths: dict[str, Path] = {}

    def open(self, *, create: bool) -> str:
        """Check that the directory is a store whose locks work, or found one; return its id."""
        try:
            self._find(create)
            store_id = self._check_format(create)
            self._check_logs()
            self._check_locks()
            return store_id
        except OSError as error:
            missing = isinstance(error, FileNotFoundError)
            raise BackendError(
                f"cannot open the store: {error.strerror or error}",
                where=str(self.directory),
                hint="its parent directory must be there" if missing else None,
            ) from error

    def path_of(self, log: str) -> Path:
        """Return where the log of a session is, or would be."""
        path = self._paths.get(log)
        if path is None:
            path = Path(f"{self.directory}/{LOGS}/{shard(log)}/{log_name(log)}{SUFFIX}")
            if len(self._paths) >= _PATHS_MAX:
                self._paths.clear()
            self._paths[log] = path
        return path

    def check_shard(self, path: Path, *, create: bool) -> None:
        """Make sure a directory of logs is a real directory, making it if asked to."""
        if str(path) in self._checked:
            return
        status = self._fs.status_at(path)
        if status is None and create:
            self._fs.make_directory(path)
            status = self._fs.status_at(path)
        if status is None:
            raise FileNotFoundError(path.name)
        if status.st_mode & 0o170000 != 0o040000:
            raise NotADirectoryError(20, "not a directory, or a symbolic link to one", path.name)
        self._checked.add(str(path))

    def sync_entry(self, log: str) -> None:
        """Make the name of a log durable, up to that of the store itself."""
        path = self.path_of(log).parent
        try:
            self._fs.sync_directory(path)
            with self._guard:
                if str(path) not in self._durable:
                    # One sync makes every name now in the directory durable.
                    names = self._fs.names(path.parent)
                    self._fs.sync_directory(path.parent)
                    self._sync_root()
                    self._durable.update(f"{path.parent}/{name}" for name in names)
        except OSError as error:
            raise BackendError(
                f"cannot sync the directory of a log: {error.strerror or error}", session=log
            ) from error

    def _sync_root(self) -> None:
        """Once: make the names in the store's directory durable, and its own.

        Whoever founded the store may have been killed before that.
        """
        if str(self.directory) in self._durable:
            return
        self._fs.sync_directory(self.directory)
        # A parent that may not be read is not where this user founded a store.
        with suppress(PermissionError):
            self._fs.sync_directory(self.directory.parent)
        self._durable.add(str(self.directory))

    def keep(self, name: str, data: bytes) -> str:
        """Store *data* durably in `lost+found/` and return its place in the store."""
        return self.keep_all(f"{name}.tail", iter((data,)))

    def keep_all(self, name: str, chunks: Iterator[bytes]) -> str:
        """Store some bytes, one chunk behind the other, durably in `lost+found/`; say where."""
        path, end = self.lost() / name, 0
        fd = self._fs.open(path, write=True, create=True)
        try:
            for chunk in chunks:
                self._fs.write_at(fd, chunk, end)
                end += len(chunk)
            self._fs.sync_data(fd)
        finally:
            self._fs.close(fd)
        self._fs.sync_directory(path.parent)
        return f"{LOST}/{name}"

    def lost(self) -> Path:
        """Return `lost+found/`, making it where it is missing."""
        lost = self.directory / LOST
        if self._fs.make_directory(lost):
            self._fs.sync_directory(self.directory)
        self.check_shard(lost, create=False)
        return lost

    def _find(self, create: bool) -> None:
        """Make sure the directory is there, and is a store or can become one."""
        status = self._fs.status_at(self.directory)
        if status is None:
            if not create:
                raise BackendError(
                    "there is no store",
                    where=str(self.directory),
                    hint="check the path, or open it with create=True to begin one",
                )
            if self._fs.make_directory(self.directory):
                self._fs.sync_directory(self.directory.parent)

    def _check_format(self, create: bool) -> str:
        """Read `format.json`, or write it where the directory is empty; return the store's id."""
        path = self.directory / FORMAT
        if self._fs.status_at(path) is None:
            names = self._fs.names(self.directory)
            if not create or set(names) - {FORMAT, LOGS, _DRAFT}:
                raise InvalidInputError(
                    f"{str(self.directory)!r} is not a store: it has no {FORMAT}",
                    field="location",
                    hint="name the directory of a store, or an empty one",
                )
        try:
            record = self._read_format(path)
        except FileNotFoundError:
            record = self._found(path)
        if record.get("format") != "eventstore" or not isinstance(record.get("version"), int):
            raise CorruptError(
                f"{FORMAT} does not describe a store",
                where=str(path),
                hint="put it back from a copy; the logs themselves are not touched",
            )
        if record["version"] != FORMAT_VERSION or record.get("required"):
            raise UnsupportedError(
                f"the store has format {record['version']}, this library reads {FORMAT_VERSION}",
                where=str(path),
                hint="open it with a newer version of this library",
            )
        return str(record.get("store", ""))

    def _read_format(self, path: Path) -> dict[str, Any]:
        """Return what `format.json` says; an empty one is as good as none."""
        fd = self._fs.open(path)
        try:
            data = self._fs.read_at(fd, _FORMAT_SIZE_MAX, 0)
        finally:
            self._fs.close(fd)
        if not data.strip(b"\0"):
            raise FileNotFoundError(FORMAT)  # A torn founding: nobody has saved anything yet.
        try:
            record = json.loads(data)
        except (ValueError, RecursionError):
            return {}
        return record if isinstance(record, dict) else {}

    def _found(self, path: Path) -> dict[str, Any]:
        """Make the directory a store, together with whoever else is doing so right now."""
        self._fs.make_directory(self.directory / LOGS)
        draft = path.with_name(_DRAFT)
        fd = self._fs.open(draft, write=True, create=True)
        try:
            self._fs.lock(fd)
            with suppress(FileNotFoundError):
                record = self._read_format(path)  # Somebody else was faster.
                self._remove_draft(draft, fd)
                return record
            record = {"format": "eventstore", "version": FORMAT_VERSION}
            record["store"] = secrets.token_hex(16)
            self._fs.truncate(fd, 0)
            self._fs.write_at(fd, json.dumps(record).encode() + b"\n", 0)
            self._fs.sync_data(fd)
            # Named when its bytes are durable, so that no crash leaves half of it.
            self._fs.rename(draft, path)
            self._fs.sync_directory(self.directory)
        finally:
            self._fs.close(fd)
        return record

    def _remove_draft(self, draft: Path, fd: int) -> None:
        """Remove a draft that nobody needs, if it still has that name."""
        status = self._fs.status_at(draft)
        if status is not None and status.st_ino == self._fs.status(fd).st_ino:
            self._fs.remove(draft)

    def _check_logs(self) -> None:
        """Make sure of a real directory of logs; some ways of copying a store drop an empty one."""
        logs = self.directory / LOGS
        if self._fs.status_at(logs) is None and self._fs.make_directory(logs):
            self._fs.sync_directory(self.directory)
        self.check_shard(logs, create=False)

    def _check_locks(self) -> None:
        """Prove that a lock taken through one descriptor is seen through another."""
        path = self.directory / FORMAT
        first = self._fs.open(path)
        try:
            second = self._fs.open(path)
            try:
                self._fs.lock(first)
                if self._fs.lock(second, wait=False):
                    raise BackendError(
                        "locks do not exclude each other on this file system",
                        where=str(self.directory),
                        hint="keep the store on a local file system",
                    )
            finally:
                self._fs.close(second)
        finally:
            self._fs.close(first)
