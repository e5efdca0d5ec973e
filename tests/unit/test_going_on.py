"""A process goes on after what went wrong in it or beside it, and says nothing wrong then."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import random
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from inspect import CO_GENERATOR
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import eventstore
from eventstore import BackendError, CorruptError, DurabilityError, EventStore
from eventstore.backends.file import FileBackend
from eventstore.backends.log_syncs import Group
from eventstore.fs import OsFileSystem
from eventstore.marks import Marks, _ids

PACKAGE = f"{Path(eventstore.__file__).parent}{os.sep}"
HOLDING = ("fs.py", "index_database.py", "log_files.py", "writing.py", "marks.py")
"""The rooms that open and lock."""


class Interrupted(OsFileSystem):
    """The real disk, where one call of some name raises once, done or not."""

    def __init__(self) -> None:
        """Raise nothing yet."""
        super().__init__()
        self.fates: dict[str, tuple[BaseException, bool]] = {}

    def __getattribute__(self, name: str) -> Any:
        """Return a method, or one that raises."""
        found = super().__getattribute__(name)
        if name not in super().__getattribute__("__dict__").get("fates", {}):
            return found
        error, is_done = self.fates.pop(name)

        def interrupted(*args: Any, **kwargs: Any) -> None:
            if is_done:
                found(*args, **kwargs)
            raise error

        return interrupted

    def can_sync_all(self, fd: int) -> bool:
        """Sync logs one by one."""
        return False


@pytest.fixture
def fs() -> Interrupted:
    """A disk of which calls can be interrupted."""
    return Interrupted()


@pytest.fixture
def two(tmp_path: Path) -> Iterator[tuple[EventStore, EventStore]]:
    """Two stores open on the same directory, as in two processes."""
    with (
        EventStore.open(tmp_path / "store", model=dict) as one,
        EventStore.open(tmp_path / "store", model=dict) as other,
    ):
        yield one, other


def said(number: int) -> dict[str, Any]:
    """Return a session of some messages."""
    return {"id": "a", "messages": [{"role": "user", "content": str(n)} for n in range(number)]}


def is_locked(directory: Path) -> bool:
    """Whether anybody holds the lock of any log."""
    for path in (directory / "logs").rglob("*.log"):
        with path.open("rb") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
    return False


def listed(store: EventStore) -> dict[str, int]:
    """Return the versions that a list shows."""
    return {info.id: info.version for info in store.sessions().items}


@pytest.mark.parametrize("call", ["lock", "unlock"])
def test_an_interrupt_beside_a_lock_leaves_it_to_others(
    tmp_path: Path, fs: Interrupted, call: str
) -> None:
    """Ctrl-C just when the lock was taken, or is about to be given back, lets go of it."""
    with EventStore(FileBackend(tmp_path / "store", fs=fs), model=dict) as store:
        store.save(said(1))
        fs.fates[call] = KeyboardInterrupt(), call == "lock"
        with pytest.raises(KeyboardInterrupt):
            store.save(said(2))
        assert not is_locked(tmp_path / "store")
        assert store.save(said(3)).version == len(list(store.history("a")))


def test_an_interrupt_before_the_lock_is_given_back_leaves_it_to_others(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C when a save is done, but the lock is not given back yet, lets go of it too."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.save(said(1))
        files = store._backend._files  # type: ignore[attr-defined]
        real, errors = files.end_writing, [KeyboardInterrupt()]

        def interrupted(log: str, file: Any) -> None:
            if errors:
                raise errors.pop()
            real(log, file)

        monkeypatch.setattr(files, "end_writing", interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.save(said(2))
        assert not is_locked(tmp_path / "store")
        assert not files.writing
        assert store.save(said(3)).version == 3


def test_a_turn_that_nobody_gives_back_ends_at_once(tmp_path: Path) -> None:
    """Ctrl-C on the way out of a turn ends it, without waiting for the garbage collector."""
    backend = FileBackend(tmp_path / "store")
    gc.disable()
    try:
        turn = backend.writing("a")
        turn.__enter__()
        assert is_locked(tmp_path / "store")
        del turn
        assert not is_locked(tmp_path / "store")
    finally:
        gc.enable()
        backend.close()


def test_what_another_process_made_right_is_not_refused(
    two: tuple[EventStore, EventStore],
) -> None:
    """An addition is refused for what the newest version is, not for what it was here."""
    one, other = two
    one.save(said(1))
    one.delete("a")
    other.save(said(2))
    assert one.append_messages("a", [{"role": "user", "content": "x"}]).version == 4
    one.save({"id": "b"})
    other.save(said(1) | {"id": "b"})
    assert one.append_messages("b", [{"role": "user", "content": "x"}]).version == 3


def test_an_addition_with_a_key_is_made_once_though_it_was_interrupted(tmp_path: Path) -> None:
    """Ctrl-C while its key is noted leaves an addition that is committed, and found by its key."""

    class Noting(dict[str, int]):
        """Keys of which the next one is not noted."""

        def __setitem__(self, key: str, seq: int) -> None:
            """Be interrupted."""
            raise KeyboardInterrupt

    said_more = [{"role": "user", "content": "more"}]
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.save(said(1), key="first")
        log = store._catalog.log("a")
        assert log.version_with("first") == 1
        log._keys = Noting(log._keys or {})
        with pytest.raises(KeyboardInterrupt):
            store.append_messages("a", said_more, key="k")
        log._keys = dict(log._keys)
        assert store.append_messages("a", said_more, key="k").version == 2
        assert len(store.load("a")["messages"]) == 2


@pytest.mark.parametrize("error", [KeyboardInterrupt(), OSError(errno.EIO, "EIO")], ids=repr)
def test_what_was_not_synced_is_synced_the_next_time(
    tmp_path: Path, fs: Interrupted, error: BaseException
) -> None:
    """A `sync` that ends early leaves to the next one every log that it did not try."""
    backend = FileBackend(tmp_path / "store", durability="unsafe_os", fs=fs)
    synced: list[str] = []
    real = backend._syncs._sync_one

    def noted(log: str, file: Any, *, entry: bool) -> None:
        real(log, file, entry=entry)
        synced.append(log)

    backend._syncs._sync_one = noted  # type: ignore[method-assign]
    with EventStore(backend, model=dict) as store:
        for id in "abc":
            store.save({"id": id})
        fs.fates["sync_data"] = error, False
        with pytest.raises((KeyboardInterrupt, DurabilityError)):
            store.sync()
        store.sync()
    assert synced == (["b", "c"] if isinstance(error, OSError) else ["a", "b", "c"])


def test_a_log_that_cannot_be_synced_is_not_forgotten(tmp_path: Path, fs: Interrupted) -> None:
    """Where a log cannot even be tried, `sync` says so each time, and syncs the others."""
    backend = FileBackend(tmp_path / "store", durability="unsafe_os", fs=fs)
    with EventStore(backend, model=dict) as store:
        for id in "ab":
            store.save({"id": id})
        path = backend._layout.path_of("a")
        path.rename(tmp_path / "kept")
        path.mkdir()
        for _ in range(2):
            with pytest.raises(BackendError, match="open the log"):
                store.sync()
            assert set(backend._syncs._later) == {"a"}
        path.rmdir()
        (tmp_path / "kept").rename(path)
        store.sync()
        assert not backend._syncs._later


def test_a_sync_waits_for_one_that_is_under_way(tmp_path: Path, fs: Interrupted) -> None:
    """`sync` does not return while another thread still syncs what was saved before."""
    backend = FileBackend(tmp_path / "store", durability="unsafe_os", fs=fs)
    is_syncing, goes_on = threading.Event(), threading.Event()
    real = backend._syncs._sync_one

    def slow(log: str, file: Any, *, entry: bool) -> None:
        is_syncing.set()
        assert goes_on.wait(60)
        real(log, file, entry=entry)

    backend._syncs._sync_one = slow  # type: ignore[method-assign]
    with EventStore(backend, model=dict) as store, ThreadPoolExecutor(2) as pool:
        store.save({"id": "a"})
        first = pool.submit(store.sync)
        assert is_syncing.wait(60)
        second = pool.submit(store.sync)
        with pytest.raises(TimeoutError):
            second.result(0.05)
        goes_on.set()
        first.result(60)
        second.result(60)


@pytest.mark.parametrize("durability", ["sync", "group", "unsafe_os"])
def test_a_directory_of_logs_that_was_removed_is_an_error_of_ours(
    tmp_path: Path, durability: Any
) -> None:
    """Who removes logs under an open store is told; other sessions go on in a new directory."""
    with EventStore.open(tmp_path / "store", model=dict, durability=durability) as store:
        store.save(said(1))
        layout = store._backend._layout  # type: ignore[attr-defined]
        directory = layout.path_of("a").parent
        beside = next(f"n{n}" for n in range(9999) if layout.path_of(f"n{n}").parent == directory)
        shutil.rmtree(directory)
        with pytest.raises((BackendError, CorruptError)):
            store.save(said(2))
        assert str(directory) not in layout._durable
        assert store.save({"id": beside}).version == 1
        assert (str(directory) in layout._durable) == (durability != "unsafe_os")
        if durability != "unsafe_os":
            with pytest.raises(CorruptError):
                store.save(said(2))


def test_a_row_that_an_interrupt_prevented_is_made_from_the_log(tmp_path: Path) -> None:
    """Ctrl-C while the row of an acknowledged save is made takes no session from the lists."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        index = store._catalog.index
        store.save(said(1))
        assert listed(store) == {"a": 1}
        store.save(said(2))
        assert index._newest is not None

        def interrupted() -> Any:
            raise KeyboardInterrupt

        index._newest = (*index._newest[:2], interrupted)
        with pytest.raises(KeyboardInterrupt):
            store.save({"id": "b"})
        assert listed(store) == {"a": 2}
        store.save({"id": "b"})
        assert listed(store) == {"a": 2, "b": 1}
    with EventStore.open(tmp_path / "store", model=dict) as store:
        assert listed(store) == {"a": 2, "b": 1}


