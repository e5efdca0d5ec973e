"""Going on from an earlier version: restore, fork, and the tree of what came from what."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from random import Random
from typing import Any

import pytest

from eventstore import (
    AsyncEventStore,
    ConflictError,
    CorruptError,
    ErasedError,
    EventStore,
    InvalidInputError,
    SessionData,
)
from eventstore.backends.log_names import log_name, shard
from eventstore.lineage import TreeNode
from eventstore.rewrite import rewritten


@pytest.fixture
def plain(location: str) -> Any:
    """An open store of plain dicts, of each backend."""
    with EventStore.open(location, model=dict) as opened:
        yield opened


def shape(nodes: Any) -> list[tuple[str, int, str, str | None, int | None]]:
    """Return what a tree says, without what lists say of each session."""
    return [(n.session.id, n.depth, n.link, n.above, n.version) for n in nodes]


def states(store: EventStore, id: str, at: int | None = None) -> dict[str, bytes]:
    """Return all states of a version."""
    version = store.version(id, at)
    assert version is not None
    found = {part: store.load_bytes(id, part, at=version.version) for part in version.parts}
    return {part: state for part, state in found.items() if state is not None}


def test_a_restored_version_is_the_newest_and_all_others_stay(plain: EventStore) -> None:
    """A restore brings back every part, ends those that were not there, and stores no state."""
    long = {"id": "s", "text": "x" * 5000}
    first = plain.save(long, parts={"mine": {"a": 1}})
    plain.save({"id": "s", "n": 2}, parts={"later": [1]})
    version = plain.restore("s", at=1, actor="me", note="wrong turn")
    assert (version.version, version.kind, version.ref) == (3, "restore", {"seq": 1})
    assert (version.actor, version.note) == ("me", "wrong turn")
    assert states(plain, "s") == states(plain, "s", 1)
    assert version.address == first.address
    assert version.stored < 1500
    assert [v.version for v in plain.history("s")] == [3, 2, 1]
    assert plain.load_part("s", "later", at=2) == [1]
    assert plain.load_part("s", "later") is None
    assert plain.save({"id": "s", "n": 4}).version == 4
    assert plain.load("s", at=3) == long


def test_lists_say_what_was_restored(plain: EventStore) -> None:
    """The index follows a restore, though nothing was serialised."""
    plain.save({"id": "s", "name": "old"})
    plain.save({"id": "s", "name": "new"})
    assert plain.sessions().items[0].name == "new"
    plain.restore("s", at=1)
    assert plain.sessions().items[0].name == "old"


def test_restoring_what_is_current_writes_nothing(plain: EventStore) -> None:
    """A version with just the current states is returned as it is."""
    plain.save({"id": "s", "n": 1})
    plain.save({"id": "s", "n": 2})
    plain.restore("s", at=1)
    assert plain.restore("s", at=1).version == 3
    assert plain.restore("s", at=3).version == 3


def test_a_deleted_session_can_be_restored(plain: EventStore) -> None:
    """A restore needs no undelete, and a delete is nothing that could be restored."""
    plain.save({"id": "s", "n": 1})
    plain.delete("s")
    with pytest.raises(InvalidInputError) as caught:
        plain.restore("s", at=2)
    assert (caught.value.field, caught.value.version) == ("at", 2)
    assert caught.value.hint == "version 1 is the newest that has any part"
    assert plain.restore("s", at=1).version == 3
    assert plain.list() == ["s"]


@pytest.mark.parametrize("at", [0, 3, -2, "b3:0000", "nonsense"])
def test_restoring_a_version_that_is_not_there_says_what_is(plain: EventStore, at: Any) -> None:
    """A version out of range is refused before anything is written."""
    plain.save({"id": "s", "n": 1})
    plain.save({"id": "s", "n": 2})
    with pytest.raises(InvalidInputError) as caught:
        plain.restore("s", at=at)
    assert caught.value.field == "at"
    with pytest.raises(InvalidInputError, match="there is no such session"):
        plain.restore("none", at=1)
    assert [v.version for v in plain.history("s")] == [2, 1]


def test_a_restore_can_expect_a_version(plain: EventStore) -> None:
    """A restore over another version than the expected one is refused."""
    plain.save({"id": "s", "n": 1})
    plain.save({"id": "s", "n": 2})
    with pytest.raises(ConflictError):
        plain.restore("s", at=1, expected=1)
    assert plain.restore("s", at=1, expected=2).version == 3


@pytest.mark.damage
def test_a_damaged_version_is_not_made_the_newest(tmp_path: Path) -> None:
    """What cannot be read is not made the newest; damage to the newest is a reason to restore."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.save({"id": "s", "pad": "a" * 300})
        first = store.save_states("s", {"mine": b"[1,2,3]"})
        store.save({"id": "s", "pad": "b" * 300})
        store.save_states("s", {"mine": b"[4]"})
        end = first.stored + sum(v.stored for v in store.history("s") if v.version == 1)
    path = tmp_path / "store" / "logs" / shard("s") / f"{log_name('s')}.log"
    data = bytearray(path.read_bytes())
    with EventStore.open(tmp_path / "store", model=dict) as store:
        third = store.version("s", 3)
        assert third is not None
        data[end + third.stored - 42] ^= 1  # The end of its bodies, before digest and trailer.
        path.write_bytes(data)
    with EventStore.open(tmp_path / "store", model=dict) as store:
        with pytest.raises(CorruptError):
            store.restore("s", at=3)
        with pytest.raises(CorruptError):
            store.fork("s", "t")
        assert not store.exists("t")
        assert store.restore("s", at=2).version == 5
        assert store.load_part("s", "mine") == [1, 2, 3]


