"""Power cuts: a store on a real file system loses its power at any of its calls, again and again.

    python -m tests.power.cuts [--cuts N] [--seconds S] [--seed N] [ext4] [xfs]

Between two cuts a forked child opens the store, checks that everything acknowledged before is
there and right, works on, and is cut off before or behind a call that the seed chooses.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import random
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from eventstore import EventStore, EventStoreError
from eventstore.address import address_of
from eventstore.backends.file import FileBackend
from eventstore.fs import OsFileSystem
from tests.power.disk import MAKERS, Disk, cut_power, missing

SESSIONS = ("a", "b", "c")
CUTS_IN_A_STORE = 40
CUT_WITHIN = 60
"""The cut comes at one of so many calls of a child."""

_CALLS = {
    "open", "write_at", "sync_data", "sync_directory", "truncate", "make_directory", "rename",
    "remove", "lock", "names",
}  # fmt: skip


class BootedFileSystem(OsFileSystem):
    """The real disk of a machine that has just started: a power cut stops the machine too."""

    def __init__(self, boots: str) -> None:
        """Call this start of the machine *boots*."""
        super().__init__()
        self._boots = boots

    def boot(self) -> str:
        """Return another text after every power cut."""
        return self._boots


class CuttingFileSystem(BootedFileSystem):
    """The same, whose power is cut at the nth call."""

    def __init__(self, boots: str, place: Path, nth: int, *, behind: bool) -> None:
        """Cut the power of the file system of *place* before or *behind* call *nth*."""
        super().__init__(boots)
        self._place = place
        self._left = nth
        self._behind = behind

    def __getattribute__(self, name: str) -> Any:
        """Count a call when its method is looked up."""
        found = super().__getattribute__(name)
        return self._counted(found) if name in _CALLS else found

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        """Return a call around which the power may go."""
        self._left -= 1
        if self._left:
            return call

        def cut(*args: Any, **kwargs: Any) -> Any:
            if not self._behind:
                cut_power(self._place)
            result = call(*args, **kwargs)
            if self._behind:
                cut_power(self._place)
            return result

        return cut


@dataclass
class Session:
    """What is known of one session: the addresses of its acknowledged versions, and one more.

    `addresses[v]` is that of version v + 1, empty where it was deleted; `tried` is what was being
    saved when the power went, None for nothing.
    """

    addresses: list[str] = field(default_factory=list)
    tried: str | None = None


Known = dict[str, Session]


def child(place: Path, known: Known, seed: int, write: int, *, cut: bool) -> None:
    """Check what is known, work on, and tell what was acknowledged, until the power goes."""
    chance = random.Random(seed)
    boots, nth = f"boot {seed}", chance.randint(1, CUT_WITHIN) if cut else 0
    backend = FileBackend(place / "store", fs=BootedFileSystem(boots))
    with EventStore(backend, model=dict) as store:
        check(store, known)
    fs = CuttingFileSystem(boots, place, nth, behind=chance.random() < 0.5)
    try:
        with EventStore(FileBackend(place / "store", fs=fs), model=dict) as store:
            work(store, chance, write)
    except EventStoreError:
        return


def check(store: EventStore, known: Known) -> None:
    """Fail unless everything acknowledged is there, and nothing that was never tried."""
    report = store.verify(deep=True)
    assert report.is_sound, report
    for id, session in known.items():
        versions = list(store.history(id)) if session.addresses or session.tried else []
        found = [version.address or "" for version in reversed(versions)]
        count = len(session.addresses)
        assert found[:count] == session.addresses, (id, found, session)
        assert found[count:] in ([], [session.tried]), (id, found, session)
        tell_write(id, found)


def tell_write(id: str, found: list[str]) -> None:
    """Tell the parent what a session is now."""
    _tell({"id": id, "found": found})


def work(store: EventStore, chance: random.Random, write: int) -> None:
    """Save and delete until the power goes or enough was done."""
    for number in range(40):
        id = chance.choice(SESSIONS)
        if chance.random() < 0.1 and store.exists(id):
            _tell({"id": id, "tried": ""})
            store.delete(id)
            _tell({"id": id, "acknowledged": ""})
            continue
        text = chance.randbytes(chance.choice((10, 100, 3000, 40_000))).hex()
        state = {"id": id, "round": write, "n": number, "text": text}
        address = address_of(json.dumps(state, separators=(",", ":")).encode())
        _tell({"id": id, "tried": address})
        version = store.save(state)
        assert version.address == address, "the address is that of the bytes"
        _tell({"id": id, "acknowledged": address})


_pipe = -1


def _tell(record: dict[str, Any]) -> None:
    """Write to the parent, which outlives the power."""
    os.write(_pipe, json.dumps(record).encode() + b"\n")


def in_child(place: Path, known: Known, seed: int, write: int, *, cut: bool) -> None:
    """Run `child` in a process of its own; take in what it tells. Raises if it found a fault."""
    global _pipe
    read, _pipe = os.pipe()
    pid = os.fork()
    if pid == 0:
        code = 1
        try:
            logging.disable(logging.CRITICAL)
            child(place, known, seed, write, cut=cut)
            code = 0
        except BaseException as error:
            _tell({"wrong": f"{type(error).__name__}: {error}"})
        finally:
            os._exit(code)
    os.close(_pipe)
    with os.fdopen(read, "rb") as told:
        records = [json.loads(line) for line in told]
    _, status = os.waitpid(pid, 0)
    for record in records:
        _take_in(known, record)
    assert status == 0, f"seed {seed}, round {write}: the child ended with {status}"


def _take_in(known: Known, record: dict[str, Any]) -> None:
    """Note what a child told."""
    assert "wrong" not in record, record["wrong"]
    session = known.setdefault(record["id"], Session())
    if "found" in record:
        session.addresses, session.tried = record["found"], None
    elif "tried" in record:
        session.tried = record["tried"]
    else:
        session.addresses.append(record["acknowledged"])
        session.tried = None


def cuts(kind: str, *, count: int, seconds: float, seed: int) -> int:
    """Cut the power *count* times, or for some *seconds*; return how often it was."""
    chance = random.Random(seed)
    end = time.monotonic() + seconds
    done = 0
    with tempfile.TemporaryDirectory() as directory, Disk(Path(directory), kind) as disk:
        while done < count and time.monotonic() < end:
            known: Known = {}
            for write in range(CUTS_IN_A_STORE):
                in_child(disk.place, known, chance.getrandbits(32), write, cut=True)
                cut_power_quietly(disk.place)
                disk.unmount()
                disk.mount()
                done += 1
                if done >= count or time.monotonic() > end:
                    break
            in_child(disk.place, known, chance.getrandbits(32), -1, cut=False)
            _clear(disk.place / "store")
    return done


def cut_power_quietly(place: Path) -> None:
    """Cut the power of what the child left running, unless it is off already."""
    try:
        cut_power(place)
    except OSError:
        return


def _clear(place: Path) -> None:
    """Remove a store."""
    for path in sorted(place.rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    place.rmdir()


def main() -> int:
    """Cut the power as the arguments say, and print how often."""
    parser = argparse.ArgumentParser(prog="python -m tests.power.cuts")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help="of ext4, xfs")
    parser.add_argument("--cuts", type=int, default=2000, help="for each kind, at most")
    parser.add_argument("--seconds", type=float, default=120, help="for each kind, at most")
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    for kind in given.kinds or MAKERS:
        why = missing(kind)
        if why:
            sys.stdout.write(f"no power cuts on {kind}: {why}\n")
            continue
        started = time.monotonic()
        done = cuts(kind, count=given.cuts, seconds=given.seconds, seed=given.seed)
        took = time.monotonic() - started
        sys.stdout.write(f"power cuts on {kind} {done}, {took:.0f} s, seed {given.seed}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
