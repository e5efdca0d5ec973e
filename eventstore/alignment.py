"""Alignment: which items of two sequences belong together, in n log n steps whatever they are."""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Sequence
from itertools import count
from typing import Any

Pair = tuple[int | None, int | None]
"""An index in the old and one in the new sequence; None where there is nothing to pair."""


def aligned(old: Sequence[Any], new: Sequence[Any]) -> list[tuple[int, int]]:
    """Return pairs of indexes of equal items, both ascending; items must be hashable.

    The first of several equal items is paired with the first, the second with the second.
    """
    places = defaultdict(list)
    for place in range(len(old) - 1, -1, -1):
        places[old[place]].append(place)
    found = [(places[item].pop(), at) for at, item in enumerate(new) if places.get(item)]
    return _rising(found)


def script(old: Sequence[Any], new: Sequence[Any]) -> list[Pair]:
    """Return the way from *old* to *new*: pairs of equal items, removals and additions, in order.

    What both begin and end with is left out.
    """
    head = next((i for i, x, y in zip(count(), old, new) if x != y), min(len(old), len(new)))
    room = min(len(old), len(new)) - head
    ends = zip(range(room), reversed(old), reversed(new), strict=False)
    tail = next((i for i, x, y in ends if x != y), room)
    old, new = old[head : len(old) - tail], new[head : len(new) - tail]
    steps: list[Pair] = []
    at = to = 0
    for place, other in [*aligned(old, new), (len(old), len(new))]:
        steps += [(head + i, None) for i in range(at, place)]
        steps += [(None, head + j) for j in range(to, other)]
        if place < len(old):
            steps.append((head + place, head + other))
        at, to = place + 1, other + 1
    return steps


def _rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return a longest run of pairs whose first numbers rise, as the second do already."""
    lows: list[int] = []
    last: list[int] = []
    before: list[int] = []
    for at, (place, _) in enumerate(pairs):
        length = bisect_left(lows, place)
        before.append(last[length - 1] if length else -1)
        if length == len(lows):
            lows.append(place)
            last.append(at)
        else:
            lows[length], last[length] = place, at
    found = []
    at = last[-1] if last else -1
    while at >= 0:
        found.append(pairs[at])
        at = before[at]
    return found[::-1]
