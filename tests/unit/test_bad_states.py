"""States that JSON, the model or the limits do not allow; and what must never be written."""

from __future__ import annotations

import json
import random
import string
import traceback
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, field_validator

from eventstore import EventStore, InvalidInputError, Message, SessionConfig, SessionData
from eventstore.json_rules import NESTING_MAX
from eventstore.models.a3s import LlmConfigData
from tests.second_reader import read_log

SECRET = "marker-of-a-secret"


def nested(levels: int, inside: Any = 1) -> Any:
    """Return *inside* within so many lists and objects."""
    for level in range(levels):
        inside = {"k": inside} if level % 2 else [inside]
    return inside


class Other(BaseModel):
    """A model that is not the store's."""

    id: str = "s"


def cyclic() -> list[Any]:
    """Return a list that holds itself."""
    found: list[Any] = []
    found.append(found)
    return found


BAD: dict[str, Any] = {
    "nan": float("nan"),
    "infinity": float("inf"),
    "minus infinity": [float("-inf")],
    "surrogate": "\ud800",
    "surrogate pair as two": "\ud83d\ude00",
    "surrogate key": {"\udfff": 1},
    "number key": {1: 2},
    "none key": {None: 2},
    "bytes key": {b"k": 2},
    "tuple key": {("a",): 2},
    "bytes": b"x",
    "set": {1},
    "datetime": datetime(2026, 1, 1),
    "object": object(),
    "complex": 1j,
    "path": Path("x"),
    "function": len,
    "iterator": iter([1]),
    "mapping view": [MappingProxyType({})],
    "number too long to print": 10**5000,
    "deep": nested(NESTING_MAX + 1),
    "very deep": nested(100_000),
    "cyclic": cyclic(),
}


@pytest.mark.parametrize("name", BAD)
def test_what_json_cannot_say_is_refused(location: str, name: str) -> None:
    """A value without a JSON form is refused in any part, naming the field; nothing is written."""
    value = BAD[name]
    with EventStore.open(location, model=dict) as store:
        for save, field in (
            (lambda: store.save({"id": "s", "list": [0, {"deep": value}]}), "session"),
            (lambda: store.save({"id": "s"}, parts={"mine": {"k": value}}), "mine"),
        ):
            with pytest.raises(InvalidInputError) as caught:
                save()
            assert str(caught.value.field).startswith(field)
        assert store.version("s") is None
        assert store.list() == []
        assert store.save({"id": "s"}).version == 1


@pytest.mark.parametrize("name", [name for name in BAD if "mapping" not in name])
def test_what_json_cannot_say_is_refused_by_the_model_too(store: EventStore, name: str) -> None:
    """The same holds for free-form fields of the default model, known and unknown ones."""
    good = SessionData(id="s").model_dump()
    for field in ("durable_memory_binding", "unknown_field"):
        with pytest.raises(InvalidInputError) as caught:
            store.save({**good, field: {"k": BAD[name]}})
        assert str(caught.value.field).startswith("session")
    with pytest.raises(InvalidInputError) as caught:
        store.save_artifacts("s", {"artifacts": [], "unknown": BAD[name]})
    assert str(caught.value.field).startswith("artifacts")
    assert store.version("s") is None


@pytest.mark.parametrize(
    ("value", "field"),
    [
        ([{"k": [0, float("nan")]}], "session.list.0.k.1"),
        ([{"k": [0, "\ud800"]}], "session.list.0.k.1"),
        ([{"k": {1: 2}}], "session.list.0.k"),
        ([{"k": {"\ud800": 2}}], "session.list.0.k.a key"),
        ([1, {"x": {2}}], "session.list.1.x"),
    ],
)
def test_the_field_is_named(location: str, value: Any, field: str) -> None:
    """An error says exactly where the bad value stands."""
    with EventStore.open(location, model=dict) as store:
        with pytest.raises(InvalidInputError) as caught:
            store.save({"id": "s", "list": value})
        assert caught.value.field == field


@pytest.mark.parametrize("model", [dict, SessionData])
def test_everything_json_can_say_is_kept(location: str, model: Any) -> None:
    """Large numbers, deep nesting, empty keys and any Unicode come back as they were."""
    value = {
        "": [1, 1.0, -0.0, 0.1, 1e22, 5e-324, 1.7976931348623157e308, True, False, None],
        "big": [10**400, -(10**400), 2**53 + 1, 2**64],
        "text": '\x00\x1f"\\/\u2028\x7fé😀\ufeff\uffff\U0010ffff',
        "deep": nested(NESTING_MAX - 4),
        "é": {"b": {}, "a": []},
    }
    document = {**SessionData(id="s").model_dump(), "durable_memory_binding": value, "extra": value}
    with EventStore.open(location, model=model) as store:
        store.save(document)
        loaded = store.load("s", model=dict)
        assert json.dumps(loaded["extra"]) == json.dumps(value)
        assert json.dumps(loaded["durable_memory_binding"]) == json.dumps(value)
        assert store.save(store.load("s")).version == 1
        assert store.load("s", model=SessionData).durable_memory_binding["big"][0] == 10**400


