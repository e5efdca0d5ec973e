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
from typing import NamedTuple

from eventstore.errors import CorruptError
from eventstore.leb128 import numbers, put

_RANGES_MAX = 1_000_000


class Splice(NamedTuple):
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

    @property
    def size(self) -> int:
        """Bytes of the new state."""
        return self.ends[-1] if self.ends else 0


def encode_delta(splices: Iterable[Splice]) -> bytes:
    """Return the bytes of a delta."""
    fields, inserts = [0], []
    end = 0
    for start, stop, insert in splices:
        skip = start - end
        fields += (skip << 1 if skip >= 0 else (-skip << 1) - 1, stop - start, len(insert))
        inserts.append(insert)
        end = stop
    fields[0] = len(inserts)
    head = bytearray()
    put(head, *fields)
    return b"".join((head, *inserts))


def decode_delta(data: bytes, first: int = 0, stop: int | None = None) -> Delta:
    """Return the splices of the delta at *first* to *stop* in *data*.

    Raises `CorruptError` for anything malformed.
    """
    stop = len(data) if stop is None else stop
    try:
        (count,), at = numbers(data, first, 1)
        fields, at = numbers(data, at, 3 * count)
    except (IndexError, OverflowError):
        raise CorruptError("a delta is cut short or holds a number that is too large") from None
    pieces, ends = [], []
    made = start = 0
    for index in range(0, len(fields), 3):
        code, copied, size = fields[index : index + 3]
        start += -((code + 1) >> 1) if code & 1 else code >> 1
        if start < 0:
            raise CorruptError("a delta copies from before its state")
        if copied:
            made += copied
            pieces.append((start, start + copied, True))
            ends.append(made)
            start += copied
        if size:
            made += size
            pieces.append((at, at + size, False))
            ends.append(made)
            at += size
    if at != stop:
        raise CorruptError("a delta's inserts contradict its splices")
    return Delta(pieces, ends, data)


def fold(base: bytes, deltas: Sequence[Delta], size: int, size_max: int) -> bytes:
    """Return the *size* bytes that *deltas*, in order, make of *base*.

    Raises `CorruptError` where they do not fit each other, or where a state in between that has to
    be made is larger than *size_max*.
    """
    unwound = _unwound(deltas, size)
    if unwound is None:
        middle = len(deltas) // 2
        between = deltas[middle - 1].size
        if between > size_max:
            raise CorruptError(f"a state claims {between} bytes, more than the limit allows")
        base = fold(base, deltas[:middle], between, size_max)
        return fold(base, deltas[middle:], size, size_max)
    found, wanted = unwound
    text = memoryview(base)
    for at, start, stop in wanted:
        if stop > len(base):
            raise CorruptError("a delta copies from beyond its state")
        found[at] = text[start:stop]
    return b"".join([found[at] for at in sorted(found)])


def compose(deltas: Sequence[Delta], size: int) -> list[Splice] | None:
    """Return the splices that do at once what *deltas*, in order, do to make *size* bytes.

    None if those are too many. Raises `CorruptError` where they do not fit each other.
    """
    unwound = _unwound(deltas, size)
    if unwound is None:
        return None
    found, wanted = unwound
    out, copies = Splicer(), {at: (start, stop) for at, start, stop in wanted}
    for at in sorted([*found, *copies]):
        if at in copies:
            out.copy(*copies[at])
        else:
            out.insert(bytes(found[at]))
    return out.splices()


def _unwound(
    deltas: Sequence[Delta], size: int
) -> tuple[dict[int, memoryview], list[tuple[int, int, int]]] | None:
    """Return what *deltas* insert, by its offset, and what they want of the state before them.

    Wanted ranges are (offset in the state to be made, start, stop). None if several deltas need
    too many of them; a single one needs no more than it has pieces.
    """
    found: dict[int, memoryview] = {}
    wanted = [(0, 0, size)] if size else []
    for delta in reversed(deltas):
        wanted = _before(delta, wanted, found)
        if len(wanted) + len(found) > _RANGES_MAX and len(deltas) > 1:
            return None
    return found, wanted


def _before(
    delta: Delta, wanted: list[tuple[int, int, int]], found: dict[int, memoryview]
) -> list[tuple[int, int, int]]:
    """Put what *delta* inserted into *found*; return what is wanted of the state before it.

    Wanted ranges are (offset in the state to be made, start, stop).
    """
    text = memoryview(delta.data)
    before: list[tuple[int, int, int]] = []
    ends, pieces = delta.ends, delta.pieces
    for to, first, last in wanted:
        if not ends or last > ends[-1]:
            raise CorruptError("a delta makes a shorter state than it should")
        index, at, now = bisect_right(ends, first), to, first
        while now < last:
            end = ends[index]
            _, stop, is_copy = pieces[index]
            size = (last if last < end else end) - now
            start = stop - end + now
            if is_copy:
                before.append((at, start, start + size))
            else:
                found[at] = text[start : start + size]
            at += size
            now += size
            index += 1
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
