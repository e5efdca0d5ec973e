"""Rounds: every peer does the same step, one after the other, before any does the next.

Who begins moves on by one each round, so that nobody always follows the same neighbour. A peer
that fails or gives a wrong answer is out.
"""

from __future__ import annotations

import contextlib
import gc
import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks.context import Context
from benchmarks.peer import Peer, check
from benchmarks.peers import OWN, peer_class
from benchmarks.quartiles import Times
from benchmarks.turns import Turn

Expected = Callable[[int], dict[str, Any]]
"""Returns the document as it was after a turn."""


def save_in_rounds(
    context: Context,
    peers: Sequence[Peer],
    turns: Iterable[Turn],
    *,
    joining: dict[str, int] | None = None,
    spent: Counter[str] | None = None,
) -> dict[str, Times]:
    """Save every turn with every peer and return the times.

    *joining* says with which turn a peer joins, if not with the first. It then saves all there is
    at once, which does not count. A peer that takes too long leaves; *spent* is the time that peers
    have taken before.
    """
    times: dict[str, Times] = {peer.name: {} for peer in peers}
    spent = Counter() if spent is None else spent
    enough = context.sizes.save_seconds * 1e9
    first = joining or {}
    for turn in turns:
        for peer in rotated(context.sound(peers), turn.number):
            joined = first.get(peer.name, 0)
            with context.trying(peer):
                if turn.number > joined or not joined:
                    start = time.perf_counter_ns()
                    peer.save(turn)
                    times[peer.name][turn.number] = time.perf_counter_ns() - start
                    spent[peer.name] += times[peer.name][turn.number]
                elif turn.number == joined:
                    peer.save(replace(turn, new=list(turn.document["messages"])))
            if spent[peer.name] > enough and peer.name not in OWN:
                context.leave(peer, f"too slow: left after {turn.number + 1} saves")
    return times


def load_in_rounds(
    context: Context,
    peers: Sequence[Peer],
    id: str,
    numbers: Sequence[int | None],
    *,
    newest: int,
    expected: Expected,
) -> dict[str, Times]:
    """Load these versions with every peer, checking each answer; None is the newest."""
    times: dict[str, Times] = {peer.name: {} for peer in peers}
    loaded: Any = None
    for turn, number in enumerate(numbers):
        wanted = expected(newest if number is None else number)
        for peer in rotated(context.sound(peers), turn):
            loaded = None  # Or letting go of it would count for whoever comes next.
            gc.collect()
            with context.trying(peer):
                start = time.perf_counter_ns()
                loaded = peer.load(id, number)
                times[peer.name][turn] = time.perf_counter_ns() - start
                check(peer, loaded, wanted)
    return times


def reopen_in_rounds(
    context: Context,
    peers: Sequence[Peer],
    folder: Path,
    id: str,
    rounds: int,
    *,
    expected: dict[str, Any],
) -> dict[str, Times]:
    """Open what was closed, load the newest, close: the times of opening and loading."""
    times: dict[str, Times] = {peer.name: {} for peer in peers}
    for number in range(rounds):
        for peer in rotated(context.sound(peers), number):
            with context.trying(peer):
                start = time.perf_counter_ns()
                with contextlib.closing(peer_class(peer.name)(folder / peer.name)) as again:
                    loaded = again.load(id)
                    times[peer.name][number] = time.perf_counter_ns() - start
                    check(again, loaded, expected)
    return times


def some_versions(count: int, among: int, seed: int = 7) -> list[int]:
    """Return *count* version numbers drawn from the first *among*."""
    noise = random.Random(seed)
    return [noise.randrange(among) for _ in range(count)]


def rotated(peers: Sequence[Peer], by: int) -> list[Peer]:
    """Return the peers in their order, another one first."""
    start = by % len(peers) if peers else 0
    return [*peers[start:], *peers[:start]]
