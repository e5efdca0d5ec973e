"""Histories to carry from store to store, and what there is to compare of them."""

from __future__ import annotations

from typing import Any

from eventstore import EventStore
from eventstore.desk.carrier import Carrier


def grow(store: EventStore, id: str, turns: int, *, start: int = 0) -> None:
    """Save a session a few times, with parts of its own that come and change."""
    for turn in range(start, start + turns):
        said = [{"n": n, "text": f"what was said in turn {n} of {id}"} for n in range(turn + 1)]
        parts = {"notes": {"turn": turn // 2}} if turn % 2 else None
        store.save({"id": id, "said": said, "at": 1.5 * turn}, parts=parts, note=f"turn {turn}")


def branch(store: EventStore) -> None:
    """Make a session that was restored, forked, and noted so."""
    grow(store, "turned", 4)
    store.restore("turned", at=2, note="that was better")
    store.fork("turned", "forked", at=3)
    grow(store, "turned", 1, start=4)


def fill(store: EventStore) -> None:
    """Make sessions of every fate: grown, edited, deleted, brought back, gone."""
    grow(store, "grown", 5)
    grow(store, "back/again ☃", 3)
    store.delete("back/again ☃", actor="somebody", note="a mistake")
    store.undelete("back/again ☃")
    grow(store, "back/again ☃", 2, start=3)
    grow(store, "gone", 2)
    store.delete("gone")
    store.save({"id": "keyed", "x": 1}, key="once", actor="agent-7", note="with all remarks")
    store.save({"id": "keyed", "x": "y" * 5000})
    store.save({"id": "anew"})
    store.delete("anew")
    store.save({"id": "anew", "again": True}, parts={"own.part": [1, 2]})


def facts(store: EventStore) -> dict[str, list[Any]]:
    """Return every version of every session: commit, address and state of all parts."""
    found: dict[str, list[Any]] = {}
    for id in sorted(Carrier(store).sessions()):
        found[id] = [
            (
                vars(version) | {"stored": None, "parts": dict(version.parts)},
                {part: store.load_bytes(id, part, at=version) for part in version.parts},
            )
            for version in store.history(id)
        ]
    return found


def dicts(location: Any = "memory://", **options: Any) -> EventStore:
    """Open a store of plain JSON."""
    return EventStore.open(location, model=dict, **options)
