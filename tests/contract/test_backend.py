"""Every backend of the library fulfils the contract, and some do more."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eventstore.backend import Backend
from eventstore.backends.file import FileBackend
from eventstore.backends.memory import MemoryBackend
from eventstore.errors import ConflictError
from eventstore.fs import OsFileSystem
from eventstore.testing import SimBackend, SimDisk, SimFs
from eventstore.testing.backend_contract import BackendContract, put

MODES = {
    "file": "sync",
    "file group": "group",
    "file unsafe": "unsafe_os",
    "simulated disk": "sync",
    "simulated group": "group",
}


@pytest.fixture(
    params=["memory", "file", "file group", "file unsafe", "simulated disk", "simulated group"]
)
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Backend]:
    """A backend of each kind."""
    if request.param == "memory":
        made: Backend = MemoryBackend()
    elif request.param.startswith("simulated"):
        made = SimBackend(SimFs(SimDisk()), durability=MODES[request.param])
    else:
        made = FileBackend(tmp_path / "store", durability=MODES[request.param])
    yield made
    made.close()


class TestBackends(BackendContract):
    """Every backend of the library fulfils the contract."""


def test_two_file_backends_see_each_other(tmp_path: Path) -> None:
    """What one appends, the other reads and appends to; a turn excludes both."""
    one, two = FileBackend(tmp_path / "store"), FileBackend(tmp_path / "store")
    put(one, "a", b"one")
    put(two, "a", b"two")
    assert one.read("a", 0, 9) == two.read("a", 0, 9) == b"onetwo"
    with one.writing("a"), two._files.held("a") as file:
        assert file is not None
        assert not two.fs.lock(file.fd, wait=False)
    with one.writing("a") as size, pytest.raises(ConflictError):
        one.append("a", size - 3, b"other")
    one.close()
    two.close()


def test_long_ids_are_listed_from_the_log_itself(tmp_path: Path) -> None:
    """A file that cannot spell its id, and is no log either, is passed over."""
    backend = FileBackend(tmp_path / "store")
    put(backend, "x" * 1024, b"no frame")
    assert list(backend.logs()) == []
    assert backend.read("x" * 1024, 0, 9) == b"no frame"
    backend.close()


def test_strangers_among_the_logs_are_passed_over(tmp_path: Path) -> None:
    """Files that no session has, links, directories and FIFOs are not logs."""
    import os

    backend = FileBackend(tmp_path / "store")
    put(backend, "a", b"one")
    (log,) = (tmp_path / "store" / "logs").rglob("*.log")
    for name in ("b.log", "A.log", "notes.txt", "%zz.log", "a.log.bak", ".hidden.log"):
        log.with_name(name).write_bytes(b"x")
    log.with_name("c.log").symlink_to(log)
    log.with_name("d.log").mkdir()
    os.mkfifo(log.with_name("e.log"))
    (log.parent.parent / "file").write_bytes(b"x")
    (log.parent.parent / "zz").symlink_to(log.parent)
    (log.parent.parent / "longer").mkdir()
    assert list(backend.logs()) == ["a"]
    backend.close()


def test_more_logs_than_descriptors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The number of open files is bounded, however many logs are used."""
    from eventstore.backends import log_files

    monkeypatch.setattr(log_files, "OPEN_FILES_MAX", 3)
    backend = FileBackend(tmp_path / "store")
    for turn in range(2):
        for number in range(10):
            put(backend, f"s{number}", b"x")
            assert len(backend._files._files) <= 3
            assert backend.size(f"s{number}") == turn + 1
    backend.close()


class Told(OsFileSystem):
    """The real disk, with a note of what is done to a log."""

    def __init__(self) -> None:
        """Note nothing yet."""
        super().__init__()
        self.done: list[str] = []
        self.interrupted = ""

    def write_at(self, fd: int, data: bytes, offset: int) -> None:
        """Note a write."""
        self.done.append("write")
        super().write_at(fd, data, offset)

    def write_back(self, fd: int, size: int, offset: int) -> None:
        """Note what the kernel is asked to begin with."""
        self.done.append(f"write back {size} at {offset}")
        super().write_back(fd, size, offset)

    def sync_data(self, fd: int) -> None:
        """Note a sync."""
        self.done.append("sync")
        super().sync_data(fd)

    def status_at(self, path: Path | str) -> os.stat_result | None:
        """Be interrupted here, if told so."""
        if self.interrupted and Path(path).name == self.interrupted:
            raise KeyboardInterrupt
        return super().status_at(path)


def test_a_turn_tells_the_end_from_the_space_behind_it(tmp_path: Path) -> None:
    """Space that another process zeroed behind the log is no part of what a writer is told."""
    one, two = FileBackend(tmp_path / "store"), FileBackend(tmp_path / "store")
    put(two, "a", b"x")
    put(one, "a", b"one", b"two", b"three")
    (log,) = (tmp_path / "store" / "logs").rglob("*.log")
    assert log.stat().st_size > 12
    with two.writing("a") as size:
        assert size == 12
    one.close()
    two.close()


