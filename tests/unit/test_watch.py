"""Watching: every commit once, in order, from any place, by anybody."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from pathlib import Path
from typing import Any

import pytest

from eventstore import (
    AsyncEventStore,
    BackendError,
    CorruptError,
    EventStore,
    InvalidInputError,
)
from eventstore.backends.file import FileBackend
from eventstore.index_tables import CHANGED
from eventstore.watch import INTERVAL_MAX
from tests.budget.test_system_calls import CountingFileSystem
from tests.crash.stores import log_path


@pytest.fixture
def plain(location: str) -> Any:
    """An open store of plain dicts, of each backend."""
    with EventStore.open(location, model=dict) as opened:
        yield opened


def seen(watch: Any) -> list[tuple[str, int]]:
    """Return what a watch that does not wait yields."""
    return [(version.session, version.version) for version in watch]


def save(store: EventStore, id: str, *numbers: int) -> None:
    """Save a session once for each number."""
    for number in numbers:
        store.save({"id": id, "n": number})


def test_a_watch_begins_now(plain: EventStore) -> None:
    """Without a cursor only what is committed later is seen: saves, deletes, forks and notes."""
    save(plain, "a", 1, 2)
    everything, one = plain.watch(wait=0), plain.watch("a", wait=0)
    assert seen(everything) == seen(one) == []
    save(plain, "a", 3)
    save(plain, "b", 1)
    plain.delete("b")
    plain.fork("a", "c", at=1)
    assert sorted(seen(everything)) == [("a", 3), ("a", 4), ("b", 1), ("b", 2), ("c", 1)]
    assert seen(one) == [("a", 3), ("a", 4)]
    assert seen(everything) == seen(one) == []


def test_a_watch_yields_whole_versions(plain: EventStore) -> None:
    """What a watch yields is what the history says."""
    everything = plain.watch(wait=0)
    save(plain, "a", 1)
    assert list(everything) == list(plain.history("a")) == list(plain.watch("a", after=0, wait=0))


def test_a_watch_goes_on_at_any_cursor(plain: EventStore) -> None:
    """After each version the cursor leads to just what follows it."""
    for number in range(6):
        save(plain, f"s{number % 2}", number, number + 10)
    for id in (None, "s0"):
        watch = plain.watch(id, after=0, wait=0)
        cursors, versions = [watch.cursor], []
        for version in watch:
            versions.append((version.session, version.version))
            cursors.append(watch.cursor)
        assert len(versions) == (12 if id is None else 7)
        save(plain, "s0", 99 if id is None else 98)
        more = seen(plain.watch(id, after=watch.cursor, wait=0))
        assert len(more) == 1
        for index, cursor in enumerate(cursors):
            assert seen(plain.watch(id, after=cursor, wait=0)) == versions[index:] + more
            assert plain.watch(id, after=cursor).cursor == cursor


def test_a_cursor_outlives_the_process_the_index_and_a_restart_of_the_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is missed or repeated whatever became of the derived index meanwhile."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        save(store, "a", 1, 2)
        watch = store.watch(after=0, wait=0)
        assert seen(watch) == [("a", 1), ("a", 2)]
        save(store, "b", 1)
    with EventStore.open(tmp_path / "store", model=dict) as store:
        save(store, "a", 3)
    for path in [*(tmp_path / "store").glob("index.db*"), *(tmp_path / "store/marks").iterdir()]:
        path.unlink()
    with EventStore.open(tmp_path / "store", model=dict) as store:
        watch = store.watch(after=watch.cursor, wait=0)
        assert sorted(seen(watch)) == [("a", 3), ("b", 1)]
        monkeypatch.setattr(store._backend.fs, "boot", lambda: "another", raising=False)
        save(store, "b", 2)
        assert seen(watch) == [("b", 2)]
        assert seen(watch) == []


def test_all_watchers_see_one_order(tmp_path: Path) -> None:
    """Watchers in different processes' stores see the same order, whoever looked first."""
    directory = tmp_path / "store"
    with (
        EventStore.open(directory, model=dict) as one,
        EventStore.open(directory, model=dict) as two,
    ):
        watches = [one.watch(after=0, wait=0), two.watch(after=0, wait=0)]
        orders: list[list[tuple[str, int]]] = [[], []]
        for turn in range(30):
            save(one, f"s{turn % 3}", turn)
            save(two, f"s{turn % 4}", turn + 100)
            first = turn % 2
            orders[first] += seen(watches[first])
            if turn % 5 == 0:
                orders[1 - first] += seen(watches[1 - first])
        for number, watch in enumerate(watches):
            orders[number] += seen(watch)
        assert orders[0] == orders[1]
        assert len(orders[0]) == 60


