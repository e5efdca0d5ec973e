"""Records: exact round trips, required fields, immutability, and copies."""

import copy
import json
import pickle
from collections.abc import Iterator
from types import MappingProxyType
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError
from pydantic_core import to_json

from eventstore.models.a3s import (
    AutoDelegationConfig,
    ClassificationRule,
    ConfirmationPolicy,
    ImageBlock,
    ImageSource,
    LaneHandlerConfig,
    LlmConfigData,
    LlmCostRecord,
    Message,
    PermissionPolicy,
    Record,
    SecurityConfig,
    SensitivityLevel,
    SessionConfig,
    SessionData,
    SessionLane,
    SessionQueueConfig,
    Task,
    ToolUseBlock,
)


def rich_session() -> SessionData:
    """Return a session that uses every type a session can hold."""
    config = SessionConfig(
        name="n",
        workspace="/w",
        queue_config=SessionQueueConfig(
            lane_handlers={SessionLane.QUERY: LaneHandlerConfig()},
            lane_timeouts={SessionLane.EXECUTE: 5},
        ),
        confirmation_policy=ConfirmationPolicy(yolo_lanes=(SessionLane.QUERY,)),
        permission_policy=PermissionPolicy().allowing("Bash(cargo:*)").denying("rm"),
        max_parallel_tasks=3,
        auto_delegation=AutoDelegationConfig(enabled=True),
        security_config=SecurityConfig(
            classification_rules=(
                ClassificationRule(
                    name="c", pattern="p", level=SensitivityLevel.CRITICAL, description="d"
                ),
            )
        ),
        tool_result_transform_policy={"schema": "s", "max_output_bytes": 1},
    )
    call = ToolUseBlock(id="1", name="bash", input={"b": [1, 1.0, True, None], "a": {"z": "é"}})
    image = ImageBlock(source=ImageSource(media_type="image/png", data="AA=="))
    return SessionData(
        id="rich",
        config=config,
        messages=(
            Message.user("hello"),
            Message(role="assistant", content=(call, image), reasoning_content="because"),
            Message.tool_result("1", "out", False),
            Message.tool_result("1", (image,)),
        ),
        model_name="m",
        cost_records=(LlmCostRecord(model="m", provider="p", cost_usd=0.5),),
        tool_names=("bash",),
        llm_config=LlmConfigData(provider="p", model="m"),
        tasks=(Task(id="1", content="do", dependencies=("0",)),),
        tenant_id="t",
        cognitive_package_binding={"any": ["thing"]},
    )


DOCUMENT: dict[str, Any] = json.loads(rich_session().model_dump_json())
KEYED_BY_LANE = ("laneHandlers", "laneTimeouts")
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["", "é", "text"]),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from("ab"), inner),
    max_leaves=4,
)


def objects(value: Any) -> Iterator[dict[str, Any]]:
    """Yield every object in *value* to which a newer version could add a field."""
    if isinstance(value, dict):
        yield value
        for key, item in value.items():
            if key not in KEYED_BY_LANE:
                yield from objects(item)
            else:
                yield from (inner for inner in item.values() if isinstance(inner, dict))
    elif isinstance(value, list):
        for item in value:
            yield from objects(item)


def insert(target: dict[str, Any], at: int, key: str, value: Any) -> None:
    """Put a new member at position *at* of *target*."""
    members = list(target.items())
    members.insert(at, (key, value))
    target.clear()
    target.update(members)


@st.composite
def newer_documents(draw: st.DrawFn) -> dict[str, Any]:
    """Draw the rich document with unknown fields anywhere, and some objects reordered."""
    document = copy.deepcopy(DOCUMENT)
    count = len(list(objects(document)))
    for number in range(draw(st.integers(1, 6))):
        target = list(objects(document))[draw(st.integers(0, count - 1))]
        if draw(st.booleans()):
            insert(target, draw(st.integers(0, len(target))), f"x_{number}", draw(VALUES))
        else:
            members = draw(st.permutations(list(target.items())))
            target.clear()
            target.update(members)
    return document


@given(newer_documents())
@settings(deadline=None, max_examples=60)
def test_unknown_fields_and_foreign_orders_are_kept_in_place(document: dict[str, Any]) -> None:
    """Reading and writing a document of another version changes no byte of it."""
    text = to_json(document)
    session = SessionData.model_validate_json(text)
    assert session.model_dump_json().encode() == text
    assert SessionData.model_validate(document).model_dump_json().encode() == text
    assert to_json(session.model_dump(mode="json")) == text
    assert pickle.loads(pickle.dumps(session)).model_dump_json().encode() == text


