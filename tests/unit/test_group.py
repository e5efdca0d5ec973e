"""Group durability: savers share syncs, and nobody is told too early or nothing."""

from __future__ import annotations

import errno
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from eventstore import BackendError, DurabilityError, EventStore
from eventstore.backends.file import FileBackend
from eventstore.backends.log_syncs import Group
from eventstore.fs import OsFileSystem

SAVERS = 6


class RefusingFileSystem(OsFileSystem):
    """A disk that cannot say whether everything on it can be synced at once."""

    def can_sync_all(self, fd: int) -> bool:
        """Fail."""
        raise OSError(errno.EIO, "Input/output error")


@pytest.mark.parametrize("durability", ["group", "unsafe_os"])
def test_a_disk_that_fails_at_the_open_is_a_typed_error(tmp_path: Path, durability: str) -> None:
    """What a shared sync needs is asked of the disk when a store is opened, and may fail."""
    with pytest.raises(BackendError, match="cannot open the store"):
        FileBackend(tmp_path / "store", durability=durability, fs=RefusingFileSystem())
    FileBackend(tmp_path / "store", fs=RefusingFileSystem()).close()


class Gate:
    """A sync that begins when told and notes what it was called for."""

    def __init__(self) -> None:
        """Start closed."""
        self.alone: list[int] = []
        self.together: list[int] = []
        self.begun = threading.Event()
        self.open = threading.Event()
        self.error: OSError | None = None

    def one(self, number: int) -> Callable[[], None]:
        """Return the sync of one saver."""

        def sync() -> None:
            self.alone.append(number)
            self.begun.set()
            assert self.open.wait(10)

        return sync

    def all(self, fd: int) -> None:
        """Sync everything."""
        self.together.append(fd)
        if self.error is not None:
            raise self.error


def crowd(gate: Gate) -> tuple[Future[None], list[Future[None]]]:
    """Return a saver that syncs, and others who came while it did; the gate opens behind them."""
    group = Group(gate.all)
    with ThreadPoolExecutor(SAVERS + 1) as threads:
        first = threads.submit(group.sync, 0, gate.one(0))
        assert gate.begun.wait(10)
        others = [threads.submit(group.sync, n, gate.one(n)) for n in range(1, SAVERS + 1)]
        while group._next.count < SAVERS:
            pass
        assert not any(other.done() for other in others)
        gate.open.set()
    return first, others


def test_savers_who_come_during_a_sync_share_the_next() -> None:
    """The first syncs alone and at once; all who come meanwhile are done by one sync."""
    gate = Gate()
    first, others = crowd(gate)
    assert [done.exception() for done in (first, *others)] == [None] * (SAVERS + 1)
    assert gate.alone == [0]
    assert len(gate.together) == 1


def test_all_who_share_a_sync_share_its_error() -> None:
    """A shared sync that fails is an error of everyone it was for, and of nobody else."""
    gate = Gate()
    gate.error = OSError(errno.EIO, "bad sector")
    first, others = crowd(gate)
    assert first.exception() is None
    errors = [other.exception() for other in others]
    assert [getattr(error, "errno", None) for error in errors] == [errno.EIO] * SAVERS


def test_one_alone_never_waits_for_others() -> None:
    """Savers that come one after the other sync by themselves, each once."""
    gate = Gate()
    gate.open.set()
    group = Group(gate.all)
    for number in range(5):
        group.sync(number, gate.one(number))
    assert (gate.alone, gate.together) == ([0, 1, 2, 3, 4], [])


class SharedDisk(OsFileSystem):
    """The real disk, which can fail to sync as a whole; counts what is synced how."""

    def __init__(self, *, whole: bool = True) -> None:
        """Say whether there is a sync of the *whole*."""
        super().__init__()
        self.whole = whole
        self.fails = False
        self.alone = self.together = 0

    def can_sync_all(self, fd: int) -> bool:
        """Answer what the test wants."""
        return self.whole

    def sync_data(self, fd: int) -> None:
        """Count."""
        self.alone += 1
        super().sync_data(fd)

    def sync_all(self, fd: int) -> None:
        """Count, and fail if told to."""
        self.together += 1
        if self.fails:
            raise OSError(errno.EIO, "bad sector")
        super().sync_all(fd)


def save_many(store: EventStore, count: int) -> list[BaseException | None]:
    """Save *count* sessions from eight threads at once; return the error of each."""
    with ThreadPoolExecutor(8) as threads:
        saves = [threads.submit(store.save, {"id": f"s{n}", "n": n}) for n in range(count)]
    return [save.exception() for save in saves]


@pytest.mark.parametrize("whole", [True, False])
def test_every_save_of_a_crowd_is_there(tmp_path: Path, whole: bool) -> None:
    """Whether or not the file system can be synced as a whole, what was saved loads."""
    disk = SharedDisk(whole=whole)
    with EventStore(
        FileBackend(tmp_path / "store", durability="group", fs=disk), model=dict
    ) as store:
        assert save_many(store, 100) == [None] * 100
        assert bool(disk.together) is whole
    with EventStore.open(tmp_path / "store", model=dict) as store:
        assert [store.load(f"s{n}") for n in range(100)] == [
            {"id": f"s{n}", "n": n} for n in range(100)
        ]


def test_a_shared_sync_that_fails_is_never_acknowledged(tmp_path: Path) -> None:
    """Savers whose shared sync failed learn that the outcome is unclear, and can go on."""
    disk = SharedDisk()
    with EventStore(
        FileBackend(tmp_path / "store", durability="group", fs=disk), model=dict
    ) as store:
        disk.fails = True
        errors = [error for error in save_many(store, 200) if error is not None]
        assert disk.together
        assert errors
        assert {type(error) for error in errors} == {DurabilityError}
        disk.fails = False
        assert save_many(store, 200) == [None] * 200
        assert len(store.list()) == 200


def test_what_was_saved_without_syncs_is_synced_at_once(tmp_path: Path) -> None:
    """`sync` after many saves that need not be durable costs one sync of the whole."""
    disk = SharedDisk()
    backend = FileBackend(tmp_path / "store", durability="unsafe_os", fs=disk)
    with EventStore(backend, model=dict) as store:
        for number in range(50):
            store.save({"id": f"s{number}"})
        disk.alone = 0
        store.sync()
        assert (disk.alone, disk.together) == (1, 1)
        store.sync()
        assert (disk.alone, disk.together) == (1, 1)
