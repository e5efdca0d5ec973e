"""Every file-system call of the package, behind one small protocol.

Nothing else in the package touches a disk (SQLite, under the derived index, does its own),
so a test that replaces this protocol can fail any call, keep what was synced and lose the rest.
Errors are plain `OSError`: the backend that asked knows what they mean.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import re
import weakref
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Protocol

FILE_MODE = 0o600
DIRECTORY_MODE = 0o700

_MOUNTS = "/proc/self/mountinfo"
_SYNCED_WHOLE = {"ext4", "xfs"}
_syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)

_BOOT_ID = "/proc/sys/kernel/random/boot_id"


class FileSystem(Protocol):
    """What a backend may ask of a disk; sizes and offsets are in bytes."""

    def open(self, path: Path | str, *, write: bool = False, create: bool = False) -> int:
        """Return a descriptor of the regular file at *path*; never follow a symlink there."""

    def close(self, fd: int) -> None:
        """Give a descriptor back; any lock taken through it is released."""

    def read_at(self, fd: int, size: int, offset: int) -> bytes:
        """Return *size* bytes from *offset*, fewer only at the end of the file."""

    def write_at(self, fd: int, data: bytes, offset: int) -> None:
        """Write all of *data* at *offset*; on an error any part of it may have been written."""

    def write_back(self, fd: int, size: int, offset: int) -> None:
        """Ask the kernel to begin writing a range to the medium; promises nothing."""

    def sync_data(self, fd: int) -> None:
        """Return when the file's bytes and its size are durable."""

    def can_sync_all(self, fd: int) -> bool:
        """Whether `sync_all` works for the file system that *fd* is on, and reports errors."""

    def sync_all(self, fd: int) -> None:
        """Return when all files and names on the file system of *fd* are durable.

        Raises for any error of that file system since *fd* was opened or this was last called.
        """

    def sync_directory(self, path: Path | str) -> None:
        """Return when the names in the directory *path* are durable."""

    def truncate(self, fd: int, size: int) -> None:
        """Cut or extend the file to *size*."""

    def status(self, fd: int) -> os.stat_result:
        """Return size, inode and link count of an open file."""

    def status_at(self, path: Path | str) -> os.stat_result | None:
        """Return the status of *path* itself, links not followed, or None if nothing is there."""

    def lock(self, fd: int, *, wait: bool = True) -> bool:
        """Take the exclusive advisory lock of the file; without *wait*, False if it is held."""

    def unlock(self, fd: int) -> None:
        """Release the lock."""

    def make_directory(self, path: Path) -> bool:
        """Make one directory, private to its owner; False if it is there already."""

    def names(self, path: Path) -> list[str]:
        """Return the names in a directory, in no particular order."""

    def rename(self, source: Path, target: Path) -> None:
        """Give *source* the name *target*, replacing what had it, atomically."""

    def remove(self, path: Path) -> None:
        """Remove a file's name."""

    def forget_pages(self, fd: int) -> None:
        """Ask the kernel to drop cached clean pages, so that the next read sees the medium."""

    def boot(self) -> str:
        """Return what changes when the machine starts again; empty where it cannot be known."""


def _reports_errors() -> bool:
    """Whether the kernel's syncfs(2) returns errors of writing back."""
    release = re.match(r"(\d+)\.(\d+)", os.uname().release)
    return release is not None and (int(release[1]), int(release[2])) >= (5, 8)


