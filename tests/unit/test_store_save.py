"""`save` and its kin: one commit each, or none; on what was expected; once for one key."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pytest
from pydantic import BaseModel, Field

from eventstore import (
    ArtifactStore,
    ConflictError,
    EventStore,
    InvalidInputError,
    Message,
    SessionData,
    ToolArtifact,
    TraceEvent,
    VerificationReport,
    Version,
)
from eventstore.address import address_of
from eventstore.models.a3s import RunRecord, RunSnapshot
from eventstore.payload import PARTS_MAX

ARTIFACTS = ArtifactStore().put(
    ToolArtifact(
        artifact_id="a",
        artifact_uri="a3s://a",
        tool_name="bash",
        content="x",
        original_bytes=1,
        shown_bytes=1,
    )
)
EVENTS = (TraceEvent(name="bash", success=True, duration_ms=2**64 - 1),)
RUNS = (RunRecord(snapshot=RunSnapshot(id="r", session_id="s", created_at_ms=1, updated_at_ms=2)),)
REPORTS = (VerificationReport.new("subject", []),)
PARTS = ("session", "artifacts", "trace_events", "run_records", "verification_reports")


def named(model: str, id: str = "s") -> SessionData:
    """Return a session that differs by its model name."""
    return SessionData(id=id, model_name=model, created_at=1, updated_at=2)


def test_a_save_returns_the_version_it_made(store: EventStore) -> None:
    """A version tells its number, commit, chain, size and the address of the exact bytes."""
    first = store.save(named("one"), actor="agent", note="first", key="k1")
    second = store.save(named("two"))
    state = store.load_bytes("s", at=1)
    assert state is not None
    assert (first.session, first.version, first.kind, first.prev) == ("s", 1, "save", None)
    assert (first.actor, first.note, first.key) == ("agent", "first", "k1")
    assert first.address == address_of(state)
    assert first.size == first.parts["session"].size == len(state)
    assert (second.version, second.prev) == (2, first.commit)
    assert (second.actor, second.note, second.key) == (None, None, None)
    assert list(store.history("s")) == [second, first]


def test_a_state_is_the_json_of_the_model(store: EventStore) -> None:
    """State bytes are compact UTF-8 JSON in the model's own order, non-ASCII text as it is."""
    session = named("é😀").model_copy(update={"messages": (Message.user("\x00\u2028"),)})
    store.save(session)
    text = session.model_dump_json()
    assert store.load_bytes("s") == text.encode()
    assert "é😀" in text


def test_equal_bytes_are_not_saved_twice(store: EventStore) -> None:
    """Saving what is current writes nothing and returns the current version."""
    first = store.save(named("one"), parts={"mine": [1]})
    before = store.stats()
    assert store.save(named("one")) == first
    assert store.save(named("one"), parts={"mine": [1]}, note="again") == first
    assert store.save_states("s", {"mine": b"[1]"}) == first
    assert store.stats() == before
    assert store.save(named("one"), parts={"mine": [1.0]}).version == 2


def test_going_back_to_an_earlier_state_is_a_new_version(store: EventStore) -> None:
    """Only the current state counts for what is equal, not an earlier one."""
    store.save(named("one"))
    store.save(named("two"))
    third = store.save(named("one"))
    assert third.version == 3
    assert third.address == store.version("s", at=1).address  # type: ignore[union-attr]


def test_all_parts_are_one_commit(store: EventStore) -> None:
    """A save of every part is one version, and each part loads as its own type."""
    version = store.save(
        named("one"),
        artifacts=ARTIFACTS,
        trace_events=EVENTS,
        run_records=RUNS,
        verification_reports=REPORTS,
        parts={"mine": {"b": 1, "a": [None]}},
    )
    assert version.version == 1
    assert set(version.parts) == {*PARTS, "mine"}
    assert all(part.changed for part in version.parts.values())
    assert store.load_artifacts("s") == ARTIFACTS
    assert store.load_trace_events("s") == EVENTS
    assert store.load_run_records("s") == RUNS
    assert store.load_verification_reports("s") == REPORTS
    assert store.load_part("s", "mine") == {"b": 1, "a": [None]}
    assert store.load_bytes("s", "mine") == b'{"b":1,"a":[null]}'
    assert len(list(store.history("s"))) == 1


def test_a_refused_part_takes_the_whole_save_with_it(store: EventStore) -> None:
    """A save is all of its parts or none."""
    store.save(named("one"))
    with pytest.raises(InvalidInputError) as caught:
        store.save(named("two"), trace_events=[{"name": 5}])
    assert caught.value.field is not None
    assert caught.value.field.startswith("trace_events.0.")
    assert store.load("s") == named("one")
    assert len(list(store.history("s"))) == 1


