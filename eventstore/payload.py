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

import zstandard

from eventstore.address import ADDRESS_SIZE
from eventstore.errors import CorruptError, UnsupportedError

SALT_SIZE = 32
PARTS_MAX = 64
"""How many parts a session may have."""

_ID_SIZE_MAX = 1024
_WINDOW_SIZE_MAX = 2**31
_LEVEL = 3


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


class Codec(IntEnum):
    """How a body is stored."""

    NONE = 0
    ZSTD = 1


@dataclass(frozen=True, slots=True)
class Genesis:
    """What only the first payload of a log says, so that erasing it unlinks the commits."""

    salt: bytes
    session: str


@dataclass(frozen=True, slots=True)
class PartEntry:
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


@dataclass(frozen=True, slots=True)
class Table:
    """A decoded table."""

    genesis: Genesis | None
    entries: Mapping[str, PartEntry]


def compress(state: bytes) -> bytes:
    """Return *state* as one zstd frame that states its content size."""
    return zstandard.ZstdCompressor(level=_LEVEL).compress(state)


def decompress(body: bytes, size: int, size_max: int) -> bytes:
    """Return the *size* bytes that *body* decodes to, never allocating more than that.

    Raises `CorruptError` when the body claims or gives another size, or is not zstd.
    """
    if size > size_max:
        raise CorruptError(f"a body claims {size} bytes, more than the limit of {size_max}")
    try:
        if zstandard.frame_content_size(body) != size:
            raise CorruptError("a body's size contradicts its table")
        decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW_SIZE_MAX)
        state = decoder.decompress(body, max_output_size=size, allow_extra_data=False)
    except (zstandard.ZstdError, MemoryError) as error:
        raise CorruptError("a body does not decompress") from error
    if len(state) != size:
        raise CorruptError("a body's size contradicts its table")
    return state


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
            _put(out, position - entry.holder)
        else:
            _put_entry(out, entry, position)
    return bytes(out)


def _put_entry(out: bytearray, entry: PartEntry, position: int) -> None:
    """Append the fields of an entry that is not `unchanged`."""
    has_body = entry.encoding is not Encoding.REFERENCE
    out.append(Codec.ZSTD if has_body else Codec.NONE)
    out += bytes.fromhex(entry.address)
    _put(out, position - entry.base)
    _put(out, position - entry.previous)
    _put(out, entry.chain)
    _put(out, entry.stored_size)
    _put(out, entry.decoded_size)


def decode_table(data: bytes, position: int) -> Table:
    """Return the table of the frame at *position*; raise `CorruptError` for anything malformed."""
    reader = _Reader(data)
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


def _entry(reader: _Reader, position: int) -> PartEntry:
    """Read one entry after its name."""
    encoding = reader.byte()
    if encoding == Encoding.UNCHANGED:
        return PartEntry(Encoding.UNCHANGED, holder=_back(reader, position, nearest=1))
    if encoding > Encoding.REFERENCE:
        raise UnsupportedError(f"part encoding {encoding} is not known here")
    codec = reader.byte()
    if codec != (Codec.NONE if encoding == Encoding.REFERENCE else Codec.ZSTD):
        raise UnsupportedError(f"codec {codec} of a part is not known here")
    address = reader.take(ADDRESS_SIZE).hex()
    base = _back(reader, position)
    previous = _back(reader, position)
    chain, stored, decoded = reader.number(), reader.number(), reader.number()
    holder = previous if encoding == Encoding.REFERENCE else position
    return PartEntry(Encoding(encoding), holder, address, 0, base, previous, chain, stored, decoded)


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


def _put(out: bytearray, number: int) -> None:
    """Append *number* as unsigned LEB128."""
    assert number >= 0, "only natural numbers are stored"
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)


def _back(reader: _Reader, position: int, *, nearest: int = 0) -> int:
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


class _Reader:
    """Bytes read from front to back, never past their end."""

    def __init__(self, data: bytes) -> None:
        """Start at the first byte."""
        self._data = data
        self._at = 0

    @property
    def at_end(self) -> bool:
        """Whether everything was read."""
        return self._at == len(self._data)

    def take(self, size: int) -> bytes:
        """Return the next *size* bytes."""
        taken = self._data[self._at : self._at + size]
        if len(taken) != size:
            raise CorruptError("a payload table is cut short")
        self._at += size
        return taken

    def byte(self) -> int:
        """Return the next byte as a number."""
        return self.take(1)[0]

    def number(self) -> int:
        """Return the next unsigned LEB128 number, at most 63 bits of it."""
        number = shift = 0
        while shift < 63:
            byte = self.byte()
            number |= (byte & 0x7F) << shift
            if byte < 0x80:
                return number
            shift += 7
        raise CorruptError("a payload table holds a number that is too large")