@pytest.mark.parametrize("call", ["write_at", "truncate"])
def test_a_mark_that_may_be_gone_is_written_again(
    tmp_path: Path, fs: Interrupted, call: str
) -> None:
    """Where taking marks away fails half-way, none is believed to be there that may be gone."""
    marks = Marks(fs, tmp_path)
    for session in ("aa", "bb", "cc"):
        marks.add(session)
    fs.fates[call] = OSError(errno.EIO, "EIO"), True
    with pytest.raises(OSError, match="EIO"):
        marks.keep({"cc"})
    marks.add("aa")
    (path,) = (tmp_path / "marks").iterdir()
    found = _ids(path.read_bytes())
    assert found is None or {"aa", "cc"} <= found
    marks.close()


def test_marks_that_cannot_be_locked_keep_no_descriptor(tmp_path: Path, fs: Interrupted) -> None:
    """Where no lock is to be had for marks, each try gives its descriptor back."""
    marks, before = Marks(fs, tmp_path), len(os.listdir("/dev/fd"))
    for _ in range(3):
        fs.fates["lock"] = OSError(errno.ENOLCK, "ENOLCK"), False
        with pytest.raises(OSError, match="ENOLCK"):
            marks.add("a")
    assert len(os.listdir("/dev/fd")) == before
    marks.add("a")
    marks.close()


