"""What is measured: this store, the file store it replaces, and the least a save can cost."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Protocol

import zstandard

from eventstore import EventStore, SessionData


class Contender(Protocol):
    """Something that takes a session's next state and makes it durable."""

    name: str

    def save(self, session: SessionData) -> None:
        """Save one state."""

    def load(self) -> Any:
        """Load the newest state as a model."""

    def close(self) -> None:
        """Give everything back."""


class Ours:
    """An `EventStore`, given pydantic models."""

    name = "eventstore"

    def __init__(self, folder: Path) -> None:
        """Open a store of its own."""
        self._store = EventStore.open(folder / "store")

    def save(self, session: SessionData) -> None:
        """Save the model."""
        self._store.save(session)

    def load(self) -> SessionData:
        """Load the model."""
        loaded: SessionData = self._store.load("bench")
        return loaded

    def close(self) -> None:
        """Close."""
        self._store.close()


class OursDict:
    """An `EventStore`, given one plain dict that is changed in place."""

    name = "eventstore, dict"

    def __init__(self, folder: Path) -> None:
        """Open a store of plain JSON."""
        self._store = EventStore.open(folder / "dicts", model=dict)
        self._document: dict[str, Any] = {}

    def prepare(self, session: SessionData) -> None:
        """Change the document to the next state, outside what is timed."""
        if not self._document:
            self._document = session.model_dump(mode="json")
        known = len(self._document["messages"])
        self._document["messages"] += [m.model_dump(mode="json") for m in session.messages[known:]]
        self._document["updated_at"] = session.updated_at

    def save(self, session: SessionData) -> None:
        """Save the document."""
        self._store.save(self._document)

    def load(self) -> SessionData:
        """Load, and make the model."""
        return SessionData.model_validate(self._store.load("bench"))

    def close(self) -> None:
        """Close."""
        self._store.close()


class FileStore:
    """The file store of a3s-code: pretty JSON to a temporary file, fsync, rename."""

    name = "a3s-code file store"

    def __init__(self, folder: Path) -> None:
        """Use one file."""
        self._path = folder / "bench.json"

    def save(self, session: SessionData) -> None:
        """Write all of it."""
        temporary = self._path.with_suffix(f".json.{time.time_ns()}.{os.getpid()}.tmp")
        with temporary.open("w", encoding="utf-8") as file:
            file.write(session.model_dump_json(indent=2))
            file.flush()
            os.fsync(file.fileno())
        temporary.rename(self._path)

    def load(self) -> SessionData:
        """Read all of it."""
        return SessionData.model_validate_json(self._path.read_bytes())

    def close(self) -> None:
        """Nothing is open."""


class Floor:
    """The least: the new messages alone, compressed, one write and one fdatasync."""

    name = "floor"

    def __init__(self, folder: Path) -> None:
        """Append to one file."""
        self._file = os.open(folder / "floor", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        self._compressor = zstandard.ZstdCompressor(level=3)
        self._known = 0

    def save(self, session: SessionData) -> None:
        """Append what is new."""
        new = session.messages[self._known :]
        self._known = len(session.messages)
        text = json.dumps([m.to_object() for m in new], default=lambda r: r.to_object())
        os.write(self._file, self._compressor.compress(text.encode()))
        os.fdatasync(self._file)

    def load(self) -> None:
        """Nothing can be loaded from the floor."""

    def close(self) -> None:
        """Close."""
        os.close(self._file)
