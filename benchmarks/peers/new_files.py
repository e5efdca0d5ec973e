"""What a new session costs before any store does anything: its file.

These say where the time of *many* goes: what threads lose to the system calls alone, and what is
left of it beside what a save computes.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path
from typing import Any
from zlib import crc32

from benchmarks.peer import Peer
from benchmarks.turns import Turn
from eventstore import EventStore

_SHARDS = 256
_SIZE = 1500
"""Bytes that are written for each session, about what a small one takes in our log."""


class NewFiles(Peer):
    """A new file, locked, written and synced with its directory; its bytes are made before."""

    name = "new-files"
    about = "the system calls of our save of a new session, and nothing around them"
    durability = "one fdatasync and one fsync of the directory a save"
    keeps = "nothing"
    is_for_threads = True

    def __init__(self, folder: Path) -> None:
        """Make the directories, as many as our store has."""
        self._shards = [str(folder / f"{shard:02x}") for shard in range(_SHARDS)]
        self._data = os.urandom(_SIZE)
        for shard in self._shards:
            os.mkdir(shard)

    def save(self, turn: Turn) -> None:
        """Make the file of a session."""
        self._write(turn.id, self._data)

    def _write(self, id: str, data: bytes) -> None:
        """Make the file of a session with these bytes."""
        folder = self._shards[crc32(id.encode()) % _SHARDS]
        path = f"{folder}/{id}.log"
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        fcntl.flock(file, fcntl.LOCK_EX)
        assert os.fstat(file).st_ino == os.lstat(path).st_ino, "the file has its name"
        os.pwrite(file, data, 0)
        os.fdatasync(file)
        directory = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
        os.fsync(directory)
        os.close(directory)
        fcntl.flock(file, fcntl.LOCK_UN)
        os.close(file)

    def load(self, id: str, number: int | None = None) -> Any:
        """Nothing can be loaded."""

    def close(self) -> None:
        """Nothing is open."""


class NewFilesAndMemory(NewFiles):
    """The same, and a save of the session in a store in memory, which has no files."""

    name = "new-files-and-memory"
    about = "those system calls, and a save in a store in memory"
    takes_model = True
    distributions = ("pydantic", "blake3", "zstandard")

    def __init__(self, folder: Path) -> None:
        """Open the store beside the directories."""
        super().__init__(folder)
        self._store = EventStore.open("memory://")

    def save(self, turn: Turn) -> None:
        """Save in memory, then make the file."""
        assert turn.model is not None, "a peer of models is given models"
        self._store.save(turn.model)
        super().save(turn)

    def close(self) -> None:
        """Close the store."""
        self._store.close()
