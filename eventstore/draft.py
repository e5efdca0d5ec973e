"""A draft: the frame that a change makes on a head. Pure; nothing here touches a medium."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from eventstore.address import address_of, commitment_to
from eventstore.commit import COMMIT_SIZE_MAX, Commit, Commitment
from eventstore.errors import InvalidInputError
from eventstore.frame import FRAME_SIZE_MIN, Header, encode_frame
from eventstore.log_frames import Entry
from eventstore.payload import (
    PARTS_MAX,
    Encoding,
    Genesis,
    PartEntry,
    compress,
    encode_table,
)


@dataclass(frozen=True)
class Head:
    """The newest entry of a log, with every live part resolved to the frame that holds it."""

    entry: Entry
    genesis: Genesis
    parts: Mapping[str, PartEntry]

    @property
    def end(self) -> int:
        """The size of the log as this head knows it."""
        return self.entry.stop

    @property
    def version(self) -> int:
        """The number of the newest version."""
        return self.entry.commit.seq


@dataclass(frozen=True)
class Change:
    """What a caller wants committed; `time` is nanoseconds since the epoch.

    `states` are parts to write, as JSON bytes, `revived` parts to make current again from where
    they stand; with `drop`, the parts in neither end with this version.
    """

    kind: str
    time: int
    states: Mapping[str, bytes] = field(default_factory=dict)
    revived: Mapping[str, PartEntry] = field(default_factory=dict)
    drop: bool = False
    actor: str | None = None
    note: str | None = None
    key: str | None = None
    addresses: Mapping[str, str] = field(init=False)
    _bodies: dict[str, bytes] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        """Address every state once, however often the change is drafted."""
        addresses = {name: address_of(state) for name, state in self.states.items()}
        object.__setattr__(self, "addresses", addresses)

    def equals(self, parts: Mapping[str, PartEntry]) -> bool:
        """Whether the change would leave *parts* as they are."""
        if self.revived or self.drop or not parts:
            return False
        return all(
            name in parts and parts[name].address == address
            for name, address in self.addresses.items()
        )

    def keyframe(self, part: str) -> bytes:
        """Return the compressed state of a part, made once."""
        if part not in self._bodies:
            self._bodies[part] = compress(self.states[part])
        return self._bodies[part]


@dataclass(frozen=True)
class Draft:
    """A frame ready to be appended, and the head that the log then has."""

    frame: bytes
    head: Head


def draft(head: Head | None, change: Change, genesis: Genesis, *, log: str, upto: int) -> Draft:
    """Return the frame that *change* makes on *head*; *upto* is the offset known durable.

    Raises `InvalidInputError` when the commit would be too large.
    """
    position = 0 if head is None else head.end
    parts = _live_parts({} if head is None else head.parts, change, position)
    written = {n: row for n, row in parts.items() if n in change.revived or row.holder == position}
    commit = Commit(
        log=log,
        seq=1 if head is None else head.version + 1,
        prev=None if head is None else head.entry.commit.id,
        kind=change.kind,
        time=change.time,
        parts={
            name: Commitment(commitment_to(row.address, genesis.salt), row.size)
            for name, row in written.items()
        },
        actor=change.actor,
        note=change.note,
        key=change.key,
    )
    if len(commit.encoded) > COMMIT_SIZE_MAX:
        raise InvalidInputError(
            f"a commit takes at most {COMMIT_SIZE_MAX} bytes, this takes {len(commit.encoded)}",
            field="note",
            hint="shorten the note, the actor or the key",
        )
    rows = {
        name: row if name in written else PartEntry(Encoding.UNCHANGED, row.holder)
        for name, row in parts.items()
    }
    first = genesis if head is None else None
    table = encode_table(first, rows, position)
    bodies = {name: change.keyframe(name) for name in written if name in change.states}
    body = b"".join(bodies.values())
    frame = encode_frame(
        commit.encoded, table, body, seq=commit.seq, position=position, durable_upto=upto
    )
    sizes = (len(commit.encoded), len(table), len(body))
    header = Header(position, commit.seq, upto, *sizes, (0, 0, 0))
    assert header.size == len(frame) and header.size >= FRAME_SIZE_MIN, "the frame is as planned"
    entry = Entry(header, commit, first, MappingProxyType(rows), None)
    return Draft(frame, Head(entry, genesis, MappingProxyType(parts)))


def _live_parts(
    before: Mapping[str, PartEntry], change: Change, position: int
) -> dict[str, PartEntry]:
    """Return every part that lives after *change*, with where its state will be."""
    parts = {} if change.drop else dict(before)
    for name, row in change.revived.items():
        parts[name] = PartEntry(
            Encoding.REFERENCE, row.holder, row.address, row.size, row.base, row.holder, row.chain
        )
    for name, state in change.states.items():
        if name in parts and parts[name].address == change.addresses[name]:
            continue  # What is current already costs nothing.
        previous = before[name].holder if name in before else position
        parts[name] = PartEntry(
            Encoding.KEYFRAME,
            holder=position,
            address=change.addresses[name],
            size=len(state),
            base=position,
            previous=previous,
            stored_size=len(change.keyframe(name)),
            decoded_size=len(state),
        )
    if len(parts) > PARTS_MAX:
        raise InvalidInputError(f"a session has at most {PARTS_MAX} parts", field="parts")
    return parts
