"""Opening, closing, checking, pickling and forking a store."""

from __future__ import annotations

import copy
import gc
import json
import os
import pickle
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from eventstore import (
    BackendError,
    ConflictError,
    CorruptError,
    EventStore,
    EventStoreError,
    InvalidInputError,
    SessionData,
    UnsupportedError,
    errors,
)
from eventstore.models.a3s import LlmConfigData


def in_a_child(work: Callable[[], None]) -> None:
    """Run *work* in a forked child and fail unless it ends well."""
    child = os.fork()
    if not child:
        status = 1
        try:
            work()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0


def test_a_missing_directory_becomes_a_private_store(tmp_path: Path) -> None:
    """Opening makes the directory, and what is in it, for its owner only."""
    with EventStore.open(tmp_path / "store") as store:
        store.save(SessionData(id="s"))
        store.list()
        found = [tmp_path / "store", *(tmp_path / "store").rglob("*")]
        open_to_others = [path.name for path in found if path.lstat().st_mode & 0o077]
    assert len(found) > 5
    assert open_to_others == []


def test_locations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store is found by path, by path-like, relative path, home and URL alike."""
    with EventStore.open(tmp_path / "a store") as store:
        store.save(SessionData(id="s"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = str(tmp_path).replace(" ", "%20")
    for location in (
        str(tmp_path / "a store"),
        "a store",
        "./a store/",
        "~/a store",
        f"file://{folder}/a%20store",
        f"file://localhost{folder}/a%20store",
    ):
        with EventStore.open(location, create=False) as store:
            assert store.list() == ["s"]


@pytest.mark.parametrize(
    "location",
    ["", "\0", "s3://bucket", "postgresql://host/db", "file://host/path", b"bytes", 5, None],
)
def test_locations_nobody_serves_are_refused(location: Any) -> None:
    """A location that is no path and no known URL is bad input."""
    with pytest.raises(InvalidInputError) as caught:
        EventStore.open(location)
    assert caught.value.field == "location"


def test_memory_stores_are_apart() -> None:
    """Each opening of `memory://` is a store of its own, gone when closed."""
    with EventStore.open("memory://") as one, EventStore.open("memory://") as two:
        one.save(SessionData(id="s"))
        assert two.list() == []


@pytest.mark.parametrize(
    "options",
    [{"durability": "none"}, {"durability": None}, {"model": int}, {"model": None}, {"model": {}}],
)
def test_unknown_options_are_refused(location: str, options: dict[str, Any]) -> None:
    """An option that means nothing is bad input that names it, and makes no store."""
    with pytest.raises(InvalidInputError) as caught:
        EventStore.open(location, **options)
    assert caught.value.field in options
    assert location == "memory://" or not Path(location).exists()


def test_create_off_never_makes_a_store(tmp_path: Path) -> None:
    """With `create=False` what is not a store is refused and left as it is."""
    with pytest.raises(BackendError, match="there is no store"):
        EventStore.open(tmp_path / "none", create=False)
    assert not (tmp_path / "none").exists()
    (tmp_path / "empty").mkdir()
    with pytest.raises(InvalidInputError, match="is not a store"):
        EventStore.open(tmp_path / "empty", create=False)
    assert list((tmp_path / "empty").iterdir()) == []


def test_what_is_not_a_store_is_not_made_one(tmp_path: Path) -> None:
    """A directory of other things, a file, and a missing parent are refused and left alone."""
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "thesis.txt").write_text("x")
    with pytest.raises(InvalidInputError, match="is not a store"):
        EventStore.open(tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["thesis.txt"]
    (tmp_path / "file").write_text("x")
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere")
    for name in ("file", "missing/parent", "dangling"):
        with pytest.raises(BackendError):
            EventStore.open(tmp_path / name)
    assert (tmp_path / "file").read_text() == "x"
    assert not (tmp_path / "missing").exists()


def test_an_empty_directory_becomes_a_store(tmp_path: Path) -> None:
    """An existing directory with nothing in it will do."""
    with EventStore.open(tmp_path) as store:
        store.save(SessionData(id="s"))
    with EventStore.open(tmp_path, create=False) as store:
        assert store.exists("s")


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"{", CorruptError),
        (b"[]", CorruptError),
        (b'{"format":"other","version":1}', CorruptError),
        (b'{"format":"eventstore"}', CorruptError),
        (b"[" * 100_000, CorruptError),
        (b"\xff\xfe", CorruptError),
        (b'{"format":"eventstore","version":2}', UnsupportedError),
        (b'{"format":"eventstore","version":1,"required":["x"]}', UnsupportedError),
    ],
)
def test_a_format_that_is_not_known_is_refused(
    tmp_path: Path, content: bytes, error: type[EventStoreError]
) -> None:
    """What says it is of another format, or nothing sensible, is not opened and not repaired."""
    EventStore.open(tmp_path / "store").close()
    (tmp_path / "store" / "format.json").write_bytes(content)
    with pytest.raises(error):
        EventStore.open(tmp_path / "store")
    assert (tmp_path / "store" / "format.json").read_bytes() == content


def test_a_store_killed_while_it_was_founded_is_founded_again(tmp_path: Path) -> None:
    """An empty format file, all that a crash left, is no obstacle."""
    (tmp_path / "logs").mkdir()
    (tmp_path / "format.json").write_bytes(b"")
    with EventStore.open(tmp_path) as store:
        store.save(SessionData(id="s"))
    assert json.loads((tmp_path / "format.json").read_bytes())["format"] == "eventstore"


def test_a_copy_without_its_empty_directories_is_a_store(tmp_path: Path) -> None:
    """A store whose directory of logs was not copied because it was empty works."""
    EventStore.open(tmp_path / "store").close()
    (tmp_path / "store" / "logs").rmdir()
    with EventStore.open(tmp_path / "store") as store:
        assert store.list() == []
        store.save(SessionData(id="s"))
        assert store.load("s") is not None


@pytest.mark.parametrize("name", ["logs", "shard", "log"])
def test_symbolic_links_are_not_followed(tmp_path: Path, name: str) -> None:
    """Where a link stands for a part of the store, nothing is read or written through it."""
    with EventStore.open(tmp_path / "store") as store:
        store.save(SessionData(id="s"))
    (log,) = (tmp_path / "store" / "logs").rglob("*.log")
    path = {"logs": log.parent.parent, "shard": log.parent, "log": log}[name]
    path.rename(tmp_path / "moved")
    path.symlink_to(tmp_path / "moved")
    before = [p.read_bytes() for p in tmp_path.rglob("*.log") if not p.is_symlink()]
    with pytest.raises(BackendError), EventStore.open(tmp_path / "store") as store:
        store.save(SessionData(id="s", model_name="m"))
    assert [p.read_bytes() for p in tmp_path.rglob("*.log") if not p.is_symlink()] == before


def test_a_directory_where_a_log_should_be(tmp_path: Path) -> None:
    """A directory in the place of a log is an error for that session and no other."""
    with EventStore.open(tmp_path / "store") as store:
        store.save(SessionData(id="good"))
        path = store._backend._layout.path_of("bad")
        path.mkdir(parents=True)
        for call in (store.load, store.exists, lambda name: store.save(SessionData(id=name))):
            with pytest.raises(BackendError):
                call("bad")
        assert store.list() == ["good"]
        assert store.load("good") is not None


USES: list[Callable[[EventStore], Any]] = [
    lambda store: store.save(SessionData(id="t")),
    lambda store: store.save_artifacts("s", {"artifacts": []}),
    lambda store: store.save_trace_events("s", []),
    lambda store: store.save_run_records("s", []),
    lambda store: store.save_verification_reports("s", []),
    lambda store: store.save_states("s", {"session": b"{}"}),
    lambda store: store.load("s"),
    lambda store: store.load_artifacts("s"),
    lambda store: store.load_trace_events("s"),
    lambda store: store.load_run_records("s"),
    lambda store: store.load_verification_reports("s"),
    lambda store: store.load_part("s", "mine"),
    lambda store: store.load_bytes("s"),
    lambda store: store.list(),
    lambda store: store.exists("s"),
    lambda store: store.delete("s"),
    lambda store: store.undelete("s"),
    lambda store: store.sessions(),
    lambda store: list(store.history("s")),
    lambda store: store.version("s"),
    lambda store: store.stats(),
    lambda store: store.sync(),
    lambda store: store.health_check(),
]


@pytest.mark.parametrize("number", range(len(USES)))
def test_a_closed_store_says_so(location: str, number: int) -> None:
    """Every use after `close` is an error that says the store is closed."""
    store = EventStore.open(location)
    store.save(SessionData(id="s"))
    store.close()
    store.close()
    with pytest.raises(BackendError, match="the store is closed"):
        USES[number](store)
    assert store.backend_name() in repr(store)


def test_a_closed_store_left_nothing_open(tmp_path: Path) -> None:
    """Closing gives back every descriptor, however many sessions were used."""
    before = sorted(os.listdir("/proc/self/fd"))
    store = EventStore.open(tmp_path / "store")
    for number in range(20):
        store.save(SessionData(id=f"s{number}"))
    store.list()
    store.close()
    assert sorted(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize("half", ["_catalog", "_backend"])
def test_a_close_that_was_interrupted_can_be_repeated(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, half: str
) -> None:
    """Closing again does what an interrupt kept the first close from."""

    def interrupted() -> None:
        raise KeyboardInterrupt

    before = sorted(os.listdir("/proc/self/fd"))
    store = EventStore.open(tmp_path / "store")
    store.save(SessionData(id="s"))
    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(getattr(store, half), "close", interrupted)
        store.close()
    assert sorted(os.listdir("/proc/self/fd")) != before
    store.close()
    assert sorted(os.listdir("/proc/self/fd")) == before


def test_a_store_that_nobody_closed_leaves_nothing_open(tmp_path: Path) -> None:
    """Descriptors are given back with the memory, and what was saved is there and listed."""
    gc.collect()
    before = sorted(os.listdir("/proc/self/fd"))
    for durability in ("sync", "group", "unsafe_os"):
        store = EventStore.open(tmp_path / "store", model=dict, durability=durability)
        store.save({"id": durability})
        assert store.load(durability) == {"id": durability}
        del store
    gc.collect()
    assert sorted(os.listdir("/proc/self/fd")) == before
    with EventStore.open(tmp_path / "store", model=dict) as store:
        assert store.list() == ["group", "sync", "unsafe_os"]


def test_a_closed_store_gives_its_memory_back_at_once(location: str) -> None:
    """What was saved and loaded does not wait in memory for the garbage collector."""
    text = "x" * 1_000_000
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(3):
            with EventStore.open(location, model=dict) as opened:
                opened.save({"id": "s", "text": text})
                opened.save({"id": "s", "text": text, "more": [1]})
                opened.load_bytes("s")
        assert tracemalloc.get_traced_memory()[0] < len(text)
    finally:
        tracemalloc.stop()
        gc.enable()


def test_leaving_a_with_block_closes(location: str) -> None:
    """A store closes at the end of its block, also when an error ends it."""
    with pytest.raises(ZeroDivisionError), EventStore.open(location) as store:
        raise ZeroDivisionError
    with pytest.raises(BackendError):
        store.list()


def test_names(location: str) -> None:
    """A store says which backend it has and where it is."""
    with EventStore.open(location) as store:
        name = "memory" if location == "memory://" else "file"
        assert store.backend_name() == name
        assert repr(store).startswith(f"<EventStore {name}")
        assert name == "memory" or location in repr(store)


def test_a_healthy_store_leaves_no_probe(store: EventStore, location: str) -> None:
    """A health check writes, syncs and reads back, and removes what it wrote."""
    files = [] if location == "memory://" else sorted(Path(location).rglob("*"))
    store.health_check()
    assert files == ([] if location == "memory://" else sorted(Path(location).rglob("*")))


def test_a_pickled_store_opens_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store goes to another process as where it is and with which options."""
    monkeypatch.chdir(tmp_path)
    options: dict[str, Any] = {"model": dict, "state_size_max": 1000}
    with EventStore.open("store", **options) as store:
        store.save({"id": "s"})
        monkeypatch.chdir("/")
        for twin in (pickle.loads(pickle.dumps(store)), copy.copy(store)):
            with twin:
                assert twin.load("s", at=1) == {"id": "s"}
                with pytest.raises(InvalidInputError):
                    twin.save({"id": "t", "text": "x" * 1000})
                twin.save({"id": "s", "n": twin.version("s").version})
        assert store.version("s").version == 3  # type: ignore[union-attr]
        pickled = pickle.dumps(store)
    (tmp_path / "store").rename(tmp_path / "moved")
    with pytest.raises(BackendError):
        pickle.loads(pickled)
    assert not (tmp_path / "store").exists()


