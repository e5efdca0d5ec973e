"""Repairing one log: what proves itself stays, what is lost is said in a commit, the rest is kept.

Nothing is changed before the original is in `lost+found/`. No sound frame moves or changes: damaged
bytes are mended in place (`mend.py`), and damaged ends are cut off. Then a commit of kind `repair`
tells what is lost, with the number behind the last lost one.
"""

from __future__ import annotations

import shlex
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from eventstore.backend import Backend, Readable
from eventstore.commit import REPAIR, Version
from eventstore.draft import Change, Head
from eventstore.errors import BackendError, ConflictError, CorruptError
from eventstore.examination import Examination
from eventstore.examine import Examiner
from eventstore.input import Remarks
from eventstore.log import Decision, Log
from eventstore.log_tail import Evidence
from eventstore.mend import HEALED, LOST, RESEALED, Mender, Piece
from eventstore.ranges import Ranges
from eventstore.repaired import RepairedLog
from eventstore.verdict import DAMAGED, MISSING, TORN, UNREADABLE, LogReport, judge, lost_at_end
from eventstore.verify import Verifier

_CHUNK_SIZE = 4 * 1024 * 1024
_RUNS_MAX = 1000

INDEX_RENEWED = "the index is made anew"
"""What is done where a log is sound and the index knows another."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be done to a log: pieces to put in, where to cut, and versions lost at the end."""

    pieces: tuple[Piece, ...]
    cut: int | None
    lost: Ranges
    tail: Ranges


class Repairer:
    """Repairs the logs of one store."""

    def __init__(
        self, backend: Backend, verifier: Verifier, *, state_size_max: int, remarks: Remarks
    ) -> None:
        """Repair the logs of *backend*, which *verifier* looks at."""
        self._backend = backend
        self._verifier = verifier
        self._state_size_max = state_size_max
        self._remarks = remarks
        self.versions: dict[str, tuple[Log, Version]] = {}
        """The commits that tell of repairs, for the index to learn of."""

    def repair(self, session: str, *, apply: bool, told: Callable[[int], None]) -> RepairedLog:
        """Repair one log, or say what would be done."""
        report = self._verifier.log(session, deep=True, told=told)
        if report.state not in (DAMAGED, MISSING, TORN):
            left = report.state == UNREADABLE
            text = report.findings[0].text if left else ""
            return RepairedLog(session, report.state, report.state, error=text)
        try:
            return self._repaired(report, apply=apply)
        except (CorruptError, BackendError, ConflictError) as error:
            restore = "next: put it back from a backup: eventstore backup --restore DIR"
            return RepairedLog(
                session, report.state, report.state, error=error.message, next=restore
            )

    def _repaired(self, report: LogReport, *, apply: bool) -> RepairedLog:
        """Choose how to repair a log."""
        kinds = {finding.kind for finding in report.findings}
        if kinds & {"foreign", "no-file"} or report.state == MISSING:
            return self._replaced(report, apply=apply)
        found, evidence = self._verifier.examined(report.session, deep=True, told=_nothing)
        if found is None:
            raise ConflictError("the log went away meanwhile", session=report.session)
        if found.ambiguous:
            raise CorruptError(
                "one of the last two versions was forged, and nothing here says which",
                session=report.session,
            )
        if kinds <= {"index"}:
            return self._outcome(report, found, (INDEX_RENEWED,), apply=apply)
        plan = self._plan(found, evidence)
        done = tuple(_steps(plan, found))
        if not apply:
            return self._outcome(report, found, done, plan=plan, apply=False)
        kept = self._carry_out(found, plan)
        if not plan.lost and not plan.pieces and report.state == TORN:
            return self._outcome(report, found, done, plan=plan, kept=kept)
        self._tell(report.session, plan, kept)
        return self._outcome(report, found, done, plan=plan, kept=kept)

    def _plan(self, found: Examination, evidence: Evidence) -> Plan:
        """Find out what to do."""
        tail = lost_at_end(found, evidence)
        regions, cut = found.regions, None
        if regions and regions[-1].stop == found.size:
            cut, regions = regions[-1].start, regions[:-1]
        pieces: list[Piece] = []
        if regions:
            mender = Mender(self._backend, found)
            if mender.genesis is None:
                raise CorruptError("the first frame, without which nothing can be added, is lost")
            for region in regions:
                pieces += mender.pieces(region)
        lost = [(piece.first, piece.last) for piece in pieces if piece.kind == LOST]
        return Plan(tuple(pieces), cut, Ranges.of([*lost, *tail, *found.untold]), tail)

    def _carry_out(self, found: Examination, plan: Plan) -> str:
        """Mend and cut; return where the original is kept."""
        session = found.session
        if not plan.pieces:
            if plan.cut is None:
                return ""
            with self._backend.writing(session) as end:
                self._check_end(found, end)
                return self._backend.cut(session, plan.cut)
        with self._backend.rewriting(session) as new, self._backend.writing(session) as end:
            self._check_end(found, end)
            stop = found.size if plan.cut is None else plan.cut
            for start, upto, data in _parts(plan.pieces, stop):
                new.append(data or self._backend.read(session, start, upto))
            self._check(found, new, stop)
            kept = self._backend.set_aside(session)
            self._backend.replace(session, new, end)
        return kept

    def _check_end(self, found: Examination, end: int) -> None:
        """Raise `ConflictError` if the log is no longer the one that was examined."""
        if end != found.size:
            raise ConflictError("the log was added to meanwhile", session=found.session)

    def _check(self, found: Examination, new: Readable, size: int) -> None:
        """Raise `CorruptError` unless what was made has all that was sound, and no damage."""
        examiner = Examiner(
            new, found.session, deep=True, state_size_max=self._state_size_max, told=_nothing
        )
        made = examiner.run(size)
        worse = {
            part: runs.without(found.unreadable.get(part, Ranges())).without(made_lost(found))
            for part, runs in made.unreadable.items()
        }
        if made.regions or made.versions < found.versions or any(worse.values()):
            raise CorruptError("what the repair made is not better", session=found.session)

    def _replaced(self, report: LogReport, *, apply: bool) -> RepairedLog:
        """Put the right log into a place where another is, or something else, or nothing."""
        session, kept = report.session, ""
        done: list[str] = []
        if report.state != MISSING:
            done.append("what stands in the place of the log is moved to lost+found/")
            kept = self._backend.set_aside(session, move=True) if apply else ""
        elsewhere = self._backend.elsewhere(session)
        if elsewhere:
            done.append(f"its own log, found at {elsewhere[0]}, is put back")
            if apply:
                self._backend.put_back(session, elsewhere[0])
                after = self._verifier.log(session, deep=True, told=_nothing).state
                command = f"eventstore verify {shlex.quote(session)}"
                return RepairedLog(
                    session, report.state, after, tuple(done), kept=kept, next=command
                )
            return RepairedLog(session, report.state, report.state, tuple(done))
        evidence = self._verifier.evidence(session)
        lost = Ranges.of([(1, max(1, evidence.version))] if evidence.settled else [])
        plan = Plan((), None, lost, lost)
        if lost:
            done.append(f"a new log says that versions {lost} are lost")
        if apply and lost:
            self._tell(session, plan, kept)
        found = Examination(session, 0)
        return self._outcome(report, found, tuple(done), plan=plan, kept=kept, apply=apply)

    def _tell(self, session: str, plan: Plan, kept: str) -> None:
        """Commit what is lost."""
        log = Log(
            self._backend,
            session,
            state_size_max=self._state_size_max,
            evidence=lambda _: Evidence(),
        )
        states = self._states(session)
        ref = {"lost": [list(run) for run in list(plan.lost)[:_RUNS_MAX]], "states": states}

        def decide(head: Head | None) -> Decision:
            return Change(
                REPAIR,
                time.time_ns(),
                drop=head is None,
                ref={**ref, "kept": kept},
                skipped=len(plan.tail),
                **self._remarks,
            )

        version = log.commit(decide)
        assert version is not None, "a change makes a version"
        self.versions[session] = log, version

    def _states(self, session: str) -> dict[str, list[list[int]]]:
        """Return the versions that set a state which cannot be rebuilt any more."""
        size = self._backend.size(session)
        if size is None:
            return {}
        examiner = Examiner(
            self._backend, session, deep=True, state_size_max=self._state_size_max, told=_nothing
        )
        found = examiner.run(size)
        return {
            part: [list(run) for run in list(runs)[:_RUNS_MAX]]
            for part, runs in found.broken.items()
        }

    def _outcome(
        self,
        report: LogReport,
        found: Examination,
        done: tuple[str, ...],
        *,
        plan: Plan | None = None,
        kept: str = "",
        apply: bool = True,
    ) -> RepairedLog:
        """Return what was done, and how the log is now."""
        session = report.session
        made = RepairedLog(
            session,
            report.state,
            report.state,
            done,
            lost=tuple(plan.lost) if plan else (),
            states=tuple((part, tuple(runs)) for part, runs in sorted(found.unreadable.items())),
            healed=sum(piece.kind == HEALED for piece in plan.pieces) if plan else 0,
            kept=kept,
            next=f"eventstore repair --apply {shlex.quote(session)}",
        )
        if not apply:
            return made
        after = self._verifier.log(session, deep=True, told=_nothing).state
        if session in self.versions:  # The index learns of it later.
            again, _ = self._verifier.examined(session, deep=True, told=_nothing)
            after = judge(again or found, Evidence()).state
        return replace(made, after=after, next=f"eventstore verify {shlex.quote(session)}")


