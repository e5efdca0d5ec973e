"""What an examination of one log found: damaged bytes, lost versions, states that are gone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from eventstore.gap import Gap
from eventstore.payload import Genesis
from eventstore.ranges import Ranges


@dataclass(frozen=True, slots=True)
class Region:
    """Bytes that are no sound frame of the log, and the versions that stood there.

    `next` is the id of the last of them, if somebody names it.
    """

    start: int
    stop: int
    reason: str
    first: int = 0
    last: int = 0
    next: str | None = None


@dataclass
class Examination:
    """What was found in a log of `size` bytes; `end` is where its last sound frame ends.

    `regions` are damaged; `gaps` and `skipped` were given up by repairs. `broken` are the versions
    that set a state which cannot be rebuilt, `unreadable` all that have it; `failed` says why where
    the frame itself is sound. `told` and `told_states` are what the commits of repairs say of all
    that, `mended` the last of those. `deep` is whether states were rebuilt. `watched` is the commit
    of the version that was to be watched. `ambiguous` is a version that does not go on from the one
    before it, and nothing says which of the two is wrong.
    """

    session: str
    size: int
    deep: bool = True
    mended: int = 0
    versions: int = 0
    newest: int = 0
    end: int = 0
    witness: int = 0
    commit: str | None = None
    watched: str | None = None
    log: str = ""
    genesis: Genesis | None = None
    foreign: str | None = None
    ambiguous: int = 0
    regions: list[Region] = field(default_factory=list)
    gaps: list[Gap] = field(default_factory=list)
    skipped: Ranges = field(default_factory=Ranges)
    told: Ranges = field(default_factory=Ranges)
    told_states: dict[str, Ranges] = field(default_factory=dict)
    broken: dict[str, Ranges] = field(default_factory=dict)
    unreadable: dict[str, Ranges] = field(default_factory=dict)
    failed: dict[tuple[str, int], str] = field(default_factory=dict)

    @property
    def given_up(self) -> Ranges:
        """Versions that repairs gave up."""
        return Ranges.of([*((gap.first, gap.last) for gap in self.gaps), *self.skipped])

    @property
    def untold(self) -> Ranges:
        """Versions that were given up, but no commit says so: a repair did not finish."""
        return self.given_up.without(self.told)

    @property
    def untold_states(self) -> dict[str, Ranges]:
        """The broken states that no commit of a repair speaks of.

        What rests on a gap can be sound all the same. A repair has tried; whoever does not, and
        finds no other damage, believes it.
        """
        left = {}
        for part, broken in self.broken.items():
            known = Ranges.of(self.told_states.get(part, Ranges()))
            if not self.deep and not self.regions:
                wrong = Ranges.of([(seq, seq) for name, seq in self.failed if name == part])
                tried = Ranges.of([(1, self.mended)] if self.mended else [])
                known = Ranges.of([*known, *tried.without(wrong)])
            left[part] = broken.without(known)
        return {part: broken for part, broken in left.items() if broken}

    def hear(self, ref: Mapping[str, Any]) -> None:
        """Take in what the commit of a repair says is lost."""
        self.told = Ranges.of([*self.told, *_runs(ref.get("lost"))])
        states = ref.get("states")
        for part, runs in states.items() if isinstance(states, dict) else ():
            known = self.told_states.get(part, Ranges())
            self.told_states[part] = Ranges.of([*known, *_runs(runs)])


def _runs(value: Any) -> list[tuple[int, int]]:
    """Return the runs in what a commit says; what is not one is passed over."""
    return [
        (run[0], run[1])
        for run in (value if isinstance(value, list) else ())
        if isinstance(run, list) and len(run) == 2 and all(type(n) is int for n in run)
    ]
