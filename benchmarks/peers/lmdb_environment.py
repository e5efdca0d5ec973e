"""LMDB: one value of zstd JSON for every version."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lmdb

from benchmarks.peer import Peer
from benchmarks.peers.key_values import NEWEST, key_of
from benchmarks.peers.sqlite_rows import packed, unpacked
from benchmarks.turns import Turn

_MAP_SIZE = 16 * 1024**3


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
            transaction.put(key_of(turn.id, turn.number), value)

    def load(self, id: str, number: int | None = None) -> Any:
        """Get a value; the newest is the one before where no version can be."""
        with self._environment.begin() as transaction:
            if number is not None:
                return unpacked(transaction.get(key_of(id, number)))
            cursor = transaction.cursor()
            if cursor.set_range(key_of(id, NEWEST)):
                cursor.prev()
            else:
                cursor.last()
            return unpacked(cursor.value())

    def close(self) -> None:
        """Close the environment."""
        self._environment.close()
