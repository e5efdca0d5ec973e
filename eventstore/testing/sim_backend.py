"""The file backend on a simulated disk."""

from __future__ import annotations

from pathlib import Path

from eventstore.backends.file import FileBackend
from eventstore.testing.sim_fs import SimFs


class SimBackend(FileBackend):
    """A store on a `SimDisk`: the code of the file backend, with what is derived kept in memory."""

    def __init__(
        self, fs: SimFs, directory: str = "/store", *, create: bool = True, durability: str = "sync"
    ) -> None:
        """Open or found the store in *directory* of the disk."""
        super().__init__(Path(directory), create=create, durability=durability, fs=fs)
        self.directory = None
