"""`diff` and `first_divergence`: what lies between two versions of one session or of two."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import (
    AsyncEventStore,
    Difference,
    Divergence,
    EventStore,
    InvalidInputError,
    apply_patch,
)
from eventstore.log import Log
from tests.unit.json_texts import is_identical, pairs, texts


def said(*texts: str) -> list[dict[str, Any]]:
    """Return messages that say *texts*."""
    return [{"role": "user", "content": [{"type": "text", "text": text}]} for text in texts]


@pytest.fixture
def two() -> Iterator[EventStore]:
    """A store with session `a` in four versions, and `b`, which went another way."""
    with EventStore.open("memory://", model=dict) as store:
        store.save({"id": "a", "state": "Active", "messages": said("x", "y")})
        store.save({"id": "a", "state": "Error", "messages": said("x", "z", "w")})
        store.save_states("a", {"run_records": b'[{"snapshot":{"id":"r"},"events":[1,2]}]'})
        store.save_states("a", {"mine": b"1.0"})
        store.save({"id": "b", "state": "Error", "messages": said("x", "z", "v", "u")})
        yield store


def test_two_versions_of_one_session(two: EventStore) -> None:
    """A difference has a patch, a summary, events and a few words, between any two versions."""
    diff = two.diff("a", 1, 2)
    assert (diff.before.version, diff.after.version, diff.parts) == (1, 2, ("session",))
    assert diff.patch() == [
        {"op": "replace", "path": "/state", "value": "Error"},
        {"op": "replace", "path": "/messages/1/content/0/text", "value": "z"},
        {"op": "add", "path": "/messages/2", "value": said("w")[0]},
    ]
    assert apply_patch(two.load("a", at=1), diff.patch()) == two.load("a", at=2)
    assert diff.patch_text().startswith('[{"op": "replace", "path": "/state", "value": "Error"}')
    assert diff.summary() == {
        "state": "Error",
        "messages": {"1": {"content": {"0": {"text": "z"}}}, "+2": said("w")[0]},
    }
    assert [event.kind for event in diff.events()] == [
        "field changed",
        "message changed",
        "message added",
    ]
    assert diff.in_few_words() == "1 message changed, +1 message, state Active→Error"
    back = two.diff("a", 2, 1)
    assert back.in_few_words() == "1 message changed, −1 message, state Error→Active"
    assert apply_patch(two.load("a", at=2), back.patch()) == two.load("a", at=1)
    assert repr(diff) == "<Difference 'a'@1 to 'a'@2>"


def test_all_parts_are_compared_or_one(two: EventStore) -> None:
    """Parts that came or went are in the difference; one part can be asked for alone."""
    diff = two.diff("a", 1)
    assert diff.parts == ("session", "mine", "run_records")
    assert diff.patch("mine") == [{"op": "replace", "path": "", "value": 1.0}]
    assert diff.patch_text("mine") == '[{"op": "replace", "path": "", "value": 1.0}]'
    assert two.diff("a", 4, 1).patch("mine") == [{"op": "replace", "path": "", "value": None}]
    only = two.diff("a", 2, 4, part="run_records")
    assert only.parts == ("run_records",)
    assert only.in_few_words() == "run_records added, +1 run, +2 run events"
    same = two.diff("a", 2, 4, part="session")
    assert not same and same.patch() == [] and same.in_few_words() == "nothing"
    assert not two.diff("a", 4, 4) and not list(two.diff("a", 4, 4).events())


def test_two_sessions(two: EventStore) -> None:
    """Versions of two sessions compare like two of one, at their newest or at any version."""
    diff = two.diff("a", 2, other=("b", 1))
    assert apply_patch(two.load("a", at=2), diff.patch()) == two.load("b")
    assert two.diff("a", 2, other="b").patch() == diff.patch()
    newest = two.version("a")
    assert two.diff("a", other="b").patch() == two.diff("a", newest, other="b").patch()
    assert two.diff("a").patch("session") == two.diff("a", -1).patch("session")
    assert two.diff("a", two.version("a", 2), other=("b", 1)).parts == ("session",)


def test_the_first_divergence(two: EventStore) -> None:
    """It is the first message that differs, from both sides, whatever the ids are."""
    z = said("w")[0], said("v")[0]
    found = two.first_divergence("a", "b")
    assert isinstance(found, Divergence)
    assert (found.part, found.subject, found.path, found.index) == (
        "session",
        "message",
        ("messages", 2),
        2,
    )
    assert found.before is not None and found.after is not None
    assert (json.loads(found.before), json.loads(found.after)) == z
    turned = two.first_divergence(("b", 1), ("a", 2))
    assert turned is not None and (turned.before, turned.after) == (found.after, found.before)
    assert two.diff("a", 2, other="b").first_divergence() == found
    longer = two.first_divergence(("a", 1), "a", part="session")
    assert longer is not None and longer.path == ("messages", 1)


def test_a_divergence_may_be_where_one_side_ends() -> None:
    """A session that goes on differs where the other has no more messages."""
    with EventStore.open("memory://", model=dict) as plain:
        plain.save({"id": "a", "messages": said("x")})
        plain.save({"id": "b", "messages": said("x", "y")})
        plain.save({"id": "c", "messages": said("x")})
        plain.save({"id": "d", "messages": said("x"), "state": "Error"})
        plain.save({"id": "e", "messages": "none"})
        plain.save({"id": "f"})
        found = plain.first_divergence("a", "b")
        assert found is not None and (found.path, found.before) == (("messages", 1), None)
        found = plain.first_divergence("b", "a")
        assert found is not None and (found.path, found.after) == (("messages", 1), None)
        assert plain.first_divergence("a", "c") is None
        assert plain.first_divergence("a", "a") is None
        found = plain.first_divergence("a", "d")
        assert found is not None and (found.subject, found.path) == ("field", ("state",))
        for side in ("e", "f"):
            found = plain.first_divergence("a", side)
            assert found is not None and (found.path, found.after) == (("messages", 0), None)


def test_a_number_that_goes_on_is_another() -> None:
    """Elements that begin alike are told apart."""
    with EventStore.open("memory://", model=dict) as plain:
        plain.save({"id": "a", "messages": [7, 1, 5]})
        plain.save({"id": "b", "messages": [7, 145, 5]})
        for sides in (("a", "b"), ("b", "a")):
            found = plain.first_divergence(*sides)
            assert found is not None and found.path == ("messages", 1)
            assert {found.before, found.after} == {"1", "145"}


def test_a_session_that_goes_on_meanwhile_is_compared_as_it_was(
    two: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state in memory is not taken for that of a version which is no longer the newest."""
    expected = two.diff("a", 1, other=("b", 1)).patch()
    monkeypatch.setattr(Log, "newest_sound", lambda _: 1)
    assert two.diff("a", 1, other=("b", 1)).patch() == expected


