"""Where an import puts what it read: a store, or with a dry run, nowhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from eventstore.address import address_of
from eventstore.commit import Version
from eventstore.store import EventStore

ACTOR = "import"

Advance = Callable[[Path, int], None]
"""Called with a file and how many more of its bytes are done."""

Progress = Callable[[str, int, int], None]
"""Called with a path, and the bytes done and to do in all."""


class Sink:
    """Saves states into a store and counts the versions that are new."""

    def __init__(self, store: EventStore, *, dry_run: bool = False) -> None:
        """Save into *store*, or with *dry_run* only count what would be saved."""
        self.store = store
        self.dry_run = dry_run

    def head(self, id: str) -> Version | None:
        """Return the newest version of a session; one without parts if it was deleted."""
        return self.store.version(id)

    def save(self, id: str, states: Mapping[str, bytes], *, note: str, after: int) -> int:
        """Save one version on top of version *after* and return the number of the newest.

        That is *after* again if the states are there already. With a dry run nothing is written.
        """
        if self.dry_run:
            return after if _holds(self.head(id), states) else after + 1
        version = self.store.save_states(id, states, actor=ACTOR, note=note, expected=after)
        return version.version

    def put(
        self,
        id: str,
        states: Mapping[str, bytes],
        *,
        kind: str,
        note: str | None,
        actor: str | None,
        key: str | None,
        after: int,
    ) -> int:
        """Do what a version of that *kind* did, on top of version *after*; as `save` else."""
        if self.dry_run:
            return after + 1
        if kind == "delete":
            self.store.delete(id, actor=actor, note=note, expected=after)
            return after + 1
        if kind == "undelete":
            return self.store.undelete(id, actor=actor, note=note).version
        version = self.store.save_states(
            id, states, actor=actor, note=note, key=key, expected=after
        )
        return version.version


def _holds(version: Version | None, states: Mapping[str, bytes]) -> bool:
    """Whether *version* has exactly these states already."""
    if version is None:
        return False
    return all(
        name in version.parts and version.parts[name].address == address_of(state)
        for name, state in states.items()
    )
