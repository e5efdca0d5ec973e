"""A process's file-system calls on a simulated disk.

Every call goes through `_do`, so a new verb is a method of a few lines: what it does to the nodes
of the disk, and `changes=True` if a power cut just after it is worth a look.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path

from eventstore.fs import DIRECTORY_MODE, FILE_MODE
from eventstore.testing.luck import Luck, Truncate, Write, survivor
from eventstore.testing.sim_nodes import Directory, File
from eventstore.testing.sim_process import Call, Opened, SimProcess, error

_DIRECTORY_TYPE = 0o040000
_FILE_TYPE = 0o100000
_WAIT_SECONDS = 10


class SimFs(SimProcess):
    """One process's view of a `SimDisk`; has the methods of `eventstore.fs.FileSystem`."""

    def open(self, path: Path | str, *, write: bool = False, create: bool = False) -> int:
        """Open a file, making it if asked to."""
        place = str(path)

        def work() -> int:
            node = self.disk.find(place)
            if node is None and create:
                node = self._made(place)
            if node is None:
                raise error(errno.ENOENT, place)
            if isinstance(node, Directory):
                raise error(errno.EISDIR, place)
            fd = next(self._numbers)
            self._files[fd] = Opened(node, place, write, node.errors, self.disk.errors)
            return fd

        return self._do("open", place, work, changes=create and self.disk.find(place) is None)

    def close(self, fd: int) -> None:
        """Close; the descriptor is gone even when that fails, and with its process."""
        if not self.alive:
            return
        opened = self._opened(fd)

        def work() -> None:
            self._files.pop(fd, None)
            self._release(opened)

        self._do("close", opened.path, work, lost=work)

    def read_at(self, fd: int, size: int, offset: int) -> bytes:
        """Read from the cache."""
        opened = self._opened(fd)
        return self._do("read_at", opened.path, lambda: opened.file.data[offset : offset + size])

    def write_at(self, fd: int, data: bytes, offset: int) -> None:
        """Write into the cache."""
        opened = self._opened(fd)
        if not opened.writable:
            raise error(errno.EBADF, opened.path)
        written = bytes(data)
        half = Write(offset, written[: len(written) // 2])
        self._do(
            "write_at",
            opened.path,
            lambda: opened.file.change(Write(offset, written)),
            changes=True,
            torn=lambda: opened.file.change(half),
        )

    def sync_data(self, fd: int) -> None:
        """Make a file's bytes durable; where this fails, repeating it lies.

        A failure is told once to every descriptor that was open then, as Linux does.
        """
        opened = self._opened(fd)
        file, disk = opened.file, self.disk

        def work() -> None:
            if opened.errors != file.errors:
                opened.errors = file.errors
                raise error(errno.EIO, opened.path)
            file.sync()

        def fail() -> None:
            luck = Luck(disk.random)
            file.fail_to_sync(survivor(file.durable, file.pending, luck, disk.sector_size))
            opened.errors = file.errors

        def lose() -> None:
            file.fail_to_sync(file.durable)
            opened.errors = file.errors

        self._do("sync_data", opened.path, work, changes=True, lost=lose, torn=fail)

    def write_back(self, fd: int, size: int, offset: int) -> None:
        """Do nothing: what was not synced may be on the medium or not anyway."""
        self._opened(fd)

    def sync_directory(self, path: Path | str) -> None:
        """Make the names in a directory durable."""
        self._do("sync_directory", str(path), lambda: self._directory(path).sync(), changes=True)

    def can_sync_all(self, fd: int) -> bool:
        """Say that `sync_all` works."""
        opened = self._opened(fd)
        return self._do("can_sync_all", opened.path, lambda: True)

    def sync_all(self, fd: int) -> None:
        """Make everything on the disk durable, telling every failed sync since *fd* was opened."""
        opened = self._opened(fd)

        def work() -> None:
            told, opened.all_errors = opened.all_errors, self.disk.errors
            if told != self.disk.errors:
                raise error(errno.EIO, opened.path)
            self.disk.sync()

        def lose() -> None:
            self.disk.fail_to_sync()
            opened.all_errors = self.disk.errors

        self._do("sync_all", opened.path, work, changes=True, lost=lose)

    def truncate(self, fd: int, size: int) -> None:
        """Cut or extend a file in the cache."""
        opened = self._opened(fd)
        self._do("truncate", opened.path, lambda: opened.file.change(Truncate(size)), changes=True)

    def status(self, fd: int) -> os.stat_result:
        """Describe an open file."""
        opened = self._opened(fd)
        return self._do("status", opened.path, lambda: _status(opened.file))

    def status_at(self, path: Path | str) -> os.stat_result | None:
        """Describe what has a name."""
        place = str(path)

        def work() -> os.stat_result | None:
            node = self.disk.find(place)
            return None if node is None else _status(node)

        return self._do("status_at", place, work)

    def lock(self, fd: int, *, wait: bool = True) -> bool:
        """Lock a file for one open file description."""
        opened = self._opened(fd)

        def work() -> bool:
            if opened.file.owner in (None, opened):
                opened.file.owner = opened
                return True
            return False

        while not self._do("lock", opened.path, work):
            if not wait:
                return False
            if self.watcher is not None:
                self.watcher.blocked(self, Call("lock", opened.path, changes=False))
            elif not self.disk.released(_WAIT_SECONDS, lambda: opened.file.owner is None):
                raise error(errno.EDEADLK, opened.path)
        return True

    def unlock(self, fd: int) -> None:
        """Unlock."""
        opened = self._opened(fd)
        self._do("unlock", opened.path, lambda: self._release(opened))

    def make_directory(self, path: Path) -> bool:
        """Make a directory."""
        place = str(path)

        def work() -> bool:
            directory, name = self.disk.place(place)
            if name in directory.entries:
                return False
            directory.change((name, self.disk.new_directory()))
            return True

        return self._do("make_directory", place, work, changes=self.disk.find(place) is None)

    def names(self, path: Path) -> list[str]:
        """List a directory."""
        return self._do("names", str(path), lambda: list(self._directory(path).entries))

    def rename(self, source: Path, target: Path) -> None:
        """Rename within one directory; between two it is refused, as between two disks."""

        def work() -> None:
            directory, old = self.disk.place(str(source))
            other, new = self.disk.place(str(target))
            node = directory.entries.get(old)
            if node is None:
                raise error(errno.ENOENT, str(source))
            if other is not directory:
                raise error(errno.EXDEV, str(target))
            if new != old:
                _unlink(directory.entries.get(new))
                directory.change((new, node), (old, None))

        self._do("rename", str(target), work, changes=True)

    def remove(self, path: Path) -> None:
        """Take a file's name away."""

        def work() -> None:
            directory, name = self.disk.place(str(path))
            node = directory.entries.get(name)
            if not isinstance(node, File):
                raise error(errno.ENOENT if node is None else errno.EISDIR, str(path))
            _unlink(node)
            directory.change((name, None))

        self._do("remove", str(path), work, changes=True)

    def forget_pages(self, fd: int) -> None:
        """Drop what is clean from the cache."""
        opened = self._opened(fd)
        self._do("forget_pages", opened.path, opened.file.forget_clean)

    def boot(self) -> str:
        """Tell one start of the machine from another."""
        return f"boot-{self.disk.boot}"

    def _made(self, place: str) -> File:
        """Make an empty file."""
        directory, name = self.disk.place(place)
        file = self.disk.new_file()
        file.links = 1
        directory.change((name, file))
        return file

    def _directory(self, path: Path | str) -> Directory:
        """Return the directory at *path*."""
        node = self.disk.find(str(path))
        if not isinstance(node, Directory):
            raise error(errno.ENOENT if node is None else errno.ENOTDIR, str(path))
        return node


def _unlink(node: File | Directory | None) -> None:
    """Count one name less."""
    if isinstance(node, File):
        node.links -= 1


def _status(node: File | Directory) -> os.stat_result:
    """Return what `stat` says of a node."""
    if isinstance(node, Directory):
        mode, links, size = _DIRECTORY_TYPE | DIRECTORY_MODE, 2, 0
    else:
        mode, links, size = _FILE_TYPE | FILE_MODE, node.links, len(node.data)
    return os.stat_result((mode, node.number, 1, links, 0, 0, size, 0, 0, 0))
