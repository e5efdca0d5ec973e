"""Random lives of a store on a simulated disk, and every crash on the way looked at.

A life is decided by its seed alone. After each call that changes the disk, some of the images that
a power cut could leave just then are recovered and held against what had been promised by then.
Then the life goes on, through faults, kills and power cuts, in up to six generations.
"""

from __future__ import annotations

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from random import Random
from unittest import mock

from eventstore import DurabilityError, EventStore, EventStoreError, Version, compact
from eventstore.testing import Call, Fault, Image, ProcessKilledError, SimDisk, SimFs, SimProcess
from tests.crash.decay import broken_by_flip
from tests.crash.oracle import Attempt, Promises
from tests.crash.recovery import Recovery, opened
from tests.crash.schedule import Schedule
from tests.crash.workload import OPERATIONS, Operation, read

GENERATIONS_MAX = 6
SESSIONS = ("a", "b/c", "d", "e")
DURABILITIES = ("sync", "sync", "group")
SECTOR_SIZES = (32, 64, 512, 512, 4096)

_FAULTS: dict[str, tuple[Fault, ...]] = {
    "write_at": (
        Fault(errno.ENOSPC, "torn"),
        Fault(errno.ENOSPC),
        Fault(errno.EIO, "landed"),
        Fault(errno.EINTR, "torn"),
        Fault(fate="short"),
    ),
    "sync_data": (Fault(errno.EIO), Fault(errno.EIO, "torn"), Fault(errno.EIO, "landed")),
    "sync_directory": (Fault(errno.EIO), Fault(errno.EIO, "landed")),
    "truncate": (Fault(errno.EIO), Fault(errno.EINTR)),
    "lock": (Fault(errno.EINTR), Fault(errno.ENOLCK)),
    "make_directory": (Fault(errno.ENOSPC), Fault(errno.EIO, "landed")),
    "rename": (Fault(errno.EIO), Fault(errno.EIO, "landed")),
}
_ANY_FAULT = (Fault(errno.EIO), Fault(errno.EINTR))


@dataclass(frozen=True)
class Plan:
    """How much is looked at, and what happens more often than by chance.

    `images` are those of each step, `flips` the bits flipped at the end of a life. Of the verbs in
    `failing`, one call in eight fails, and no other; `favourite` is what processes mostly do;
    `kills` is how often a change is the last that its process makes.
    """

    images: int = 1024
    flips: int = 4
    processes: int = 6
    failing: tuple[str, ...] | None = None
    favourite: Operation | None = None
    sessions: int = len(SESSIONS)
    kills: float = 0.01


@dataclass
class Report:
    """What was looked at, and what was wrong; `images` are those unlike others of their life."""

    states: int = 0
    images: int = 0
    steps: int = 0
    lives: int = 0
    flips: int = 0
    runs: int = 0
    generations: int = 0
    faults: int = 0
    violations: list[str] = field(default_factory=list)

    def add(self, other: Report) -> None:
        """Add the numbers of another report."""
        for name, value in vars(other).items():
            setattr(self, name, getattr(self, name) + value)


class ViolationError(AssertionError):
    """A promise was broken; ends the life."""


class Process:
    """A process with the store open, or not yet."""

    def __init__(self, world: World) -> None:
        """Start without a store."""
        self.world = world
        self.faults = 0
        self.told = False
        self.durability = world.random.choice(DURABILITIES)
        self.fs = SimFs(world.disk, watcher=world)
        self._store: EventStore | None = None

    @property
    def store(self) -> EventStore:
        """The store, opened when it is needed; a killed process starts again first."""
        if self.world.is_down:
            raise ProcessKilledError
        if not self.fs.alive:
            self.fs, self._store = SimFs(self.world.disk, watcher=self.world), None
        if self._store is None:
            self._store = opened(self.fs, self.durability)
        return self._store

    def close(self) -> None:
        """Close the store."""
        store, self._store = self._store, None
        if store is not None and self.fs.alive:
            store.close()