def test_a_fork_is_whole_in_itself(tmp_path: Path) -> None:
    """A fork has every state, byte for byte, and loads though its origin's log is gone."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.save_states("s", {"session": b'{"id":"s","n":1.0,"big":1e5}', "mine": b"[1]"})
        origin = store.save({"id": "s", "n": 2})
        before = states(store, "s", 1)
        version = store.fork("s", "t", at=1, actor="me", note="try")
        assert (version.session, version.version, version.kind) == ("t", 1, "fork")
        assert (version.actor, version.note) == ("me", "try")
        assert states(store, "t") == before
        assert store.load("s") == {"id": "s", "n": 2}
        store.delete("s")
        assert states(store, "t") == before
        assert origin.version == 2
    shutil.rmtree(tmp_path / "store" / "logs" / shard("s"))
    for path in (tmp_path / "store").glob("index.db*"):
        path.unlink()
    with EventStore.open(tmp_path / "store", model=dict) as store:
        assert store.list() == ["t"]
        assert states(store, "t") == before
        assert shape(store.tree()) == [("t", 0, "root", None, None)]
        assert store.save({"id": "t"}).version == 2


def test_both_logs_say_where_the_fork_was(plain: EventStore) -> None:
    """The fork's first commit names the origin's commit; a note in the origin names the fork's."""
    origin = plain.save({"id": "s", "n": 1})
    plain.save({"id": "s", "n": 2})
    fork = plain.fork("s", "t", at=1, actor="me")
    note = plain.version("s")
    assert note is not None and fork.ref is not None and note.ref is not None
    assert (note.version, note.kind, note.actor) == (3, "note", "me")
    assert (fork.ref["seq"], fork.ref["commit"]) == (1, origin.commit)
    assert (note.ref["seq"], note.ref["commit"]) == (1, fork.commit)
    assert fork.ref["log"] != note.ref["log"]
    assert plain.load("s") == {"id": "s", "n": 2}


def test_a_note_is_no_conflict(plain: EventStore) -> None:
    """Who holds the newest state may save on it though the session was forked meanwhile."""
    version = plain.save({"id": "s", "n": 1})
    plain.fork("s", "t1")
    plain.fork("s", "t2")
    assert plain.save({"id": "s", "n": 2}, expected=version).version == 4
    with pytest.raises(ConflictError):
        plain.save({"id": "s", "n": 3}, expected=version)
    with pytest.raises(ConflictError):
        plain.save({"id": "s", "n": 3}, expected=3)


def test_a_deleted_session_can_be_forked_and_undeleted(plain: EventStore) -> None:
    """A fork of an earlier version is noted behind the delete, which can still be undone."""
    plain.save({"id": "s", "name": "N"}, parts={"mine": 1})
    plain.delete("s")
    with pytest.raises(InvalidInputError):
        plain.fork("s", "t")
    plain.fork("s", "t", at=1)
    assert plain.list() == ["t"]
    assert not plain.exists("s")
    assert plain.sessions(deleted=True).items[0].name == "N"
    plain.undelete("s")
    assert states(plain, "s") == states(plain, "t")


