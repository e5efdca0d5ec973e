"""Reading one session's log: its newest sound entry, its versions, and their states."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TypeVar

from eventstore.chain import Chain
from eventstore.commit import REPAIR, PartVersion, Version
from eventstore.errors import CorruptError, ErasedError
from eventstore.log_chain import ChainReader
from eventstore.log_end import LogEnd
from eventstore.log_frames import Entry
from eventstore.log_steady import steadily
from eventstore.payload import Encoding, Genesis, PartEntry
from eventstore.place import about, named

_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True)
class Walked:
    """A version on the way back through a log, and the entry it was read from in some epoch."""

    epoch: int
    entry: Entry
    genesis: Genesis
    version: Version


class LogReader(LogEnd):
    """The log of one session, to be read; safe to use from several threads."""

    @steadily
    def current(self) -> Version | None:
        """Return the newest version, or None for an empty log."""
        with self._guard:
            head = self.head()
            return None if head is None else self.version_of(head.entry)

    @steadily
    def version(self, seq: int) -> Version:
        """Return version *seq*, which must not be beyond the head."""
        return self.version_of(self._entry(seq))

    @steadily
    def commit_bytes(self, seq: int) -> bytes:
        """Return the commit of version *seq*, byte for byte."""
        return self._entry(seq).commit.encoded

    def version_of(self, entry: Entry) -> Version:
        """Return what people see of an entry."""
        try:
            return self._seen(entry, self.parts_of(entry))
        except CorruptError as error:
            raise named(error, self.session, entry.commit.seq) from error

    def _seen(self, entry: Entry, rows: Mapping[str, PartEntry]) -> Version:
        """Return what people see of an entry with the parts in *rows*."""
        commit = entry.commit
        parts = {}
        for name, row in rows.items():
            parts[name] = PartVersion(row.address, row.size, name in commit.parts)
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
            ref=commit.ref,
        )

    def versions(self) -> Iterator[Version]:
        """Yield every version, newest first, each proven by the one after it.

        Where the newest are damaged, the sound ones are yielded before `CorruptError` is raised.
        """
        walked = self._steadily(self._newest)
        damage = self.damage
        while walked is not None:
            yield walked.version
            walked = self._steadily(partial(self._before, walked))
        if damage is not None:
            raise damage

    def newest_live(self) -> int:
        """Return the number of the newest version that has any part, or of the newest."""
        head = self.head()
        assert head is not None, "a log that is asked for its versions has some"
        if head.parts:
            return head.version
        return next((v.version for v in self.versions() if v.parts), head.version)

    def is_whole(self) -> bool:
        """Whether there is a frame for every version up to the newest: a repair gave up none."""
        return self._steadily(self._is_whole)

    def steady(self, work: Callable[[], _Result]) -> _Result:
        """Return what *work* gives, done again if the log was replaced meanwhile."""
        return self._steadily(lambda _: work())

    def entries(self, start: int, stop: int) -> Iterator[Entry]:
        """Yield the entries from offset *start* to *stop*, all of their frames checked.

        For whoever has the sole right to replace the log, or works steadily.
        """
        while start < stop:
            entry = self._frames.entry(start)
            yield entry
            start = entry.stop

    def links(self, part: str, row: PartEntry) -> list[tuple[PartEntry, bytes]]:
        """Return the rows and bodies of the chain that ends with the state in *row*."""
        found = ChainReader(self._backend, self.session, part, row).links()
        return [(link, step.body) for link, step in found]

    def parts_of(self, entry: Entry) -> Mapping[str, PartEntry]:
        """Return every live part of an entry, resolved to the frame that holds its state."""
        head = self._head
        if head is not None and head.entry is entry:
            return head.parts
        return self._parts.of(entry, None if head is None else head.genesis)

    def parts_at(self, seq: int) -> Mapping[str, PartEntry]:
        """Return every live part at version *seq*."""
        return self.parts_of(self._entry(seq))

    @steadily
    def state(self, part: str, seq: int | None = None) -> bytes | None:
        """Return the bytes of *part* at version *seq* (default: newest), proven by its address.

        Raises `ErasedError` for a state that was dropped.
        """
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
            is_there = row.encoding is not Encoding.DROPPED
            known = self._states.known(part, row) if is_newest and is_there else None
        if known is not None:
            return known
        if not is_there:
            raise self._erased(part, seq) if row.address else self._given_up(part, seq)
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

    def _newest(self, epoch: int) -> Walked | None:
        """Return the newest sound version."""
        with self._guard:
            head = self._sound_head()
            if head is None:
                return None
            return Walked(epoch, head.entry, head.genesis, self.version_of(head.entry))

    def _is_whole(self, epoch: int) -> bool:
        """Look at the header of every frame."""
        with self._guard:
            head = self._sound_head()
            if head is None:
                return True
            found = self._frames.positions(head.entry)
            return len(found) == head.version and not self._frames.has_gap(head.end)

    def _before(self, newer: Walked, epoch: int) -> Walked | None:
        """Return the version before one that may have been read from a log since replaced."""
        prev, seq = newer.version.prev, newer.version.version - 1
        if prev is None:
            return None
        with about(self.session, seq):
            entry: Entry | None
            if epoch == newer.epoch:
                entry = self._parts.before(newer.entry, newer.genesis)
            else:
                entry = self._entry(seq)
                if entry.commit.id != prev:
                    raise CorruptError("its commit is not the one the next commit names")
            if entry is None:
                return None
        return Walked(epoch, entry, newer.genesis, self.version_of(entry))

    def _given_up(self, part: str, seq: int) -> CorruptError:
        """Return the error for a state that was lost to damage, and that a repair gave up."""
        return CorruptError(
            f"the state of part {part!r} was lost to damage, and a repair gave it up",
            session=self.session,
            version=seq,
        )

    def _erased(self, part: str, seq: int) -> ErasedError:
        """Return the error for a state that thinning dropped, naming the nearest that are kept."""
        newest = self.newest_sound() or seq
        near = [
            self._kept_in(part, versions)
            for versions in (range(seq - 1, 0, -1), range(seq + 1, newest + 1))
        ]
        kept = " and ".join(str(number) for number in near if number is not None)
        return ErasedError(
            f"the state of part {part!r} was dropped by thinning",
            session=self.session,
            version=seq,
            hint=f"nearest kept: {kept}",
        )

    def _kept_in(self, part: str, versions: Iterable[int]) -> int | None:
        """Return the first of some versions whose state of *part* can be read."""
        for seq in versions:
            with suppress(CorruptError):  # What is lost is not kept.
                row = self.parts_at(seq).get(part)
                if row is not None and row.encoding is not Encoding.DROPPED:
                    return seq
        return None

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
                raise CorruptError(self._why_missing(seq))
            entry = self._frames.entry(position)
            if entry.commit.seq != seq or entry.commit.log != head.entry.commit.log:
                raise CorruptError("its frame is another's")
        return entry

    def _why_missing(self, seq: int) -> str:
        """Say why a version that must be there has no frame."""
        assert self._positions is not None, "they were just looked at"
        before = max((number for number in self._positions if number < seq), default=0)
        behind = self._positions[min(number for number in self._positions if number > seq)]
        gap = self._frames.gap(self._positions[before]) if before else None
        # A repair leaves out the numbers of what was lost at the end.
        if gap is not None or self._frames.entry(behind).commit.kind == REPAIR:
            return "this version was lost to damage, and a repair gave it up"
        return "its frame cannot be found"

    def _rebuilt(self, part: str, row: PartEntry, seq: int) -> tuple[bytes, Chain]:
        """Rebuild a state from its keyframe on, and check it against its address."""
        with about(self.session, seq):
            return self._states.rebuilt(part, row)
