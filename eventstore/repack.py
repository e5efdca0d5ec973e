"""Repacking: the same commits and states in other frames, smaller ones.

    commit   byte for byte the same
    table    the same addresses; distances are those of the new log
    bodies   keyframes at a strong level; the deltas of a chain in one stream, at a strong level
             and with a window that holds all of them

States that are not to be kept are left out: the deltas across them are made one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass

from eventstore.chain import DECODED_FACTOR, DECODED_SLACK
from eventstore.commit import Commit
from eventstore.delta import compose, decode_delta, encode_delta
from eventstore.errors import CorruptError
from eventstore.frame import encode_frame
from eventstore.packed import pack
from eventstore.payload import Codec, Encoding, Genesis, PartEntry, encode_table
from eventstore.stream import Compressor, compress_strongly, context_of, whole
from eventstore.trail import Trail

StateKey = tuple[str, int]
"""A part, and the offset of the frame that holds a state of it."""

_Link = tuple[PartEntry, bytes]
"""A row and its body."""

_STREAM_GUESS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Plan:
    """What is known of a log before it is repacked; offsets are those of the old frames.

    `kept` are the states to keep, None for all; `referenced` those that a later frame makes
    current again; `decoded` is what all deltas behind a keyframe decode to; `end` is where the
    log ended. What came later is kept.
    """

    kept: Collection[StateKey] | None
    referenced: Collection[StateKey]
    decoded: Mapping[StateKey, int]
    end: int

    def keeps(self, key: StateKey) -> bool:
        """Whether a state is to be kept."""
        return self.kept is None or key[1] >= self.end or key in self.kept

    def foresees(self, position: int, rows: Mapping[str, PartEntry]) -> bool:
        """Whether what the frame at *position* makes current again is known to be needed."""
        return position < self.end or all(
            (name, row.holder) in self.referenced
            for name, row in rows.items()
            if row.encoding is Encoding.REFERENCE
        )


@dataclass(frozen=True, slots=True)
class _Stored:
    """A state of the new chain: its place on the old trail, its new row, and its decoded body."""

    index: int
    row: PartEntry
    decoded: bytes


class _Part:
    """One part on its way from the old log into the new one."""

    def __init__(self, state_size_max: int) -> None:
        """Start before the first state."""
        self.trail = Trail(state_size_max)
        self.chain: list[_Stored] = []
        self.stream: Compressor | None = None

    def read(self, row: PartEntry, body: bytes, links: Callable[[], Iterable[_Link]]) -> None:
        """Read on to the old state in *row*, by its whole chain where the trail is elsewhere."""
        if not self.trail.reaches(row):
            self.chain, self.stream = [], None
            for link in links():
                self.trail.add(*link)
            return
        self.trail.add(row, body)
        # Where the trail went back, the new chain goes back with it.
        last = len(self.trail.links) - 2
        while self.chain and (last < 0 or self.chain[-1].index > last):
            self.chain.pop()
            self.stream = None

    def store(self, row: PartEntry, position: int, plan_size: int) -> tuple[PartEntry, bytes]:
        """Return the new row, but for its previous, and the body of the state read last."""
        delta = self._delta(row.size)
        if delta is None:
            return self._keyframe(row, position)
        codec = Codec.ZSTD_CONTINUED
        if self.stream is None:
            codec = Codec.ZSTD_STARTED
            context = context_of([whole(stored.decoded) for stored in self.chain])
            self.stream = Compressor(context, strong_size=plan_size)
        body = self.stream.add(delta)
        before = self.chain[-1].row
        new = PartEntry(
            Encoding.DELTA,
            holder=position,
            address=row.address,
            size=row.size,
            base=before.base,
            previous=before.holder,
            chain=before.chain + 1,
            stored_size=len(body),
            decoded_size=len(delta),
            codec=codec,
        )
        self.chain.append(_Stored(len(self.trail.links) - 1, new, delta))
        return new, body

    def begin_anew(self) -> None:
        """Let nothing build on what stood before: the part did not exist at the version before."""
        self.stream = None
        self.chain = []

    def _delta(self, size: int) -> bytes | None:
        """Return the delta from the newest kept state to the one read last, if one will do."""
        if not self.chain:
            return None
        links = self.trail.links[self.chain[-1].index + 1 :]
        if len(links) == 1:
            return links[0].decoded
        splices = compose([decode_delta(link.decoded) for link in links], size)
        if splices is None:
            return None
        delta = encode_delta(splices)
        decoded_size = sum(len(stored.decoded) for stored in self.chain) + len(delta)
        fits = decoded_size <= DECODED_FACTOR * size + DECODED_SLACK
        return delta if fits and len(delta) <= size else None

    def _keyframe(self, row: PartEntry, position: int) -> tuple[PartEntry, bytes]:
        """Store the state whole."""
        state = self.trail.state(row.size)
        body = compress_strongly(state)
        new = PartEntry(
            Encoding.KEYFRAME,
            holder=position,
            address=row.address,
            size=row.size,
            base=position,
            previous=position,
            stored_size=len(body),
            decoded_size=len(state),
            codec=Codec.ZSTD,
        )
        self.stream = None
        self.chain = [_Stored(len(self.trail.links) - 1, new, state)]
        return new, body


class Repacker:
    """Makes the frames of a new log from those of an old one, given in their order.

    Holds of each part at most two chains, decoded, and of each version a few numbers.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        state_size_max: int,
        links: Callable[[str, PartEntry], Iterable[_Link]],
    ) -> None:
        """Repack as *plan* says; *links* reads the old chain of a part that ends in a row."""
        self.end = 0
        """The size of the new log so far."""
        self.dropped = 0
        """How many states were left out that the old log had."""
        self._plan = plan
        self._state_size_max = state_size_max
        self._links = links
        self._places: dict[int, int] = {}
        self._holders: dict[str, int] = {}
        self._parts: dict[str, _Part] = {}
        self._referenced: dict[StateKey, PartEntry] = {}

    def add(
        self,
        position: int,
        commit: Commit,
        genesis: Genesis | None,
        rows: Mapping[str, PartEntry],
        bodies: Mapping[str, bytes],
    ) -> bytes:
        """Return the new frame for the old one at *position*."""
        made = {
            name: self._row(name, row, bodies.get(name, b""), position)
            for name, row in rows.items()
        }
        table = encode_table(genesis, {name: row for name, (row, _) in made.items()}, self.end)
        frame = encode_frame(
            pack(commit),
            table,
            b"".join(body for _, body in made.values()),
            seq=commit.seq,
            position=self.end,
            durable_upto=self.end,
        )
        self._holders = {name: row.holder for name, (row, _) in made.items()}
        self._places[position] = self.end
        self.end += len(frame)
        return frame

    def _row(
        self, name: str, row: PartEntry, body: bytes, position: int
    ) -> tuple[PartEntry, bytes]:
        """Return a row of the new table, and its body."""
        if row.encoding is Encoding.UNCHANGED:
            return PartEntry(Encoding.UNCHANGED, self._place(row.holder)), b""
        if row.encoding is Encoding.REFERENCE:
            return self._reference(name, row), b""
        # The frame that held the part at the version before, dropped or not, if it existed then.
        previous = self._holders.get(name, self.end)
        part = self._parts.setdefault(name, _Part(self._state_size_max))
        if name not in self._holders:
            part.begin_anew()
        if row.encoding is Encoding.DROPPED:
            return self._dropped(row, previous), b""
        part.read(row, body, lambda: self._links(name, row))
        if not self._plan.keeps((name, position)):
            self.dropped += 1
            return self._dropped(row, previous), b""
        size = self._plan.decoded.get((name, row.base), _STREAM_GUESS)
        new, made = part.store(row, self.end, size)
        if new.encoding is Encoding.KEYFRAME:
            new = new._replace(previous=previous)
            if row.encoding is Encoding.KEYFRAME and len(body) <= len(made):
                new, made = new._replace(stored_size=len(body)), body
        if (name, position) in self._plan.referenced:
            self._referenced[name, position] = new
        return new, made

    def _place(self, holder: int) -> int:
        """Return where an old frame stands now."""
        place = self._places.get(holder)
        if place is None:
            raise CorruptError("a table refers to what is no frame")
        return place

    def _dropped(self, row: PartEntry, previous: int) -> PartEntry:
        """Return the row of a state that is no longer there."""
        return PartEntry(
            Encoding.DROPPED, self.end, row.address, row.size, base=self.end, previous=previous
        )

    def _reference(self, name: str, row: PartEntry) -> PartEntry:
        """Return the row that refers to where a state stands now."""
        to = self._referenced.get((name, row.holder))
        if to is None:
            raise CorruptError(f"part {name!r} is not where the log says")
        return PartEntry(
            Encoding.REFERENCE, to.holder, row.address, row.size, to.base, to.holder, to.chain
        )
