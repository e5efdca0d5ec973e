"""A peer: one way to keep sessions, measured in the same rounds as all others."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import Any, ClassVar, Literal

from benchmarks.turns import Turn


class MissingError(Exception):
    """A peer cannot run here; the text says what is missing."""


class WrongAnswerError(Exception):
    """A peer gave back something else than what was saved."""


class Peer(ABC):
    """Sessions kept in one folder, all of it durable when a save returns.

    Opening a folder that was closed before gives back what was saved there.
    """

    name: ClassVar[str]
    about: ClassVar[str]
    durability: ClassVar[str]
    distributions: ClassVar[tuple[str, ...]] = ()
    """What must be installed."""
    keeps: ClassVar[Literal["document", "messages", "nothing"]] = "document"
    """What can be loaded: the document, only its messages, or nothing."""
    has_versions: ClassVar[bool] = False
    takes_model: ClassVar[bool] = False
    """Whether it is given the pydantic model and not plain JSON values."""
    is_whole: ClassVar[bool] = False
    """Whether a save serialises all of the state, so that many turns take time and disk."""
    has_threads: ClassVar[bool] = True
    """Whether several threads may save at once."""
    is_general: ClassVar[bool] = False
    """Whether any document with an id will do, not only a session."""
    is_for_threads: ClassVar[bool] = False
    """Whether it differs from another one only where several threads save."""

    @abstractmethod
    def __init__(self, folder: Path) -> None:
        """Open *folder*, which exists; raise `MissingError` where that cannot work."""

    @abstractmethod
    def save(self, turn: Turn) -> None:
        """Save a session as it is after *turn*."""

    @abstractmethod
    def load(self, id: str, number: int | None = None) -> Any:
        """Return what was saved last, or with the *number*-th turn (from 0)."""

    @abstractmethod
    def close(self) -> None:
        """Give everything back; what was saved stays in the folder."""

    @classmethod
    def services(cls) -> dict[str, str]:
        """Return the versions of programs that it needs besides its distributions."""
        return {}

    def size(self, folder: Path) -> int:
        """Return the bytes on disk of a peer that was closed."""
        return bytes_below(folder)


def check(peer: Peer, loaded: Any, expected: dict[str, Any]) -> None:
    """Raise `WrongAnswerError` unless *loaded* is what was saved."""
    if peer.keeps == "nothing":
        return
    wanted: Any = expected["messages"] if peer.keeps == "messages" else expected
    found = loaded.model_dump(mode="json") if hasattr(loaded, "model_dump") else loaded
    if found != wanted:
        raise WrongAnswerError(f"{peer.name!r} does not give back what was saved")


def bytes_below(folder: Path) -> int:
    """Return the bytes of all files below a folder; holes in a file take none."""
    return sum(
        min(status.st_size, status.st_blocks * 512)
        for status in (path.stat() for path in folder.rglob("*") if path.is_file())
    )
