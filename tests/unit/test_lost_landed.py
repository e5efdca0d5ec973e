"""Every call of the file system may fail, lost or landed: what is said, and what is still there.

A *lost* call did nothing before it failed, a *landed* one did everything, a *torn* write half.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eventstore import (
    BackendError,
    DurabilityError,
    EventStore,
    EventStoreError,
    SessionData,
    Version,
)
from eventstore.backends.file import FileBackend
from eventstore.frame import MAGIC
from eventstore.fs import OsFileSystem


class FaultyFileSystem(OsFileSystem):
    """The real disk, until it is told which calls fail from now on."""

    def __init__(self) -> None:
        """Start sound."""
        super().__init__()
        self.fates: dict[str, str] = {}
        self.failed: list[str] = []

    def __getattribute__(self, name: str) -> Any:
        """Return a method, or one that fails in its stead."""
        found = super().__getattribute__(name)
        fate = super().__getattribute__("__dict__").get("fates", {}).get(name)
        return found if fate is None else self._failing(name, found, fate)

    def _failing(self, name: str, call: Callable[..., Any], fate: str) -> Callable[..., Any]:
        """Return what happens instead of *call*."""

        def fail(*args: Any, **kwargs: Any) -> Any:
            if name == "open" and not kwargs.get("write"):
                return call(*args, **kwargs)
            if name == "write_at" and not args[1].startswith(MAGIC):
                return call(*args, **kwargs)  # Marks for the index are another matter.
            self.failed.append(name)
            if fate == "landed":
                call(*args, **kwargs)
            elif fate == "torn":
                os.pwrite(args[0], args[1][: len(args[1]) // 2], args[2])
            raise OSError(errno.ENOSPC if name == "write_at" else errno.EIO, os.strerror(errno.EIO))

        return fail


def session(number: int) -> SessionData:
    """Return one of several states of a session."""
    return SessionData(id="s", created_at=1, updated_at=2, model_name=f"model {number}")


@pytest.fixture
def faulty(tmp_path: Path) -> Iterator[tuple[EventStore, FaultyFileSystem]]:
    """A store and the file system under it."""
    fs = FaultyFileSystem()
    store = EventStore(FileBackend(tmp_path / "store", fs=fs))
    yield store, fs
    fs.fates.clear()
    store.close()


def check(store: EventStore, acknowledged: list[Version], attempts: list[SessionData]) -> None:
    """Everything acknowledged is there, in a sound chain; whatever else is there was attempted."""
    versions = list(store.history("s"))[::-1]
    assert [version.version for version in versions] == list(range(1, len(versions) + 1))
    assert [version.prev for version in versions[1:]] == [v.commit for v in versions[:-1]]
    for version in acknowledged:
        assert versions[version.version - 1] == version
    for version in versions:
        assert store.load("s", at=version) in attempts
    listed = {item.id: item.version for item in store.sessions()}
    assert listed == ({"s": len(versions)} if versions else {})


FATES = [
    ("write_at", "lost", BackendError),
    ("write_at", "torn", BackendError),
    ("write_at", "landed", BackendError),
    ("sync_data", "lost", DurabilityError),
    ("sync_data", "landed", DurabilityError),
    ("lock", "lost", BackendError),
]


@pytest.mark.parametrize(("name", "fate", "kind"), FATES)
@pytest.mark.parametrize("before", [0, 1, 3])
@pytest.mark.parametrize("reopen", [False, True])
def test_a_failed_save_can_simply_be_repeated(
    tmp_path: Path,
    faulty: tuple[EventStore, FaultyFileSystem],
    name: str,
    fate: str,
    kind: type[EventStoreError],
    before: int,
    reopen: bool,
) -> None:
    """Whatever became of a failed save, it is said, loses nothing, and its repeat succeeds."""
    store, fs = faulty
    attempts = [session(number) for number in range(before)]
    acknowledged = [store.save(attempt) for attempt in attempts]
    fs.fates[name] = fate
    attempts.append(session(100))
    with pytest.raises(kind) as caught:
        store.save(attempts[-1])
    assert type(caught.value) is kind
    assert caught.value.session == "s"
    assert name in fs.failed
    fs.fates.clear()
    if reopen:
        store.close()
        with EventStore.open(tmp_path / "store") as other:
            check(other, acknowledged, attempts)
            acknowledged.append(other.save(attempts[-1]))
            check(other, acknowledged, attempts)
            assert other.load("s") == attempts[-1]
        return
    check(store, acknowledged, attempts)
    acknowledged.append(store.save(attempts[-1]))
    assert acknowledged[-1].version == before + 1
    attempts.append(session(101))
    acknowledged.append(store.save(attempts[-1]))
    check(store, acknowledged, attempts)


@pytest.mark.parametrize("fate", ["lost", "torn", "landed"])
@pytest.mark.parametrize("before", [0, 2])
def test_a_failed_write_that_cannot_be_taken_back(
    tmp_path: Path, faulty: tuple[EventStore, FaultyFileSystem], fate: str, before: int
) -> None:
    """Where the truncation fails too, the next save cuts the torn tail and keeps it aside."""
    store, fs = faulty
    attempts = [session(number) for number in range(before)]
    acknowledged = [store.save(attempt) for attempt in attempts]
    fs.fates |= {"write_at": fate, "truncate": "lost"}
    attempts.append(session(100))
    with pytest.raises(BackendError):
        store.save(attempts[-1])
    assert fs.failed == ["write_at", "truncate"]
    fs.fates.clear()
    attempts.append(session(101))
    acknowledged.append(store.save(attempts[-1]))
    check(store, acknowledged, attempts)
    store.close()
    with EventStore.open(tmp_path / "store") as other:
        check(other, acknowledged, attempts)
    tails = list((tmp_path / "store").glob("lost+found/*"))
    assert len(tails) == (fate == "torn")


@pytest.mark.parametrize("fate", ["lost", "landed"])
def test_a_new_log_whose_name_may_not_be_durable(
    tmp_path: Path, faulty: tuple[EventStore, FaultyFileSystem], fate: str
) -> None:
    """A first save is not acknowledged before its name is synced; repeating it syncs the name."""
    store, fs = faulty
    fs.fates["sync_directory"] = fate
    with pytest.raises((BackendError, DurabilityError)):
        store.save(session(0))
    fs.fates.clear()
    synced: list[Path] = []
    sync = fs.sync_directory
    fs.sync_directory = lambda path: (synced.append(Path(path)), sync(path))[1]  # type: ignore[method-assign]
    version = store.save(session(0))
    (log,) = (tmp_path / "store" / "logs").rglob("*.log")
    assert log.parent in synced
    assert log.parent.parent in synced
    check(store, [version], [session(0)])


@pytest.mark.parametrize("fate", ["lost", "landed"])
def test_the_outcome_is_unknown_where_only_the_name_may_be_lost(
    faulty: tuple[EventStore, FaultyFileSystem], fate: str
) -> None:
    """A first save that wrote its log, but could not sync its directory, says to look again."""
    store, fs = faulty
    store.save(SessionData(id="other"))  # The names of the store are durable before logs are made.
    fs.fates["sync_directory"] = fate
    with pytest.raises(DurabilityError, match="directory of a log") as caught:
        store.save(session(0))
    assert caught.value.session == "s"
    assert caught.value.hint
    fs.fates.clear()
    assert store.save(session(0)).version == 1
    assert store.list() == ["other", "s"]


def test_what_was_noted_before_a_failed_sync_is_forgotten(
    tmp_path: Path, faulty: tuple[EventStore, FaultyFileSystem]
) -> None:
    """Where the medium lost a frame and another stands in its place, nothing builds on the lost."""
    store, fs = faulty
    for number in range(3):
        store.save(session(number))
    (log,) = (tmp_path / "store" / "logs").rglob("*.log")
    before = log.read_bytes()
    fs.fates["sync_data"] = "lost"
    with pytest.raises(DurabilityError):
        store.save(session(3))
    fs.fates.clear()
    log.write_bytes(before)
    longer = session(4).model_copy(update={"model_name": "of another length"})
    with EventStore.open(tmp_path / "store") as other:
        other.save(longer)
    assert store.load("s") == longer
    assert store.save(session(5)).version == 5
    assert store.load("s") == session(5)
    with EventStore.open(tmp_path / "store") as other:
        assert [other.load("s", at=at) for at in (4, 5)] == [longer, session(5)]


@pytest.mark.parametrize("name", ["sync_data", "sync_directory", "write_at"])
def test_what_is_not_durable_is_not_shown(
    faulty: tuple[EventStore, FaultyFileSystem], name: str
) -> None:
    """While the medium cannot sync, a frame that may be lost again is shown to nobody."""
    store, fs = faulty
    store.save(SessionData(id="other"))  # The names of the store are durable before logs are made.
    fs.fates[name] = "landed" if name == "write_at" else "lost"
    fs.fates["truncate"] = "lost"
    with pytest.raises((BackendError, DurabilityError)):
        store.save(session(0))
    fs.fates = {"sync_data": "lost"}
    for look in (
        lambda: store.load("s"),
        lambda: store.exists("s"),
        lambda: store.save(session(1)),
    ):
        with pytest.raises(DurabilityError):
            look()
    fs.fates.clear()
    assert store.load("s") == session(0)
    assert store.list() == ["other", "s"]


def test_a_save_that_lost_its_reply_is_listed(tmp_path: Path) -> None:
    """If a save of unknown outcome is there after reopening, lists have it too."""
    fs = FaultyFileSystem()
    store = EventStore(FileBackend(tmp_path / "store", fs=fs))
    store.save(SessionData(id="other"))
    assert store.list() == ["other"]
    fs.fates["sync_data"] = "landed"
    with pytest.raises(DurabilityError):
        store.save(session(0))
    fs.fates.clear()
    store.save(SessionData(id="another"))
    store.close()
    with EventStore.open(tmp_path / "store") as again:
        assert again.load("s") == session(0)
        assert again.list() == ["another", "other", "s"]


def test_a_failed_sync_is_never_repeated_on_what_is_cached(
    faulty: tuple[EventStore, FaultyFileSystem],
) -> None:
    """After a failed sync the file is closed and its cached pages dropped before anything else."""
    store, fs = faulty
    store.save(session(0))
    calls: list[str] = []
    fs.forget_pages = lambda fd: calls.append("forget")  # type: ignore[method-assign]
    real = fs.close
    fs.close = lambda fd: (calls.append("close"), real(fd))[1]  # type: ignore[method-assign]
    fs.fates["sync_data"] = "lost"
    with pytest.raises(DurabilityError):
        store.save(session(1))
    assert calls == ["forget", "close"]
    assert fs.failed == ["sync_data"]
    fs.close = real  # type: ignore[method-assign]


@pytest.mark.parametrize("key", [None, "k"])
@pytest.mark.parametrize("fate", ["lost", "landed"])
def test_a_repeat_after_an_unknown_outcome_is_one_version(
    faulty: tuple[EventStore, FaultyFileSystem], fate: str, key: str | None
) -> None:
    """Lost or landed, the caller's retry leaves exactly one version of the save."""
    store, fs = faulty
    store.save(session(0))
    fs.fates["sync_data"] = fate
    with pytest.raises(DurabilityError):
        store.save(session(1), key=key)
    fs.fates.clear()
    assert store.save(session(1), key=key).version == 2
    assert len(list(store.history("s"))) == 2


