"""All numbers together: what was tried to break a promise, and how often one was broken.

    python -m tests.crash.proof                     everything, within a quarter of an hour
    python -m tests.crash.proof states mutants      only these of: states mutants calls cuts fuzz
    python -m tests.crash.proof --states 1000000 --cuts 20000 --cut-seconds 900 --fuzz-seconds 600

Exits 1 if a promise was broken or a broken protocol survived. What cannot be tried here is said.
"""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from functools import partial

from tests.crash import explore
from tests.crash.sweep import WORKS, can_trace, swept
from tests.fuzz.run import fuzz
from tests.mutants.hunt import LIVES_MAX, hunt
from tests.mutants.protocols import MUTANTS
from tests.power.cuts import cuts
from tests.power.disk import MAKERS, missing

Found = tuple[list[tuple[str, str]], list[str]]
"""Rows to print, and the promises that were broken."""


def states(given: argparse.Namespace) -> Found:
    """Explore crashes of a simulated disk."""
    return explore.numbers(given.states, given.workers)


def _survives(number: int, lives: int) -> bool:
    """Whether nothing finds a mutant."""
    logging.disable(logging.CRITICAL)
    return hunt(MUTANTS[number], lives) is None


def mutants(given: argparse.Namespace) -> Found:
    """Run every broken protocol until a promise breaks."""
    with ProcessPoolExecutor(given.workers) as pool:
        found = pool.map(partial(_survives, lives=given.lives), range(len(MUTANTS)))
        surviving = [
            mutant.name for mutant, is_alive in zip(MUTANTS, found, strict=True) if is_alive
        ]
    killed = len(MUTANTS) - len(surviving)
    rows = [("mutants killed", f"{killed} of {len(MUTANTS)}")]
    return rows, [f"a broken protocol survives: {name}" for name in surviving]


def calls(given: argparse.Namespace) -> Found:
    """Let system calls fail."""
    label = "system-call faults injected"
    why = can_trace()
    if why:
        return [(label, f"0  ({why})")], []
    with ProcessPoolExecutor(given.workers) as pool:
        found = [*pool.map(partial(swept, stride=given.stride), WORKS)]
    count = sum(outcomes.total() for outcomes, _ in found)
    return [(label, f"{count}")], [line for _, lines in found for line in lines]


def _survived(kind: str, count: int, seconds: float) -> tuple[int, str, str]:
    """Cut the power of one kind of disk: how often, why not, and the promise that was broken."""
    why = missing(kind)
    if why:
        return 0, f"{kind}: {why}", ""
    try:
        return cuts(kind, count=count, seconds=seconds, seed=1), "", ""
    except AssertionError as error:
        return 0, "", f"after a power cut on {kind}: {error}"


def power(given: argparse.Namespace) -> Found:
    """Cut the power of real file systems."""
    cut = partial(_survived, count=given.cuts, seconds=given.cut_seconds)
    with ProcessPoolExecutor(given.workers) as pool:
        found = [*pool.map(cut, MAKERS)]
    whys = "; ".join(why for _, why, _ in found if why)
    count = sum(done for done, _, _ in found)
    rows = [("real power cuts survived", f"{count}  ({whys})" if whys else f"{count}")]
    return rows, [broken for _, _, broken in found if broken]


def decoders(given: argparse.Namespace) -> Found:
    """Give the decoders anything."""
    cases, escaped = fuzz(seconds=given.fuzz_seconds)
    return [("fuzz cases", f"{cases}")], escaped


KINDS: dict[str, Callable[[argparse.Namespace], Found]] = {
    "states": states,
    "mutants": mutants,
    "calls": calls,
    "cuts": power,
    "fuzz": decoders,
}


def prove(kinds: Iterable[str], given: argparse.Namespace) -> int:
    """Try each kind and print its numbers; 1 if anything was broken."""
    rows: list[tuple[str, str]] = []
    violations: list[str] = []
    for kind in kinds:
        found, broken = KINDS[kind](given)
        rows += found
        violations += broken
    explore.told(rows, violations)
    return int(bool(violations))


def main(arguments: list[str] | None = None) -> int:
    """Read the arguments."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.proof")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=f"of {', '.join(KINDS)}")
    parser.add_argument("--states", type=int, default=100_000, help="how many crash states")
    parser.add_argument("--lives", type=int, default=LIVES_MAX, help="of a mutant, at most")
    parser.add_argument("--stride", type=int, default=1, help="one system-call fault in so many")
    parser.add_argument("--cuts", type=int, default=1000, help="of each kind of disk, at most")
    parser.add_argument("--cut-seconds", type=float, default=120, help="for each, at most")
    parser.add_argument("--fuzz-seconds", type=float, default=60)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    given = parser.parse_args(arguments)
    unknown = set(given.kinds) - KINDS.keys()
    if unknown:
        parser.error(f"{sorted(unknown)[0]!r} is none of {', '.join(KINDS)}")
    return prove(given.kinds or KINDS, given)


if __name__ == "__main__":
    sys.exit(main())