def test_events_diverge_behind_equal_messages() -> None:
    """Where messages agree, the first run event or trace event that differs is found."""
    with EventStore.open("memory://", model=dict) as store:
        runs = '[{"snapshot":{"id":"%s"},"events":[1,%d]},{"snapshot":{},"events":[%s]}]'
        for id, second, third in (("a", 2, "5"), ("b", 2, "5,6"), ("c", 3, "5")):
            store.save({"id": id, "messages": said("x")})
            store.save_states(id, {"run_records": (runs % (id, second, third)).encode()})
            store.save_states(id, {"trace_events": b"[%d]" % len(third)})
        found = store.first_divergence("a", "b")
        assert found is not None
        assert (found.subject, found.path, found.after) == ("run event", (1, "events", 1), "6")
        found = store.first_divergence("a", "c")
        assert found is not None and (found.path, found.after) == ((0, "events", 1), "3")
        found = store.first_divergence("a", "b", part="trace_events")
        assert found is not None and (found.subject, found.path) == ("trace event", (0,))


@given(st.data())
def test_the_patch_of_two_saved_states(data: st.DataObject) -> None:
    """Applying the patch to A gives B, whatever bytes were saved."""
    old, new = data.draw(pairs())
    with EventStore.open("memory://", model=dict) as store:
        for value in (old, new):
            store.save_states("s", {"session": data.draw(texts(value)).encode()})
        diff: Difference = store.diff("s", 1)
        assert is_identical(apply_patch(store.load("s", at=1), diff.patch()), store.load("s"))


@pytest.mark.parametrize(
    ("arguments", "options", "field", "reason"),
    [
        (("a", 1, 9), {}, "at", "versions are 1 to 4"),
        (("a", 0), {}, "at", "versions are 1 to 4"),
        (("a", 1, 2), {"other": "b"}, "other", "pass one of the two"),
        (("a", 1), {"other": ("b",)}, "other", "an id and a version"),
        (("a", 1), {"other": 5}, "other", "an id and a version"),
        (("a", 1), {"other": "nobody"}, "other", "no such session"),
        (("nobody", 1), {}, "id", "no such session"),
        (("a", 1, 2), {"part": "yours"}, "part", "parts are session"),
        (("a", 1, 2), {"part": "Not a name"}, "part", "part name"),
        (("a", "b3:"), {}, "at", "names no version"),
    ],
)
def test_bad_comparisons_are_refused(
    two: EventStore, arguments: Any, options: Any, field: str, reason: str
) -> None:
    """What cannot be compared is bad input, and the error says what could be."""
    with pytest.raises(InvalidInputError, match=reason) as caught:
        two.diff(*arguments, **options)
    assert caught.value.field == field


def test_other_parts_of_a_difference_are_refused(two: EventStore) -> None:
    """A difference of one part knows nothing of another and says which it has."""
    diff = two.diff("a", 1, 2, part="session")
    for call in (diff.patch, diff.summary, diff.patch_text):
        with pytest.raises(InvalidInputError, match="parts are session"):
            call("run_records")


def test_comparing_for_asyncio(location: str) -> None:
    """The asynchronous store has the same differences."""

    async def both() -> tuple[Difference, Divergence | None]:
        async with AsyncEventStore.open(location, model=dict) as store:
            await store.save({"id": "s", "messages": said("x")})
            await store.save({"id": "s", "messages": said("y")})
            diff = await store.diff("s", 1, 2)
            return diff, await store.first_divergence(("s", 1), ("s", 2))

    diff, divergence = asyncio.run(both())
    assert diff.in_few_words() == "1 message changed"
    assert divergence == diff.first_divergence() is not None