def test_parts_are_kept_by_saves_that_do_not_mention_them(store: EventStore) -> None:
    """A part lives on, unchanged and uncopied, until it is saved again."""
    store.save(named("one"), artifacts=ARTIFACTS)
    second = store.save(named("two"))
    assert not second.parts["artifacts"].changed
    assert second.parts["session"].changed
    assert store.load_artifacts("s") == ARTIFACTS


def test_a_part_that_did_not_change_is_not_written_again(store: EventStore) -> None:
    """Of a save of several parts only those that differ cost anything or count as changed."""
    large = [f"{number:x}" * 7 for number in range(20_000)]
    store.save(named("one"), parts={"large": large})
    second = store.save(named("two"), parts={"large": large}, key="k")
    assert {name for name, part in second.parts.items() if part.changed} == {"session"}
    assert second.stored < 2_000
    assert [v.version for v in store.history("s", part="large")] == [1]
    assert store.load_part("s", "large") == large
    assert store.save(named("two"), parts={"large": large}, key="k") == second
    store.save(named("three"))
    assert store.save(named("two"), parts={"large": large}, key="k") == second


@pytest.mark.parametrize(
    ("method", "load", "value"),
    [
        ("save_artifacts", "load_artifacts", ARTIFACTS),
        ("save_trace_events", "load_trace_events", EVENTS),
        ("save_run_records", "load_run_records", RUNS),
        ("save_verification_reports", "load_verification_reports", REPORTS),
    ],
)
def test_each_part_has_its_own_pair(store: EventStore, method: str, load: str, value: Any) -> None:
    """A part can be saved and loaded alone, takes the options of `save`, and starts as None."""
    save: Callable[..., Version] = getattr(store, method)
    assert getattr(store, load)("s") is None
    store.save(named("one"))
    assert getattr(store, load)("s") is None
    version = save("s", value, actor="me", note="n", expected=1, key="k")
    assert (version.version, version.actor, version.note, version.key) == (2, "me", "n", "k")
    assert getattr(store, load)("s") == value
    assert getattr(store, load)("s", at=2) == value
    assert getattr(store, load)("s", at=1) is None
    assert store.load("s") == named("one")


def test_an_empty_part_is_not_no_part(store: EventStore) -> None:
    """No events were saved, and the saved events are none, are different states."""
    store.save(named("one"), trace_events=(), artifacts=ArtifactStore())
    assert store.load_trace_events("s") == ()
    assert store.load_artifacts("s") == ArtifactStore()
    assert store.load_run_records("s") is None


@pytest.mark.parametrize("name", ["", "Bad", "a b", "é", "1a", "a" * 65, "a/b", 5, None])
def test_part_names_are_checked(store: EventStore, name: Any) -> None:
    """A part with a name that a log cannot hold is refused, by every way of saving."""
    for save in (
        lambda: store.save(named("one"), parts={name: 1}),
        lambda: store.save_states("s", {name: b"1"}),
    ):
        with pytest.raises(InvalidInputError):
            save()
    assert store.version("s") is None


def test_a_part_is_given_once(store: EventStore) -> None:
    """What has an argument of its own cannot be given again among the parts."""
    for parts in ({"session": {}}, {"artifacts": {"artifacts": []}}):
        with pytest.raises(InvalidInputError, match="given twice"):
            store.save(named("one"), artifacts=ARTIFACTS, parts=parts)
    for bad in (5, "session", [("a", 1)]):
        with pytest.raises(InvalidInputError):
            store.save(named("one"), parts=bad)  # type: ignore[arg-type]
    store.save(named("one"), parts={"artifacts": {"artifacts": []}})
    assert store.load_artifacts("s") == ArtifactStore()


def test_the_number_of_parts_is_bounded(store: EventStore) -> None:
    """A session has as many parts as a log's table can hold, and no more."""
    store.save(named("one"), parts={f"p{number}": number for number in range(PARTS_MAX - 1)})
    with pytest.raises(InvalidInputError):
        store.save(named("two"), parts={"more": 1})
    assert store.load_part("s", f"p{PARTS_MAX - 2}") == PARTS_MAX - 2
    assert store.save(named("two")).version == 2


def test_expected_is_the_version_built_on(store: EventStore) -> None:
    """A save on another version than the newest is refused and says which is."""
    first = store.save(named("one"), expected=0)
    second = store.save(named("two"), expected=first)
    for expected in (0, 1, 3, first):
        with pytest.raises(ConflictError) as caught:
            store.save(named("three"), expected=expected)
        assert caught.value.session == "s"
        assert caught.value.actual == 2
    assert store.save(named("three"), expected=second.version).version == 3
    with pytest.raises(ConflictError):
        store.save(named("one", id="none"), expected=1)
    assert not store.exists("none")


