"""The figures to reach: a handful of ratios, each with its target and whether it is met.

They are measured on their own, beside no more peers than each needs.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks import memory
from benchmarks.context import Context
from benchmarks.corpus import read_all
from benchmarks.grown import LATE, Grown, grow
from benchmarks.peers import (
    FILE,
    FILE_DICT,
    FLOOR,
    FLOOR_ZEROED,
    LEAST_LOG,
    LEAST_NEW_FILES,
    NEW_FILES,
    NEW_FILES_AND_MEMORY,
    OURS,
    OURS_DICT,
    OURS_GROUP,
)
from benchmarks.quartiles import Times, ratio, rounded, shown
from benchmarks.rounds import save_in_rounds, some_versions
from benchmarks.turns import MadeSession, Turn
from benchmarks.workloads import listing, many
from benchmarks.workloads.real import import_size

_SHORT = 10
_LISTED = 100_000


@dataclass(frozen=True)
class Figure:
    """A ratio that was measured and what it should be; `measured` is None where it cannot be."""

    figure: str
    target: str
    measured: dict[str, Any] | None
    is_met: bool | None
    note: str = ""


def at_most(figure: str, target: float, measured: dict[str, Any], note: str = "") -> Figure:
    """Return a figure that should not be larger than *target*."""
    return Figure(figure, f"<= {target}", measured, measured["ratio"] <= target, note)


def at_least(figure: str, target: float, measured: dict[str, Any], note: str = "") -> Figure:
    """Return a figure that should not be smaller than *target*."""
    return Figure(figure, f">= {target}", measured, measured["ratio"] >= target, note)


def told(figure: str, measured: dict[str, Any], note: str = "") -> Figure:
    """Return a figure without a target, which helps to read another."""
    return Figure(figure, "", measured, None, note)


def absent(figure: str, target: str, reason: str) -> Figure:
    """Return a figure that cannot be measured here."""
    return Figure(figure, target, None, None, reason)


def run(context: Context) -> dict[str, Any]:
    """Measure every figure, and say each as soon as it is known."""
    found = []
    measures = (
        _beside_the_floor,
        _of_one_session,
        _of_length,
        _of_the_corpus,
        _of_many,
        _of_lists,
        _of_memory,
    )
    for measure in measures:
        for figure in measure(context):
            found.append(asdict(figure))
            context.say(_line_of(found[-1]))
    return {"figures": found}


def _beside_the_floor(context: Context) -> Iterator[Figure]:
    """Measure saves of one session while nothing but the floor takes turns with them."""
    count = context.sizes.grown
    figure = f"save of models at {count} turns / floor, the two alone"
    times = _late(context.only(OURS, FLOOR), count // 5)
    yield at_most(figure, 1.3, ratio(times[OURS], times[FLOOR]), "the last fifth of the saves")
    times = _late(context.only(LEAST_LOG, FLOOR), count // 5)
    yield told("the least that such a save computes / floor", _to_floor(times))
    beside = (FLOOR_ZEROED, OURS_DICT, FILE, FILE_DICT)
    times = _late(context.only(LEAST_LOG, FLOOR, *beside), LATE - 10)
    yield told(f"the same, beside {len(beside)} more", _to_floor(times))


def _to_floor(times: dict[str, Times]) -> dict[str, Any]:
    """Return what the least that a save computes is of the floor."""
    return ratio(times[LEAST_LOG], times[FLOOR])


def _late(context: Context, last: int) -> dict[str, Times]:
    """Return the times of the *last* saves of a session that grows, of the peers of a context."""
    count = context.sizes.grown
    late = dict.fromkeys((OURS_DICT, FILE, FILE_DICT), max(0, count - LATE))
    turns = MadeSession("bench", count).turns()
    with context.scratch("floor") as folder, context.opened(folder) as peers:
        times = save_in_rounds(context, peers, turns, joining=late)
    first = max(1, count - max(1, last))
    return {name: {at: own[at] for at in own if at >= first} for name, own in times.items()}


def _of_one_session(context: Context) -> Iterator[Figure]:
    """Measure saves, loads and bytes of one session that grows."""
    turns = context.sizes.grown
    peers = (OURS, OURS_DICT, FLOOR, FLOOR_ZEROED, FILE, FILE_DICT)
    grown = grow(context.only(*peers), turns)
    saves = grown.tail
    at = f"at {turns} turns"
    others = f"beside {len(peers) - 2} more"
    floor = ratio(saves[OURS], saves[FLOOR])
    yield at_most(f"save of models {at} / floor, {others}", 1.3, floor)
    zeroed = ratio(saves[OURS], saves[FLOOR_ZEROED])
    yield told(f"save of models {at} / floor over zeros, {others}", zeroed)
    yield at_most(
        f"save of a dict {at} / file store, dict", 1.0, ratio(saves[OURS_DICT], saves[FILE_DICT])
    )
    yield told(f"save of models {at} / file store, models", ratio(saves[OURS], saves[FILE]))
    yield at_most(
        f"whole history {at} / last state as pretty JSON",
        0.35,
        _exact(grown.sizes[OURS] / grown.pretty_size),
        "bytes of the whole store, index included",
    )
    yield from _of_loads(grown, at)


def _of_loads(grown: Grown, at: str) -> Iterator[Figure]:
    """Measure loads of the newest and of random versions."""
    loads = grown.loads
    models, dicts = ratio(loads[OURS], loads[FILE]), ratio(loads[OURS_DICT], loads[FILE_DICT])
    yield at_most(f"load newest {at} / file store, models", 1.0, models)
    yield at_most(f"load newest {at} / file store, dicts", 1.0, dicts)
    newest = grown.newest[OURS]
    any_version = ratio(grown.versions[OURS], newest)
    yield at_most(
        "load any version / load newest", 1.5, any_version, "an early version is small, too"
    )
    # What a load costs grows with the state, so each version counts against its own size.
    numbers = some_versions(len(newest), grown.turns)
    by_size = {
        at: round(time * grown.turns / (numbers[at] + 1))
        for at, time in grown.versions[OURS].items()
        if numbers[at] >= grown.turns // 10
    }
    yield told("the same, for each byte of state", ratio(by_size, newest))


def _of_length(context: Context) -> Iterator[Figure]:
    """Measure saves at the end of a long session beside saves of short ones."""
    long = context.sizes.long
    long_times: Times = {}
    short_times: Times = {}
    first = long - long // 10
    with context.scratch("length") as folder, context.only(OURS).opened(folder) as (store,):
        short = _short_turns()
        for turn in MadeSession("long", long).turns():
            # Making the long turn empties the caches, which whoever comes first has to fill again.
            is_counted, is_second = turn.number >= first, turn.number % 2 == 1
            if is_counted and is_second:
                short_times[turn.number] = _timed_short(store, short)
            start = time.perf_counter_ns()
            store.save(turn)
            if is_counted:
                long_times[turn.number] = time.perf_counter_ns() - start
            if is_counted and not is_second:
                short_times[turn.number] = _timed_short(store, short)
    yield at_most(
        f"save at {long} turns / at {_SHORT} turns",
        1.3,
        ratio(long_times, short_times),
        f"short: turns {_SHORT // 2 + 1} to {_SHORT} of sessions in the same store; taking turns",
    )


def _short_turns() -> Iterator[Turn]:
    """Yield the turns of one short session after the other."""
    seed = 1000
    while True:
        seed += 1
        yield from MadeSession(f"short-{seed}", _SHORT, seed).turns()


def _timed_short(store: Any, turns: Iterator[Turn]) -> int:
    """Save turns until one is in the second half of its session, and return how long it took."""
    for turn in turns:
        start = time.perf_counter_ns()
        store.save(turn)
        spent = time.perf_counter_ns() - start
        if turn.number >= _SHORT // 2:
            return spent
    raise AssertionError("there are always more short sessions")


def _of_the_corpus(context: Context) -> Iterator[Figure]:
    """Measure the bytes of all histories of the corpus."""
    figure, target = "corpus, all histories / last states as compact JSON", 0.55
    replays = read_all(context.corpus, context.sizes.corpus_states_max)
    if not replays:
        yield absent(figure, f"<= {target}", "the folder of real sessions is not here")
        return
    with context.scratch("corpus") as folder:
        size = import_size(folder / "import", replays)
        logs = sum(path.stat().st_size for path in folder.rglob("*.log"))
    last = sum(replay.last_size for replay in replays)
    yield at_most(figure, target, _exact(size / last), f"{len(replays)} sessions, index included")
    yield told("the same, logs alone", _exact(logs / last))


def _of_many(context: Context) -> Iterator[Figure]:
    """Measure saves of new sessions by several threads."""
    threads = max(context.sizes.threads)
    peers = (OURS, OURS_GROUP, FILE, NEW_FILES, NEW_FILES_AND_MEMORY, LEAST_NEW_FILES)
    times, _ = many.measure(context.only(*peers), threads)
    title = f"many, {threads} threads, saves a second / file store"
    # Blocks are of one size, so the times upside down are the rates.
    yield at_least(f'{title}, durability="sync"', 0.7, ratio(times[FILE], times[OURS]))
    group = f'{title}, durability="group"'
    if OURS_GROUP in times:
        yield at_least(group, 1.0, ratio(times[FILE], times[OURS_GROUP]))
    else:
        yield absent(group, ">= 1.0", context.missing[OURS_GROUP])
    bare = ratio(times[FILE], times[NEW_FILES])
    yield told(f"{title}, the system calls of ours alone", bare)
    computed = ratio(times[FILE], times[NEW_FILES_AND_MEMORY])
    yield told(f"{title}, those and a save in memory", computed)
    least = ratio(times[FILE], times[LEAST_NEW_FILES])
    yield told(f"{title}, those and the least that a save computes", least)


def _of_lists(context: Context) -> Iterator[Figure]:
    """Measure the list of the newest sessions."""
    count = min(_LISTED, max(context.sizes.listed))
    found = listing.measure(context, count)
    yield at_most(f"50 newest of {count} sessions / SQLite", 2.0, found["list"]["ratio"])
    yield told("the same after a save", found["list_after_a_save"]["ratio"])


def _of_memory(context: Context) -> Iterator[Figure]:
    """Measure how much the process grows during a save."""
    figure, target = "peak memory of a save / size of the state", 4
    found = memory.measure(context, context.sizes.grown)
    if found is None:
        yield absent(figure, f"<= {target}", "the system does not tell the high-water mark")
        return
    worst = max(found, key=lambda case: found[case])
    cases = "; ".join(f"{case}: {value}" for case, value in found.items())
    yield at_most(figure, target, _exact(found[worst]), f"the worst of {cases}")


def _exact(value: float) -> dict[str, Any]:
    """Return a ratio that has no spread."""
    return rounded(value, value, value, 1)


def lines(found: dict[str, Any]) -> list[str]:
    """Return the table."""
    return ["figure · target · measured (quartiles) · met?"] + [
        _line_of(figure) for figure in found["figures"]
    ]


def _line_of(figure: dict[str, Any]) -> str:
    """Return one line of the table."""
    measured = figure["measured"]
    said = "-" if measured is None else shown(measured)
    met = {True: "yes", False: "NO", None: ""}[figure["is_met"]]
    note = f"  [{figure['note']}]" if figure["note"] else ""
    return f"{figure['figure']:<66}{figure['target']:>8}{said:>26}{met:>5}{note}"
