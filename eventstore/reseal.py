"""A frame whose commit proves itself and whose digest does not hold: what else of it is proven.

The commit proves the addresses of the parts that it sets. Where the other parts are, only the
frames before and behind it say.
"""

from __future__ import annotations

from collections.abc import Mapping

from eventstore.frame import HEADER_SIZE, TRAILER_SIZE, Header, decode_header, encode_frame
from eventstore.log_frames import Entry
from eventstore.payload import Encoding, PartEntry

_SETTING_ALL = {"delete", "undelete", "restore", "fork"}
"""Kinds of commits that leave no part as it was."""


def rows_behind(entry: Entry, before: Mapping[str, PartEntry]) -> dict[str, PartEntry]:
    """Return the rows that an entry has if those of the one before it are *before*."""
    left = {} if entry.commit.kind in _SETTING_ALL else before
    changed = {name: entry.parts[name] for name in entry.commit.parts}
    return {n: PartEntry(Encoding.UNCHANGED, row.holder) for n, row in left.items()} | changed


def proves(newer: Entry, entry: Entry) -> bool:
    """Whether what the next entry says of the one before it is what *entry* says of itself."""
    known = {}
    for name, row in newer.parts.items():
        if row.encoding is Encoding.REFERENCE or newer.commit.kind in _SETTING_ALL:
            return False
        if row.encoding is Encoding.UNCHANGED or row.previous != row.holder:
            known[name] = row.holder if row.encoding is Encoding.UNCHANGED else row.previous
    return known == {name: row.holder for name, row in entry.parts.items()}


def with_table(frame: bytes, table: bytes, position: int) -> bytes | None:
    """Return a frame with another table of the same size, or None if it has not that size."""
    header = decode_header(frame, position)
    fits = len(table) == header.head_size - HEADER_SIZE - header.commit_size
    return resealed(frame, header, table) if fits else None


def resealed(raw: bytes, header: Header, table: bytes | None = None) -> bytes:
    """Return a frame with its digest and its end made anew, and perhaps another table."""
    first = HEADER_SIZE + header.commit_size
    return encode_frame(
        raw[HEADER_SIZE:first],
        raw[first : header.head_size] if table is None else table,
        raw[header.head_size : header.size - TRAILER_SIZE],
        seq=header.seq,
        position=header.position,
        durable_upto=header.durable_upto,
        required=header.flags[0],
    )