@pytest.mark.parametrize("id", [None, "a"])
def test_a_place_that_leads_nowhere_is_refused(plain: EventStore, id: str | None) -> None:
    """Cursors of other stores, watches or shapes are bad input that says what would do."""
    save(plain, "a", 1)
    good = plain.watch(id, after=0).cursor
    with EventStore.open("memory://", model=dict) as other:
        other.save({"id": "a"})
        with pytest.raises(InvalidInputError, match="of another store"):
            other.watch(id, after=good)
    mark = json.loads(base64.urlsafe_b64decode(good))
    bent = [[*mark, 1], mark[:-1], [*mark[:-1], 99 << 70], [*mark[:-1], "1"], {"a": 1}, 7, [[]] * 5]
    cursors = [base64.urlsafe_b64encode(json.dumps(wrong).encode()).decode() for wrong in bent]
    other_watch = plain.watch("b" if id else "a").cursor
    for cursor in [
        "",
        "é",
        "x" * 1000,
        good[:-4],
        "[" * 9999,
        other_watch,
        *cursors,
        -1,
        1.5,
        True,
    ]:
        with pytest.raises(InvalidInputError) as caught:
            plain.watch(id, after=cursor)  # type: ignore[arg-type]
        assert caught.value.field == "after", cursor
        assert caught.value.hint, cursor
    for wait in (-1, "1", True, float("nan")):
        with pytest.raises(InvalidInputError):
            plain.watch(id, wait=wait)  # type: ignore[arg-type]


def test_versions_as_a_place(plain: EventStore) -> None:
    """A session can be watched from behind any of its versions, and from no other number."""
    save(plain, "a", 1, 2, 3)
    save(plain, "b", 1)
    assert seen(plain.watch("a", after=1, wait=0)) == [("a", 2), ("a", 3)]
    version = plain.version("a", 2)
    assert seen(plain.watch("a", after=version, wait=0)) == [("a", 3)]
    with pytest.raises(InvalidInputError, match=r"there is no version 4.*may be 0 to 3"):
        plain.watch("a", after=4)
    with pytest.raises(InvalidInputError, match="version of session 'a'"):
        plain.watch("b", after=version)
    with pytest.raises(InvalidInputError):
        plain.watch(after=3)
    assert seen(plain.watch("new", wait=0)) == []


def test_a_lost_feed_is_said_and_not_guessed(tmp_path: Path) -> None:
    """Without the feed a cursor of the whole store is refused; the beginning shows everything."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        save(store, "a", 1, 2)
        watch = store.watch(after=0, wait=0)
        assert len(seen(watch)) == 2
        for path in (tmp_path / "store").glob("feed.db*"):
            path.unlink()
        with pytest.raises(CorruptError, match="feed of commits was lost"):
            next(watch)
        with pytest.raises(InvalidInputError, match="feed of commits that was lost"):
            store.watch(after=watch.cursor)
        assert seen(store.watch(after=0, wait=0)) == [("a", 1), ("a", 2)]


def test_a_damaged_feed_is_begun_anew(tmp_path: Path) -> None:
    """A feed that is no feed, or that of another store, is replaced; the logs are not touched."""
    for name in ("one", "two"):
        with EventStore.open(tmp_path / name, model=dict) as store:
            save(store, name, 1)
            assert seen(store.watch(after=0, wait=0)) == [(name, 1)]
    (tmp_path / "two" / "feed.db").write_bytes((tmp_path / "one" / "feed.db").read_bytes())
    with EventStore.open(tmp_path / "two", model=dict) as store:
        assert seen(store.watch(after=0, wait=0)) == [("two", 1)]
    (tmp_path / "two" / "feed.db").write_bytes(b"x" * 5000)
    with EventStore.open(tmp_path / "two", model=dict) as store:
        assert seen(store.watch(after=0, wait=0)) == [("two", 1)]


def test_an_older_copy_of_a_store_refuses_cursors_from_its_future(tmp_path: Path) -> None:
    """A cursor that is ahead of a copy would miss what the copy commits, so it is refused."""
    import shutil

    with EventStore.open(tmp_path / "store", model=dict) as store:
        save(store, "a", 1)
        assert seen(store.watch(after=0, wait=0)) == [("a", 1)]
    shutil.copytree(tmp_path / "store", tmp_path / "copy")
    with EventStore.open(tmp_path / "store", model=dict) as store:
        save(store, "a", 2)
        ahead = store.watch(), store.watch("a")
    with EventStore.open(tmp_path / "copy", model=dict) as store:
        with pytest.raises(InvalidInputError, match="older copy"):
            store.watch(after=ahead[0].cursor)
        with pytest.raises(InvalidInputError, match="no version 2"):
            store.watch("a", after=ahead[1].cursor)


@pytest.mark.damage
def test_damage_stops_no_watch(tmp_path: Path) -> None:
    """A version that cannot be read raises once; the next call goes on behind it."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        save(store, "a", 1, 2, 3)
        save(store, "b", 1)
        first = store.version("a", 1)
        assert first is not None
    path = log_path(tmp_path / "store", "a")
    data = bytearray(path.read_bytes())
    data[first.stored + 100] ^= 1
    path.write_bytes(data)
    with EventStore.open(tmp_path / "store", model=dict) as store:
        watch = store.watch(after=0, wait=0)
        found: list[Any] = []
        while True:
            try:
                found.append(next(watch).version)
            except CorruptError as error:
                found.append(error.version)
            except StopIteration:
                break
        assert sorted(found) == [1, 1, 2, 3]


