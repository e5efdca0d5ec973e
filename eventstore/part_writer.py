"""A part writer: what a process remembers of a part's newest state to save the next one cheaply."""

from __future__ import annotations

from collections import deque
from typing import NamedTuple

from eventstore.advance import Advance
from eventstore.chain import CHAIN_MAX, DECODED_FACTOR, DECODED_SLACK, Chain
from eventstore.content import Content
from eventstore.delta import encode_delta
from eventstore.hashing import Hashing
from eventstore.image import Node, text_of
from eventstore.payload import Codec, Encoding, PartEntry
from eventstore.stream import CONTEXT_SIZE, STREAM_SIZE, Compressor, compress, compress_pieces

_WORTH = 8, 7
"""A delta larger than 7/8 of a keyframe saves too little to depend on other frames for it."""

_LARGE = 256 * 1024

_OVERREAD = 1
"""K: reading a version may take (1 + K) times what a keyframe of it would."""


class Written(NamedTuple):
    """A state ready for a frame, wherever that will stand; `end` is that of what it decodes to."""

    address: str
    size: int
    encoding: Encoding
    codec: Codec
    body: bytes
    decoded_size: int
    end: bytes


class PartWriter:
    """The newest state of one part, as this process knows it. Not thread-safe.

    `write` moves it on to the next state and `stored` says where that went. Between the two, and
    for ever if the state was not stored after all, the writer stands for nothing that is in the
    log: `is_stored` is false, and it must be thrown away.
    """

    def __init__(self, root: Node, chain: Chain | None = None) -> None:
        """Know the state that *root* is, stored as *chain* says, or not yet."""
        self.is_stored = False
        self.holder = -1
        """The offset of the frame that holds the state; -1 before there is one."""
        self._root = root
        self._hashing = Hashing(self._root)
        self._stream: Compressor | None = None
        self._recent: deque[bytes] = deque()
        self._recent_size = 0
        self._chain = chain
        if chain is not None:
            self.is_stored = True
            self.holder = chain.newest.holder
            self._remember(chain.context)

    @property
    def memory_size(self) -> int:
        """Bytes of memory this holds, about: trees weigh about twice their text."""
        return 2 * self._root.size + self._recent_size + (STREAM_SIZE if self._stream else 0)

    def text(self) -> bytes:
        """Return the state."""
        return text_of(self._root)

    def first(self) -> Written:
        """Return how to store the state that the writer began with."""
        return self._keyframe()

    def write(self, content: Content) -> Written | None:
        """Move on to *content* and return how to store it; None if it is the present state."""
        assert self.is_stored, "a writer follows the log"
        self.is_stored = False
        advance = Advance()
        size = self._root.size
        self._root = content.advance(advance, self._root)
        splices = advance.out.splices()
        if len(splices) == 1 and splices[0] == (0, size, b""):
            self.is_stored = True
            return None
        self._hashing.advance(splices, self._root)
        return self._smallest(encode_delta(splices))

    def stored(self, written: Written, entry: PartEntry) -> None:
        """Note that the present state was stored at *entry*."""
        self.is_stored = True
        self.holder = entry.holder
        self._hashing.keep_up(self._root)
        before = self._chain
        if written.encoding is Encoding.KEYFRAME or before is None:
            self._stream = None
            self._recent.clear()
            self._recent_size = 0
            self._chain = Chain(entry, len(written.body), written.decoded_size, b"")
        else:
            stored_size = before.stored_size + len(written.body)
            decoded_size = before.decoded_size + written.decoded_size
            self._chain = Chain(entry, stored_size, decoded_size, b"")
        self._remember(written.end)

    def _smallest(self, delta: bytes) -> Written:
        """Choose between a delta and a keyframe."""
        chain = self._chain
        size = self._root.size
        if (
            chain is None
            or chain.newest.chain >= CHAIN_MAX
            or len(delta) > size
            or chain.decoded_size + len(delta) > DECODED_FACTOR * size + DECODED_SLACK
        ):
            return self._keyframe()
        if self._stream is None:
            codec = Codec.ZSTD_STARTED
            self._stream = Compressor(b"".join(self._recent)[-CONTEXT_SIZE:])
        else:
            codec = Codec.ZSTD_CONTINUED
        body = self._stream.add(delta)
        keyframe_size = size * chain.stored_size // chain.decoded_size
        if chain.stored_size + len(body) > (1 + _OVERREAD) * max(keyframe_size, len(body)):
            return self._keyframe()
        if len(delta) > size // 2:
            keyframe = self._keyframe()
            if len(keyframe.body) * _WORTH[1] <= len(body) * _WORTH[0]:
                return keyframe
        address = self._hashing.address
        end = delta[-CONTEXT_SIZE:]
        return Written(address, size, Encoding.DELTA, codec, body, len(delta), end)

    def _keyframe(self) -> Written:
        """Return the state whole."""
        size, address = self._root.size, self._hashing.address
        if size < _LARGE:
            state = text_of(self._root)
            body, end = compress(state), state[-CONTEXT_SIZE:]
        else:
            # Piece by piece: a whole text beside the pieces would be as large again.
            body, end = compress_pieces(self._root.texts(), size)
        return Written(address, size, Encoding.KEYFRAME, Codec.ZSTD, body, size, end)

    def _remember(self, decoded: bytes) -> None:
        """Keep the end of what the bodies decode to, for a stream that must start again."""
        self._recent.append(decoded)
        self._recent_size += len(decoded)
        while self._recent_size - len(self._recent[0]) >= CONTEXT_SIZE:
            self._recent_size -= len(self._recent.popleft())