@pytest.mark.parametrize("expected", [-1, True, 1.0, "1", [1]])
def test_expected_is_a_version_number(store: EventStore, expected: Any) -> None:
    """What is no version number is refused at the door."""
    store.save(named("one"))
    for call in (store.save, lambda _, **options: store.delete("s", **options)):
        with pytest.raises(InvalidInputError) as caught:
            call(named("two"), expected=expected)
        assert caught.value.field == "expected"


def test_expected_is_a_version_of_the_same_session(store: EventStore) -> None:
    """A version of another session is not what a save builds on."""
    other = store.save(named("one", id="other"))
    store.save(named("one"))
    with pytest.raises(InvalidInputError):
        store.save(named("two"), expected=other)


def test_a_key_makes_a_save_repeatable(store: EventStore) -> None:
    """The same save under the same key is made once, however much was saved since."""
    first = store.save(named("one"), key="k")
    store.save(named("two"))
    assert store.save(named("one"), key="k") == first
    assert store.save(named("one"), key="k", expected=0) == first
    assert store.load("s") == named("two")
    store.delete("s")
    assert store.save(named("one"), key="k") == first
    with pytest.raises(ConflictError) as caught:
        store.save(named("other"), key="k")
    assert caught.value.actual == 1
    with pytest.raises(ConflictError):
        store.save(named("one"), key="k", parts={"more": 1})


def test_keys_belong_to_a_session(store: EventStore) -> None:
    """One key can be used once in each session."""
    assert store.save(named("one", id="a"), key="k").session == "a"
    assert store.save(named("one", id="b"), key="k").session == "b"


@pytest.mark.parametrize("field", ["actor", "note", "key"])
def test_remarks_are_text_of_a_sane_size(store: EventStore, field: str) -> None:
    """Actor, note and key are any Unicode text, and nothing else."""
    for bad in (5, b"x", "\ud800", "x" * 40_000):
        with pytest.raises(InvalidInputError) as caught:
            store.save(named("one"), **{field: bad})  # type: ignore[arg-type]
        assert caught.value.field == field
    assert store.version("s") is None
    text = "\x00\n\u2028é😀" * 90
    assert getattr(store.save(named("one"), **{field: text}), field) == text  # type: ignore[arg-type]
    assert getattr(next(store.history("s")), field) == text


def test_a_commit_that_grows_too_large_is_refused(store: EventStore) -> None:
    """A note that is short as text but long as JSON is refused before anything is written."""
    with pytest.raises(InvalidInputError, match="at most 65535"):
        store.save(named("one"), note="\x00" * 20_000)
    assert store.version("s") is None


def test_an_id_can_be_given_beside_the_session(store: EventStore) -> None:
    """With `id=` a session is saved under that id, whatever its document says."""
    store.save(named("one"), id="another")
    assert store.list() == ["another"]
    assert store.load("another") == named("one")


def test_save_states_keeps_exact_bytes(store: EventStore) -> None:
    """States given as bytes are kept to the byte: number spelling, order, escapes."""
    state = b'{"z":1e5,"a":-0.0,"big":' + str(10**400).encode() + b',"e":"\\u00e9\\/"}'
    for given in (state, bytearray(state), memoryview(state)):
        version = store.save_states("x", {"session": given})  # type: ignore[dict-item]
        assert version.version == 1
    assert store.load_bytes("x") == state
    assert version.address == address_of(state)
    assert store.load("x", model=dict)["big"] == 10**400


@pytest.mark.parametrize(
    "state",
    [
        b"",
        b"{",
        b'{"a": 1}',
        b'{"a":1}\n',
        b"NaN",
        b"[Infinity]",
        b"[1e400]",
        b"{1:2}",
        b'"\\ud800"',
        b'"\xff"',
        b'"\n"',
        b"\xef\xbb\xbf1",
        b"[" * 513 + b"]" * 513,
        b"[" * 100_000,
        b"'a'",
        b"1 2",
        "text",
        None,
        {"a": 1},
    ],
)
def test_save_states_refuses_what_save_would_not_write(store: EventStore, state: Any) -> None:
    """Bytes that are not compact JSON in UTF-8 are refused, naming the part."""
    with pytest.raises(InvalidInputError) as caught:
        store.save_states("x", {"session": b"{}", "mine": state})
    assert caught.value.field == "mine"
    assert store.version("x") is None
    assert store.list() == []


def test_save_states_needs_a_state(store: EventStore) -> None:
    """There is no commit of nothing."""
    with pytest.raises(InvalidInputError):
        store.save_states("x", {})


class Chat(BaseModel):
    """A caller's own model, which is mutable and says `id` otherwise on the wire."""

    id: str = Field(alias="chatId")
    turns: list[str] = []


