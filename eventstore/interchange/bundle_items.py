"""What the blocks of a bundle hold: versions and their parts, a state against the one before it.

    block   = place in the contents (LEB128) · one zstd frame of items
    item    = 01 · size · commit · count · kept names · count of parts that follow
            | 02 · name · address (32) · form · …
    form    = 00                                        the state was dropped
            | 01 · size · state
            | 02 · head · tail · size · what stands between

A name is its size and its bytes; sizes and counts are LEB128. `head` and `tail` say how many bytes
of the part's previous state in the bundle the state begins and ends with.
"""

from __future__ import annotations

from collections.abc import Iterator

from eventstore.address import ADDRESS_SIZE
from eventstore.common import common_prefix, common_suffix
from eventstore.errors import CorruptError
from eventstore.leb128 import Reader, put
from eventstore.parcel import Cargo, Parcel

BLOCK_SIZE = 1024 * 1024
"""Bytes of items after which a block is closed."""

_VERSION, _PART = 1, 2
_DROPPED, _WHOLE, _SPLICED = 0, 1, 2
_WHAT = "an item of a bundle"


def encode_items(parcel: Parcel, before: dict[str, bytes]) -> Iterator[bytes]:
    """Yield the items of a version; *before* are the states that the reader has, kept up."""
    out = bytearray([_VERSION])
    _put_bytes(out, parcel.commit)
    put(out, len(parcel.kept))
    for name in sorted(parcel.kept):
        _put_bytes(out, name.encode())
    put(out, len(parcel.parts))
    yield bytes(out)
    for name, cargo in parcel.parts.items():
        yield _part(name, cargo, before.get(name))
        if cargo.state is not None:
            before[name] = cargo.state


def _part(name: str, cargo: Cargo, before: bytes | None) -> bytes:
    """Return the item of one part."""
    out = bytearray([_PART])
    _put_bytes(out, name.encode())
    out += bytes.fromhex(cargo.address)
    if cargo.state is None:
        out.append(_DROPPED)
    elif before is None:
        out.append(_WHOLE)
        _put_bytes(out, cargo.state)
    else:
        head = common_prefix(before, cargo.state)
        room = min(len(before), len(cargo.state)) - head
        tail = common_suffix(before, cargo.state, room)
        out.append(_SPLICED)
        put(out, head)
        put(out, tail)
        _put_bytes(out, cargo.state[head : len(cargo.state) - tail])
    return bytes(out)


class ItemReader:
    """Puts the versions of one session together from its items."""

    def __init__(self, *, size_max: int) -> None:
        """Refuse states of more than *size_max* bytes."""
        self._size_max = size_max
        self._before: dict[str, bytes] = {}
        self._commit: bytes | None = None
        self._kept: frozenset[str] = frozenset()
        self._parts: dict[str, Cargo] = {}
        self._awaited = 0

    @property
    def is_complete(self) -> bool:
        """Whether no part of a version is still to come."""
        return self._commit is None

    def read(self, items: bytes) -> Iterator[Parcel]:
        """Yield every version that is complete with these items."""
        reader = Reader(items, _WHAT)
        while not reader.at_end:
            kind = reader.byte()
            if kind == _VERSION and self.is_complete:
                self._commit = _take_bytes(reader)
                self._kept = frozenset(_name(reader) for _ in range(_count(reader)))
                self._parts = {}
                self._awaited = _count(reader)
            elif kind == _PART and self._awaited:
                self._awaited -= 1
                self._take_part(reader)
            else:
                raise CorruptError(f"{_WHAT} is of kind {kind}, which is not expected there")
            if not self._awaited and self._commit is not None:
                yield Parcel(self._commit, self._parts, self._kept)
                self._commit = None

    def _take_part(self, reader: Reader) -> None:
        """Take one part of the version at hand."""
        name = _name(reader)
        if name in self._parts:
            raise CorruptError(f"{_WHAT} brings part {name!r} twice")
        address = reader.take(ADDRESS_SIZE).hex()
        state = self._state(reader, name)
        self._parts[name] = Cargo(address, state)
        if state is not None:
            self._before[name] = state

    def _state(self, reader: Reader, name: str) -> bytes | None:
        """Return a state, built on the one before it where it is a splice."""
        form = reader.byte()
        if form == _DROPPED:
            return None
        if form == _WHOLE:
            return _take_bytes(reader)
        before = self._before.get(name)
        if form != _SPLICED or before is None:
            raise CorruptError(f"{_WHAT} brings part {name!r} in a form that cannot be read")
        head, tail = reader.number(), reader.number()
        between = _take_bytes(reader)
        if head + tail > len(before) or head + tail + len(between) > self._size_max:
            raise CorruptError(f"{_WHAT} splices part {name!r} beyond its bounds")
        return before[:head] + between + before[len(before) - tail :]


def _put_bytes(out: bytearray, data: bytes) -> None:
    """Append a size and that many bytes."""
    put(out, len(data))
    out += data


def _take_bytes(reader: Reader) -> bytes:
    """Read a size and that many bytes."""
    return reader.take(reader.number())


def _name(reader: Reader) -> str:
    """Read a name."""
    try:
        return reader.take(reader.byte()).decode("ascii")
    except UnicodeDecodeError as error:
        raise CorruptError(f"{_WHAT} holds a name that is not ASCII") from error


def _count(reader: Reader) -> int:
    """Read how many parts there are."""
    return reader.byte()