def damaged(directory: Path) -> tuple[Path, int]:
    """Make a store whose newest session state cannot be read, and say which byte it is."""
    with EventStore.open(directory, model=dict) as store:
        store.save({"id": "a", "text": "x"}, parts={"p": [1]})
        store.save({"id": "a", "text": "x"}, parts={"p": [1, 2]})
        head = store._catalog.log("a").head()
        assert head is not None
        row = head.parts["session"]
        path = store._backend._layout.path_of("a")  # type: ignore[attr-defined]
    assert row.holder == 0, "the state is in the first frame, which ends where the second begins"
    at = head.entry.header.position - 60
    flip(path, at)
    return path, at


def flip(path: Path, at: int) -> None:
    """Change a byte of a file, or change it back."""
    data = bytearray(path.read_bytes())
    data[at] ^= 0xFF
    path.write_bytes(data)


@pytest.mark.damage
def test_a_session_whose_state_is_damaged_can_be_deleted(tmp_path: Path) -> None:
    """The delete is acknowledged, and the session is in no list, whoever makes the index."""
    damaged(tmp_path / "store")
    with EventStore.open(tmp_path / "store", model=dict) as store:
        with pytest.raises(CorruptError):
            store.load("a")
        assert store.delete("a")
        assert store.list() == []
        assert [version.kind for version in store.history("a")] == ["delete", "save", "save"]
    (tmp_path / "store" / "index.db").unlink()
    with EventStore.open(tmp_path / "store", model=dict) as store:
        assert store.list() == []