def test_any_pydantic_model_can_be_stored(location: str) -> None:
    """A caller's own model is saved by its aliases, from an instance or a dict, and loaded."""
    with EventStore.open(location, model=Chat) as store:
        chat = Chat(chatId="c")
        store.save(chat)
        chat.turns.append("hello")
        assert store.save(chat).version == 2
        assert store.load("c") == chat
        assert store.load("c", at=1) == Chat(chatId="c")
        assert store.load_bytes("c") == b'{"chatId":"c","turns":["hello"]}'
        assert store.load("c", model=dict) == {"chatId": "c", "turns": ["hello"]}
        assert store.save({"chatId": "c", "turns": ["hello"]}, id="c").version == 2
        with pytest.raises(InvalidInputError) as caught:
            store.save({"chatId": "c", "turns": "text"}, id="c")
        assert caught.value.field == "session.turns"


def test_model_dict_stores_plain_json(location: str) -> None:
    """With `model=dict` any JSON object is kept: order, unknown keys, kinds of numbers."""
    document = {"z": 1.0, "id": "d", "a": [True, None, -0.0, 10**400, {"": ""}]}
    with EventStore.open(location, model=dict) as store:
        store.save(document)
        assert json.dumps(store.load("d")) == json.dumps(document)
        assert store.save(MappingProxyType(document)).version == 1
        store.save(named("one"))
        assert store.load("s", model=SessionData) == named("one")


def test_a_number_is_spelled_alike_however_deep_its_document_is() -> None:
    """Nesting beyond what pydantic writes changes no byte of the rest; strings stay as they are."""
    numbers = [1e-5, -1.25e-5, 1e-7, 1e-10, 1e22, 1e16, -0.0, 0.1, "1e-07", 'a"1e-05']
    deep: list[Any] = [*numbers]
    for _ in range(300):
        deep = [deep]
    with EventStore.open("memory://", model=dict) as store:
        store.save({"id": "flat", "numbers": numbers})
        flat = store.load_bytes("flat") or b""
        for _ in range(2):
            document = {"id": "deep", "numbers": numbers, "deep": deep}
            assert store.save(document).version == 1
        text = flat[len(b'{"id":"flat","numbers":') : -1]
        state = store.load_bytes("deep") or b""
        assert state.startswith(b'{"id":"deep","numbers":' + text)
        assert state.endswith(text + b"]" * 300 + b"}")


def test_no_change_in_place_goes_unnoticed(location: str) -> None:
    """A document that was changed deep inside since its last save is saved again."""
    document: dict[str, Any] = {"id": "d", "list": [{"deep": [1]}]}
    with EventStore.open(location, model=dict) as store:
        store.save(document)
        document["list"][0]["deep"].append(2)
        assert store.save(document).version == 2
        assert store.load("d", at=1)["list"] == [{"deep": [1]}]
        assert store.load("d")["list"] == [{"deep": [1, 2]}]


def test_a_store_may_be_shared_by_threads(store: EventStore) -> None:
    """Saves of many threads to one session and to many are all there, without gaps."""
    failed: list[BaseException] = []

    def work(thread: int) -> None:
        try:
            for number in range(10):
                store.save(named(f"{thread}.{number}"))
                store.save(named(f"{number}", id=f"own-{thread}"))
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=work, args=(thread,)) for thread in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    versions = list(store.history("s"))
    assert [version.version for version in versions] == list(range(80, 0, -1))
    names = {store.load("s", at=version.version).model_name for version in versions}
    assert len(names) == 80
    info = {item.id: item.version for item in store.sessions()}
    assert info == {"s": 80, **{f"own-{thread}": 10 for thread in range(8)}}


def test_a_state_that_another_replaced_is_saved_again(tmp_path: Path) -> None:
    """Equal bytes write nothing only while they are the newest, whoever saved in between."""
    with (
        EventStore.open(tmp_path / "s", model=dict) as one,
        EventStore.open(tmp_path / "s", model=dict) as two,
    ):
        one.save({"id": "a", "n": 1})
        two.save({"id": "a", "n": 2})
        assert one.save({"id": "a", "n": 1}).version == 3
        assert two.load("a") == {"id": "a", "n": 1}


def test_a_list_inside_a_tuple_is_looked_at_again() -> None:
    """What can be changed in place is serialised again, wherever it stands."""
    inner = [1]
    session = {"id": "a", "held": (inner,)}
    with EventStore.open("memory://", model=dict) as plain:
        plain.save(session)
        plain.save({**session, "other": 1})
        inner.append(2)
        assert plain.save({**session, "other": 1}).version == 3
        assert plain.load("a")["held"] == [[1, 2]]
