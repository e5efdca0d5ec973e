"""Verifying a store: every log examined, held against the index, and remembered when sound."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from eventstore.backend import Backend
from eventstore.checked import Checked, Notes
from eventstore.errors import BackendError, InvalidInputError, UnsupportedError
from eventstore.examination import Examination
from eventstore.examine import Examiner
from eventstore.index import Index
from eventstore.index_database import Database
from eventstore.log_tail import Evidence
from eventstore.verdict import (
    SOUND,
    UNREADABLE,
    Finding,
    LogReport,
    judge,
    missing,
    torn_tail,
    unlisted,
    unreadable,
)

Told = Callable[[str, int, int], None]
"""Is told the session that is looked at, the bytes read so far, and those to read in all."""

_TRIES = 8


@dataclass(frozen=True, slots=True)
class VerifyReport:
    """What a verification found.

    `checked` logs were looked at, of `sessions` in the store; `versions` and `size` are what was
    read, `states` counts the logs by what they were found to be. `logs` are those that are not
    simply sound, `strays` files under `logs/` that are no logs, `index` what was wrong with the
    index, which is made anew by itself.
    """

    sessions: int
    checked: int
    versions: int
    size: int
    deep: bool
    states: Mapping[str, int] = field(default_factory=dict)
    logs: tuple[LogReport, ...] = ()
    strays: tuple[Finding, ...] = ()
    index: str = ""

    @property
    def is_sound(self) -> bool:
        """Whether all that was looked at is sound."""
        return not self.exit_code

    @property
    def exit_code(self) -> int:
        """What the command exits with: 0 sound, 1 damage, 2 something could not be looked at."""
        if any(log.state == UNREADABLE for log in self.logs):
            return 2
        hurt = self.strays or self.index == "is damaged"
        return int(bool(hurt) or any(not log.is_sound for log in self.logs))

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        return {**asdict(self), "exit_code": self.exit_code}


@dataclass(frozen=True, slots=True)
class Choice:
    """Which logs to look at: some *ids* or all, those due since *before*, a part of them.

    With *resume*, those that a run which was not ended has not come to.
    """

    ids: tuple[str, ...] | None = None
    sample: float | None = None
    before: int | None = None
    resume: bool = False

    @property
    def is_all(self) -> bool:
        """Whether every log is looked at."""
        return self.ids is None and self.sample is None and self.before is None


class Verifier:
    """Verifies the logs of one store."""

    def __init__(self, backend: Backend, index: Index, *, state_size_max: int) -> None:
        """Look at the logs of *backend*, which *index* knows."""
        self._backend = backend
        self._index = index
        self._checked = Checked(index.ask)
        self._state_size_max = state_size_max
        self._known: Mapping[str, int] = {}

    def run(self, choice: Choice, *, deep: bool, told: Told | None) -> VerifyReport:
        """Verify the logs of *choice*; what is done when this is interrupted stays done."""
        condition = self._index.apart(Database.condition)
        sizes = self._known = self._checked.sizes()
        chosen, count = self._chosen(choice, sizes, deep)
        total = sum(sizes.get(session, 0) for session in chosen)
        progress = _Progress(told, total)
        states: Counter[str] = Counter()
        hurt: list[LogReport] = []
        versions = size = 0
        with Notes(self._checked, deep) as notes:
            for session in chosen:
                progress.begin(session)
                report = self.log(session, deep=deep, told=progress.add)
                states[report.state] += 1
                versions, size = versions + report.versions, size + report.size
                if report.state != SOUND:
                    hurt.append(report)
                if report.is_sound:
                    notes.add(session)
        if choice.is_all:
            self._checked.end()
        strays = tuple(
            Finding("stray", f"{place}: {what}") for place, what in self._backend.strays()
        )
        return VerifyReport(
            sessions=count,
            checked=len(chosen),
            versions=versions,
            size=size,
            deep=deep,
            states=dict(states),
            logs=tuple(hurt),
            strays=strays if choice.ids is None else (),
            index=condition,
        )

    def steps(
        self, ids: tuple[str, ...] | None, told: Told | None
    ) -> Iterator[tuple[str, Callable[[int], None]]]:
        """Yield some sessions, or all, each with whom to tell of the bytes read in it."""
        sizes = self._known = self._checked.sizes()
        chosen = self._every(sizes) if ids is None else set(ids)
        progress = _Progress(told, sum(sizes.get(session, 0) for session in chosen))
        for session in sorted(chosen):
            progress.begin(session)
            yield session, progress.add

    def _every(self, sizes: Mapping[str, int]) -> set[str]:
        """Return every session that has a log, or of which the index says so."""
        return {*self._backend.logs(), *sizes}

    def log(self, session: str, *, deep: bool, told: Callable[[int], None]) -> LogReport:
        """Verify one log."""
        try:
            found, evidence = self.examined(session, deep=deep, told=told)
        except (BackendError, UnsupportedError) as error:
            return unreadable(session, error)
        if found is None:
            return missing(session, evidence)
        report = judge(found, evidence)
        if found.newest and session not in self._known:
            return unlisted(report)
        return report

    def examined(
        self, session: str, *, deep: bool, told: Callable[[int], None]
    ) -> tuple[Examination | None, Evidence]:
        """Return what is in a log, None if there is none, and what the index remembers of it."""
        for _ in range(_TRIES):
            # Asked for before the size, so that the log is never older than the memory of it.
            evidence = self.evidence(session)
            size = self._backend.size(session)
            if size is None:
                return None, evidence
            examiner = Examiner(
                self._backend,
                session,
                deep=deep,
                state_size_max=self._state_size_max,
                told=told,
                watch=evidence.version,
            )
            found = examiner.run(size)
            # What looks torn may be what somebody is writing right now.
            if torn_tail(found, evidence) is None or self._backend.size(session) == size:
                break
        return found, evidence

    def evidence(self, session: str) -> Evidence:
        """Return what the index remembers of a log, asked twice about one it does not know."""
        if session not in self._known and self._backend.size(session):
            self._known = self._checked.sizes()  # Takes in what others have just saved.
        return self._index.evidence(session)

    def _chosen(
        self, choice: Choice, sizes: Mapping[str, int], deep: bool
    ) -> tuple[list[str], int]:
        """Return the logs to look at, those first that were not for longest, and how many exist."""
        every = self._every(sizes)
        chosen = every if choice.ids is None else set(choice.ids)
        for session in sorted(chosen - every):
            if self._is_nothing(session):
                raise InvalidInputError(
                    "there is no such session",
                    session=session,
                    field="id",
                    hint="next: eventstore ls --all",
                )
        times = self._checked.times(deep=deep)
        before = choice.before
        if choice.is_all:
            since = self._checked.begin(time.time_ns(), resume=choice.resume)
            before = since if choice.resume else None
        due = [s for s in chosen if before is None or times.get(s, 0) < before]
        # Those that were never looked at are in no order, so that samples differ.
        random.SystemRandom().shuffle(due)
        due.sort(key=lambda session: times.get(session, 0))
        if choice.sample is not None and due:
            due = due[: max(1, round(len(due) * choice.sample))]
        return due, len(every)

    def _is_nothing(self, session: str) -> bool:
        """Whether nothing stands where the log of a session would."""
        try:
            return self._backend.size(session) is None
        except BackendError:
            return False


class _Progress:
    """Adds up what is read."""

    def __init__(self, told: Told | None, total: int) -> None:
        """Tell *told*, out of *total*."""
        self._told = told
        self._total = total
        self._done = 0
        self._session = ""

    def begin(self, session: str) -> None:
        """Go on with another log."""
        self._session = session
        self.add(0)

    def add(self, size: int) -> None:
        """Note that some bytes were read."""
        self._done += size
        if self._told is not None:
            self._told(self._session, self._done, max(self._total, self._done))


def restrict(ids: Iterable[str] | None) -> tuple[str, ...] | None:
    """Return ids once each, in their order."""
    return None if ids is None else tuple(dict.fromkeys(ids))
