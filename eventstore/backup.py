"""Backing up: the logs of one store brought into another, each verified where it arrives.

A log only grows, so what the other store has already is compared and left, and the rest is added. A
log that was compacted or repaired since has other bytes for the same commits, and is replaced. What
is newer or other in the backup than here is never overwritten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from eventstore.backend import Backend
from eventstore.errors import ConflictError, CorruptError, EventStoreError
from eventstore.examination import Examination
from eventstore.examine import Examiner
from eventstore.log_frames import LogFrames
from eventstore.ranges import Ranges

_CHUNK_SIZE = 4 * 1024 * 1024
_TRIES = 5

ADDED, SAME, REPLACED, REFUSED = "added", "same", "replaced", "refused"


@dataclass(frozen=True, slots=True)
class BackedUpLog:
    """What became of one log: `added` to, `same` as before, `replaced`, or `refused` and why."""

    session: str
    state: str
    versions: int = 0
    size: int = 0
    error: str = ""


@dataclass(frozen=True, slots=True)
class BackupReport:
    """What a backup did; `size` are the bytes that were written."""

    logs: tuple[BackedUpLog, ...]

    @property
    def size(self) -> int:
        """Bytes written."""
        return sum(log.size for log in self.logs)

    @property
    def refused(self) -> tuple[BackedUpLog, ...]:
        """The logs that were not backed up."""
        return tuple(log for log in self.logs if log.state == REFUSED)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        counts = {state: sum(log.state == state for log in self.logs) for state in _STATES}
        refused = [asdict(log) for log in self.refused]
        return {"sessions": len(self.logs), **counts, "size": self.size, "problems": refused}


_STATES = (ADDED, SAME, REPLACED, REFUSED)


class _ReplacedError(ConflictError):
    """A log was compacted or repaired while it was copied."""


class Backup:
    """Brings logs from one backend to another; whoever uses the first need not stop."""

    def __init__(
        self, source: Backend, target: Backend, *, state_size_max: int, deep: bool
    ) -> None:
        """Copy from *source* to *target*; *deep*, every state that arrived is rebuilt."""
        self._source = source
        self._target = target
        self._state_size_max = state_size_max
        self._deep = deep
        self._epoch = 0

    def copy(self, session: str, told: Callable[[int], None]) -> BackedUpLog:
        """Bring one log over and verify it; an error is in the report."""
        for left in reversed(range(_TRIES)):
            try:
                return self._copied(session, told)
            except _ReplacedError as error:
                if not left:
                    return BackedUpLog(session, REFUSED, error=str(error))
            except EventStoreError as error:
                return BackedUpLog(session, REFUSED, error=str(error))
        raise AssertionError("the last try returns")

    def _copied(self, session: str, told: Callable[[int], None]) -> BackedUpLog:
        """Bring one log over."""
        self._source.size(session)  # Opens the log, which then has an epoch.
        self._epoch = self._source.epoch(session)
        found = self._examined(self._source, session, deep=False, told=told)
        if not found.versions or found.foreign is not None:
            raise CorruptError("there is no sound version in it", session=session)
        if len(found.regions) > 1 or (found.regions and found.regions[0].stop != found.size):
            raise CorruptError("it is damaged, and the backup is left as it is", session=session)
        with self._target.writing(session) as there:
            state, written = ADDED, found.end - there
            if there > found.end or not self._begins_alike(session, there):
                written = self._replace(session, found, there)
                state = REPLACED
            elif not written:
                state = SAME
            else:
                self._append(session, there, found.end)
        if state != SAME:
            self._check(session, found)
        return BackedUpLog(session, state, found.versions, written)

    def _begins_alike(self, session: str, size: int) -> bool:
        """Whether the first *size* bytes are the same on both sides."""
        for start in range(0, size, _CHUNK_SIZE):
            stop = min(size, start + _CHUNK_SIZE)
            if self._read(session, start, stop) != self._target.read(session, start, stop):
                return False
        return True

    def _append(self, session: str, start: int, end: int) -> None:
        """Add frames, as many at once as fit a chunk."""
        frames = LogFrames(self._source, session)
        while start < end:
            stop = frames.stop_of(start)
            while stop < end and (further := frames.stop_of(stop)) - start <= _CHUNK_SIZE:
                stop = further
            self._target.append(session, start, self._read(session, start, stop))
            start = stop

    def _read(self, session: str, start: int, stop: int) -> bytes:
        """Read from the log that was examined; raise `_ReplacedError` if another took its place."""
        data = self._source.read(session, start, stop)
        if self._source.epoch(session) != self._epoch:
            raise _ReplacedError("the log was replaced meanwhile", session=session)
        return data

    def _replace(self, session: str, found: Examination, there: int) -> int:
        """Replace what the backup has by a log that has all its commits; return its size."""
        old = self._examined(self._target, session, deep=False, told=_nothing, size=there)
        watched = self._examined(
            self._source, session, deep=False, told=_nothing, size=found.end, watch=old.newest
        ).watched
        if old.newest and (old.newest > found.newest or watched != old.commit):
            raise ConflictError(
                f"the backup has version {old.newest}, which is not in this store: it is kept",
                session=session,
                hint="next: eventstore verify; or back up into another directory",
            )
        if _lost_since(found, old):
            raise ConflictError(
                "the backup has what was lost here since, and a repair gave up: it is kept",
                session=session,
                hint="next: eventstore backup with another directory",
            )
        with self._target.rewriting(session) as new:
            for start in range(0, found.end, _CHUNK_SIZE):
                stop = min(found.end, start + _CHUNK_SIZE)
                new.append(self._read(session, start, stop))
            self._target.replace(session, new, there)
        return found.end

    def _check(self, session: str, found: Examination) -> None:
        """Raise `CorruptError` unless what arrived ends with the same commit, and is sound."""
        made = self._examined(self._target, session, deep=self._deep, told=_nothing)
        if made.commit != found.commit or made.regions or made.untold_states:
            raise CorruptError("what arrived is not what was sent", session=session)

    def _examined(
        self,
        backend: Backend,
        session: str,
        *,
        deep: bool,
        told: Callable[[int], None],
        size: int | None = None,
        watch: int = 0,
    ) -> Examination:
        """Examine a log of either side."""
        examiner = Examiner(
            backend,
            session,
            deep=deep,
            state_size_max=self._state_size_max,
            told=told,
            watch=watch,
        )
        return examiner.run((backend.size(session) or 0) if size is None else size)


def _lost_since(found: Examination, old: Examination) -> bool:
    """Whether a log has given up versions or states that its backup still has."""
    has = Ranges.of([(1, old.newest)])
    versions = found.given_up.without(old.given_up)
    states = [
        runs.without(old.told_states.get(part, Ranges()))
        for part, runs in found.told_states.items()
    ]
    return any(len(has.without(runs)) < len(has) for runs in (versions, *states))


def _nothing(size: int) -> None:
    """Do nothing with what is told."""
