"""*many*: small sessions, every save a new one, by one thread and by several.

Peers take turns by blocks of sessions; a block is timed from its first save to its last.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import cache
from typing import Any

from benchmarks import table
from benchmarks.context import Context
from benchmarks.grown import summed_up
from benchmarks.peer import Peer, check
from benchmarks.quartiles import Times
from benchmarks.rounds import rotated
from benchmarks.turns import MadeSession, Turn

_KINDS = 16
_CHECKED = 20


def run(context: Context) -> dict[str, Any]:
    """Save with each number of threads."""
    found = {}
    for threads in context.sizes.threads:
        times, saved = measure(context, threads)
        found[str(threads)] = {"block": summed_up(times), "saved": saved}
        context.say("\n".join(_lines_of(str(threads), found[str(threads)])))
    return found


def measure(context: Context, threads: int) -> tuple[dict[str, Times], dict[str, int]]:
    """Return the times of blocks, and how many sessions each peer saved."""
    sizes = context.sizes
    times: dict[str, Times] = {}
    saved: dict[str, int] = {}
    with (
        context.scratch("many") as folder,
        context.opened(folder, lambda kind: kind.has_threads or threads == 1) as peers,
        ThreadPoolExecutor(threads) as pool,
    ):
        for block, start in enumerate(range(0, sizes.many, sizes.block)):
            turns = list(small_sessions(start, start + sizes.block))
            for peer in rotated(_unfinished(context, peers, times), block):
                with context.trying(peer):
                    times.setdefault(peer.name, {})[block] = _timed(pool, threads, peer, turns)
                    saved[peer.name] = start + sizes.block
        for peer in context.sound(peers):
            count = saved[peer.name]
            with context.trying(peer):
                for number in range(0, count, max(1, count // _CHECKED)):
                    (turn,) = small_sessions(number, number + 1)
                    check(peer, peer.load(turn.id), turn.document)
    return times, saved


def _unfinished(context: Context, peers: Sequence[Peer], times: dict[str, Times]) -> list[Peer]:
    """Return the peers that have not yet been at it for long enough."""
    enough = context.sizes.many_seconds * 1e9
    return [p for p in context.sound(peers) if sum(times.get(p.name, {}).values()) < enough]


def small_sessions(start: int, stop: int) -> Iterator[Turn]:
    """Yield the only turns of small sessions, each under an id of its own."""
    for number in range(start, stop):
        kind = _kind(number % _KINDS)
        id = f"session-{number:06}"
        model = kind.model.model_copy(update={"id": id})
        yield replace(kind, id=id, document=kind.document | {"id": id}, model=model)


@cache
def _kind(seed: int) -> Turn:
    """Return what sessions say."""
    return next(MadeSession("kind", 1, seed, lines=6).turns())


def _timed(pool: ThreadPoolExecutor, threads: int, peer: Peer, turns: Sequence[Turn]) -> int:
    """Save sessions with that many threads and return how long all of them took."""

    def work(mine: Sequence[Turn]) -> None:
        for turn in mine:
            peer.save(turn)

    if threads == 1:
        start = time.perf_counter_ns()
        work(turns)
        return time.perf_counter_ns() - start
    shares = [turns[at::threads] for at in range(threads)]
    start = time.perf_counter_ns()
    _all_of(pool.map(work, shares))
    return time.perf_counter_ns() - start


def _all_of(results: Iterator[None]) -> None:
    """Wait for every thread; what one of them raised is raised here."""
    for _ in results:
        continue


def lines(found: dict[str, Any]) -> list[str]:
    """Return the tables."""
    return [line for threads, one in found.items() for line in _lines_of(threads, one)]


def _lines_of(threads: str, one: dict[str, Any]) -> list[str]:
    """Return the table of one number of threads."""
    return table.against_ours(f"many, {threads} threads, time for a block", one["block"])
