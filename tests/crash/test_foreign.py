"""Strange things where a store's files should be: named, contained, and never followed."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import zstandard

from eventstore import (
    BackendError,
    CorruptError,
    EventStore,
    EventStoreError,
    InvalidInputError,
    UnsupportedError,
)
from eventstore.backends.file import FileBackend
from eventstore.backends.log_names import shard
from eventstore.backends.memory import MemoryBackend
from eventstore.fs import OsFileSystem
from tests.crash.forge import claiming, with_header_byte
from tests.crash.stores import Known, drop_index, log_path, make, opened

INDEX = pytest.mark.parametrize("index", ["with-index", "without-index"])
MIB = 2**20


@pytest.fixture
def known(tmp_path: Path) -> Known:
    """A store with a log of five versions, cleanly closed."""
    return make(tmp_path / "store")


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A small disk of its own, where this user may mount one."""
    point = tmp_path / "disk"
    point.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=1m,mode=700", "none", str(point)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip("mounting is not allowed here")
    yield point
    subprocess.run(["umount", "-l", str(point)], check=True)


def attempts(store: EventStore, session: str) -> list[Callable[[], Any]]:
    """Return every way of reading or writing a session."""
    return [
        lambda: store.load(session),
        lambda: store.load(session, at=1),
        lambda: store.exists(session),
        lambda: list(store.history(session)),
        lambda: store.save({"id": session, "n": 9}),
        lambda: store.delete(session),
    ]


def check_refused(directory: Path, kind: type[EventStoreError], index: str) -> EventStoreError:
    """Check that session `a` is refused with *kind* in every way, and nobody else notices."""
    if index == "without-index":
        drop_index(directory)
    with opened(directory) as store:
        for attempt in attempts(store, "a"):
            with pytest.raises(kind) as caught:
                attempt()
            assert caught.value.session == "a"
        assert "b" in store.list()
        assert store.load("b") == {"id": "b", "n": 1}
        store.save({"id": "b", "n": 2})
        store.health_check()
        error = caught.value
    with opened(directory) as store:
        assert store.load("b") == {"id": "b", "n": 2}
    return error


def test_foreign_files_among_the_logs_are_passed_over(known: Known) -> None:
    """Whatever else lies in `logs/` is no session, is not touched and stops nobody."""
    logs = known.directory / "logs"
    foreign = [
        logs / "README",
        logs / "a.log",
        logs / "zz" / "a.log",
        known.log.with_name("a.log.bak"),
        known.log.with_name(".a.log.swp"),
        known.log.with_name("A.log"),
        known.log.with_name("%zz.log"),
        known.log.with_name("x" * 96 + "~" + "0" * 64 + ".log"),
        logs / shard("empty") / "empty.log",
    ]
    for path in foreign:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"" if path.stem == "empty" else b"not a log\n")
    drop_index(known.directory)
    with opened(known.directory) as store:
        assert store.list() == ["a", "b"]
        assert [info.id for info in store.sessions(order_by="id")] == ["a", "b"]
        assert store.stats().sessions == 2
        assert store.save({"id": "a", "n": 6}).version == 6
    assert [p.read_bytes() for p in foreign] == [b"not a log\n"] * 8 + [b""]


def test_a_foreign_file_under_the_name_of_a_log_is_kept_aside(known: Known) -> None:
    """Bytes that were never a log are no session; the first save moves them to lost+found."""
    path = log_path(known.directory, "c")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(b"not a log\n" * 900)
    with opened(known.directory) as store:
        assert store.load("c") is None
        assert store.list() == ["a", "b"]
        assert store.save({"id": "c"}).version == 1
        assert store.list() == ["a", "b", "c"]
    (kept,) = (known.directory / "lost+found").iterdir()
    assert kept.read_bytes() == b"not a log\n" * 900