class World:
    """One life: a disk, its processes, and what they promised."""

    def __init__(
        self,
        seed: int,
        recovery: Recovery,
        plan: Plan,
        *,
        step: int | None = None,
        image: int | None = None,
    ) -> None:
        """Begin with an empty disk; with *step*, look at nothing else, and at *image* of it."""
        self.seed, self.plan, self.recovery = seed, plan, recovery
        self.random = Random(seed)
        self.report = Report(lives=1)
        self.trace: list[str] = []
        self._only = (step, image)
        self._numbers = count(1)
        self._quiet = False
        self._images: set[int] = set()
        self.is_down = False
        self._cut: Image | None = None
        self._crash_in = -1
        self._fault_rate = self.random.choice((0, 0, 0.01, 0.03))
        if plan.failing is not None:
            self._fault_rate = 0.125
        self._schedule = Schedule(Random(seed + 1), switch=self.random.choice((0.2, 0.8, 0.8)))
        self.disk = SimDisk(sector_size=self.random.choice(SECTOR_SIZES), random=Random(seed + 2))
        self.promises = {session: Promises(session) for session in SESSIONS}
        self.processes: list[Process] = []

    def live(self) -> Report:
        """Live through all generations, and return what was seen."""
        before = self.recovery.runs
        try:
            with determined(self.seed):
                for _ in range(self.random.randint(1, GENERATIONS_MAX)):
                    self._generation()
                self._decay()
        except ViolationError as violation:
            self.report.violations.append(str(violation))
        self.report.runs = self.recovery.runs - before
        self.report.images = len(self._images)
        return self.report

    def number(self) -> int:
        """Return a number that this life has not used."""
        return next(self._numbers)

    def check(self, broken: str | None, session: str = "", image: int | None = None) -> None:
        """End the life where a promise was *broken*, saying how to see it again."""
        if broken is None:
            return
        where = f" --step {self.report.steps}" + ("" if image is None else f" --image {image}")
        about = f"session {session!r}: " if session else ""
        line = f"python -m tests.crash.explore --seed {self.seed}{where}"
        raise ViolationError(f"{about}{broken}\n  {line}")

    def attempt(
        self,
        process: Process,
        session: str,
        attempt: Attempt,
        call: Callable[[], Version | None],
        *,
        refusals: tuple[type[EventStoreError], ...] = (),
    ) -> None:
        """Do what may make a version, and note what that promises."""
        promises = self.promises[session]
        ended = promises.begin(attempt)
        version = None
        try:
            with self.expecting(process, session):
                try:
                    version = call()
                except refusals:
                    attempt.limit = 0
                    return
                if version is None:
                    attempt.limit = 0
                else:
                    promises.acknowledge(attempt, version.version, version.commit, ended)
                    self.trace.append(f"# {session!r} {attempt.kind}: {version.version}")
        finally:
            attempt.running = False

    @contextmanager
    def expecting(self, process: Process, session: str) -> Iterator[None]:
        """Let typed errors pass where a call was made to fail, and nothing else."""
        process.faults = 0
        try:
            yield
        except EventStoreError as error:
            self.trace.append(f"# {session!r} {error!r}")
            late = process.told and isinstance(error, DurabilityError)
            if not process.faults and not late:
                self.check(f"nothing failed, and yet: {error!r}", session)
        except OSError as error:
            self.check(f"an untyped error came through: {error!r}", session)

    def tagged(self, process: Process, session: str, tag: str) -> Version | None:
        """Return the version of which *tag* is the actor, looked up unseen."""
        self._quiet = True
        try:
            return next((v for v in process.store.history(session) if v.actor == tag), None)
        finally:
            self._quiet = False

    def before(self, fs: SimProcess, call: Call) -> Fault | None:
        """Perhaps let another process go first, or make the call fail."""
        if self._quiet:
            return None
        if call.verb == "forget_pages":
            return None  # What happens between a failed sync and this is not promised.
        self._schedule.pause()
        if not self._fault_rate or self.random.random() >= self._fault_rate:
            return None
        if self.plan.failing is not None and call.verb not in self.plan.failing:
            return None
        fault = self.random.choice(_FAULTS.get(call.verb, _ANY_FAULT))
        self.report.faults += 1
        for process in self.processes:
            # That a file failed to sync is told to everybody who has it open, when they sync it.
            if process.fs is fs or call.verb == "sync_data":
                process.faults += fault.fate != "short"
            process.told |= call.verb == "sync_data"
        self.trace.append(f"{self._name(fs)} {call.verb} {call.path} -> {fault}")
        return fault

    def after(self, fs: SimProcess, call: Call) -> None:
        """Look at what a crash would leave now, then perhaps crash."""
        if self._quiet:
            return
        self.report.steps += 1
        self.trace.append(f"{self.report.steps}: {self._name(fs)} {call.verb} {call.path}")
        if self._only[0] in (None, self.report.steps):
            self._look()
        self._crash_in -= 1
        if self._crash_in == 0:
            self._power_off()
        elif self._crash_in > 0 and self.random.random() < self.plan.kills and not self._is_lying():
            self.trace.append(f"# {self._name(fs)} killed")
            fs.kill()

    def blocked(self, fs: SimProcess, call: Call) -> None:
        """Let the holder of the lock go on."""
        self._schedule.wait()

    def _is_lying(self) -> bool:
        """Whether a sync failed and the cache still shows what was lost: then nobody is killed.

        A process that starts between the two cannot tell, nor can any other program.
        """
        return bool(self.report.faults) and self.disk.is_lying()

    def _name(self, fs: SimProcess) -> str:
        """Return which process it is."""
        return next((f"p{n}" for n, p in enumerate(self.processes) if p.fs is fs), "p?")

    def _look(self) -> None:
        """Recover what a crash leaves in each of many ways, and hold it against the promises."""
        if not self._is_lying():
            self.check(self.recovery.broken_by_kill(self.disk, SESSIONS))
        random = Random(f"{self.seed}/{self.report.steps}")
        passed: set[tuple[str, int]] = set()
        for number, image in enumerate(self.disk.crash_images(random, self.plan.images)):
            if self._only[1] in (None, number):
                self._check_image(image, number, passed)

    def _check_image(self, image: Image, number: int, passed: set[tuple[str, int]]) -> None:
        """Recover one image; outcomes that passed at this step already need no second look."""
        self.report.states += 1
        self._images.add(hash(frozenset(image.items())))
        try:
            outcomes = self.recovery.outcomes(image, SESSIONS)
        except EventStoreError as error:
            return self.check(f"the store does not open: {error!r}", image=number)
        for session, outcome in outcomes.items():
            if (session, id(outcome)) in passed:
                continue
            error = None if outcome.error is None else f"reading fails: {outcome.error!r}"
            self.check(error or outcome.broken, session, number)
            self.check(self.promises[session].broken(outcome.versions), session, number)
            passed.add((session, id(outcome)))
        return None

    def _power_off(self) -> None:
        """Cut the power, or kill everybody, at this very moment."""
        if self.random.random() < 0.7 or self._is_lying():
            images = list(self.disk.crash_images(self.random, 6))
            self._cut = self.random.choice(images)
        for process in self.processes:
            process.fs.kill()
        self.is_down = True

    def _generation(self) -> None:
        """Let processes work until the machine crashes, then look what everybody sees."""
        self.report.generations += 1
        self.is_down, self._cut = False, None
        self._crash_in = self.random.randint(1, 30)
        number = min(self.random.choice((1, 4, 6, 6)), self.plan.processes)
        self.processes = [Process(self) for _ in range(number)]
        for _ in range(self.random.randint(1, 3)):
            if not self.is_down:
                chosen = self.random.sample(self.processes, self.random.choice((1, number)))
                self._schedule.run([self._job(process) for process in chosen])
        if not self.is_down:
            self._power_off()
        if self._cut is not None:
            self.trace.append("# power cut")
            self.disk = self.disk.started_again(self._cut)
        self._observe()

    def _job(self, process: Process) -> Callable[[], None]:
        """Return one or two operations for a process to do."""
        chosen = self.random.choices([*OPERATIONS], [*OPERATIONS.values()], k=2)
        if self.plan.favourite is not None and self.random.random() < 0.7:
            chosen = [self.plan.favourite] * 2
        sessions = self.random.choices(SESSIONS[: self.plan.sessions], k=2)

        def job() -> None:
            for operation, session in zip(chosen, sessions, strict=True):
                try:
                    operation(self, process, session)
                except ProcessKilledError:
                    if self.is_down:
                        return

        return job

    def _observe(self) -> None:
        """Read everything in a new process, without faults; what it is shown is promised."""
        self.is_down = False
        rate, self._fault_rate, self._crash_in = self._fault_rate, 0, -1
        process = Process(self)
        self.processes = [process]
        for session in SESSIONS:
            read(self, process, session)
        with self.expecting(process, ""):
            process.close()
        self._fault_rate = rate

    def _decay(self) -> None:
        """Flip single bits of the logs at rest: damage is named, and nothing wrong is returned."""
        for _ in range(self.plan.flips):
            session = self.random.choice(SESSIONS)
            image = dict(self.disk.cached)
            self._flip(image, session)

    def _flip(self, image: dict[str, bytes | None], session: str) -> None:
        """Flip one bit of a log in *image*, and look what is said of it."""
        self.report.flips += 1
        self.check(broken_by_flip(image, session, self.promises[session], self.random), session)


@contextmanager
def determined(seed: int) -> Iterator[None]:
    """Replace the dice and the clock of the library, so that a seed decides everything.

    Compaction counts as worth it whenever it makes a log no larger, for the logs here are small.
    """
    random, ticks = Random(seed), count(1_700_000_000_000_000_000, 1_000)
    with (
        mock.patch.object(os, "urandom", random.randbytes),
        mock.patch.object(time, "time_ns", lambda: next(ticks)),
        mock.patch.object(compact, "_GAIN_MIN", 0),
        mock.patch.object(compact, "_GAIN_SHIFT", 63),
    ):
        yield
