"""A frame's payload: a table of the session's live parts, and the bodies of those that changed.

    table   = genesis flag (1 byte: 1 in the first frame of a log, else 0)
              [ salt (32) · size of the session id (2, little-endian) · session id (UTF-8) ]
              number of entries (1) · entries
    entry   = size of the name (1) · name · encoding (1) · …
              unchanged (0): distance to the frame that holds the part's state
              otherwise:     codec (1) · address (32) · base distance · previous distance
                             · chain length · stored size · decoded size
    bodies  = the stored bytes of the entries, in their order

Sizes, distances and lengths are unsigned LEB128. A distance is this frame's offset in the log
minus the other frame's; 0 means this frame. A part without an entry does not exist at this version.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import NamedTuple

from eventstore.address import ADDRESS_SIZE
from eventstore.errors import CorruptError, UnsupportedError
from eventstore.leb128 import Reader, numbers, put

SALT_SIZE = 32
PARTS_MAX = 64
"""How many parts a session may have."""

_ID_SIZE_MAX = 1024


class Encoding(IntEnum):
    """How a frame gives a part's state."""

    UNCHANGED = 0
    """Not at all: another frame holds it."""
    KEYFRAME = 1
    """Whole, in this frame's body."""
    DELTA = 2
    """As splices against the part's previous state, in this frame's body."""
    REFERENCE = 3
    """As one that an earlier frame holds, made current again."""
    DROPPED = 4
    """No longer: thinning dropped it, only its address is known."""


class Codec(IntEnum):
    """How a body is stored."""

    NONE = 0
    """There is none."""
    ZSTD = 1
    """One zstd frame that states its content size."""
    ZSTD_STARTED = 2
    """The beginning of a zstd frame whose dictionary is the end of the bodies before it."""
    ZSTD_CONTINUED = 3
    """A continuation of the zstd frame that the part's previous body is a piece of."""


_CODECS = {
    Encoding.KEYFRAME: {Codec.ZSTD},
    Encoding.DELTA: {Codec.ZSTD_STARTED, Codec.ZSTD_CONTINUED},
    Encoding.REFERENCE: {Codec.NONE},
    Encoding.DROPPED: {Codec.NONE},
}


@dataclass(frozen=True, slots=True)
class Genesis:
    """What only the first payload of a log says, so that erasing it unlinks the commits."""

    salt: bytes
    session: str


class PartEntry(NamedTuple):
    """One row of the table; offsets are in the log, sizes in bytes.

    `holder` is the frame with the bytes, `base` the keyframe they build on, `previous` the frame
    that held the part before this one (equal to `holder` when there was none). `size` is the
    state's, which the table does not repeat: the commit says it.
    """

    encoding: Encoding
    holder: int
    address: str = ""
    size: int = 0
    base: int = 0
    previous: int = 0
    chain: int = 0
    stored_size: int = 0
    decoded_size: int = 0
    codec: Codec = Codec.NONE


@dataclass(frozen=True, slots=True)
class Table:
    """A decoded table."""

    genesis: Genesis | None
    entries: Mapping[str, PartEntry]


def encode_table(genesis: Genesis | None, entries: Mapping[str, PartEntry], position: int) -> bytes:
    """Return the table for a frame that will stand at *position*."""
    out = bytearray()
    if genesis is None:
        out.append(0)
    else:
        session = genesis.session.encode()
        out += b"\x01" + genesis.salt + len(session).to_bytes(2, "little") + session
    out.append(len(entries))
    for name, entry in entries.items():
        encoded = name.encode()
        out.append(len(encoded))
        out += encoded
        out.append(entry.encoding)
        if entry.encoding is Encoding.UNCHANGED:
            put(out, position - entry.holder)
        else:
            out.append(entry.codec)
            out += bytes.fromhex(entry.address)
            distances = position - entry.base, position - entry.previous
            put(out, *distances, entry.chain, entry.stored_size, entry.decoded_size)
    return bytes(out)


