"""A bundle: one self-contained file of sessions with their history, commit for commit.

It is proven by itself: every block by its check, every version by its place in the chain, its
commitments and its addresses, the whole by its end.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import zstandard

from eventstore.errors import CorruptError, EventStoreError, InvalidInputError
from eventstore.interchange.bundle_blocks import HEADER, VERSIONS, BlockWriter, read_blocks
from eventstore.interchange.bundle_contents import (
    Content,
    Held,
    decode_contents,
    encode_contents,
    missing,
    told,
)
from eventstore.interchange.bundle_items import BLOCK_SIZE, ItemReader, encode_items
from eventstore.interchange.files import open_file
from eventstore.leb128 import Reader, put
from eventstore.parcel import Checker, Parcel
from eventstore.state import STATE_SIZE_MAX
from eventstore.stream import undecodable

_LEVEL = 6
_WINDOW_SIZE_MAX = 2**27
_SLACK = 2 * BLOCK_SIZE
"""What a block may hold beside one state: the items before it."""


class BundleWriter:
    """Writes one bundle."""

    def __init__(
        self, file: BinaryIO, contents: Sequence[Content], behind: Sequence[Held] = ()
    ) -> None:
        """Begin a bundle of these contents, which must be added in their order.

        *behind* says which other sessions the bundles before this one hold, and how far.
        """
        self._blocks = BlockWriter(file)
        self._blocks.add(HEADER, encode_contents(contents, behind))
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)

    @property
    def size(self) -> int:
        """Bytes written so far."""
        return self._blocks.size

    def add(self, place: int, parcels: Iterator[Parcel]) -> Iterator[Parcel]:
        """Add the versions of the session at *place* of the contents, yielding each behind it."""
        before: dict[str, bytes] = {}
        pending = bytearray()
        for parcel in parcels:
            for item in encode_items(parcel, before):
                pending += item
                if len(pending) >= BLOCK_SIZE:
                    self._close(place, pending)
            yield parcel
        if pending:
            self._close(place, pending)

    def end(self) -> None:
        """End the bundle."""
        self._blocks.end()

    def _close(self, place: int, pending: bytearray) -> None:
        """Write a block of what is pending."""
        payload = bytearray()
        put(payload, place)
        self._blocks.add(VERSIONS, bytes(payload) + self._compressor.compress(bytes(pending)))
        pending.clear()


class Bundle:
    """One bundle being read, from front to back."""

    def __init__(self, file: BinaryIO, *, size_max: int = STATE_SIZE_MAX) -> None:
        """Read the contents; raise `CorruptError` for what does not begin like a bundle."""
        self._size_max = size_max
        self._blocks = read_blocks(file, size_max=2 * size_max + _SLACK)
        try:
            kind, payload = next(self._blocks, (0, b""))
        except CorruptError as error:
            raise told(error, "its contents, and so all of it, are missing") from error
        if kind != HEADER:
            raise CorruptError("a bundle begins with its contents")
        self.contents, self.behind = decode_contents(payload)
        self._place = 0
        self._done = 0

    def parcels(self) -> Iterator[tuple[Content, Parcel]]:
        """Yield every version, with the session it is of, proven.

        Raises `CorruptError` saying what is missing where the bundle is damaged or cut off.
        """
        try:
            for content, parcel in self._unchecked():
                self._check(content, parcel)
                yield content, parcel
            if self._place < len(self.contents):
                raise CorruptError("ends before its contents do")
        except (CorruptError, InvalidInputError) as error:
            raise self._told(error) from error

    def _told(self, error: EventStoreError) -> EventStoreError:
        """Return an error with what is missing."""
        return told(error, missing(self.contents, self._place, self._done))

    def _check(self, content: Content, parcel: Parcel) -> None:
        """Prove the next version."""
        if self._done == 0:
            self._checker = Checker(
                content.origin, content.before, content.live, size_max=self._size_max
            )
        self._checker.checked(parcel)
        if self._done + 1 == content.count and self._checker.tip.commit != content.head:
            raise CorruptError(
                "the newest version is not the one in the contents",
                session=content.session,
                version=content.last,
            )
        self._done += 1
        if self._done == content.count:
            self._place += 1
            self._done = 0

    def _unchecked(self) -> Iterator[tuple[Content, Parcel]]:
        """Yield what the blocks say."""
        reader, place = ItemReader(size_max=self._size_max), 0
        for kind, payload in self._blocks:
            if kind != VERSIONS:
                raise CorruptError(f"has a block of kind {kind}, which is not known")
            head = Reader(payload, "a block of a bundle")
            stated = head.number()
            if stated != self._place or stated >= len(self.contents):
                raise CorruptError("a block is of another session than the contents say")
            if stated != place:
                reader, place = ItemReader(size_max=self._size_max), stated
            for parcel in reader.read(self._items(payload[head.at :])):
                if self._place != place:
                    raise CorruptError("a session has more versions than the contents say")
                yield self.contents[place], parcel

    def _items(self, data: bytes) -> bytes:
        """Decompress the items of a block, within bounds."""
        try:
            size = zstandard.frame_content_size(data)
            if not 0 <= size <= self._size_max + _SLACK:
                raise CorruptError(f"a block claims to hold {size} bytes")
            decoder = zstandard.ZstdDecompressor(max_window_size=_WINDOW_SIZE_MAX)
            items: bytes = decoder.decompress(data, max_output_size=size, allow_extra_data=False)
        except zstandard.ZstdError as error:
            raise undecodable("a block", error) from error
        return items


@contextmanager
def open_bundle(
    path: str | os.PathLike[str], *, size_max: int = STATE_SIZE_MAX
) -> Iterator[Bundle]:
    """Open a bundle for reading, once."""
    with open_file(Path(path)) as file:
        yield Bundle(file, size_max=size_max)


def verify_bundle(path: str | os.PathLike[str], *, size_max: int = STATE_SIZE_MAX) -> list[Content]:
    """Read and prove all of a bundle, without any store; return its contents."""
    with open_bundle(path, size_max=size_max) as bundle:
        for _ in bundle.parcels():
            pass
        return bundle.contents


def held_by(path: str | os.PathLike[str]) -> list[Held]:
    """Prove all of a bundle; return how far it and those before it hold each session."""
    with open_bundle(path) as bundle:
        for _ in bundle.parcels():
            pass
        return [*(content.held for content in bundle.contents), *bundle.behind]
