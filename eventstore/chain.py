"""A chain: a part's keyframe and the deltas behind it, from which a state is rebuilt."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from eventstore.delta import decode_delta, fold
from eventstore.errors import CorruptError
from eventstore.payload import Codec, Encoding, PartEntry
from eventstore.stream import Span, context_of, decompress, read_stream

CHAIN_MAX = 1024
"""How many deltas may follow a keyframe."""

DECODED_FACTOR = 4
DECODED_SLACK = 64 * 1024
"""A chain decodes to at most this factor of its newest state's size, and this much more."""


@dataclass(frozen=True, slots=True)
class Step:
    """One state of a chain: how its frame holds it."""

    encoding: int
    codec: int
    decoded_size: int
    body: bytes


class Chain(NamedTuple):
    """How a part's newest state is stored: in which row, and what it takes to read it.

    `stored_size` and `decoded_size` are bytes of all bodies from the keyframe on, `context` the
    end of what they decode to.
    """

    newest: PartEntry
    stored_size: int
    decoded_size: int
    context: bytes


def rebuild(newest: PartEntry, steps: Sequence[Step], size_max: int) -> tuple[bytes, Chain]:
    """Return the state in row *newest*, which *steps*, from the keyframe on, lead to.

    Raises `CorruptError` where they do not fit each other; never allocates much more than a
    chain may decode to. The caller checks the state against its address.
    """
    decoded = _decoded(steps, newest.size, size_max)
    deltas = [decode_delta(*span) for span in decoded[1:]]
    state = fold(decoded[0].data, deltas, newest.size, size_max)
    chain = Chain(
        newest=newest,
        stored_size=sum(len(step.body) for step in steps),
        decoded_size=sum(step.decoded_size for step in steps),
        context=context_of(decoded),
    )
    return state, chain


def unroll(steps: Sequence[Step], size_max: int) -> Iterator[bytes]:
    """Yield every state of a chain, from the keyframe on, each made of the one before.

    The caller checks the states against their addresses.
    """
    decoded = _decoded(steps, 0, size_max)
    state = decoded[0].data
    yield state
    for span in decoded[1:]:
        delta = decode_delta(*span)
        if delta.size > size_max:
            raise CorruptError(f"a state claims {delta.size} bytes, more than the limit allows")
        state = fold(state, [delta], delta.size, size_max)
        yield state


def _decoded(steps: Sequence[Step], size: int, size_max: int) -> list[Span]:
    """Decode every body of a chain."""
    total = sum(step.decoded_size for step in steps)
    if size > size_max or total > DECODED_FACTOR * size_max + DECODED_SLACK:
        raise CorruptError(f"a chain claims {total} bytes, more than the limit allows")
    if steps[0].encoding != Encoding.KEYFRAME:
        raise CorruptError("a chain has no keyframe")
    size = steps[0].decoded_size
    decoded = [Span(decompress(steps[0].body, size, size_max), 0, size)]
    start = 1
    while start < len(steps):
        stop = start + 1
        while stop < len(steps) and steps[stop].codec == Codec.ZSTD_CONTINUED:
            stop += 1
        stream = steps[start:stop]
        if stream[0].codec != Codec.ZSTD_STARTED:
            raise CorruptError("a stream of deltas has no beginning")
        decoded += read_stream(
            [step.body for step in stream],
            [step.decoded_size for step in stream],
            context_of(decoded),
        )
        start = stop
    return decoded
