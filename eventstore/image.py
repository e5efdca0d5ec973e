"""An image: a part's state as a tree of texts, kept so that the next save costs what changed.

Records and lists of records are branches, everything else is a leaf with its JSON text. Only a
value that is immutable all the way down (records, tuples, frozen JSON, scalars) is recognised by
identity; whatever can be changed in place is serialised again and compared by its bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import attrgetter, is_
from typing import Any

from eventstore.json_rules import is_frozen
from eventstore.models.record import Record

CHANGEABLE: Any = object()
"""Stands for the source of a node that must be looked at again; it is no value of anybody's."""

_LEVELS_MAX = 6
_FEW = 8
_HEADS_MAX = 4096

_heads: dict[str, bytes] = {}
_source_of = attrgetter("source")

Dump = Callable[[Any, int], tuple[bytes, bool]]
"""Returns the JSON text of a value that stands so many levels deep, and if it cannot change."""


class Leaf:
    """A text; `source` is the value it was made from, if that cannot change."""

    __slots__ = ("size", "source", "text")

    def __init__(self, text: bytes, source: Any) -> None:
        """Hold the text."""
        self.text = text
        self.size = len(text)
        self.source = source

    def texts(self) -> Iterable[bytes]:
        """Return the text in one piece."""
        return (self.text,)


class Branch:
    """An object or a list; `heads` are an object's `"key":` texts, None for a list.

    `run` is a tuple of frozen records that the first children of a list were made from, one each,
    or `CHANGEABLE`; children behind those are leaves that have sources of their own. `keys` are
    those of `heads`, where they are known.
    """

    __slots__ = ("children", "heads", "keys", "run", "size")

    def __init__(
        self,
        heads: list[bytes] | None,
        children: list[Node],
        run: Any,
        keys: list[str] | None = None,
    ) -> None:
        """Hold the children, all of which *run* was made of where it is a tuple."""
        self.heads = heads
        self.keys = keys
        self.children = children
        self.run = run
        named = 0 if heads is None else sum(map(len, heads))
        self.size: int = 2 + named + sum(c.size for c in children) + max(0, len(children) - 1)

    @property
    def source(self) -> Any:
        """The run, if it is all of the list."""
        run = self.run
        return run if run is not CHANGEABLE and len(run) == len(self.children) else CHANGEABLE

    def texts(self) -> Iterator[bytes]:
        """Yield the text in pieces."""
        yield b"{" if self.heads is not None else b"["
        for index, child in enumerate(self.children):
            if index:
                yield b","
            if self.heads is not None:
                yield self.heads[index]
            yield from child.texts()
        yield b"}" if self.heads is not None else b"]"

    def starts(self, at: int) -> list[int]:
        """Return where each child's head and text start, the branch itself standing at *at*."""
        starts, at = [], at + 1
        for index, child in enumerate(self.children):
            starts.append(at)
            at += child.size + 1 + (0 if self.heads is None else len(self.heads[index]))
        return starts


Node = Leaf | Branch


def build(value: Any, dump: Dump, level: int = 0) -> Node:
    """Return the tree of a value."""
    if level < _LEVELS_MAX:
        members = members_of(value) if level == 0 or _has_list(value) else None
        if members is not None:
            heads = [head_of(key, dump) for key in members]
            children = [build(item, dump, level + 1) for item in members.values()]
            return Branch(heads, children, CHANGEABLE, list(members))
        if is_list_of_records(value):
            children = [build(item, dump, level + 1) for item in value]
            return Branch(None, children, run_of(value, children))
    text, is_frozen = dump(value, level)
    return Leaf(text, value if is_frozen else CHANGEABLE)


def members_of(value: Any) -> Mapping[str, Any] | None:
    """Return the members of an object or a record, None for anything else."""
    if isinstance(value, Record):
        value = value.written()
    return value if isinstance(value, dict) else None


def is_list_of_records(value: Any) -> bool:
    """Whether *value* is a list of records, whose elements are worth comparing one by one.

    A list of plain dicts is not: all of it must be serialised again anyway, and that is fastest
    at once.
    """
    return isinstance(value, list | tuple) and bool(value) and isinstance(value[0], Record)


def run_of(value: Any, children: Sequence[Node]) -> Any:
    """Return *value* if it is a tuple of frozen records, else `CHANGEABLE`."""
    if type(value) is not tuple:
        return CHANGEABLE
    for item, child in zip(value, children, strict=True):
        # A leaf made of this very value knows already.
        if isinstance(item, Record) and (child.source is item or is_frozen(item)):
            continue
        return CHANGEABLE
    return value


def head_of(key: str, dump: Dump) -> bytes:
    """Return the text `"key":`."""
    head = _heads.get(key)
    if head is None:
        head = dump(key, 0)[0] + b":"
        if len(_heads) < _HEADS_MAX:
            _heads[key] = head
    return head


def text_of(node: Node) -> bytes:
    """Return the whole text of a tree."""
    return node.text if isinstance(node, Leaf) else b"".join(node.texts())


def _has_list(value: Any) -> bool:
    """Whether an object holds a list of so many records that comparing them one by one pays."""
    if isinstance(value, Record):
        value = value.__dict__  # What is written of it is in there, and need not be sorted out.
    if not isinstance(value, dict):
        return False
    for item in value.values():
        if isinstance(item, list | tuple) and len(item) > _FEW and is_list_of_records(item):
            return True
    return False


def continues(values: tuple[Any, ...], old: Branch) -> bool:
    """Whether a run of records begins with the very same objects that a list was made from."""
    run, children = old.run, old.children
    if run is CHANGEABLE or len(values) < len(children) or not begins_with(values, run):
        return False
    behind = len(run)
    return all(map(is_, map(_source_of, children[behind:]), values[behind:]))


def begins_with(new: tuple[Any, ...], old: tuple[Any, ...]) -> bool:
    """Whether a run of records begins with the very same objects as another, one by one.

    Ordering the tuples is ten times faster than comparing identities one by one, because equal
    identities are never compared further, and nothing is copied; `Record.__eq__` tells if any
    pair was. Of two runs that only look the same, as they do after a load, every pair would be, so
    the last pair is looked at before.
    """
    size = len(old)
    if len(new) < size or (old and new[size - 1] is not old[-1]):
        return False
    before = next(Record.comparisons)
    try:
        is_prefix = bool(old <= new)
    except TypeError:
        return False  # Two that differ have no order.
    return is_prefix and next(Record.comparisons) == before + 1
