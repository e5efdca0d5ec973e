"""Faults in real system calls: each call of some work fails once, or the process dies at it.

    python -m tests.crash.sweep [WORK…]

A child is forked for every fault and strace makes the kernel's answer to its nth call an error, or
kills it there. Short writes are made by the kernel itself, at a limit on the size of files. Then
the store is opened, verified deeply, compared with what was acknowledged, and saved to.
"""

from __future__ import annotations

import argparse
import json
import logging
import mmap
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from eventstore import EventStore, EventStoreError

WRITING = {"pwrite64", "write", "fdatasync", "fsync", "ftruncate"}
NAMING = {"openat", "rename", "renameat", "renameat2", "mkdir", "unlink", "flock"}
CALLS = WRITING | NAMING
FAULTS = {"EIO": "error=EIO", "ENOSPC": "error=ENOSPC", "SIGKILL": "signal=KILL"}
TEXT = "what was said, at some length, so that a frame has a few hundred bytes; " * 20
OTHER = {"id": "other", "n": 1}

OUTCOMES = ("killed", "acknowledged", "refused", "wrong")
KILLED, ACKNOWLEDGED, REFUSED, WRONG = range(4)


@dataclass(frozen=True)
class Work:
    """One thing to do to session `s`; `changes` is whether it adds a version if it succeeds."""

    name: str
    do: Callable[[EventStore], object]
    changes: bool = True


def state(number: int) -> dict[str, object]:
    """Return a state of session `s`."""
    return {"id": "s", "n": number, "text": f"{number} {TEXT}"}


def _save_many(store: EventStore) -> None:
    """Save all parts, with a text that does not compress into the space zeroed ahead."""
    noise = os.urandom(3000).hex()
    store.save(state(9) | {"noise": noise}, parts={"mine": [noise], "more": {"n": 1}})


WORKS = {
    work.name: work
    for work in (
        Work("save", lambda store: store.save(state(9))),
        Work("save-parts", _save_many),
        Work("delete", lambda store: store.delete("s", note="no longer needed")),
        Work("first-save", lambda store: store.save({"id": "new", "n": 9}), changes=False),
        Work("verify", lambda store: store.verify(deep=True), changes=False),
    )
}
if hasattr(EventStore, "compact"):
    WORKS["compact"] = Work("compact", lambda store: store.compact())


class Sweep:
    """Runs one work again and again on copies of one store."""

    def __init__(self, directory: Path, work: Work) -> None:
        """Prepare the store that every run starts from."""
        self.outcomes: Counter[int] = Counter()
        self._directory = directory
        self._work = work
        self._first = directory / "first"
        with EventStore.open(self._first, model=dict) as store:
            store.save(OTHER)
        if work.name == "compact":
            # Each writer starts a stream of its own, which is what compaction gains from.
            texts: list[str] = []
            for number in range(40):
                texts.append(" ".join(f"word{number * step % 97}" for step in range(60)))
                with EventStore.open(self._first, model=dict) as store:
                    store.save({"id": "s", "texts": texts})
        with EventStore.open(self._first, model=dict) as store:
            for number in range(1, 5):
                store.save(state(number), parts={"mine": [number]})
        self._before = contents(self._first)

    def counts(self) -> Counter[str]:
        """Count the calls of the work when nothing fails."""
        trace = self._directory / "trace"
        self._run(["-o", str(trace), "-e", "trace=" + ",".join(sorted(CALLS))])
        found = re.findall(r"^(?:\d+ +)?(\w+)\(", trace.read_text(), re.M)
        return Counter(call for call in found if call in CALLS)

    def faults(self, stride: int = 1) -> Iterator[tuple[str, str]]:
        """Inject every fault, or one in *stride*; yield its name and what was wrong afterwards."""
        turn = 0
        for call, count in sorted(self.counts().items()):
            for nth in range(1, count + 1):
                for fault, how in FAULTS.items():
                    turn += 1
                    if turn % stride:
                        continue
                    name = f"{self._work.name}: {fault} at {call} {nth}"
                    inject = f"inject={call}:{how}:when={nth}"
                    yield name, self._run(["-o", "/dev/null", "-e", inject])

    def short_writes(self) -> Iterator[tuple[str, str]]:
        """Let the kernel write only the beginning, at limits that fall into every write."""
        log = next(self._first.glob("logs/*/s.log"))
        size = log.stat().st_size
        for limit in (1, size // 2, size + 1, size + 40, size + 200, size + 300, 9000, 20000):
            yield f"{self._work.name}: files of at most {limit} bytes", self._run(None, limit)

    def _run(self, strace: list[str] | None, size_max: int | None = None) -> str:
        """Do the work once; return what was wrong, or nothing."""
        place = self._directory / "store"
        shutil.rmtree(place, ignore_errors=True)
        shutil.copytree(self._first, place)
        outcome = in_child(place, self._work, strace, size_max)
        self.outcomes[outcome] += 1
        try:
            return self._check(place, outcome)
        except EventStoreError as error:
            return f"after outcome {outcome}: {error!r}"

    def _check(self, place: Path, outcome: int) -> str:
        """Say what is wrong with the store, if anything is."""
        if outcome == WRONG:
            return "another error than the package's own"
        with EventStore.open(place, model=dict) as store:
            report = store.verify(deep=True)
            if not report.is_sound:
                return f"not sound: {report.logs}"
        after = contents(place)
        versions = after["s"]
        known = self._before["s"]
        if versions[: len(known)] != known or after["other"] != self._before["other"]:
            return "an acknowledged version is not what it was"
        added = len(versions) - len(known)
        if added not in (0, 1) or (outcome == ACKNOWLEDGED and added != int(self._work.changes)):
            return f"{added} versions were added, the outcome was {outcome}"
        if self._work.name == "first-save" and outcome == ACKNOWLEDGED and "new" not in after:
            return "an acknowledged session is not there"
        with EventStore.open(place, model=dict) as store:
            again = store.save(state(77))
            if again.version != len(versions) + 1 or store.load("s") != state(77):
                return "the next save does not go on from there"
            if {"s", "other"} - set(store.list()):
                return "the index lost a session"
        return ""


def in_child(place: Path, work: Work, strace: list[str] | None, size_max: int | None) -> int:
    """Do a work in a forked child under strace; return what became of it, 0 if it was killed."""
    shared = mmap.mmap(-1, 1)
    ready, go = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:
        try:
            os.write(ready[1], b".")
            os.read(go[0], 1)
            shared[0] = _done(place, work, size_max)
        finally:
            os._exit(0)
    os.read(ready[0], 1)
    tracer = None
    if strace is not None:
        tracer = subprocess.Popen(
            ["strace", "-f", "-p", str(child), *strace], stderr=subprocess.PIPE, text=True
        )
        assert tracer.stderr is not None
        attached = tracer.stderr.readline()
        assert "attached" in attached, attached
    os.write(go[1], b".")
    os.waitpid(child, 0)
    if tracer is not None:
        tracer.communicate()
    for fd in (*ready, *go):
        os.close(fd)
    return shared[0]


def _done(place: Path, work: Work, size_max: int | None) -> int:
    """Do a work in a store that is opened for it."""
    if size_max is not None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (size_max, resource.RLIM_INFINITY))
    try:
        with EventStore.open(place, model=dict) as store:
            work.do(store)
            outcome = ACKNOWLEDGED
    except EventStoreError:
        return REFUSED
    except BaseException:
        return WRONG
    return outcome


