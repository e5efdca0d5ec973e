"""Compaction on a failing disk: the old log or the new one, whole, whatever call fails."""

from __future__ import annotations

import errno
import os
import shutil
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from eventstore import EventStore, EventStoreError
from eventstore.backends.file import FileBackend
from eventstore.frame import MAGIC
from tests.crash.stores import UnsyncedFileSystem, drop_index, log_path, opened_fast, overwrite
from tests.second_reader import read_log
from tests.unit.test_compact import grown, snapshot

CALLS = ("open", "read_at", "write_at", "sync_data", "sync_directory", "truncate", "status")
CALLS += ("status_at", "lock", "rename")
COUNT = 16
FATES = ("lost", "landed", "killed", "killed after")


class Killed(BaseException):
    """The process is gone: nothing catches this on its way out."""


class FailingFileSystem(UnsyncedFileSystem):
    """A disk whose *nth* call of *name* fails; a killed process makes no call after it."""

    def __init__(self, name: str, nth: int, fate: str) -> None:
        """Count from the moment that `armed` is set."""
        super().__init__()
        self.armed = False
        self.name = name
        self.nth = nth
        self.fate = fate
        self.failed = False
        self.calls: Counter[str] = Counter()

    def __getattribute__(self, name: str) -> Any:
        """Return a method, or what happens in its stead."""
        found = super().__getattribute__(name)
        if name not in CALLS or not super().__getattribute__("armed"):
            return found
        return lambda *args, **kwargs: self._called(name, found, args, kwargs)

    def _called(self, name: str, call: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Make a call, or fail it."""
        if self.failed and self.fate.startswith("killed"):
            raise Killed
        self.calls[name] += 1
        if name != self.name or self.calls[name] != self.nth or self.failed:
            return call(*args, **kwargs)
        self.failed = True
        if self.fate in ("landed", "killed after"):
            call(*args, **kwargs)
        elif name == "write_at" and args[1].startswith(MAGIC):
            os.pwrite(args[0], args[1][: len(args[1]) // 2], args[2])
        if self.fate.startswith("killed"):
            raise Killed
        raise OSError(errno.EIO, os.strerror(errno.EIO))


def compact_failing(directory: Path, name: str, nth: int, fate: str) -> FailingFileSystem:
    """Compact on a disk whose *nth* call of *name* fails, and look at what is there then."""
    fs = FailingFileSystem(name, nth, fate)
    store = EventStore(FileBackend(directory, create=False, fs=fs), model=dict)
    store.load("a")
    fs.armed = True
    with suppress(EventStoreError, Killed):
        store.compact(["a"], keep_last=4)
    fs.armed = False
    if fs.failed and fate.startswith("killed"):
        # The kernel closes what the process had open, and nothing more.
        store._backend.close()
    else:
        check(store)
        store.close()
    return fs


def check(store: EventStore) -> None:
    """Check that all is there that a compaction may not take, and that saving goes on."""
    history = list(store.history("a"))[::-1]
    assert [v.version for v in history] == list(range(1, len(history) + 1))
    assert COUNT <= len(history) <= COUNT + 1
    found = snapshot(store, "a")
    for key, state in EXPECTED.items():
        assert found[key] == state or (found[key] is None and key[0] <= COUNT - 4), key
    is_new = len(history) > COUNT
    assert is_new is any(state is None for state in found.values())
    assert store.list() == ["a", "b"]


EXPECTED: dict[tuple[int, str, str], bytes | None] = {}


def made(directory: Path) -> None:
    """Make a store with a log that a compaction makes smaller."""
    with EventStore(FileBackend(directory, fs=UnsyncedFileSystem()), model=dict) as store:
        grown(store, "a", COUNT)
        store.save({"id": "b"})
        EXPECTED.clear()
        EXPECTED.update(snapshot(store, "a"))


@pytest.mark.parametrize("fate", FATES)
@pytest.mark.parametrize("name", CALLS)
def test_every_call_may_fail(tmp_path: Path, name: str, fate: str) -> None:
    """Whichever call fails, lost or landed or with the process, the log is one of the two."""
    made(tmp_path / "made")
    directory = tmp_path / "store"
    shutil.copytree(tmp_path / "made", directory)
    count = compact_failing(directory, "", 0, fate).calls[name]
    assert count
    for nth in sorted({1, count // 2, count - 1, count} - {0}):
        shutil.rmtree(directory)
        shutil.copytree(tmp_path / "made", directory)
        fs = compact_failing(directory, name, nth, fate)
        assert fs.failed or nth > count
        read_log(log_path(directory, "a").read_bytes())
        with opened_fast(directory) as store:
            check(store)
            version = store.save({"id": "a", "after": nth})
            assert version.version in (COUNT + 1, COUNT + 2)
            assert not store.compact(["a"], keep_last=4).logs[0].error
            assert store.load("a") == {"id": "a", "after": nth}
        assert not list(directory.rglob("*.new"))


def test_a_damaged_log_is_left_alone(tmp_path: Path) -> None:
    """One flipped bit anywhere in the states, and the log is reported and not touched."""
    made(tmp_path / "store")
    log = log_path(tmp_path / "store", "a")
    data = log.read_bytes()
    for at in range(200, len(data) - 60, 1499):
        damaged = data[:at] + bytes([data[at] ^ 4]) + data[at + 1 :]
        overwrite(log, damaged)
        with EventStore.open(tmp_path / "store", model=dict) as store:
            report = store.compact()
        (a, b) = report.logs
        assert a.error is not None and not a.is_changed and b.error is None, at
        assert log.read_bytes() == damaged


class OrderedFileSystem(UnsyncedFileSystem):
    """A disk that notes in which order things become durable."""

    def __init__(self) -> None:
        """Start with nothing noted."""
        super().__init__()
        self.done: list[str] = []

    def sync_data(self, fd: int) -> None:
        """Note the inode."""
        self.done.append(f"sync {os.fstat(fd).st_ino}")

    def sync_directory(self, path: Path | str) -> None:
        """Note the directory."""
        self.done.append(f"sync {Path(path).name}")

    def rename(self, source: Path, target: Path) -> None:
        """Note the inode that is renamed."""
        self.done.append(f"rename {source.stat().st_ino}")
        super().rename(source, target)


def test_what_is_durable_before_what(tmp_path: Path) -> None:
    """The rewriting is synced before it takes the name, and the name before anybody goes on."""
    made(tmp_path / "store")
    fs = OrderedFileSystem()
    log = log_path(tmp_path / "store", "a")
    with EventStore(FileBackend(tmp_path / "store", fs=fs), model=dict) as store:
        store.compact(["a"], keep_last=4)
    new = log.stat().st_ino
    at = fs.done.index(f"rename {new}")
    assert f"sync {new}" in fs.done[:at]
    assert f"sync {log.parent.name}" in fs.done[at:]


@pytest.mark.parametrize("work", ["save", "load"])
def test_a_name_that_may_not_be_durable_is_synced_by_the_next(tmp_path: Path, work: str) -> None:
    """Who finds a log that was just replaced syncs its directory before adding or showing."""
    made(tmp_path / "store")
    with EventStore.open(tmp_path / "store", model=dict, durability="unsafe_os") as store:
        store.compact(["a"], keep_last=4)
    drop_index(tmp_path / "store")
    fs = OrderedFileSystem()
    shard = log_path(tmp_path / "store", "a").parent.name
    with EventStore(FileBackend(tmp_path / "store", fs=fs), model=dict) as store:
        fs.done.clear()
        if work == "save":
            store.save({"id": "a", "n": 1})
        else:
            store.load("a")
        syncs = [done for done in fs.done if done == f"sync {shard}"]
        assert syncs and fs.done.index(syncs[0]) <= 1


def test_a_lost_tail_of_a_compacted_log_is_noticed(tmp_path: Path) -> None:
    """An index that was not told of a compaction neither hides a loss nor invents one."""
    directory = tmp_path / "store"
    made(directory)
    with EventStore.open(directory, model=dict) as store:
        assert store.list() == ["a", "b"]
    index = {path.name: path.read_bytes() for path in directory.glob("index.db*")}
    with EventStore.open(directory, model=dict) as store:
        store.compact(["a"], keep_last=4)
    log = log_path(directory, "a")
    whole = log.read_bytes()
    version = read_log(whole).versions[-1]
    for cut, is_lost in ((0, False), (1, False), (1500, True), (len(whole) // 2, True)):
        drop_index(directory)
        for name, data in index.items():
            (directory / name).write_bytes(data)
        overwrite(log, whole[: len(whole) - cut])
        with EventStore.open(directory, model=dict) as store:
            if is_lost:
                with pytest.raises(EventStoreError, match="acknowledged"):
                    store.load("a")
                continue
            store.load("a")
            found = store.version("a")
            assert found is not None and found.version == version.seq - bool(cut)
            # A torn end is a torn end, however much longer the old log was.
            store.save({"id": "a", "n": 1})
            assert store.load("a") == {"id": "a", "n": 1}