def test_a_store_in_memory_cannot_be_pickled() -> None:
    """Copying what lives in this process fails loudly instead of giving an empty store."""
    with EventStore.open("memory://") as store:
        for make in (pickle.dumps, copy.copy, copy.deepcopy):
            with pytest.raises(TypeError, match="memory"):
                make(store)


def test_values_and_errors_pickle(store: EventStore) -> None:
    """What a store returns and raises survives a process border with all it says."""
    version = store.save(SessionData(id="s"))
    for value in (version, store.sessions(), store.stats()):
        assert pickle.loads(pickle.dumps(value)) == value
    with pytest.raises(ConflictError) as caught:
        store.save(SessionData(id="s", model_name="m"), expected=7)
    twin = pickle.loads(pickle.dumps(caught.value))
    assert type(twin) is ConflictError
    assert (str(twin), vars(twin)) == (str(caught.value), vars(caught.value))
    for name in ("CorruptError", "DurabilityError", "ErasedError", "HeldError", "UnsupportedError"):
        error = getattr(errors, name)("m", session="s", version=2, where="w", field="f", hint="h")
        assert vars(pickle.loads(pickle.dumps(error))) == vars(error)


def test_a_forked_child_and_its_parent_both_go_on(tmp_path: Path) -> None:
    """A child may use the store it inherited; what either saves, both see."""
    with EventStore.open(tmp_path / "store") as store:
        store.save(SessionData(id="before"))
        store.list()

        def work() -> None:
            assert store.list() == ["before"]
            store.save(SessionData(id="child"))
            store.save(SessionData(id="before", model_name="child"))
            assert store.list() == ["before", "child"]
            store.close()

        in_a_child(work)
        assert store.save(SessionData(id="before", model_name="parent")).version == 3
        store.save(SessionData(id="after"))
        assert store.list() == ["after", "before", "child"]
    with EventStore.open(tmp_path / "store") as store:
        assert store.list() == ["after", "before", "child"]