def made_lost(found: Examination) -> Ranges:
    """Return the versions that stood in damaged places, which could not be read before either."""
    return Ranges.of([(r.first, r.last) for r in found.regions if r.first <= r.last])


def _steps(plan: Plan, found: Examination) -> list[str]:
    """Say what a plan does."""
    said = {
        HEALED: "version {} is put right: one bit was wrong",
        RESEALED: "the commit of version {} is kept, what of its states proves itself still loads",
        LOST: "bytes of lost versions ({}) are filled with a gap",
    }
    done = [
        said[p.kind].format(p.first if p.first == p.last else f"{p.first}-{p.last}")
        for p in plan.pieces
    ]
    if plan.cut is not None:
        done.append(f"{found.size - plan.cut} bytes at the end are moved to lost+found/")
    if plan.lost:
        done.append(f"a commit says that versions {plan.lost} are lost")
    elif plan.pieces:
        done.append("a commit tells of the repair")
    return done


def _parts(pieces: tuple[Piece, ...], stop: int) -> list[tuple[int, int, bytes]]:
    """Return the whole new log as ranges of the old, no bytes, or bytes that are made."""
    parts: list[tuple[int, int, bytes]] = []
    at = 0
    for piece in (*pieces, None):
        upto = stop if piece is None else piece.start
        parts += [
            (start, min(upto, start + _CHUNK_SIZE), b"") for start in range(at, upto, _CHUNK_SIZE)
        ]
        if piece is not None:
            parts.append((piece.start, piece.stop, piece.data))
            at = piece.stop
    return parts


def _nothing(size: int) -> None:
    """Do nothing with what is told."""
