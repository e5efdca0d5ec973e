"""A gap: the frame that a repair puts where versions were lost, so that a log goes on behind it.

It fills the place of the damaged bytes exactly, so no other frame moves. Where a commit would be
it has the number of the last version that was lost (8 bytes, little-endian; the first is the
frame's `seq`), the id of that version, which the commit behind the gap names (32 bytes, zeros where
nobody knows it), and zeros. Table and bodies are those of the lost frame where its header was
sound, proven by nothing: a later state that is rebuilt from them is proven by its own address.
Otherwise the bodies are zeros, and the table has no entries; in the first frame of a log it keeps
the salt and the session's id, if those were not lost too.
"""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from eventstore.backend import Readable
from eventstore.errors import CorruptError, UnsupportedError
from eventstore.frame import (
    FRAME_SIZE_MIN,
    GAP,
    HEADER_SIZE,
    Frame,
    decode_frame,
    decode_header,
    encode_frame,
)
from eventstore.payload import Genesis, decode_table, encode_table

UNKNOWN = "unknown"
"""Stands for the id of a commit that is lost, and that nobody names."""

_NUMBER_SIZE = 8
_ID_SIZE = 32
_RECORD_SIZE = _NUMBER_SIZE + _ID_SIZE


@dataclass(frozen=True, slots=True)
class Gap:
    """Versions *first* to *last*, which were lost; `next` is the id of the last, or `UNKNOWN`.

    `start` and `stop` are the offsets of the frame, which are not part of it.
    """

    first: int
    last: int
    next: str = UNKNOWN
    genesis: Genesis | None = None
    start: int = 0
    stop: int = 0


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a frame whose commit was lost: the size of that, its table and bodies."""

    commit_size: int
    table: bytes
    bodies: bytes


def encode_gap(gap: Gap, rest: Rest | None = None) -> bytes | None:
    """Return the frame that *gap* is, from its `start` to its `stop`; None if it needs more room.

    With *rest*, what is left of the one frame that was there stays in its place.
    """
    table = encode_table(gap.genesis, {}, gap.start)
    size = gap.stop - gap.start - FRAME_SIZE_MIN
    record = gap.last.to_bytes(_NUMBER_SIZE, "little")
    record += bytes(_ID_SIZE) if gap.next == UNKNOWN else bytes.fromhex(gap.next)
    if rest is None:
        rest = Rest(_RECORD_SIZE, table, bytes(max(0, size - _RECORD_SIZE - len(table))))
    record = record.ljust(rest.commit_size, b"\0")
    if len(record) + len(rest.table) + len(rest.bodies) != size:
        return None
    return encode_frame(
        record,
        rest.table,
        rest.bodies,
        seq=gap.first,
        position=gap.start,
        durable_upto=gap.start,
        required=GAP,
    )


def read_gap(source: Readable, session: str, position: int) -> Gap | None:
    """Return the gap at *position* of a log, or None if no sound one is there."""
    try:
        header = decode_header(source.read(session, position, position + HEADER_SIZE), position)
        if not header.is_gap or header.stop > (source.size(session) or 0):
            return None
        return _parsed(decode_frame(source.read(session, position, header.stop), position))
    except (CorruptError, UnsupportedError):
        return None


def _parsed(frame: Frame) -> Gap:
    """Return the gap that a frame is; raise `CorruptError` for anything malformed."""
    record, header = frame.commit, frame.header
    last = int.from_bytes(record[:_NUMBER_SIZE], "little")
    if len(record) < _RECORD_SIZE or record[_RECORD_SIZE:].strip(b"\0") or last < header.seq:
        raise CorruptError("a gap does not say what was lost")
    named, genesis = record[_NUMBER_SIZE:_RECORD_SIZE], None
    with suppress(CorruptError, UnsupportedError):
        genesis = decode_table(frame.table, header.position).genesis
    named_hex = named.hex() if named.strip(b"\0") else UNKNOWN
    return Gap(header.seq, last, named_hex, genesis, header.position, header.stop)
