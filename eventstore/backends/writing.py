"""The sole right to append to one log: its file held open, and locked among all processes."""

from __future__ import annotations

from collections.abc import Generator
from types import TracebackType

from eventstore.backends.log_file import LogFile
from eventstore.backends.log_files import LogFiles, refused
from eventstore.fs import FileSystem


class Writing:
    """Holds the right inside a `with`, and gives the size of the log.

    Every save goes through here, and `contextlib` would double what this costs. What is held is
    held by a generator, so that an interrupt at any point lets go of it.
    """

    __slots__ = ("_files", "_fs", "_held", "_log")

    def __init__(self, fs: FileSystem, files: LogFiles, log: str) -> None:
        """Ask for nothing yet."""
        self._fs = fs
        self._files = files
        self._log = log
        self._held = self._hold()

    def __enter__(self) -> int:
        """Wait for the right, and return where the log ends."""
        try:
            return next(self._held)
        except OSError as error:
            raise refused("use the log", self._log, error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Give the right back."""
        self._held.close()
        if isinstance(error, OSError):
            raise refused("use the log", self._log, error) from error

    def _hold(self) -> Generator[int, None, None]:
        """Yield where the log ends while the right is held."""
        while True:
            file = self._files.take(self._log, create=True)
            assert file is not None, "a created log has a file"
            try:
                with file.guard:
                    self._lock(file)
                    try:
                        if file.measure():
                            self._files.begin_writing(self._log, file)
                            yield file.end
                            return
                    finally:
                        self._files.end_writing(self._log, file)
                        self._unlock(file)
            finally:
                self._files.give_back(file)
            # While this waited, another file took the log's name.
            self._files.lose(self._log, file)

    def _lock(self, file: LogFile) -> None:
        """Take the lock, saying clearly when the medium has none."""
        try:
            self._fs.lock(file.fd)
        except OSError as error:
            raise refused("lock", self._log, error) from error

    def _unlock(self, file: LogFile) -> None:
        """Release the lock; where that fails, closing the file releases it."""
        try:
            self._fs.unlock(file.fd)
        except OSError:
            self._files.drop(self._log, pages=False)
