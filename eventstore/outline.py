"""An outline: JSON text as a tree that is split only where somebody looks.

Every node keeps the exact text it stands for. An outline that follows another one takes over the
nodes whose text is the same, so a session that grows by a message is looked at once, not again
for every version.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable
from dataclasses import dataclass, field
from json.decoder import scanstring  # type: ignore[attr-defined]
from typing import Any

from eventstore.errors import CorruptError

_decoder: Any = json.JSONDecoder()
_scan: Callable[[str, int], tuple[Any, int]] = _decoder.scan_once
_NOT_JSON = (StopIteration, ValueError, RecursionError, IndexError)


@dataclass(slots=True)
class Units:
    """What a container holds: nodes, where each ends in the text, and an object's keys.

    `keys` are as spelled, with their quotes; `names` are what they mean.
    """

    nodes: list[Node] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)

    def first(self, count: int) -> Units:
        """Return the first *count* of them."""
        return Units(self.nodes[:count], self.ends[:count], self.keys[:count], self.names[:count])


class Node:
    """One JSON value as its exact text."""

    __slots__ = ("_split", "_units", "text")

    def __init__(self, text: str, units: Units | None = None) -> None:
        """Stand for *text*, which may be split into *units* already."""
        self.text = text
        self._units = units
        self._split = units is not None

    @property
    def is_list(self) -> bool:
        """Whether this is a list."""
        return self.text.startswith("[")

    @property
    def is_object(self) -> bool:
        """Whether this is an object."""
        return self.text.startswith("{")

    @property
    def is_split(self) -> bool:
        """Whether somebody has looked inside."""
        return self._split

    @property
    def units(self) -> Units | None:
        """What a list or an object holds.

        None for a scalar, and for what is best taken whole: an object with a key twice, and text
        that has white space between tokens.
        """
        if not self._split:
            self._units = _units_of(self.text)
            self._split = True
        return self._units

    def member(self, name: str) -> Node | None:
        """Return the member of an object, None if there is none."""
        units = self.units if self.is_object else None
        if units is None or name not in units.names:
            return None
        return units.nodes[units.names.index(name)]

    def elements(self) -> list[Node] | None:
        """Return the elements of a list, None for anything else."""
        units = self.units if self.is_list else None
        return None if units is None else units.nodes


def outline(text: str, like: Node | None = None) -> Node:
    """Return the outline of JSON *text*, taking over what is as in *like*."""
    if like is None or not like.is_split:
        return Node(text)
    try:
        node, end = _follow(like, text, 0)
    except _NOT_JSON:
        return Node(text)
    return node if end == len(text) else Node(text)


def outline_of(state: bytes, *, session: str, part: str, like: Node | None = None) -> Node:
    """Return the outline of a state that was read; raise `CorruptError` if it is not UTF-8."""
    try:
        text = state.decode()
    except ValueError as error:
        raise CorruptError(f"part {part!r} is not JSON", session=session) from error
    if like is None or like.units is None:
        return Node(text)
    return outline(text, like)


def value_of(text: str) -> Any:
    """Return the plain value of a JSON text; raise `CorruptError` if it is none."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CorruptError("a value is not JSON") from error


def start_of_member(text: str, name: str) -> int | None:
    """Return where the value of a member of the object *text* begins, looking no further."""
    at = 1 if text.startswith("{") else len(text)
    try:
        while text[at] == '"':
            found, end = scanstring(text, at + 1)
            if text[end] != ":":
                return None
            if found == name:
                return int(end) + 1
            _, end = _scan(text, end + 1)
            at = end + 1
    except _NOT_JSON:
        return None
    return None


def first_unequal(
    one: str, at: int, other: str, to: int
) -> tuple[int, str | None, str | None] | None:
    """Return the index of the first unequal elements of two lists, and their texts.

    The lists begin at *at* and *to*. What they have in common is compared at once, and counted in
    one of them. A side that has no more elements has None; None if the lists are equal,
    or not written as a save writes them.
    """
    try:
        return _first_unequal(one, at, other, to)
    except _NOT_JSON:
        return None


