"""An addition: content that is the present state of a part with more at the end of a list.

Made from the texts that a writer holds, so that adding to a long list does not look at all of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from eventstore.address import address_of
from eventstore.advance import Advance
from eventstore.content import Content
from eventstore.image import CHANGEABLE, Branch, Leaf, Node, text_of
from eventstore.outline import outline, value_of

Added = Callable[[str | None], str]
"""Returns the text of the next state of a part, given that of the present one, if there is one."""


class Addition(Content):
    """The state that an addition leads to, from whatever state is present when it is stored."""

    def __init__(
        self,
        part: str,
        added: Added,
        read: Callable[[], bytes | None],
        *,
        size_max: int,
        place: tuple[bytes, Sequence[bytes]] | None = None,
    ) -> None:
        """Want what *added* makes of the present state, which *read* returns.

        *place* says the same of a state whose writer holds it in pieces: which member holds the
        list, as `"key":` or empty if the state is the list, and the texts of the new elements.
        """
        super().__init__(part, None, size_max=size_max)
        self._added = added
        self._read = read
        self._place = place
        self._state = b"null"

    @cached_property
    def address(self) -> str:
        """The address of the state that this is, computed from all of it."""
        return address_of(text_of(self.tree()))

    def tree(self) -> Node:
        """Return the content as a tree of its own."""
        return self._kept(self._made(self._read()))

    def begun(self) -> Node:
        """Return the content as a first state, in pieces that the next addition finds."""
        return self.tree()

    def advance(self, advance: Advance, old: Node) -> Node:
        """Return the content as a tree that follows *old*, which must not be used afterwards."""
        if self._place is not None and isinstance(old, Branch):
            grown = _grow(advance, old, *self._place)
            if grown is not None:
                return self._kept(grown)
        return self._kept(advance.replaced(old, self._made(text_of(old))))

    def value(self) -> Any:
        """Return the state that was made last as plain JSON values."""
        return value_of(self._state.decode())

    def _kept(self, root: Node) -> Node:
        """Return *root*, unless its text is too long, having noted its text."""
        self._state = text_of(self._checked(root))
        return root

    def _made(self, state: bytes | None) -> Node:
        """Return what the addition makes of a state."""
        made = self._added(None if state is None else state.decode())
        return _members(made) if self._place is not None and self._place[0] else _leaf(made)


def _members(text: str) -> Node:
    """Return a state as a tree of its members, so that the next addition finds its list."""
    node = outline(text)
    units = node.units if node.is_object else None
    if units is None:
        return _leaf(text)
    heads = [f"{key}:".encode() for key in units.keys]
    return Branch(heads, [_leaf(child.text) for child in units.nodes], CHANGEABLE)


def _leaf(text: str) -> Leaf:
    """Return a text as a tree of nothing else."""
    return Leaf(text.encode(), CHANGEABLE)


def _grow(advance: Advance, root: Branch, head: bytes, texts: Sequence[bytes]) -> Node | None:
    """Add elements to a list in a tree, in place; None, with nothing done, if it is not there."""
    if not head:
        return None if root.heads is not None else _extend(advance, root, 0, root, texts)
    if root.heads is None or head not in root.heads:
        return None
    place = root.heads.index(head)
    node = root.children[place]
    start = root.starts(0)[place] + len(head)
    if isinstance(node, Branch):
        return None if node.heads is not None else _extend(advance, root, start, node, texts)
    if not node.text.startswith(b"["):
        return None
    text = _text_of_more(node, texts)
    _splice(advance, root, start + node.size - 1, text)
    root.children[place] = Leaf(b"".join((node.text[:-1], text, b"]")), CHANGEABLE)
    root.size += len(text)
    return root


def _extend(
    advance: Advance, root: Branch, start: int, node: Branch, texts: Sequence[bytes]
) -> Node:
    """Add elements to a list that is held element by element and begins at *start*."""
    text = _text_of_more(node, texts)
    _splice(advance, root, start + node.size - 1, text)
    node.children.extend(Leaf(element, CHANGEABLE) for element in texts)
    node.run = CHANGEABLE
    node.size += len(text)
    if node is not root:
        root.size += len(text)
    return root


def _text_of_more(node: Node, texts: Sequence[bytes]) -> bytes:
    """Return what is inserted at the end of a list."""
    return (b"," if texts and node.size > len(b"[]") else b"") + b",".join(texts)


def _splice(advance: Advance, root: Branch, at: int, text: bytes) -> None:
    """Insert *text* at the offset *at*."""
    advance.out.copy(0, at)
    if text:
        advance.out.insert(text)
    advance.out.copy(at, root.size)
