"""*grow*, *history* and *reopen*: one session saved each turn, then read in every way.

*history* loads random versions, *reopen* opens the store again and loads; both ask what *grow*
has left.
"""

from __future__ import annotations

from typing import Any

from benchmarks import table
from benchmarks.context import Context
from benchmarks.grown import Grown, grow, summed_up


def run(context: Context) -> dict[str, Any]:
    """Grow a session to each number of turns."""
    found = {}
    for turns in context.sizes.turns:
        found[str(turns)] = described(grow(context, turns))
        context.say("\n".join(_lines_of(str(turns), found[str(turns)])))
    return found


def described(grown: Grown) -> dict[str, Any]:
    """Return what is kept of a grown session."""
    return {
        "save": summed_up(grown.tail),
        "load": summed_up(grown.loads),
        "history": summed_up(grown.versions),
        "reopen": summed_up(grown.reopened),
        "bytes": grown.sizes,
        "pretty_bytes": grown.pretty_size,
        "compact_bytes": grown.compact_size,
        "joined": {name: turn for name, turn in grown.joined.items() if turn},
        "left": grown.left,
    }


def lines(found: dict[str, Any]) -> list[str]:
    """Return the tables."""
    return [line for turns, one in found.items() for line in _lines_of(turns, one)]


def _lines_of(turns: str, one: dict[str, Any]) -> list[str]:
    """Return the tables of one number of turns."""
    said = []
    for what in ("save", "load", "history", "reopen"):
        said += table.against_ours(f"grow {turns}, {what}", one[what])
    title = f"grow {turns}, bytes on disk of the whole history / last state as pretty JSON"
    return said + table.sizes(title, one["bytes"], one["pretty_bytes"])
