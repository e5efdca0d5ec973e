"""Addresses: the BLAKE3-256 of bytes, as 64 lower-case hex digits (what `b3sum` prints)."""

from __future__ import annotations

import re

from blake3 import blake3

ADDRESS_SIZE = 32
"""Bytes of a raw digest; its text form is twice as long."""

PREFIX = "b3:"
"""What marks text as an address, or the beginning of one, where it could be something else."""

_HEX = re.compile(r"[0-9a-f]{1,64}\Z")


def address_of(data: bytes) -> str:
    """Return the BLAKE3-256 of *data* as 64 hex digits."""
    return blake3(data).hexdigest()


def digest_of(data: bytes) -> bytes:
    """Return the BLAKE3-256 of *data* as 32 raw bytes."""
    return blake3(data).digest()


def commitment_to(address: str, salt: bytes) -> str:
    """Return the commitment to a state: BLAKE3 of its raw address, keyed with the log's salt.

    Without the 32-byte *salt* it says nothing about the state, not even to someone who
    guesses the state.
    """
    return blake3(bytes.fromhex(address), key=salt).hexdigest()


def prefix_of(text: str) -> str | None:
    """Return the hex digits of an address prefix such as `b3:9f2c…`, or None.

    A full 64-digit address counts without the `b3:` too.
    """
    digits = text.removeprefix(PREFIX).lower()
    if _HEX.match(digits) and (text.startswith(PREFIX) or len(digits) == 2 * ADDRESS_SIZE):
        return digits
    return None