def test_the_medium_writes_while_something_else_is_done(tmp_path: Path) -> None:
    """What is to be done meanwhile comes between the write and the sync."""
    fs = Told()
    backend = FileBackend(tmp_path / "store", fs=fs)
    put(backend, "a", b"one")
    fs.done.clear()
    with backend.writing("a"):
        backend.append("a", 3, b"four", lambda: fs.done.append("meanwhile"))
    assert fs.done == ["write", "write back 4 at 3", "meanwhile", "sync"]
    backend.close()


def test_a_writer_that_is_interrupted_before_its_turn_lets_go(tmp_path: Path) -> None:
    """Ctrl-C while the lock is held keeps nobody from it afterwards."""
    fs = Told()
    backend = FileBackend(tmp_path / "store", fs=fs)
    put(backend, "a", b"one")
    fs.interrupted = "a.log"
    with pytest.raises(KeyboardInterrupt), backend.writing("a"):
        pytest.fail("nobody has a turn")
    fs.interrupted = ""
    put(backend, "a", b"two")
    assert backend.read("a", 0, 9) == b"onetwo"
    assert backend._files.writing == {}
    assert [file.users for file in backend._files._files.values()] == [0]
    backend.close()


class SlowToOpen(OsFileSystem):
    """The real disk, on which opening one file takes until somebody says so."""

    def __init__(self, slow: str) -> None:
        """Be slow with files that have *slow* in their name."""
        super().__init__()
        self.slow = slow
        self.is_opening, self.goes_on = threading.Event(), threading.Event()

    def open(self, path: Path | str, *, write: bool = False, create: bool = False) -> int:
        """Wait if it is that file."""
        if self.slow in Path(path).name:
            self.is_opening.set()
            assert self.goes_on.wait(60)
        return super().open(path, write=write, create=create)


def test_nobody_waits_for_the_opening_of_another_log(tmp_path: Path) -> None:
    """While the medium is slow to open one log, others are opened, read and added to."""
    fs = SlowToOpen("slow")
    backend = FileBackend(tmp_path / "store", fs=fs)
    with ThreadPoolExecutor(2) as pool:
        slow = pool.submit(put, backend, "slow", b"one")
        assert fs.is_opening.wait(60)
        try:
            pool.submit(put, backend, "quick", b"two").result(60)
            assert backend.size("quick") == 3
            assert not slow.done()
        finally:
            fs.goes_on.set()
        slow.result(60)
    assert (backend.size("slow"), len(backend._files._files)) == (3, 2)
    backend.close()


def test_threads_that_open_one_log_share_its_file(tmp_path: Path) -> None:
    """Of several descriptors opened for a log at the same time one is kept, and locks hold."""
    fs = SlowToOpen("shared")
    backend = FileBackend(tmp_path / "store", fs=fs)
    with ThreadPoolExecutor(4) as pool:
        threads = [pool.submit(put, backend, "shared", b"x") for _ in range(4)]
        assert fs.is_opening.wait(60)
        fs.goes_on.set()
        for thread in threads:
            thread.result(60)
    assert (backend.read("shared", 0, 9), len(backend._files._files)) == (b"xxxx", 1)
    backend.close()


def test_a_file_that_has_another_name_too_is_replaced_all_the_same(tmp_path: Path) -> None:
    """A copy made of hard links keeps the old bytes; writers and readers follow the log's name."""
    one, two = FileBackend(tmp_path / "store"), FileBackend(tmp_path / "store")
    put(one, "a", b"one", b"two")
    assert two.read("a", 0, 9) == b"onetwo"
    (log,) = (tmp_path / "store" / "logs").rglob("*.log")
    (tmp_path / "copy").hardlink_to(log)
    with one.rewriting("a") as rewriting, one.writing("a") as size:
        rewriting.append(b"12")
        one.replace("a", rewriting, size)
    put(two, "a", b"3")
    assert one.read("a", 0, 9) == two.read("a", 0, 9) == b"123"
    assert (tmp_path / "copy").read_bytes().rstrip(b"\0") == b"onetwo"
    one.close()
    two.close()


def test_what_a_crash_left_of_a_rewriting_is_overwritten(tmp_path: Path) -> None:
    """A left-over file is no log, is not listed, and goes with the next rewriting."""
    backend = FileBackend(tmp_path / "store")
    put(backend, "a", b"one")
    (log,) = (tmp_path / "store" / "logs").rglob("*.log")
    left = log.with_suffix(".new")
    left.write_bytes(b"left over from a crash")
    assert list(backend.logs()) == ["a"]
    with backend.rewriting("a") as rewriting:
        assert left.read_bytes() == b""
        rewriting.append(b"1")
    assert not left.exists()
    assert backend.read("a", 0, 9) == b"one"
    backend.close()
