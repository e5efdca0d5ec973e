"""One file to export to: written under another name and renamed when it is whole, or a stream."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO

from eventstore.errors import BackendError, InvalidInputError
from eventstore.fs import FILE_MODE

Target = str | os.PathLike[str] | BinaryIO
"""Where to write: a path that is not taken, or a stream that is open for writing bytes."""


@contextmanager
def writing(target: Target) -> Iterator[BinaryIO]:
    """Give what to write to; a file gets its name only if nothing went wrong meanwhile.

    Raises `InvalidInputError` for a path that is taken, `BackendError` where it cannot be written.
    """
    if not isinstance(target, str | os.PathLike):
        yield target
        target.flush()
        return
    path = Path(target)
    unfinished = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        if os.path.lexists(path):
            raise InvalidInputError(f"{str(path)!r} is there already", hint="name a new file")
        with os.fdopen(
            os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, FILE_MODE), "wb"
        ) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(unfinished, path)
    except OSError as error:
        raise BackendError(f"cannot write ({error.strerror})", where=str(path)) from error
    finally:
        with suppress(OSError):
            os.unlink(unfinished)


def name_of(target: Target) -> str:
    """Return what a report calls the target."""
    return os.fspath(target) if isinstance(target, str | os.PathLike) else "-"
