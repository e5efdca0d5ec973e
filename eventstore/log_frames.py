"""The frames of one log, read and checked: from its end, from a known place, or all of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

from eventstore.address import commitment_to
from eventstore.backend import Readable
from eventstore.commit import REPAIR, Commit
from eventstore.errors import CorruptError, UnsupportedError
from eventstore.frame import (
    HEADER_SIZE,
    MAGIC,
    Header,
    decode_frame,
    decode_header,
    find_frame,
    last_frame_size,
)
from eventstore.gap import UNKNOWN, Gap, read_gap
from eventstore.packed import unpack
from eventstore.payload import (
    Encoding,
    Genesis,
    PartEntry,
    bodies_of,
    decode_table,
)
from eventstore.place import placed

_TAIL_SIZE = 64 * 1024
_HEAD_GUESS = 4096
_SEARCH_SIZE = 8 * 1024 * 1024


class Entry(NamedTuple):
    """One decoded frame: its commit, its table and, if asked for, the bodies of changed parts."""

    header: Header
    commit: Commit
    genesis: Genesis | None
    parts: Mapping[str, PartEntry]
    bodies: Mapping[str, bytes] | None

    @property
    def stop(self) -> int:
        """The log offset just after this entry."""
        return self.header.stop

    def is_same(self, other: Entry) -> bool:
        """Whether *other* is the same commit in the same frame at the same place."""
        return (
            self.header == other.header
            and self.commit.id == other.commit.id
            and dict(self.parts) == dict(other.parts)
        )


@dataclass(frozen=True, slots=True)
class Survey:
    """What a walk over all bytes of a log found.

    `positions` maps the seq of every sound frame to its offset; `end` is where the sound run from
    the start stops; `witness` is the furthest offset that later sound frames state was durable.
    """

    positions: Mapping[int, int]
    end: int
    witness: int


class LogFrames:
    """Reads one log's frames; raises `CorruptError` naming the session and the place."""

    def __init__(self, backend: Readable, session: str) -> None:
        """Read the log of *session*."""
        self._backend = backend
        self._session = session

    def last(self, size: int) -> Entry | None:
        """Return the entry that ends exactly at *size*, or None if no sound one does."""
        start = max(0, size - _TAIL_SIZE)
        tail = self._backend.read(self._session, start, size)
        frame_size = last_frame_size(tail)
        if frame_size is None or frame_size > size:
            return None
        position = size - frame_size
        if position < start:
            tail = self._backend.read(self._session, position, size)
            start = position
        try:
            with placed(self._session, position):
                return self._decode(tail[position - start :], position)
        except CorruptError:
            return None

    def entry(self, position: int) -> Entry:
        """Return the entry at *position*, all of its frame read and checked."""
        data = self._backend.read(self._session, position, position + _HEAD_GUESS)
        with placed(self._session, position):
            header = decode_header(data, position)
            if header.size > len(data):
                # Asked first, because room is made for all that is going to be read.
                if header.stop > (self._backend.size(self._session) or 0):
                    raise CorruptError("a frame is cut short")
                data = self._backend.read(self._session, position, header.stop)
            return self._decode(data, position)

    def gap(self, position: int) -> Gap | None:
        """Return the gap at *position*, or None if no sound one is there."""
        return read_gap(self._backend, self._session, position)

    def stop_of(self, position: int) -> int:
        """Return where the frame at *position* ends, as its header says."""
        with placed(self._session, position):
            head = self._backend.read(self._session, position, position + HEADER_SIZE)
            return decode_header(head, position).stop

    def is_given_up(self, position: int) -> bool:
        """Whether the frame that stood at *position* was lost, and a gap stands there now."""
        return any(
            header.is_gap and header.position <= position < header.stop
            for header in self._forward(0, position + 1)
        )

    def has_gap(self, stop: int) -> bool:
        """Whether a gap stands anywhere before *stop*."""
        return any(header.is_gap for header in self._forward(0, stop))

    def outline(self, position: int, genesis: Genesis | None) -> Entry:
        """Return the entry at *position* without its bodies.

        The table is checked against the commit's commitments; the commit itself is proven by the
        next commit's `prev`, which is the caller's to compare.
        """
        data = self._backend.read(self._session, position, position + _HEAD_GUESS)
        with placed(self._session, position):
            header = decode_header(data, position)
            if header.head_size > len(data):
                data = self._backend.read(self._session, position, position + header.head_size)
            try:
                entry = self._assemble(header, data[HEADER_SIZE : header.head_size], None)
            except UnsupportedError:
                return self.entry(position)  # Damage looks like that too; the frame's digest tells.
            if genesis is not None and genesis.salt:
                check_commitments(entry, genesis.salt)
            return entry

    def position_before(self, position: int) -> int:
        """Return the offset of the frame that ends where another starts."""
        with placed(self._session, position - 8):
            end = self._backend.read(self._session, max(0, position - 8), position)
            size = last_frame_size(end)
            if size is None or size > position:
                raise CorruptError("the end of a frame is damaged")
        return position - size

    def positions(self, head: Entry) -> dict[int, int]:
        """Map the seq of every frame up to *head* to its offset, reading headers only.

        Where a header is damaged, the sound frames behind it are searched for.
        """
        found = {}
        position, stop = 0, head.header.position
        while position < stop:
            for header in self._forward(position, stop):
                found[header.seq] = header.position
                position = header.stop
            sound = self.next_sound(position + 1, stop)
            position = stop if sound is None else sound.position
        found[head.header.seq] = stop
        return found

    def survey(self, last: Entry | None, size: int) -> Survey:
        """Check every frame between *last*, or the beginning, and *size*."""
        positions: dict[int, int] = {}
        position = 0 if last is None else last.stop
        prev, seq = (None, 0) if last is None else (last.commit.id, last.commit.seq)
        while position < size:
            try:
                entry = self.entry(position)
            except CorruptError:
                gap = self.gap(position)
                if gap is None:
                    break
                position, prev, seq = gap.stop, gap.next, gap.last
                continue
            if not follows(entry.commit, prev, seq):
                break
            positions[entry.header.seq] = position
            position, prev, seq = entry.stop, entry.commit.id, entry.commit.seq
        end, witness = position, 0
        while position < size:
            found = self._sound_at(position) or self.next_sound(position + 1, size)
            if found is None:
                break
            positions[found.seq] = found.position
            witness = max(witness, found.durable_upto)
            position = found.stop
        return Survey(positions, end, witness)

    def next_sound(self, position: int, size: int) -> Header | None:
        """Return the first sound frame that starts at *position* or later."""
        while position < size:
            data = self._backend.read(self._session, position, position + _SEARCH_SIZE)
            with placed(self._session, position):
                found = find_frame(data, position)
            if found is not None:
                return decode_header(data[found:], position + found)
            for header in self._candidates(data, position):
                sound = self._sound_at(header.position)
                if sound is not None:
                    return sound
            if len(data) < _SEARCH_SIZE:
                return None
            position += len(data) - HEADER_SIZE
        return None

    def _sound_at(self, position: int) -> Header | None:
        """Return the header of the frame at *position*, or None unless all of it is sound."""
        try:
            return self.entry(position).header
        except CorruptError:
            return None

    def _candidates(self, data: bytes, position: int) -> Iterator[Header]:
        """Yield headers in *data* whose frames reach beyond it."""
        at = data.find(MAGIC)
        while at >= 0:
            with suppress(CorruptError):
                header = decode_header(data[at : at + HEADER_SIZE], position + at)
                if header.stop > position + len(data):
                    yield header
            at = data.find(MAGIC, at + 1)

    def _forward(self, position: int, stop: int) -> Iterator[Header]:
        """Yield the headers from *position* up to *stop*, ending early at a damaged one."""
        window, start = b"", position
        while position < stop:
            if position + HEADER_SIZE > start + len(window):
                window, start = (
                    self._backend.read(self._session, position, position + _TAIL_SIZE),
                    position,
                )
            try:
                with placed(self._session, position):
                    header = decode_header(window[position - start :][:HEADER_SIZE], position)
            except CorruptError:
                return
            yield header
            position = header.stop

    def _decode(self, data: bytes, position: int) -> Entry:
        """Decode a whole frame."""
        frame = decode_frame(data, position)
        return self._assemble(frame.header, frame.commit + frame.table, frame.bodies)

    def _assemble(self, header: Header, head: bytes, bodies: bytes | None) -> Entry:
        """Parse commit and table, and hold them against the header and each other."""
        if header.is_gap:
            raise CorruptError("this version was lost to damage, and a repair gave it up")
        commit = unpack(head[: header.commit_size], header.seq)
        table = decode_table(head[header.commit_size :], header.position)
        changed = {n for n, e in table.entries.items() if e.encoding is not Encoding.UNCHANGED}
        if changed != commit.parts.keys():
            raise CorruptError("a commit contradicts its frame")
        if (header.position == 0) is not (table.genesis is not None):
            raise CorruptError("a log's first frame is not where it belongs")
        parts = {
            name: row._replace(size=commit.parts[name].size) if name in changed else row
            for name, row in table.entries.items()
        }
        if any(
            r.encoding is Encoding.KEYFRAME and r.decoded_size != r.size for r in parts.values()
        ):
            raise CorruptError("a commit contradicts its frame")
        found = None if bodies is None else bodies_of(table, bodies)
        return Entry(header, commit, table.genesis, parts, found)


def check_commitments(entry: Entry, salt: bytes) -> None:
    """Raise `CorruptError` unless the commit commits to the addresses in the table."""
    for name, commitment in entry.commit.parts.items():
        if commitment_to(entry.parts[name].address, salt) != commitment.c:
            raise CorruptError(f"the address of part {name!r} contradicts its commit")


def follows(commit: Commit, prev: str | None, seq: int) -> bool:
    """Whether a commit goes on from version *seq*, whose id is *prev*.

    Only that of a repair may leave out numbers: those of versions that are lost.
    """
    is_next = commit.seq == seq + 1 or (commit.kind == REPAIR and commit.seq > seq)
    return is_next and prev in (commit.prev, UNKNOWN)
