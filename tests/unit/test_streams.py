"""Lists that grow: messages, trace events and run events added and read in pages."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import (
    AsyncEventStore,
    ConflictError,
    EventStore,
    InvalidInputError,
    Message,
    RunEventPage,
    RunEventRecord,
    RunRecord,
    SessionData,
    TraceEvent,
    Version,
)
from eventstore.append import with_elements
from eventstore.desk import streams
from eventstore.models.runs import RunSnapshot, validate_invariants


def event(sequence: int, text: str = "x") -> RunEventRecord:
    """Return an event of a run."""
    return RunEventRecord(
        sequence=sequence, timestamp_ms=1000 + sequence, event={"type": "text_delta", "text": text}
    )


def record(run_id: str = "run-1", *events: RunEventRecord, count: int | None = None) -> RunRecord:
    """Return a run with events."""
    last = events[-1].sequence + 1 if events else 0
    snapshot = RunSnapshot(
        id=run_id,
        session_id="s",
        created_at_ms=1,
        updated_at_ms=5,
        event_count=last if count is None else count,
    )
    return RunRecord(snapshot=snapshot, events=events)


@pytest.fixture
def running(store: EventStore) -> EventStore:
    """A store with a session that has two runs, the second without events."""
    messages = (Message.user("é"), Message.assistant("b"))
    store.save(SessionData(id="s", messages=messages, created_at=1, updated_at=2))
    store.save_run_records("s", [record("run-0", event(0), event(1)), record("run-1")])
    return store


def test_messages_are_added_as_a_save_would(running: EventStore) -> None:
    """The state after is the state with the messages at its end, and nothing else changed."""
    before = running.load("s")
    more = (Message.user("c"), Message.tool_result("t", "out"))
    version = running.append_messages("s", more, actor="me", note="why")
    after = before.model_copy(update={"messages": (*before.messages, *more)})
    assert running.load("s") == after
    assert running.load_bytes("s") == after.model_dump_json().encode()
    assert (version.version, version.actor, version.note) == (3, "me", "why")
    assert [p for p, v in version.parts.items() if v.changed] == ["session"]
    assert running.save(after) == version
    (info,) = running.sessions()
    assert info.messages == 4 and info.version == 3


def test_adding_nothing_writes_nothing(running: EventStore) -> None:
    """An addition of nothing is the version that is there."""
    newest = running.version("s")
    assert running.append_messages("s", []) == newest
    assert running.append_run_events("s", "run-0", []) == newest


def test_what_was_spelled_otherwise_stays(store: EventStore) -> None:
    """An addition leaves every byte before it as it was saved."""
    with EventStore.open("memory://", model=dict) as plain:
        plain.save_states("s", {"session": b'{"n":1.00,"messages":[],"\\u0061":"\\u00e9"}'})
        plain.append_messages("s", [{"any": "thing"}])
        plain.append_messages("s", [1, "two"])
        expected = b'{"n":1.00,"messages":[{"any":"thing"},1,"two"],"\\u0061":"\\u00e9"}'
        assert plain.load_bytes("s") == expected
        assert plain.load_bytes("s", at=1) == b'{"n":1.00,"messages":[],"\\u0061":"\\u00e9"}'


def test_trace_events_are_added(running: EventStore) -> None:
    """Trace events begin a list where there is none, and go on with one where there is."""
    first = TraceEvent.tool_execution("bash", True, 0, 5, 10)
    running.append_trace_events("s", [first])
    running.append_trace_events("s", [first.model_dump(mode="json"), first])
    assert running.load_trace_events("s") == (first, first, first)


def test_run_events_are_added(running: EventStore) -> None:
    """A run then has the events, counts them, and was updated when the last happened."""
    running.append_run_events("s", "run-1", [event(0), event(1).model_dump(mode="json")])
    version = running.append_run_events("s", "run-1", [event(5)])
    running.append_run_events("s", "run-0", [event(2, "é")])
    records = running.load_run_records("s") or ()
    validate_invariants(records, "s")
    assert [[e.sequence for e in r.events] for r in records] == [[0, 1, 2], [0, 1, 5]]
    assert [r.snapshot.event_count for r in records] == [3, 6]
    assert [r.snapshot.updated_at_ms for r in records] == [1002, 1005]
    assert version.version == 4
    told = [e for e in running.replay("s", 3) if e.subject == "run event"]
    assert [(e.version, e.run, e.value["sequence"]) for e in told] == [
        (3, "run-1", 0),
        (3, "run-1", 1),
        (4, "run-1", 5),
        (5, "run-0", 2),
    ]


def test_an_addition_stores_what_was_added(running: EventStore) -> None:
    """Adding to a long list takes about the bytes that are added."""
    many = [event(number, str(number)) for number in range(3000)]
    running.append_run_events("s", "run-1", many)
    sizes = [running.append_run_events("s", "run-1", [event(n)]).stored for n in range(3000, 3010)]
    assert max(sizes) < 1500


Refused = tuple[Callable[[EventStore], Any], str, str]


@pytest.mark.parametrize(
    ("call", "field", "reason"),
    [
        (lambda s: s.append_messages("nobody", []), "id", "no such session"),
        (lambda s: s.append_run_events("s", "run-9", [event(0)]), "run_id", "save_run_records"),
        (lambda s: s.append_run_events("nobody", "run-9", []), "id", "no such session"),
        (lambda s: s.append_run_events("s", 5, []), "run_id", "not a string"),
        (
            lambda s: s.append_run_events("s", "run-0", [event(1)]),
            "events.0.sequence",
            "sequence 1 was used.*the next is 2",
        ),
        (
            lambda s: s.append_run_events("s", "run-0", [event(3), event(3)]),
            "events.1.sequence",
            "the next is 4",
        ),
        (
            lambda s: s.append_run_events("s", "run-0", [{"sequence": 2}]),
            "events.timestamp_ms",
            "required",
        ),
        (lambda s: s.append_messages("s", "hello"), "messages", "not a list"),
        (lambda s: s.append_messages("s", [{"role": "user"}]), "messages.content", "required"),
        (lambda s: s.append_trace_events("s", [{}]), "events.schema", "required"),
        (lambda s: s.run_events("s", "run-9"), "run_id", "no run 'run-9'"),
        (lambda s: s.run_events("nobody", "run-0"), "id", "no such session"),
        (lambda s: s.run_events("s", "run-0", limit=0), "limit", "from 1 to"),
        (lambda s: s.run_events("s", "run-0", after=-1), "after", "from 0 to"),
        (lambda s: s.run_events("s", "run-0", at=1), "run_id", "no run"),
    ],
)
def test_bad_additions_are_refused(
    running: EventStore, call: Callable[[EventStore], Any], field: str, reason: str
) -> None:
    """What cannot be added is refused with its field, and nothing is written."""
    newest = running.version("s")
    with pytest.raises(InvalidInputError, match=reason) as caught:
        call(running)
    assert caught.value.field == field
    assert running.version("s") == newest and not running.exists("nobody")


def test_lists_that_are_none_are_refused() -> None:
    """A session without a list to add to is left as it is."""
    with EventStore.open("memory://", model=dict) as plain:
        plain.save({"id": "s", "messages": {}})
        plain.save_states("s", {"trace_events": b"{}", "run_records": b"5"})
        for call in (plain.append_messages, plain.append_trace_events):
            with pytest.raises(InvalidInputError, match="list"):
                call("s", [{}] if call == plain.append_messages else [])
        with pytest.raises(InvalidInputError, match="no run"):
            plain.append_run_events("s", "r", [])
        plain.delete("s")
        with pytest.raises(InvalidInputError, match="undelete it"):
            plain.append_messages("s", [])
        assert len(list(plain.history("s"))) == 3


def test_an_addition_is_safe_to_repeat(running: EventStore) -> None:
    """The same addition with the same key is done once, whatever was added since."""
    first = running.append_messages("s", [Message.user("c")], key="k")
    running.append_messages("s", [Message.user("d")], key="l")
    assert running.append_messages("s", [Message.user("c")], key="k") == first
    assert len(running.load("s").messages) == 4
    with pytest.raises(ConflictError, match="used for another"):
        running.append_messages("s", [Message.user("e")], key="k")
    with pytest.raises(ConflictError):
        running.append_messages("s", [Message.user("e")], expected=first)
    running.delete("s")
    assert running.append_messages("s", [Message.user("c")], key="k") == first


def test_additions_of_many_threads_all_arrive(running: EventStore) -> None:
    """Additions at the same time come one after the other, and none is lost."""

    def add(name: str) -> None:
        for number in range(10):
            running.append_messages("s", [Message.user(f"{name} {number}")])

    threads = [threading.Thread(target=add, args=(name,)) for name in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = [message.text for message in running.load("s").messages[2:]]
    assert sorted(found) == sorted(f"{name} {n}" for name in "abcd" for n in range(10))
    for name in "abcd":
        assert [t for t in found if t[0] == name] == [f"{name} {n}" for n in range(10)]


@pytest.fixture
def trimmed(store: EventStore) -> Iterator[EventStore]:
    """A store with a run that kept only its events 3 to 7."""
    store.save(SessionData(id="s"))
    store.save_run_records("s", [record("run-1", *(event(n) for n in range(3, 8)))])
    store.save_run_records("t", [record("run-2", count=4).model_dump(mode="json")])
    yield store


@pytest.mark.parametrize(
    ("after", "limit", "sequences", "following", "gap", "more"),
    [
        (None, 100, [3, 4, 5, 6, 7], 7, True, False),
        (None, 2, [3, 4], 4, True, True),
        (1, 2, [3, 4], 4, True, True),
        (2, 2, [3, 4], 4, False, True),
        (4, 3, [5, 6, 7], 7, False, False),
        (6, 3, [7], 7, False, False),
        (7, 3, [], 7, False, False),
        (100, 3, [], 100, False, False),
    ],
)
def test_pages_of_run_events(
    trimmed: EventStore,
    after: int | None,
    limit: int,
    sequences: list[int],
    following: int,
    gap: bool,
    more: bool,
) -> None:
    """A page says what it has, where the next one starts, and if events were trimmed before it."""
    page = trimmed.run_events("s", "run-1", after=after, limit=limit)
    assert isinstance(page, RunEventPage)
    assert [e.sequence for e in page.events] == sequences
    assert page.first_available_sequence == 3
    assert page.latest_sequence_exclusive == 8
    assert page.next_after_sequence == following
    assert (page.retention_gap, page.has_more) == (gap, more)


def test_a_page_of_a_run_that_kept_nothing(trimmed: EventStore) -> None:
    """Where no event is kept, that is a gap up to the count of the run, and none behind it."""
    page = trimmed.run_events("t", "run-2")
    assert (page.events, page.first_available_sequence, page.next_after_sequence) == (
        (),
        None,
        None,
    )
    assert (page.latest_sequence_exclusive, page.retention_gap, page.has_more) == (4, True, False)
    assert not trimmed.run_events("t", "run-2", after=3).retention_gap


def test_pages_follow_each_other(running: EventStore) -> None:
    """Polling with the next of each page sees every event once, also those added meanwhile."""
    seen: list[int] = []
    after = None
    for batch in range(4):
        running.append_run_events("s", "run-1", [event(batch * 3 + n) for n in range(3)])
        while True:
            page = running.run_events("s", "run-1", after=after, limit=2)
            seen += [e.sequence for e in page.events]
            after = page.next_after_sequence
            if not page.has_more:
                break
    assert seen == list(range(12))
    assert len(running.run_events("s", "run-1", at=3).events) == 3


def test_streams_for_asyncio(location: str) -> None:
    """The asynchronous store has the same calls."""

    async def used() -> tuple[Version, RunEventPage]:
        async with AsyncEventStore.open(location) as store:
            await store.save(SessionData(id="s"))
            await store.append_messages("s", [Message.user("a")], actor="me")
            await store.append_trace_events("s", [TraceEvent.tool_execution("b", True, 0, 5, 1)])
            await store.save_run_records("s", [record()])
            version = await store.append_run_events("s", "run-1", [event(0)], key="k")
            return version, await store.run_events("s", "run-1")

    version, page = asyncio.run(used())
    assert (version.version, version.key) == (5, "k")
    assert json.loads(page.model_dump_json())["events"][0]["sequence"] == 0


@given(st.lists(st.sampled_from(["save", "add", "none", "trace", "forget", "exact"]), max_size=12))
def test_additions_and_saves_in_any_order(steps: list[str]) -> None:
    """However the present state came about, an addition makes what a save of all would."""
    with EventStore.open("memory://") as store:
        session = SessionData(id="s", messages=(Message.user("é"),), created_at=1, updated_at=2)
        traces: list[TraceEvent] = []
        store.save(session)
        for number, step in enumerate(steps):
            more = (Message.user(f"{number}"), Message.tool_result("t", "ü"))
            if step == "forget":
                store._catalog.log("s").forget_states()
            elif step == "trace":
                traces.append(TraceEvent.tool_execution(f"é{number}", True, 0, 1, 1))
                if number % 2:
                    store.save_trace_events("s", tuple(traces))
                else:
                    store.append_trace_events("s", traces[-1:])
            elif step != "none":
                session = session.model_copy(update={"messages": (*session.messages, *more)})
            if step == "save":
                store.save(session)
            elif step == "exact":
                store.save_states("s", {"session": session.model_dump_json().encode()})
            elif step in ("add", "none"):
                store.append_messages("s", more if step == "add" else ())
            assert store.load_bytes("s") == session.model_dump_json().encode()
            assert store.load_trace_events("s") == (tuple(traces) or None)
        assert store.sessions().items[0].messages == len(session.messages)
        count = len(list(store.history("s")))
        for version in range(1, count + 1):
            assert store.load("s", at=version)


@pytest.mark.parametrize("kind", [SessionData, dict])
def test_only_the_first_addition_looks_at_the_whole_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: Any
) -> None:
    """Where a process goes on adding, an addition does not split the state that is there."""
    looks: list[int] = []

    def counted(state: str, path: Any, texts: Any) -> str | None:
        looks.append(len(state))
        return with_elements(state, path, texts)

    with EventStore.open(tmp_path / "store") as store:
        store.save(SessionData(id="s", messages=(Message.user("é"), Message.assistant("b"))))
    monkeypatch.setattr(streams, "with_elements", counted)
    with EventStore.open(tmp_path / "store", model=kind) as store:
        for number in range(5):
            message = Message.user(f"{number}").model_dump(mode="json")
            store.append_messages("s", [message])
        assert len(store.load("s", model=dict)["messages"]) == 7
    assert len(looks) == 1