def test_the_deepest_state_is_exactly_as_deep_as_promised(location: str) -> None:
    """At the nesting limit a state is saved and loaded, one level more is refused."""
    with EventStore.open(location, model=dict) as store:
        deepest = {"id": "s", "v": nested(NESTING_MAX - 1)}
        store.save(deepest)
        assert json.dumps(store.load("s")) == json.dumps(deepest)
        with pytest.raises(InvalidInputError, match="nested deeper"):
            store.save({"id": "s", "v": nested(NESTING_MAX)})
        state = store.load_bytes("s")
        assert state is not None
        store.save_states("t", {"session": state})
        with pytest.raises(InvalidInputError, match="nested deeper"):
            store.save_states("t", {"session": b"[" + state + b"]"})


@pytest.mark.parametrize(
    "session",
    [
        None,
        5,
        "text",
        b"bytes",
        [1],
        [("id", "s")],
        Other(),
        SessionConfig(),
        Message.user("x"),
        SessionData,
        object(),
    ],
)
def test_what_is_no_session_is_refused(store: EventStore, session: Any) -> None:
    """A value that is neither a mapping nor of the store's model is refused by its type."""
    with pytest.raises(InvalidInputError) as caught:
        store.save(session)
    assert caught.value.field == "session"
    assert store.list() == []


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"messages": 5}, "session.messages"),
        ({"messages": [{"role": 1, "content": []}]}, "session.messages.0.role"),
        ({"state": "Sleeping"}, "session.state"),
        ({"created_at": "yesterday"}, "session.created_at"),
        ({"thinking_budget": -1}, "session.thinking_budget"),
        ({"total_cost": float("nan")}, "session.total_cost"),
        ({"tasks": [], "todos": []}, "session"),
        ({"config": None}, "session.config"),
    ],
)
def test_wrong_types_are_named(store: EventStore, change: dict[str, Any], field: str) -> None:
    """A document that the model refuses is refused with the field's name."""
    with pytest.raises(InvalidInputError) as caught:
        store.save({**SessionData(id="s").model_dump(), **change})
    assert str(caught.value.field).startswith(field)
    assert store.list() == []


def test_a_missing_field_is_named(store: EventStore) -> None:
    """A document that lacks what the format demands is not filled up in silence."""
    with pytest.raises(InvalidInputError) as caught:
        store.save({"id": "s"})
    assert str(caught.value.field).startswith("session.")
    assert "required" in str(caught.value)


