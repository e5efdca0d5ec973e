"""`list`, `sessions` and `stats`: what the index says, and that it says the truth."""

from __future__ import annotations

import base64
import gc
import json
import threading
import weakref
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from eventstore import (
    CorruptError,
    EventStore,
    InvalidInputError,
    Message,
    Page,
    SessionData,
    Version,
)

ORDERS = ("updated_at", "created_at", "saved_at", "id", "name")


@pytest.fixture
def plain(location: str) -> Iterator[EventStore]:
    """A store of plain JSON with twelve sessions, some alike in what lists are ordered by."""
    with EventStore.open(location, model=dict) as opened:
        for number in range(12):
            opened.save(
                {
                    "id": f"s{number:02}",
                    "config": {"name": f"name {number // 3}"},
                    "state": "Active" if number % 2 else "Paused",
                    "parent_id": f"s{number % 3:02}" if number > 3 else None,
                    "messages": [{"role": "user"}] * number,
                    "total_cost": number / 4,
                    "created_at": 1_700_000_000 - number // 4,
                    "updated_at": 1_700_000_000 + number // 2,
                }
            )
        yield opened


def walk(store: EventStore, limit: int, **query: Any) -> list[str]:
    """Return the ids of all pages, one after the other."""
    found: list[str] = []
    after = None
    while True:
        page = store.sessions(limit=limit, after=after, **query)
        assert len(page) == len(page.items) <= limit
        found += [item.id for item in page]
        after = page.next
        if after is None:
            return found


def test_a_session_is_described_from_its_document(plain: EventStore) -> None:
    """A list says name, state, parent, counts, cost, sizes and times of the newest version."""
    version = plain.version("s05")
    (info,) = (item for item in plain.sessions() if item.id == "s05")
    assert version is not None
    assert (info.name, info.state, info.parent_id) == ("name 1", "Active", "s02")
    assert (info.messages, info.cost, info.deleted, info.damaged) == (5, 1.25, False, False)
    assert (info.version, info.commit, info.address) == (1, version.commit, version.address)
    assert (info.size, info.stored, info.saved_at) == (
        version.size,
        version.stored,
        version.saved_at,
    )
    assert info.created_at == datetime.fromtimestamp(1_700_000_000 - 1, UTC)
    assert info.updated_at == datetime.fromtimestamp(1_700_000_000 + 2, UTC)


def test_a_session_that_says_nothing_of_itself_is_listed(location: str) -> None:
    """A document without any known field is listed by its id and the time of its save."""
    with EventStore.open(location, model=dict) as opened:
        version = opened.save({"id": "x", "state": 5, "messages": {}, "created_at": "soon"})
        (info,) = opened.sessions()
    assert (info.name, info.state, info.parent_id, info.messages, info.cost) == ("", "", None, 0, 0)
    assert info.created_at is None
    assert info.updated_at == info.saved_at == version.saved_at


@pytest.mark.parametrize(
    "value",
    [
        1.7e308,
        -1.7e308,
        10**400,
        -(10**400),
        2**63,
        "9999-12-31T23:59:59Z",
        "0001-01-01T00:00:00",
        True,
        None,
        [],
        -1,
    ],
)
def test_no_time_or_cost_is_too_odd_to_list(location: str, value: Any) -> None:
    """Whatever a document says of its times and costs, it is saved, listed and loaded."""
    document = {"id": "x", "created_at": value, "updated_at": value, "total_cost": value}
    with EventStore.open(location, model=dict) as opened:
        opened.save(document)
        assert [item.id for item in opened.sessions(order_by="created_at")] == ["x"]
        assert opened.load("x") == document
        assert opened.list() == ["x"]


@pytest.mark.parametrize("order", ORDERS)
def test_pages_give_every_session_once(plain: EventStore, order: str) -> None:
    """Whatever the order and the size of a page, the pages together are the one long list."""
    whole = walk(plain, 100, order_by=order)
    assert sorted(whole) == plain.list()
    for limit in (1, 2, 5, 12, 13):
        assert walk(plain, limit, order_by=order) == whole
    newest_first = {"updated_at": "s11", "created_at": "s03", "saved_at": "s11"}
    assert whole[0] == newest_first.get(order, "s00")


def test_a_page_stays_right_while_sessions_come_and_go(plain: EventStore) -> None:
    """A cursor stands for a place, so what is saved or deleted meanwhile moves nothing."""
    first = plain.sessions(order_by="id", limit=6)
    plain.save({"id": "s00a"})
    plain.delete("s02")
    plain.delete("s05")
    second = plain.sessions(order_by="id", limit=100, after=first.next)
    assert [item.id for item in second] == [f"s{number:02}" for number in range(6, 12)]


