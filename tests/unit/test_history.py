"""History in pages: filtered, in both directions, and at the same cost wherever the page is."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from eventstore import AsyncEventStore, CorruptError, EventStore, HistoryPage, InvalidInputError
from eventstore.backends.memory import MemoryBackend
from eventstore.desk import saves

START = 1_800_000_000 * 10**9
HOUR = 3600 * 10**9


class Clock:
    """Stands for the module `time`: each look at it is one hour after the last."""

    def __init__(self) -> None:
        """Start an hour early."""
        self.now = START - HOUR

    def time_ns(self) -> int:
        """Return the next time."""
        self.now += HOUR
        return self.now


@pytest.fixture
def hourly(store: EventStore, monkeypatch: pytest.MonkeyPatch) -> EventStore:
    """A store with `s` in ten versions, an hour between them, of two parts and two actors."""
    monkeypatch.setattr(saves, "time", Clock())
    for number in range(1, 11):
        state = {"session": b'{"n":%d}' % number} if number % 2 else {"mine": b"%d" % number}
        store.save_states("s", state, actor="even" if number % 2 == 0 else "odd")
    return store


def numbers(versions: Any) -> list[int]:
    """Return the numbers of versions."""
    return [version.version for version in versions]


def at(hours: float) -> datetime:
    """Return the time so many hours after the first save."""
    return datetime.fromtimestamp(START // 10**9, UTC) + timedelta(hours=hours)


def pages(store: EventStore, **options: Any) -> list[HistoryPage]:
    """Return all pages."""
    found = [store.history_page("s", **options)]
    while found[-1].next is not None:
        found.append(store.history_page("s", after=found[-1].next, **options))
    return found


def test_a_history_has_two_directions(hourly: EventStore) -> None:
    """Newest first unless the oldest is asked for first; the versions are the same."""
    newest = list(hourly.history("s"))
    assert numbers(newest) == list(range(10, 0, -1))
    assert list(hourly.history("s", oldest_first=True)) == newest[::-1]
    assert list(hourly.history("nobody", oldest_first=True)) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"part": "mine"}, [10, 8, 6, 4, 2]),
        ({"actor": "odd"}, [9, 7, 5, 3, 1]),
        ({"kind": "delete"}, []),
        ({"kind": "save", "part": "session", "actor": "even"}, []),
        ({"since": at(7)}, [10, 9, 8]),
        ({"until": at(1)}, [2, 1]),
        ({"since": at(2), "until": at(4).isoformat()}, [5, 4, 3]),
        ({"since": at(2.5), "until": at(2.75)}, []),
        ({"since": "1 hour ago"}, []),
    ],
)
def test_filters_and_pages_agree(
    hourly: EventStore, options: dict[str, Any], expected: list[int]
) -> None:
    """Pages of any size, in any direction, are the history cut into pieces."""
    if "since" in options and options["since"] == "1 hour ago":
        expected = list(range(10, 0, -1))  # The clock of this store is ahead of ours.
    assert numbers(hourly.history("s", **options)) == expected
    for limit in (1, 2, 3, 50):
        for oldest_first in (False, True):
            found = pages(hourly, limit=limit, oldest_first=oldest_first, **options)
            wanted = expected[::-1] if oldest_first else expected
            assert numbers(v for page in found for v in page) == wanted
            assert all(0 < len(page) <= limit for page in found) or not expected
            assert all(page.changes is None for page in found)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"kind": "saved"}, "kinds are compact, delete, erase"),
        ({"kind": 1}, "kinds are"),
        ({"actor": 1}, "not a string"),
        ({"part": "No"}, "part name"),
        ({"since": at(2), "until": at(1)}, "is after until; swap"),
        ({"since": "soon"}, "ISO 8601"),
        ({"until": 5}, "not a datetime"),
    ],
)
def test_bad_filters_are_refused_at_once(
    hourly: EventStore, options: dict[str, Any], reason: str
) -> None:
    """A filter that means nothing is bad input, for the iterator and for pages."""
    for call in (hourly.history, hourly.history_page):
        with pytest.raises(InvalidInputError, match=reason):
            call("s", **options)


@pytest.mark.parametrize(
    "options", [{"limit": 0}, {"limit": 10**6}, {"limit": True}, {"limit": 1.0}]
)
def test_bad_limits_are_refused(hourly: EventStore, options: dict[str, Any]) -> None:
    """A page has at least one version, and not arbitrarily many."""
    with pytest.raises(InvalidInputError, match="from 1 to"):
        hourly.history_page("s", **options)


@pytest.mark.parametrize("after", ["", "3", "x.y", "0.0", "11.5", "-1.5", 3, "3.4.5"])
def test_bad_cursors_are_refused(hourly: EventStore, after: Any) -> None:
    """Only what a page gave as its next is taken."""
    with pytest.raises(InvalidInputError, match="`next` of the page before") as caught:
        hourly.history_page("s", after=after)
    assert caught.value.field == "after"


def test_a_cursor_outlives_a_move_of_its_frame(hourly: EventStore) -> None:
    """The offset in a cursor is a hint: where it is wrong, the number is found."""
    for position in (0, 5, 10**9):
        found = hourly.history_page("s", after=f"4.{position}", limit=2)
        assert numbers(found) == [4, 3]


def test_changes_are_said_in_a_few_words(store: EventStore) -> None:
    """Each version of a page says what it did, also where its neighbours are left out."""
    said = {"role": "user", "content": []}
    session = {"id": "s", "state": "Active", "messages": [], "updated_at": 1}
    with EventStore.open("memory://", model=dict) as plain:
        plain.save(session)
        plain.save({**session, "state": "Error", "messages": [said, said], "updated_at": 2})
        plain.save({**session, "state": "Error", "messages": [said], "updated_at": 3}, actor="x")
        plain.save_states("s", {"run_records": b'[{"snapshot":{"id":"r"},"events":[1,2]}]'})
        plain.save_states("s", {"session": b'{"id":"s","a":1,"b":1,"c":1,"d":1}'}, actor="x")
        plain.delete("s")
        plain.undelete("s", actor="x")
        found = plain.history_page("s", changes=True)
        assert found.changes == (
            "undeleted",
            "deleted",
            "state removed, messages, a, b, 2 more fields",
            "run_records added, +1 run, +2 run events",
            "−1 message",
            "+2 messages, state Active→Error",
            "session added",
        )
        filtered = plain.history_page("s", changes=True, actor="x", oldest_first=True, limit=2)
        assert filtered.changes == (found.changes[4], found.changes[2])
        plain.save({"id": "s", "updated_at": 9})
        plain.save({"id": "s", "updated_at": 10})
        assert plain.history_page("s", changes=True, limit=1).changes == ("updated_at",)


def test_a_page_costs_the_same_wherever_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading 50 of 2,000 versions reads no more, and no states, than reading 50 of 200."""
    read: list[int] = []
    real = MemoryBackend.read

    def counted(self: MemoryBackend, session: str, start: int, stop: int) -> bytes:
        data = real(self, session, start, stop)
        read.append(len(data))
        return data

    monkeypatch.setattr(MemoryBackend, "read", counted)
    costs = {}
    for count in (200, 2000):
        with EventStore.open("memory://", model=dict, cache_size=0) as store:
            for number in range(count):
                store.save({"id": "s", "n": number})
            first = store.history_page("s")
            last = store.history_page("s", oldest_first=True)
            read.clear()
            store.history_page("s")
            costs[count, "first"] = len(read), sum(read)
            read.clear()
            store.history_page("s", after=first.next)
            costs[count, "second"] = len(read), sum(read)
            read.clear()
            store.history_page("s", oldest_first=True, after=last.next)
            costs[count, "oldest"] = len(read), sum(read)
    for which in ("first", "second", "oldest"):
        few, many = costs[200, which], costs[2000, which]
        assert many[0] <= few[0] + 2 and many[1] <= few[1] * 1.1 + 4096, costs


