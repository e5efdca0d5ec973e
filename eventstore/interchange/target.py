"""The directory that an export writes: empty at first, and nothing in it written twice."""

from __future__ import annotations

import contextlib
import os
import uuid
from pathlib import Path

from eventstore.errors import BackendError, InvalidInputError
from eventstore.fs import DIRECTORY_MODE, FILE_MODE


def make_empty(directory: Path) -> None:
    """Make the directory to export into; refuse one that holds anything."""
    try:
        directory.mkdir(DIRECTORY_MODE, parents=True, exist_ok=True)
        taken = any(directory.iterdir())
    except OSError as error:
        raise BackendError(
            f"cannot use the directory ({error.strerror})", where=str(directory)
        ) from error
    if taken:
        raise InvalidInputError(
            f"the directory {str(directory)!r} is not empty", hint="name a new or an empty one"
        )


def check_free(path: Path) -> None:
    """Refuse a name that the file system takes for that of another session."""
    try:
        path.lstat()
    except FileNotFoundError:
        return
    except OSError as error:
        raise InvalidInputError(f"cannot be a file name ({error.strerror})") from None
    raise InvalidInputError(f"would overwrite {path.name!r} of another session")


def write_new(path: Path, text: bytes, root: Path) -> None:
    """Write a file below *root* under a temporary name and give it its own."""
    unfinished = root / f"{uuid.uuid4()}.tmp"
    try:
        _make_directories(path.parent, root)
        with os.fdopen(
            os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb"
        ) as file:
            file.write(text)
        os.replace(unfinished, path)
    except OSError as error:
        raise BackendError(
            f"cannot write ({error.strerror})", where=str(path), hint="export again elsewhere"
        ) from error


def _make_directories(directory: Path, root: Path) -> None:
    """Make *directory*, which is below *root*, private like everything in it."""
    if directory != root:
        _make_directories(directory.parent, root)
        with contextlib.suppress(FileExistsError):
            os.mkdir(directory, DIRECTORY_MODE)
