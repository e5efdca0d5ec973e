"""A grown session: one session saved turn by turn by all peers, and everything asked of it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from pydantic_core import to_json

from benchmarks.context import Context
from benchmarks.peer import Peer
from benchmarks.peers import FILE, FILE_DICT, OURS, OURS_DICT
from benchmarks.quartiles import Times, microseconds, ratio
from benchmarks.rounds import load_in_rounds, reopen_in_rounds, save_in_rounds, some_versions
from benchmarks.turns import MadeSession

LATE = 60
"""How many turns a peer saves that joins late."""

_LATE_COMERS = {OURS_DICT, FILE, FILE_DICT}
"""Those that may join late: how long a save takes does not depend on the saves before."""

_TAIL = 50


@dataclass
class Grown:
    """What was measured: times by peer of saves, of loads, and the bytes they left."""

    turns: int
    saves: dict[str, Times]
    joined: dict[str, int]
    loads: dict[str, Times] = field(default_factory=dict)
    versions: dict[str, Times] = field(default_factory=dict)
    newest: dict[str, Times] = field(default_factory=dict)
    """Loads of the newest version, each just before that of another."""
    reopened: dict[str, Times] = field(default_factory=dict)
    sizes: dict[str, int] = field(default_factory=dict)
    pretty_size: int = 0
    compact_size: int = 0

    left: dict[str, str] = field(default_factory=dict)

    @property
    def tail(self) -> dict[str, Times]:
        """The saves that count: the last tenth, or in a short session all but the first."""
        first = max(1, self.turns - max(_TAIL, self.turns // 10))
        return {
            n: {r: t for r, t in times.items() if r >= first} for n, times in self.saves.items()
        }


def grow(context: Context, turns: int) -> Grown:
    """Grow a session with every peer of the context and ask everything of it."""
    sizes = context.sizes
    session = MadeSession("bench", turns)
    late = turns - LATE if turns > sizes.whole_max else 0

    def is_wanted(kind: type[Peer]) -> bool:
        may_be_late = kind.name in _LATE_COMERS
        return not kind.is_for_threads and (not late or not kind.is_whole or may_be_late)

    context.left.clear()
    with context.scratch("grow") as folder:
        with context.opened(folder, is_wanted) as peers:
            joined = {peer.name: late if peer.is_whole else 0 for peer in peers}
            saves = save_in_rounds(context, peers, session.turns(), joining=joined)
            grown = Grown(turns, saves, joined)
            asked = [peer for peer in context.sound(peers) if peer.keeps != "nothing"]
            old = [peer for peer in asked if peer.has_versions and not joined[peer.name]]
            last, numbers = turns - 1, some_versions(sizes.loads, turns)
            grown.loads = load_in_rounds(
                context, asked, session.id, [None] * sizes.loads,
                newest=last, expected=session.expected,
            )  # fmt: skip
            pairs = [number for other in numbers for number in (None, other)]
            both = load_in_rounds(
                context, old, session.id, pairs, newest=last, expected=session.expected
            )
            grown.newest, grown.versions = _halves(both)
        sound = context.sound(peers)
        grown.sizes = {p.name: p.size(folder / p.name) for p in sound if not joined[p.name]}
        document = session.expected(last)
        grown.reopened = reopen_in_rounds(
            context, context.sound(asked), folder, session.id, sizes.reopens, expected=document
        )
    grown.left = dict(context.left)
    context.left.clear()
    grown.pretty_size = len(to_json(document, indent=2))
    grown.compact_size = len(to_json(document))
    return grown


def _halves(times: dict[str, Times]) -> tuple[dict[str, Times], dict[str, Times]]:
    """Return the times of even and of odd rounds, both numbered by their pair."""
    even, odd = (
        {n: {r // 2: t for r, t in own.items() if r % 2 == half} for n, own in times.items()}
        for half in (0, 1)
    )
    return even, odd


def summed_up(times: dict[str, Times]) -> dict[str, Any]:
    """Return quartiles by peer, and what ours is of each, ratios being ours divided by theirs."""
    found: dict[str, Any] = {}
    for name, own in times.items():
        if own:
            found[name] = microseconds(own)
            if OURS in times and times[OURS].keys() & own.keys():
                found[name]["ours_to_it"] = ratio(times[OURS], own)
    return found
