"""What a call costs, counted in calls of the file system; never in time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from eventstore import EventStore, SessionData
from eventstore.backends.file import FileBackend
from eventstore.fs import OsFileSystem

MANY = 300
COUNTED = frozenset(
    {
        "open",
        "close",
        "read_at",
        "write_at",
        "sync_data",
        "sync_directory",
        "truncate",
        "write_back",
        "status",
        "status_at",
        "lock",
        "unlock",
        "make_directory",
        "names",
        "rename",
        "remove",
    }
)


class CountingFileSystem(OsFileSystem):
    """The real disk, with a note of every call and of what was opened."""

    def __init__(self) -> None:
        """Start with nothing counted."""
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.opened: list[Path] = []
        self.bytes_read = 0

    def __getattribute__(self, name: str) -> Any:
        """Count a call when its method is looked up."""
        found = super().__getattribute__(name)
        if name in COUNTED:
            super().__getattribute__("calls")[name] += 1
        return found

    def open(self, path: Path | str, *, write: bool = False, create: bool = False) -> int:
        """Note which file was opened."""
        self.opened.append(Path(path))
        return super().open(path, write=write, create=create)

    def read_at(self, fd: int, size: int, offset: int) -> bytes:
        """Count the bytes."""
        data = super().read_at(fd, size, offset)
        self.bytes_read += len(data)
        return data


class Counted:
    """A store whose calls are counted."""

    def __init__(self, directory: Path) -> None:
        """Open the store."""
        self.fs = CountingFileSystem()
        self.store = EventStore(FileBackend(directory, fs=self.fs))

    def cost(self, work: Callable[[EventStore], Any]) -> tuple[dict[str, int], list[str]]:
        """Return the calls that *work* made and the suffixes of the files it opened."""
        self.fs.calls.clear()
        self.fs.bytes_read = 0
        self.fs.opened.clear()
        work(self.store)
        return dict(self.fs.calls), [path.suffix for path in self.fs.opened]


@pytest.fixture(scope="module")
def populated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A closed store with many sessions."""
    directory = tmp_path_factory.mktemp("budget") / "store"
    with EventStore.open(directory, durability="unsafe_os") as store:
        for number in range(MANY):
            store.save(SessionData(id=f"other-{number}", created_at=1, updated_at=number))
        assert len(store.list()) == MANY
    return directory


@pytest.fixture(params=["empty", "populated"])
def counted(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Counted]:
    """A counted store, alone or among many sessions."""
    directory = tmp_path / "store"
    if request.param == "populated":
        directory = request.getfixturevalue("populated")
    made = Counted(directory)
    yield made
    made.store.close()


def session(number: int) -> SessionData:
    """Return one of several states of a session."""
    return SessionData(id="s", created_at=1, updated_at=10**6, model_name=f"model {number}")


def test_a_save_is_one_write_and_one_sync(counted: Counted) -> None:
    """A warm save writes once, syncs once, and looks once for what others appended."""
    counted.store.save(session(0), key="the first key reads the history once")
    for number, save in enumerate(
        (
            lambda store: store.save(session(1)),
            lambda store: store.save(session(2), trace_events=[], parts={"mine": 1}, key="k"),
            lambda store: store.save_artifacts("s", {"artifacts": []}, expected=3),
            lambda store: store.save_states("s", {"mine": b"[1,2]"}, note="n"),
            lambda store: store.delete("s"),
        )
    ):
        calls, opened = counted.cost(save)
        assert opened == [], number
        calls = {name: count for name, count in calls.items() if not name.startswith("status")}
        assert calls == {
            "lock": 1,
            "write_at": 1,
            "write_back": 1,
            "sync_data": 1,
            "unlock": 1,
            "read_at": 1,
        }, number
        assert counted.fs.bytes_read <= 100, number
    counted.store.save(session(3))


def test_a_save_that_changes_nothing_costs_nothing(counted: Counted) -> None:
    """Saving equal bytes takes no lock and writes no byte."""
    counted.store.save(session(0))
    counted.store.save(session(1))
    calls, opened = counted.cost(lambda store: store.save(session(1)))
    assert opened == []
    assert not calls.keys() & {"lock", "write_at", "sync_data"}
    assert calls["read_at"] == 1


