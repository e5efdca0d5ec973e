"""A bundle as a file: checked blocks, one behind the other, and an end that proves all of them.

    89 45 53 42 0D 0A 1A 01 · block · block · …
    block = kind (1) · size (4, little-endian) · payload · check (16)

The check is the beginning of the BLAKE3 of the block's number (8 bytes), its kind, its size and
its payload. The payload of the last block, `END`, is the BLAKE3 of all bytes before that block.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import BinaryIO

from blake3 import blake3

from eventstore.errors import CorruptError, UnsupportedError

MAGIC = b"\x89ESB\r\n\x1a"
VERSION = 1
HEADER, VERSIONS, END = 1, 2, 3

_CHECK_SIZE = 16
_HEAD_SIZE = 5


class BlockWriter:
    """Writes the blocks of one bundle."""

    def __init__(self, file: BinaryIO) -> None:
        """Begin a bundle in *file*."""
        self._file = file
        self._all = blake3()
        self._number = 0
        self.size = 0
        """Bytes written so far."""
        self._put(MAGIC + bytes([VERSION]))

    def add(self, kind: int, payload: bytes) -> None:
        """Add a block."""
        head = bytes([kind]) + len(payload).to_bytes(4, "little")
        self._put(head + payload + _check(self._number, head, payload))
        self._number += 1

    def end(self) -> None:
        """Add the last block."""
        self.add(END, self._all.digest())

    def _put(self, data: bytes) -> None:
        """Write bytes."""
        self._file.write(data)
        self._all.update(data)
        self.size += len(data)


def read_blocks(file: BinaryIO, *, size_max: int) -> Iterator[tuple[int, bytes]]:
    """Yield kind and payload of every block but the last; raise `CorruptError` where it is not
    a whole bundle, `UnsupportedError` for a later version. Never reads more than *size_max* for
    one block.
    """
    beginning = _begin(file)
    everything = blake3(beginning)
    number, at = 0, len(beginning)
    while True:
        so_far = everything.digest()
        head = _take(file, _HEAD_SIZE, at)
        kind, size = head[0], int.from_bytes(head[1:], "little")
        if size > size_max:
            raise CorruptError(f"block {number} claims {size} bytes", where=f"byte {at}")
        payload = _take(file, size, at)
        check = _take(file, _CHECK_SIZE, at)
        if check != _check(number, head, payload):
            raise CorruptError(f"block {number} is damaged", where=f"byte {at}")
        at += _HEAD_SIZE + size + _CHECK_SIZE
        if kind == END:
            break
        for piece in (head, payload, check):
            everything.update(piece)
        yield kind, payload
        number += 1
    if payload != so_far:
        raise CorruptError("the end does not prove what stands before it")
    if file.read(1):
        raise CorruptError("something stands behind the end", where=f"byte {at}")


def _begin(file: BinaryIO) -> bytes:
    """Read what a bundle begins with."""
    beginning = file.read(len(MAGIC) + 1)
    if beginning[: len(MAGIC)] != MAGIC:
        raise CorruptError("is no bundle")
    if len(beginning) == len(MAGIC):
        raise CorruptError("is cut off")
    if beginning[len(MAGIC) :] != bytes([VERSION]):
        raise UnsupportedError(
            "is a bundle of a version that is not known here",
            hint="import it with a newer version of this library",
        )
    return beginning


def _take(file: BinaryIO, size: int, at: int) -> bytes:
    """Read exactly *size* bytes of the block at offset *at*."""
    data = file.read(size)
    if len(data) != size:
        raise CorruptError("is cut off", where=f"byte {at}")
    return data


def _check(number: int, head: bytes, payload: bytes) -> bytes:
    """Return the check of a block."""
    return blake3(number.to_bytes(8, "little") + head + payload).digest()[:_CHECK_SIZE]
