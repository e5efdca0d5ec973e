"""The content of a part: what a caller wants its next state to be."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from eventstore.address import address_of
from eventstore.advance import Advance
from eventstore.errors import InvalidInputError
from eventstore.image import CHANGEABLE, Leaf, Node, build, text_of
from eventstore.models.record import Record
from eventstore.state import check_size, encode, text

_SHORT = 32


class Content:
    """A value from `state.plain`, or exact bytes with the value they are JSON of.

    Serialising raises `InvalidInputError` naming the field.
    """

    def __init__(self, part: str, value: Any, *, size_max: int, exact: bytes | None = None) -> None:
        """Want *value* in *part*, spelled as in *exact* if that is given."""
        self._part = part
        self._value = value
        self._size_max = size_max
        self._exact = exact

    @cached_property
    def address(self) -> str:
        """The address of the state that this is, computed from all of it."""
        return address_of(text_of(self.tree()))

    def tree(self) -> Node:
        """Return the content as a tree of its own."""
        if self._exact is not None and not self._is_respelled:
            return Leaf(self._exact, CHANGEABLE)
        return self._checked(build(self._value, self._dump))

    def begun(self) -> Node:
        """Return the content as a first state: in one piece if it is short, for that is faster."""
        if self._exact is not None or not _is_short(self._value):
            return self.tree()
        text, is_frozen = self._dump(self._value, 0)
        return self._checked(Leaf(text, self._value if is_frozen else CHANGEABLE))

    def advance(self, advance: Advance, old: Node) -> Node:
        """Return the content as a tree that follows *old*, which must not be used afterwards."""
        if self._exact is not None and not self._is_respelled:
            return advance.replaced(old, Leaf(self._exact, CHANGEABLE))
        return self._checked(advance.root(old, self._value, self._dump))

    @cached_property
    def _is_respelled(self) -> bool:
        """Whether serialising the value gives the exact bytes again."""
        return encode(self._value, part=self._part, size_max=self._size_max) == self._exact

    def _checked(self, root: Node) -> Node:
        """Return *root* unless its text is too long."""
        check_size(root.size, self._part, self._size_max)
        return root

    def _dump(self, value: Any, level: int) -> tuple[bytes, bool]:
        """Return the text of a value inside this one, and if it cannot change."""
        try:
            return text(value, level + 1)
        except InvalidInputError:
            # Serialising all of it fails too, and knows the whole path to the field.
            encode(self._value, part=self._part, size_max=self._size_max)
            raise


def _is_short(value: Any) -> bool:
    """Whether no list in *value* is so long that its elements should be kept apart."""
    if isinstance(value, list | tuple) and len(value) > _SHORT:
        return False
    if isinstance(value, Record):
        value = value.__dict__  # What is written of it is in there, and need not be sorted out.
    if isinstance(value, dict):
        for item in value.values():
            if isinstance(item, list | tuple) and len(item) > _SHORT:
                return False
    return True