@INDEX
@pytest.mark.parametrize("what", ["symlink", "dangling", "directory", "fifo", "socket"])
def test_what_is_no_file_is_no_log(known: Known, what: str, index: str) -> None:
    """Anything but a regular file in the place of a log is refused, not followed, not waited on."""
    aside = known.directory.with_name("aside.log")
    known.log.rename(aside)
    if what in ("symlink", "dangling"):
        known.log.symlink_to(aside if what == "symlink" else aside.with_name("nowhere"))
    elif what == "directory":
        known.log.mkdir()
    elif what == "fifo":
        os.mkfifo(known.log)
    else:
        os.mknod(known.log, 0o140600)
    check_refused(known.directory, BackendError, index)
    assert aside.read_bytes() == known.bytes
    assert not aside.with_name("nowhere").exists()


@INDEX
@pytest.mark.parametrize("name", ["logs", "shard"])
def test_symlinked_directories_are_not_followed(known: Known, name: str, index: str) -> None:
    """A symbolic link in the place of a directory of logs is refused; its target stays as it is."""
    place = known.directory / "logs" if name == "logs" else known.log.parent
    aside = known.directory.with_name("aside")
    place.rename(aside)
    place.symlink_to(aside, target_is_directory=True)
    if name == "shard":
        check_refused(known.directory, BackendError, index)
    else:
        with pytest.raises(BackendError):
            EventStore.open(known.directory)
    assert next(aside.rglob("a.log")).read_bytes() == known.bytes


@pytest.mark.parametrize("name", ["index.db", "marks"])
def test_derived_files_that_are_symlinks_harm_nothing(known: Known, name: str) -> None:
    """A symbolic link in the place of the index leads to no write elsewhere and to no failure."""
    drop_index(known.directory)
    aside = known.directory.with_name("aside")
    aside.write_bytes(b"mine")
    (known.directory / name).symlink_to(aside)
    with opened(known.directory) as store:
        assert store.list() == ["a", "b"]
        store.save({"id": "c"})
        assert store.list() == ["a", "b", "c"]
    assert aside.read_bytes() == b"mine"
    with opened(known.directory) as store:
        assert store.list() == ["a", "b", "c"]


def test_a_symlinked_directory_of_marks_is_not_followed(known: Known, tmp_path: Path) -> None:
    """Where `marks` leads elsewhere nothing there is touched, and lists are right."""
    aside = tmp_path / "aside"
    aside.mkdir()
    (aside / "thesis.txt").write_text("mine")
    drop_index(known.directory)
    (known.directory / "marks").symlink_to(aside, target_is_directory=True)
    with opened(known.directory) as store, opened(known.directory) as other:
        assert other.list() == ["a", "b"]
        store.save({"id": "c"})
        assert other.list() == store.list() == ["a", "b", "c"]
    assert [path.name for path in aside.iterdir()] == ["thesis.txt"]


def test_a_symlinked_lost_and_found_is_not_followed(known: Known, tmp_path: Path) -> None:
    """A torn tail that cannot be kept in the store is not cut, and the save says so."""
    drop_index(known.directory)
    torn = known.bytes[:-9]
    known.log.write_bytes(torn)
    (known.directory / "lost+found").symlink_to(tmp_path, target_is_directory=True)
    with opened(known.directory) as store:
        with pytest.raises(BackendError) as caught:
            store.save({"id": "a", "n": 6})
        assert caught.value.session == "a"
        assert store.load("a") == {"id": "a", "n": 3}
    assert known.log.read_bytes() == torn
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


@INDEX
def test_swapped_logs_are_recognised(known: Known, index: str) -> None:
    """Two logs that changed names are both refused, naming whose they are; swapping back heals."""
    other = log_path(known.directory, "b")
    aside = known.directory / "aside"
    for _ in range(2):
        known.log.rename(aside)
        other.rename(known.log)
        aside.rename(other)
        if index == "without-index":
            drop_index(known.directory)
        with opened(known.directory) as store:
            if known.log.read_bytes() == known.bytes:
                assert store.load("a") == {"id": "a", "n": 5}
                assert store.load("b") == {"id": "b", "n": 1}
                continue
            for session in "ab":
                for attempt in attempts(store, session):
                    with pytest.raises(CorruptError) as caught:
                        attempt()
                    assert caught.value.session == session
            assert store.list() == ["a", "b"]


