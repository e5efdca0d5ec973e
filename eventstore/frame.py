"""A frame: the bytes of one commit in a log.

    offset  size  field
         0     4  magic 89 45 53 4C
         4     1  format version, 1
         5     3  feature flags: must be understood, may be read, may be ignored
         8     2  size of the commit
        10     2  size of the table
        12     4  size of the bodies
        16     8  seq, the commit's number in its log
        24     8  durable_upto: the log was durable up to this offset when this was written
        32     8  header checksum: BLAKE3(bytes 0…31, then the frame's own offset as 8 bytes)
        40        commit · table · bodies
                  32  BLAKE3 of everything before it, from the frame's first byte
                   4  size of the frame
                   4  end mark 4C 53 45 89

All numbers are little-endian. The size at the end lets a log be read backwards; the frame's
offset inside the header checksum keeps bytes copied from elsewhere from passing for a frame.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

from eventstore.address import digest_of
from eventstore.errors import CorruptError, InvalidInputError, UnsupportedError

MAGIC = b"\x89ESL"
END_MARK = b"LSE\x89"
FORMAT_VERSION = 1
GAP = 0x01
"""The required feature of a frame that stands where versions were lost; see `gap.py`."""

_FIELDS = struct.Struct("<4s4BHHIQQ")
_SIZES = struct.Struct("<HHI")
_SIZES_AT = 8
_CHECKSUM_SIZE = 8
_DIGEST_SIZE = 32
_TRAILER = struct.Struct("<I4s")

HEADER_SIZE = _FIELDS.size + _CHECKSUM_SIZE
TRAILER_SIZE = _DIGEST_SIZE + _TRAILER.size
FRAME_SIZE_MIN = HEADER_SIZE + TRAILER_SIZE
FRAME_SIZE_MAX = 2**32 - 1


class Header(NamedTuple):
    """The fixed part of a frame; `size` is the whole frame's, all sizes are in bytes."""

    position: int
    seq: int
    durable_upto: int
    commit_size: int
    table_size: int
    body_size: int
    flags: tuple[int, int, int]

    @property
    def is_gap(self) -> bool:
        """Whether the frame holds no commit, but stands where some were lost."""
        return bool(self.flags[0] & GAP)

    @property
    def size(self) -> int:
        """Bytes of the whole frame."""
        return FRAME_SIZE_MIN + self.commit_size + self.table_size + self.body_size

    @property
    def stop(self) -> int:
        """The log offset just after this frame."""
        return self.position + self.size

    @property
    def head_size(self) -> int:
        """Bytes up to where the bodies start."""
        return HEADER_SIZE + self.commit_size + self.table_size


@dataclass(frozen=True, slots=True)
class Frame:
    """A whole frame that passed its checks."""

    header: Header
    commit: bytes
    table: bytes
    bodies: bytes


def encode_frame(
    commit: bytes,
    table: bytes,
    bodies: bytes,
    *,
    seq: int,
    position: int,
    durable_upto: int,
    required: int = 0,
) -> bytes:
    """Return the bytes of frame *seq*, to be written at offset *position* of its log."""
    size = FRAME_SIZE_MIN + len(commit) + len(table) + len(bodies)
    if size > FRAME_SIZE_MAX:
        raise InvalidInputError(
            f"one save may take at most {FRAME_SIZE_MAX} bytes compressed, this takes {size}",
            hint="save its parts one by one",
        )
    fields = _FIELDS.pack(
        MAGIC,
        FORMAT_VERSION,
        required,
        0,
        0,
        len(commit),
        len(table),
        len(bodies),
        seq,
        durable_upto,
    )
    checked = b"".join((fields, _checksum(fields, position), commit, table, bodies))
    return b"".join((checked, digest_of(checked), _TRAILER.pack(size, END_MARK)))


def decode_header(data: bytes, position: int) -> Header:
    """Return the header that *data* starts with, read from offset *position* of a log.

    Raises `CorruptError`, or `UnsupportedError` for a later format.
    """
    if len(data) < HEADER_SIZE or data[: len(MAGIC)] != MAGIC:
        raise CorruptError("no frame starts here")
    fields = data[: _FIELDS.size]
    if data[_FIELDS.size : HEADER_SIZE] != _checksum(fields, position):
        raise CorruptError("a frame header fails its checksum")
    _, version, required, readonly, optional, *sizes, seq, durable_upto = _FIELDS.unpack(fields)
    if version != FORMAT_VERSION or required & ~GAP:
        raise UnsupportedError(
            f"frame format {version} with required features {required:#04x} is not known here",
            hint="open the store with a newer version of this library",
        )
    commit_size, table_size, body_size = sizes
    flags = (required, readonly, optional)
    header = Header(position, seq, durable_upto, commit_size, table_size, body_size, flags)
    if durable_upto > position or seq == 0 or header.size > FRAME_SIZE_MAX:
        raise CorruptError("a frame header contradicts itself")
    return header


def decode_frame(data: bytes, position: int) -> Frame:
    """Return the frame that *data* starts with, every byte of it checked.

    Raises `CorruptError`, or `UnsupportedError` for a later format.
    """
    header = decode_header(data, position)
    if len(data) < header.size:
        raise CorruptError("a frame is cut short")
    checked = header.size - TRAILER_SIZE
    if data[checked : checked + _DIGEST_SIZE] != digest_of(data[:checked]):
        raise CorruptError("a frame fails its digest")
    if data[checked + _DIGEST_SIZE : header.size] != _TRAILER.pack(header.size, END_MARK):
        raise CorruptError("a frame's end contradicts its header")
    table_start = HEADER_SIZE + header.commit_size
    return Frame(
        header=header,
        commit=data[HEADER_SIZE:table_start],
        table=data[table_start : header.head_size],
        bodies=data[header.head_size : checked],
    )


def sizes_at(data: bytes, at: int) -> tuple[int, int, int]:
    """Return the sizes of commit, table and bodies that a header in *data* states, unchecked.

    For readers whose result is proven otherwise. Raises `struct.error` where *data* ends.
    """
    commit_size, table_size, body_size = _SIZES.unpack_from(data, at + _SIZES_AT)
    return commit_size, table_size, body_size


def last_frame_size(tail: bytes) -> int | None:
    """Return the size that the end of *tail* states for the frame ending there, if any."""
    if len(tail) < _TRAILER.size:
        return None
    size, mark = _TRAILER.unpack(tail[-_TRAILER.size :])
    return size if mark == END_MARK and size >= FRAME_SIZE_MIN else None


def find_frame(data: bytes, position: int) -> int | None:
    """Return the offset in *data* of the first whole, sound frame; *data* starts at *position*."""
    start = data.find(MAGIC)
    while start >= 0:
        try:
            header = decode_header(data[start : start + HEADER_SIZE], position + start)
            decode_frame(data[start : start + header.size], position + start)
        except CorruptError:
            start = data.find(MAGIC, start + 1)
        else:
            return start
    return None


def _checksum(fields: bytes, position: int) -> bytes:
    """Return the checksum of a header's fields at an offset of the log."""
    return digest_of(fields + position.to_bytes(8, "little"))[:_CHECKSUM_SIZE]
