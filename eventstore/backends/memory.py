"""The memory backend: the same promises as a disk that lasts as long as the process."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from eventstore.backend import Backend
from eventstore.errors import ConflictError
from eventstore.fs import FileSystem, OsFileSystem


class MemoryBackend(Backend):
    """Logs as byte strings; gone when the store is closed."""

    name = "memory"
    directory = None
    durable = True

    def __init__(self) -> None:
        """Start with no logs."""
        self.fs: FileSystem = OsFileSystem()
        self._logs: dict[str, bytearray] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def size(self, log: str) -> int | None:
        """Count the bytes."""
        data = self._logs.get(log)
        return len(data) if data else None

    def read(self, log: str, start: int, stop: int) -> bytes:
        """Copy a range."""
        return bytes(self._logs.get(log, b"")[start:stop])

    @contextmanager
    def writing(self, log: str) -> Iterator[int]:
        """Hold the log's own lock."""
        with self._guard:
            lock = self._locks.setdefault(log, threading.Lock())
        with lock:
            yield self.size(log) or 0

    def append(self, log: str, position: int, frame: bytes) -> None:
        """Add the frame at the end."""
        data = self._logs.setdefault(log, bytearray())
        if len(data) == position:
            data += frame
        elif bytes(data[position:]) != frame:
            raise ConflictError(f"the log ends at byte {len(data)}, not {position}", session=log)

    def settle(self, log: str, *, entry: bool) -> None:
        """Do nothing: memory is as durable as it gets."""

    def cut(self, log: str, position: int) -> str:
        """Drop the bytes from *position* on."""
        del self._logs[log][position:]
        return "memory"

    def logs(self) -> Iterator[str]:
        """Yield the ids."""
        return iter([log for log, data in list(self._logs.items()) if data])

    def sync(self) -> None:
        """Do nothing: memory is as durable as it gets."""

    def check(self) -> None:
        """Do nothing: a process that runs has its memory."""

    def close(self) -> None:
        """Forget every log."""
        self._logs.clear()

    def abandon(self) -> None:
        """Keep this process's copy, with locks nobody holds."""
        self._locks = {}
        self._guard = threading.Lock()