def test_a_first_save_costs_the_same_everywhere(tmp_path: Path, populated: Path) -> None:
    """A new session among many costs the very calls that it costs in an empty store."""
    costs = []
    for directory in (tmp_path / "store", populated):
        made = Counted(directory)
        made.store.save(SessionData(id="warm"))
        # Another session of the same shard, so that the directory is there already.
        made.store.save(SessionData(id="same-shard"))
        made.store.delete("same-shard")
        costs.append(
            made.cost(lambda store: store.save(SessionData(id="same-shard", updated_at=5)))
        )
        made.store.close()
    assert costs[0] == costs[1]
    assert costs[0][0]["write_at"] == costs[0][0]["sync_data"] == 1


def test_a_new_session_is_made_without_being_looked_for(populated: Path) -> None:
    """A session that the index does not know opens its log once: to make it."""
    made = Counted(populated)
    made.store.save(session(0), id="warm")
    calls, opened = made.cost(lambda store: store.save(session(1), id="other-7/new"))
    assert opened == [".log"]
    assert "read_at" not in calls
    assert (calls["lock"], calls["sync_data"], calls["sync_directory"]) == (1, 1, 1)
    assert calls["write_at"] == 2, "the log, and the mark for the index"
    made.store.delete("other-7/new")
    made.store.delete("warm")
    made.store.close()


def test_a_load_reads_a_bounded_number_of_times(counted: Counted) -> None:
    """Loading the newest state, warm, takes no lock and reads at most its own frame twice."""
    for number in range(20):
        counted.store.save(session(number))
    for work in (lambda store: store.load("s"), lambda store: store.load("s", at=7)):
        counted.store.load("s", at=7)
        calls, opened = counted.cost(work)
        assert opened == []
        assert calls["read_at"] <= 6
        assert not calls.keys() & {"lock", "write_at", "sync_data"}


def test_lists_open_no_log(populated: Path) -> None:
    """Opening a store and listing it reads the index and not one of the logs."""
    made = Counted(populated)
    assert ".log" not in [path.suffix for path in made.fs.opened]
    for work in (
        lambda store: store.list(),
        lambda store: store.sessions(limit=50),
        lambda store: store.sessions(limit=50, order_by="name", parent="p"),
        lambda store: store.sessions(limit=50, after=store.sessions(limit=1).next),
    ):
        calls, opened = made.cost(work)
        assert ".log" not in opened
        assert not calls.keys() & {"read_at", "write_at", "sync_data"}
        assert calls["names"] <= 2
    assert len(made.store.list()) >= MANY
    made.store.close()


def test_a_list_after_saves_opens_no_log_either(populated: Path) -> None:
    """What this store saved itself is listed without asking the logs."""
    made = Counted(populated)
    made.store.save(session(0))
    made.store.delete("s")
    made.store.save(session(1))
    _, opened = made.cost(lambda store: store.list())
    assert ".log" not in opened
    assert "s" in made.store.list()
    made.store.delete("s")
    made.store.close()


def test_a_session_is_found_without_looking_at_others(populated: Path) -> None:
    """Loading one session of many opens one log."""
    made = Counted(populated)
    _, opened = made.cost(lambda store: store.load("other-7"))
    assert opened.count(".log") == 1
    made.store.close()


@pytest.mark.parametrize("order_by", ["updated_at", "id"])
def test_the_first_list_of_a_new_store_reads_no_log(tmp_path: Path, order_by: str) -> None:
    """A store that was new when its first session was saved is listed without walking its logs."""
    counted = Counted(tmp_path / "store")
    with counted.store as store:
        for number in range(5):
            store.save(SessionData(id=f"s{number}"))
        calls, opened = counted.cost(lambda s: s.sessions(order_by=order_by))
        assert ".log" not in opened
        assert calls.get("read_at", 0) == 0
        assert calls.get("names", 0) <= 1  # Everybody's marks.