def test_a_child_that_does_not_close_loses_nothing(tmp_path: Path) -> None:
    """What a child saved before it was gone is listed by the others."""
    with EventStore.open(tmp_path / "store") as store:
        in_a_child(lambda: store.save(SessionData(id="child")) and None)
        assert store.list() == ["child"]


def test_a_fork_during_a_save_leaves_the_lock_with_the_parent(tmp_path: Path) -> None:
    """A child that is born while a log is locked neither holds nor breaks that lock."""
    with EventStore.open(tmp_path / "store") as store:
        store.save(SessionData(id="s"))
        backend = store._backend

        def work() -> None:
            with EventStore.open(tmp_path / "store") as other:
                file = other._backend._files._open("s", False)
                assert not other._backend.fs.lock(file.fd, wait=False)
                other._backend.fs.close(file.fd)

        with backend.writing("s"):
            in_a_child(work)
        assert store.save(SessionData(id="s", model_name="m")).version == 2


def test_a_forked_memory_store_is_a_copy() -> None:
    """A child of a store in memory has the sessions as they were, and its own future."""
    with EventStore.open("memory://") as store:
        store.save(SessionData(id="before"))

        def work() -> None:
            assert store.list() == ["before"]
            store.save(SessionData(id="child"))
            assert store.list() == ["before", "child"]

        in_a_child(work)
        assert store.list() == ["before"]


