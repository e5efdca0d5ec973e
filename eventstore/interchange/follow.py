"""Versions given one by one, of any number of sessions in any order, added where they are new.

What the store has of a session is met again from its first version on; behind its last, versions
are added. Of each session met, a few hundred bytes are remembered, whatever it holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from eventstore.address import address_of
from eventstore.commit import Version
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sink import ACTOR, Sink

DELETE = "delete"
UNDELETE = "undelete"
SAVE = "save"


@dataclass(frozen=True, slots=True)
class Given:
    """A version as a file gives it: what kind of change it was, and the states it set."""

    states: Mapping[str, bytes]
    note: str | None
    kind: str = SAVE
    actor: str | None = ACTOR
    key: str | None = None


@dataclass(slots=True)
class _Track:
    """How far one session has been followed: versions met, of those that are stored."""

    stored: int
    met: int = 0
    is_lost: bool = False
    current: dict[str, str] = field(default_factory=dict)


class Follower:
    """Follows the versions of a file."""

    def __init__(self, sink: Sink, outcome: FileOutcome) -> None:
        """Add to the store of *sink*, telling *outcome*."""
        self._sink = sink
        self._outcome = outcome
        self._tracks: dict[str, _Track] = {}

    def follow(self, id: str, given: Given) -> None:
        """Take the next version of a session; what contradicts the store is a problem, once."""
        track = self._tracks.get(id)
        if track is None:
            head = self._sink.head(id)
            track = self._tracks[id] = _Track(0 if head is None else head.version)
            self._outcome.sessions.append(id)
        if track.is_lost:
            return
        addresses = {part: address_of(state) for part, state in given.states.items()}
        if given.kind == SAVE and addresses.items() <= track.current.items():
            return
        stored = self._next(id, track)
        if stored is not None:
            self._meet(id, track, stored, given, addresses)
        else:
            self._add(id, track, given)
        track.current = {} if given.kind == DELETE else track.current | addresses

    def _next(self, id: str, track: _Track) -> Version | None:
        """Return the next version that is stored and not just a note; None behind the last."""
        while track.met < track.stored:
            stored = self._sink.store.version(id, track.met + 1)
            assert stored is not None, "a version up to the newest is there"
            if stored.kind == DELETE or any(part.changed for part in stored.parts.values()):
                return stored
            track.met += 1
        return None

    def _meet(
        self, id: str, track: _Track, stored: Version, given: Given, addresses: dict[str, str]
    ) -> None:
        """Hold the version that is stored next against the one that is given."""
        if _matches(stored, given, addresses):
            track.met += 1
            return
        track.is_lost = True
        if stored.kind == DELETE:
            self._outcome.warning(f"session {id!r} was deleted in the store; undelete it to import")
        else:
            self._outcome.problem(
                f"the store has another session {id!r}, which differs from version "
                f"{stored.version} on; import it into another store"
            )

    def _add(self, id: str, track: _Track, given: Given) -> None:
        """Write a version that is new."""
        newest = self._sink.put(
            id,
            given.states,
            kind=given.kind,
            note=given.note,
            actor=given.actor,
            key=given.key,
            after=track.stored,
        )
        self._outcome.add(id, newest - track.stored)
        track.stored = track.met = newest


def _matches(stored: Version, given: Given, addresses: dict[str, str]) -> bool:
    """Whether a stored version is what is given."""
    if DELETE in (stored.kind, given.kind):
        return stored.kind == given.kind
    changed = {name: part.address for name, part in stored.parts.items() if part.changed}
    # Of the states given, those that were current already were not stored again.
    return changed.items() <= addresses.items() and all(
        name in stored.parts and stored.parts[name].address == address
        for name, address in addresses.items()
    )
