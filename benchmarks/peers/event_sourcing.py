"""The library `eventsourcing`: an aggregate for each session, an event for every turn."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import NAMESPACE_OID, UUID, uuid5

from eventsourcing.application import Application
from eventsourcing.domain import Aggregate, event

from benchmarks.peer import Peer
from benchmarks.turns import Turn


class Conversation(Aggregate):
    """A session as events."""

    @event("Started")
    def __init__(self, name: str) -> None:
        """Start with no message."""
        self.name = name
        self.messages: list[Any] = []

    @staticmethod
    def create_id(name: str) -> UUID:
        """Return the id that a name stands for."""
        return uuid5(NAMESPACE_OID, name)

    @event("Said")
    def say(self, new: list[Any]) -> None:
        """Add the messages of a turn."""
        self.messages.extend(new)


class EventSourcing(Peer):
    """An application on SQLite, with a cache of aggregates so that a save replays nothing."""

    name = "eventsourcing"
    about = "eventsourcing on SQLite, one event for every turn, no snapshots"
    durability = "journal_mode=WAL, synchronous=FULL (SQLite's default)"
    distributions = ("eventsourcing",)
    keeps = "messages"
    has_versions = True

    def __init__(self, folder: Path) -> None:
        """Open the application."""
        environment = {
            "PERSISTENCE_MODULE": "eventsourcing.sqlite",
            "SQLITE_DBNAME": str(folder / "events.db"),
        }
        self._application = Application(environment)
        self._open: dict[str, Conversation] = {}

    def save(self, turn: Turn) -> None:
        """Record the events of a turn in one transaction."""
        session = self._open.get(turn.id)
        if session is None:
            session = self._open[turn.id] = Conversation(turn.id)
        session.say(turn.new)
        self._application.save(session)

    def load(self, id: str, number: int | None = None) -> Any:
        """Replay the events."""
        version = None if number is None else number + 2
        session: Conversation = self._application.repository.get(
            Conversation.create_id(id), version=version
        )
        return session.messages

    def close(self) -> None:
        """Close the application."""
        self._application.close()