@pytest.mark.parametrize("name", ["write_at", "sync_data", "lock"])
def test_a_failed_delete_can_be_repeated(
    faulty: tuple[EventStore, FaultyFileSystem], name: str
) -> None:
    """A delete that fails is said to fail, and the session is deleted by the next one at last."""
    store, fs = faulty
    store.save(session(0))
    fs.fates[name] = "lost"
    with pytest.raises((BackendError, DurabilityError)):
        store.delete("s")
    fs.fates.clear()
    store.delete("s")
    assert not store.exists("s")
    assert store.load("s", at=1) == session(0)
    assert len(list(store.history("s"))) == 2


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("open", "create"),
        ("write_at", "write"),
        ("sync_data", "sync"),
        ("read_at", "read back"),
        ("sync_directory", "sync the directory"),
    ],
)
def test_a_health_check_names_the_step_that_fails(tmp_path: Path, name: str, step: str) -> None:
    """The check says which of its steps failed, and leaves nothing behind."""
    fs = OsFileSystem()
    store = EventStore(FileBackend(tmp_path / "store", fs=fs))
    store.health_check()

    def fail(*_args: Any, **_kwargs: Any) -> Any:
        raise OSError(errno.EIO, "the disk is on fire")

    setattr(fs, name, fail)
    with pytest.raises(BackendError, match=f"failed to {step}: the disk is on fire") as caught:
        store.health_check()
    assert caught.value.where == str(tmp_path / "store")
    delattr(fs, name)
    assert list((tmp_path / "store").glob(".probe*")) == []
    store.health_check()
    store.close()


