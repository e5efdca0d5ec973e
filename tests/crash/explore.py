"""Crash a simulated store in many ways and print what was seen.

    python -m tests.crash.explore                        how many crash states, and how fast
    python -m tests.crash.explore --states 1000000       more of them
    python -m tests.crash.explore --seed 123             one life, with its trace
    python -m tests.crash.explore --seed 123 --step 45 --image 6    one crash of it

A crash state is one image that a crash can leave of the whole disk at one moment, held against what
had been promised by that moment. The logs on it are recovered by the library itself; a log of
the same bytes is recovered once, however many images have it.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from itertools import count

from tests.crash.explorer import Plan, Report, World
from tests.crash.index_lives import index_lives
from tests.crash.recovery import Recovery

_BATCH = 10


def lives(first: int, number: int, plan: Plan | None = None) -> Report:
    """Live through some seeds, one after the other."""
    report, recovery = Report(), Recovery()
    with recovery.quick():
        for seed in range(first, first + number):
            report.add(World(seed, recovery, plan or Plan()).live())
    return report


def lives_until(states: int, first: int) -> Report:
    """Live through seeds from *first* on until so many crash states were explored."""
    report, recovery = Report(), Recovery()
    with recovery.quick():
        for seed in count(first):
            if report.states >= states or report.violations:
                return report
            report.add(World(seed, recovery, Plan()).live())
    return report


def many_lives(states: int, workers: int, first: int = 0) -> Report:
    """Live through seeds in several processes until so many crash states were explored."""
    report = Report()
    with ProcessPoolExecutor(workers) as pool:
        seeds = count(first, _BATCH)
        waiting = {pool.submit(lives, next(seeds), _BATCH) for _ in range(workers)}
        while waiting:
            done, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                report.add(future.result())
            if report.states < states and not report.violations:
                waiting |= {pool.submit(lives, next(seeds), _BATCH) for _ in done}
    return report


def replay(seed: int, step: int | None, image: int | None) -> int:
    """Live one life again, showing its calls and the promise it breaks."""
    recovery = Recovery()
    with recovery.quick():
        world = World(seed, recovery, Plan(), step=step, image=image)
        report = world.live()
    print("\n".join(world.trace))
    print("\n".join(report.violations) or "no promise is broken")
    return 1 if report.violations else 0


def numbers(states: int, workers: int) -> tuple[list[tuple[str, str]], list[str]]:
    """Explore so many crash states; return what there is to print, and what was broken."""
    began = time.perf_counter()
    report = many_lives(states, workers)
    seconds = time.perf_counter() - began
    logging.disable(logging.WARNING)  # That an index is made anew is what is wanted here.
    index = index_lives(range(20))
    logging.disable(logging.NOTSET)
    rows = [
        ("crash states explored", f"{report.states}"),
        ("  per second", f"{report.states / seconds:.0f}  ({workers} processes)"),
        ("  images unlike each other", f"{report.images}"),
        ("  stores recovered", f"{report.runs}"),
        ("  calls crashed after", f"{report.steps}"),
        ("  lives, generations", f"{report.lives} {report.generations}"),
        ("  calls made to fail", f"{report.faults}"),
        ("  bits flipped at rest", f"{report.flips}"),
        ("index states repaired", f"{index.states}"),
    ]
    return rows, [*report.violations, *index.violations]


def told(rows: list[tuple[str, str]], violations: list[str]) -> None:
    """Print rows, and the violations with their number."""
    for name, value in [*rows, ("violations", f"{len(violations)}")]:
        number, _, rest = value.partition(" ")
        print(f"{name:<28}{number:>9} {rest}".rstrip())
    for violation in violations:
        print(violation)


def main() -> int:
    """Read the arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.explore", description=__doc__)
    parser.add_argument("--seed", type=int, help="live this life only, and show it")
    parser.add_argument("--step", type=int, help="look only at crashes after this call")
    parser.add_argument("--image", type=int, help="look only at this image of that step")
    parser.add_argument("--states", type=int, default=30_000, help="how many crash states")
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args()
    if given.seed is not None:
        return replay(given.seed, given.step, given.image)
    rows, violations = numbers(given.states, given.workers)
    told(rows, violations)
    return int(bool(violations))


if __name__ == "__main__":
    sys.exit(main())