@pytest.mark.damage
def test_the_onward_history_stops_at_damage(tmp_path: Path) -> None:
    """Oldest first, the versions before a damaged one come, then the error that names it."""
    with EventStore.open(tmp_path / "d", model=dict) as store:
        sizes = [store.save({"id": "s", "n": n}).stored for n in range(4)]
    log = next((tmp_path / "d" / "logs").rglob("*.log"))
    data = bytearray(log.read_bytes())
    data[sizes[0] + sizes[1] - 20] ^= 1
    log.write_bytes(data)
    with EventStore.open(tmp_path / "d", model=dict) as store:
        found = store.history("s", oldest_first=True)
        assert next(found).version == 1
        with pytest.raises(CorruptError) as caught:
            next(found)
        assert caught.value.version == 2


@pytest.mark.damage
def test_the_onward_history_proves_the_chain(tmp_path: Path) -> None:
    """A sound frame of another log in the place of one is found by what its commit says."""
    logs = []
    for name in ("one", "other"):
        with EventStore.open(tmp_path / name, model=dict) as store:
            sizes = [store.save({"id": "s", "n": n}).stored for n in range(3)]
        logs.append((next((tmp_path / name / "logs").rglob("*.log")), sizes))
    (path, sizes), (source, same) = logs
    assert sizes == same
    data, taken = bytearray(path.read_bytes()), source.read_bytes()
    data[sizes[0] : sum(sizes[:2])] = taken[sizes[0] : sum(sizes[:2])]
    path.write_bytes(data)
    with EventStore.open(tmp_path / "one", model=dict) as store:
        found = store.history("s", oldest_first=True)
        assert next(found).version == 1
        with pytest.raises(CorruptError, match="the one before") as caught:
            next(found)
        assert caught.value.version == 2


def test_history_for_asyncio(location: str) -> None:
    """The asynchronous store has the same iterator and the same pages."""

    async def both() -> tuple[list[int], HistoryPage]:
        async with AsyncEventStore.open(location, model=dict) as store:
            for number in range(3):
                await store.save({"id": "s", "n": number}, actor=str(number % 2))
            found = [v.version async for v in store.history("s", actor="0", oldest_first=True)]
            return found, await store.history_page("s", limit=2, changes=True)

    found, page = asyncio.run(both())
    assert found == [1, 3]
    assert (numbers(page), page.changes) == ([3, 2], ("n", "n"))