@pytest.mark.damage
def test_a_part_beside_a_damaged_state_is_saved(tmp_path: Path) -> None:
    """What is durable is acknowledged, though what lists show waits until it can be read."""
    path, at = damaged(tmp_path / "store")
    with EventStore.open(tmp_path / "store", model=dict) as store:
        assert store.save_states("a", {"p": b"[3]"}).version == 3
        assert listed(store) == {"a": 2}
        flip(path, at)
        assert listed(store) == {"a": 3}


def test_a_log_that_ends_where_it_ended_before_a_compaction_is_told_of(tmp_path: Path) -> None:
    """The index hears of a version though its frame fills exactly what a compaction saved."""
    numbers, directory = random.Random(5), tmp_path / "store"
    docs = [
        {"id": "a", "m": [f"x{numbers.randrange(10**9)}" for _ in range(30)] + ["y"] * n}
        for n in range(40)
    ]
    with EventStore.open(directory, model=dict) as store:
        for document in docs:
            store.save(document)
        size = store._catalog.log("a").end
        with EventStore.open(directory, model=dict) as other:
            other.compact(["a"])
            saved = size - other._catalog.log("a").end
        assert saved > 0
        shutil.copytree(directory, tmp_path / "copy")
        with EventStore.open(tmp_path / "copy", model=dict) as copy:
            copy.save({**docs[-1], "n": 1}, note="x")
            left = saved - (copy._catalog.log("a").end - (size - saved))
        assert 0 < left < 9999
        for length in range(left + 1 - 40, left + 1 + 3):
            shutil.rmtree(tmp_path / "copy")
            shutil.copytree(directory, tmp_path / "copy")
            with EventStore.open(tmp_path / "copy", model=dict) as copy:
                copy.save({**docs[-1], "n": 1}, note="x" * length)
                if copy._catalog.log("a").end == size:
                    break
        store.save({**docs[-1], "n": 1}, note="x" * length)
        assert store._catalog.log("a").end == size
        assert listed(store) == {"a": 42}