@INDEX
def test_a_log_from_another_store_is_itself_or_refused(
    known: Known, tmp_path: Path, index: str
) -> None:
    """A whole log put in from elsewhere is read as what it is, or missed bytes are named."""
    other = make(tmp_path / "other", 2)
    shutil.copyfile(other.log, known.log)
    if index == "without-index":
        drop_index(known.directory)
    with opened(known.directory) as store:
        if index == "with-index":
            with pytest.raises(CorruptError):
                store.load("a")
        else:
            assert store.load_bytes("a") == other.states[2]["session"]
            assert store.save({"id": "a", "n": 9}).version == 3
        assert store.load_bytes("a", at=1) == other.states[1]["session"]


def test_a_log_made_of_two_is_refused(known: Known, tmp_path: Path) -> None:
    """A log whose end is from another log of the same session is never taken for one history."""
    other = make(tmp_path / "other")
    data = known.bytes[: known.ends[2]] + other.bytes[other.ends[2] :]
    assert len(data) == len(known.bytes)
    known.log.write_bytes(data)
    drop_index(known.directory)
    with opened(known.directory) as store:
        for attempt in attempts(store, "a"):
            with pytest.raises(CorruptError) as caught:
                attempt()
            assert caught.value.session == "a"
        assert store.list() == ["a", "b"]


@pytest.mark.parametrize("versions", [1, 4])
def test_a_log_rolled_back_is_noticed_by_the_index(known: Known, versions: int) -> None:
    """An older copy of a log is refused while the index knows of more, and can be accepted."""
    old = known.bytes[: known.ends[versions]]
    known.log.write_bytes(old)
    with opened(known.directory) as store:
        for attempt in attempts(store, "a")[:1] + attempts(store, "a")[2:]:
            with pytest.raises(CorruptError) as caught:
                attempt()
            assert caught.value.version == versions + 1
        assert store.load_bytes("a", at=versions) == known.states[versions]["session"]
    assert known.log.read_bytes() == old
    drop_index(known.directory)  # Says: the older copy is the one that counts.
    with opened(known.directory) as store:
        assert store.load_bytes("a") == known.states[versions]["session"]
        assert store.save({"id": "a", "n": 9}).version == versions + 1


def test_a_log_rolled_back_is_noticed_by_a_process_that_knew_more(known: Known) -> None:
    """A live process remembers what was durable, whatever becomes of the index and the file."""
    with opened(known.directory) as store:
        assert store.load("a") == {"id": "a", "n": 5}
        drop_index(known.directory)
        known.log.write_bytes(known.bytes[: known.ends[3]])
        with pytest.raises(CorruptError):
            store.load("a")
        with pytest.raises(CorruptError):
            store.save({"id": "a", "n": 9})
        known.log.write_bytes(known.bytes)
        assert store.load("a") == {"id": "a", "n": 5}


@INDEX
@pytest.mark.parametrize("what", ["last-frame", "whole-log"])
def test_a_doubled_end_is_a_torn_tail(known: Known, what: str, index: str) -> None:
    """Frames written a second time do not count, and the next save moves them away."""
    extra = known.bytes[known.ends[4] if what == "last-frame" else 0 :]
    known.log.write_bytes(known.bytes + extra)
    if index == "without-index":
        drop_index(known.directory)
    with opened(known.directory) as store:
        assert store.load("a") == {"id": "a", "n": 5}
        assert [v.version for v in store.history("a")] == [5, 4, 3, 2, 1]
        assert store.save({"id": "a", "n": 6}).version == 6
    (kept,) = (known.directory / "lost+found").iterdir()
    assert kept.read_bytes() == extra
    with opened(known.directory) as store:
        assert store.load("a") == {"id": "a", "n": 6}


@INDEX
@pytest.mark.parametrize("byte", [4, 5], ids=["format", "required"])
@pytest.mark.parametrize("version", [1, 5])
def test_a_later_format_is_refused_whole(known: Known, byte: int, version: int, index: str) -> None:
    """A frame of a format or with a required feature that is not known here is never cut off."""
    start, stop = known.ends[version - 1], known.ends[version]
    frame = with_header_byte(known.bytes[start:stop], byte, 0x82, start)
    data = known.bytes[:start] + frame + known.bytes[stop:]
    known.log.write_bytes(data)
    if version == 5:
        error = check_refused_at_head(known, index)
        assert "newer version of this library" in str(error)
    else:
        with opened(known.directory) as store, pytest.raises(UnsupportedError) as caught:
            store.load("a", at=1)
        assert caught.value.session == "a"
    assert known.log.read_bytes().startswith(data)


