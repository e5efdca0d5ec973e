"""The floors: the least that a durable save of a new turn can cost."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

import zstandard

from benchmarks.peer import Peer
from benchmarks.turns import Turn

_ZEROED_SIZE = 8 * 1024 * 1024


class Floor(Peer):
    """The new messages alone, compressed: one write at the end of one file, one fdatasync."""

    name = "floor"
    about = "zstd-3 of the new messages appended to one file"
    durability = "one fdatasync a save"
    keeps = "nothing"

    def __init__(self, folder: Path) -> None:
        """Open the one file."""
        self._file = os.open(folder / "floor", os.O_RDWR | os.O_CREAT, 0o600)
        self._end = os.fstat(self._file).st_size
        self._guard = threading.Lock()
        self._compressor = zstandard.ZstdCompressor(level=3)

    def save(self, turn: Turn) -> None:
        """Append what is new."""
        text = json.dumps(turn.new, ensure_ascii=False, separators=(",", ":"))
        with self._guard:
            data = self._compressor.compress(text.encode())
            place = self._place(len(data))
            self._end = place + os.pwrite(self._file, data, place)
            os.fdatasync(self._file)

    def _place(self, size: int) -> int:
        """Return where to write so many bytes."""
        return self._end

    def load(self, id: str, number: int | None = None) -> Any:
        """Nothing can be loaded from the floor."""

    def close(self) -> None:
        """Close the file."""
        os.close(self._file)


class ZeroedFloor(Floor):
    """The same over space that was written before, so that no file grows."""

    name = "floor-zeroed"
    about = "zstd-3 of the new messages written over zeros in one file"

    def __init__(self, folder: Path) -> None:
        """Write the zeros first."""
        super().__init__(folder)
        os.pwrite(self._file, bytes(_ZEROED_SIZE), 0)
        os.fsync(self._file)
        self._end = 0

    def _place(self, size: int) -> int:
        """Begin anew where the zeros end."""
        if self._end + size > _ZEROED_SIZE:
            self._end = 0
        return self._end

    def size(self, folder: Path) -> int:
        """Return what was written last, without the zeros behind it."""
        return self._end
