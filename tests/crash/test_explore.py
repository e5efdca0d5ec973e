"""Tens of thousands of crashes: what was promised is there after each of them, or is named."""

from __future__ import annotations

import pytest

from tests.crash.explore import lives_until, replay
from tests.crash.explorer import Plan, World
from tests.crash.index_lives import index_lives
from tests.crash.recovery import Recovery
from tests.mutants.protocols import MUTANTS

STATES = 10_000
"""How many crash states each of the four tests looks at."""


@pytest.mark.parametrize("first", [0, 10_000, 20_000, 30_000])
def test_no_crash_breaks_a_promise(first: int) -> None:
    """Acknowledged saves are there and right, others wholly or not at all, and the next works."""
    report = lives_until(STATES, first)
    assert report.violations == []
    assert report.states >= STATES
    assert report.faults > 10
    assert report.flips > 10


def test_no_crash_makes_a_list_wrong() -> None:
    """Whatever a crash leaves of the index, lists say what the logs say, and damage is missed."""
    report = index_lives(range(25))
    assert report.violations == []
    assert report.states > 25


def test_a_seed_decides_everything() -> None:
    """A life with the same seed makes the same calls and meets the same crashes."""
    traces = []
    for _ in range(2):
        recovery = Recovery()
        with recovery.quick():
            world = World(5, recovery, Plan(images=4))
            world.live()
        traces.append(world.trace)
    assert traces[0] == traces[1]
    assert len(traces[0]) > 20


def test_a_violation_is_seen_again_from_its_line(capsys: pytest.CaptureFixture[str]) -> None:
    """The command that a violation names shows it once more."""
    (mutant,) = [mutant for mutant in MUTANTS if mutant.name == "a torn tail is thrown away"]
    with mutant.applied():
        recovery = Recovery()
        with recovery.quick():
            (violation,) = World(0, recovery, Plan()).live().violations
        words = violation.split()
        step, image = (int(words[words.index(name) + 1]) for name in ("--step", "--image"))
        assert replay(0, step, image) == 1
        assert violation in capsys.readouterr().out
    assert replay(0, step, image) == 0
