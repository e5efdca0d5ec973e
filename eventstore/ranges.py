"""Ranges: sets of version numbers, kept as runs, as people and programs read them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator


class Ranges:
    """Numbers, added in any order as long as they mostly rise."""

    def __init__(self) -> None:
        """Start with none."""
        self.runs: list[tuple[int, int]] = []

    @classmethod
    def of(cls, runs: Iterable[tuple[int, int]]) -> Ranges:
        """Return the numbers of some runs, in any order."""
        found = cls()
        for first, last in sorted(runs):
            found.add(first, last)
        return found

    def add(self, first: int, last: int | None = None) -> None:
        """Add one number, or all from *first* to *last*; nothing before the last run."""
        last = first if last is None else last
        if last < first:
            return
        if self.runs and first <= self.runs[-1][1] + 1:
            start, stop = self.runs[-1]
            self.runs[-1] = start, max(stop, last)
        else:
            self.runs.append((first, last))

    def without(self, other: Ranges) -> Ranges:
        """Return the numbers that are not in *other*."""
        left = self.runs
        for first, last in other:
            left = [
                (a, b)
                for start, stop in left
                for a, b in ((start, min(stop, first - 1)), (max(start, last + 1), stop))
                if a <= b
            ]
        return Ranges.of(left)

    def __len__(self) -> int:
        """Count the numbers."""
        return sum(last - first + 1 for first, last in self.runs)

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.runs)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """Yield the runs."""
        return iter(self.runs)

    def __str__(self) -> str:
        """Write `5-6, 9`."""
        return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in self.runs)