def test_unsafe_os_is_durable_after_sync(tmp_path: Path) -> None:
    """The quicker mode saves and loads all the same, and `sync` can be called in any mode."""
    for durability in ("unsafe_os", "sync"):
        with EventStore.open(tmp_path / "store", durability=durability) as store:  # type: ignore[arg-type]
            store.save(SessionData(id="s", model_name=durability))
            store.sync()
            store.sync()
            assert store.load("s").model_name == durability


@pytest.mark.parametrize("between", ["nothing", "a list", "another store", "one open before"])
@pytest.mark.parametrize("last", [2, 3])
def test_what_sync_made_durable_is_never_taken_for_a_torn_end(
    tmp_path: Path, last: int, between: str
) -> None:
    """Damage to a version that `sync` acknowledged is an error, with later versions and without."""
    location = tmp_path / "store"
    with EventStore.open(location, model=dict, durability="unsafe_os") as store:
        store.save({"id": "s", "n": 1})
        store.save({"id": "s", "n": 2})
        later = store
        if between == "a list":
            store.list()
        elif between == "one open before":
            later = EventStore.open(location, model=dict, durability="unsafe_os")
            later.load("s")
        store.sync()
        path = next((location / "logs").rglob("*.log"))
        end = len(path.read_bytes().rstrip(b"\0"))
        if between == "another store":
            later = EventStore.open(location, model=dict, durability="unsafe_os")
        for n in range(3, last + 1):
            later.save({"id": "s", "n": n})
        later.close()
    data = bytearray(path.read_bytes())
    data[end - 20] ^= 1
    if last > 2:
        data[-20] ^= 1
    path.write_bytes(data)
    with EventStore.open(location, model=dict) as store:
        assert store.load("s", at=1) == {"id": "s", "n": 1}
        with pytest.raises(CorruptError):
            store.load("s")
        with pytest.raises(CorruptError):
            store.save({"id": "s", "n": 9})
        assert not store.verify().is_sound


