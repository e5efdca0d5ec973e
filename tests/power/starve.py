"""A starved disk: its medium runs out of room, so that writeback fails and a later sync "succeeds".

    python -m tests.power.starve [--rounds N] [ext4] [xfs]

The file system believes in 64 MB, the tmpfs under it has room for a few. What was written into the
page cache cannot be written back: one sync reports it, and the pages count as clean from then on.
Then the medium is fed, the work goes on, and after a remount everything acknowledged must be there.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
from collections import Counter
from pathlib import Path

from eventstore import DurabilityError, EventStore, EventStoreError
from tests.power.disk import MAKERS, Disk, missing

SESSIONS = ("a", "b")
SAVES_MAX = 400
ROOM = {"ext4": 11 * 2**20, "xfs": 72 * 2**20}
"""Bytes that the medium has beyond what an empty file system takes, about."""


def starve(kind: str, seed: int) -> Counter[str]:
    """Run one disk dry and feed it; return how many saves were acknowledged, failed, unclear."""
    chance = random.Random(seed)
    outcomes: Counter[str] = Counter()
    known: dict[str, dict[int, object]] = {id: {} for id in SESSIONS}
    with tempfile.TemporaryDirectory() as directory:
        room = ROOM[kind] + chance.randrange(2**20)
        with Disk(Path(directory), kind, starved=room) as disk:
            place = disk.place / "store"
            hungry(place, known, chance, outcomes)
            disk.feed()
            hungry(place, known, chance, outcomes, count=5)
            disk.unmount()
            disk.mount()
            check(place, known)
            hungry(place, known, chance, outcomes, count=5)
            check(place, known)
    return outcomes


def hungry(
    place: Path,
    known: dict[str, dict[int, object]],
    chance: random.Random,
    outcomes: Counter[str],
    count: int = SAVES_MAX,
) -> None:
    """Save until the medium has failed a few times, noting what was acknowledged."""
    store = EventStore.open(place, model=dict)
    with store:
        for _ in range(count):
            id = chance.choice(SESSIONS)
            state = {"id": id, "noise": chance.randbytes(chance.choice((2_000, 60_000))).hex()}
            try:
                version = store.save(state)
            except DurabilityError:
                outcomes["unclear"] += 1
            except EventStoreError:
                outcomes["failed"] += 1
            else:
                outcomes["acknowledged"] += 1
                known[id][version.version] = state
            if outcomes["unclear"] + outcomes["failed"] >= 6 and count == SAVES_MAX:
                return


def check(place: Path, known: dict[str, dict[int, object]]) -> None:
    """Fail unless every acknowledged version is there and right."""
    with EventStore.open(place, model=dict) as store:
        report = store.verify(deep=True)
        assert report.is_sound, report
        for id, versions in known.items():
            for number, state in versions.items():
                assert store.load(id, at=number) == state, (id, number)


def main() -> int:
    """Starve disks as the arguments say, and print what became of the saves."""
    parser = argparse.ArgumentParser(prog="python -m tests.power.starve")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="of ext4, xfs")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for kind in given.kinds or MAKERS:
        why = missing(kind)
        if why:
            sys.stdout.write(f"no starved disks on {kind}: {why}\n")
            continue
        outcomes: Counter[str] = Counter()
        for number in range(given.rounds):
            outcomes += starve(kind, given.seed + number)
        text = ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items()))
        sys.stdout.write(f"starved disks on {kind} {given.rounds}: saves {text}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
