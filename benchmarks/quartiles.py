"""Quartiles: how a handful of measurements is summed up, and what they are against others."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

Times = dict[int, int]
"""Nanoseconds by round."""


def quartiles(values: Sequence[float]) -> list[float]:
    """Return the three quartiles of some values; of a single value, that value three times."""
    if len(values) == 1:
        return [values[0]] * 3
    return statistics.quantiles(values, n=4, method="inclusive")


def microseconds(times: Times) -> dict[str, Any]:
    """Return the quartiles of some times, in microseconds, and how many there are."""
    found = quartiles(list(times.values()))
    return {"us": [round(value / 1000, 1) for value in found], "count": len(times)}


def ratio(ours: Times, theirs: Times) -> dict[str, Any]:
    """Return the median of *ours* divided by that of *theirs*, of the rounds they have in common.

    `low` and `high` are the quartiles of ours over the same median; `paired` is the median of the
    ratios round by round, in which what a busy machine does to both of a pair cancels.
    """
    rounds = sorted(ours.keys() & theirs.keys())
    if not rounds:
        raise ValueError("the two have no round in common")
    low, middle, high = quartiles([ours[r] for r in rounds])
    theirs_middle = statistics.median(theirs[r] for r in rounds)
    found = rounded(middle / theirs_middle, low / theirs_middle, high / theirs_middle, len(rounds))
    paired = statistics.median(ours[r] / theirs[r] for r in rounds)
    return found | {"paired": float(f"{paired:.4g}")}


def rounded(middle: float, low: float, high: float, count: int) -> dict[str, Any]:
    """Return a ratio as it is kept: four significant digits."""
    middle, low, high = (float(f"{value:.4g}") for value in (middle, low, high))
    return {"ratio": middle, "low": low, "high": high, "count": count}


def shown(found: dict[str, Any]) -> str:
    """Return a ratio as people read it."""
    return f"{found['ratio']:.3g} ({found['low']:.3g}-{found['high']:.3g})"
