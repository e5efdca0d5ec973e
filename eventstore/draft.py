"""A draft: the frame that a change makes on a head. Pure; nothing here touches a medium."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from eventstore.address import commitment_to
from eventstore.commit import COMMIT_SIZE_MAX, Commit, Commitment
from eventstore.content import Content
from eventstore.errors import InvalidInputError
from eventstore.frame import FRAME_SIZE_MIN, Header, encode_frame
from eventstore.log_frames import Entry
from eventstore.packed import pack
from eventstore.part_writer import Written
from eventstore.payload import (
    PARTS_MAX,
    Encoding,
    Genesis,
    PartEntry,
    encode_table,
)

_NONE: Mapping[str, PartEntry] = MappingProxyType({})


class Head(NamedTuple):
    """The newest entry of a log, with every live part resolved to the frame that holds it.

    `end` is the size of the log as this head knows it.
    """

    entry: Entry
    genesis: Genesis
    parts: Mapping[str, PartEntry]
    end: int

    @property
    def version(self) -> int:
        """The number of the newest version."""
        return self.entry.commit.seq


class Change(NamedTuple):
    """What a caller wants committed; `time` is nanoseconds since the epoch.

    `contents` are parts to write, `revived` parts to make current again from where they stand;
    with `drop`, the parts in neither end with this version. `ref` is what the commit refers to.
    `skipped` versions before it are lost.
    """

    kind: str
    time: int
    contents: Mapping[str, Content] = MappingProxyType({})
    revived: Mapping[str, PartEntry] = _NONE
    drop: bool = False
    actor: str | None = None
    note: str | None = None
    key: str | None = None
    ref: Mapping[str, Any] | None = None
    skipped: int = 0

    @property
    def addresses(self) -> dict[str, str]:
        """The addresses of the contents, each computed from all of it."""
        return {name: content.address for name, content in self.contents.items()}


class Draft(NamedTuple):
    """A frame ready to be appended at `position`, and what the head is made of that it gives.

    `rows` are those of the frame's table, `parts` the rows of all live parts, resolved.
    """

    frame: bytes
    position: int
    upto: int
    sizes: tuple[int, int, int]
    commit: Commit
    genesis: Genesis
    rows: Mapping[str, PartEntry]
    parts: Mapping[str, PartEntry]
    written: Mapping[str, Written]

    def head(self) -> Head:
        """Return the head that the log has with this frame."""
        header = Header(self.position, self.commit.seq, self.upto, *self.sizes, (0, 0, 0))
        first = None if self.position else self.genesis
        entry = Entry(header, self.commit, first, MappingProxyType(self.rows), None)
        end = self.position + len(self.frame)
        return Head(entry, self.genesis, MappingProxyType(self.parts), end)


def draft(
    head: Head | None,
    change: Change,
    written: Mapping[str, Written],
    genesis: Genesis,
    *,
    log: str,
    upto: int,
) -> Draft:
    """Return the frame that *change* makes on *head*.

    *written* are those of its contents that are not current already; *upto* is the offset known
    durable. Raises `InvalidInputError` when the commit would be too large.
    """
    position, version, prev, before = 0, 0, None, _NONE
    if head is not None:
        known = head.entry.commit
        position, version, prev, before = head.end, known.seq, known.id, head.parts
    parts = {} if change.drop else dict(before)
    new = set(written)
    for name, row in change.revived.items():
        if row.address:  # Of what a repair gave up, nothing is left to refer to.
            parts[name] = revived(row)
            new.add(name)
    for name, item in written.items():
        parts[name] = row_of(item, before.get(name), position)
    if len(parts) > PARTS_MAX:
        raise InvalidInputError(f"a session has at most {PARTS_MAX} parts", field="parts")
    commitments = {}
    for name, row in parts.items():
        if name in new:
            commitments[name] = Commitment(commitment_to(row.address, genesis.salt), row.size)
    commit = Commit(
        log=log,
        seq=version + change.skipped + 1,
        prev=prev,
        kind=change.kind,
        time=change.time,
        parts=commitments,
        actor=change.actor,
        note=change.note,
        key=change.key,
        ref=change.ref,
    )
    if len(commit.encoded) > COMMIT_SIZE_MAX:
        raise InvalidInputError(
            f"a commit takes at most {COMMIT_SIZE_MAX} bytes, this takes {len(commit.encoded)}",
            field="note",
            hint="shorten the note, the actor or the key",
        )
    return framed(head, commit, parts, written, genesis, upto=upto)


def framed(
    head: Head | None,
    commit: Commit,
    parts: Mapping[str, PartEntry],
    written: Mapping[str, Written],
    genesis: Genesis,
    *,
    upto: int,
) -> Draft:
    """Return the frame of a commit on *head*; *parts* are the rows of every part it leaves live."""
    position = 0 if head is None else head.end
    rows, bodies = {}, []
    for name, row in parts.items():
        rows[name] = row if name in commit.parts else PartEntry(Encoding.UNCHANGED, row.holder)
        if name in written:
            bodies.append(written[name].body)
    first = genesis if head is None else None
    table = encode_table(first, rows, position)
    body = b"".join(bodies)
    packed = pack(commit)
    frame = encode_frame(packed, table, body, seq=commit.seq, position=position, durable_upto=upto)
    sizes = (len(packed), len(table), len(body))
    assert FRAME_SIZE_MIN + sum(sizes) == len(frame), "the frame is as planned"
    return Draft(frame, position, upto, sizes, commit, genesis, rows, parts, written)


def revived(row: PartEntry) -> PartEntry:
    """Return the row that refers to where a state stands."""
    return PartEntry(
        Encoding.REFERENCE, row.holder, row.address, row.size, row.base, row.holder, row.chain
    )


def row_of(item: Written, before: PartEntry | None, position: int) -> PartEntry:
    """Return the row of a state that is written at *position*, after the one in *before*."""
    follows = item.encoding is Encoding.DELTA and before is not None
    return PartEntry(
        item.encoding,
        holder=position,
        address=item.address,
        size=item.size,
        base=before.base if follows and before else position,
        previous=before.holder if before else position,
        chain=before.chain + 1 if follows and before else 0,
        stored_size=len(item.body),
        decoded_size=item.decoded_size,
        codec=item.codec,
    )
