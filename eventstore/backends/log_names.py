"""File names of logs: an injective, case-blind-safe encoding of session ids.

Lower-case ASCII letters, digits, `-` and `_` stand for themselves, every other byte of the id's
UTF-8 for `%` and two lower-case hex digits. An id whose encoding is too long for a file name keeps
its beginning, followed by `~` and the BLAKE3 of the whole id. `~` occurs in no other name, and
no two names differ only by case or by Unicode normalisation.
"""

from __future__ import annotations

import re

from eventstore.address import address_of

SUFFIX = ".log"

_ENCODED_SIZE_MAX = 180
_KEPT_SIZE = 96
_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")
_PLAIN_ID = re.compile(r"[a-z0-9_-]*\Z")
_NAME = re.compile(r"(?:[a-z0-9_-]|%[0-9a-f]{2})+\Z")
# Windows opens a device for these, whatever the suffix.
_DEVICE = re.compile(r"(?:con|prn|aux|nul|com[0-9]|lpt[0-9])\Z")


def log_name(session: str) -> str:
    """Return the file name of the log of *session*, without its suffix."""
    is_plain = _PLAIN_ID.match(session) is not None
    encoded = (
        session
        if is_plain
        else "".join(chr(b) if b in _PLAIN else f"%{b:02x}" for b in session.encode())
    )
    if len(encoded) > _ENCODED_SIZE_MAX:
        return f"{encoded[:_KEPT_SIZE]}~{address_of(session.encode())}"
    if _DEVICE.match(encoded):
        return f"%{ord(encoded[0]):02x}{encoded[1:]}"
    return encoded


def shard(session: str) -> str:
    """Return the directory of the log of *session*: two hex digits that spread ids evenly."""
    return address_of(session.encode())[:2]


def session_of(name: str) -> str | None:
    """Return the id that *name* spells, or None if it must be looked up in the log itself."""
    if not _NAME.match(name):
        return None
    raw = bytearray()
    at = 0
    while at < len(name):
        if name[at] == "%":
            raw.append(int(name[at + 1 : at + 3], 16))
            at += 3
        else:
            raw.append(ord(name[at]))
            at += 1
    try:
        session = raw.decode()
    except UnicodeDecodeError:
        return None
    return session if log_name(session) == name else None