def test_filters(plain: EventStore) -> None:
    """Sessions can be asked for by parent, state, time of update, and all of these together."""
    assert sorted(walk(plain, 5, parent="s01")) == ["s04", "s07", "s10"]
    assert sorted(walk(plain, 2, parent="s01", state="Active")) == ["s07"]
    assert walk(plain, 2, state="None of these") == []
    since = datetime.fromtimestamp(1_700_000_004, UTC)
    assert walk(plain, 3, updated_since=since) == ["s11", "s10", "s09", "s08"]
    assert walk(plain, 3, updated_since=since + timedelta(microseconds=1)) == ["s11", "s10"]
    naive = since.astimezone().replace(tzinfo=None)
    assert walk(plain, 3, updated_since=naive) == ["s11", "s10", "s09", "s08"]


def test_updated_since_takes_what_a_list_says(location: str) -> None:
    """Every session is among those updated since its own time of update."""
    with EventStore.open(location, model=dict) as opened:
        for number in range(40):
            opened.save({"id": f"s{number}"})
        for item in opened.sessions():
            later = opened.sessions(updated_since=item.updated_at, limit=100)
            assert item.id in {other.id for other in later}


def test_deleted_sessions_have_a_list_of_their_own(plain: EventStore) -> None:
    """A deleted session is in no list but the one of the deleted, until it is undeleted."""
    plain.delete("s03")
    assert "s03" not in plain.list()
    assert "s03" not in walk(plain, 5)
    (gone,) = plain.sessions(deleted=True)
    assert (gone.id, gone.deleted, gone.version, gone.name) == ("s03", True, 2, "name 1")
    plain.undelete("s03")
    assert plain.sessions(deleted=True).items == ()
    assert "s03" in plain.list()


@pytest.mark.parametrize(
    "query",
    [
        {"order_by": "size"},
        {"order_by": "id; DROP TABLE sessions"},
        {"order_by": None},
        {"order_by": []},
        {"limit": 0},
        {"limit": -1},
        {"limit": True},
        {"limit": 1.5},
        {"limit": "5"},
        {"parent": 5},
        {"parent": b"s01"},
        {"parent": "\ud800"},
        {"state": ["Active"]},
        {"state": object()},
        {"updated_since": "2026-01-01"},
        {"updated_since": 5},
        {"updated_since": datetime.min},
        {"after": 5},
        {"after": ""},
        {"after": "nonsense"},
        {"after": "é"},
        {"after": "[" * 10_000},
    ],
)
def test_what_cannot_be_asked_is_refused(plain: EventStore, query: dict[str, Any]) -> None:
    """A question of a wrong shape is bad input that names its field and harms no index."""
    with pytest.raises(InvalidInputError) as caught:
        plain.sessions(**query)
    assert caught.value.field in query
    assert len(plain.list()) == 12


@pytest.mark.parametrize(
    "mark",
    [
        ["id", "s01", "s01"],
        ["updated_at", "s01", "s01"],
        ["updated_at", 10**30, "s01"],
        ["updated_at", -(10**30), "s01"],
        ["updated_at", 1.5, "s01"],
        ["updated_at", True, "s01"],
        ["updated_at", None, "s01"],
        ["updated_at", 1, 5],
        ["updated_at", 1, "\ud800"],
        ["updated_at", 1],
        {"updated_at": 1},
        5,
        None,
    ],
)
def test_forged_cursors_are_refused(plain: EventStore, mark: Any) -> None:
    """A cursor that no page gave, or one of another order, is bad input."""
    forged = base64.urlsafe_b64encode(json.dumps(mark).encode()).decode()
    with pytest.raises(InvalidInputError) as caught:
        plain.sessions(after=forged)
    assert caught.value.field == "after"


def test_a_limit_may_be_as_large_as_anyone_likes(plain: EventStore) -> None:
    """A limit beyond every number of sessions gives all of them."""
    assert len(plain.sessions(limit=10**30)) == 12


def test_ids_are_sorted_as_python_sorts_them(location: str) -> None:
    """`list` is sorted by code points, also beyond ASCII and around NUL."""
    ids = ["a", "a\0", "a\0b", "ab", "B", "é", "e\u0301", "\uffff", "😀", "\U0010ffff", "z"]
    with EventStore.open(location, model=dict) as opened:
        for id in ids:
            opened.save({"id": id})
        assert opened.list() == sorted(ids)
        assert walk(opened, 3, order_by="id") == sorted(ids)