def test_a_health_check_compares_what_it_reads(tmp_path: Path) -> None:
    """A medium that gives back other bytes than it was given is not healthy."""
    fs = OsFileSystem()
    store = EventStore(FileBackend(tmp_path / "store", fs=fs))
    fs.read_at = lambda fd, size, offset: bytes(size)  # type: ignore[method-assign]
    with pytest.raises(BackendError, match="other bytes"):
        store.health_check()
    store.close()


@pytest.mark.parametrize(
    "name", ["open", "write_at", "sync_data", "sync_directory", "lock", "make_directory", "names"]
)
def test_a_store_that_cannot_be_founded_is_not_half_open(tmp_path: Path, name: str) -> None:
    """Where founding fails, opening fails with an error of this package, and later succeeds."""
    fs = OsFileSystem()

    def fail(*_args: Any, **_kwargs: Any) -> Any:
        raise OSError(errno.EROFS, "read-only file system")

    setattr(fs, name, fail)
    with pytest.raises(BackendError, match="read-only file system"):
        FileBackend(tmp_path / "store", fs=fs)
    with EventStore.open(tmp_path / "store") as store:
        store.save(session(0))
        assert store.list() == ["s"]


def test_locks_that_exclude_nobody_are_refused(tmp_path: Path) -> None:
    """A file system whose locks do not work is not used."""
    fs = OsFileSystem()
    fs.lock = lambda fd, *, wait=True: True  # type: ignore[method-assign]
    with pytest.raises(BackendError, match="locks do not exclude"):
        FileBackend(tmp_path / "store", fs=fs)