def check_refused_at_head(known: Known, index: str) -> EventStoreError:
    """Check that a session whose last frame is not known here is refused."""
    return check_refused(known.directory, UnsupportedError, index)


@pytest.mark.parametrize("torn", [b"", b"\x89ESL torn"])
def test_frames_of_a_later_format_are_not_a_torn_tail(known: Known, torn: bytes) -> None:
    """A later library's frames are kept even where a crash tore what came after them."""
    start = known.ends[4]
    data = known.bytes[:start] + with_header_byte(known.bytes[start:], 4, 2, start) + torn
    known.log.write_bytes(data)
    check_refused(known.directory, UnsupportedError, "without-index")
    assert known.log.read_bytes() == data


def test_a_feature_that_only_writers_must_know_stops_writers_only(known: Known) -> None:
    """With an unknown read-only feature everything loads, and nothing is appended."""
    start = known.ends[4]
    data = known.bytes[:start] + with_header_byte(known.bytes[start:], 6, 1, start)
    known.log.write_bytes(data)
    with opened(known.directory) as store:
        assert store.load("a") == {"id": "a", "n": 5}
        assert store.load("a", at=2) == {"id": "a", "n": 2}
        for write in (lambda: store.save({"id": "a", "n": 6}), lambda: store.delete("a")):
            with pytest.raises(UnsupportedError) as caught:
                write()
            assert caught.value.session == "a"
    assert known.log.read_bytes() == data


def test_an_optional_feature_is_ignored(known: Known) -> None:
    """An unknown optional feature changes nothing for anybody."""
    start = known.ends[4]
    data = known.bytes[:start] + with_header_byte(known.bytes[start:], 7, 0xFF, start)
    known.log.write_bytes(data)
    with opened(known.directory) as store:
        assert store.load("a") == {"id": "a", "n": 5}
        assert store.save({"id": "a", "n": 6}).version == 6


def bombs() -> dict[str, bytes]:
    """Return bodies that decode to far more than they say, or say far more than they are."""
    zeros = bytes(64 * MIB)
    honest = zstandard.ZstdCompressor(level=1).compress(zeros)
    descriptor = honest[4]
    assert descriptor >> 6 == 2, "the content size takes four bytes"
    at = 5 if descriptor & 0x20 else 6
    lying = honest[:at] + (100).to_bytes(4, "little") + honest[at + 4 :]
    silent = zstandard.ZstdCompressor(level=1, write_content_size=False).compress(zeros)
    one = zstandard.ZstdCompressor().compress(bytes(100))
    return {"honest": honest, "lying": lying, "silent": silent, "many": one + honest}


@pytest.mark.parametrize("size", [100, 64 * MIB, 2**40, 2**62])
@pytest.mark.parametrize("bomb", ["honest", "lying", "silent", "many"])
def test_a_decompression_bomb_does_not_go_off(bomb: str, size: int) -> None:
    """No forged body makes a load take more memory than the limit on states allows."""
    backend = MemoryBackend()
    backend.append("a", 0, claiming(bombs()[bomb], size))
    with EventStore(backend, model=dict, state_size_max=MIB) as store:
        store.list()
        tracemalloc.start()
        try:
            with pytest.raises(CorruptError) as caught:
                store.load("a")
            assert store.sessions().items[0].damaged
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert caught.value.session == "a"
    assert peak < 4 * MIB, peak


