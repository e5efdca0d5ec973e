"""Examining one log from its first byte to its last: what is sound, what is not, what it means.

Quick, it reads every frame and checks digests, the chain of commits, their commitments, and that
every state has all it is stored as changes to. Deep, it rebuilds every state and hashes it too.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial

from eventstore.backend import Readable
from eventstore.chain import Step
from eventstore.commit import REPAIR
from eventstore.errors import CorruptError, UnsupportedError
from eventstore.examination import Examination, Region
from eventstore.frame import HEADER_SIZE, MAGIC, decode_header
from eventstore.gap import UNKNOWN, Gap
from eventstore.log_chain import ChainReader
from eventstore.log_frames import Entry, LogFrames, check_commitments
from eventstore.payload import Encoding, PartEntry
from eventstore.ranges import Ranges
from eventstore.rebuilder import Rebuilder

_SEARCH_SIZE = 8 * 1024 * 1024


class Examiner:
    """Walks one log; used once.

    A frame is taken only when the one behind it is known, which names it or does not.
    """

    def __init__(
        self,
        backend: Readable,
        session: str,
        *,
        deep: bool,
        state_size_max: int,
        told: Callable[[int], None],
        watch: int = 0,
    ) -> None:
        """Examine the log of *session*, noting the commit of version *watch*.

        *told* hears of the bytes of every frame.
        """
        self._backend = backend
        self._session = session
        self._deep = deep
        self._state_size_max = state_size_max
        self._told = told
        self._watch = watch
        self._frames = LogFrames(backend, session)
        self._pending: Entry | None = None
        self._seq = 0
        self._expected: str | None = None
        self._behind_damage = False
        self._holders: dict[str, dict[int, str | None]] = {}
        self._current: dict[str, int] | None = {}
        self._rebuilders: dict[str, Rebuilder] = {}
        self._found: Examination

    def run(self, size: int) -> Examination:
        """Examine the first *size* bytes."""
        self._found = found = Examination(self._session, size, self._deep)
        position = 0
        while position < size and found.foreign is None:
            position = self._next(position)
        self._take_pending()
        if found.regions and not found.regions[-1].first:
            region = found.regions[-1]
            last = max(self._seq + 1, self._stated(region))
            found.regions[-1] = replace(region, first=self._seq + 1, last=last)
        return found

    def _next(self, position: int) -> int:
        """Look at one frame, or what is there instead; return where to go on."""
        try:
            entry = self._frames.entry(position)
            self._check_belongs(entry)
        except CorruptError as error:
            self._take_pending()
            gap = self._frames.gap(position)
            if gap is not None:
                return self._pass(gap)
            return self._damaged(position, error.message)
        pending = self._pending
        expected = self._expected if pending is None else pending.commit.id
        if not self._behind_damage and expected not in (entry.commit.prev, UNKNOWN):
            if not self._is_named(entry):
                self._take_pending()
                if entry.stop == self._found.size:
                    self._found.ambiguous = entry.commit.seq
                return self._damaged(position, "the commit does not name the one before it")
            if pending is not None:
                self._drop(pending)
        else:
            self._take_pending()
        self._pending = entry
        self._found.log = entry.commit.log
        self._found.genesis = self._found.genesis or entry.genesis
        return entry.stop

    def _check_belongs(self, entry: Entry) -> None:
        """Raise `CorruptError` for a frame of another log, or one that contradicts its own."""
        found = self._found
        if entry.genesis is not None and entry.genesis.session != self._session:
            found.foreign = entry.genesis.session
            raise CorruptError(f"the log is that of session {found.foreign!r}")
        if found.log and entry.commit.log != found.log:
            raise CorruptError("the frame is of another log")
        genesis = entry.genesis or found.genesis
        if genesis is not None:
            check_commitments(entry, genesis.salt)
        newest = self._seq if self._pending is None else self._pending.commit.seq
        if entry.commit.seq <= newest:
            raise CorruptError("the frame repeats a version")

    def _is_named(self, entry: Entry) -> bool:
        """Whether the frame behind an entry names it."""
        try:
            return self._frames.entry(entry.stop).commit.prev == entry.commit.id
        except CorruptError:
            return False

    def _drop(self, entry: Entry) -> None:
        """Note that an entry is not the one that belongs where it is."""
        self._pending = None
        position, reason = entry.header.position, "the commit is not the one that the next names"
        self._note(Region(position, entry.stop, reason))

    def _damaged(self, position: int, reason: str) -> int:
        """Note damage, and return where the next sound frame is."""
        size = self._found.size
        if self._found.foreign is not None:
            return size
        sound = self._frames.next_sound(position + 1, size)
        stop = size if sound is None else sound.position
        self._note(Region(position, stop, reason))
        self._told(stop - position)
        return stop

    def _note(self, region: Region) -> None:
        """Add a region, to the one before it if they touch."""
        regions = self._found.regions
        if self._behind_damage and regions and regions[-1].stop == region.start:
            regions[-1] = replace(regions[-1], stop=region.stop)
        else:
            regions.append(region)
        self._behind_damage, self._current = True, None

    def _pass(self, gap: Gap) -> int:
        """Go on behind a gap."""
        self._end_damage(gap.first, None)
        self._found.gaps.append(gap)
        self._found.genesis = self._found.genesis or gap.genesis
        self._seq, self._expected, self._current = gap.last, gap.next, None
        self._found.end = gap.stop
        return gap.stop

    def _end_damage(self, seq: int, prev: str | None) -> None:
        """Say of the damage right before version *seq* which versions were in it."""
        if self._behind_damage:
            regions = self._found.regions
            regions[-1] = replace(regions[-1], first=self._seq + 1, last=seq - 1, next=prev)
            self._behind_damage = False

    def _take_pending(self) -> None:
        """Take the entry that is known to belong where it is."""
        entry, found = self._pending, self._found
        if entry is None:
            return
        self._pending = None
        seq = entry.commit.seq
        if not self._behind_damage and seq > self._seq + 1:
            found.skipped.add(self._seq + 1, seq - 1)
        self._end_damage(seq, entry.commit.prev)
        if entry.commit.kind == REPAIR:
            found.hear(entry.commit.ref or {})
            found.mended = seq
        if found.regions:
            found.witness = max(found.witness, entry.header.durable_upto)
        found.versions, found.newest, self._seq = found.versions + 1, seq, seq
        found.commit = self._expected = entry.commit.id
        found.end = entry.stop
        if seq == self._watch:
            found.watched = entry.commit.id
        self._check_parts(entry)
        self._told(entry.header.size)

    def _stated(self, region: Region) -> int:
        """Return the largest version that a sound header in a damaged region states."""
        newest, start = 0, region.start
        while start < region.stop:
            data = self._backend.read(self._session, start, min(region.stop, start + _SEARCH_SIZE))
            at = data.find(MAGIC)
            while at >= 0:
                with suppress(CorruptError, UnsupportedError):
                    header = decode_header(data[at : at + HEADER_SIZE], start + at)
                    newest = max(newest, header.seq)
                at = data.find(MAGIC, at + 1)
            start += max(1, len(data) - HEADER_SIZE)
        return newest

    def _check_parts(self, entry: Entry) -> None:
        """Check that every state of a version has what it is made of."""
        before = self._current
        self._current = {name: row.holder for name, row in entry.parts.items()}
        for name, row in entry.parts.items():
            holders = self._holders.setdefault(name, {})
            if row.encoding is Encoding.UNCHANGED:
                if before is not None and before.get(name) != row.holder:
                    self._break(name, entry, "the table leads to another state")
                sound = holders.get(row.holder) is not None
            else:
                sound = self._check_row(entry, name, row, holders)
            if not sound:
                self._found.unreadable.setdefault(name, Ranges()).add(entry.commit.seq)

    def _check_row(
        self, entry: Entry, name: str, row: PartEntry, holders: dict[int, str | None]
    ) -> bool:
        """Whether the state that an entry sets can be read."""
        if row.encoding is Encoding.REFERENCE:
            if holders.get(row.holder, row.address) not in (row.address, None):
                self._break(name, entry, "the table refers to another state")
            return holders.get(row.holder) == row.address
        if row.encoding is Encoding.DROPPED:
            holders[row.holder] = row.address
            return True
        rests = row.encoding is Encoding.KEYFRAME or holders.get(row.previous) is not None
        holders[row.holder] = row.address if rests or self._deep else None
        if self._deep:
            try:
                # What rests on damage is tried too: its address proves it all the same.
                self._rebuilder(name).check(row, (entry.bodies or {})[name])
            except CorruptError as error:
                holders[row.holder] = None
                if rests:
                    self._found.failed.setdefault((name, entry.commit.seq), error.message)
        if holders[row.holder] is None:
            self._found.broken.setdefault(name, Ranges()).add(entry.commit.seq)
        return holders[row.holder] is not None

    def _break(self, name: str, entry: Entry, reason: str) -> None:
        """Note a state that a sound frame gives wrongly."""
        self._found.failed.setdefault((name, entry.commit.seq), reason)
        self._found.broken.setdefault(name, Ranges()).add(entry.commit.seq)

    def _rebuilder(self, name: str) -> Rebuilder:
        """Return what rebuilds the states of a part."""
        if name not in self._rebuilders:
            steps = partial(_steps, self._backend, self._session, name)
            self._rebuilders[name] = Rebuilder(self._state_size_max, steps)
        return self._rebuilders[name]


def _steps(backend: Readable, session: str, name: str, row: PartEntry) -> Sequence[Step]:
    """Read the chain of a state."""
    return ChainReader(backend, session, name, row).steps()
