"""One open log file: where the log in it ends, and the zeros that lie ready behind that end.

A sync that need not tell the file system of a new size is cheaper, so a log that is saved to
again and again gets space zeroed ahead. Frames end with a byte that is not zero: the log ends
behind the last such byte, whatever the size of the file.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from eventstore.fs import FileSystem

AHEAD_FRAMES = 16
"""Space for about so many frames like the last one is zeroed at once."""

AHEAD_MAX = 256 * 1024
"""Bytes zeroed at once, at most; frames that would need more are not worth it."""

_BLOCK = 4096
_PEEK = 40
_SCAN = 64 * 1024


@dataclass(eq=False)
class LogFile:
    """One open log file.

    `end` is where the log was last seen to end; under the lock it is true. `space` is the size of
    the file, known under the lock. `appends` counts the frames appended through this descriptor.
    `epoch` is another for every descriptor of a log. `locked` says that the lock is held and the
    file has its name, so that nobody else can replace it.
    """

    fs: FileSystem
    name: str
    fd: int
    writable: bool
    guard: threading.Lock = field(default_factory=threading.Lock)
    end: int = 0
    space: int = 0
    appends: int = 0
    users: int = 0
    dropped: bool = False
    epoch: int = 0
    locked: bool = False
    identity: tuple[int, int] | None = None

    def size(self) -> int:
        """Return where the log ends now, looking first where it ended before."""
        if self._ends_as_before(self.end + _PEEK):
            return self.end
        self.end = found = self._scanned(self.fs.status(self.fd).st_size)
        return found

    def measure(self) -> bool:
        """Find out `end` and `space`; call under the lock. False if the file lost its name."""
        size = self._named_size()
        if size is None:
            return False
        self.space = size
        if not size or not self._ends_as_before(min(size, self.end + _PEEK)):
            self.end = self._scanned(size)
        return True

    def is_named(self) -> bool:
        """Whether the log's name still leads to this file; a replaced file may keep others."""
        return self._named_size() is not None

    def _named_size(self) -> int | None:
        """Return the size of the file if the log's name still leads to it."""
        if self.identity is None:
            status = self.fs.status(self.fd)
            self.identity = status.st_dev, status.st_ino
        named = self.fs.status_at(self.name)
        if named is None or (named.st_dev, named.st_ino) != self.identity:
            return None
        return named.st_size

    def _ends_as_before(self, stop: int) -> bool:
        """Whether the log still ends where it was last seen to, looking no further than *stop*."""
        known = self.end
        if not known or stop < known:
            return False
        seen = self.fs.read_at(self.fd, stop - known + 1, known - 1)
        return seen[:1] not in (b"", b"\0") and not seen[1:].strip(b"\0")

    def padded(self, frame: bytes) -> bytes:
        """Return *frame* with the zeros to write behind it, if it is time for some."""
        self.appends += 1
        stop = self.end + len(frame)
        ahead = AHEAD_FRAMES * len(frame)
        if stop <= self.space or self.appends < 2 or ahead > AHEAD_MAX:
            return frame
        return frame + bytes(ahead + -(stop + ahead) % _BLOCK)

    def trim(self) -> None:
        """Give back the space behind the end; call under the lock."""
        size = self.fs.status(self.fd).st_size
        self.end = self._scanned(size)
        if self.end < size:
            self.fs.truncate(self.fd, self.end)
        self.space = self.end

    def _scanned(self, size: int) -> int:
        """Return where the last byte that is not zero ends, in a file of *size* bytes."""
        while size:
            start = max(0, size - _SCAN)
            kept = self.fs.read_at(self.fd, size - start, start).rstrip(b"\0")
            if kept:
                return start + len(kept)
            size = start
        return 0