@pytest.mark.parametrize("suffix", ["index.db", "marks"])
def test_an_index_that_cannot_be_written_makes_no_save_fail(tmp_path: Path, suffix: str) -> None:
    """Whatever happens to the index and its marks, saves and loads go on and lists are right."""
    fs = OsFileSystem()
    store = EventStore(FileBackend(tmp_path / "store", fs=fs))
    store.save(SessionData(id="before"))
    real = fs.open, fs.status_at, fs.make_directory

    def failing(call: Callable[..., Any]) -> Callable[..., Any]:
        def fail(path: Path, **options: Any) -> Any:
            if suffix in str(Path(path).relative_to(tmp_path)):
                raise OSError(errno.EIO, "input/output error")
            return call(path, **options)

        return fail

    fs.open, fs.status_at, fs.make_directory = map(failing, real)  # type: ignore[method-assign]
    assert store.save(session(0)).version == 1
    assert store.load("s") == session(0)
    assert store.list() == ["before", "s"]
    assert store.save(session(1)).version == 2
    store.close()
    other = EventStore(FileBackend(tmp_path / "store", fs=fs))
    assert other.save(session(2)).version == 3
    assert other.load("s") == session(2)
    assert other.list() == ["before", "s"]
    other.close()
    with EventStore.open(tmp_path / "store") as sound:
        assert {item.id: item.version for item in sound.sessions()} == {"before": 1, "s": 3}


@pytest.mark.parametrize("name", ["read_at", "open", "status"])
def test_a_failed_read_is_an_error_of_this_package(tmp_path: Path, name: str) -> None:
    """Where the medium refuses to read, the caller gets a typed error, and later the state."""
    with EventStore.open(tmp_path / "store") as store:
        store.save(session(0))
        store.save(session(1))
    fs = OsFileSystem()
    store = EventStore(FileBackend(tmp_path / "store", fs=fs))

    def fail(*_args: Any, **_kwargs: Any) -> Any:
        raise OSError(errno.EIO, "input/output error")

    setattr(fs, name, fail)
    for look in (
        lambda: store.load("s"),
        lambda: store.load("s", at=1),
        lambda: list(store.history("s")),
        lambda: store.save(session(2)),
    ):
        with pytest.raises(EventStoreError):
            look()
    delattr(fs, name)
    assert store.load("s") == session(1)
    assert store.save(session(2)).version == 3
    store.close()
