"""Tables of results as people read them: ratios with quartiles, never times."""

from __future__ import annotations

from typing import Any

from benchmarks.quartiles import shown


def against_ours(title: str, found: dict[str, Any]) -> list[str]:
    """Return a line for each peer: our median divided by its, and the quartiles."""
    said = [f"{title}: eventstore / peer, medians (quartiles of ours)"]
    for name, one in found.items():
        if "ours_to_it" in one:
            said.append(f"  {name:<26}{shown(one['ours_to_it']):>26}")
    return said


def sizes(title: str, found: dict[str, int], whole: int) -> list[str]:
    """Return a line for each peer: its bytes divided by *whole*."""
    said = [title]
    said += [f"  {name:<26}{size / whole:>12.3g}" for name, size in found.items()]
    return said