@pytest.mark.damage
@pytest.mark.parametrize("reopened", [False, True])
def test_later_saves_without_a_sync_tell_of_the_one_before(
    tmp_path: Path, *, reopened: bool
) -> None:
    """A log says itself up to where it was made durable last, and needs no index for that."""
    location = tmp_path / "store"
    store = EventStore.open(location, model=dict, durability="unsafe_os")
    store.save({"id": "s"})
    end = store.save({"id": "s", "n": 2}).stored + store.version("s", 1).stored
    store.sync()
    if reopened:
        store.close()
        store = EventStore.open(location, model=dict, durability="unsafe_os")
    store.save({"id": "s", "n": 3})
    store.save({"id": "s", "n": 4})
    store.close()
    (location / "index.db").unlink()
    path = next((location / "logs").rglob("*.log"))
    data = bytearray(path.read_bytes().rstrip(b"\0"))
    data[end - 20] ^= 1
    data[-20] ^= 1
    path.write_bytes(data)
    with EventStore.open(location, model=dict) as store:
        with pytest.raises(CorruptError):
            store.load("s")
        with pytest.raises(CorruptError):
            store.save({"id": "s", "n": 9})


@pytest.mark.parametrize("durability", ["sync", "unsafe_os"])
def test_a_log_that_went_after_it_was_synced_is_missed(tmp_path: Path, durability: str) -> None:
    """What `sync` acknowledged and is gone is not begun anew."""
    with EventStore.open(tmp_path / "store", model=dict, durability="unsafe_os") as store:
        store.save({"id": "s"})
        store.sync()
    next((tmp_path / "store" / "logs").rglob("*.log")).unlink()
    with EventStore.open(tmp_path / "store", model=dict, durability=durability) as store:
        with pytest.raises(CorruptError):
            store.load("s")
        with pytest.raises(CorruptError):
            store.save({"id": "s", "n": 9})


def test_a_store_of_another_model_loads_what_it_understands(tmp_path: Path) -> None:
    """The model is the opener's choice, not the store's."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.save({"id": "s", "provider": "p", "model": "m", "base_url": None})
    with EventStore.open(tmp_path / "store", model=LlmConfigData) as store:
        assert store.load("s").provider == "p"
