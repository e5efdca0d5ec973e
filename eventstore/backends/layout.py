"""Where things are in a file store's directory, and which of its names are known durable."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from eventstore.backends.founding import FORMAT, LOGS, Founding
from eventstore.backends.log_names import SUFFIX, log_name, shard
from eventstore.errors import BackendError, DurabilityError
from eventstore.fs import FileSystem

_PLACES_MAX = 4096

LOST = "lost+found"


class FileLayout:
    """The directory tree of one store."""

    def __init__(self, fs: FileSystem, directory: Path) -> None:
        """Describe *directory*; nothing is touched until `open`."""
        self._fs = fs
        self.directory = directory
        self._guard = threading.Lock()
        self._checked: set[str] = set()
        self._durable: set[str] = set()
        self._places: dict[str, tuple[str, str]] = {}

    def open(self, *, create: bool) -> str:
        """Check that the directory is a store whose locks work, or found one; return its id."""
        try:
            store_id = Founding(self._fs, self.directory).open(create=create)
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
        return Path(self.place_of(log)[1])

    def place_of(self, log: str) -> tuple[str, str]:
        """Return the directory that the log of a session is in, and its path, as text.

        Paths are much slower to make, and every new log needs these.
        """
        place = self._places.get(log)
        if place is None:
            directory = f"{self.directory}/{LOGS}/{shard(log)}"
            place = directory, f"{directory}/{log_name(log)}{SUFFIX}"
            if len(self._places) >= _PLACES_MAX:
                self._places.clear()
            self._places[log] = place
        return place

    def check_shard(self, place: Path | str, *, create: bool) -> None:
        """Make sure a directory of logs is a real directory, making it if asked to."""
        if str(place) in self._checked:
            return
        path = Path(place)
        status = self._fs.status_at(path)
        if status is None and create:
            # So a directory with logs and no `format.json` has lost it, and was not just founded.
            self._sync_root()
            self._fs.make_directory(path)
            status = self._fs.status_at(path)
        if status is None:
            raise FileNotFoundError(path.name)
        if status.st_mode & 0o170000 != 0o040000:
            raise NotADirectoryError(20, "not a directory, or a symbolic link to one", path.name)
        self._checked.add(str(place))

    def forget_shard(self, place: str) -> None:
        """Look again for a directory of logs that was there."""
        self._checked.discard(place)
        with self._guard:
            self._durable.discard(place)

    def sync_entry(self, log: str) -> None:
        """Make the name of a log durable, up to that of the store itself."""
        directory, _ = self.place_of(log)
        try:
            self._fs.sync_directory(directory)
            with self._guard:
                if directory not in self._durable:
                    # One sync makes every name now in the directory durable.
                    logs = Path(directory).parent
                    names = self._fs.names(logs)
                    self._fs.sync_directory(logs)
                    self._sync_root()
                    self._durable.update(map(f"{logs}/{{}}".format, names))
        except OSError as error:
            raise DurabilityError(
                f"the medium failed to sync the directory of a log ({error.strerror or error})",
                session=log,
                hint="open the store again and load the session to see what is there",
            ) from error

    def _sync_root(self) -> None:
        """Once: make the names in the store's directory durable, and its own.

        Whoever founded the store may have been killed before that, or not yet have come to it.
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
            try:
                # An interrupt may come before a call: whichever it keeps, the other unlocks.
                self._fs.unlock(first)
            finally:
                self._fs.close(first)
