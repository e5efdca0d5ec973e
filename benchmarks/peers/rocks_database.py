"""RocksDB: one value of zstd JSON for every version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import rocksdict

from benchmarks.peer import Peer
from benchmarks.peers.key_values import NEWEST, key_of
from benchmarks.peers.sqlite_rows import packed, unpacked
from benchmarks.turns import Turn


class RocksDb(Peer):
    """RocksDB, one synced put for every save."""

    name = "rocksdb"
    about = "RocksDB, one value of zstd-3 JSON for every version"
    durability = "WriteOptions.sync = True"
    distributions = ("rocksdict",)
    has_versions = True
    is_whole = True
    is_general = True

    def __init__(self, folder: Path) -> None:
        """Open the database with plain bytes as keys and values."""
        self._database = rocksdict.Rdict(str(folder), rocksdict.Options(raw_mode=True))
        self._write = rocksdict.WriteOptions()
        self._write.sync = True

    def save(self, turn: Turn) -> None:
        """Put a value."""
        self._database.put(key_of(turn.id, turn.number), packed(turn.document), self._write)

    def load(self, id: str, number: int | None = None) -> Any:
        """Get a value."""
        if number is not None:
            return unpacked(self._database[key_of(id, number)])
        cursor = self._database.iter()
        cursor.seek_for_prev(key_of(id, NEWEST))
        return unpacked(cursor.value())

    def close(self) -> None:
        """Close the database."""
        self._database.close()
