"""Hunting mutants: a broken protocol is run until a promise breaks."""

from __future__ import annotations

from tests.crash.explorer import Plan, World
from tests.crash.index_lives import index_lives
from tests.crash.recovery import Recovery
from tests.mutants.protocols import Mutant

LIVES_MAX = 200
"""How many lives a mutant may survive; after that CI fails."""

_PLAN = Plan(images=48, flips=24)


def hunt(mutant: Mutant, lives_max: int = LIVES_MAX) -> str | None:
    """Return the first promise that *mutant* breaks, or None if it breaks none in many lives."""
    with mutant.applied():
        if mutant.of_index:
            return next(iter(index_lives(range(lives_max), first_only=True).violations), None)
        recovery = Recovery()
        with recovery.quick():
            for seed in range(lives_max):
                world = World(seed, recovery, mutant.plan or _PLAN)
                try:
                    violations = world.live().violations
                except Exception as error:  # The broken library broke down: that is noticed too.
                    return f"breaks down: {error!r}\n  seed {seed}"
                if violations:
                    return violations[0]
    return None
