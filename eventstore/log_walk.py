"""The states of consecutive versions, each chain of a part read once and not once a version."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from eventstore.address import address_of
from eventstore.backend import Backend
from eventstore.chain import unroll
from eventstore.commit import Version
from eventstore.errors import CorruptError, ErasedError, UnsupportedError
from eventstore.events import Event
from eventstore.log import Log
from eventstore.log_chain import ChainReader
from eventstore.payload import Encoding, PartEntry
from eventstore.retelling import Retelling

_WINDOW = 256
_CHAINED = (Encoding.KEYFRAME, Encoding.DELTA, Encoding.REFERENCE)

Rows = Mapping[str, PartEntry]


class LogWalk:
    """Reads versions of a log in their order, with any of their states."""

    def __init__(self, backend: Backend, log: Log, *, state_size_max: int) -> None:
        """Read *log*, which is in *backend*."""
        self._backend = backend
        self._log = log
        self._size_max = state_size_max
        self._walks: dict[str, _Walk] = {}
        self._rows: Sequence[Rows] = ()
        self._place = 0
        self._version: Version | None = None

    def versions(self, start: int, stop: int) -> Iterator[Version]:
        """Yield the versions *start* to *stop*; `state` then is of the one yielded last."""
        for first in range(start, stop + 1, _WINDOW):
            seqs = range(first, min(first + _WINDOW, stop + 1))
            self._rows = [self._log.steady(partial(self._log.parts_at, seq)) for seq in seqs]
            for self._place, seq in enumerate(seqs):
                self._version = self._log.version(seq)
                yield self._version

    def told(self, first: int, last: int) -> Iterator[tuple[Version, Iterator[Event]]]:
        """Yield the versions *first* to *last*, each with what happened at it, to be used at once.

        A state that was dropped is told of as such.
        """
        retelling = Retelling()
        if first > 1:
            for version in self.versions(first - 1, first - 1):
                retelling.begin_after(version, self.state)
        for version in self.versions(first, last):
            yield version, retelling.tell(version, self.state)

    def state(self, part: str) -> bytes:
        """Return the state of a part that the version yielded last has, proven by its address.

        Raises `ErasedError` where it was dropped, `CorruptError` where it is damaged.
        """
        version = self._version
        assert version is not None, "a version was yielded"
        try:
            state = self._walked(part, version.parts[part].address)
        except (CorruptError, UnsupportedError):
            state = None
        if state is None:
            self._walks.pop(part, None)
            state = self._log.state(part, version.version)
        assert state is not None, "the version has the part"
        return state

    def _walked(self, part: str, address: str) -> bytes | None:
        """Return the state if it is in the chain that was begun, or in one that can be.

        The rows may be those of a log that was replaced meanwhile: the address is not.
        """
        row = self._rows[self._place][part]
        if row.encoding is Encoding.DROPPED and row.address == address:
            raise ErasedError(
                f"the state of part {part!r} was dropped by thinning", session=self._log.session
            )
        if row.encoding not in _CHAINED:
            return None
        walk = self._walks.get(part)
        if walk is None or not walk.go_to(row):
            walk = self._walks[part] = self._begin(part, row)
            if not walk.go_to(row):
                return None
        return walk.state if address_of(walk.state) == address else None

    def _begin(self, part: str, row: PartEntry) -> _Walk:
        """Return a walk over the chain of *row*, as far as the versions at hand follow it."""
        last = row
        for rows in self._rows[self._place + 1 :]:
            if part not in rows or rows[part].base != row.base:
                break
            if rows[part].encoding in _CHAINED and rows[part].chain > last.chain:
                last = rows[part]
        reader = ChainReader(self._backend, self._log.session, part, last)
        steps = reader.glance() or reader.steps()
        return _Walk(row.base, unroll(steps, self._size_max))


class _Walk:
    """A chain of a part that is being unrolled."""

    def __init__(self, base: int, states: Iterator[bytes]) -> None:
        """Stand before the keyframe, which is at *base*."""
        self._base = base
        self._states = states
        self._chain = -1
        self.state = b""

    def go_to(self, row: PartEntry) -> bool:
        """Move on to the state in *row*; False if it does not come any more."""
        if row.base != self._base:
            return False
        while self._chain < row.chain:
            state = next(self._states, None)
            if state is None:
                return False
            self.state = state
            self._chain += 1
        return self._chain == row.chain