def test_no_fork_onto_what_was_ever_saved(plain: EventStore) -> None:
    """An id that is taken, deleted or the origin's own is refused, saying what would do."""
    plain.save({"id": "s"})
    plain.save({"id": "t"})
    plain.save({"id": "gone"})
    plain.delete("gone")
    for id in ("s", "t", "gone"):
        with pytest.raises(ConflictError, match="never saved") as caught:
            plain.fork("s", id)
        assert (caught.value.session, caught.value.expected) == (id, 0)
    with pytest.raises(InvalidInputError):
        plain.fork("s", "")
    with pytest.raises(InvalidInputError, match="no such session"):
        plain.fork("none", "new")
    with pytest.raises(InvalidInputError, match="no version 7"):
        plain.fork("s", "new", at=7)
    assert plain.version("new") is None
    assert len(list(plain.history("s"))) == 1


def test_a_fork_under_a_key_can_be_repeated(plain: EventStore) -> None:
    """A repeated fork returns the one that is there, and makes up for a note that is missing."""
    plain.save({"id": "s"})
    first = plain.fork("s", "t", key="k")
    assert plain.fork("s", "t", key="k", at=1) == first
    assert [v.kind for v in plain.history("s")] == ["note", "save"]
    with pytest.raises(ConflictError):
        plain.fork("s", "t", key="other")