def _first_unequal(
    one: str, at: int, other: str, to: int
) -> tuple[int, str | None, str | None] | None:
    """Return the same, of lists that are JSON."""
    shared = at + shared_size(one[at:], other, to)
    shift, index, start = to - at, 0, at + 1
    while one[start - 1] != "]" and one[start] != "]":
        _, end = _scan(one, start)
        if end >= shared:
            break
        index, start = index + 1, end + 1
    ends = start, start + shift
    while True:
        (mine, at), (theirs, to) = _element(one, ends[0]), _element(other, ends[1])
        if mine is None and theirs is None:
            return None
        if mine != theirs:
            return index, mine, theirs
        index, ends = index + 1, (at, to)


def _element(text: str, at: int) -> tuple[str | None, int]:
    """Return the element that begins at *at* and where the next one does; None behind the last."""
    if text[at - 1] == "]" or text[at] == "]":
        return None, at
    _, end = _scan(text, at)
    return text[at:end], end + 1


def shared_size(one: str, other: str, at: int = 0) -> int:
    """Return how many characters *one* and *other*, from *at* on, begin with in common."""
    low, high = 0, min(len(one), len(other) - at)
    if other.startswith(one[:high], at):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if other.startswith(one[low:middle], at + low):
            low = middle
        else:
            high = middle
    return low


def _units_of(text: str) -> Units | None:
    """Split a container; None for anything that is not one, or not as a save writes it."""
    if text[:1] not in ("[", "{"):
        return None
    try:
        units, end = _filled(text, 0, Units(), None)
    except _NOT_JSON:
        return None
    return units if end == len(text) else None


def _follow(old: Node, text: str, at: int) -> tuple[Node, int]:
    """Return the node that starts at *at*, where *old* stood before, and its end."""
    end = at + len(old.text)
    if text.startswith(old.text, at) and text[end : end + 1] in ",]}":
        return old, end
    before = old.units if old.is_split and text[at] == old.text[0] else None
    if before is None:
        _, end = _scan(text, at)
        return Node(text[at:end]), end
    shared = shared_size(old.text, text, at)
    count = bisect_right(before.ends, shared)
    if count and text[at + before.ends[count - 1]] not in ",]}":
        count -= 1  # A number that goes on.
    units, end = _filled(text, at, before.first(count), before)
    return Node(text[at:end], units), end


def _filled(text: str, start: int, units: Units, like: Units | None) -> tuple[Units | None, int]:
    """Add what *units* lack of the container at *start*; return them and its end."""
    closing = "]" if text[start] == "[" else "}"
    at = start + units.ends[-1] if units.ends else start + 1
    if text[at] != closing:
        while True:
            at = _unit(text, at + (1 if units.ends else 0), closing, units, like)
            units.ends.append(at - start)
            if text[at] != ",":
                break
    if text[at] != closing:
        raise ValueError(at)
    if len(set(units.names)) != len(units.names):
        return None, at + 1
    return units, at + 1


def _unit(text: str, at: int, closing: str, units: Units, like: Units | None) -> int:
    """Add the unit that starts at *at* and return where it ends."""
    place = len(units.nodes)
    if closing == "}":
        if text[at] != '"':
            raise ValueError(at)
        name, end = scanstring(text, at + 1)
        if text[end] != ":":
            raise ValueError(end)
        units.keys.append(text[at:end])
        units.names.append(name)
        at = end + 1
        if like is not None and (place >= len(like.names) or like.names[place] != name):
            place = like.names.index(name) if name in like.names else len(like.names)
    if like is not None and place < len(like.nodes):
        node, end = _follow(like.nodes[place], text, at)
    else:
        _, end = _scan(text, at)
        node = Node(text[at:end])
    units.nodes.append(node)
    return end
