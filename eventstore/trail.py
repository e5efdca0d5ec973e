"""A trail: one part's chain, read forwards while a log is read frame by frame."""

from __future__ import annotations

from dataclasses import dataclass

from eventstore.chain import CHAIN_MAX, DECODED_FACTOR, DECODED_SLACK
from eventstore.delta import decode_delta, fold
from eventstore.errors import CorruptError
from eventstore.payload import Codec, Encoding, PartEntry
from eventstore.stream import Decompressor, context_of, decompress, whole


@dataclass(frozen=True, slots=True)
class Link:
    """One state of a chain: the frame that holds it, and what its body decodes to."""

    holder: int
    decoded: bytes


class Trail:
    """The chain that leads to the state read last; holds what its bodies decode to.

    A state may follow an earlier one of the chain, as after an undelete: what came between is left.
    """

    def __init__(self, size_max: int) -> None:
        """Start before the first keyframe; no state is larger than *size_max*."""
        self.links: list[Link] = []
        self._size_max = size_max
        self._size = 0
        self._stream: Decompressor | None = None

    def reaches(self, row: PartEntry) -> bool:
        """Whether the state in *row* can be read from here."""
        if row.encoding is Encoding.KEYFRAME:
            return True
        if row.codec is Codec.ZSTD_CONTINUED:
            at_end = bool(self.links) and self.links[-1].holder == row.previous
            return at_end and self._stream is not None
        return any(link.holder == row.previous for link in self.links)

    def add(self, row: PartEntry, body: bytes) -> None:
        """Read on to the state in *row*, which must be within reach.

        Raises `CorruptError` for a body that is not what its row says.
        """
        if row.encoding is Encoding.KEYFRAME:
            self.links, self._size, self._stream = [], 0, None
            self._append(row, decompress(body, row.decoded_size, self._size_max))
            return
        self._return_to(row.previous)
        if self._size + row.decoded_size > DECODED_FACTOR * self._size_max + DECODED_SLACK:
            raise CorruptError("a chain decodes to more than the limit allows")
        if len(self.links) > CHAIN_MAX:
            raise CorruptError("a chain is too long")
        if row.codec is Codec.ZSTD_STARTED:
            self._stream = Decompressor(context_of([whole(link.decoded) for link in self.links]))
        if self._stream is None:
            raise CorruptError("a stream of deltas has no beginning")
        self._append(row, self._stream.add(body, row.decoded_size))

    def state(self, size: int) -> bytes:
        """Return the state of *size* bytes that the trail leads to."""
        deltas = [decode_delta(link.decoded) for link in self.links[1:]]
        return fold(self.links[0].decoded, deltas, size, self._size_max)

    def _append(self, row: PartEntry, decoded: bytes) -> None:
        """Add a link."""
        self.links.append(Link(row.holder, decoded))
        self._size += len(decoded)

    def _return_to(self, holder: int) -> None:
        """Leave what came behind the state in the frame *holder*."""
        while self.links and self.links[-1].holder != holder:
            self._size -= len(self.links.pop().decoded)
            self._stream = None
        if not self.links:
            raise CorruptError("a delta follows a state that is not in its chain")