def test_stats_count_what_the_store_holds(plain: EventStore) -> None:
    """Statistics add up what every commit says: states as files of their own, logs as stored."""
    plain.save({"id": "s00", "n": 1}, parts={"mine": "x" * 1000})
    plain.save({"id": "s00", "n": 2}, parts={"mine": "x" * 1000})
    plain.delete("s01")
    stats = plain.stats()
    assert (stats.sessions, stats.deleted, stats.versions) == (11, 1, 15)
    everything = [v for n in range(12) for v in plain.history(f"s{n:02}")]
    assert stats.stored_bytes == sum(version.stored for version in everything)
    saved = [v for v in everything if v.kind == "save"]
    states = [p.size for v in saved for p in v.parts.values() if p.changed]
    assert stats.state_bytes == sum(states)
    assert sum(size == 1002 for size in states) == 1


def test_two_stores_on_one_directory_list_the_same(tmp_path: Path) -> None:
    """What one store saved, another lists at once, before and after either is closed."""
    with EventStore.open(tmp_path / "store") as one, EventStore.open(tmp_path / "store") as two:
        one.save(SessionData(id="a"))
        assert two.list() == ["a"]
        two.save(SessionData(id="b"))
        two.delete("a")
        assert one.list() == two.list() == ["b"]
        one.save(SessionData(id="b", model_name="m", parent_id="p"))
        (info,) = two.sessions()
        assert (info.version, info.parent_id) == (2, "p")
    with EventStore.open(tmp_path / "store") as three:
        assert three.list() == ["b"]


def test_a_part_is_listed_with_what_another_store_saved(tmp_path: Path) -> None:
    """Saving a part after somebody else saved the session does not bring back old facts."""
    with EventStore.open(tmp_path / "store") as one, EventStore.open(tmp_path / "store") as two:
        one.save(SessionData(id="s", parent_id="old"))
        two.save(SessionData(id="s", parent_id="new"))
        one.save_trace_events("s", [])
        for store in (one, two):
            (info,) = store.sessions()
            assert (info.version, info.parent_id) == (3, "new")


