"""Rechecking: a rewriting says the same as the log it is to replace, read back from its medium."""

from __future__ import annotations

from collections.abc import Mapping

from eventstore.address import address_of
from eventstore.backend import Readable
from eventstore.chain import rebuild
from eventstore.delta import decode_delta, fold
from eventstore.errors import CorruptError
from eventstore.log_chain import ChainReader
from eventstore.log_frames import Entry, LogFrames, check_commitments
from eventstore.payload import Encoding, PartEntry
from eventstore.repack import Plan, StateKey
from eventstore.trail import Trail

_Place = tuple[int, int, int]
"""Where a state stands in the rewriting: its frame, the keyframe it builds on, its chain."""


class Recheck:
    """Compares the frames of a rewriting with the old ones, in their order.

    Every state is rebuilt from the new bytes and hashed. Raises `CorruptError` for any difference
    that *plan* does not allow.
    """

    def __init__(
        self, rewriting: Readable, session: str, plan: Plan, *, state_size_max: int
    ) -> None:
        """Check the *rewriting* of the log of *session*."""
        self._rewriting = rewriting
        self._session = session
        self._plan = plan
        self._state_size_max = state_size_max
        self._frames = LogFrames(rewriting, session)
        self._salt = b""
        self._last: str | None = None
        self._places: dict[StateKey, _Place] = {}
        self._trails: dict[str, Trail] = {}
        self._states: dict[str, tuple[int, bytes]] = {}

    def add(self, old: Entry, position: int) -> Entry:
        """Check the frame at *position* against the one it stands for, and return its entry."""
        new = self._frames.entry(position)
        self._need(new.commit.encoded == old.commit.encoded, new)
        self._need(new.commit.prev == self._last, new)
        self._need(new.genesis == old.genesis, new)
        self._need(list(new.parts) == list(old.parts), new)
        if new.genesis is not None:
            self._salt = new.genesis.salt
        check_commitments(new, self._salt)
        for name, row in new.parts.items():
            is_same = self._is_same(name, old.parts[name], row, (new.bodies or {}).get(name, b""))
            self._need(is_same, new)
            if row.encoding is not Encoding.UNCHANGED:
                self._places[name, old.header.position] = row.holder, row.base, row.chain
        self._last = new.commit.id
        return new

    def read_newest(self, rows: Mapping[str, PartEntry]) -> None:
        """Read states the way that loading them will."""
        for name, row in rows.items():
            steps = ChainReader(self._rewriting, self._session, name, row).steps()
            state, _ = rebuild(row, steps, self._state_size_max)
            if address_of(state) != row.address:
                raise CorruptError("a repacked state does not read back", session=self._session)

    def _is_same(self, name: str, old: PartEntry, new: PartEntry, body: bytes) -> bool:
        """Whether the new row says what the old one said."""
        if new.encoding is Encoding.UNCHANGED or old.encoding is Encoding.UNCHANGED:
            place = self._places.get((name, old.holder))
            return old.encoding is new.encoding and place is not None and place[0] == new.holder
        if (new.address, new.size) != (old.address, old.size):
            return False
        if new.encoding is Encoding.REFERENCE or old.encoding is Encoding.REFERENCE:
            there = new.holder, new.base, new.chain
            return old.encoding is new.encoding and self._places.get((name, old.holder)) == there
        if new.encoding is Encoding.DROPPED:
            key = name, old.holder
            return old.encoding is Encoding.DROPPED or not self._plan.keeps(key)
        return address_of(self._state(name, new, body)) == new.address

    def _state(self, name: str, row: PartEntry, body: bytes) -> bytes:
        """Rebuild the state in a row."""
        trail = self._trails.setdefault(name, Trail(self._state_size_max))
        trail.add(row, body)
        holder, before = self._states.get(name, (-1, b""))
        if row.encoding is Encoding.DELTA and row.previous == holder:
            delta = decode_delta(trail.links[-1].decoded)
            state = fold(before, [delta], row.size, self._state_size_max)
        else:
            state = trail.state(row.size)
        self._states[name] = row.holder, state
        return state

    def _need(self, holds: bool, entry: Entry) -> None:
        """Raise `CorruptError` unless something holds."""
        if not holds:
            raise CorruptError(
                "a repacked frame differs from the one it stands for",
                session=self._session,
                version=entry.commit.seq,
                hint="the log is as it was",
            )