def decode_table(data: bytes, position: int) -> Table:
    """Return the table of the frame at *position*; raise `CorruptError` for anything malformed."""
    reader = Reader(data, "a payload table")
    genesis = None
    flag = reader.byte()
    if flag == 1:
        salt = reader.take(SALT_SIZE)
        size = int.from_bytes(reader.take(2), "little")
        if size > _ID_SIZE_MAX:
            raise CorruptError("a payload table holds an id that is too long")
        genesis = Genesis(salt, _text(reader.take(size)))
    elif flag:
        raise CorruptError("a payload table has an unknown genesis flag")
    entries: dict[str, PartEntry] = {}
    for _ in range(reader.byte()):
        name = _text(reader.take(reader.byte()))
        if name in entries:
            raise CorruptError("a payload table names a part twice")
        entries[name] = _entry(reader, position)
    if not reader.at_end:
        raise CorruptError("a payload table has trailing bytes")
    return Table(genesis, entries)


def _entry(reader: Reader, position: int) -> PartEntry:
    """Read one entry after its name."""
    encoding = reader.byte()
    if encoding == Encoding.UNCHANGED:
        return PartEntry(Encoding.UNCHANGED, holder=_back(reader, position, nearest=1))
    if encoding > Encoding.DROPPED:
        raise UnsupportedError(f"part encoding {encoding} is not known here")
    codec = reader.byte()
    if codec not in _CODECS[Encoding(encoding)]:
        raise UnsupportedError(f"codec {codec} of a part is not known here")
    address = reader.take(ADDRESS_SIZE).hex()
    base = _back(reader, position)
    previous = _back(reader, position)
    chain, stored, decoded = reader.number(), reader.number(), reader.number()
    holder = previous if encoding == Encoding.REFERENCE else position
    return PartEntry(
        Encoding(encoding), holder, address, 0, base, previous, chain, stored, decoded, Codec(codec)
    )


def peek(data: bytes, at: int, part: bytes) -> tuple[int, int, list[int], int]:
    """Return encoding, codec and numbers of *part* in the table at offset *at*, almost unchecked.

    The numbers are the distances of base and previous frame, chain length, stored and decoded size;
    the last item is where the part's body starts among the bodies. For readers whose result is
    proven otherwise. Raises `LookupError` or `OverflowError` for a table that cannot be read so.
    """
    if data[at]:
        at += SALT_SIZE + 2 + int.from_bytes(data[at + 1 + SALT_SIZE :][:2], "little")
    count, before = data[at + 1], 0
    at += 2
    for _ in range(count):
        stop = at + 1 + data[at]
        name, encoding = data[at + 1 : stop], data[stop]
        if encoding == Encoding.UNCHANGED:
            _, at = numbers(data, stop + 1, 1)
            continue
        found, at = numbers(data, stop + 2 + ADDRESS_SIZE, 5)
        if name == part:
            return encoding, data[stop + 1], found, before
        before += found[3]
    raise LookupError("no such part")


def bodies_of(table: Table, bodies: bytes) -> dict[str, bytes]:
    """Return each changed part's stored bytes; raise `CorruptError` unless they fill *bodies*."""
    found: dict[str, bytes] = {}
    start = 0
    for name, entry in table.entries.items():
        if entry.encoding in (Encoding.KEYFRAME, Encoding.DELTA):
            found[name] = bodies[start : start + entry.stored_size]
            start += entry.stored_size
    if start != len(bodies):
        raise CorruptError("a payload's bodies contradict its table")
    return found


def body_offset(table: Table, part: str) -> int:
    """Return where the body of *part* starts among the bodies."""
    offset = 0
    for name, entry in table.entries.items():
        if name == part:
            break
        offset += entry.stored_size
    return offset


def _back(reader: Reader, position: int, *, nearest: int = 0) -> int:
    """Read a distance and return the log offset that far before *position*."""
    distance = reader.number()
    if not nearest <= distance <= position:
        raise CorruptError("a payload table points outside its log")
    return position - distance


def _text(data: bytes) -> str:
    """Decode UTF-8."""
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        raise CorruptError("a payload table holds text that is not UTF-8") from error
