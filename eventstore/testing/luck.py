"""What a power cut leaves of a file: for every sector that was being written, any of its pasts.

The size of the file is one that it had since its last sync. A sector that was written since is as
it was at any moment since, or the written bytes in it are zeros, or garbage. Bytes that
nobody wrote stay what they are: that is assumed of the medium, see `docs/promises.md`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from random import Random


@dataclass(frozen=True, slots=True)
class Write:
    """Bytes written at an offset."""

    offset: int
    data: bytes


@dataclass(frozen=True, slots=True)
class Truncate:
    """The file cut or extended to a size."""

    size: int


Change = Write | Truncate

# Always the same, so that what it makes of a file is recognised.
_GARBAGE = Random(0).randbytes(4096)
_FATES = ("old", "new", "any", "zeros", "garbage")
_MOODS: tuple[tuple[str, ...], ...] = (
    ("old", "new"),
    ("old", "new", "new", "new"),
    ("new", "new", "new", "zeros"),
    ("new", "new", "new", "garbage"),
    ("old", "any", "new"),
    _FATES,
)


class Luck:
    """What becomes of each thing that a power cut may keep or lose.

    Number 0 loses everything, 1 keeps everything; any other number throws dice.
    """

    def __init__(self, random: Random, number: int = 2) -> None:
        """Throw the dice of *random*."""
        self.random = random
        self._fixed = {0: "old", 1: "new"}.get(number)
        self._mood = random.choice(_MOODS)

    def keeps(self) -> bool:
        """Whether a change of names survives."""
        if self._fixed is not None:
            return self._fixed == "new"
        return self.random.random() < 0.5

    def fate(self) -> str:
        """Return what becomes of a sector."""
        return self._fixed or self.random.choice(self._mood)

    def size(self, sizes: Sequence[int]) -> int:
        """Return which of the sizes that a file had, oldest first, it has afterwards."""
        if self._fixed is not None:
            return sizes[0] if self._fixed == "old" else sizes[-1]
        # The newest is what makes everything else visible, so it comes more often.
        return sizes[-1] if self.random.random() < 0.6 else self.random.choice(sizes)


def applied(data: bytes, changes: Iterable[Change]) -> bytes:
    """Return *data* after the changes, in their order."""
    for change in changes:
        if isinstance(change, Write):
            end = change.offset + len(change.data)
            data = data[: change.offset].ljust(change.offset, b"\0") + change.data + data[end:]
        else:
            data = data[: change.size].ljust(change.size, b"\0")
    return data


def survivor(durable: bytes, pending: Sequence[Change], luck: Luck, sector_size: int) -> bytes:
    """Return what is left of a file with those changes pending."""
    return survivors(durable, pending, [luck], sector_size)[0]


def survivors(
    durable: bytes, pending: Sequence[Change], lucks: Iterable[Luck], sector_size: int
) -> list[bytes]:
    """Return what is left of a file with those changes pending, once for each luck."""
    pasts = [durable]
    for change in pending:
        pasts.append(applied(pasts[-1], [change]))
    return [_survivor(pasts, pending, luck, sector_size) for luck in lucks]


def _survivor(
    pasts: Sequence[bytes], pending: Sequence[Change], luck: Luck, sector_size: int
) -> bytes:
    """Return what is left of a file that had those pasts, from the durable one to the newest."""
    size = luck.size([len(past) for past in pasts])
    result = bytearray(pasts[0][:size].ljust(size, b"\0"))
    for start, stop in _sectors(pending, size, sector_size):
        fate = luck.fate()
        past = pasts[0] if fate == "old" else pasts[-1]
        if fate == "any":
            past = luck.random.choice(pasts)
        result[start:stop] = past[start:stop].ljust(stop - start, b"\0")
        if fate in ("zeros", "garbage"):
            _spoil(result, start, stop, pending, _GARBAGE if fate == "garbage" else b"")
    return bytes(result)


def _sectors(pending: Sequence[Change], size: int, sector_size: int) -> Iterable[tuple[int, int]]:
    """Return the sectors, within *size*, that were written or cut off since the last sync."""
    found: set[int] = set()
    for change in pending:
        if isinstance(change, Write):
            stop = min(size, change.offset + len(change.data))
            found.update(range(change.offset // sector_size, -(-stop // sector_size)))
        else:
            found.update(range(change.size // sector_size, -(-size // sector_size)))
    return [(n * sector_size, min(size, (n + 1) * sector_size)) for n in sorted(found)]


def _spoil(
    result: bytearray, start: int, stop: int, pending: Sequence[Change], garbage: bytes
) -> None:
    """Replace what was written between *start* and *stop* by *garbage*, or else by zeros."""
    for change in pending:
        if isinstance(change, Write):
            first, last = max(start, change.offset), min(stop, change.offset + len(change.data))
            if first < last:
                length = last - first
                repeated = garbage * (length // len(garbage) + 1) if garbage else b""
                result[first:last] = repeated[:length].ljust(length, b"\0")
