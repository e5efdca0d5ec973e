"""Which backend a location means: a path, or a URL whose scheme names the backend."""

from __future__ import annotations

import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from eventstore.backend import Backend
from eventstore.backends.file import FileBackend
from eventstore.backends.memory import MemoryBackend
from eventstore.errors import InvalidInputError

# Two letters at least: `C:\sessions` is a path.
_URL = re.compile(r"([a-z][a-z0-9+.-]+)://")


def open_backend(location: str | os.PathLike[str], *, create: bool, durability: str) -> Backend:
    """Return the backend at *location*: a directory, `file://…` or `memory://`.

    Raises `InvalidInputError` for a scheme nobody serves.
    """
    directory = directory_of(location)
    if directory is None:
        return MemoryBackend()
    return FileBackend(directory, create=create, durability=durability)


def directory_of(location: str | os.PathLike[str]) -> Path | None:
    """Return the directory that *location* means, or None for memory."""
    text = os.fspath(location) if isinstance(location, str | os.PathLike) else None
    if not isinstance(text, str) or not text or "\0" in text:
        raise InvalidInputError("a location is a path or a URL", field="location")
    scheme = _URL.match(text)
    if scheme is None:
        return Path(text).expanduser()
    if scheme[1] == "memory":
        return None
    if scheme[1] == "file":
        if urlsplit(text).netloc not in ("", "localhost"):
            raise InvalidInputError(
                "a file URL names a host", field="location", hint="write file:///absolute/path"
            )
        return Path(unquote(urlsplit(text).path))
    raise InvalidInputError(
        f"no backend serves {scheme[1]!r}",
        field="location",
        hint="use a directory, file:// or memory://",
    )
