"""A chain: a part's keyframe and the deltas behind it, from which a state is rebuilt."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from eventstore.delta import decode_delta, fold
from eventstore.errors import CorruptError
from eventstore.payload import Codec, Encoding, PartEntry
from eventstore.stream import context_of, decompress, read_stream

CHAIN_MAX = 1024
"""How many deltas may follow a keyframe."""

DECODED_FACTOR = 4
DECODED_SLACK = 64 * 1024
"""A chain decodes to at most this factor of its newest state's size, and this much more."""


@dataclass(frozen=True, slots=True)
class Step:
    """One state of a chain: its row in the table of its frame, and its body."""

    row: PartEntry
    body: bytes


@dataclass(frozen=True, slots=True)
class Chain:
    """How a part's newest state is stored: in which row, and what it takes to read it.

    `stored_size` and `decoded_size` are bytes of all bodies from the keyframe on, `context` the
    end of what they decode to.
    """

    newest: PartEntry
    stored_size: int
    decoded_size: int
    context: bytes


def rebuild(steps: Sequence[Step], size: int, size_max: int) -> tuple[bytes, Chain]:
    """Return the state of *size* bytes that *steps*, from the keyframe on, lead to.

    Raises `CorruptError` where they do not fit each other; never allocates much more than a
    chain may decode to. The caller checks the state against its address.
    """
    decoded = _decoded(steps, size, size_max)
    state = fold(decoded[0], [decode_delta(data) for data in decoded[1:]], size)
    chain = Chain(
        newest=steps[-1].row,
        stored_size=sum(len(step.body) for step in steps),
        decoded_size=sum(map(len, decoded)),
        context=context_of(decoded),
    )
    return state, chain


def _decoded(steps: Sequence[Step], size: int, size_max: int) -> list[bytes]:
    """Decode every body of a chain."""
    total = sum(step.row.decoded_size for step in steps)
    if size > size_max or total > DECODED_FACTOR * size_max + DECODED_SLACK:
        raise CorruptError(f"a chain claims {total} bytes, more than the limit allows")
    if steps[0].row.encoding is not Encoding.KEYFRAME:
        raise CorruptError("a chain has no keyframe")
    decoded = [decompress(steps[0].body, steps[0].row.decoded_size, size_max)]
    start = 1
    while start < len(steps):
        stop = start + 1
        while stop < len(steps) and steps[stop].row.codec is Codec.ZSTD_CONTINUED:
            stop += 1
        stream = steps[start:stop]
        if stream[0].row.codec is not Codec.ZSTD_STARTED:
            raise CorruptError("a stream of deltas has no beginning")
        decoded += read_stream(
            [step.body for step in stream],
            [step.row.decoded_size for step in stream],
            context_of(decoded),
        )
        start = stop
    return decoded
