"""Open log files: a bounded number of descriptors, shared by threads, closed when idle."""

from __future__ import annotations

import errno
import logging
import threading
from collections import OrderedDict
from contextlib import suppress
from itertools import count, islice
from types import TracebackType

from eventstore.backends.layout import FileLayout
from eventstore.backends.log_file import LogFile
from eventstore.errors import BackendError
from eventstore.fs import FileSystem

OPEN_FILES_MAX = 256
"""Descriptors kept open for logs that are not in use at the moment."""

_HINTS = {
    errno.ENOSPC: "free some space, then repeat the call",
    errno.EDQUOT: "free some of the quota, then repeat the call",
    errno.EACCES: "check the owner and the permissions of the store's directory",
    errno.EROFS: "mount the file system writable",
    errno.ELOOP: "a symbolic link stands where a file should be; remove it",
    errno.EISDIR: "a directory stands where a file should be; remove it",
    errno.EMFILE: "raise the limit of open files",
    errno.ENOLCK: "use a file system with working locks",
    errno.EOPNOTSUPP: "use a file system with working locks",
}


_logger = logging.getLogger("eventstore")


def refused(action: str, session: str | None, error: OSError) -> BackendError:
    """Return the error for an operating-system call that failed while doing *action*."""
    return BackendError(
        f"cannot {action}: {error.strerror or error}",
        session=session,
        hint=_HINTS.get(error.errno or 0),
    )


class Held:
    """A log file while somebody uses it. Not a generator, because every call goes through here."""

    __slots__ = ("_create", "_file", "_files", "_log")

    def __init__(self, files: LogFiles, log: str, create: bool) -> None:
        """Hold the file of *log*, making it if told to *create*."""
        self._files = files
        self._log = log
        self._create = create
        self._file: LogFile | None = None

    def __enter__(self) -> LogFile | None:
        """Open the file, or count one more user."""
        try:
            self._file = self._files.take(self._log, self._create)
        except OSError as error:
            raise refused("use the log", self._log, error) from error
        return self._file

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the file back."""
        if self._file is not None:
            self._files.give_back(self._file)
        if isinstance(error, OSError):
            raise refused("use the log", self._log, error) from error


class LogFiles:
    """The open files of one process, least recently used first."""

    def __init__(
        self, fs: FileSystem, layout: FileLayout, *, replacing: LogFiles | None = None
    ) -> None:
        """Start with none open, closing those inherited from a parent process."""
        self._fs = fs
        self._layout = layout
        self._guard = threading.Lock()
        self._files: OrderedDict[str, LogFile] = OrderedDict()
        self._epochs = count(1)
        self.writing: dict[str, LogFile] = {}
        """The files of the logs that are being appended to right now."""
        for file in replacing._files.values() if replacing else ():
            _shut(fs, file)

    def held(self, log: str, *, create: bool = False) -> Held:
        """Give the open file of *log*, kept open meanwhile, or None if there is none."""
        return Held(self, log, create)

    def begin_writing(self, log: str, file: LogFile) -> None:
        """Note that the lock of *file* is held and that it has the log's name."""
        self.writing[log] = file
        file.locked = True

    def end_writing(self, log: str, file: LogFile) -> None:
        """Note that the file's lock is about to be given back, or its name; if it was noted."""
        file.locked = False
        if self.writing.get(log) is file:
            del self.writing[log]

    def epoch(self, log: str) -> int:
        """Return the epoch of the file that is open for *log*, 0 if none is."""
        file = self._files.get(log)
        return 0 if file is None else file.epoch

    def drop(self, log: str, *, pages: bool) -> None:
        """Close the file of *log* once nobody uses it; with *pages*, forget cached bytes."""
        with self._guard:
            file = self._files.get(log)
        if file is None:
            return
        if pages:
            self._fs.forget_pages(file.fd)
        self.lose(log, file)

    def lose(self, log: str, file: LogFile) -> None:
        """Close one file of *log*, which another may have replaced, once nobody uses it."""
        with self._guard:
            if self._files.get(log) is file:
                del self._files[log]
                file.dropped = True
                is_idle = not file.users
            else:
                is_idle = False
        if is_idle:
            _shut(self._fs, file)

    def close(self) -> None:
        """Close every file, those in use as soon as they are given back."""
        with self._guard:
            files, self._files = self._files, OrderedDict()
            idle = [file for file in files.values() if not file.users]
            for file in files.values():
                file.dropped = True
        for file in idle:
            self._close(file)

    def take(self, log: str, create: bool) -> LogFile | None:
        """Find or open the file and count one more user.

        Nobody waits here for what another does with the medium. Who is told to *create* looks
        under the lock whether the file still has its name.
        """
        while True:
            with self._guard:
                file = self._files.get(log)
                if file is not None:
                    self._files.move_to_end(log)
                    file.users += 1
            if file is None:
                file = self._open(log, create)
                return None if file is None else self._shared(log, file)
            try:
                if create or file.locked or file.is_named():
                    return file
                # Replaced, or removed behind our back.
                self.lose(log, file)
            except BaseException:
                self.give_back(file)
                raise
            self.give_back(file)

    def _shared(self, log: str, file: LogFile) -> LogFile:
        """Count a user of an opened file, or of the one that another thread opened meanwhile."""
        surplus: list[LogFile] = []
        with self._guard:
            other = self._files.get(log)
            if other is None:
                file.epoch = next(self._epochs)
                self._files[log] = other = file
            other.users += 1
            if other is file:
                surplus = self._surplus()
        if other is not file:
            _shut(self._fs, file)
        for idle in surplus:
            self._close(idle)
        return other

    def give_back(self, file: LogFile) -> None:
        """Count one user less, closing a dropped file with its last."""
        with self._guard:
            file.users -= 1
            is_over = file.dropped and not file.users
        if is_over:
            _shut(self._fs, file)

    def _surplus(self) -> list[LogFile]:
        """Take out the idle files beyond the limit, the longest idle first."""
        surplus = len(self._files) - OPEN_FILES_MAX
        if surplus <= 0:
            return []
        idle = (log for log, file in self._files.items() if not file.users)
        return [self._files.pop(log) for log in list(islice(idle, surplus))]

    def _close(self, file: LogFile) -> None:
        """Close a file that nobody uses, giving back the space zeroed ahead in it."""
        try:
            if file.space > file.end and self._fs.lock(file.fd, wait=False):
                file.trim()
        except OSError as error:
            _logger.info("space zeroed ahead of a log stays: %s", error.strerror)
        finally:
            _shut(self._fs, file)

    def _open(self, log: str, create: bool) -> LogFile | None:
        """Open for writing where that is allowed, else for reading."""
        directory, path = self._layout.place_of(log)
        try:
            self._layout.check_shard(directory, create=create)
            fd = self._fs.open(path, write=True, create=create)
            return LogFile(self._fs, path, fd, writable=True)
        except FileNotFoundError as error:
            if create:
                # Somebody removed its directory; who tries again makes it anew, and syncs its name.
                self._layout.forget_shard(directory)
                raise refused("open the log", log, error) from error
            return None
        except OSError as error:
            if create or error.errno not in (errno.EACCES, errno.EROFS, errno.EPERM):
                raise refused("open the log", log, error) from error
        try:
            return LogFile(self._fs, path, self._fs.open(path), writable=False)
        except OSError as error:
            raise refused("open the log", log, error) from error


def _shut(fs: FileSystem, file: LogFile) -> None:
    """Close a file: its descriptor is gone whatever is said, and what was promised was synced."""
    with suppress(OSError):
        fs.close(file.fd)
