"""`replay` tells what happened, and folding it gives every state again, byte for byte."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from itertools import groupby, pairwise, permutations
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import (
    AsyncEventStore,
    CorruptError,
    ErasedError,
    EventStore,
    Fold,
    InvalidInputError,
)
from eventstore.events import Happening, part_events
from eventstore.log_reader import LogReader
from eventstore.outline import outline_of
from tests.unit.json_texts import SCALARS, VALUES, changed, texts

PARTS = ("session", "trace_events", "run_records", "artifacts", "mine")


def message(text: str, role: str = "user") -> dict[str, Any]:
    """Return a message of one text."""
    return {"role": role, "content": [{"type": "text", "text": text}]}


def run(run_id: str, events: list[Any], status: str = "executing") -> dict[str, Any]:
    """Return a run record in plain JSON."""
    snapshot = {"id": run_id, "session_id": "s", "status": status, "event_count": len(events)}
    records = [{"sequence": number, "event": event} for number, event in enumerate(events)]
    return {"snapshot": snapshot, "events": records}


def compact(value: Any) -> bytes:
    """Return a value as a state."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def states_at(store: EventStore, id: str) -> list[dict[str, bytes]]:
    """Return all states at every version, oldest first."""
    return [
        {part: store.load_bytes(id, part, at=version) or b"" for part in version.parts}
        for version in store.history(id, oldest_first=True)
    ]


def assert_folds(store: EventStore, id: str, start: int = 1) -> None:
    """Check that the events from *start* on lead to the states of every version."""
    every = states_at(store, id)
    fold = Fold(every[start - 2] if start > 1 else None)
    told = {v: list(g) for v, g in groupby(store.replay(id, start), key=lambda e: e.version)}
    for number in range(start, len(every) + 1):
        for event in told.get(number, ()):
            fold.apply(event)
        assert {part: fold.state(part) for part in fold.parts} == every[number - 1], number


@st.composite
def documents(draw: st.DrawFn) -> Any:
    """Return a part that may have lists of messages, runs, tasks or artifacts."""
    lists = st.lists(VALUES | st.builds(message, st.text(max_size=3)), max_size=4)
    one = st.builds(run, st.sampled_from("ab"), st.lists(SCALARS, max_size=3))
    runs = st.lists(one, max_size=3)
    names = st.sampled_from(["messages", "tasks", "artifacts", "state", "x"])
    return draw(st.dictionaries(names, lists | SCALARS, max_size=4) | runs | lists | VALUES)