OPTIONAL = {
    "": {"total_cost", "model_name", "cost_records", "thinking_budget", "llm_config", "tasks"},
    "config": {"system_prompt", "auto_compact_threshold", "storage_type", "queue_config"}
    | {"confirmation_policy", "planning_mode", "goal_tracking", "auto_delegation"},
    "total_usage": {"cache_read_tokens", "cache_write_tokens"},
}


@given(st.data())
@settings(deadline=None, max_examples=40)
def test_defaults_that_were_left_out_are_not_added(data: st.DataObject) -> None:
    """A document without optional fields is written without them again."""
    document = copy.deepcopy(DOCUMENT)
    for where, names in OPTIONAL.items():
        target = document[where] if where else document
        for name in data.draw(st.sets(st.sampled_from(sorted(names)))):
            del target[name]
    text = to_json(document)
    assert SessionData.model_validate_json(text).model_dump_json().encode() == text


def test_defaults_that_were_spelled_out_are_kept() -> None:
    """A null where upstream writes nothing is written as null again."""
    text = '{"role":"user","content":[],"reasoning_content":null}'
    assert Message.model_validate_json(text).model_dump_json() == text


REQUIRED = {
    "": "id config state messages context_usage total_usage tool_names thinking_enabled "
    "created_at updated_at",
    "config": "name workspace max_context_length auto_compact",
    "context_usage": "used_tokens max_tokens percent turns",
    "total_usage": "prompt_tokens completion_tokens total_tokens",
    "llm_config": "provider model",
    "messages.0": "role content",
    "messages.0.content.0": "type text",
    "messages.1.content.0": "type id name input",
    "messages.1.content.1": "type source",
    "messages.1.content.1.source": "type media_type data",
    "messages.2.content.0": "type tool_use_id content",
    "tasks.0": "id content status",
    "cost_records.0": "model provider prompt_tokens completion_tokens total_tokens timestamp",
    "config.confirmation_policy": "enabled default_timeout_ms timeout_action yolo_lanes",
    "config.queue_config.laneHandlers.Query": "mode timeout_ms",
    "config.permission_policy.allow.0": "rule",
    "config.security_config": "enabled classification_rules redaction_strategy "
    "network_whitelist dangerous_commands features",
    "config.security_config.classification_rules.0": "name pattern level description",
    "config.security_config.features": "output_sanitizer taint_tracking tool_interceptor "
    "injection_defense",
}


@pytest.mark.parametrize(
    ("where", "name"),
    [(where, name) for where, names in REQUIRED.items() for name in names.split()],
)
def test_a_missing_required_field_is_refused_and_named(where: str, name: str) -> None:
    """What upstream demands on read is demanded, whatever the constructor would fill in."""
    document = copy.deepcopy(DOCUMENT)
    target: Any = document
    for step in where.split(".") if where else []:
        target = target[int(step) if step.isdigit() else step]
    del target[name]
    with pytest.raises(ValidationError) as caught:
        SessionData.model_validate(document)
    [error] = caught.value.errors()
    assert (error["type"], error["loc"][-1]) == ("missing", name)


def records(value: Any) -> Iterator[Record]:
    """Yield every record in *value*, itself included."""
    if isinstance(value, Record):
        yield value
        value = tuple(value.__dict__.values())
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, tuple):
        for item in value:
            yield from records(item)


def test_nothing_in_a_session_can_be_changed() -> None:
    """No field can be set or deleted, no sequence is a list, no mapping is a plain dict."""
    session = SessionData.model_validate({**DOCUMENT, "x": {"y": [1]}})
    for record in records(session):
        for name, value in record.__dict__.items():
            assert not isinstance(value, (list, set, bytearray))
            assert type(value) is not dict
            with pytest.raises((ValidationError, TypeError)):
                setattr(record, name, value)
            with pytest.raises((ValidationError, TypeError)):
                delattr(record, name)
        assert record.model_extra is not None
        with pytest.raises(TypeError):
            record.model_extra["x"] = 1
    with pytest.raises(TypeError):
        session.extras["x"]["y"] = 2


def test_later_changes_of_the_input_do_not_show() -> None:
    """A record shares nothing mutable with what it was read from."""
    document = copy.deepcopy(DOCUMENT)
    session = SessionData.model_validate(document)
    before = session.model_dump_json()
    document["messages"][1]["content"][0]["input"]["a"]["z"] = "changed"
    document["tool_names"].append("more")
    assert session.model_dump_json() == before


def test_copies_of_a_record_are_equal_and_hash_alike() -> None:
    """Copying, deep copying and pickling give an equal record."""
    session = rich_session()
    for twin in (copy.copy(session), copy.deepcopy(session), pickle.loads(pickle.dumps(session))):
        assert twin == session
        assert hash(twin) == hash(session)


