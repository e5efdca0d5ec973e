"""Reading one session's log: its newest sound entry, its versions, and their states."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from copy import copy
from types import MappingProxyType

from eventstore.backend import Backend
from eventstore.chain import Chain
from eventstore.commit import PartVersion, Version
from eventstore.draft import Head
from eventstore.errors import CorruptError
from eventstore.log_frames import Entry, LogFrames, about, named
from eventstore.log_parts import LogParts
from eventstore.log_states import LogStates
from eventstore.log_tail import Tail, find_tail
from eventstore.payload import PartEntry


class LogReader:
    """The log of one session, to be read; safe to use from several threads."""

    def __init__(
        self,
        backend: Backend,
        session: str,
        *,
        state_size_max: int,
        acknowledged: Callable[[str], int],
    ) -> None:
        """Read the log of *session*.

        *acknowledged* says, from outside the log, up to which offset it is known to have been
        durable: evidence that a bad tail is damage and not the trace of a crash.
        """
        self.session = session
        self.settled = 0
        """The offset up to which the log, and its existence, are known to be durable."""
        self._backend = backend
        self._frames = LogFrames(backend, session)
        self._parts = LogParts(self._frames, session)
        self._state_size_max = state_size_max
        self._acknowledged = acknowledged
        self._guard = threading.RLock()
        self._head: Head | None = None
        self._damage: CorruptError | None = None
        self._damaged_size = 0
        self._positions: dict[int, int] | None = None
        self._keys: dict[str, int] | None = None
        self._states = LogStates(backend, session, state_size_max=state_size_max)

    def head(self) -> Head | None:
        """Return the newest entry, durable by the time it is returned; None for an empty log.

        Raises `CorruptError` when acknowledged bytes at the end of the log are damaged.
        """
        with self._guard:
            head = self._sound_head()
            if self._damage is not None:
                raise copy(self._damage)
            return head

    @property
    def damage(self) -> CorruptError | None:
        """What hides the newest acknowledged versions, as last seen; None if nothing does."""
        return copy(self._damage)

    @property
    def end(self) -> int:
        """The size of the log as it was last seen, in bytes."""
        return 0 if self._head is None else self._head.end

    def current(self) -> Version | None:
        """Return the newest version, or None for an empty log."""
        with self._guard:
            head = self.head()
            return None if head is None else self.version_of(head.entry)

    def newest_sound(self) -> int | None:
        """Return the number of the newest version that can be read, or None for an empty log."""
        with self._guard:
            head = self._sound_head()
            if head is None and self._damage is not None:
                raise copy(self._damage)
            return None if head is None else head.version

    def version(self, seq: int) -> Version:
        """Return version *seq*, which must not be beyond the head."""
        return self.version_of(self._entry(seq))

    def version_of(self, entry: Entry) -> Version:
        """Return what people see of an entry."""
        commit = entry.commit
        changed = commit.parts
        try:
            parts = {
                name: PartVersion(row.address, row.size, name in changed)
                for name, row in self.parts_of(entry).items()
            }
        except CorruptError as error:
            raise named(error, self.session, commit.seq) from error
        return Version(
            session=self.session,
            version=commit.seq,
            commit=commit.id,
            prev=commit.prev,
            kind=commit.kind,
            time=commit.time,
            parts=MappingProxyType(parts),
            stored=entry.header.size,
            actor=commit.actor,
            note=commit.note,
            key=commit.key,
        )

    def versions(self) -> Iterator[Version]:
        """Yield every version, newest first, each proven by the one after it.

        Where the newest are damaged, the sound ones are yielded before `CorruptError` is raised.
        """
        with self._guard:
            head, damage = self._sound_head(), self.damage
        entry = None if head is None else head.entry
        while entry is not None and head is not None:
            yield self.version_of(entry)
            if entry.commit.prev is None:
                break
            with about(self.session, entry.commit.seq - 1):
                entry = self._parts.before(entry, head.genesis)
        if damage is not None:
            raise damage

    def parts_of(self, entry: Entry) -> Mapping[str, PartEntry]:
        """Return every live part of an entry, resolved to the frame that holds its state."""
        head = self._head
        if head is not None and head.entry is entry:
            return head.parts
        return self._parts.of(entry, None if head is None else head.genesis)

    def parts_at(self, seq: int) -> Mapping[str, PartEntry]:
        """Return every live part at version *seq*."""
        return self.parts_of(self._entry(seq))

    def state(self, part: str, seq: int | None = None) -> bytes | None:
        """Return the bytes of *part* at version *seq* (default: newest), proven by its address."""
        with self._guard:
            is_newest = seq is None
            if seq is None:
                head = self.head()
                if head is None:
                    return None
                seq, parts = head.version, head.parts
            else:
                parts = self.parts_at(seq)
            with about(self.session, seq):
                row = parts.get(part)
            if row is None:
                return None
            known = self._states.known(part, row) if is_newest else None
        if known is not None:
            return known
        state, _ = self._rebuilt(part, row, seq)
        if is_newest:
            with self._guard:
                self._states.remember(part, row, state)
        return state

    @property
    def memory_size(self) -> int:
        """Bytes of memory held to make saves and loads of the newest states cheap, about."""
        return self._states.memory_size

    def forget_states(self) -> bool:
        """Give back the memory that makes saves and loads cheap, unless it is in use right now."""
        if not self._guard.acquire(blocking=False):
            return False
        self._states.clear()
        self._guard.release()
        return True

    def _move_to(self, head: Head) -> Head:
        """Make *head* the one that is known, and note what later calls look up."""
        self._head = head
        commit = head.entry.commit
        if self._positions is not None:
            self._positions[commit.seq] = head.entry.header.position
        if self._keys is not None and commit.key is not None:
            self._keys[commit.key] = commit.seq
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
        entry = not self.settled and not head.entry.header.durable_upto
        self._backend.settle(self.session, entry=entry)
        if self._backend.durable:
            self.settled = head.end

    def _sound_head(self) -> Head | None:
        """Return the newest sound entry, made durable first; `_damage` says if newer ones were."""
        head = self._refreshed(self._backend.size(self.session) or 0)
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
            if entry is not None and size >= self._durable_end():
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

    def _durable_end(self) -> int:
        """Return up to where the log is known, from anywhere but itself, to have been durable."""
        return max(self.settled, self._acknowledged(self.session))

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
        return Head(entry, genesis, self._parts.of(entry, genesis))

    def _entry(self, seq: int) -> Entry:
        """Return the entry of version *seq*, all of its frame checked."""
        with self._guard:
            head = self._sound_head()
            if head is None or seq > head.version:
                raise self.damage or CorruptError(
                    "there is no such version", session=self.session, version=seq
                )
            if seq == head.version:
                return head.entry
            if self._positions is None:
                self._positions = self._frames.positions(head.entry)
            position = self._positions.get(seq)
        with about(self.session, seq):
            if position is None:
                raise CorruptError("its frame cannot be found")
            entry = self._frames.entry(position)
            if entry.commit.seq != seq or entry.commit.log != head.entry.commit.log:
                raise CorruptError("its frame is another's")
        return entry

    def _rebuilt(self, part: str, row: PartEntry, seq: int) -> tuple[bytes, Chain]:
        """Rebuild a state from its keyframe on, and check it against its address."""
        with about(self.session, seq):
            return self._states.rebuilt(part, row)
