"""What two texts have in common at their ends."""

from __future__ import annotations

_SLICE = 64 * 1024


def common_prefix(one: bytes, other: bytes) -> int:
    """Return how many bytes two texts begin with in common."""
    size, at = min(len(one), len(other)), 0
    # Slice by slice, because a copy of a large text for each comparison takes too much memory.
    while at < size and one[at : at + _SLICE] == other[at : at + _SLICE]:
        at += _SLICE
    low, high = at, min(at + _SLICE, size)
    while low < high:
        middle = (low + high + 1) // 2
        if one[low:middle] == other[low:middle]:
            low = middle
        else:
            high = middle - 1
    return min(low, size)


def common_suffix(one: bytes, other: bytes, room: int) -> int:
    """Return how many bytes, at most *room*, two texts end with in common."""
    size = kept = 0
    ends = len(one), len(other)
    while kept < room:
        size = min(_SLICE, room - kept)
        last, end = (
            text[n - kept - size : n - kept] for text, n in zip((one, other), ends, strict=True)
        )
        if last != end:
            return kept + common_prefix(last[::-1], end[::-1])
        kept += size
    return kept
