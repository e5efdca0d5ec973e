"""Retelling: the versions of a session as the events that lead from each to the next."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress

from eventstore.commit import SESSION, Version
from eventstore.errors import ErasedError
from eventstore.events import Event, Happening, part_events
from eventstore.outline import Node, outline_of

DONE = {
    "delete": "deleted",
    "undelete": "undeleted",
    "restore": "restored",
    "fork": "forked",
    "erase": "erased",
    "hold": "held",
    "release": "released",
    "compact": "compacted",
    "note": "noted",
}
"""What a version that is not a save does to its session, by its kind."""

Read = Callable[[str], bytes]
"""Returns the state of a part at the version that is told; raises `ErasedError` if dropped."""


class Retelling:
    """Tells versions in their order. Holds the states that the events told so far lead to."""

    def __init__(self) -> None:
        """Begin before the first version."""
        self._nodes: dict[str, Node] = {}
        self._addresses: dict[str, str] = {}
        self._deleted: tuple[dict[str, Node], dict[str, str]] = ({}, {})
        self._dropped: set[str] = set()

    def begin_after(self, version: Version, read: Read) -> None:
        """Begin after *version* instead, whose states *read* returns."""
        for part, stored in version.parts.items():
            # A state that was dropped is told of at the first version that has it.
            with suppress(ErasedError):
                state = read(part)
                self._nodes[part] = outline_of(state, session=version.session, part=part)
                self._addresses[part] = stored.address

    def tell(self, version: Version, read: Read) -> Iterator[Event]:
        """Yield what happened at *version*, the next one."""
        happening = Happening(version.session, version.version, version.time, version.actor)
        if version.kind in DONE:
            yield happening.event("session", DONE[version.kind])
        if version.kind == "delete":
            for part in self._dropped:
                self._addresses.pop(part, None)
            self._dropped.clear()
            self._deleted = self._nodes, self._addresses
            self._nodes, self._addresses = {}, {}
        elif version.kind == "undelete":
            self._nodes, self._addresses = self._deleted
            self._deleted = {}, {}
        yield from self._ended(happening, version)
        for part in sorted(version.parts, key=lambda name: (name != SESSION, name)):
            address = version.parts[part].address
            if self._addresses.get(part) != address:
                self._addresses[part] = address
                yield from self._part(happening, part, read)

    def _ended(self, happening: Happening, version: Version) -> Iterator[Event]:
        """Yield the parts that are no longer there."""
        for part in [name for name in self._addresses if name not in version.parts]:
            node = self._nodes.pop(part, None)
            del self._addresses[part]
            self._dropped.discard(part)
            before = None if node is None else node.text
            yield happening.event("part", "removed", part, before=before)

    def _part(self, happening: Happening, part: str, read: Read) -> Iterator[Event]:
        """Yield what happened to a part that has another state now."""
        before = self._nodes.get(part)
        try:
            state = read(part)
        except ErasedError:
            self._dropped.add(part)
            yield happening.event("part", "dropped", part)
            return
        new = outline_of(state, session=happening.session, part=part, like=before)
        if part in self._dropped:
            self._dropped.discard(part)
            yield happening.event("part", "regained", part)
        self._nodes[part] = new
        yield from part_events(happening, part, before, new)
