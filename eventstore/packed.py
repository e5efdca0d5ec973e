"""A packed commit: how a frame holds one, in a third of the bytes of its canonical JSON.

    packed  = log id (16) · flags (1) · [ prev (32) ] · kind (1) · time
              · number of parts (1) · parts · [ actor ] · [ note ] · [ key ] · [ ref ]
    part    = size of the name (1) · name · commitment (32) · size of the state
    actor, note, key = size · UTF-8;  ref = size · canonical JSON

Flags say what is there: 1 prev, 2 actor, 4 note, 8 key, 16 ref. A kind is its place in `KINDS`.
Times and sizes are unsigned LEB128. The commit's number is the frame's. Its id is the digest of
the canonical JSON that is made of all this: what a frame holds is only a spelling of it.
"""

from __future__ import annotations

import json
from types import MappingProxyType
from typing import Any

from eventstore.commit import KINDS, Commit, Commitment, check_stored_part, json_text
from eventstore.errors import CorruptError
from eventstore.leb128 import Reader, put

_LOG_SIZE = 16
_DIGEST_SIZE = 32
_PREV = 1
_TEXTS = (("actor", 2), ("note", 4), ("key", 8))
_REF = 16
_FLAGS = 31


def pack(commit: Commit) -> bytes:
    """Return the packed form of *commit*."""
    flags = 0 if commit.prev is None else _PREV
    tail = bytearray()
    for name, flag in _TEXTS:
        text = getattr(commit, name)
        if text is not None:
            flags |= flag
            _put_text(tail, text)
    if commit.ref is not None:
        flags |= _REF
        _put_text(tail, json_text(commit.ref))
    out = bytearray.fromhex(commit.log)
    out.append(flags)
    if commit.prev is not None:
        out += bytes.fromhex(commit.prev)
    out.append(KINDS.index(commit.kind))
    put(out, commit.time)
    out.append(len(commit.parts))
    for name, part in commit.parts.items():
        encoded = name.encode()
        out.append(len(encoded))
        out += encoded
        out += bytes.fromhex(part.c)
        put(out, part.size)
    return bytes(out + tail)


def unpack(data: bytes, seq: int) -> Commit:
    """Return the commit with number *seq* that *data* packs; raise `CorruptError` for no commit."""
    reader = Reader(data, "a commit")
    log, flags = reader.take(_LOG_SIZE).hex(), reader.byte()
    prev = reader.take(_DIGEST_SIZE).hex() if flags & _PREV else None
    kind = reader.byte()
    if flags > _FLAGS or kind >= len(KINDS):
        raise CorruptError("a commit has unknown flags or an unknown kind")
    # Only a repair may begin a log with another number: that behind the last lost one.
    if (prev is None) is not (seq == 1) and (prev is not None or KINDS[kind] != "repair"):
        raise CorruptError("a commit has no commit before it where there must be one")
    time = reader.number()
    parts: dict[str, Commitment] = {}
    try:
        for _ in range(reader.byte()):
            name = check_stored_part(reader.take(reader.byte()).decode())
            if name in parts:
                raise CorruptError("a commit names a part twice")
            parts[name] = Commitment(reader.take(_DIGEST_SIZE).hex(), reader.number())
        texts = {name: _text(reader) for name, flag in _TEXTS if flags & flag}
        ref = _ref(_text(reader)) if flags & _REF else None
    except ValueError as error:  # UnicodeDecodeError and JSONDecodeError are some.
        raise CorruptError("a commit holds text that cannot be read") from error
    if not reader.at_end:
        raise CorruptError("a commit has trailing bytes")
    return Commit(log, seq, prev, KINDS[kind], time, MappingProxyType(parts), **texts, ref=ref)


def _put_text(out: bytearray, text: str) -> None:
    """Append a text and its size."""
    encoded = text.encode()
    put(out, len(encoded))
    out += encoded


def _text(reader: Reader) -> str:
    """Read a text; raise `ValueError` for what is not UTF-8."""
    return reader.take(reader.number()).decode()


def _ref(text: str) -> dict[str, Any]:
    """Return what a ref says; raise `ValueError` for what is not its canonical JSON."""
    try:
        ref = json.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if not isinstance(ref, dict) or json_text(ref) != text:
        raise ValueError("not canonical")
    return ref
