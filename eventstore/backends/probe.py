"""A probe: proof that a directory can be written, synced and read back."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from eventstore.errors import BackendError
from eventstore.fs import FileSystem


def probe(fs: FileSystem, directory: Path) -> None:
    """Write, sync, read back and remove a small file, naming the step that fails."""
    path = directory / f".probe-{os.getpid()}-{secrets.token_hex(4)}"
    data = secrets.token_bytes(64)
    step = "create"
    try:
        fd = fs.open(path, write=True, create=True)
        try:
            step = "write"
            fs.write_at(fd, data, 0)
            step = "sync"
            fs.sync_data(fd)
            step = "read back"
            same = fs.read_at(fd, len(data), 0) == data
        finally:
            fs.close(fd)
            fs.remove(path)
        step = "sync the directory"
        fs.sync_directory(directory)
    except OSError as error:
        raise BackendError(
            f"health check failed to {step}: {error.strerror or error}",
            where=str(directory),
        ) from error
    if not same:
        raise BackendError("health check read back other bytes", where=str(directory))
