"""The simulated disk keeps what was synced, may lose what was not, and fails when it is told to."""

from __future__ import annotations

import errno
import inspect
from pathlib import Path
from random import Random

import pytest

from eventstore.fs import FileSystem, OsFileSystem
from eventstore.testing import Call, Fault, Luck, ProcessKilledError, SimDisk, SimFs, SimProcess
from eventstore.testing.luck import Truncate, Write, survivor

A, B = Path("/a"), Path("/b")


class Failing:
    """Lets one verb fail as it is told."""

    def __init__(self, verb: str, fault: Fault) -> None:
        """Fail every call of *verb*."""
        self.verb, self.fault = verb, fault
        self.seen: list[str] = []

    def before(self, fs: SimProcess, call: Call) -> Fault | None:
        """Fail."""
        return self.fault if call.verb == self.verb else None

    def after(self, fs: SimProcess, call: Call) -> None:
        """Note the call."""
        self.seen.append(call.verb)

    def blocked(self, fs: SimProcess, call: Call) -> None:
        """Nobody waits here."""
        raise AssertionError


def written(disk: SimDisk, path: Path, data: bytes, *, synced: bool = True) -> tuple[SimFs, int]:
    """Write a file in a new process; with *synced*, durably."""
    fs = SimFs(disk)
    fd = fs.open(path, write=True, create=True)
    fs.write_at(fd, data, 0)
    if synced:
        fs.sync_data(fd)
        fs.sync_directory(path.parent)
    return fs, fd


def left(disk: SimDisk, path: Path, count: int = 2000) -> set[bytes | None]:
    """Return everything that power cuts can leave of a file, as far as dice show it."""
    random = Random(1)
    return {disk.after_power_cut(Luck(random)).get(str(path)) for _ in range(count)}


def test_it_has_every_verb_of_the_protocol() -> None:
    """The simulated file system takes what the real one takes, verb for verb."""
    verbs = [name for name in vars(FileSystem) if not name.startswith("_")]
    assert verbs
    for verb in verbs:
        expected = inspect.signature(getattr(OsFileSystem, verb)).parameters
        assert inspect.signature(getattr(SimFs, verb)).parameters.keys() == expected.keys(), verb


def test_what_was_synced_survives_and_nothing_else_is_certain() -> None:
    """Bytes and names are lost unless both were synced."""
    disk = SimDisk()
    written(disk, A, b"one")
    written(disk, B, b"two", synced=False)
    assert disk.cached == {"/a": b"one", "/b": b"two"}
    assert disk.durable == {"/a": b"one"}
    assert left(disk, A) == {b"one"}
    assert {None, b"", b"two", b"\0\0\0"} < left(disk, B)


def test_a_file_synced_without_its_name_is_lost() -> None:
    """Syncing the bytes of a new file says nothing of the directory it is in."""
    disk = SimDisk()
    fs, fd = written(disk, A, b"one", synced=False)
    fs.sync_data(fd)
    assert left(disk, A) == {None, b"one"}


@pytest.mark.parametrize("sector_size", [4, 16])
def test_sectors_survive_in_any_subset(sector_size: int) -> None:
    """Of a write over several sectors, any may be old and any new, and no other byte changes."""
    disk = SimDisk({"/a": b"o" * 16}, sector_size=sector_size)
    fs = SimFs(disk)
    fs.write_at(fs.open(A, write=True), b"n" * 8, 4)
    found = left(disk, A)
    whole = {
        b"oooo" + one + two + b"oooo" for one in (b"oooo", b"nnnn") for two in (b"oooo", b"nnnn")
    }
    assert whole & found == (whole if sector_size == 4 else {b"o" * 16, b"oooonnnnnnnnoooo"})
    assert all(data and data[:4] == data[12:] == b"oooo" for data in found)


def test_a_lost_truncation_brings_the_end_back() -> None:
    """A file that was cut without a sync may have its old size again."""
    assert {
        survivor(b"abcdef", [Truncate(2), Write(2, b"X")], Luck(Random(n)), 4096)
        for n in range(300)
    } >= {b"abcdef", b"ab", b"abX"}


def test_names_are_lost_one_by_one() -> None:
    """Of two new names in one directory either may be lost alone; a rename is never half done."""
    disk = SimDisk()
    fs, fd = written(disk, A, b"one", synced=False)
    fs.sync_data(fd)
    _, fd = written(disk, B, b"two", synced=False)
    found = {frozenset(disk.after_power_cut(Luck(Random(n)))) for n in range(100)}
    assert found == {frozenset(s) for s in ((), ("/a",), ("/b",), ("/a", "/b"))}
    disk = SimDisk({"/a": b"new", "/b": b"old"})
    SimFs(disk).rename(A, B)
    left_over = [disk.after_power_cut(Luck(Random(n))) for n in range(100)]
    assert {frozenset(image.items()) for image in left_over} == {
        frozenset({("/a", b"new"), ("/b", b"old")}),
        frozenset({("/b", b"new")}),
    }


def test_a_kill_keeps_the_cache_and_frees_the_locks() -> None:
    """What a killed process wrote is still read; its lock is free, and it can call nothing."""
    disk = SimDisk()
    fs, fd = written(disk, A, b"one", synced=False)
    assert fs.lock(fd)
    other = SimFs(disk)
    opened = other.open(A)
    assert not other.lock(opened, wait=False)
    fs.kill()
    assert other.lock(opened, wait=False)
    assert other.read_at(opened, 9, 0) == b"one"
    with pytest.raises(ProcessKilledError):
        fs.read_at(fd, 1, 0)