def test_the_newest_of_two_saves_is_listed_whoever_tells_first(
    store: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A thread that tells the index late does not put an older version in the list."""
    make_row = store._catalog.row_maker
    second_is_told = threading.Event()

    def row(log: Any, version: Version, summary: Any) -> Any:
        if version.version == 1:
            second_is_told.wait(10)
        return make_row(log, version, summary)

    monkeypatch.setattr(store._catalog, "row_maker", row)
    late = threading.Thread(target=store.save, args=(SessionData(id="s", parent_id="one"),))
    late.start()
    while store.version("s") is None:
        pass
    store.save(SessionData(id="s", parent_id="two"))
    second_is_told.set()
    late.join()
    (info,) = store.sessions()
    assert (info.version, info.parent_id) == (2, "two")
    store.save_trace_events("s", [])
    (info,) = store.sessions()
    assert (info.version, info.parent_id) == (3, "two")


@pytest.mark.parametrize("expected", [None, 2])
@pytest.mark.parametrize("state", [{"id": "a", "n": 2}, {"id": "a", "n": 3}])
def test_a_save_that_the_index_takes_for_a_first_is_none(
    tmp_path: Path, expected: int | None, state: dict[str, Any]
) -> None:
    """Without the index a log that is there is taken for a new one, until it is opened."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.save({"id": "a", "n": 1})
        store.save({"id": "a", "n": 2})
    for path in (tmp_path / "store").glob("index.db*"):
        path.unlink()
    with EventStore.open(tmp_path / "store", model=dict) as store:
        version = store.save(state, expected=expected)
        assert version.version == state["n"]
        numbers = list(range(1, state["n"] + 1))
        assert [store.load("a", at=number)["n"] for number in numbers] == numbers
        assert store.verify(deep=True).is_sound


@pytest.mark.parametrize(
    ("work", "kind"),
    [
        (lambda store: store.undelete("a"), "undelete"),
        (lambda store: store.restore("a", at=1), "restore"),
        (lambda store: store.append_messages("b", [Message.user("more")]), "save"),
        (lambda store: store.delete("b"), "delete"),
        (lambda store: store.fork("b", "c"), "note"),
    ],
)
def test_what_needs_a_session_finds_it_without_the_index(
    tmp_path: Path, work: Callable[[EventStore], Any], kind: str
) -> None:
    """What is taken for a new session at first is not refused for being none."""
    with EventStore.open(tmp_path / "store") as store:
        for name in "ab":
            store.save(SessionData(id=name))
        store.delete("a")
    for path in (tmp_path / "store").glob("index.db*"):
        path.unlink()
    with EventStore.open(tmp_path / "store") as store:
        work(store)
        assert kind in [v.kind for name in "ab" for v in store.history(name)]


def test_no_log_is_begun_where_one_is_missing(tmp_path: Path) -> None:
    """A session whose log is gone is damaged, as the index remembers, and not begun anew."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.save({"id": "a"})
    (log,) = (tmp_path / "store" / "logs").rglob("*.log")
    log.unlink()
    with EventStore.open(tmp_path / "store", model=dict) as store:
        with pytest.raises(CorruptError):
            store.save({"id": "a", "n": 1})
        assert not log.exists()


@pytest.mark.parametrize("harm", ["remove", "truncate", "garbage", "foreign", "directory"])
def test_the_index_can_be_lost_at_any_time(tmp_path: Path, harm: str) -> None:
    """Without its index a store loads and saves, and lists the same as before."""
    with EventStore.open(tmp_path / "store") as store:
        store.save(SessionData(id="a", parent_id="p"))
        store.save(SessionData(id="b"))
        store.delete("b")
        before = store.sessions(), store.sessions(deleted=True)
    for path in (tmp_path / "store").glob("index.db*"):
        path.unlink()
    index = tmp_path / "store" / "index.db"
    if harm == "truncate":
        index.write_bytes(b"")
    elif harm == "garbage":
        index.write_bytes(b"garbage" * 1000)
    elif harm == "foreign":
        index.write_bytes(_foreign_database(tmp_path / "foreign.db"))
    elif harm == "directory":
        index.mkdir()
    with EventStore.open(tmp_path / "store") as store:
        assert store.load("a").parent_id == "p"
        assert (store.sessions(), store.sessions(deleted=True)) == before
        store.save(SessionData(id="c"))
        assert store.list() == ["a", "c"]
    with EventStore.open(tmp_path / "store") as store:
        assert store.list() == ["a", "c"]


def _foreign_database(path: Path) -> bytes:
    """Return the bytes of a database with a table of the index's name but another shape."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE sessions (id INTEGER)")
    return path.read_bytes()


def test_a_page_can_be_gone_through(store: EventStore) -> None:
    """A page is iterable, has a length and may be empty."""
    page = store.sessions()
    assert isinstance(page, Page)
    assert (list(page), len(page), page.next) == ([], 0, None)


def test_a_list_has_the_facts_of_a_family_of_types(tmp_path: Path) -> None:
    """What oxios lists of its sessions is in the index, saved in any way, and made again."""
    document = {
        "id": "s",
        "user_id": "u",
        "user_messages": [{"content": "c", "timestamp": "2026-01-01T00:00:00Z"}],
        "created_at": "2026-01-01T00:00:00.000000001Z",
        "updated_at": "2026-01-01T00:00:00.000000002Z",
    }
    with EventStore.open(tmp_path / "s", model=dict) as opened:
        opened.save(document)
        opened.save_states("t", {"session": json.dumps(document, separators=(",", ":")).encode()})
        opened.save(document | {"id": "not", "user_messages": [5]})
        before = {info.id: info.facts for info in opened.sessions()}
    facts = json.loads(before["s"])
    assert facts["user_id"] == "u" and facts["message_count"] == 1
    assert facts["updated_at"] == document["updated_at"]
    assert before["t"] == before["s"] and before["not"] == ""
    (tmp_path / "s" / "index.db").unlink()
    with EventStore.open(tmp_path / "s", model=dict) as opened:
        assert {info.id: info.facts for info in opened.sessions()} == before


def test_lists_are_ordered_to_the_nanosecond(plain: EventStore) -> None:
    """Of two sessions updated within one microsecond the later is listed first."""
    for id, fraction in (("b", "000000002"), ("c", "000000001"), ("a", "000000003")):
        plain.save({"id": id, "updated_at": f"2026-01-01T00:00:00.{fraction}Z"})
    assert [info.id for info in plain.sessions(limit=3)] == ["a", "b", "c"]


def test_a_store_does_not_keep_what_it_was_given(tmp_path: Path) -> None:
    """For its lists the store needs a few words of a session, not the session."""
    with EventStore.open(tmp_path / "store", cache_size=0) as store:
        session = SessionData(id="s", messages=(Message.user("hello"),), total_cost=1.5)
        gone = weakref.ref(session.messages[0])
        store.save(session)
        del session
        gc.collect()
        assert gone() is None
        (info,) = store.sessions()
        assert (info.messages, info.cost, info.name) == (1, 1.5, "")
