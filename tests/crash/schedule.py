"""Several processes at once, one call at a time: whoever holds the baton runs, all others wait."""

from __future__ import annotations

import threading
from collections.abc import Callable
from random import Random

_BLOCKED_MAX = 10_000


class DeadlockError(AssertionError):
    """Every process waits for another."""


class Schedule:
    """Runs jobs in threads of which exactly one runs at any time, as dice have it.

    A job is a whole process: no two jobs may share a store, because a thread that waits for
    another inside the library does not give the baton on.
    """

    def __init__(self, random: Random, *, switch: float) -> None:
        """Give the baton on before a call with probability *switch*."""
        self._random = random
        self._switch = switch
        self._gates: dict[int, threading.Semaphore] = {}
        self._current = -1
        self._blocked = 0
        self._done = threading.Event()

    def run(self, jobs: list[Callable[[], None]]) -> None:
        """Run the jobs until all are done; what one raises is raised."""
        if len(jobs) == 1:
            jobs[0]()
            return
        errors: list[BaseException] = []
        self._done.clear()
        self._gates = {number: threading.Semaphore(0) for number in range(len(jobs))}
        threads = [
            threading.Thread(target=self._work, args=(number, job, errors), daemon=True)
            for number, job in enumerate(jobs)
        ]
        for thread in threads:
            thread.start()
        self._pass_on()
        self._done.wait()
        for thread in threads:
            thread.join()
        self._current = -1
        if errors:
            raise errors[0]

    def pause(self) -> None:
        """Before a call: perhaps let another go first."""
        self._blocked = 0
        if len(self._gates) > 1 and self._random.random() < self._switch:
            self._give_away()

    def wait(self) -> None:
        """Let others go first, because a lock is held."""
        self._blocked += 1
        if len(self._gates) < 2 or self._blocked > _BLOCKED_MAX:
            raise DeadlockError("a lock is held by nobody who runs")
        self._give_away(others=True)

    def _give_away(self, *, others: bool = False) -> None:
        """Choose who goes on, and wait for one's own turn."""
        here = self._current
        chosen = self._random.choice([n for n in self._gates if n != here or not others])
        if chosen != here:
            self._current = chosen
            self._gates[chosen].release()
            self._gates[here].acquire()

    def _work(self, number: int, job: Callable[[], None], errors: list[BaseException]) -> None:
        """Run one job when its turn comes, then give the baton on for good."""
        gate = self._gates[number]
        gate.acquire()
        try:
            job()
        except BaseException as error:
            errors.append(error)
        del self._gates[number]
        self._pass_on()

    def _pass_on(self) -> None:
        """Start anybody, or end the run if nobody is left."""
        if not self._gates:
            self._done.set()
            return
        self._current = self._random.choice(list(self._gates))
        self._gates[self._current].release()
