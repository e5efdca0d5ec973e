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

    __slots__ = ("_held", "_log")

    def __init__(self, fs: FileSystem, files: LogFiles, log: str) -> None:
        """Ask for nothing yet."""
        self._log = log
        # Nothing that it holds leads back to this, so that it ends when this is let go of.
        self._held = _hold(fs, files, log)

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


def _hold(fs: FileSystem, files: LogFiles, log: str) -> Generator[int, None, None]:
    """Yield where the log ends while the right is held."""
    while True:
        file = files.take(log, create=True)
        assert file is not None, "a created log has a file"
        try:
            with file.guard:
                try:
                    # Inside, because an interrupt may come when the lock was just taken.
                    _lock(fs, log, file)
                    if file.measure():
                        files.begin_writing(log, file)
                        yield file.end
                        return
                finally:
                    files.end_writing(log, file)
                    _unlock(fs, files, log, file)
        except GeneratorExit:
            raise
        except BaseException:
            # An interrupt may have come between any two steps: closing gives the lock back.
            files.end_writing(log, file)
            files.lose(log, file)
            raise
        finally:
            files.give_back(file)
        # While this waited, another file took the log's name.
        files.lose(log, file)


def _lock(fs: FileSystem, log: str, file: LogFile) -> None:
    """Take the lock, saying clearly when the medium has none."""
    try:
        fs.lock(file.fd)
    except OSError as error:
        raise refused("lock", log, error) from error


def _unlock(fs: FileSystem, files: LogFiles, log: str, file: LogFile) -> None:
    """Release the lock; where that fails, closing the file releases it."""
    try:
        fs.unlock(file.fd)
    except OSError:
        files.drop(log, pages=False)
