"""A simulated process: its descriptors and locks, and how each of its calls may fail."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeVar

from eventstore.testing.sim_disk import SimDisk
from eventstore.testing.sim_nodes import File

_Answer = TypeVar("_Answer")


class ProcessKilledError(BaseException):
    """The process that makes this call is dead; like a kill, it is no `Exception`."""


@dataclass(frozen=True, slots=True)
class Fault:
    """How a call fails: with which number, and after doing nothing, half of its work, or all.

    A `short` call does its work in two halves and does not fail.
    """

    errno: int = 0
    fate: Literal["lost", "torn", "landed", "short"] = "lost"


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a process: the verb of `FileSystem`, and the path that it is about."""

    verb: str
    path: str
    changes: bool


class Watcher(Protocol):
    """Who is told of every call, and may make it fail."""

    def before(self, fs: SimProcess, call: Call) -> Fault | None:
        """Return how the call is to fail, or None to let it be done; may kill processes."""

    def after(self, fs: SimProcess, call: Call) -> None:
        """Look at the disk after a call that changed it."""

    def blocked(self, fs: SimProcess, call: Call) -> None:
        """Let the holder of a lock go on; the lock is tried again when this returns."""


@dataclass(eq=False, slots=True)
class Opened:
    """An open file description; `errors` are the failed syncs it knows of."""

    file: File
    path: str
    writable: bool
    errors: int
    all_errors: int


class SimProcess:
    """One process on a `SimDisk`; `SimFs` adds the calls it can make."""

    def __init__(self, disk: SimDisk, *, watcher: Watcher | None = None) -> None:
        """Start a process on *disk*, telling *watcher* of its calls."""
        self.disk = disk
        self.watcher = watcher
        self.alive = True
        self._files: dict[int, Opened] = {}
        # Far above real descriptors, so that a mix-up is an error and not a write.
        self._numbers = iter(range(1 << 24, 1 << 30))

    def kill(self) -> None:
        """End the process as `kill -9` does: the cache stays, its descriptors and locks do not."""
        with self.disk.guard:
            self.alive = False
            for opened in self._files.values():
                self._release(opened)
            self._files.clear()

    def _do(
        self,
        verb: str,
        path: str,
        work: Callable[[], _Answer],
        *,
        changes: bool = False,
        lost: Callable[[], object] | None = None,
        torn: Callable[[], object] | None = None,
    ) -> _Answer:
        """Do the work of a call; *lost* and *torn* are what is done where it fails so."""
        if not self.alive:
            raise ProcessKilledError
        if self.watcher is None:
            with self.disk.guard:
                return work()
        call = Call(verb, path, changes)
        fault = self.watcher.before(self, call)
        if fault is not None:
            self._fail(call, fault, {"lost": lost, "torn": torn or lost, "short": torn})
        with self.disk.guard:
            if not self.alive:
                raise ProcessKilledError
            answer = work()
        self._tell(call)
        if fault is not None and fault.fate == "landed":
            raise error(fault.errno, path)
        return answer

    def _fail(
        self, call: Call, fault: Fault, partial: dict[str, Callable[[], object] | None]
    ) -> None:
        """Do what a call does before it fails, and fail unless it only falls short or lands."""
        work = partial.get(fault.fate)
        if work is not None:
            with self.disk.guard:
                work()
            self._tell(call)
        if fault.fate in ("lost", "torn"):
            raise error(fault.errno, call.path)

    def _tell(self, call: Call) -> None:
        """Show the disk to the watcher, who may kill this process."""
        if call.changes and self.watcher is not None:
            self.watcher.after(self, call)
        if not self.alive:
            raise ProcessKilledError

    def _opened(self, fd: int) -> Opened:
        """Return an open file description."""
        if not self.alive:
            raise ProcessKilledError
        try:
            return self._files[fd]
        except KeyError:
            raise error(errno.EBADF, "") from None

    def _release(self, opened: Opened) -> None:
        """Give back the lock of an open file description, if it has one."""
        if opened.file.owner is opened:
            opened.file.owner = None
            self.disk.guard.notify_all()


def error(number: int, path: str) -> OSError:
    """Return the error of the system for a call about *path*."""
    return OSError(number, os.strerror(number), path)
