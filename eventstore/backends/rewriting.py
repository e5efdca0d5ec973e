"""The rewriting of a log, in a file beside it until it takes its name.

`logs/<xx>/<name>.new` is locked by whoever writes it. What a crash left there is locked by nobody,
and overwritten by the next rewriting of that log.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from eventstore.backends.layout import FileLayout
from eventstore.backends.log_files import refused
from eventstore.errors import DurabilityError
from eventstore.fs import FileSystem

SUFFIX = ".new"


class FileRewriting:
    """A file that may take the place of a log."""

    def __init__(self, fs: FileSystem, path: Path, fd: int, session: str) -> None:
        """Write to *fd*, the empty file at *path*."""
        self._fs = fs
        self._path = path
        self._fd = fd
        self._session = session
        self._end = 0

    def size(self, log: str) -> int | None:
        """Return what was written."""
        return self._end

    def read(self, log: str, start: int, stop: int) -> bytes:
        """Read one range of the file."""
        try:
            return self._fs.read_at(self._fd, max(0, min(stop, self._end) - start), start)
        except OSError as error:
            raise refused("read back a rewriting of the log", self._session, error) from error

    def append(self, data: bytes) -> None:
        """Write at the end."""
        try:
            self._fs.write_at(self._fd, data, self._end)
        except OSError as error:
            raise refused("write a rewriting of the log", self._session, error) from error
        self._end += len(data)

    def take_the_place_of(self, target: Path) -> None:
        """Sync the file, and only then give it the name of the log."""
        try:
            self._fs.sync_data(self._fd)
        except OSError as error:
            raise DurabilityError(
                f"the medium failed to sync a rewriting of the log ({error.strerror})",
                session=self._session,
                hint="the log is as it was",
            ) from error
        try:
            self._fs.rename(self._path, target)
        except OSError as error:
            raise refused("replace the log", self._session, error) from error


@contextmanager
def rewriting_of(fs: FileSystem, layout: FileLayout, log: str) -> Iterator[FileRewriting]:
    """Hold the one rewriting of *log*; remove its file unless it has become the log."""
    path = layout.path_of(log).with_suffix(SUFFIX)
    try:
        layout.check_shard(path.parent, create=False)
        fd = _locked(fs, path)
    except OSError as error:
        raise refused("begin a rewriting of the log", log, error) from error
    try:
        yield FileRewriting(fs, path, fd, log)
    finally:
        try:
            if _is_named(fs, path, fd):
                fs.remove(path)
        except OSError as error:
            raise refused("remove a rewriting of the log", log, error) from error
        finally:
            with suppress(OSError):  # The descriptor is gone, and what it was for is done.
                try:
                    # An interrupt may come before a call: whichever it keeps, the other unlocks.
                    fs.unlock(fd)
                finally:
                    fs.close(fd)


def _locked(fs: FileSystem, path: Path) -> int:
    """Return the file at *path*, locked and empty."""
    while True:
        fd = fs.open(path, write=True, create=True)
        try:
            fs.lock(fd)
            # While this waited, the file may have become the log, or have been removed.
            if _is_named(fs, path, fd):
                fs.truncate(fd, 0)
                return fd
        except BaseException:
            fs.close(fd)
            raise
        fs.close(fd)


def _is_named(fs: FileSystem, path: Path, fd: int) -> bool:
    """Whether *path* names the open file."""
    named, opened = fs.status_at(path), fs.status(fd)
    return named is not None and (named.st_dev, named.st_ino) == (opened.st_dev, opened.st_ino)
