"""Crash a simulated store in many ways and print what was seen.

    python -m tests.crash.explore                        the numbers: states, mutants, fuzz cases
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
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from itertools import count

from tests.crash.explorer import Plan, Report, World
from tests.crash.index_lives import IndexReport, index_lives
from tests.crash.recovery import Recovery
from tests.fuzz.run import fuzz
from tests.mutants.hunt import hunt
from tests.mutants.protocols import MUTANTS

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
        seeds: Iterator[int] = count(first, _BATCH)
        while report.states < states and not report.violations:
            waiting = [pool.submit(lives, next(seeds), _BATCH) for _ in range(workers)]
            for future in waiting:
                report.add(future.result())
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


def numbers(states: int, workers: int) -> int:
    """Print all numbers; 1 if a promise was broken or a mutant survived."""
    began = time.perf_counter()
    report = many_lives(states, workers)
    seconds = time.perf_counter() - began
    print(f"crash states explored     {report.states:>9}")
    print(f"  per second              {report.states / seconds:>9.0f}  ({workers} processes)")
    print(f"  stores recovered        {report.runs:>9}")
    print(f"  calls crashed after     {report.steps:>9}")
    print(f"  lives, generations      {report.lives:>9} {report.generations}")
    print(f"  calls made to fail      {report.faults:>9}")
    print(f"  bits flipped at rest    {report.flips:>9}")
    logging.disable(logging.WARNING)  # That an index is made anew is what is wanted here.
    index = index_lives(range(20))
    logging.disable(logging.NOTSET)
    _print_index(index)
    survivors = [mutant for mutant in MUTANTS if hunt(mutant) is None]
    print(f"mutants killed            {len(MUTANTS) - len(survivors):>9} of {len(MUTANTS)}")
    for mutant in survivors:
        print(f"  survives: {mutant.name}")
    cases, escaped = fuzz(seconds=10)
    print(f"fuzz cases                {cases:>9}")
    violations = [*report.violations, *index.violations, *escaped]
    # Faults injected into real system calls, and power cuts of real disks, are counted elsewhere.
    print(f"violations                {len(violations):>9}")
    print("\n".join(violations))
    return 1 if violations or survivors else 0


def _print_index(report: IndexReport) -> None:
    """Print what was seen of the index on a real directory."""
    print(f"index states repaired     {report.states:>9}")


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
    return numbers(given.states, given.workers)


if __name__ == "__main__":
    sys.exit(main())