@pytest.mark.parametrize("sizes", ["commit", "table", "bodies", "all"])
def test_sizes_in_a_header_allocate_nothing(known: Known, sizes: str) -> None:
    """A header that claims gigabytes is refused for the few bytes that are there."""
    start = known.ends[4]
    frame = bytearray(known.bytes[start:])
    for name, place in (("commit", (8, 10)), ("table", (10, 12)), ("bodies", (12, 16))):
        if sizes in (name, "all"):
            frame[slice(*place)] = b"\xf0" * (place[1] - place[0])
    header_only = with_header_byte(bytes(frame), 7, 0, start)
    drop_index(known.directory)
    known.log.write_bytes(known.bytes[:start] + header_only)
    with opened(known.directory) as store:
        tracemalloc.start()
        try:
            assert store.load("a") == {"id": "a", "n": 3}
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 16 * MIB, peak


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"{", CorruptError),
        (b"[]", CorruptError),
        (b"null", CorruptError),
        (b"\xff\xfe", CorruptError),
        (b"[" * 60_000, CorruptError),
        (b'{"format":"other","version":1}', CorruptError),
        (b'{"format":"eventstore","version":"1"}', CorruptError),
        (b'{"format":"eventstore","version":2}', UnsupportedError),
        (b'{"format":"eventstore","version":1,"required":["x"]}', UnsupportedError),
    ],
)
def test_a_format_file_that_is_not_ours_is_refused(
    known: Known, content: bytes, kind: type[EventStoreError]
) -> None:
    """A `format.json` that is damaged or later stops the open, and nothing is written."""
    path = known.directory / "format.json"
    path.write_bytes(content)
    before = sorted(known.directory.rglob("*"))
    with pytest.raises(kind):
        EventStore.open(known.directory)
    assert path.read_bytes() == content
    assert sorted(known.directory.rglob("*")) == before


def test_a_missing_format_file_is_not_made_up(known: Known) -> None:
    """A store that has logs and has lost its `format.json` says so, and which command helps."""
    (known.directory / "format.json").unlink()
    for create in (True, False):
        with pytest.raises(CorruptError, match=r"is missing .*; next: eventstore repair$"):
            EventStore.open(known.directory, create=create)
    assert not (known.directory / "format.json").exists()


def test_a_foreign_directory_is_left_alone(tmp_path: Path) -> None:
    """A directory that holds something else is refused, and nothing is put into it."""
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(InvalidInputError):
        EventStore.open(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_place_that_cannot_be_a_store_is_refused(tmp_path: Path) -> None:
    """A missing parent, a file, and a store that must exist already are refused at the open."""
    (tmp_path / "file").write_text("mine")
    for place in ("missing/store", "file", "file/store"):
        with pytest.raises(BackendError):
            EventStore.open(tmp_path / place)
    with pytest.raises(BackendError):
        EventStore.open(tmp_path / "store", create=False)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


class Locks(OsFileSystem):
    """A disk whose locks exclude nobody, or do not exist."""

    def __init__(self, error: int) -> None:
        """Fail with *error*, or pretend to lock where it is 0."""
        super().__init__()
        self.error = error

    def lock(self, fd: int, *, wait: bool = True) -> bool:
        """Take no lock."""
        if self.error:
            raise OSError(self.error, os.strerror(self.error))
        return True


@pytest.mark.parametrize("error", [0, errno.ENOLCK, errno.EOPNOTSUPP])
@pytest.mark.parametrize("is_there", [True, False])
def test_locks_that_do_not_work_are_found_at_the_open(
    tmp_path: Path, error: int, is_there: bool
) -> None:
    """On a file system without working locks no store opens, neither a new one nor an old one."""
    if is_there:
        make(tmp_path / "store", 1)
    with pytest.raises(BackendError):
        FileBackend(tmp_path / "store", fs=Locks(error))


class Unwritable(OsFileSystem):
    """A disk that can be read only."""

    def open(self, path: Path | str, *, write: bool = False, create: bool = False) -> int:
        """Refuse to open for writing."""
        if write or create:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS))
        return super().open(path)

    def make_directory(self, path: Path) -> bool:
        """Refuse to make what is not there."""
        if path.exists():
            return False
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))


def check_read_only(store: EventStore) -> None:
    """Check that everything of a known store can be read and nothing be written."""
    assert store.load("a") == {"id": "a", "n": 5}
    assert store.load("a", at=1) == {"id": "a"}
    assert store.list() == ["a", "b"]
    assert len(store.sessions()) == 2
    for session in ("a", "c"):
        with pytest.raises(BackendError) as caught:
            store.save({"id": session, "n": 6})
        assert caught.value.session == session
    with pytest.raises(BackendError):
        store.health_check()
    assert store.list() == ["a", "b"]