def test_a_fork_survives_an_origin_that_cannot_be_told(
    plain: EventStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A crash between the two writes leaves a whole fork, the tree knows it, a repeat notes it."""
    plain.save({"id": "s"})
    backend = plain._backend
    append = backend.append

    def fail(log: str, *arguments: Any) -> None:
        if log == "s":
            raise CorruptError("the disk is gone")
        append(log, *arguments)

    monkeypatch.setattr(backend, "append", fail)
    fork = plain.fork("s", "t", key="k")
    assert "not noted" in caplog.text
    assert [v.kind for v in plain.history("s")] == ["save"]
    assert shape(plain.tree("s")) == [("s", 0, "root", None, None), ("t", 1, "fork", "s", 1)]
    monkeypatch.setattr(backend, "append", append)
    assert plain.fork("s", "t", key="k") == fork
    assert [v.kind for v in plain.history("s")] == ["note", "save"]


def test_ids_are_rewritten_when_asked(store: EventStore) -> None:
    """The own id, the parent and the runs' session become the fork's; nothing else changes."""
    state = (
        b'{"id":"s","x":1.50,"messages":[{"id":"s","parent_id":"s"}],"parent_id":null,'
        b'"cost_records":[{"session_id":"s"},{"session_id":"other"}],"z":{"id":"s"}}'
    )
    runs = b'[{"snapshot":{"id":"s","session_id":"s"},"session_id":"s"}]'
    found = rewritten({"session": state, "run_records": runs, "mine": b'{"id":"s"}'}, "s", 'n"\n')
    new = b'"n\\"\\n"'
    assert found == {
        "session": state.replace(b'"id":"s"', b'"id":' + new, 1)
        .replace(b'"parent_id":null', b'"parent_id":"s"')
        .replace(b'{"session_id":"s"}', b'{"session_id":' + new + b"}"),
        "run_records": b'[{"snapshot":{"id":"s","session_id":' + new + b'},"session_id":"s"}]',
        "mine": b'{"id":"s"}',
    }
    store.save(SessionData(id="s", created_at=1, updated_at=1))
    store.fork("s", "copy")
    store.fork("s", "own", rewrite_ids=True)
    assert store.load("copy") == store.load("s")
    assert store.load("own") == store.load("s").model_copy(update={"id": "own", "parent_id": "s"})
    assert store.sessions(parent="s").items[0].id == "own"


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        (b"{}", b'{"parent_id":"s"}'),
        (b"[]", b"[]"),
        (b'"s"', b'"s"'),
        (b'{"id":7}', b'{"id":7,"parent_id":"s"}'),
        (b'{"\\u0069d":"\\u0073"}', b'{"\\u0069d":"n","parent_id":"s"}'),
        (b'{"parent_id":"p","id":"s"}', b'{"parent_id":"s","id":"n"}'),
        (
            b'{"a":[{"id":"s"},["s"]],"id":"s"}',
            b'{"a":[{"id":"s"},["s"]],"id":"n","parent_id":"s"}',
        ),
    ],
)
def test_rewriting_any_shape(state: bytes, expected: bytes) -> None:
    """Documents of any shape are rewritten in the known places only."""
    assert rewritten({"session": state}, "s", "n") == {"session": expected}
    json.loads(expected)


def test_the_tree_shows_forks_and_children_under_where_they_came_from(plain: EventStore) -> None:
    """Forks hang below their origin, others below their parent, circles end, nobody is lost."""
    plain.save({"id": "a"})
    plain.save({"id": "a", "n": 2})
    plain.fork("a", "b", at=1)
    plain.fork("b", "c", rewrite_ids=True)
    plain.save({"id": "kid", "parent_id": "a"})
    plain.fork("kid", "kid-2")
    plain.save({"id": "lost", "parent_id": "nowhere"})
    plain.save({"id": "self", "parent_id": "self"})
    plain.save({"id": "x", "parent_id": "y"})
    plain.save({"id": "y", "parent_id": "x"})
    plain.save({"id": "z", "parent_id": "x"})
    plain.delete("b")
    assert shape(plain.tree()) == [
        ("a", 0, "root", None, None),
        ("b", 1, "fork", "a", 1),
        ("c", 2, "fork", "b", 1),
        ("kid", 1, "child", "a", None),
        ("kid-2", 2, "fork", "kid", 1),
        ("lost", 0, "root", None, None),
        ("self", 0, "root", None, None),
        ("x", 0, "child", "y", None),
        ("y", 1, "child", "x", None),
        ("z", 1, "child", "x", None),
    ]
    assert shape(plain.tree("b")) == [("b", 0, "fork", "a", 1), ("c", 1, "fork", "b", 1)]
    assert next(n.session.deleted for n in plain.tree("b"))
    with pytest.raises(InvalidInputError, match="no such session"):
        plain.tree("none")


def test_a_tree_of_many_pages_and_levels(tmp_path: Path) -> None:
    """A thousand forks of one session and a chain of a hundred are all there, once, in order."""
    with EventStore.open(tmp_path / "store", model=dict, durability="unsafe_os") as store:
        for number in range(1001):
            store.save({"id": f"k{number:04}", "parent_id": "top"})
        store.save({"id": "top"})
        for number in range(100):
            store.fork(f"f{number - 1:03}" if number else "top", f"f{number:03}")
        nodes = list(store.tree())
    assert [n.session.id for n in nodes[102:]] == [f"k{number:04}" for number in range(1000 + 1)][
        1:
    ]
    assert [(n.session.id, n.depth) for n in nodes[1:101]] == [
        (f"f{number:03}", number + 1) for number in range(100)
    ]
    assert len(nodes) == 1102


def test_the_lineage_is_made_again_with_the_index(tmp_path: Path) -> None:
    """A store whose index is lost shows the same tree."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.save({"id": "a"})
        store.fork("a", "b")
        store.save({"id": "b", "n": 2})
        before = shape(store.tree())
    for path in (tmp_path / "store").glob("index.db*"):
        path.unlink()
    with EventStore.open(tmp_path / "store", model=dict) as store:
        assert (
            shape(store.tree())
            == before
            == [
                ("a", 0, "root", None, None),
                ("b", 1, "fork", "a", 1),
            ]
        )


def test_the_same_as_coroutines(location: str) -> None:
    """Restore, fork and tree can be awaited."""
    import asyncio

    async def work() -> None:
        async with AsyncEventStore.open(location, model=dict) as store:
            await store.save({"id": "a", "n": 1})
            await store.save({"id": "a", "n": 2})
            assert (await store.restore("a", at=1)).version == 3
            assert (await store.fork("a", "b", at=2)).kind == "fork"
            nodes: list[TreeNode] = [node async for node in store.tree()]
            assert shape(nodes) == [("a", 0, "root", None, None), ("b", 1, "fork", "a", 2)]

    asyncio.run(work())


def test_what_was_restored_outlives_a_compaction(tmp_path: Path) -> None:
    """Thinning drops no state that a restore made current, and a dropped one is not restored."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        pads = [Random(number).randbytes(9000).hex() for number in range(5)]
        for number in range(1, 5):
            store.save({"id": "s", "pad": pads[number]})
        store.restore("s", at=1)
        store.fork("s", "t", at=2)
        store.save({"id": "s", "pad": "new"}, expected=5)
        store.compact(["s"], keep_last=2)
        assert store.load("s", at=5) == {"id": "s", "pad": pads[1]}
        newest = store.version("s")
        assert newest is not None
        for call in (store.restore, lambda session, at: store.fork(session, "u", at=at)):
            with pytest.raises(ErasedError) as caught:
                call("s", at=3)
            assert caught.value.version == 3
        assert store.version("s") == newest
        assert store.load("t") == {"id": "s", "pad": pads[2]}
        assert shape(store.tree("t")) == [("t", 0, "fork", "s", 2)]
        assert store.restore("s", at=5).version == newest.version + 1
