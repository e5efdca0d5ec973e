"""Marks: which sessions were saved but may not be in the index yet.

Every process that saves keeps one file of ids under `marks/`, locked for as long as it lives. An id
is written there before its save can become durable and taken away once the index knows of it. So
whoever lists can see what others have not told yet, and what the dead never will.
"""

from __future__ import annotations

import json
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from eventstore.fs import FileSystem

MARKS = "marks"

_SIZE_MAX = 1024 * 1024 * 1024


class Marks:
    """The marks of this process, and a look at everybody else's. Not thread-safe by itself."""

    def __init__(self, fs: FileSystem, directory: Path) -> None:
        """Keep marks under *directory*; no file is made before the first mark."""
        self._fs = fs
        self._directory = directory / MARKS
        self._path: Path | None = None
        self._fd = -1
        self._end = 0
        self._marked: set[str] = set()

    def add(self, session: str) -> None:
        """Mark a session; raises `OSError` where that cannot be written."""
        if session in self._marked:
            return
        if self._path is None:
            self._start()
        line = _line(session)
        self._fs.write_at(self._fd, line, self._end)
        self._end += len(line)
        self._marked.add(session)

    def keep(self, sessions: set[str]) -> None:
        """Take away every mark but those of *sessions*."""
        if self._path is None or sessions == self._marked:
            return
        data = b"".join(map(_line, sessions))
        # What is taken away counts as gone from here on, even where this fails half-way.
        self._marked &= sessions
        self._end = max(self._end, len(data))
        # Written before the rest is cut, so that at no moment a mark is missing.
        self._fs.write_at(self._fd, data, 0)
        self._fs.truncate(self._fd, len(data))
        self._marked, self._end = set(sessions), len(data)

    def others(self) -> Iterator[tuple[Path, bool, set[str] | None]]:
        """Yield every other process's file: path, whether its owner is dead, marked ids.

        The ids are None where the file cannot be read as marks.
        """
        if not self._is_there():
            return
        for name in self._fs.names(self._directory):
            path = self._directory / name
            if path == self._path:
                continue
            try:
                fd = self._fs.open(path)
            except OSError:
                continue  # Its owner closed and removed it just now, or it is not a file.
            try:
                dead = self._fs.lock(fd, wait=False)
                yield path, dead, _ids(self._fs.read_at(fd, _SIZE_MAX, 0))
            finally:
                self._fs.close(fd)

    def elsewhere(self) -> set[str] | None:
        """Return what all other processes have marked, taking no lock; None if that is unclear.

        It is unclear while an owner takes marks away, and where a file holds anything else.
        """
        found: set[str] = set()
        for name in self._fs.names(self._directory) if self._is_there() else ():
            path = self._directory / name
            if path == self._path:
                continue
            try:
                fd = self._fs.open(path)
            except OSError:
                continue  # Its owner closed and removed it just now, or it is not a file.
            try:
                ids = _ids(self._fs.read_at(fd, _SIZE_MAX, 0))
            finally:
                self._fs.close(fd)
            if ids is None:
                return None
            found |= ids
        return found

    def adopt(self, path: Path) -> None:
        """Remove the file of a dead owner, once the index knows all it marked."""
        self._fs.remove(path)

    def close(self) -> None:
        """Give the lock back; the file goes too unless marks are left in it."""
        if self._path is None:
            return
        try:
            if not self._marked:
                with suppress(OSError):  # It is left to whoever lists next.
                    self._fs.remove(self._path)
        finally:
            self._path = None
            with suppress(OSError):
                self._fs.close(self._fd)

    def abandon(self) -> None:
        """Close the descriptor that a forked child inherited, leaving the file to the parent."""
        if self._path is not None:
            self._fs.close(self._fd)
            self._path = None

    def _is_there(self) -> bool:
        """Whether there are marks; raises `OSError` for anything but a directory of our own."""
        status = self._fs.status_at(self._directory)
        if status is not None and status.st_mode & 0o170000 != 0o040000:
            raise NotADirectoryError(20, "not a directory, or a symbolic link to one", MARKS)
        return status is not None

    def _start(self) -> None:
        """Make this process's file and lock it."""
        self._fs.make_directory(self._directory)
        self._is_there()
        while True:
            path = self._directory / f"{os.getpid()}-{secrets.token_hex(8)}"
            fd = self._fs.open(path, write=True, create=True)
            try:
                # Someone may have taken the file for a dead owner's before it was locked.
                if self._fs.lock(fd, wait=False) and self._fs.status(fd).st_nlink:
                    self._path, self._fd, self._end = path, fd, 0
                    return
            finally:
                if self._path is None:
                    self._fs.close(fd)


def _line(session: str) -> bytes:
    """Return a mark."""
    return json.dumps(session).encode() + b"\n"


def _ids(data: bytes) -> set[str] | None:
    """Return the ids in a file of marks, or None if any line is not one."""
    found: set[str] = set()
    for line in data.splitlines():
        try:
            session = json.loads(line)
        except ValueError:
            return None
        if not isinstance(session, str):
            return None
        found.add(session)
    return found
