"""Hashing a state that grew without hashing all of it again.

The hasher's state is kept where the largest list of the state ends: what comes before rarely
changes, what comes after is short. Source of the idea: BLAKE3 hashes its input front to back, and
its state can be copied at any point.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter

from blake3 import blake3

from eventstore.delta import Splice
from eventstore.image import Branch, Node

_size_of = attrgetter("size")


class Hashing:
    """The address of one part's present state, moved on by splices."""

    def __init__(self, root: Node) -> None:
        """Hash a whole state."""
        self._size = 0
        self._rest = b""
        self._prefix = blake3()
        self._restart(root)

    @property
    def address(self) -> str:
        """The address of the state, in hex."""
        hasher = self._prefix.copy()
        hasher.update(self._rest)
        return hasher.hexdigest()

    def advance(self, splices: Sequence[Splice], root: Node) -> None:
        """Move on to the state that *splices* make of the present one, whose tree is *root*."""
        kept = self._kept_rest(splices) if self._size else None
        if kept is None:
            self._restart(root)
        else:
            self._rest = kept

    def keep_up(self, root: Node) -> None:
        """Take into the prefix what of the present state, whose tree is *root*, belongs there.

        What is hashed then is hashed twice, and need not be a third time.
        """
        more = _anchor(root) - self._size
        if self._size and more > 0:
            self._prefix.update(self._rest[:more])
            self._rest = self._rest[more:]
            self._size += more

    def _restart(self, root: Node) -> None:
        """Hash everything."""
        # Piece by piece: a whole text beside the pieces would be as large again.
        self._prefix, self._size = blake3(), _anchor(root)
        rest: list[bytes] = []
        room = self._size
        for piece in root.texts():
            if len(piece) <= room:
                self._prefix.update(piece)
                room -= len(piece)
            else:
                self._prefix.update(piece[:room])
                rest.append(piece[room:])
                room = 0
        self._rest = b"".join(rest)

    def _kept_rest(self, splices: Sequence[Splice]) -> bytes | None:
        """Return what follows the hashed prefix now, or None if the prefix did not stay."""
        if not splices or splices[0].start != 0 or splices[0].stop < self._size:
            return None
        pieces = [self._rest[: splices[0].stop - self._size], splices[0].insert]
        for splice in splices[1:]:
            if splice.start < self._size and splice.stop > splice.start:
                return None
            pieces.append(self._rest[splice.start - self._size : splice.stop - self._size])
            pieces.append(splice.insert)
        return b"".join(pieces)


def _anchor(root: Node) -> int:
    """Return the offset at which the elements of the root's largest list end."""
    if not isinstance(root, Branch) or not root.children:
        return 0
    if root.heads is None:
        return root.size - 1
    sizes: list[int] = list(map(_size_of, root.children))
    largest = sizes.index(max(sizes))
    before = sum(sizes[: largest + 1]) + sum(map(len, root.heads[: largest + 1]))
    return largest + before  # The bracket that opens the object, less the one that ends the list.
