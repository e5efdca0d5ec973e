"""Frames that pass every checksum, made by somebody who means harm."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

from eventstore.address import address_of, commitment_to, digest_of
from eventstore.commit import Commit, Commitment, parse_commit
from eventstore.content import Content
from eventstore.draft import Change, draft
from eventstore.errors import EventStoreError
from eventstore.frame import HEADER_SIZE, TRAILER_SIZE, decode_frame, encode_frame
from eventstore.packed import pack, unpack
from eventstore.part_writer import PartWriter
from eventstore.payload import Codec, Encoding, Genesis, PartEntry, encode_table

LOG_ID = bytes(range(16)).hex()
SALT = bytes(range(32))


def sound_log(*states: bytes, **parts: bytes) -> list[bytes]:
    """Return the frames of a log of session `a`, one for each state of its session part.

    *parts* are other parts, saved with the first.
    """
    head, frames, position = None, [], 0
    for number, state in enumerate(states, 1):
        given = {"session": state} | (parts if number == 1 else {})
        contents = {
            name: Content(name, json.loads(data), size_max=2**20, exact=data)
            for name, data in given.items()
        }
        change = Change("save", number, contents)
        written = {name: PartWriter(content.tree()).first() for name, content in contents.items()}
        made = draft(head, change, written, Genesis(SALT, "a"), log=LOG_ID, upto=position)
        frames.append(made.frame)
        position += len(made.frame)
        head = made.head()
    return frames


def sealed(frame: bytes, position: int) -> bytes:
    """Return *frame* with its header checksum and its digest made right again."""
    checksum = digest_of(frame[:32] + position.to_bytes(8, "little"))[:8]
    body = frame[:32] + checksum + frame[HEADER_SIZE:-TRAILER_SIZE]
    return body + digest_of(body) + frame[-8:]


def with_header_byte(frame: bytes, offset: int, value: int, position: int = 0) -> bytes:
    """Return a sealed frame with one byte of its header replaced."""
    return sealed(frame[:offset] + bytes([value]) + frame[offset + 1 :], position)


def with_pieces(
    frame: bytes,
    *,
    commit: bytes | None = None,
    table: bytes | None = None,
    bodies: bytes | None = None,
    position: int = 0,
) -> bytes:
    """Return a sealed frame with some of its pieces replaced."""
    old = decode_frame(frame, position)
    return encode_frame(
        old.commit if commit is None else commit,
        old.table if table is None else table,
        old.bodies if bodies is None else bodies,
        seq=old.header.seq,
        position=position,
        durable_upto=old.header.durable_upto,
    )


def with_members(frame: bytes, position: int = 0, **members: Any) -> bytes:
    """Return a sealed frame whose commit has some members replaced.

    Where that makes no commit, its JSON stands in the place of the packed one.
    """
    old = decode_frame(frame, position)
    record = json.loads(unpack(old.commit, old.header.seq).encoded) | members
    commit = json.dumps(record, ensure_ascii=False, separators=(",", ":")).encode()
    with suppress(EventStoreError):
        commit = pack(parse_commit(commit))
    return with_pieces(frame, commit=commit, position=position)


def claiming(body: bytes, size: int, state: bytes = b"") -> bytes:
    """Return a first frame that says *body* decodes to *size* bytes, the ones of *state*."""
    address = address_of(state)
    commit = Commit(
        log=LOG_ID,
        seq=1,
        prev=None,
        kind="save",
        time=1,
        parts={"session": Commitment(commitment_to(address, SALT), size)},
    )
    row = PartEntry(
        Encoding.KEYFRAME,
        0,
        address,
        size,
        stored_size=len(body),
        decoded_size=size,
        codec=Codec.ZSTD,
    )
    table = encode_table(Genesis(SALT, "a"), {"session": row}, 0)
    return encode_frame(pack(commit), table, body, seq=1, position=0, durable_upto=0)
