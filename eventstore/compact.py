"""Compaction: a log is repacked beside itself, read back, compared, and only then replaced.

Readers and writers go on meanwhile. Only the frames that came while the others were repacked, and
the replacing itself, are done with the log's lock held.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from eventstore.backend import Backend, Rewriting
from eventstore.commit import Version
from eventstore.draft import Change, Head, draft
from eventstore.errors import CorruptError, EventStoreError, UnsupportedError
from eventstore.input import Remarks
from eventstore.log import Log
from eventstore.log_frames import Entry, LogFrames
from eventstore.log_parts import LogParts
from eventstore.payload import Encoding
from eventstore.recheck import Recheck
from eventstore.repack import Plan, Repacker
from eventstore.thinning import Planner, Policy

_GAIN_MIN = 512
"""Bytes that a compaction must save, since the commit that tells of it takes some too."""

_GAIN_SHIFT = 6
"""A compaction that drops nothing must save one part in 2 to the power of this."""

Told = Callable[[int], None]
"""Is told how many bytes of a log were worked through since it was told last."""


@dataclass(frozen=True, slots=True)
class CompactedLog:
    """What became of one log: bytes before and after, its versions, and states dropped.

    A log that would gain too little is left alone, and so is a damaged one: `error` says why.
    """

    session: str
    before: int
    after: int
    versions: int
    dropped: int = 0
    error: EventStoreError | None = None

    @property
    def is_changed(self) -> bool:
        """Whether the log was replaced, or would be."""
        return self.after != self.before


@dataclass(frozen=True, slots=True)
class Order:
    """What is asked of a compaction."""

    policy: Policy
    remarks: Remarks
    dry_run: bool = False


def compact(
    backend: Backend, log: Log, order: Order, told: Told
) -> tuple[CompactedLog, Version | None]:
    """Compact one log; return what became of it, and the version that tells of it if there is one.

    Raises `BackendError` and `DurabilityError`; the log is then the old one or the new one, whole.
    """
    try:
        if log.head() is None:  # Its first save was torn.
            return CompactedLog(log.session, 0, 0, 0), None
        if order.dry_run:
            return log.steady(lambda: _measured(log, order, told)), None
        while True:
            with suppress(_OvertakenError), backend.rewriting(log.session) as rewriting:
                return _Compaction(log, order, rewriting, told).run()
    except (CorruptError, UnsupportedError) as error:
        return CompactedLog(
            log.session, log.end, log.end, 0, error=_why_left(backend, log, error)
        ), None


def _why_left(backend: Backend, log: Log, error: EventStoreError) -> EventStoreError:
    """Return why a log is left alone: where its damage was repaired, there is nothing to repair."""
    if isinstance(error, CorruptError) and LogFrames(backend, log.session).has_gap(log.end):
        return UnsupportedError(
            "a repaired log with a gap is not compacted",
            session=log.session,
            hint="a fork of it has none: eventstore fork",
        )
    if error.session is not None:
        return error
    return type(error)(error.message, session=log.session, where=error.where, hint=error.hint)


def _measured(log: Log, order: Order, told: Told) -> CompactedLog:
    """Repack to nowhere."""
    head = _head_of(log)
    repacker = _repacker(log, _planned(log, head, order))
    for entry in log.entries(0, head.end):
        _repacked(repacker, entry)
        told(entry.header.size)
    return _report(log, head, repacker, 0)


def _report(log: Log, head: Head, repacker: Repacker, extra: int) -> CompactedLog:
    """Say what a log takes before and after; the same where it is not worth it."""
    after = repacker.end + extra
    gain = head.end - repacker.end
    least = _GAIN_MIN if repacker.dropped else max(_GAIN_MIN, head.end >> _GAIN_SHIFT)
    if gain < least:
        return CompactedLog(log.session, head.end, head.end, head.version)
    return CompactedLog(log.session, head.end, after, head.version, repacker.dropped)


def _planned(log: Log, head: Head, order: Order) -> Plan:
    """Look at all of a log and plan."""
    planner = Planner(order.policy)
    for entry in log.entries(0, head.end):
        planner.add(entry.commit.seq, entry.commit.time, entry.parts)
    return planner.plan(time.time_ns(), head.end)


def _repacker(log: Log, plan: Plan) -> Repacker:
    """Return what repacks a log."""
    return Repacker(plan, state_size_max=log.state_size_max, links=log.links)


def _repacked(repacker: Repacker, entry: Entry) -> bytes:
    """Return the new frame of an entry."""
    assert entry.bodies is not None, "a whole frame was read"
    return repacker.add(
        entry.header.position, entry.commit, entry.genesis, entry.parts, entry.bodies
    )


def _head_of(log: Log) -> Head:
    """Return the newest entry of a log that has some."""
    head = log.head()
    if head is None:
        raise CorruptError("the log is empty", session=log.session)
    return head


class _OvertakenError(Exception):
    """An old state was made current again while the log was repacked without thinking of that."""


class _Compaction:
    """One log on its way into its rewriting."""

    def __init__(self, log: Log, order: Order, rewriting: Rewriting, told: Told) -> None:
        """Plan for the log as it is now."""
        self._log = log
        self._order = order
        self._rewriting = rewriting
        self._told = told
        self._head = _head_of(log)
        self._plan = _planned(log, self._head, order)
        self._repacker = _repacker(log, self._plan)
        self._recheck = Recheck(
            rewriting, log.session, self._plan, state_size_max=log.state_size_max
        )
        self._newest: Entry | None = None
        self._done = 0

    def run(self) -> tuple[CompactedLog, Version | None]:
        """Repack, and replace the log if that is worth it."""
        self._advance(self._head, self._told)
        report = _report(self._log, self._head, self._repacker, 0)
        if not report.is_changed:
            return report, None
        with self._log.replacing() as head:
            # Whoever is told may want to save into this very log, which would wait for itself.
            self._advance(head, None)
            made = self._commit(head)
            version = self._log.replace(self._rewriting, head.end)
        return _report(self._log, head, self._repacker, made), version

    def _advance(self, head: Head, told: Told | None) -> None:
        """Repack the entries up to *head*, and read each back."""
        for entry in self._log.entries(self._done, head.end):
            if not self._plan.foresees(entry.header.position, entry.parts):
                raise _OvertakenError
            position = self._repacker.end
            self._rewriting.append(_repacked(self._repacker, entry))
            self._newest = self._recheck.add(entry, position)
            if told is not None:
                told(entry.header.size)
            self._done = entry.stop

    def _commit(self, head: Head) -> int:
        """Write the commit that tells of the compaction; return the size of its frame."""
        assert self._newest is not None, "there is something to compact"
        frames = LogFrames(self._rewriting, self._log.session)
        parts = LogParts(frames, self._log.session).of(self._newest, head.genesis)
        self._recheck.read_newest(
            {n: row for n, row in parts.items() if row.encoding is not Encoding.DROPPED}
        )
        change = Change(
            "compact",
            time.time_ns(),
            ref={
                "before": head.end,
                "after": self._repacker.end,
                "dropped": self._repacker.dropped,
                **self._order.policy.as_dict(),
            },
            **self._order.remarks,
        )
        made = draft(
            Head(self._newest, head.genesis, parts, self._newest.stop),
            change,
            {},
            head.genesis,
            log=head.entry.commit.log,
            upto=self._repacker.end,
        )
        self._rewriting.append(made.frame)
        last = frames.last(self._repacker.end + len(made.frame))
        if last is None or last.commit.id != made.commit.id:
            raise CorruptError("the end of a rewriting does not read back")
        return len(made.frame)
