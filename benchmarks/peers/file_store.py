"""The file store that a3s-code has: pretty JSON to a temporary file, fsync, rename.

As in the original, the directory is not synced, so after a power cut the old file may be back.
The serialiser is the fastest there is in Python, as Rust's is in the original.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from benchmarks.peer import Peer
from benchmarks.turns import Turn
from eventstore import SessionData


class FileStoreDict(Peer):
    """One file for each session, overwritten by every save."""

    name = "file-dict"
    about = "the file store of a3s-code, plain dicts"
    durability = "fsync of the file, then rename; the directory is not synced"
    distributions = ("pydantic_core",)
    is_whole = True
    is_general = True

    def __init__(self, folder: Path) -> None:
        """Use the folder."""
        self._folder = folder

    def save(self, turn: Turn) -> None:
        """Write all of it."""
        self._write(self._path(turn.id), to_json(turn.document, indent=2))

    def load(self, id: str, number: int | None = None) -> Any:
        """Read all of it."""
        assert number is None, "there is only the newest"
        return from_json(self._path(id).read_bytes())

    def close(self) -> None:
        """Nothing is open."""

    def _path(self, id: str) -> Path:
        """Return the file of a session; the original gives ids that differ in a `/` one file."""
        return self._folder / f"{id.replace('/', '_')}.json"

    def _write(self, path: Path, text: bytes) -> None:
        """Write a file under another name, sync it, give it its name."""
        temporary = path.with_suffix(f".{os.getpid()}.{threading.get_ident()}.tmp")
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        try:
            view = memoryview(text)
            while view:
                view = view[os.write(file, view) :]
            os.fsync(file)
        finally:
            os.close(file)
        temporary.rename(path)


class FileStore(FileStoreDict):
    """The same with pydantic models."""

    name = "file"
    about = "the file store of a3s-code, pydantic models"
    takes_model = True
    is_general = False

    def save(self, turn: Turn) -> None:
        """Write all of it."""
        self._write(self._path(turn.id), to_json(turn.model, indent=2))

    def load(self, id: str, number: int | None = None) -> Any:
        """Read all of it into a model."""
        assert number is None, "there is only the newest"
        return SessionData.model_validate_json(self._path(id).read_bytes())


class FileVersions(FileStoreDict):
    """The same with one more file for every save."""

    name = "file-versions"
    about = "the file store with one file for every version, plain dicts"
    has_versions = True

    def __init__(self, folder: Path) -> None:
        """Use the folder, and look how far each session is only when it is asked for."""
        super().__init__(folder)
        self._newest: dict[str, int] = {}

    def save(self, turn: Turn) -> None:
        """Write a file of its own."""
        folder = self._path(turn.id)
        folder.mkdir(exist_ok=True)
        self._write(folder / f"{turn.number:08}.json", to_json(turn.document, indent=2))
        self._newest[turn.id] = turn.number

    def load(self, id: str, number: int | None = None) -> Any:
        """Read one file."""
        folder = self._path(id)
        if number is None:
            number = self._newest.get(id)
        if number is None:
            number = max(int(path.stem) for path in folder.glob("*.json"))
        return from_json((folder / f"{number:08}.json").read_bytes())
