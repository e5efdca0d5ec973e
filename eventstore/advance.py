"""Advancing an image: from the tree of one state to that of the next, with the splices between."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from eventstore.common import common_prefix, common_suffix
from eventstore.delta import Splicer
from eventstore.image import (
    CHANGEABLE,
    Branch,
    Dump,
    Leaf,
    Node,
    build,
    continues,
    head_of,
    is_list_of_records,
    members_of,
    run_of,
    text_of,
)
from eventstore.models.record import Record

_TRIM_MIN = 64
_BEHIND_MAX = 64
_BEHIND_SHARE = 32
_MATCH_MIN = 4096
_BETWEEN = b"},{"


class Advance:
    """One step from a tree to the next. The old tree must not be used afterwards."""

    def __init__(self) -> None:
        """Collect what is copied and inserted in `out`."""
        self.out = Splicer()
        self._dump: Dump

    def root(self, old: Node, value: Any, dump: Dump) -> Node:
        """Return the tree of *value*, a whole state, serialised with *dump*."""
        self._dump = dump
        return self._node(old, 0, value, 0)

    def replaced(self, old: Node, new: Node) -> Node:
        """Return *new*, a whole state, having compared nothing but the texts."""
        self._replace(old, 0, new)
        return new

    def _node(self, old: Node, at: int, value: Any, level: int) -> Node:
        """Return the node of *value* in place of *old*, which stands at offset *at*."""
        if isinstance(old, Branch):
            if old.heads is None:
                if is_list_of_records(value):
                    return self._list(old, at, value, level)
            elif (members := members_of(value)) is not None:
                return self._object(old, at, members, level)
        elif old.source is value:
            self.out.copy(at, at + old.size)
            return old
        new = build(value, self._dump, level)
        self._replace(old, at, new)
        return new

    def _replace(self, old: Node, at: int, new: Node) -> None:
        """Put *new* where *old* stands, keeping what two long texts begin and end with."""
        text, before = text_of(new), text_of(old)
        if text == before:
            self.out.copy(at, at + old.size)
        elif min(len(text), len(before)) < _TRIM_MIN:
            self.out.insert(text)
        else:
            head = common_prefix(before, text)
            tail = common_suffix(before, text, min(len(before), len(text)) - head)
            self.out.copy(at, at + head)
            fresh, stale = text[head : len(text) - tail], before[head : len(before) - tail]
            if min(len(fresh), len(stale)) < _MATCH_MIN:
                self.out.insert(fresh)
            else:
                self._match(stale, at + head, fresh)
            self.out.copy(at + old.size - tail, at + old.size)

    def _match(self, stale: bytes, at: int, fresh: bytes) -> None:
        """Put *fresh* where *stale* stands, copying the elements that both have.

        Both are cut where an object follows another in a list; wherever else they are cut by that,
        inside a string for one, costs bytes and nothing else.
        """
        starts: dict[bytes, int] = {}
        first = at
        for piece in stale.split(_BETWEEN):
            starts.setdefault(piece, at)
            at += len(piece) + len(_BETWEEN)
        gap, expected = 0, -1
        for piece in fresh.split(_BETWEEN):
            # Of pieces that are alike, the one behind what was copied last goes on with the copy.
            goes_on = expected > 0 and stale.startswith(_BETWEEN, expected - gap - first)
            if goes_on and stale.startswith(piece, expected - first):
                start: int | None = expected
            else:
                start = starts.get(piece)
            if start is None:
                self.out.insert(_BETWEEN[:gap], piece)
                expected = -1
            else:
                if start == expected:
                    self.out.copy(start - gap, start)
                else:
                    self.out.insert(_BETWEEN[:gap])
                self.out.copy(start, start + len(piece))
                expected = start + len(piece) + len(_BETWEEN)
            gap = len(_BETWEEN)

    def _object(self, old: Branch, at: int, members: Any, level: int) -> Node:
        """Advance an object member by member; members may come, go and move."""
        assert old.heads is not None, "an object has heads"
        keys = list(members)
        if keys == old.keys:
            return self._aligned(old, at, members.values(), level)
        heads = [head_of(key, self._dump) for key in keys]
        if heads == old.heads:
            old.keys = keys
            return self._aligned(old, at, members.values(), level)
        starts = old.starts(at)
        places = {head: index for index, head in enumerate(old.heads)}
        children: list[Node] = []
        self.out.copy(at, at + 1)
        for index, (head, value) in enumerate(zip(heads, members.values(), strict=True)):
            place = places.get(head)
            self._separate(index, place, starts)
            if place is None:
                new = build(value, self._dump, level + 1)
                self.out.insert(head, *new.texts())
            else:
                start = starts[place] + len(head)
                self.out.copy(starts[place], start)
                new = self._node(old.children[place], start, value, level + 1)
            children.append(new)
        self.out.copy(at + old.size - 1, at + old.size)
        return Branch(heads, children, CHANGEABLE, keys)

    def _aligned(self, old: Branch, at: int, values: Iterable[Any], level: int) -> Node:
        """Advance an object with the same members in the same order, in place."""
        assert old.heads is not None, "an object has heads"
        children, heads = old.children, old.heads
        copied, start = at, at + 1
        grown = 0
        for index, value in enumerate(values):
            child = children[index]
            start += len(heads[index])
            size = child.size
            if child.source is not value:
                self.out.copy(copied, start)
                copied = start + size
                new = children[index] = self._node(child, start, value, level + 1)
                grown += new.size - size
            start += size + 1
        self.out.copy(copied, at + old.size)
        old.size += grown
        return old

    def _list(self, old: Branch, at: int, values: Any, level: int) -> Node:
        """Advance a list element by element."""
        if type(values) is tuple and continues(values, old):
            return self._appended(old, at, values, level)
        return self._matched(old, at, values, level)

    def _appended(self, old: Branch, at: int, values: tuple[Any, ...], level: int) -> Node:
        """Add elements to the end of a list that is otherwise the same, in place.

        The old tuple of a long list is kept while few elements stand behind it: letting go of it
        takes a look at every element, which may cost more than all the rest.
        """
        children, run, size = old.children, old.run, old.size
        self.out.copy(at, at + size - 1)
        fresh = values[len(children) :]
        behind = len(values) - len(run)
        are_few = behind <= min(_BEHIND_MAX, len(run) // _BEHIND_SHARE)
        for value in fresh:
            node = build(value, self._dump, level + 1)
            self.out.insert(b",", *node.texts())
            children.append(node)
            old.size += node.size + 1
            are_few = are_few and node.source is value
        self.out.copy(at + size - 1, at + size)
        if not are_few:
            added = children[len(values) - len(fresh) :]
            old.run = values if run_of(fresh, added) is fresh else CHANGEABLE
        return old

    def _matched(self, old: Branch, at: int, values: Any, level: int) -> Node:
        """Find each element among the old ones: in its place, by identity, or by its text."""
        places = _Places(old, at)
        children: list[Node] = []
        guess = 0
        self.out.copy(at, at + 1)
        for index, value in enumerate(values):
            place = places.of_source(value, guess)
            new: Node
            if place is not None:
                # A branch is changed in place, so one that two elements shared would break both.
                free = places.take(place) or isinstance(old.children[place], Leaf)
                new = old.children[place] if free else build(value, self._dump, level + 1)
            elif places.is_branch(guess) and members_of(value) is not None and places.take(guess):
                self._separate(index, guess, places.starts)
                start = places.starts[guess]
                children.append(self._node(old.children[guess], start, value, level + 1))
                guess += 1
                continue
            else:
                new = build(value, self._dump, level + 1)
                place = places.of_text(new, guess)
            self._separate(index, place, places.starts)
            if place is None:
                self.out.insert(*new.texts())
            else:
                self.out.copy(places.starts[place], places.starts[place] + new.size)
                guess = place + 1
            children.append(new)
        self.out.copy(at + old.size - 1, at + old.size)
        return Branch(None, children, run_of(values, children))

    def _separate(self, index: int, place: int | None, starts: list[int]) -> None:
        """Put a comma before every unit but the first, the old one where there is one."""
        if index:
            if place:
                self.out.copy(starts[place] - 1, starts[place])
            else:
                self.out.insert(b",")


class _Places:
    """Where the old elements of a list are; looks them up only when they are not as expected."""

    def __init__(self, old: Branch, at: int) -> None:
        """Know the list *old*, which stands at *at*."""
        self._old = old
        self.starts = old.starts(at)
        self._taken: set[int] = set()
        self._by_source: dict[int, int] | None = None
        self._by_text: dict[bytes, int] | None = None

    def of_source(self, value: Any, guess: int) -> int | None:
        """Return the place of the element that was made of the very same frozen value."""
        children = self._old.children
        if guess < len(children) and self._source(guess) is value:
            return guess
        if not isinstance(value, Record):
            return None
        if self._by_source is None:
            self._by_source = {id(self._source(i)): i for i in range(len(children))}
        place = self._by_source.get(id(value))
        # The old tree keeps its sources alive, so an id that is found is the same object's.
        return place if place is not None and self._source(place) is value else None

    def take(self, place: int) -> bool:
        """Take the old element at *place* for a new one; False if it was taken before."""
        if place in self._taken:
            return False
        self._taken.add(place)
        return True

    def is_branch(self, place: int) -> bool:
        """Whether there is an old element at *place* and it has elements of its own."""
        children = self._old.children
        return place < len(children) and isinstance(children[place], Branch)

    def of_text(self, new: Node, guess: int) -> int | None:
        """Return the place of an element with the same text."""
        if not isinstance(new, Leaf):
            return None
        children = self._old.children
        if guess < len(children):
            child = children[guess]
            if isinstance(child, Leaf) and child.text == new.text:
                return guess
        if self._by_text is None:
            self._by_text = {c.text: i for i, c in enumerate(children) if isinstance(c, Leaf)}
        return self._by_text.get(new.text)

    def _source(self, place: int) -> Any:
        """Return the frozen value that an element was made of, if it was."""
        run = self._old.run
        if run is not CHANGEABLE and place < len(run):
            return run[place]
        child = self._old.children[place]
        return child.source if isinstance(child, Leaf) else CHANGEABLE
