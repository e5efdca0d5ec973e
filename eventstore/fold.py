"""Folding: events put together again to the states they came from, byte for byte."""

from __future__ import annotations

from collections.abc import Mapping

from eventstore.compare import spelled
from eventstore.errors import ErasedError, InvalidInputError
from eventstore.events import Event
from eventstore.outline import Node, outline
from eventstore.patch import Path


class Fold:
    """The states of one session, moved on by its events.

    Starts before version 1, or with the states before the first event that will be applied.
    """

    def __init__(self, states: Mapping[str, bytes] | None = None) -> None:
        """Start with *states*, the exact bytes of each part."""
        self._parts = {
            part: _Tree(outline(state.decode())) for part, state in (states or {}).items()
        }
        self._deleted: dict[str, _Tree] = {}
        self._dropped: set[str] = set()

    @property
    def parts(self) -> tuple[str, ...]:
        """The parts that there are now."""
        return tuple(self._parts)

    def state(self, part: str) -> bytes | None:
        """Return the exact bytes of a part, None if there is no such part.

        Raises `ErasedError` where the state was no longer there to be told of.
        """
        if part in self._dropped:
            raise ErasedError(f"the state of part {part!r} was dropped at this version")
        tree = self._parts.get(part)
        return None if tree is None else tree.text().encode()

    def apply(self, event: Event) -> None:
        """Move on by one event; raise `InvalidInputError` if it does not follow on the last."""
        try:
            if event.subject == "session":
                self._end_or_revive(event.action)
            elif event.subject == "part":
                self._begin_or_end(event)
            else:
                self._edit(event)
        except (LookupError, ValueError, AttributeError, TypeError) as error:
            raise InvalidInputError(
                f"a {event.kind} does not follow on the events before it",
                session=event.session,
                version=event.version,
                field="event",
            ) from error

    def _end_or_revive(self, action: str) -> None:
        """End all parts, or bring back those that ended last."""
        if action == "deleted":
            self._parts, self._deleted = {}, self._parts
            self._dropped.clear()
        elif action == "undeleted":
            self._parts, self._deleted = self._deleted, {}

    def _begin_or_end(self, event: Event) -> None:
        """Begin, replace, end or lose sight of a part."""
        assert event.part is not None, "an event of a part names it"
        if event.action == "dropped":
            self._dropped.add(event.part)
            return
        if event.action == "regained":
            self._dropped.discard(event.part)
        elif event.action == "removed":
            self._parts.pop(event.part, None)
            self._dropped.discard(event.part)
        else:
            self._parts[event.part] = _Tree(outline(_text_of(event)))

    def _edit(self, event: Event) -> None:
        """Change something inside a part."""
        assert event.part is not None, "an event of a value names its part"
        tree = self._parts[event.part]
        holder, step = tree.holder_of(event.path), event.path[-1]
        match event.action:
            case "added":
                holder.insert(step, _key_of(event), _Tree(outline(_text_of(event))), event.index)
            case "removed":
                holder.take(step)
            case "changed":
                holder.replace(step, _Tree(outline(_text_of(event))))
            case "moved":
                holder.insert(*holder.take(step), event.index)
            case _:
                raise ValueError(event.action)


def _text_of(event: Event) -> str:
    """Return the text that an event brings."""
    if event.after is None:
        raise ValueError("no text")
    return event.after


def _key_of(event: Event) -> str:
    """Return the key that an event adds, as it is spelled in the state."""
    return event.key or spelled(str(event.path[-1]))


class _Tree:
    """A value whose members can be changed in place; split when somebody reaches into it."""

    __slots__ = ("_children", "_is_object", "_keys", "_names", "_node", "_text")

    def __init__(self, node: Node) -> None:
        """Stand for a whole value."""
        self._node: Node | None = node
        self._text: str | None = node.text
        self._is_object = node.is_object
        self._children: list[_Tree] = []
        self._keys: list[str] = []
        self._names: list[str] = []

    def text(self) -> str:
        """Return the exact text."""
        if self._text is None:
            texts = [child.text() for child in self._children]
            if self._is_object:
                texts = [f"{key}:{text}" for key, text in zip(self._keys, texts, strict=True)]
            self._text = f"{{{','.join(texts)}}}" if self._is_object else f"[{','.join(texts)}]"
        return self._text

    def holder_of(self, path: Path) -> _Tree:
        """Return what holds the value at *path*, to be changed; its text is made anew."""
        tree = self
        tree._open()
        for step in path[:-1]:
            tree = tree._children[tree._place(step)]
            tree._open()
        return tree

    def insert(self, step: str | int, key: str, value: _Tree, index: int | None) -> None:
        """Put a value at *index* among the children, under the key *key* in an object."""
        if index is None or not 0 <= index <= len(self._children):
            raise IndexError(index)
        if self._is_object:
            self._names.insert(index, str(step))
            self._keys.insert(index, key)
        self._children.insert(index, value)

    def take(self, step: str | int) -> tuple[str | int, str, _Tree]:
        """Remove a child; return its name or index, its key if it has one, and its value."""
        place = self._place(step)
        key = ""
        if self._is_object:
            self._names.pop(place)
            key = self._keys.pop(place)
        return step, key, self._children.pop(place)

    def replace(self, step: str | int, value: _Tree) -> None:
        """Put a value in the place of a child."""
        self._children[self._place(step)] = value

    def _place(self, step: str | int) -> int:
        """Return where a child stands."""
        if self._is_object:
            return self._names.index(str(step))
        if not isinstance(step, int) or not 0 <= step < len(self._children):
            raise IndexError(step)
        return step

    def _open(self) -> None:
        """Split the value, so that its children can be changed, and forget its text."""
        if self._node is not None:
            units = self._node.units
            if units is None:
                raise ValueError("a scalar has no members")
            self._children = list(map(_Tree, units.nodes))
            self._names, self._keys = list(units.names), list(units.keys)
            self._node = None
        self._text = None