@INDEX
def test_a_store_that_can_only_be_read_is_read(known: Known, index: str) -> None:
    """Without the right to write, loads and lists work, and a save says that it cannot."""
    if index == "without-index":
        drop_index(known.directory)
    backend = FileBackend(known.directory, create=False, fs=Unwritable())
    with EventStore(backend, model=dict) as store:
        check_read_only(store)
    with pytest.raises(BackendError):
        FileBackend(known.directory.with_name("new"), fs=Unwritable())


def test_a_disk_mounted_read_only_is_read(mounted: Path) -> None:
    """What holds for refused calls holds for a disk that really is read-only."""
    make(mounted / "store")
    subprocess.run(["mount", "-o", "remount,ro", str(mounted)], check=True)
    with opened(mounted / "store") as store:
        check_read_only(store)
    with pytest.raises(BackendError):
        EventStore.open(mounted / "new")


@pytest.mark.skipif(os.geteuid() == 0, reason="permissions do not bind the superuser")
def test_a_directory_without_permissions_is_read(known: Known) -> None:
    """What holds for a read-only disk holds for a directory that this user may not change."""
    for path in [*known.directory.rglob("*"), known.directory]:
        path.chmod(0o500 if path.is_dir() else 0o400)
    try:
        with opened(known.directory) as store:
            check_read_only(store)
    finally:
        for path in [known.directory, *known.directory.rglob("*")]:
            path.chmod(0o700)


def test_a_full_disk_loses_nothing(mounted: Path) -> None:
    """A full disk refuses saves with `BackendError`; all before load, and space heals it."""
    ballast = mounted / "ballast"
    acknowledged: dict[str, int] = {}
    with EventStore.open(mounted / "store", model=dict) as store:
        store.save({"id": "first"})
        assert store.list() == ["first"]
        ballast.write_bytes(bytes(600 * 1024))
        with pytest.raises(BackendError) as caught:
            for number in range(10_000):
                session = f"s{number % 7}"
                state = {"id": session, "n": number, "pad": os.urandom(3000).hex()}
                store.save(state)
                acknowledged[session] = number
        assert caught.value.hint is not None
        assert caught.value.session is not None
        for session, number in acknowledged.items():
            assert store.load(session)["n"] == number
        assert store.list() == sorted([*acknowledged, "first"])
        ballast.unlink()
        store.save({"id": "after"})
        assert store.list() == sorted([*acknowledged, "first", "after"])
    drop_index(mounted / "store")
    with opened(mounted / "store") as store:
        assert store.list() == sorted([*acknowledged, "first", "after"])
        for session, number in acknowledged.items():
            assert store.load(session)["n"] == number


def test_a_full_disk_at_the_open_founds_nothing_half(mounted: Path) -> None:
    """A store that could not be founded for want of space can be founded later."""
    ballast = mounted / "ballast"
    with pytest.raises(OSError), ballast.open("wb") as file:
        while True:
            file.write(bytes(4096))
            file.flush()
    with pytest.raises(BackendError):
        EventStore.open(mounted / "store")
    ballast.unlink()
    with EventStore.open(mounted / "store", model=dict) as store:
        assert store.save({"id": "a"}).version == 1
    record = json.loads((mounted / "store" / "format.json").read_text())
    assert record["format"] == "eventstore"


@pytest.mark.parametrize("size", [0, 85], ids=["empty", "zeros"])
def test_a_store_whose_founding_was_torn_is_founded_again(tmp_path: Path, size: int) -> None:
    """A power cut before `format.json` was durable leaves a name without bytes, and no saves."""
    directory = tmp_path / "torn"
    (directory / "logs").mkdir(parents=True)
    (directory / "format.json").write_bytes(bytes(size))
    with EventStore.open(directory, model=dict) as store:
        store.save({"id": "a"})
    with EventStore.open(directory, model=dict, create=False) as store:
        assert store.list() == ["a"]
