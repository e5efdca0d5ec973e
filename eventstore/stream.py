"""Bodies as zstd: whole ones alone, small ones in a stream that keeps its past as context.

A small delta compresses badly alone. So a writer feeds the deltas of one part to one zstd frame,
flushed after each: every body is a piece of that frame and can refer to all before it. A new
writer starts a new frame, with the end of what the part's bodies decoded to as its dictionary.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import zstandard

from eventstore.errors import CorruptError

CONTEXT_SIZE = 128 * 1024
"""Bytes of decoded bodies that a new stream takes as its dictionary, at most."""

_NO_MEMORY = "not enough memory"
_LEVEL = 3
_STRONG_LEVEL = 19
_WINDOW_SIZE_MAX = 2**27
_STRONG_WINDOW_LOG_MAX = 23
_SLICE_SIZE = 256
_STREAM_PARAMETERS = zstandard.ZstdCompressionParameters.from_level(
    _LEVEL,
    # A stream is used once a save, when its tables have long left the processor's caches. Small
    # ones come back faster: compressing takes little more than half the time, for 3% more bytes.
    window_log=17,
    hash_log=13,
    chain_log=12,
)

STREAM_SIZE = 600_000
"""Bytes of memory that a compressing stream holds on to, about."""

_own = threading.local()


def compress(data: bytes) -> bytes:
    """Return *data* as one zstd frame that states its content size."""
    compressor = getattr(_own, "compressor", None)
    if compressor is None:
        # Making one costs more than compressing a small state with it.
        compressor = _own.compressor = zstandard.ZstdCompressor(level=_LEVEL)
    try:
        compressed: bytes = compressor.compress(data)
    except zstandard.ZstdError as error:
        raise _no_memory() from error
    return compressed


def compress_pieces(pieces: Iterable[bytes], size: int) -> tuple[bytes, bytes]:
    """Return as `compress` does what *pieces*, of *size* bytes together, say; and how that ends.

    The end is as much of it as a stream takes for its context.
    """
    stream = zstandard.ZstdCompressor(level=_LEVEL).compressobj(size=size)
    kept: deque[bytes] = deque()
    kept_size = 0
    out: list[bytes] = []
    try:
        for piece in pieces:
            out.append(stream.compress(piece))
            kept.append(piece)
            kept_size += len(piece)
            while kept_size - len(kept[0]) >= CONTEXT_SIZE:
                kept_size -= len(kept.popleft())
        out.append(stream.flush())
    except zstandard.ZstdError as error:
        raise _no_memory() from error
    return b"".join(out), b"".join(kept)[-CONTEXT_SIZE:]


def compress_strongly(data: bytes) -> bytes:
    """Return what `compress` does, in fewer bytes and with much more work."""
    try:
        compressed: bytes = zstandard.ZstdCompressor(level=_STRONG_LEVEL).compress(data)
    except zstandard.ZstdError as error:
        raise _no_memory() from error
    return compressed


def decompress(body: bytes, size: int, size_max: int) -> bytes:
    """Return the *size* bytes that *body* decodes to, never allocating more than that.

    Raises `CorruptError` when the body claims or gives another size, or is not zstd.
    """
    if size > size_max:
        raise CorruptError(f"a body claims {size} bytes, more than the limit of {size_max}")
    try:
        if zstandard.frame_content_size(body) != size:
            raise CorruptError("a body's size contradicts its table")
        decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW_SIZE_MAX)
        state = decoder.decompress(body, max_output_size=size, allow_extra_data=False)
    except zstandard.ZstdError as error:
        raise undecodable("a body", error) from error
    if len(state) != size:
        raise CorruptError("a body's size contradicts its table")
    return state


def undecodable(what: str, error: zstandard.ZstdError) -> CorruptError | MemoryError:
    """Return the error for bytes that zstd refused; a lack of memory says nothing of the bytes."""
    if _NO_MEMORY in str(error):
        return MemoryError(f"no memory to decompress {what}")
    return CorruptError(f"{what} does not decompress")


def _no_memory() -> MemoryError:
    """Return the error for bytes that zstd does not compress, which has no other reason."""
    return MemoryError("no memory to compress a body")


class Compressor:
    """One stream being written. Not thread-safe."""

    def __init__(self, context: bytes, *, strong_size: int | None = None) -> None:
        """Start a zstd frame with *context* as its dictionary.

        Given *strong_size*, about how many bytes will be added, it compresses them as well as
        it can, in a window that fits them.
        """
        parameters = _STREAM_PARAMETERS if strong_size is None else _strong(strong_size)
        compressor = zstandard.ZstdCompressor(compression_params=parameters, **_dictionary(context))
        self._stream = compressor.compressobj()

    def add(self, data: bytes) -> bytes:
        """Return the body that lets a reader of all bodies before it decode *data*."""
        try:
            head: bytes = self._stream.compress(data)
            tail: bytes = self._stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
        except zstandard.ZstdError as error:
            raise _no_memory() from error
        return head + tail


class Decompressor:
    """One stream being read, body by body. Not thread-safe."""

    def __init__(self, context: bytes) -> None:
        """Start at the beginning of a zstd frame that has *context* as its dictionary."""
        decoder = zstandard.ZstdDecompressor(
            max_window_size=_WINDOW_SIZE_MAX, **_dictionary(context)
        )
        self._stream = decoder.decompressobj()

    def add(self, body: bytes, size: int) -> bytes:
        """Return the *size* bytes that the next body decodes to; raise `CorruptError` for others.

        Never allocates much more than that: a few bytes at a time cannot decode to a lot.
        """
        decoded = bytearray()
        try:
            for start in range(0, len(body), _SLICE_SIZE):
                decoded += self._stream.decompress(body[start : start + _SLICE_SIZE])
                if len(decoded) > size:
                    break
        except zstandard.ZstdError as error:
            raise undecodable("a stream of deltas", error) from error
        if len(decoded) != size:
            raise CorruptError("a stream's size contradicts its tables")
        return bytes(decoded)


class Span(NamedTuple):
    """The bytes *start* to *stop* of *data*: what one body decodes to."""

    data: bytes
    start: int
    stop: int


def read_stream(bodies: Sequence[bytes], sizes: Sequence[int], context: bytes) -> list[Span]:
    """Return what the bodies of one stream decode to, each of its stated size.

    Raises `CorruptError` for anything else; never allocates more than the sizes stated.
    """
    total = sum(sizes)
    try:
        decoder = zstandard.ZstdDecompressor(
            max_window_size=_WINDOW_SIZE_MAX, **_dictionary(context)
        )
        with decoder.stream_reader(b"".join(bodies)) as reader:
            # One byte more than there should be shows a stream that holds more.
            data: bytes = reader.read(total + 1)
    except zstandard.ZstdError as error:
        raise undecodable("a stream of deltas", error) from error
    if len(data) != total:
        raise CorruptError("a stream's size contradicts its tables")
    decoded, start = [], 0
    for size in sizes:
        decoded.append(Span(data, start, start + size))
        start += size
    return decoded


def whole(decoded: bytes) -> Span:
    """Return all of what a body decodes to as a span."""
    return Span(decoded, 0, len(decoded))


def context_of(decoded: Sequence[Span]) -> bytes:
    """Return the dictionary of a stream that starts behind bodies that decode to these."""
    kept: list[bytes] = []
    size = 0
    for data, start, stop in reversed(decoded):
        kept.append(data[max(start, stop - CONTEXT_SIZE) : stop])
        size += stop - start
        if size >= CONTEXT_SIZE:
            break
    return b"".join(reversed(kept))[-CONTEXT_SIZE:]


def _strong(size: int) -> zstandard.ZstdCompressionParameters:
    """Return the parameters to compress about *size* bytes and the context before them."""
    window_log = min(_STRONG_WINDOW_LOG_MAX, (size + CONTEXT_SIZE).bit_length())
    return zstandard.ZstdCompressionParameters.from_level(
        _STRONG_LEVEL, source_size=size + CONTEXT_SIZE, window_log=window_log
    )


def _dictionary(context: bytes) -> dict[str, Any]:
    """Return the option that makes *context* a dictionary; an empty one is none."""
    if not context:
        return {}
    raw = zstandard.ZstdCompressionDict(context, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    return {"dict_data": raw}