def test_equality_is_about_values_not_about_spelling() -> None:
    """The order of keys does not make two messages differ; an unknown field does."""
    usual = Message.model_validate({"role": "user", "content": []})
    foreign = Message.model_validate({"content": [], "role": "user"})
    assert usual == foreign
    assert usual != Message.model_validate({"role": "user", "content": [], "x": 1})


def test_a_changed_copy_emits_the_change() -> None:
    """An updated field is written, in its declared place if it was not there before."""
    config = SessionConfig.model_validate_json(
        '{"x":1,"name":"","workspace":"","max_context_length":1,"auto_compact":true,"y":2}'
    )
    changed = config.model_copy(update={"parent_id": "p", "name": "n", "z": 3})
    assert changed.model_dump_json() == (
        '{"x":1,"name":"n","workspace":"","max_context_length":1,"auto_compact":true,'
        '"parent_id":"p","y":2,"z":3}'
    )
    assert changed.model_copy(update={"parent_id": None}).extras == {"x": 1, "y": 2, "z": 3}
    assert '"parent_id"' not in changed.model_copy(update={"parent_id": None}).model_dump_json()
    assert config.name == ""


def test_a_changed_copy_checks_the_change() -> None:
    """A copy is held to the same rules as any other input."""
    with pytest.raises(ValidationError):
        rich_session().model_copy(update={"messages": "none"})
    with pytest.raises(ValidationError):
        rich_session().model_copy(update={"created_at": 1.5})


def test_a_changed_copy_shares_what_did_not_change() -> None:
    """Appending a message keeps the identity of the earlier ones."""
    session = rich_session()
    longer = session.model_copy(update={"messages": [*session.messages, Message.user("more")]})
    assert all(a is b for a, b in zip(longer.messages, session.messages, strict=False))
    assert len(longer.messages) == len(session.messages) + 1
    assert longer.config is session.config


def test_the_constructor_takes_python_names_and_wire_names() -> None:
    """Both spellings work; both at once for one field do not."""
    by_name = SessionQueueConfig(control_max_concurrency=9)
    assert by_name == SessionQueueConfig(controlMaxConcurrency=9)  # type: ignore[call-arg]
    with pytest.raises(ValidationError):
        SessionQueueConfig(
            control_max_concurrency=9,
            controlMaxConcurrency=9,  # type: ignore[call-arg]
        )


NAMES_OF_OUR_OWN = ["_keys", "layout", "extras", "model_config", "__dict__", "self", "", "é"]


@pytest.mark.parametrize("name", [*NAMES_OF_OUR_OWN, "n" * 10_000])
def test_an_unknown_field_may_have_any_name(name: str) -> None:
    """No name of an unknown field collides with how records work."""
    text = to_json({"role": "user", name: {"a": 1}, "content": [{"type": "text", "text": ""}]})
    message = Message.model_validate_json(text)
    assert message.model_dump_json().encode() == text
    assert message.extras == {name: {"a": 1}}
    assert message.model_copy(update={"role": "x"}).extras == message.extras


@pytest.mark.parametrize("name", ["\ud800", 1, None])
def test_an_unknown_field_must_have_a_name_that_json_can_hold(name: Any) -> None:
    """Keys that are no strings, or no UTF-8, are refused."""
    with pytest.raises(ValidationError):
        Message.model_validate({"role": "user", "content": [], name: 1})


def test_a_mapping_is_read_like_a_dict() -> None:
    """What it holds is frozen, and its unknown fields are kept."""
    source = {"role": "user", "x": [1], "content": []}
    assert Message.model_validate(MappingProxyType(source)).model_dump(mode="json") == source


def test_many_different_shapes_are_read_alike() -> None:
    """What is remembered about keys is bounded, and forgetting it changes nothing."""
    for number in range(1200):
        text = f'{{"x{number}":1,"role":"user","content":[]}}'
        assert Message.model_validate_json(text).model_dump_json() == text


def test_documents_deeper_than_pydantic_reads_are_read_and_written() -> None:
    """Free-form JSON may be nested up to the limit of stored states."""
    deep = '{"q":' * 400 + "1" + "}" * 400
    text = f'{{"type":"tool_use","id":"1","name":"n","input":{deep}}}'
    assert ToolUseBlock.model_validate_json(text).model_dump_json() == text


def test_a_refusal_quotes_no_payload() -> None:
    """An error names the field, not what was in it."""
    document = {**DOCUMENT, "state": "secret", "messages": [{"role": "secret"}]}
    with pytest.raises(ValidationError) as caught:
        SessionData.model_validate(document)
    assert "secret" not in str(caught.value)
