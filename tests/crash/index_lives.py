"""Crashes of a store whose index is a real SQLite database: whatever is left, lists are right.

Everything but the index is on a simulated disk. The index itself lies in a real directory of the
same name; a crash leaves it as it is, takes it away, cuts it, or puts an older copy in its place.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from eventstore import CorruptError, EventStore, EventStoreError
from eventstore.backends.file import FileBackend
from eventstore.backends.log_names import SUFFIX, log_name, shard
from eventstore.fs import OsFileSystem
from eventstore.index_database import INDEX
from eventstore.testing import Call, Fault, ProcessKilledError, SimDisk, SimFs, SimProcess

_SESSIONS = ("a", "b", "c/d", "e")
_GENERATIONS = 4


@dataclass
class IndexReport:
    """What was looked at, and what was wrong."""

    states: int = 0
    violations: list[str] = field(default_factory=list)


class IndexOutsideFs(SimFs):
    """A simulated disk with a real index."""

    def __init__(self, disk: SimDisk, *, watcher: Killer | None = None) -> None:
        """Start a process."""
        super().__init__(disk, watcher=watcher)
        self._real = OsFileSystem()

    def open(self, path: Path | str, *, write: bool = False, create: bool = False) -> int:
        """Open where the file is."""
        if Path(path).name.startswith(INDEX):
            return self._real.open(path, write=write, create=create)
        return super().open(path, write=write, create=create)

    def close(self, fd: int) -> None:
        """Close where it was opened."""
        (super() if self._is_simulated(fd) else self._real).close(fd)

    def status(self, fd: int) -> os.stat_result:
        """Ask where it was opened."""
        return (super() if self._is_simulated(fd) else self._real).status(fd)

    def status_at(self, path: Path | str) -> os.stat_result | None:
        """Ask where it is."""
        return (self._real if Path(path).name.startswith(INDEX) else super()).status_at(path)

    def remove(self, path: Path) -> None:
        """Remove where it is."""
        (self._real if path.name.startswith(INDEX) else super()).remove(path)

    def _is_simulated(self, fd: int) -> bool:
        """Whether a descriptor is of the simulated disk, or of none."""
        return not self.alive or fd >= 1 << 24


class Killer:
    """Kills the process at its n-th call that changes the disk."""

    def __init__(self, at: int) -> None:
        """Count down from *at*."""
        self.left = at

    def before(self, fs: SimProcess, call: Call) -> Fault | None:
        """Let everything be done."""
        return None

    def after(self, fs: SimProcess, call: Call) -> None:
        """Count."""
        self.left -= 1
        if self.left == 0:
            fs.kill()

    def blocked(self, fs: SimProcess, call: Call) -> None:
        """Nobody waits: processes work one after the other."""
        raise AssertionError("a lock is held by nobody")


class IndexLife:
    """A store that crashes again and again, and what its logs say each time."""

    def __init__(self, seed: int, directory: Path) -> None:
        """Begin with an empty disk and an empty *directory*."""
        self.seed, self.directory = seed, directory
        self.random = Random(seed)
        parents = {str(path): None for path in directory.parents if path != Path("/")}
        self.disk = SimDisk(parents)
        self.states = 0
        self._older: list[dict[str, bytes]] = []
        self._number = 0

    def live(self) -> str | None:
        """Return the first thing that a list got wrong."""
        for _ in range(self.random.randint(1, _GENERATIONS)):
            self._work()
            self._crash()
            wrong = self._wrong()
            if wrong is not None:
                return f"{wrong}\n  index life, seed {self.seed}"
        return None

    def _work(self) -> None:
        """Save, delete and list in one process or two until it is over or killed."""
        fs = IndexOutsideFs(self.disk, watcher=Killer(self.random.randint(3, 60)))
        self._older.append(self._index_files())
        try:
            with self._opened(fs) as store, self._opened(IndexOutsideFs(self.disk)) as other:
                for _ in range(self.random.randint(1, 8)):
                    self._operate(self.random.choice((store, other)))
                if self.random.random() < 0.3:
                    fs.kill()
        except ProcessKilledError:
            pass  # That is what a crash is.

    def _operate(self, store: EventStore) -> None:
        """Do one thing."""
        session, self._number = self.random.choice(_SESSIONS), self._number + 1
        what = self.random.random()
        if what < 0.6:
            store.save({"id": session, "n": self._number})
        elif what < 0.75:
            store.delete(session)
        else:
            store.list()

    def _crash(self) -> None:
        """Cut the power or not, and leave some index."""
        if self.random.random() < 0.5:
            images = list(self.disk.crash_images(self.random, 8))
            self.disk = self.disk.started_again(self.random.choice(images))
            fate = self.random.choice(("as it is", "older", "gone", "cut", "garbage"))
            # A power cut loses what SQLite had not synced, never what logs had.
        else:
            self.disk = self.disk.copy()
            fate = "as it is"
        files = self._index_files()
        if fate == "older":
            files = self.random.choice(self._older)
        elif fate != "as it is":
            files = {} if fate == "gone" else {INDEX: self._spoiled(files.get(INDEX, b""), fate)}
        for path in self.directory.glob(f"{INDEX}*"):
            path.unlink()
        for name, data in files.items():
            (self.directory / name).write_bytes(data)

    def _wrong(self) -> str | None:
        """Return what a list says that the logs do not."""
        self.states += 1
        with self._opened(IndexOutsideFs(self.disk)) as store:
            heads = {session: next(store.history(session), None) for session in _SESSIONS}
            live = sorted(s for s, head in heads.items() if head is not None and head.parts)
            listed = store.list()
            if listed != live:
                return f"the list is {listed}, the logs say {live}"
            for info in store.sessions(order_by="id"):
                head = heads[info.id]
                if head is None or info.version != head.version:
                    return f"session {info.id!r} is listed with version {info.version}"
        return self._forgotten(live)

    def _forgotten(self, live: list[str]) -> str | None:
        """Damage the newest frame of a session that is listed: the index remembers it."""
        if not live:
            return None
        session = self.random.choice(live)
        place = f"{self.directory}/logs/{shard(session)}/{log_name(session)}{SUFFIX}"
        image = dict(self.disk.cached)
        data = image[place]
        assert data is not None, "a session that is listed has a log"
        size = len(data.rstrip(b"\0"))
        image[place] = data[: size - 40] + bytes([data[size - 40] ^ 1]) + data[size - 39 :]
        with self._opened(IndexOutsideFs(SimDisk(image, boot=self.disk.boot))) as store:
            try:
                store.load(session)
            except CorruptError as error:
                return None if error.session == session else f"damage is not named: {error!r}"
            except EventStoreError as error:
                return f"damage to the newest version is another error: {error!r}"
        return f"damage to the newest version of {session!r} goes unnoticed"

    @contextmanager
    def _opened(self, fs: SimFs) -> Iterator[EventStore]:
        """Open the store; a process that was killed leaves its database to nobody."""
        store = EventStore(FileBackend(self.directory, fs=fs), model=dict)
        try:
            yield store
            if fs.alive:
                store.close()
        finally:
            store._catalog.index._database.close()

    def _index_files(self) -> dict[str, bytes]:
        """Return the files of the index."""
        return {path.name: path.read_bytes() for path in self.directory.glob(f"{INDEX}*")}

    def _spoiled(self, data: bytes, fate: str) -> bytes:
        """Return a database cut short, or with garbage in it."""
        at = self.random.randrange(len(data) + 1)
        return data[:at] if fate == "cut" else data[:at] + b"garbage" * 9 + data[at + 63 :]


def index_lives(seeds: Iterable[int], *, first_only: bool = False) -> IndexReport:
    """Live through some seeds, each in a directory of its own."""
    report = IndexReport()
    for seed in seeds:
        base = Path(tempfile.mkdtemp(prefix="index-"))
        try:
            (base / "store").mkdir()
            life = IndexLife(seed, base / "store")
            wrong = life.live()
            report.states += life.states
            report.violations += [wrong] if wrong else []
        finally:
            shutil.rmtree(base)
        if first_only and report.violations:
            break
    return report