@pytest.mark.parametrize("fate", ["lost", "torn"])
def test_a_sync_that_failed_lies_when_it_is_repeated(fate: str) -> None:
    """After a failed sync the next one succeeds and makes nothing durable of what was lost."""
    disk = SimDisk(sector_size=1, random=Random(3))
    fs, fd = written(disk, A, b"....")
    fs.write_at(fd, b"abcd", 0)
    fs.watcher = Failing("sync_data", Fault(errno.EIO, "torn" if fate == "torn" else "lost"))
    with pytest.raises(OSError, match="Input/output"):
        fs.sync_data(fd)
    fs.watcher = None
    assert disk.is_lying()
    fs.sync_data(fd)
    assert disk.cached["/a"] == b"abcd" != disk.durable["/a"]
    fs.forget_pages(fd)
    assert fs.read_at(fd, 9, 0) == disk.durable["/a"]
    assert not disk.is_lying()


def test_a_failed_sync_is_told_to_everybody_once() -> None:
    """Whoever had the file open learns of a failed sync at its own next sync, once."""
    disk = SimDisk()
    fs, fd = written(disk, A, b"one")
    other = SimFs(disk)
    opened = other.open(A, write=True)
    fs.write_at(fd, b"two", 0)
    fs.watcher = Failing("sync_data", Fault(errno.EIO))
    with pytest.raises(OSError, match="Input/output"):
        fs.sync_data(fd)
    with pytest.raises(OSError, match="Input/output"):
        other.sync_data(opened)
    other.sync_data(opened)
    later = SimFs(disk)
    later.sync_data(later.open(A))


@pytest.mark.parametrize(
    ("fault", "left_behind"),
    [
        (Fault(errno.ENOSPC), b""),
        (Fault(errno.ENOSPC, "torn"), b"on"),
        (Fault(errno.EIO, "landed"), b"ones"),
        (Fault(fate="short"), b"ones"),
    ],
)
def test_a_write_fails_as_it_is_told(fault: Fault, left_behind: bytes) -> None:
    """A call that fails has done nothing, half of its work or all; a short one says nothing."""
    disk = SimDisk()
    fs = SimFs(disk, watcher=(watcher := Failing("write_at", fault)))
    fd = fs.open(A, write=True, create=True)
    if fault.fate == "short":
        fs.write_at(fd, b"ones", 0)
        assert watcher.seen == ["open", "write_at", "write_at"]
    else:
        with pytest.raises(OSError) as caught:
            fs.write_at(fd, b"ones", 0)
        assert caught.value.errno == fault.errno
    assert disk.cached["/a"] == left_behind


def test_crash_images_are_combinations_with_the_extremes_first() -> None:
    """Everything lost comes first, everything kept second, and no image comes twice."""
    disk = SimDisk({"/a": b"a" * 8, "/b": b"b" * 8}, sector_size=4)
    fs = SimFs(disk)
    for path in (A, B):
        fs.write_at(fs.open(path, write=True), b"X" * 8, 0)
    images = list(disk.crash_images(Random(1), 1000))
    assert images[0] == disk.durable
    assert images[1] == disk.cached
    distinct = {frozenset(image.items()) for image in images}
    assert len(distinct) == len(images) > 16
    assert len(list(disk.crash_images(Random(1), 10))) == 10


def test_a_copy_is_another_disk() -> None:
    """What is done to a copy, pending changes and all, does not touch the original."""
    disk = SimDisk()
    written(disk, A, b"one")
    fs, fd = written(disk, B, b"two", synced=False)
    twin = disk.copy()
    assert (twin.cached, twin.durable) == (disk.cached, disk.durable)
    SimFs(twin).sync_directory(Path("/"))
    SimFs(twin).remove(A)
    assert disk.durable == {"/a": b"one"}
    assert disk.cached["/a"] == b"one"
    fs.sync_data(fd)
    assert twin.durable["/b"] == b""


def test_a_bit_flips_at_rest() -> None:
    """Decay changes one bit of the medium, and readers see it."""
    disk = SimDisk({"/a": b"\0\0"})
    disk.flip("/a", 9)
    assert disk.durable == disk.cached == {"/a": b"\0\2"}


def test_what_is_not_there_is_refused() -> None:
    """Errors are those of the system, with its numbers."""
    disk = SimDisk({"/d": None, "/a": b""})
    fs = SimFs(disk)
    for number, call in [
        (errno.ENOENT, lambda: fs.open(B)),
        (errno.ENOENT, lambda: fs.open(Path("/x/y"), create=True)),
        (errno.EISDIR, lambda: fs.open(Path("/d"))),
        (errno.ENOTDIR, lambda: fs.open(Path("/a/b"), create=True)),
        (errno.ENOENT, lambda: fs.remove(B)),
        (errno.ENOENT, lambda: fs.rename(B, A)),
        (errno.EXDEV, lambda: fs.rename(A, Path("/d/a"))),
        (errno.ENOTDIR, lambda: fs.names(A)),
        (errno.EBADF, lambda: fs.write_at(fs.open(A), b"x", 0)),
        (errno.EBADF, lambda: fs.close(7)),
    ]:
        with pytest.raises(OSError) as caught:
            call()
        assert caught.value.errno == number
    assert fs.status_at(B) is None
