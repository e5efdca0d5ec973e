"""Reading the chain of a part: its keyframe and the deltas behind it, from where they stand."""

from __future__ import annotations

from eventstore.backend import Backend
from eventstore.chain import CHAIN_MAX, Step
from eventstore.errors import CorruptError, UnsupportedError
from eventstore.frame import HEADER_SIZE, Header, decode_frame, decode_header
from eventstore.log_frames import placed
from eventstore.payload import Encoding, PartEntry, body_offset, decode_table

_REGION_SIZE = 8 * 1024 * 1024
"""Bytes of a chain that are read at once; frames beyond it are read one by one."""

_FRAME_GUESS = 4096


class ChainReader:
    """Reads the frames of one chain of a part, with as few reads as can be.

    Only headers and tables are checked here: the state's address proves the bodies.
    """

    def __init__(self, backend: Backend, session: str, part: str, newest: PartEntry) -> None:
        """Read the chain of *part* that the state in *newest* ends."""
        self._backend = backend
        self._session = session
        self._part = part
        self._newest = newest
        self._start = newest.base
        self._data = backend.read(
            session,
            newest.base,
            min(newest.holder + _FRAME_GUESS, newest.base + _REGION_SIZE),
        )

    def steps(self) -> list[Step]:
        """Return the steps from the keyframe on; raise `CorruptError` where they do not connect."""
        found: list[Step] = []
        position = self._newest.holder
        while True:
            with placed(self._session, position):
                step = self._step(position)
                found.append(step)
                if step.row.encoding is Encoding.KEYFRAME:
                    return found[::-1]
                if not self._newest.base <= step.row.previous < position:
                    raise CorruptError(f"the chain of part {self._part!r} has no keyframe")
                if len(found) > CHAIN_MAX:
                    raise CorruptError(f"the chain of part {self._part!r} is too long")
                position = step.row.previous

    def _step(self, position: int) -> Step:
        """Return the step at *position*."""
        header = self._header(position)
        if position - self._start + header.size > len(self._data):
            self._start = position
            self._data = self._backend.read(self._session, position, header.stop)
        at = position - self._start
        table_start = at + HEADER_SIZE + header.commit_size
        try:
            table = decode_table(self._data[table_start : at + header.head_size], position)
        except UnsupportedError:
            # A damaged table can look like one of a later format; the frame's digest tells.
            decode_frame(self._data[at : at + header.size], position)
            raise
        row = table.entries.get(self._part)
        if row is None or row.encoding not in (Encoding.KEYFRAME, Encoding.DELTA):
            raise CorruptError(f"part {self._part!r} is not where the log says")
        first = at + header.head_size + body_offset(table, self._part)
        return Step(row, self._data[first : first + row.stored_size])

    def _header(self, position: int) -> Header:
        """Return the header at *position*."""
        at = position - self._start
        if not 0 <= at <= len(self._data) - HEADER_SIZE:
            self._start, at = position, 0
            self._data = self._backend.read(self._session, position, position + _FRAME_GUESS)
        return decode_header(self._data[at : at + HEADER_SIZE], position)
