"""Rebuilding every state of a part while its log is read from the front, each from the one before.

A chain is decoded once, however many states it has. Held in memory are the newest state, and what
the next body may refer to.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from eventstore.address import address_of
from eventstore.chain import DECODED_FACTOR, DECODED_SLACK, Step
from eventstore.delta import decode_delta, fold
from eventstore.errors import CorruptError
from eventstore.payload import Codec, Encoding, PartEntry
from eventstore.stream import CONTEXT_SIZE, Decompressor, decompress


class Rebuilder:
    """The newest state of one part, moved on from one to the next."""

    def __init__(self, size_max: int, steps: Callable[[PartEntry], Sequence[Step]]) -> None:
        """Rebuild states of at most *size_max* bytes.

        *steps* reads the whole chain of a state, for one that does not follow the state before.
        """
        self._size_max = size_max
        self._steps = steps
        self._holder = -1
        self._state = b""
        self._context = b""
        self._stream: Decompressor | None = None

    def check(self, row: PartEntry, body: bytes) -> None:
        """Rebuild the state in *row*; raise `CorruptError` unless it hashes to its address."""
        try:
            if self._follows(row):
                self._move(Step(row.encoding, row.codec, row.decoded_size, body))
            else:
                for step in self._steps(row):
                    self._move(step)
            if len(self._state) != row.size or address_of(self._state) != row.address:
                raise CorruptError("the state does not hash to its address")
        except CorruptError:
            self._holder, self._stream = -1, None
            raise
        self._holder = row.holder

    def _follows(self, row: PartEntry) -> bool:
        """Whether the state in *row* is made from the one that is here."""
        if row.encoding is Encoding.KEYFRAME:
            return True
        ready = row.codec is Codec.ZSTD_STARTED or self._stream is not None
        return row.previous == self._holder and ready

    def _move(self, step: Step) -> None:
        """Make the state of the next step the newest."""
        if step.encoding == Encoding.KEYFRAME:
            self._state = decoded = decompress(step.body, step.decoded_size, self._size_max)
            self._stream, self._context = None, b""
        else:
            decoded = self._decoded(step)
            delta = decode_delta(decoded)
            if delta.size > self._size_max:
                raise CorruptError("a state claims more bytes than the limit allows")
            self._state = fold(self._state, [delta], delta.size, self._size_max)
        self._context = (self._context + decoded)[-CONTEXT_SIZE:]

    def _decoded(self, step: Step) -> bytes:
        """Decode the body of a delta."""
        if step.decoded_size > DECODED_FACTOR * self._size_max + DECODED_SLACK:
            raise CorruptError("a body claims more bytes than the limit allows")
        if step.codec == Codec.ZSTD_STARTED:
            self._stream = Decompressor(self._context)
        if self._stream is None:
            raise CorruptError("a stream of deltas has no beginning")
        return self._stream.add(step.body, step.decoded_size)
