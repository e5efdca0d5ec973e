"""Key-value stores that run in the process: one value of zstd JSON for every version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lmdb
import rocksdict

from benchmarks.peer import Peer
from benchmarks.peers.sqlite_rows import packed, unpacked
from benchmarks.turns import Turn

_MAP_SIZE = 16 * 1024**3
_NEWEST = 0xFFFFFFFF


def _key(id: str, number: int) -> bytes:
    """Return the key of a version; those of one session stand in order."""
    return id.encode() + b"\0" + number.to_bytes(4, "big")


class Lmdb(Peer):
    """LMDB, one write transaction for every save."""

    name = "lmdb"
    about = "LMDB, one value of zstd-3 JSON for every version"
    durability = "sync=True, metasync=True (the defaults)"
    distributions = ("lmdb",)
    has_versions = True
    is_whole = True
    is_general = True

    def __init__(self, folder: Path) -> None:
        """Open the environment."""
        self._environment = lmdb.open(str(folder), map_size=_MAP_SIZE)

    def save(self, turn: Turn) -> None:
        """Put a value."""
        value = packed(turn.document)
        with self._environment.begin(write=True) as transaction:
            transaction.put(_key(turn.id, turn.number), value)

    def load(self, id: str, number: int | None = None) -> Any:
        """Get a value; the newest is the one before where no version can be."""
        with self._environment.begin() as transaction:
            if number is not None:
                return unpacked(transaction.get(_key(id, number)))
            cursor = transaction.cursor()
            if cursor.set_range(_key(id, _NEWEST)):
                cursor.prev()
            else:
                cursor.last()
            return unpacked(cursor.value())

    def close(self) -> None:
        """Close the environment."""
        self._environment.close()


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
        self._database.put(_key(turn.id, turn.number), packed(turn.document), self._write)

    def load(self, id: str, number: int | None = None) -> Any:
        """Get a value."""
        if number is not None:
            return unpacked(self._database[_key(id, number)])
        cursor = self._database.iter()
        cursor.seek_for_prev(_key(id, _NEWEST))
        return unpacked(cursor.value())

    def close(self) -> None:
        """Close the database."""
        self._database.close()