@pytest.mark.parametrize("lost", [True, False])
def test_a_log_that_no_index_knows_is_looked_for(tmp_path: Path, lost: bool) -> None:
    """Without an index, the first call on a session still builds on the version that is there."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.save(said(1))
        store.save({"id": "b"})
        store.delete("b")
    if lost:
        for path in (tmp_path / "store").glob("index.db*"):
            path.unlink()
    with EventStore.open(tmp_path / "store", model=dict) as store:
        assert store.save(said(2), expected=1).version == 2
        assert store.undelete("b").version == 3


def test_an_interrupted_leader_keeps_nobody_waiting() -> None:
    """Who is interrupted when it begins to lead a batch makes way for the next, unsynced."""

    class Leaving:
        """A lock whose first leaver is interrupted, having let go."""

        is_first = True

        def __enter__(self) -> None:
            """Take it."""
            lock.acquire()

        def __exit__(self, *error: object) -> None:
            """Let go, then raise once."""
            lock.release()
            if self.is_first:
                self.is_first = False
                raise KeyboardInterrupt

    synced: list[int] = []
    group = Group(synced.append)
    lock = group._guard
    group._guard = Leaving()  # type: ignore[assignment]
    with pytest.raises(KeyboardInterrupt):
        group.sync(1, lambda: synced.append(1))
    thread = threading.Thread(target=group.sync, args=(2, lambda: synced.append(2)), daemon=True)
    thread.start()
    thread.join(10)
    assert synced == [2]


def interrupted_at(number: int, work: Callable[[], object], rooms: tuple[str, ...] = ("",)) -> bool:
    """Do *work* with Ctrl-C before the call of some number in some rooms; whether it came."""
    left = [number]

    def count(frame: FrameType, event: str, _: Any) -> None:
        # A generator that goes on is not called, and is not interrupted there either.
        if event != "call" or frame.f_code.co_flags & CO_GENERATOR:
            return
        room = frame.f_code.co_filename
        if room.startswith(PACKAGE) and room.endswith(rooms):
            left[0] -= 1
            if left[0] < 0:
                raise KeyboardInterrupt

    sys.setprofile(count)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.setprofile(None)
    return left[0] < 0


@pytest.mark.parametrize("work", ["load", "sessions", "close"])
def test_an_interrupt_anywhere_leaves_no_lock_and_no_descriptor(tmp_path: Path, work: str) -> None:
    """Ctrl-C before any call leaves no lock, and no descriptor once the store is let go of."""
    with EventStore.open(tmp_path / "first", model=dict) as store:
        store.save(said(1))
    (tmp_path / "first" / "index.db").unlink()
    before = len(os.listdir("/dev/fd"))
    number, goes_on = 0, True
    while goes_on:
        directory = tmp_path / "store"
        shutil.copytree(tmp_path / "first", directory)
        store = EventStore.open(directory, model=dict)
        if work == "close":
            store.save(said(2))
        call: Callable[[], object] = {
            "load": partial(store.load, "a", at=1),
            "sessions": store.sessions,
            "close": store.close,
        }[work]
        goes_on = interrupted_at(number, call, HOLDING)
        assert not is_locked(directory), number
        with (directory / "format.json").open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        store.close()
        del store, call
        gc.collect()
        assert len(os.listdir("/dev/fd")) == before, number
        with EventStore.open(directory, model=dict) as store:
            assert listed(store) == {"a": 2 if work == "close" else 1}
        shutil.rmtree(directory)
        number += 1
    assert number > 5


@pytest.mark.parametrize("session", [None, "a"])
def test_an_interrupt_keeps_no_version_from_a_watch(tmp_path: Path, session: str | None) -> None:
    """Ctrl-C at any call of a watch, which goes on behind it, skips no version and repeats none."""
    number, goes_on = 0, True
    with EventStore.open(tmp_path / "store", model=dict) as store:
        for count in range(1, 4):
            store.save(said(count))
        while goes_on:
            store._catalog.forget("a")
            watch = store.watch(session, after=0, wait=0)
            found: list[int] = []

            def go_on(watch: Any = watch, found: Any = found) -> None:
                while (version := watch.poll()) is not None:
                    found.append(version.version)

            goes_on = interrupted_at(number, go_on)
            go_on()
            assert found == [1, 2, 3], number
            number += 1
    assert number > 20


_SHORT_OF_MEMORY = """
import resource, sys
from pathlib import Path
from eventstore import EventStore

with EventStore.open(sys.argv[1], model=dict) as store:
    store.verify(["small"], deep=True)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    limit = int(status["VmSize"].split()[0]) * 1024 + 16 * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    for work in (
        lambda: store.load_bytes("a", at=1),
        lambda: store.verify(["a"], deep=True),
        lambda: store.repair(["a"], apply=True),
    ):
        try:
            work()
        except MemoryError:
            print("MemoryError")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_a_lack_of_memory_is_no_damage(tmp_path: Path) -> None:
    """Where there is no memory for a state, it is not said to be damaged, nor repaired."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.save({"id": "small"})
        for number in range(3):
            store.save({"id": "a", "text": "x" * 64 * 2**20, "number": number})
        before = [version.commit for version in store.history("a")]
    run = [sys.executable, "-c", _SHORT_OF_MEMORY, str(tmp_path / "store")]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["MemoryError"] * 3
    with EventStore.open(tmp_path / "store", model=dict) as store:
        assert store.verify(deep=True).states == {"sound": 2}
        assert [version.commit for version in store.history("a")] == before


_SHORT_OF_WINDOW = """
import resource
from pathlib import Path
import zstandard
from eventstore.stream import Decompressor, read_stream

window = zstandard.ZstdCompressionParameters.from_level(3, window_log=26)
stream = zstandard.ZstdCompressor(compression_params=window).compressobj()
size = 80 * 2**20
body = stream.compress(bytes(size)) + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
limit = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize() + 30 * 2**20
resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
for work in (
    lambda: Decompressor(b"").add(body, size),
    lambda: read_stream([body], [1000], b""),
):
    try:
        work()
    except MemoryError as error:
        print(type(error.__cause__).__name__)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="limits memory as Linux does")
def test_a_lack_of_memory_that_zstd_tells_of_is_no_damage() -> None:
    """What a stream's window found no memory for is not said to be damaged."""
    run = [sys.executable, "-c", _SHORT_OF_WINDOW]
    done = subprocess.run(run, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["ZstdError"] * 2