def contents(place: Path) -> dict[str, list[dict[str, bytes]]]:
    """Return every state of every version of every session."""
    with EventStore.open(place, model=dict) as store:
        found = {}
        for session in ("s", "other", "new"):
            if store.version(session) is None:
                continue
            newest = store.version(session).version
            versions = [store.version(session, number) for number in range(1, newest + 1)]
            found[session] = [
                {part: store.load_bytes(session, part, at=v.version) for part in v.parts}
                for v in versions
            ]
        return found


def can_trace() -> str:
    """Return why faults cannot be injected here; nothing if they can."""
    if shutil.which("strace") is None:
        return "strace is not installed"
    probe = subprocess.run(
        ["strace", "-e", "trace=none", "true"], capture_output=True, text=True, check=False
    )
    return "" if probe.returncode == 0 else f"strace cannot trace here: {probe.stderr.strip()}"


def swept(name: str, stride: int = 1) -> tuple[Counter[int], list[str]]:
    """Inject the faults of one work, or one in *stride*; return the outcomes and what was wrong."""
    logging.disable(logging.CRITICAL)  # An index that misses a save says so; that is not news.
    with tempfile.TemporaryDirectory() as directory:
        sweep = Sweep(Path(directory), WORKS[name])
        found = (*sweep.faults(stride), *sweep.short_writes())
        return sweep.outcomes, [f"{fault}: {problem}" for fault, problem in found if problem]


def main() -> int:
    """Run the works named, or all, and print how many faults there were and what went wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash.sweep")
    parser.add_argument("works", nargs="*", metavar="WORK", help=f"of {', '.join(WORKS)}")
    parser.add_argument("--stride", type=int, default=1, help="inject one fault in so many")
    parser.add_argument("--json", action="store_true", help="print the outcomes as JSON")
    given = parser.parse_args()
    missing = can_trace()
    if missing:
        sys.stdout.write(f"no system-call faults: {missing}\n")
        return 0
    wrong: list[str] = []
    outcomes: Counter[int] = Counter()
    for name in given.works or WORKS:
        found, problems = swept(name, given.stride)
        outcomes += found
        wrong += problems
    if given.json and not wrong:
        sys.stdout.write(json.dumps({OUTCOMES[o]: outcomes[o] for o in range(len(OUTCOMES))}))
        return 0
    sys.stdout.writelines(f"{line}\n" for line in wrong)
    sys.stdout.write(f"system-call faults injected {outcomes.total()}\nviolations {len(wrong)}\n")
    return int(bool(wrong))


if __name__ == "__main__":
    sys.exit(main())
