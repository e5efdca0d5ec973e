"""Mending the damaged bytes of a log in place of them: no sound frame moves, none changes.

A damaged place is made up of, as far as can be,

    healed frames     one bit was wrong, and is found by trying: the digest proves the rest
    resealed frames   commit and table prove themselves, a body may not: the digest is made anew
    gaps              nothing proves itself, see `gap.py`
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import chain

from eventstore.address import digest_of
from eventstore.backend import Readable
from eventstore.errors import CorruptError, UnsupportedError
from eventstore.examination import Examination, Region
from eventstore.frame import (
    HEADER_SIZE,
    MAGIC,
    TRAILER_SIZE,
    Header,
    decode_frame,
    decode_header,
)
from eventstore.gap import UNKNOWN, Gap, Rest, encode_gap, read_gap
from eventstore.log_frames import Entry, LogFrames, check_commitments
from eventstore.payload import SALT_SIZE, Genesis, encode_table
from eventstore.reseal import proves, resealed, rows_behind, with_table

HEALED, RESEALED, LOST = "healed", "resealed", "lost"

_HEALED_SIZE_MAX = 16 * 1024
"""Bytes of a frame in which every single bit is tried; the work grows with the square."""


@dataclass(frozen=True, slots=True)
class Piece:
    """What is to stand from *start* to *stop*: versions *first* to *last*, as *data*."""

    kind: str
    start: int
    stop: int
    first: int
    last: int
    data: bytes


class Mender:
    """Finds out what the damaged places of one log can be made into."""

    def __init__(self, source: Readable, found: Examination) -> None:
        """Mend what was *found* in a log that is read from *source*."""
        self._source = source
        self._found = found
        self._frames = LogFrames(source, found.session)
        self.genesis = found.genesis or self._salvaged_genesis()

    def pieces(self, region: Region) -> list[Piece]:
        """Return what to make of a damaged place that a sound frame follows."""
        data = self._source.read(self._found.session, region.start, region.stop)
        known = [*self._frames_in(region, data)]
        return [*self._filled(region, known, self._proven(region, known))]

    def _frames_in(self, region: Region, data: bytes) -> Iterator[Piece]:
        """Yield the frames of a damaged place that can be told from each other."""
        at = 0
        while at < len(data):
            position = region.start + at
            header, first = _header_at(data[at:], position)
            if header is None or header.stop > region.stop:
                at = data.find(MAGIC, at + 1)
                if at < 0:
                    return
                continue
            raw = first + data[at + HEADER_SIZE : at + header.size]
            healed = _healed(raw, position)
            kind = RESEALED if healed is None else HEALED
            sealed = resealed(raw, header) if healed is None else healed
            yield Piece(kind, position, header.stop, header.seq, header.seq, sealed)
            at += header.size

    def _proven(self, region: Region, known: list[Piece]) -> list[Piece]:
        """Return the frames that the commit behind them names, from the last backwards."""
        kept: list[Piece] = []
        named, seq = region.next, region.last
        for index in reversed(range(len(known))):
            piece, commit = known[index], self._commit_of(known[index])
            is_next = piece.kind == HEALED or (commit and commit[0] == named and seq == piece.last)
            if is_next and piece.kind == RESEALED:
                whole = self._with_rows(piece, known[:index], known[index + 1 :])
                is_next, piece = whole is not None, whole or piece
            if commit is None or not is_next:
                named = None
                continue
            known[index] = piece
            kept.append(piece)
            named, seq = commit[1], piece.last - 1
        return kept[::-1]

    def _with_rows(self, piece: Piece, before: list[Piece], behind: list[Piece]) -> Piece | None:
        """Return a resealed frame whose rows of unchanged parts a neighbour proves, or None.

        The commit speaks of the parts that it sets, and of no others.
        """
        entry = LogFrames(_One(piece.start, piece.data), self._found.session).entry(piece.start)
        older = self._entry_before(piece.start, before) if piece.start else None
        if older is not None or not piece.start:
            rows = rows_behind(entry, {} if older is None else older.parts)
            if rows == entry.parts:
                return piece
            table = encode_table(entry.genesis, rows, piece.start)
            data = with_table(piece.data, table, piece.start)
            return None if data is None else replace(piece, data=data)
        newer = self._entry_at(piece.stop, behind)
        return piece if newer is not None and proves(newer, entry) else None

    def _entry_before(self, position: int, pieces: list[Piece]) -> Entry | None:
        """Return the sound entry that ends at *position*, if that is proven."""
        if pieces and pieces[-1].stop == position:
            return self._entry_at(pieces[-1].start, pieces[-1:])
        with suppress(CorruptError, UnsupportedError):
            return self._frames.entry(self._frames.position_before(position))
        return None

    def _entry_at(self, position: int, pieces: list[Piece]) -> Entry | None:
        """Return the sound or healed entry at *position*, of *pieces* or behind them."""
        source, healed = self._source, [p for p in pieces if p.start == position]
        if healed:
            source = _One(position, healed[0].data)
            if healed[0].kind != HEALED:
                return None
        with suppress(CorruptError, UnsupportedError):
            return LogFrames(source, self._found.session).entry(position)
        return None

    def _commit_of(self, piece: Piece) -> tuple[str, str | None] | None:
        """Return id and predecessor of the commit in a frame whose table fits it, if it does."""
        one = _One(piece.start, piece.data)
        with suppress(CorruptError, UnsupportedError):
            entry = LogFrames(one, self._found.session).entry(piece.start)
            genesis = entry.genesis or self.genesis
            if genesis is None or genesis.session != self._found.session:
                return None
            check_commitments(entry, genesis.salt)
            return entry.commit.id, entry.commit.prev
        return None

    def _filled(self, region: Region, known: list[Piece], kept: list[Piece]) -> Iterator[Piece]:
        """Yield pieces that fill the whole place: frames that were kept, and gaps."""
        start, seq = region.start, region.first
        named = self._names(region, kept)
        for piece in (*known, None):
            stop, number = (
                (region.stop, region.last + 1) if piece is None else (piece.start, piece.first)
            )
            if stop > start:
                gap = Gap(seq, max(seq, number - 1), named.get(stop, UNKNOWN), None, start, stop)
                yield self._gap(gap, None)
            if piece is None:
                return
            if piece in kept:
                yield piece
            else:
                gap = Gap(
                    piece.first,
                    piece.last,
                    named.get(piece.stop, UNKNOWN),
                    None,
                    piece.start,
                    piece.stop,
                )
                yield self._gap(gap, piece.data)
            start, seq = piece.stop, piece.last + 1

    def _names(self, region: Region, kept: list[Piece]) -> dict[int, str]:
        """Map where a kept frame, or what follows the place, starts to the commit it names."""
        named = {} if region.next is None else {region.stop: region.next}
        for piece in kept:
            commit = self._commit_of(piece)
            if commit is not None and commit[1] is not None:
                named[piece.start] = commit[1]
        return named

    def _gap(self, gap: Gap, frame: bytes | None) -> Piece:
        """Return a gap as a piece, with what is left of the *frame* that was there."""
        rest = None
        if frame is not None:
            old = decode_frame(frame, gap.start)
            rest = Rest(old.header.commit_size, old.table, old.bodies)
        data = encode_gap(gap, rest)
        if gap.start == 0 and (data is None or self._genesis_in(data) is None):
            data = encode_gap(replace(gap, genesis=self.genesis))
        if data is None:
            raise CorruptError("a damaged place is too small for a frame")
        return Piece(LOST, gap.start, gap.stop, gap.first, gap.last, data)

    def _genesis_in(self, data: bytes) -> Genesis | None:
        """Return the salt and the id that a gap at the beginning of a log keeps, if it does."""
        gap = read_gap(_One(0, data), self._found.session, 0)
        return gap.genesis if gap is not None and gap.genesis == self.genesis else None

    def _salvaged_genesis(self) -> Genesis | None:
        """Look for the salt in a damaged first frame; what a later commit commits to proves it."""
        found = self._found
        if not found.regions or found.regions[0].start:
            return None
        with suppress(CorruptError, UnsupportedError):
            data = self._source.read(found.session, 0, found.regions[0].stop)
            witness = self._frames.entry(found.regions[0].stop)
            encoded = found.session.encode()
            wanted = len(encoded).to_bytes(2, "little") + encoded
            at = data.find(wanted, SALT_SIZE)
            while at >= 0:
                salt = data[at - SALT_SIZE : at]
                with suppress(CorruptError):
                    check_commitments(witness, salt)
                    if witness.commit.parts:
                        return Genesis(salt, found.session)
                at = data.find(wanted, at + 1)
        return None


class _One:
    """A log of which one frame is there."""

    def __init__(self, start: int, data: bytes) -> None:
        """Have *data* at *start*."""
        self._start = start
        self._data = data

    def size(self, log: str) -> int | None:
        """Return where the frame ends."""
        return self._start + len(self._data)

    def read(self, log: str, start: int, stop: int) -> bytes:
        """Return bytes of the frame."""
        return self._data[max(0, start - self._start) : max(0, stop - self._start)]


def _header_at(data: bytes, position: int) -> tuple[Header | None, bytes]:
    """Return the header that *data* starts with, one wrong bit put right, and its bytes."""
    head = data[:HEADER_SIZE]
    with suppress(CorruptError, UnsupportedError):
        return decode_header(head, position), head
    for flipped in _flips(head):
        with suppress(CorruptError, UnsupportedError):
            return decode_header(flipped, position), flipped
    return None, head


def _healed(raw: bytes, position: int) -> bytes | None:
    """Return a frame with at most one wrong bit put right, if that is all that is wrong."""
    for candidate in chain((raw,), _flips(raw) if len(raw) <= _HEALED_SIZE_MAX else ()):
        checked = len(candidate) - TRAILER_SIZE
        near = digest_of(candidate[:checked]) == candidate[checked : checked + 32]
        if near:
            with suppress(CorruptError, UnsupportedError):
                decode_frame(candidate, position)
                return candidate
    return None


def _flips(data: bytes) -> Iterator[bytes]:
    """Yield *data* with each of its bits the other way round."""
    buffer = bytearray(data)
    for index in range(len(buffer)):
        for bit in range(8):
            buffer[index] ^= 1 << bit
            yield bytes(buffer)
            buffer[index] ^= 1 << bit