def test_a_state_over_the_limit_is_refused(location: str) -> None:
    """A state of exactly the limit is saved, one byte more is not, in any part."""
    with EventStore.open(location, model=dict, state_size_max=1000) as store:
        room = 1000 - len(b'{"id":"s","t":""}')
        store.save({"id": "s", "t": "x" * room})
        assert len(store.load_bytes("s") or b"") == 1000
        for save in (
            lambda: store.save({"id": "s", "t": "x" * (room + 1)}),
            lambda: store.save({"id": "s", "t": "é" * (room // 2 + 1)}),
            lambda: store.save({"id": "s"}, parts={"mine": "x" * 999}),
            lambda: store.save_states("s", {"mine": b'"' + b"x" * 999 + b'"'}),
        ):
            with pytest.raises(InvalidInputError, match="limit of 1000"):
                save()
        assert len(list(store.history("s"))) == 1


def test_a_state_of_300_mib_is_refused(location: str) -> None:
    """The default limit stops a state of 300 MiB before anything is written."""
    with EventStore.open(location, model=dict) as store:
        with pytest.raises(InvalidInputError, match="limit of 268435456"):
            store.save({"id": "s", "t": "x" * (300 * 1024 * 1024)})
        assert store.list() == []


LEAVES = st.sampled_from(
    [
        SECRET,
        f"{SECRET}\ud800",
        [SECRET, float("nan")],
        {"k": SECRET, "n": float("inf")},
        {SECRET.encode(): 1},
        SECRET.encode(),
        [[SECRET]],
        {"type": SECRET},
        5,
        None,
        nested(600, SECRET),
    ]
)


@given(
    values=st.dictionaries(
        st.sampled_from(
            [
                *SessionData.model_fields,
                "todos",
                "unknown",
                "created_at",
                "messages",
                "cost_records",
            ]
        ),
        LEAVES,
        min_size=1,
        max_size=4,
    ),
    message=LEAVES,
    record=LEAVES,
)
def test_no_payload_in_any_error(values: dict[str, Any], message: Any, record: Any) -> None:
    """Whatever is refused, neither the error nor its traceback quotes what was passed."""
    good = SessionData(id="s").model_dump()
    cost = {"model": SECRET, "timestamp": record, "total_tokens": SECRET}
    with EventStore.open("memory://") as store, EventStore.open("memory://", model=dict) as loose:
        for save in (
            lambda: store.save({**good, **values}),
            lambda: store.save({**good, "messages": [{"role": "user", "content": [message]}]}),
            lambda: store.save({**good, "cost_records": [cost]}),
            lambda: store.save({**good, "config": {"name": record, **values}}),
            lambda: store.save_trace_events("s", [{"name": message, **values}]),
            lambda: store.save_run_records("s", [{"snapshot": record}, values]),
            lambda: store.save_verification_reports("s", [record, values]),
            lambda: store.save_artifacts("s", {"artifacts": [record], **values}),
            lambda: store.save_states("s", {"session": b'"' + SECRET.encode() + b'\n"'}),
            lambda: loose.save({"id": "s", **values}, id="s", parts={"mine": record}),
        ):
            try:
                save()
            except InvalidInputError as error:
                assert SECRET not in str(error)
                assert SECRET not in repr(vars(error))
                assert SECRET not in "".join(traceback.format_exception(error))


class Cat(BaseModel):
    """One of two kinds of pet."""

    kind: Literal["cat"]


class Dog(BaseModel):
    """The other kind."""

    kind: Literal["dog"]


class Pet(BaseModel):
    """A model whose kind decides how it is read."""

    id: str
    pet: Annotated[Cat | Dog, Field(discriminator="kind")]


def test_no_payload_in_an_error_of_a_model_of_ones_own() -> None:
    """A value that pydantic's own message would quote is not quoted."""
    with EventStore.open("memory://", model=Pet) as store:
        with pytest.raises(InvalidInputError) as caught:
            store.save({"id": "p", "pet": {"kind": SECRET}})
        assert str(caught.value).startswith("session.pet: union tag invalid")
        assert SECRET not in "".join(traceback.format_exception(caught.value))


def documents(folder: Path) -> Iterator[bytes]:
    """Yield every file below *folder*, and every state of every version in its logs."""
    for path in folder.rglob("*"):
        if path.is_file():
            yield path.read_bytes()
    for path in folder.rglob("*.log"):
        for version in read_log(path.read_bytes()).versions:
            yield from version.parts.values()


def test_an_api_key_is_never_written(tmp_path: Path) -> None:
    """By whatever route a session is saved, its key is in no byte of the store."""
    key = "".join(random.Random(7).choices(string.ascii_letters, k=40))
    llm = LlmConfigData(provider="seen-provider", model="m", api_key=key)
    session = SessionData(id="s", llm_config=llm)
    document = {**session.model_dump(), "id": "d"}
    document["llm_config"] = {"provider": "p", "model": "m", "api_key": key, "base_url": None}
    with EventStore.open(tmp_path / "store") as store:
        store.save(session)
        store.save(session.model_copy(update={"id": "copy"}))
        store.save(document)
        store.save(MappingProxyType({**document, "id": "view"}))
        store.save(SessionData.model_validate({**document, "id": "read"}))
        store.save(session, parts={"mine": session, "llm": llm})
        store.save({**document, "llm_config": llm})
        store.save(SessionData.model_construct(**{**session.__dict__, "id": "made"}))
        store.list()
        assert len(store.sessions()) == 6
        loaded = store.load("s").llm_config
        assert (loaded.provider, loaded.api_key) == ("seen-provider", None)
        with EventStore.open(tmp_path / "store", model=dict) as loose:
            loose.save(session, id="loose")
        found = list(documents(tmp_path))
    found += documents(tmp_path)
    assert sum(b"seen-provider" in data for data in found) > 5
    assert not any(key.encode() in data for data in found)


def test_exact_bytes_with_an_api_key_are_refused(store: EventStore) -> None:
    """The way around the models has no way around the rule that keys are never written."""
    state = SessionData(id="s", llm_config=LlmConfigData(provider="p", model="m")).model_dump()
    state["llm_config"]["api_key"] = "sk-1"
    exact = json.dumps(state, separators=(",", ":")).encode()
    with pytest.raises(InvalidInputError) as caught:
        store.save_states("s", {"session": exact})
    assert caught.value.field == "session.llm_config.api_key"
    assert "sk-1" not in str(caught.value)
    assert store.version("s") is None


class Guarded(BaseModel):
    """A model whose own check quotes what it refuses."""

    id: str
    text: str

    @field_validator("text")
    @classmethod
    def refuse(cls, value: str) -> str:
        """Refuse everything, quoting it."""
        raise ValueError(f"cannot take {value}")


def test_a_check_of_the_callers_is_not_quoted() -> None:
    """What a caller's own validator says may hold payload, so it is not repeated."""
    with EventStore.open("memory://", model=Guarded) as store:
        with pytest.raises(InvalidInputError) as caught:
            store.save({"id": "g", "text": "secret" * 2})
        assert caught.value.field == "session.text"
        assert "secret" * 2 not in "".join(traceback.format_exception(caught.value))