@given(st.data())
def test_folding_gives_every_state(data: st.DataObject) -> None:
    """Whatever is saved, deleted and brought back, the events lead to the exact bytes."""
    now: dict[str, Any] = {}
    with EventStore.open("memory://", model=dict) as store:
        for _ in range(data.draw(st.integers(1, 5))):
            step = data.draw(st.integers(0, 9))
            if step == 0:
                store.delete("s")
            elif step == 1 and store.version("s"):
                store.undelete("s")
            else:
                for part in data.draw(st.sets(st.sampled_from(PARTS), min_size=1, max_size=2)):
                    old = now.get(part)
                    now[part] = data.draw(documents() if old is None else changed(old))
                store.save_states("s", {p: data.draw(texts(v)).encode() for p, v in now.items()})
        count = len(list(store.history("s")))
        for start in {1, max(1, count // 2), max(1, count)}:
            if count:
                assert_folds(store, "s", start)


@pytest.mark.parametrize("count", range(5))
def test_members_come_go_and_move(count: int) -> None:
    """From any order of members to any other, with some gone and some new, folding is exact."""
    happening = Happening("s", 2, 0, None)
    for before in permutations("abc"):
        for after in permutations("abcd", count):
            old, new = (compact({key: key for key in side}) for side in (before, after))
            fold = Fold({"mine": old})
            nodes = (outline_of(side, session="s", part="mine") for side in (old, new))
            for event in part_events(happening, "mine", *nodes):
                fold.apply(event)
            assert fold.state("mine") == new


def test_a_chain_that_does_not_unroll_is_read_version_by_version(
    told: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a chain seems to hold is proven by the address, and read again where it is not that."""
    monkeypatch.setattr("eventstore.log_walk.unroll", lambda *_: iter([b"{}"] * 20))
    assert_folds(told, "s")


@pytest.fixture
def told() -> Iterator[EventStore]:
    """A store whose session `s` went through everything that can happen."""
    with EventStore.open("memory://", model=dict) as opened:
        first = {"id": "s", "state": "Active", "messages": [message("a")], "tasks": []}
        opened.save(first, actor="me", parts={"mine": {"n": 1.0}})
        opened.save_states("s", {"run_records": compact([run("r", ["x"])])})
        opened.save_states("s", {"run_records": compact([run("r", ["x", "y"], "completed")])})
        task = {"id": "1", "content": "c", "status": "pending"}
        second = {**first, "messages": [message("b"), message("c", "assistant")], "tasks": [task]}
        opened.save({**second, "state": "Error"}, actor="you")
        opened.save_states("s", {"trace_events": b'[{"name":"t"}]', "mine": b'{"n":1}'})
        opened.delete("s", actor="me")
        opened.undelete("s")
        done = {**second, "messages": second["messages"][1:], "state": "Error"}
        opened.save({**done, "tasks": [{**task, "status": "completed"}]})
        opened.save_states("s", {"artifacts": b'{"artifacts":[{"artifact_uri":"u"}]}'})
        opened.save_states("s", {"verification_reports": b'[{"subject":"v"}]'})
        yield opened


def test_what_happened_is_told_in_order(told: EventStore) -> None:
    """Each kind of thing has its kind of event, with version, path and exact texts."""
    events = list(told.replay("s"))
    shown = [(e.version, e.kind, e.part, "/".join(map(str, e.path))) for e in events]
    assert shown == [
        (1, "part added", "session", ""),
        (1, "message added", "session", "messages/0"),
        (1, "part added", "mine", ""),
        (2, "part added", "run_records", ""),
        (2, "run added", "run_records", "0"),
        (2, "run event added", "run_records", "0/events/0"),
        (3, "field changed", "run_records", "0/snapshot/status"),
        (3, "field changed", "run_records", "0/snapshot/event_count"),
        (3, "run event added", "run_records", "0/events/1"),
        (4, "field changed", "session", "state"),
        (4, "message changed", "session", "messages/0"),
        (4, "message added", "session", "messages/1"),
        (4, "task added", "session", "tasks/0"),
        (5, "field changed", "mine", "n"),
        (5, "part added", "trace_events", ""),
        (5, "trace event added", "trace_events", "0"),
        (6, "session deleted", None, ""),
        (7, "session undeleted", None, ""),
        (8, "message removed", "session", "messages/0"),
        (8, "task changed", "session", "tasks/0"),
        (9, "part added", "artifacts", ""),
        (9, "artifact added", "artifacts", "artifacts/0"),
        (10, "part added", "verification_reports", ""),
        (10, "verification report added", "verification_reports", "0"),
    ]
    assert_folds(told, "s")
    by_kind = {(e.version, e.kind): e for e in events}
    assert by_kind[5, "field changed"].before == "1.0"
    assert by_kind[5, "field changed"].after == "1"
    assert by_kind[3, "run event added"].value == {"sequence": 1, "event": "y"}
    assert {e.run for e in events if e.part == "run_records"} == {None, "r"}
    assert by_kind[4, "message changed"].was == message("a")
    assert [e.actor for e in events if e.version in (1, 6)] == ["me"] * 4
    times = [version.time for version in told.history("s", oldest_first=True)]
    assert all(e.time == times[e.version - 1] for e in events)
    assert all(one.at <= other.at for one, other in pairwise(events))


@pytest.mark.parametrize("start", range(1, 11))
def test_a_replay_begins_anywhere(told: EventStore, start: int) -> None:
    """Events from any version on lead on from the states before it."""
    assert_folds(told, "s", start)
    numbers = {
        event.version for event in told.replay("s", start, start + 1 if start < 10 else None)
    }
    assert numbers == {start, start + 1} - {11}


def test_ranges_are_checked_before_the_first_event(told: EventStore) -> None:
    """An inverted or impossible range is refused by the call, saying what would be valid."""
    with pytest.raises(InvalidInputError, match="version 4 is after version 3") as caught:
        told.replay("s", 4, 3)
    assert caught.value.field == "start"
    with pytest.raises(InvalidInputError, match="versions are 1 to 10"):
        told.replay("s", 11)
    with pytest.raises(InvalidInputError, match="versions are 1 to 10"):
        told.replay("s", 1, 0)
    assert list(told.replay("nobody")) == []
    assert [e.version for e in told.replay("s", -1)] == [9, 9, 10, 10]


def test_events_that_do_not_follow_are_refused(told: EventStore) -> None:
    """A fold that lacks what an event builds on says so, and quotes nothing."""
    events = list(told.replay("s"))
    for event in (events[1], events[8], events[12], events[19]):
        with pytest.raises(InvalidInputError, match="does not follow") as caught:
            Fold().apply(event)
        assert caught.value.version == event.version
    fold = Fold({"session": b'{"messages":1}'})
    with pytest.raises(InvalidInputError, match="does not follow"):
        fold.apply(events[1])


def test_a_dropped_state_is_told_of(told: EventStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A state that is gone is an event, its fold raises, and later states are as they were."""
    every = states_at(told, "s")
    real, gone = LogReader.state, {4, 5, 6, 7}

    def state(self: LogReader, part: str, seq: int | None = None) -> bytes | None:
        if part == "session" and seq in gone:
            raise ErasedError("the state was dropped", session="s", version=seq)
        return real(self, part, seq)

    monkeypatch.setattr(LogReader, "state", state)
    monkeypatch.setattr("eventstore.log_walk._CHAINED", ())
    fold = Fold()
    kinds: dict[int, list[str]] = {}
    events = list(told.replay("s"))
    for number in range(1, 11):
        for event in (event for event in events if event.version == number):
            fold.apply(event)
            kinds.setdefault(number, []).append(event.kind)
        if number in gone - {6}:
            with pytest.raises(ErasedError):
                fold.state("session")
        else:
            assert {p: fold.state(p) for p in fold.parts} == every[number - 1]
    assert kinds[4] == ["part dropped"]
    assert kinds[7] == ["session undeleted", "part dropped"]
    assert kinds[8][0] == "part regained"
    with pytest.raises(ErasedError):
        told.diff("s", 3, 4)


def test_restores_and_forks_are_told() -> None:
    """A version that was restored, also after a delete, and a fork fold to their exact bytes."""
    with EventStore.open("memory://", model=dict) as plain:
        for number in range(1, 4):
            parts = {"mine": number} if number > 1 else None
            plain.save({"id": "s", "messages": [message("m")] * number}, parts=parts)
        plain.restore("s", at=1)
        plain.delete("s")
        plain.restore("s", at=3)
        plain.fork("s", "f", at=2)
        plain.append_messages("f", [message("of its own")])
        for id in ("s", "f"):
            count = len(list(plain.history(id)))
            for start in range(1, count + 1):
                assert_folds(plain, id, start)
        kinds = {e.version: e.kind for e in reversed(list(plain.replay("s")))}
        assert [kinds[n] for n in (4, 5, 6)] == [
            "session restored",
            "session deleted",
            "session restored",
        ]
        assert next(plain.replay("f")).kind == "session forked"
        assert [e.kind for e in plain.replay("s", 4, 4)] == [
            "session restored",
            "part removed",
            "message removed",
            "message removed",
        ]
        found = plain.first_divergence(("s", 3), "f")
        assert found is not None and found.path == ("messages", 2)


def test_a_thinned_session_is_told_as_far_as_it_is_kept(location: str) -> None:
    """What thinning dropped is told as dropped; what it kept folds to the exact bytes."""
    with EventStore.open(location, model=dict) as store:
        for number in range(1, 13):
            thought = Random(number).randbytes(500).hex()
            store.save({"id": "s", "thought": thought, "messages": [message("m")] * number})
            if number % 4 == 0:
                store.save_states("s", {"mine": b"%d.0" % number})
        every = states_at(store, "s")
        pages = [store.history_page("s", limit=5, oldest_first=first) for first in (False, True)]
        store.compact(["s"], keep_last=4)
        fold, dropped = Fold(), set()
        events = list(store.replay("s"))
        newest = store.version("s")
        assert newest is not None
        for number in range(1, newest.version + 1):
            for event in (event for event in events if event.version == number):
                fold.apply(event)
                if event.kind == "part dropped":
                    dropped.add((number, event.part))
            for part, state in (every[number - 1] if number <= len(every) else {}).items():
                try:
                    kept = store.load_bytes("s", part, at=number)
                except ErasedError:
                    with pytest.raises(ErasedError):
                        fold.state(part)
                else:
                    assert kept == state == fold.state(part)
        assert (1, "session") in dropped and (4, "session") in dropped
        with pytest.raises(ErasedError, match="nearest kept"):
            store.diff("s", 1, -1)
        said = store.history_page("s", changes=True).changes
        assert said is not None and "session dropped" in said
        for page, oldest_first, expected in zip(
            pages, (False, True), ([10, 9], [6, 7]), strict=True
        ):
            more = store.history_page("s", after=page.next, limit=2, oldest_first=oldest_first)
            assert [version.version for version in more] == expected


@pytest.mark.damage
def test_damage_ends_a_replay_with_an_error(told: EventStore, tmp_path: Any) -> None:
    """What can be proven is told; then the damaged version is named."""
    with EventStore.open(tmp_path / "d", model=dict) as store:
        sizes = [store.save({"id": "s", "n": n}).stored for n in range(4)]
        log = next((tmp_path / "d" / "logs").rglob("*.log"))
        data = bytearray(log.read_bytes())
        data[sizes[0] + sizes[1] - 20] ^= 1
        log.write_bytes(data)
    with EventStore.open(tmp_path / "d", model=dict) as store:
        events = store.replay("s", 1, 1)
        assert [event.version for event in events] == [1]
        with pytest.raises(CorruptError) as caught:
            list(store.replay("s"))
        assert (caught.value.session, caught.value.version) == ("s", 2)


def test_replay_is_a_stream_for_asyncio_too(location: str) -> None:
    """The asynchronous store yields the same events."""

    async def told_of() -> list[str]:
        async with AsyncEventStore.open(location, model=dict) as store:
            await store.save({"id": "s", "messages": [message("a")]})
            return [event.kind async for event in store.replay("s")]

    assert asyncio.run(told_of()) == ["part added", "message added"]