@cache
def _boot_id() -> str:
    """Return the kernel's boot id, empty where there is none."""
    try:
        with open(_BOOT_ID, encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def open_regular(path: Path | str, *, write: bool = False, create: bool = False) -> int:
    """Open without following a symlink, refusing anything but a regular file."""
    flags = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
    flags |= os.O_RDWR if write else os.O_RDONLY
    fd = os.open(path, flags | (os.O_CREAT if create else 0), FILE_MODE)
    try:
        # S_IFREG without the stat module's call: a FIFO or a device must never be read.
        if os.fstat(fd).st_mode & 0o170000 != 0o100000:
            raise OSError(f"not a regular file: {Path(path).name!r}")
    except BaseException:
        os.close(fd)
        raise
    return fd


class OsFileSystem:
    """The real disk, through `os` and `fcntl`; needs POSIX.

    Descriptors that nobody gave back are closed when this leaves memory, as those of Python's own
    files are.
    """

    def __init__(self) -> None:
        """Have nothing open."""
        self._open: set[int] = set()
        weakref.finalize(self, _close_all, self._open).atexit = False

    def open(self, path: Path | str, *, write: bool = False, create: bool = False) -> int:
        """Open, remembering the descriptor."""
        fd = open_regular(path, write=write, create=create)
        self._open.add(fd)
        return fd

    def close(self, fd: int) -> None:
        """Close."""
        # Forgotten first: once it is closed, another file may get the number.
        self._open.discard(fd)
        os.close(fd)

    def read_at(self, fd: int, size: int, offset: int) -> bytes:
        """Read, repeating short reads."""
        data = os.pread(fd, size, offset)
        if len(data) == size or not data:
            return data
        chunks = [data]
        while data and (size := size - len(data)):
            offset += len(data)
            data = os.pread(fd, size, offset)
            chunks.append(data)
        return b"".join(chunks)

    def write_at(self, fd: int, data: bytes, offset: int) -> None:
        """Write, repeating short writes (a full disk then says so itself)."""
        written = os.pwrite(fd, data, offset)
        while written < len(data):
            written += os.pwrite(fd, memoryview(data)[written:], offset + written)

    def write_back(self, fd: int, size: int, offset: int) -> None:
        """Advise, where the platform listens: Linux writes what it is told to drop."""
        if hasattr(os, "posix_fadvise"):
            try:
                os.posix_fadvise(fd, offset, size, os.POSIX_FADV_DONTNEED)
            except OSError:
                return  # The sync that follows does all of it.

    def sync_data(self, fd: int) -> None:
        """Sync; where the platform has a stronger call that reaches the medium, use that."""
        if hasattr(fcntl, "F_FULLFSYNC"):
            fcntl.fcntl(fd, fcntl.F_FULLFSYNC)
        else:
            os.fdatasync(fd)

    def can_sync_all(self, fd: int) -> bool:
        """Look for syncfs(2) that reports errors (Linux 5.8), on a file system known to obey it."""
        if _syncfs is None or not _reports_errors():
            return False
        device = os.fstat(fd).st_dev
        wanted = f"{os.major(device)}:{os.minor(device)}"
        try:
            with open(_MOUNTS, encoding="utf-8", errors="replace") as mounts:
                kinds = [line.partition(" - ")[2] for line in mounts if line.split()[2] == wanted]
        except OSError:
            return False
        return bool(kinds) and all(kind.split()[0] in _SYNCED_WHOLE for kind in kinds)

    def sync_all(self, fd: int) -> None:
        """Call syncfs(2)."""
        assert _syncfs is not None, "the caller asked whether it is there"
        if _syncfs(fd):
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))

    def sync_directory(self, path: Path | str) -> None:
        """Sync the directory."""
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def truncate(self, fd: int, size: int) -> None:
        """Truncate."""
        os.ftruncate(fd, size)

    def status(self, fd: int) -> os.stat_result:
        """Stat the descriptor."""
        return os.fstat(fd)

    def status_at(self, path: Path | str) -> os.stat_result | None:
        """Stat the name."""
        try:
            return os.lstat(path)
        except FileNotFoundError:
            return None

    def lock(self, fd: int, *, wait: bool = True) -> bool:
        """Lock with flock(2): held by the open file, released by the kernel when it dies."""
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            return False
        return True

    def unlock(self, fd: int) -> None:
        """Unlock."""
        fcntl.flock(fd, fcntl.LOCK_UN)

    def make_directory(self, path: Path) -> bool:
        """Make the directory, unless it is there."""
        try:
            os.mkdir(path, DIRECTORY_MODE)
        except FileExistsError:
            return False
        return True

    def names(self, path: Path) -> list[str]:
        """List the directory."""
        return os.listdir(path)

    def rename(self, source: Path, target: Path) -> None:
        """Rename."""
        os.replace(source, target)

    def remove(self, path: Path) -> None:
        """Unlink."""
        os.unlink(path)

    def forget_pages(self, fd: int) -> None:
        """Advise, where the platform listens."""
        if hasattr(os, "posix_fadvise"):
            os.posix_fadvise(fd, 0, 0, os.POSIX_FADV_DONTNEED)

    def boot(self) -> str:
        """Read the kernel's boot id, once: no process outlives it."""
        return _boot_id()


def _close_all(fds: set[int]) -> None:
    """Close what is left open."""
    while fds:
        with suppress(OSError):
            os.close(fds.pop())
