"""Keys of versions, for stores of keys and values."""

from __future__ import annotations

NEWEST = 0xFFFFFFFF
"""No version has so high a number."""


def key_of(id: str, number: int) -> bytes:
    """Return the key of a version; those of one session stand in order."""
    return id.encode() + b"\0" + number.to_bytes(4, "big")
