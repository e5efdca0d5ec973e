"""Our store: given models, given one dict that changes in place, and with shared syncs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from benchmarks.peer import MissingError, Peer
from benchmarks.turns import Turn
from eventstore import EventStore, InvalidInputError


class Ours(Peer):
    """An `EventStore` of pydantic models, which share what did not change."""

    name = "eventstore"
    about = "EventStore, pydantic models"
    durability = "one fdatasync a save; names of new files are synced up to the root"
    distributions = ("pydantic", "blake3", "zstandard")
    has_versions = True
    takes_model = True
    options: dict[str, Any] = {}  # noqa: RUF012

    def __init__(self, folder: Path) -> None:
        """Open the store in the folder."""
        self.store = EventStore.open(folder / "store", **self.options)

    def save(self, turn: Turn) -> None:
        """Save the model."""
        assert turn.model is not None, "a peer of models is given models"
        self.store.save(turn.model)

    def load(self, id: str, number: int | None = None) -> Any:
        """Load the model."""
        return self.store.load(id, at=None if number is None else number + 1)

    def close(self) -> None:
        """Close the store."""
        self.store.close()


class OursDict(Ours):
    """An `EventStore` of plain JSON, which serialises all of it to see what changed."""

    name = "eventstore-dict"
    about = "EventStore, one plain dict changed in place"
    takes_model = False
    is_whole = True
    options = {"model": dict}  # noqa: RUF012
    is_general = True

    def save(self, turn: Turn) -> None:
        """Save the dict."""
        self.store.save(turn.document)


class OursGroup(Ours):
    """An `EventStore` whose concurrent saves share one sync."""

    name = "eventstore-group"
    about = 'EventStore, pydantic models, durability="group"'
    durability = "concurrent saves share one sync"
    is_for_threads = True
    options = {"durability": "group"}  # noqa: RUF012

    def __init__(self, folder: Path) -> None:
        """Open the store, if it has that mode."""
        try:
            super().__init__(folder)
        except InvalidInputError as error:
            raise MissingError('not there: EventStore.open takes no durability="group"') from error
