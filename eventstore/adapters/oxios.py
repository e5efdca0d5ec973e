"""The state store of oxios, served by an event store: the same methods, and a history of all."""

from __future__ import annotations

import os
from types import TracebackType
from typing import Self

from eventstore.adapters.oxios_pruning import Pruned, PruneReport, Pruning, UndoReport
from eventstore.adapters.oxios_sessions import SessionList, Unreadable
from eventstore.desk.base import Durability
from eventstore.models.oxios_session import Session
from eventstore.store import EventStore

__all__ = [
    "PruneReport",
    "Pruned",
    "SessionList",
    "StateStore",
    "UndoReport",
    "Unreadable",
]


class StateStore(Pruning):
    """Sessions, and documents in categories; safe to share between threads.

    `store` is the event store below, where every version of everything is: a session under its
    id, any other document under its path, such as `memory/facts/index.json`. A store should hold
    nothing but what is of oxios.
    """

    @classmethod
    def open(
        cls,
        location: str | os.PathLike[str],
        *,
        durability: Durability = "sync",
        create: bool = True,
    ) -> Self:
        """Open the state store at *location*, as `EventStore.open` does."""
        return cls(EventStore.open(location, model=Session, durability=durability, create=create))

    def close(self) -> None:
        """Wait for prunes in the background and close the store. Repeating it does nothing."""
        self._background.join()
        self.store.close()

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def __repr__(self) -> str:
        """Say which store."""
        return f"<{type(self).__name__} of {self.store!r}>"
