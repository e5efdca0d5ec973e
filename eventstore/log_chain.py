"""Reading the chain of a part: its keyframe and the deltas behind it, from where they stand."""

from __future__ import annotations

import struct
from contextlib import suppress

from eventstore.backend import Readable
from eventstore.chain import CHAIN_MAX, Step
from eventstore.errors import CorruptError, UnsupportedError
from eventstore.frame import HEADER_SIZE, Header, decode_frame, decode_header, sizes_at
from eventstore.payload import Encoding, PartEntry, body_offset, decode_table, peek
from eventstore.place import placed

_REGION_SIZE = 32 * 1024 * 1024
"""Bytes of a chain that are read at once; frames beyond it are read one by one."""

_FRAME_GUESS = 4096


class ChainReader:
    """Reads the frames of one chain of a part, with as few reads as can be.

    The state's address proves what is read, so the first try checks nothing else. Where it fails,
    a second one checks headers and tables to say what is wrong.
    """

    def __init__(self, backend: Readable, session: str, part: str, newest: PartEntry) -> None:
        """Read the chain of *part* that the state in *newest* ends."""
        self._backend = backend
        self._session = session
        self._part = part
        self._newest = newest
        self._start = newest.base
        self._data = backend.read(
            session,
            newest.base,
            min(newest.holder + newest.stored_size + _FRAME_GUESS, newest.base + _REGION_SIZE),
        )

    def glance(self) -> list[Step] | None:
        """Return the steps as they seem to be, or None where they cannot be read that fast."""
        found: list[Step] = []
        position, part = self._newest.holder, self._part.encode()
        base, start, data = self._newest.base, self._start, self._data
        with suppress(struct.error, LookupError, OverflowError):
            while len(found) <= CHAIN_MAX:
                at = position - start
                commit_size, table_size, body_size = sizes_at(data, at)
                at += HEADER_SIZE + commit_size
                stop = at + table_size + body_size
                if position < base or stop > len(data):
                    return None
                encoding, codec, numbers, before = peek(data, at, part)
                _, previous, _, stored, decoded = numbers
                at += table_size + before
                found.append(Step(encoding, codec, decoded, data[at : at + stored]))
                if encoding == Encoding.KEYFRAME:
                    return found[::-1]
                if encoding != Encoding.DELTA or not previous:
                    return None
                position -= previous
        return None

    def steps(self) -> list[Step]:
        """Return the steps from the keyframe on; raise `CorruptError` where they do not connect."""
        return [step for _, step in self.links()]

    def links(self) -> list[tuple[PartEntry, Step]]:
        """Return the steps with the rows they stand in."""
        found: list[tuple[PartEntry, Step]] = []
        position = self._newest.holder
        while True:
            with placed(self._session, position):
                row, step = self._step(position)
                found.append((row, step))
                if row.encoding is Encoding.KEYFRAME:
                    return found[::-1]
                if not self._newest.base <= row.previous < position:
                    raise CorruptError(f"the chain of part {self._part!r} has no keyframe")
                if len(found) > CHAIN_MAX:
                    raise CorruptError(f"the chain of part {self._part!r} is too long")
                position = row.previous

    def _step(self, position: int) -> tuple[PartEntry, Step]:
        """Return the step at *position*, with its row."""
        header = self._header(position)
        if position - self._start + header.size > len(self._data):
            self._start = position
            self._data = self._backend.read(self._session, position, header.stop)
        at = position - self._start
        table_start = at + HEADER_SIZE + header.commit_size
        try:
            table = decode_table(self._data[table_start : at + header.head_size], position)
        except UnsupportedError as error:
            if header.is_gap:
                raise CorruptError("what a gap holds of it is damaged") from error
            # A damaged table can look like one of a later format; the frame's digest tells.
            decode_frame(self._data[at : at + header.size], position)
            raise
        row = table.entries.get(self._part)
        if row is None or row.encoding not in (Encoding.KEYFRAME, Encoding.DELTA):
            raise CorruptError(f"part {self._part!r} is not where the log says")
        first = at + header.head_size + body_offset(table, self._part)
        body = self._data[first : first + row.stored_size]
        return row, Step(row.encoding, row.codec, row.decoded_size, body)

    def _header(self, position: int) -> Header:
        """Return the header at *position*."""
        at = position - self._start
        if not 0 <= at <= len(self._data) - HEADER_SIZE:
            self._start, at = position, 0
            self._data = self._backend.read(self._session, position, position + _FRAME_GUESS)
        return decode_header(self._data[at : at + HEADER_SIZE], position)