def test_a_watch_waits_and_can_be_closed(plain: EventStore) -> None:
    """A watch without an end waits for the next commit; closing it from elsewhere ends it."""
    watch = plain.watch()
    found: list[Any] = []

    def follow() -> None:
        for version in watch:
            found.append((version.session, version.version))
            if version.session == "b":
                watch.close()

    thread = threading.Thread(target=follow)
    thread.start()
    save(plain, "a", 1)
    save(plain, "b", 1)
    thread.join(60)
    assert not thread.is_alive()
    assert sorted(found) in ([("a", 1), ("b", 1)], [("b", 1)])
    assert len(found) == 2 or seen(plain.watch(after=watch.cursor, wait=0)) == [("a", 1)]
    idle = plain.watch("a")
    thread = threading.Thread(target=lambda: found.extend(idle))
    thread.start()
    idle.close()
    thread.join(60)
    assert not thread.is_alive()


def test_a_watch_of_a_closed_store_says_so(plain: EventStore) -> None:
    """A watch does not outlive its store."""
    watches = plain.watch(), plain.watch("a")
    plain.close()
    for watch in watches:
        with pytest.raises(BackendError, match="closed"):
            next(watch)


def test_looking_costs_nothing_that_grows(tmp_path: Path) -> None:
    """A look that finds nothing opens, reads and writes nothing per session of the store."""
    costs = []
    for count in (3, 300):
        fs = CountingFileSystem()
        store = EventStore(
            FileBackend(tmp_path / f"store{count}", fs=fs, durability="unsafe_os"), model=dict
        )
        for number in range(count):
            save(store, f"s{number}", 1)
        store.list()
        watch = store.watch(after=0, wait=0)
        assert len(seen(watch)) == count
        fs.calls.clear()
        assert watch.poll() is None
        costs.append(dict(fs.calls))
        assert watch.interval <= INTERVAL_MAX * 10
        store.close()
    assert costs[0] == costs[1]
    assert sum(costs[0].values()) < 20


def test_what_changed_is_found_without_a_scan(plain: EventStore) -> None:
    """The index answers what changed since a position from its own order of changes."""
    save(plain, "a", 1)
    sql = f"EXPLAIN QUERY PLAN {CHANGED}"
    plan = " ".join(row[3] for row in plain._catalog.index.rows(sql, (0, "", 10)))
    assert plan.startswith("SEARCH sessions USING INDEX by_change ((change,id)>(?,?))"), plan
    assert "TEMP" not in plan


def test_pauses_grow_while_nothing_comes(plain: EventStore) -> None:
    """Pauses double up to their most, and are short again after a commit."""
    watch = plain.watch("a")
    pauses = []
    for _ in range(12):
        assert watch.poll() is None
        pauses.append(watch.interval)
    assert pauses == sorted(pauses)
    assert pauses[-1] >= INTERVAL_MAX
    save(plain, "a", 1)
    assert watch.poll() is not None
    assert watch.interval < pauses[0]


def test_watching_with_coroutines(location: str) -> None:
    """`async for` sees the same, and goes on at the same cursor."""

    async def work() -> None:
        async with AsyncEventStore.open(location, model=dict) as store:
            await store.save({"id": "a"})
            watch = store.watch(wait=0)
            assert watch.cursor is None
            await watch.start()
            await store.save({"id": "b"})
            assert [v.session async for v in watch] == ["b"]
            await store.save({"id": "c"})
            more = store.watch(after=watch.cursor, wait=0)
            assert [v.session async for v in more] == ["c"]
            endless = store.watch("d")
            waiting = asyncio.create_task(anext(endless))
            await store.save({"id": "d"}) if endless.cursor else await endless.start()
            await store.save({"id": "d", "n": 1})
            assert (await waiting).session == "d"
            endless.close()
            assert [v async for v in endless] == []

    asyncio.run(work())
