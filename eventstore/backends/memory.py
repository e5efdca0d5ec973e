"""The memory backend: the same promises as a disk that lasts as long as the process."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from uuid import uuid4

from eventstore.backend import Backend, Rewriting
from eventstore.errors import ConflictError
from eventstore.fs import FileSystem, OsFileSystem


class _MemoryLog:
    """One log; `epoch` counts how often it was replaced."""

    def __init__(self, data: bytearray, epoch: int) -> None:
        """Hold the bytes."""
        self.data = data
        self.epoch = epoch


class MemoryRewriting:
    """A log that may take the place of another."""

    def __init__(self) -> None:
        """Start empty."""
        self.data = bytearray()

    def size(self, log: str) -> int | None:
        """Count the bytes."""
        return len(self.data)

    def read(self, log: str, start: int, stop: int) -> bytes:
        """Copy a range."""
        return bytes(self.data[start:stop])

    def append(self, data: bytes) -> None:
        """Add bytes."""
        self.data += data


class MemoryBackend(Backend):
    """Logs as byte strings; gone when the store is closed."""

    name = "memory"
    directory = None
    durable = True

    def __init__(self) -> None:
        """Start with no logs."""
        self.fs: FileSystem = OsFileSystem()
        self.store_id = uuid4().hex
        self._logs: dict[str, _MemoryLog] = {}
        self._rewriters: dict[str, threading.Lock] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def size(self, log: str) -> int | None:
        """Count the bytes."""
        held = self._logs.get(log)
        return len(held.data) if held and held.data else None

    def read(self, log: str, start: int, stop: int) -> bytes:
        """Copy a range."""
        held = self._logs.get(log)
        return b"" if held is None else bytes(held.data[start:stop])

    @contextmanager
    def writing(self, log: str) -> Iterator[int]:
        """Hold the log's own lock."""
        with self._guard:
            lock = self._locks.setdefault(log, threading.Lock())
        with lock:
            yield self.size(log) or 0

    def append(
        self,
        log: str,
        position: int,
        frame: bytes,
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        """Add the frame at the end."""
        data = self._logs.setdefault(log, _MemoryLog(bytearray(), 1)).data
        if len(data) == position:
            data += frame
        elif bytes(data[position:]) != frame:
            raise ConflictError(f"the log ends at byte {len(data)}, not {position}", session=log)
        if meanwhile is not None:
            meanwhile()

    def epoch(self, log: str) -> int:
        """Count the replacements."""
        held = self._logs.get(log)
        return 0 if held is None else held.epoch

    @contextmanager
    def rewriting(self, log: str) -> Iterator[Rewriting]:
        """Hold another lock of the log's own."""
        with self._guard:
            lock = self._rewriters.setdefault(log, threading.Lock())
        with lock:
            yield MemoryRewriting()

    def replace(self, log: str, rewriting: Rewriting, end: int) -> None:
        """Put the new bytes, and the new count with them, in place of the old."""
        assert isinstance(rewriting, MemoryRewriting), "what is put in place was made here"
        held = self._logs[log]
        if len(held.data) != end:
            raise ConflictError(f"the log ends at byte {len(held.data)}, not {end}", session=log)
        self._logs[log] = _MemoryLog(rewriting.data, held.epoch + 1)

    def settle(self, log: str, *, entry: bool) -> None:
        """Do nothing: memory is as durable as it gets."""

    def cut(self, log: str, position: int) -> str:
        """Drop the bytes from *position* on."""
        del self._logs[log].data[position:]
        return "memory"

    def logs(self) -> Iterator[str]:
        """Yield the ids."""
        return iter([log for log, held in list(self._logs.items()) if held.data])

    def sync(self) -> dict[str, int]:
        """Do nothing: memory is as durable as it gets."""
        return {}

    def check(self) -> None:
        """Do nothing: a process that runs has its memory."""

    def close(self) -> None:
        """Forget every log."""
        self._logs.clear()

    def abandon(self) -> None:
        """Keep this process's copy, with locks nobody holds."""
        self._locks, self._rewriters = {}, {}
        self._guard = threading.Lock()
