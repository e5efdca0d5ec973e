"""A small store whose every state is known, and a copy of it for each thing done to its bytes."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from eventstore import EventStore, EventStoreError, InvalidInputError, Version
from eventstore.backends.file import FileBackend
from eventstore.backends.log_names import SUFFIX, log_name, shard
from eventstore.fs import OsFileSystem

PARTS = ("session", "artifacts", "trace_events")
STEPS: tuple[dict[str, bytes], ...] = (
    {"session": b'{"id":"a"}', "artifacts": b'{"artifacts":[]}'},
    {"session": b'{"id":"a","n":2}', "trace_events": b"[2]"},
    {"session": b'{"id":"a","n":3}'},
    {"artifacts": b'{"artifacts":[4]}'},
    {"session": b'{"id":"a","n":5}'},
)


class UnsyncedFileSystem(OsFileSystem):
    """A disk that is told nothing of durability, for what is not about it and done often."""

    def sync_data(self, fd: int) -> None:
        """Do nothing."""

    def sync_directory(self, path: Path | str) -> None:
        """Do nothing."""


def log_path(directory: Path, session: str) -> Path:
    """Return where the log of *session* is in a store, as docs/format.md says."""
    return directory / "logs" / shard(session) / f"{log_name(session)}{SUFFIX}"


def drop_index(directory: Path) -> None:
    """Remove everything derived."""
    for path in directory.glob("index.db*"):
        path.unlink()
    shutil.rmtree(directory / "marks", ignore_errors=True)


def overwrite(path: Path, data: bytes) -> None:
    """Make *data* the content of the file in place."""
    with path.open("r+b") as file:
        file.write(data)
        file.truncate()


@contextmanager
def opened_fast(directory: Path) -> Iterator[EventStore]:
    """Open a store as `opened` does, on a disk that does not sync."""
    backend = FileBackend(directory, create=False, fs=UnsyncedFileSystem())
    with EventStore(backend, model=dict) as store:
        yield store


@contextmanager
def opened(directory: Path) -> Iterator[EventStore]:
    """Open a store of plain documents that is there already."""
    with EventStore.open(directory, model=dict, create=False) as store:
        yield store


@dataclass(frozen=True)
class Known:
    """A store, and for each version of its session `a`: what it holds and where.

    `states[v][part]` are the bytes at version v, `holders[v][part]` the version that wrote them,
    `chains[v][part]` the versions whose frames they are read from, `ends[v]` the offset at which
    its frame ends, `saved[v]` what saving it returned; version 0 is before the first.
    """

    directory: Path
    log: Path
    bytes: bytes
    states: list[dict[str, bytes]]
    holders: list[dict[str, int]]
    chains: list[dict[str, set[int]]]
    ends: list[int]
    saved: list[Version | None]

    @property
    def newest(self) -> int:
        """The number of the newest version."""
        return len(self.ends) - 1

    def version_of(self, offset: int) -> int:
        """Return the version whose frame has the byte at *offset*."""
        return next(v for v, end in enumerate(self.ends) if offset < end)

    def complete_at(self, size: int) -> int:
        """Return the newest version whose frame is within the first *size* bytes."""
        return max(v for v, end in enumerate(self.ends) if end <= size)

    def depends(self, version: int, part: str, on: int) -> bool:
        """Whether a state cannot be read without the frame of version *on*."""
        return on == version or on in self.chains[version].get(part, ())

    def read(self, store: EventStore, part: str, at: int | None) -> bytes | EventStoreError | None:
        """Return a state, or the typed error that reading it gives; anything else is raised."""
        try:
            return store.load_bytes("a", part, at=at)
        except EventStoreError as error:
            assert error.session == "a" or isinstance(error, InvalidInputError), repr(error)
            return error


def make(directory: Path, versions: int = len(STEPS)) -> Known:
    """Make a store with a session `a` of some versions and a session `b`."""
    states: list[dict[str, bytes]] = [{}]
    holders: list[dict[str, int]] = [{}]
    chains: list[dict[str, set[int]]] = [{}]
    ends = [0]
    saved: list[Version | None] = [None]
    log = log_path(directory, "a")
    with EventStore.open(directory, model=dict) as store:
        store.save({"id": "b", "n": 1})
        for number, step in enumerate(STEPS[:versions], 1):
            version = store.save_states("a", step)
            assert version.version == number
            saved.append(version)
            states.append(states[-1] | step)
            holders.append(holders[-1] | dict.fromkeys(step, number))
            rows = store._catalog.log("a").parts_at(number)
            grown = {part: {*chains[-1].get(part, ()), number} for part in step}
            whole = {part: {number} for part in step if rows[part].base == ends[-1]}
            chains.append(chains[-1] | grown | whole)
            ends.append(ends[-1] + version.stored)
    return Known(directory, log, log.read_bytes(), states, holders, chains, ends, saved)
