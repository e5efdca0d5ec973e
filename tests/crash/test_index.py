"""The index lost, damaged or late: lists are right at the next use, and no save ever fails."""

from __future__ import annotations

import fcntl
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from eventstore import CorruptError, EventStore
from eventstore.fs import OsFileSystem
from eventstore.marks import Marks, _ids
from eventstore.session_info import Row
from tests.crash.stores import make, opened

ROOT = Path(__file__).resolve().parents[2]


def other_database(path: Path) -> None:
    """Put a database in the place of the index that is none of ours."""
    path.unlink()
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE sessions (id TEXT, something BLOB)")
    connection.execute("INSERT INTO sessions VALUES ('x', 'y')")
    connection.commit()
    connection.close()


def middle(path: Path) -> None:
    """Overwrite the middle of the index with garbage."""
    size = path.stat().st_size
    with path.open("r+b") as file:
        file.seek(size // 4)
        file.write(b"\xa5garbage" * (size // 16))


def cut(numerator: int, denominator: int) -> Callable[[Path], None]:
    """Return what truncates the index to a fraction of its size."""
    return lambda path: os.truncate(path, path.stat().st_size * numerator // denominator)


def no_text(path: Path) -> None:
    """Damage the tables' own descriptions, so that SQLite quotes in its error what is no text."""
    path.write_bytes(path.read_bytes().replace(b"WITHOUT ROWID", b"WITHOUT ROWI\xc3"))


def as_directory(path: Path) -> None:
    """Make the index a directory with something in it."""
    path.unlink()
    path.mkdir()
    (path / "file").touch()


def beside(suffix: str, *, remove: bool) -> Callable[[Path], None]:
    """Return what leaves garbage in a file beside the index, which may itself be gone."""

    def harm(path: Path) -> None:
        path.with_name(path.name + suffix).write_bytes(b"\xa5" * 40_000)
        if remove:
            path.unlink()

    return harm


HARM: dict[str, Callable[[Path], None]] = {
    "deleted": Path.unlink,
    "empty": cut(0, 1),
    "cut-to-a-quarter": cut(1, 4),
    "cut-to-a-half": cut(1, 2),
    "cut-to-a-page": lambda path: os.truncate(path, 4096),
    "cut-in-the-header": lambda path: os.truncate(path, 50),
    "one-byte-short": lambda path: os.truncate(path, path.stat().st_size - 1),
    "garbage": lambda path: path.write_bytes(b"\xa5" * path.stat().st_size) and None,
    "text": lambda path: path.write_text("not a database") and None,
    "garbage-in-the-middle": middle,
    "another-database": other_database,
    "no-text": no_text,
    "directory": as_directory,
    "wal": beside("-wal", remove=False),
    "shm": beside("-shm", remove=False),
    "journal": beside("-journal", remove=False),
    "wal-alone": beside("-wal", remove=True),
    "shm-alone": beside("-shm", remove=True),
}
HARMED = pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())


def check_lists(store: EventStore, expected: dict[str, int]) -> None:
    """Check that lists say exactly which sessions there are, each at its newest version."""
    assert store.list() == sorted(expected)
    assert {info.id: info.version for info in store.sessions()} == expected
    assert not any(info.damaged for info in store.sessions())
    assert store.stats().versions == sum(expected.values())


def check_saves(store: EventStore) -> None:
    """Save to an old and a new session; neither may fail, whatever became of the index."""
    store.save({"id": "a", "n": 6})
    store.save({"id": "c"})
    assert store.load("a") == {"id": "a", "n": 6}
    assert store.exists("c")


@HARMED
@pytest.mark.parametrize("first", ["list", "save"])
def test_a_harmed_index_is_made_anew(
    tmp_path: Path, harm: Callable[[Path], None], first: str
) -> None:
    """Whatever happened to the index between two opens, lists are right and saves work."""
    known = make(tmp_path / "store")
    with opened(known.directory) as store:
        check_lists(store, {"a": 5, "b": 1})
    harm(known.directory / "index.db")
    with opened(known.directory) as store:
        if first == "list":
            check_lists(store, {"a": 5, "b": 1})
        check_saves(store)
        check_lists(store, {"a": 6, "b": 1, "c": 1})
    with opened(known.directory) as store:
        check_lists(store, {"a": 6, "b": 1, "c": 1})


@HARMED
@pytest.mark.parametrize("pending", [True, False], ids=["pending", "idle"])
def test_an_index_harmed_under_a_live_process_is_made_anew(
    tmp_path: Path, harm: Callable[[Path], None], pending: bool
) -> None:
    """Whatever happens to the index of open stores, both see what either saves, then and later."""
    known = make(tmp_path / "store")
    with opened(known.directory) as store, opened(known.directory) as other:
        check_lists(store, {"a": 5, "b": 1})
        check_lists(other, {"a": 5, "b": 1})
        if pending:
            store.save({"id": "p"})
        harm(known.directory / "index.db")
        check_saves(store)
        expected = {"a": 6, "b": 1, "c": 1} | ({"p": 1} if pending else {})
        check_lists(other, expected)
        check_lists(store, expected)
        other.save({"id": "o"})
        check_lists(store, expected | {"o": 1})
    with opened(known.directory) as store:
        check_lists(store, expected | {"o": 1})


def test_all_derived_files_may_be_deleted_between_two_uses(tmp_path: Path) -> None:
    """A live process goes on after index, WAL and shared memory were deleted, losing no row."""
    known = make(tmp_path / "store")
    with opened(known.directory) as store, opened(known.directory) as other:
        for number in range(5):
            store.save({"id": f"s{number}"})
            for path in known.directory.glob("index.db*"):
                path.unlink()
            expected = {"a": 5, "b": 1} | {f"s{n}": 1 for n in range(number + 1)}
            check_lists(other, expected)
            check_lists(store, expected)


@pytest.mark.parametrize("name", ["feed.db", "search.db"])
def test_derived_files_whose_tables_are_no_text_are_made_anew(tmp_path: Path, name: str) -> None:
    """A feed and a search index are made anew where SQLite cannot even say what is wrong."""
    make(tmp_path / "store")
    for _ in range(2):
        with EventStore.open(tmp_path / "store", model=dict, search=True) as store:
            store.save({"id": "c", "messages": [{"role": "user", "content": "quite alone"}]})
            assert len(list(store.watch(after=0, wait=0))) == 7
            assert [hit.session for hit in store.search("alone")] == ["c"]
        assert b"WITHOUT ROWID" in (tmp_path / "store" / name).read_bytes()
        no_text(tmp_path / "store" / name)


def killed(directory: Path, *lines: str) -> None:
    """Run *lines* on a store in a process that kills itself before the index learns of a save."""
    code = f"""
import os, signal
from eventstore import EventStore
from eventstore.index import Index
store = EventStore.open({str(directory)!r}, model=dict)
def die(*_, **__):
    os.kill(os.getpid(), signal.SIGKILL)
def arm():
    Index.tell = die
"""
    done = subprocess.run(
        [sys.executable, "-c", code + "\n".join(lines)],
        cwd=ROOT,
        capture_output=True,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr.decode()


@pytest.mark.parametrize("listed", [True, False], ids=["listed", "never-listed"])
@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["arm()", "store.save({'id': 'new'})"], {"a": 5, "b": 1, "new": 1}),
        (["arm()", "store.save({'id': 'a', 'n': 6})"], {"a": 6, "b": 1}),
        (["arm()", "store.delete('a')"], {"b": 1}),
        (
            ["store.save({'id': 'x'})", "store.list()", "arm()", "store.save({'id': 'x', 'n': 2})"],
            {"a": 5, "b": 1, "x": 2},
        ),
    ],
    ids=["new", "old", "delete", "again"],
)
def test_a_process_killed_before_the_index_learns(
    tmp_path: Path, lines: list[str], expected: dict[str, int], listed: bool
) -> None:
    """A save that was durable when its process was killed is listed at the very next use."""
    known = make(tmp_path / "store")
    with opened(known.directory) as store, opened(known.directory) as live:
        if listed:
            assert store.list() == live.list() == ["a", "b"]
        killed(known.directory, *lines)
        assert store.list() == sorted(expected)
        assert {info.id: info.version for info in live.sessions()} == expected
    with opened(known.directory) as store:
        assert {info.id: info.version for info in store.sessions()} == expected
    assert not list((known.directory / "marks").iterdir())


def test_a_process_killed_with_many_saves_pending(tmp_path: Path) -> None:
    """All saves that a killed process had not told the index of are listed, once it is dead."""
    known = make(tmp_path / "store")
    with opened(known.directory) as store:
        assert store.list() == ["a", "b"]
    lines = ["for n in range(700): store.save({'id': f's{n % 600:03}', 'n': n})", "die()"]
    killed(known.directory, *lines)
    with opened(known.directory) as store:
        assert store.list() == ["a", "b", *(f"s{n:03}" for n in range(600))]
        versions = {info.id: info.version for info in store.sessions(limit=1000)}
        assert all(versions[f"s{n:03}"] == (2 if n < 100 else 1) for n in range(600))


def test_what_another_process_has_not_told_yet_is_listed(tmp_path: Path) -> None:
    """Saves of a live process are listed by others from the moment they are acknowledged."""
    known = make(tmp_path / "store")
    code = f"""
import sys
from eventstore import EventStore
store = EventStore.open({str(known.directory)!r}, model=dict)
for line in sys.stdin:
    print(store.save({{"id": line.strip()}}).version, flush=True)
"""
    with (
        opened(known.directory) as store,
        subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as writer,
    ):
        assert writer.stdin is not None
        assert writer.stdout is not None
        assert store.list() == ["a", "b"]
        for number in range(5):
            writer.stdin.write(f"s{number}\n")
            writer.stdin.flush()
            assert writer.stdout.readline() == "1\n"
            assert store.list() == ["a", "b", *(f"s{n}" for n in range(number + 1))]
        writer.stdin.close()
        assert writer.wait() == 0
        assert len(store.list()) == 7


def test_a_full_check_replaces_no_newer_row(tmp_path: Path) -> None:
    """A row that another process wrote during a full check is not replaced by an older one."""
    known = make(tmp_path / "store")
    with opened(known.directory) as store, opened(known.directory) as other:
        assert other.list() == ["a", "b"]
        # Fails at once, where it would wait for the check to end.
        other._catalog.index._database.connection().execute("PRAGMA busy_timeout = 0")
        index = store._catalog.index
        read = index._tables._read_row

        def reading(session: str) -> Row | None:
            row = read(session)
            if session == "a":
                other.save({"id": "a", "n": 6})
                other._catalog.index._flush()
            return row

        index._tables._read_row = reading  # type: ignore[method-assign]
        connection = index._database.connection()
        with connection:
            connection.execute("UPDATE sessions SET stored = 0 WHERE id = 'a'")
        index._tables.distrust()
        store.list()
        index._tables._read_row = read  # type: ignore[method-assign]
        assert {info.id: info.version for info in store.sessions()} == {"a": 6, "b": 1}


@pytest.mark.parametrize("more", ["", "{", "[]", "[1]", '{"a": 1}', "5", "[" * 5000])
def test_a_row_that_lies_is_refused_when_it_is_looked_at(tmp_path: Path, more: str) -> None:
    """What the index keeps of a session in one value is checked before it is shown."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.save({"id": "a", "messages": [1]})
        assert len(store.sessions()) == 1
        connection = store._catalog.index._database.connection()
        with connection:
            connection.execute("UPDATE sessions SET more = ?", (more,))
        (info,) = store.sessions()
        assert (info.id, info.version) == ("a", 1)
        with pytest.raises(CorruptError, match="index cannot be read"):
            assert info.messages == 1
        (tmp_path / "store" / "index.db").unlink()
        (info,) = store.sessions()
        assert (info.messages, info.deleted) == (1, False)


def test_a_busy_index_is_not_thrown_away(tmp_path: Path) -> None:
    """While another program blocks the index, lists are right and it stays where it is."""
    known = make(tmp_path / "store")
    path = known.directory / "index.db"
    with opened(known.directory) as store, opened(known.directory) as other:
        assert store.list() == other.list() == ["a", "b"]
        inode = path.stat().st_ino
        store._catalog.index._database.connection().execute("PRAGMA busy_timeout = 0")
        blocker = sqlite3.connect(path)
        try:
            blocker.execute("BEGIN IMMEDIATE")
            store.save({"id": "c"})
            check_lists(store, {"a": 5, "b": 1, "c": 1})
            store.save({"id": "d"})
            check_lists(store, {"a": 5, "b": 1, "c": 1, "d": 1})
        finally:
            blocker.close()
        assert path.stat().st_ino == inode
        check_lists(other, {"a": 5, "b": 1, "c": 1, "d": 1})
    with opened(known.directory) as store:
        check_lists(store, {"a": 5, "b": 1, "c": 1, "d": 1})


class Crashing(OsFileSystem):
    """A disk whose process dies at one of its writing calls."""

    def __init__(self) -> None:
        """Live on until told otherwise."""
        super().__init__()
        self.left = 10**9

    def _count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise KeyboardInterrupt

    def write_at(self, fd: int, data: bytes, offset: int) -> None:
        """Write, if still alive."""
        self._count()
        super().write_at(fd, data, offset)

    def truncate(self, fd: int, size: int) -> None:
        """Truncate, if still alive."""
        self._count()
        super().truncate(fd, size)


@pytest.mark.parametrize("calls", range(4))
@pytest.mark.parametrize("kept", [{"b"}, {"a", "long-id"}, {'é"x\\', "c"}])
def test_marks_that_are_kept_are_never_missing(tmp_path: Path, calls: int, kept: set[str]) -> None:
    """Wherever a process dies while taking marks away, those it keeps are found, or all count."""
    fs = Crashing()
    marks = Marks(fs, tmp_path)
    for session in ("a", "b", "c", "long-id", 'é"x\\'):
        marks.add(session)
    fs.left = calls
    with suppress(KeyboardInterrupt):
        marks.keep(kept)
    (path,) = (tmp_path / "marks").iterdir()
    found = _ids(path.read_bytes())
    assert found is None or kept <= found
    marks.abandon()


def test_the_marks_of_the_dead_are_locked_until_they_are_removed(tmp_path: Path) -> None:
    """While one process adopts a file of marks, no other can take it for its own."""
    known = make(tmp_path / "store")
    with opened(known.directory) as store:
        store.list()
        path = known.directory / "marks" / "1-f"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b'"a"\n')
        index = store._catalog.index
        read: Callable[[str], Any] = index._tables._read_row
        tried = []

        def reading(session: str) -> Row | None:
            with path.open("rb") as file, pytest.raises(BlockingIOError):
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            tried.append(session)
            return read(session)

        index._tables._read_row = reading  # type: ignore[method-assign]
        assert store.list() == ["a", "b"]
        assert tried == ["a"]
        assert not path.exists()


def test_marks_that_cannot_be_written_fail_no_save(tmp_path: Path) -> None:
    """Where marks cannot be kept, saves work, and others list them all the same."""
    known = make(tmp_path / "store")
    marks = known.directory / "marks"
    if marks.exists():
        marks.rmdir()
    marks.write_bytes(b"")
    with opened(known.directory) as store, opened(known.directory) as other:
        assert store.list() == other.list() == ["a", "b"]
        store.save({"id": "c"})
        assert other.list() == ["a", "b", "c"]
        marks.unlink()
        store.save({"id": "d"})
        store.save({"id": "e"})
        assert other.list() == ["a", "b", "c", "d", "e"]
