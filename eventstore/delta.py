"""A delta: a state as splices against the one before it.

    delta  = count · count × (skip · copied size · inserted size) · inserted bytes

Each splice copies a range of the previous state, then inserts bytes. A range starts where the range
of the splice before it ended, plus *skip*, which is zigzag-encoded because ranges may go back.
All numbers are unsigned LEB128. Folding walks a run of deltas from the last to the first, so that
every byte of the wanted state is moved once, whatever lies between it and its keyframe.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from eventstore.errors import CorruptError
from eventstore.leb128 import Reader, put

_RANGES_MAX = 1_000_000


@dataclass(frozen=True, slots=True)
class Splice:
    """Copy the bytes *start* to *stop* of the previous state, then insert some."""

    start: int
    stop: int
    insert: bytes


@dataclass(frozen=True, slots=True)
class Delta:
    """A decoded delta: the pieces that its state is made of, in order.

    A piece is (start, stop, is_copy): a range of the previous state, or of *data*. *ends* are the
    offsets in the new state at which the pieces end.
    """

    pieces: Sequence[tuple[int, int, bool]]
    ends: Sequence[int]
    data: bytes


def encode_delta(splices: Iterable[Splice]) -> bytes:
    """Return the bytes of a delta."""
    out = bytearray()
    inserts = []
    count = end = 0
    for splice in splices:
        skip = splice.start - end
        put(out, skip << 1 if skip >= 0 else (-skip << 1) - 1)
        put(out, splice.stop - splice.start)
        put(out, len(splice.insert))
        inserts.append(splice.insert)
        count, end = count + 1, splice.stop
    head = bytearray()
    put(head, count)
    return b"".join((head, out, *inserts))


def decode_delta(data: bytes) -> Delta:
    """Return the splices of a delta; raise `CorruptError` for anything malformed."""
    reader = Reader(data, "a delta")
    ranges = []
    end = inserted = 0
    for _ in range(reader.number()):
        code, copied, size = reader.number(), reader.number(), reader.number()
        start = end + (-((code + 1) >> 1) if code & 1 else code >> 1)
        if start < 0:
            raise CorruptError("a delta copies from before its state")
        end = start + copied
        ranges.append((start, end, size))
        inserted += size
    at = reader.at
    if at + inserted != len(data):
        raise CorruptError("a delta's inserts contradict its splices")
    pieces, ends = [], []
    made = 0
    for start, stop, size in ranges:
        for piece in ((start, stop, True), (at, at + size, False)):
            made += piece[1] - piece[0]
            pieces.append(piece)
            ends.append(made)
        at += size
    return Delta(pieces, ends, data)


def fold(base: bytes, deltas: Sequence[Delta], size: int) -> bytes:
    """Return the *size* bytes that *deltas*, in order, make of *base*.

    Raises `CorruptError` where they do not fit each other.
    """
    state = bytearray(size)
    wanted = [(0, 0, size)] if size else []
    for delta in reversed(deltas):
        wanted = _before(delta, wanted, state)
        if len(wanted) > _RANGES_MAX:
            raise CorruptError("a run of deltas is too entangled")
    for at, start, stop in wanted:
        if stop > len(base):
            raise CorruptError("a delta copies from beyond its state")
        state[at : at + stop - start] = base[start:stop]
    return bytes(state)


def _before(
    delta: Delta, wanted: list[tuple[int, int, int]], state: bytearray
) -> list[tuple[int, int, int]]:
    """Move what *delta* inserted into *state*; return what is wanted of the state before it.

    Wanted ranges are (offset in *state*, start, stop).
    """
    before: list[tuple[int, int, int]] = []
    ends = delta.ends
    for at, first, last in wanted:
        index, now = bisect_right(ends, first), first
        while now < last:
            if index >= len(ends):
                raise CorruptError("a delta makes a shorter state than it should")
            _, stop, is_copy = delta.pieces[index]
            size = min(last, ends[index]) - now
            start, to = stop - ends[index] + now, at + now - first
            if is_copy:
                before.append((to, start, start + size))
            else:
                state[to : to + size] = delta.data[start : start + size]
            now, index = now + size, index + 1
    return before


class Splicer:
    """Collects copies and inserts into the fewest splices."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._splices: list[Splice] = []
        self._start = self._stop = 0
        self._inserts: list[bytes] = []

    def copy(self, start: int, stop: int) -> None:
        """Take a range of the old state."""
        if start == stop:
            return
        if self._inserts or start != self._stop:
            self._close()
            self._start = start
        self._stop = stop

    def insert(self, *texts: bytes) -> None:
        """Add new bytes."""
        self._inserts.extend(texts)

    def splices(self) -> list[Splice]:
        """Return what was collected."""
        self._close()
        return self._splices

    def _close(self) -> None:
        """End the present splice, if there is anything in it."""
        if self._inserts or self._stop > self._start:
            self._splices.append(Splice(self._start, self._stop, b"".join(self._inserts)))
        self._start = self._stop
        self._inserts = []
