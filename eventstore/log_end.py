"""The end of one session's log: its newest sound entry, and what hides newer ones."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from copy import copy

from eventstore.backend import Backend
from eventstore.draft import Head
from eventstore.errors import CorruptError, UnsupportedError
from eventstore.log_frames import Entry, LogFrames, Survey
from eventstore.log_parts import LogParts
from eventstore.log_states import LogStates
from eventstore.log_steady import Steady, steadily
from eventstore.log_tail import Evidence, Tail, find_tail

REPLACING = frozenset({"compact", "erase"})
"""Kinds of the commits that a log ends with when it takes the place of another."""


class LogEnd(Steady):
    """The log of one session, as far as its end; safe to use from several threads."""

    def __init__(
        self,
        backend: Backend,
        session: str,
        *,
        state_size_max: int,
        evidence: Callable[[str], Evidence],
    ) -> None:
        """Read the log of *session*.

        *evidence* says, from outside the log, what is known to have been durable: evidence that a
        bad tail is damage and not the trace of a crash.
        """
        super().__init__(backend, session)
        self.settled = 0
        """The offset up to which the log, and its existence, are known to be durable."""
        self._frames = LogFrames(backend, session)
        self._parts = LogParts(self._frames, session)
        self.state_size_max = state_size_max
        self._evidence = evidence
        self._own = Evidence()
        self._guard = threading.RLock()
        self._head: Head | None = None
        self._damage: CorruptError | None = None
        self._damaged_size = 0
        self._positions: dict[int, int] | None = None
        self._keys: dict[str, int] | None = None
        self._states = LogStates(backend, session, state_size_max=state_size_max)

    @steadily
    def head(self) -> Head | None:
        """Return the newest entry, durable by the time it is returned; None for an empty log.

        Raises `CorruptError` when acknowledged bytes at the end of the log are damaged.
        """
        with self._guard:
            return self._whole_head()

    @property
    def damage(self) -> CorruptError | None:
        """What hides the newest acknowledged versions, as last seen; None if nothing does."""
        return copy(self._damage)

    @property
    def end(self) -> int:
        """The size of the log as it was last seen, in bytes."""
        return 0 if self._head is None else self._head.end

    @property
    def known(self) -> Head | None:
        """The newest entry as it was last seen: another object once anything was added."""
        return self._head

    @steadily
    def newest_sound(self) -> int | None:
        """Return the number of the newest version that can be read, or None for an empty log."""
        with self._guard:
            head = self._sound_head()
            if head is None and self._damage is not None:
                raise copy(self._damage)
            return None if head is None else head.version

    def synced(self, end: int) -> None:
        """Note that the log was made durable up to *end*, if that is a place in it still."""
        with self._guard:
            if self._head is not None and self.settled < end <= self._head.end:
                self.settled = end

    def _recognise(self) -> None:
        """Forget everything if the log is not the one that is known, or its continuation."""
        with self._guard:
            known = self._head
            if known is None and not self.settled and self._damage is None:
                return
            if known is not None and self._damage is None:
                with suppress(CorruptError, UnsupportedError):
                    if self._frames.entry(known.entry.header.position).is_same(known.entry):
                        return
            if known is not None:
                self._own = Evidence(known.version, known.entry.commit.id, self.settled)
            self._forget()
            self._damage = None
            self.settled = 0

    def _move_to(self, head: Head) -> Head:
        """Make *head* the one that is known, and note what later calls look up."""
        commit = head.entry.commit
        if self._positions is not None:
            self._positions[commit.seq] = head.entry.header.position
        if self._keys is not None and commit.key is not None:
            self._keys[commit.key] = commit.seq
        # Last: an interrupt must not leave a head whose key is not known.
        self._head = head
        return head

    def _forget(self) -> None:
        """Drop everything cached, so that the next call asks the medium."""
        self._head = self._positions = self._keys = None
        self._parts.clear()
        self._states.clear()

    def _settle(self, head: Head) -> None:
        """Make durable what a killed writer may have left only in the page cache."""
        if self.settled >= head.end:
            return
        # Of a log that was just begun, or just replaced, the name may not be durable either.
        is_first = not head.entry.header.durable_upto or head.entry.commit.kind in REPLACING
        self._backend.settle(self.session, entry=is_first and not self.settled)
        if self._backend.durable:
            self.settled = head.end

    def _whole_head(self, *, is_there: bool = True) -> Head | None:
        """Return the newest entry; raise if acknowledged ones are gone."""
        head = self._sound_head(is_there=is_there)
        if self._damage is not None:
            raise copy(self._damage)
        return head

    def _sound_head(self, *, is_there: bool = True) -> Head | None:
        """Return the newest sound entry, made durable first; `_damage` says if newer ones were.

        Of a log that was just found not to be there, the medium is not asked again.
        """
        head = self._refreshed((is_there and self._backend.size(self.session)) or 0)
        if head is not None:
            self._settle(head)
        return head

    def _refreshed(self, size: int) -> Head | None:
        """Return the head of a log of *size* bytes; a torn tail is left for a writer to cut."""
        known = self._head
        if self._damage is not None:
            if size == self._damaged_size:
                return known
            self._forget()
        elif known is not None and known.end == size:
            return known
        elif known is not None and size < known.end:
            self._forget()
        self._damage = None
        if self._head is None:
            entry = self._frames.last(size) if size else None
            if entry is not None and self._holds_all(entry):
                return self._move_to(self._head_at(entry))
        tail = find_tail(
            self._frames,
            self._head.entry if self._head is not None else None,
            size=size,
            acknowledged=self._durable_end,
        )
        if tail.damaged_from is not None:
            now = self._backend.size(self.session) or 0
            if now != size:
                # What was read may be half of what was being written just then.
                return self._refreshed(now)
            self._damage, self._damaged_size = self._lost(tail, size), size
        if tail.entry is None:
            return self._head
        self._positions = self._keys = None
        return self._move_to(self._head_at(tail.entry))

    def _durable_end(self, survey: Survey) -> int:
        """Return up to where the log is known, from anywhere but itself, to have been durable.

        Offsets told of a log that was replaced since are not this one's: what counts is whether
        the version that was there is here.
        """
        return max(self.settled, *(self._reach(known, survey) for known in self._known()))

    def _reach(self, evidence: Evidence, survey: Survey) -> int:
        """Return how far, in the log that is there now, some evidence reaches."""
        if self._head is not None and 0 < evidence.version <= self._head.version:
            return 0
        position = survey.positions.get(evidence.version)
        if position is not None:
            entry = self._frames.entry(position)
            if entry.commit.id == evidence.commit:
                return min(entry.stop, evidence.settled)
        return evidence.settled

    def _holds_all(self, newest: Entry) -> bool:
        """Whether a log that ends with *newest* has all that is known to have been durable.

        Where saves are not durable by themselves, what others know to be so is remembered, lest
        the next save tell the index of less.
        """
        known = self._known()
        if newest.stop < self.settled or not all(
            newest.stop >= one.settled or self._holds(one, newest) for one in known
        ):
            return False
        if not self._backend.durable:
            reached = [one.settled for one in known if one.settled <= newest.stop]
            self.settled = max([self.settled, *reached])
        return True

    def _holds(self, evidence: Evidence, newest: Entry) -> bool:
        """Whether a log that is shorter than it was has the version that it had."""
        if not 0 < evidence.version <= newest.commit.seq:
            return False
        with suppress(CorruptError):
            position = self._frames.positions(newest).get(evidence.version)
            if position is not None:
                return self._frames.entry(position).commit.id == evidence.commit
        return False

    def _known(self) -> tuple[Evidence, Evidence]:
        """Return what is known of the log from elsewhere, and from when it was another."""
        return self._evidence(self.session), self._own

    def _lost(self, tail: Tail, size: int) -> CorruptError:
        """Return the error for acknowledged versions that are gone from the end of the log."""
        known = 0 if self._head is None else self._head.version
        reason = "acknowledged bytes are damaged"
        if tail.damaged_from == size:
            reason = f"the log ends after {size} bytes, but more was acknowledged"
        return CorruptError(
            reason,
            session=self.session,
            version=max(known, tail.sound_before) + 1,
            where=f"byte {tail.damaged_from}",
            hint="earlier versions still load with at=",
        )

    def _head_at(self, entry: Entry) -> Head:
        """Return the head that an entry is."""
        genesis = self._parts.genesis(entry)
        return Head(entry, genesis, self._parts.of(entry, genesis), entry.stop)
