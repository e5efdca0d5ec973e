"""The types of oxios: what is read, what is written, and what each change does."""

from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from eventstore.errors import InvalidInputError
from eventstore.models.moments import nanoseconds_of, now, timestamp_of
from eventstore.models.oxios import (
    AgentResponse,
    PruneConfig,
    PruneThrottle,
    Session,
    SessionId,
    SessionSummary,
    TrajectoryStepRecord,
    UserMessage,
)
from eventstore.models.oxios_summary import facts_of, summarise

LEAST = {
    "id": "s",
    "user_id": "u",
    "created_at": "2026-01-01T00:00:00.000000001Z",
    "updated_at": "2026-01-01T00:00:00.000000002Z",
}
LATER = LEAST | {
    "agent_responses": [
        {
            "content": "c",
            "session_id": None,
            "phase_reached": None,
            "evaluation_passed": None,
            "trajectory_range": {"start": 0, "end": 2},
            "timestamp": "2026-01-01T00:00:00Z",
        }
    ],
    "reasoning_records": [
        {
            "content": "why",
            "source": "model",
            "timestamp": "2026-01-01T00:00:00Z",
            "segments": [{"before_step": 1, "text": "t"}, {}],
        },
        {"content": "", "source": {"kind": "x"}, "timestamp": "2026-01-01T00:00:00Z"},
    ],
    "project_id": "alpha",
    "parent_session_id": "p",
    "metadata": {"z": 1.0, "a": [1, {"b": None}]},
    "from_the_future": {"x": [1.50]},
}
STEP = TrajectoryStepRecord(
    tool_name="exec",
    tool_args={"b": 1, "a": [1.0]},
    output_summary="ok",
    duration_ms=2**64 - 1,
    is_error=False,
    tool_call_id="",
)


def whole(session: Session) -> Any:
    """Return what is written of a session."""
    return json.loads(session.model_dump_json())


@pytest.mark.parametrize("document", [LEAST, LATER], ids=["seed", "later"])
def test_what_was_read_is_written(document: dict[str, Any]) -> None:
    """Both field sets, unknown fields, left-out defaults and key order come out as they went in."""
    assert Session.model_validate(document).model_dump_json() == json.dumps(
        document, separators=(",", ":")
    )


def test_the_golden_sessions_are_written_as_they_were(shared: Path) -> None:
    """Every golden session is written byte for byte."""
    paths = sorted((shared / "golden/oxios-seed/state/sessions").iterdir())
    assert len(paths) == 3
    for path in paths:
        text = path.read_text(encoding="utf-8")
        document = whole(Session.model_validate_json(text))
        assert json.dumps(document, indent=2, ensure_ascii=False) == text


@pytest.mark.parametrize("name", LEAST)
def test_what_the_format_demands_must_be_there(name: str) -> None:
    """A session without one of its required members is refused, naming it."""
    document = {key: value for key, value in LEAST.items() if key != name}
    with pytest.raises(ValidationError) as caught:
        Session.model_validate(document)
    assert caught.value.errors()[0]["loc"] == (name,)


@pytest.mark.parametrize(
    "change",
    [
        {"id": 5},
        {"user_id": None},
        {"created_at": "yesterday"},
        {"created_at": "2026-02-30T00:00:00Z"},
        {"updated_at": "2026-01-01T00:00:00"},
        {"updated_at": 5},
        {"metadata": []},
        {"metadata": None},
        {"user_messages": [{"content": "no time"}]},
        {"user_messages": [{"content": 1, "timestamp": LEAST["created_at"]}]},
        {"trajectory_steps": [{**STEP.to_object(), "duration_ms": 2**64}]},
        {"trajectory_steps": [{**STEP.to_object(), "duration_ms": -1}]},
        {"trajectory_steps": {}},
    ],
)
def test_what_oxios_could_not_read_is_refused(change: dict[str, Any]) -> None:
    """A wrong type or value is refused, and has no facts for a list."""
    with pytest.raises(ValidationError):
        Session.model_validate(LEAST | change)
    assert facts_of(LEAST | change) == ""


def test_a_session_cannot_be_changed_in_place() -> None:
    """Methods return the changed session; what they were called on stays."""
    session = Session.new("u")
    assert session.add_user_message("hi") is not session
    assert session.user_messages == ()
    with pytest.raises(ValidationError):
        session.user_id = "other"


def test_a_new_session_is_empty_and_of_this_moment() -> None:
    """Ids are new each time; both times are the same moment, in nanoseconds."""
    before = now()
    first, second = Session.new("u"), Session.with_id("u", SessionId("mine"))
    assert first.id != Session.new("u").id and second.id == "mine"
    assert first.is_empty() and first.exchange_count() == 0
    assert first.created_at == first.updated_at
    assert nanoseconds_of(before) <= nanoseconds_of(first.created_at) <= nanoseconds_of(now())
    assert list(whole(first)) == [
        "id",
        "user_id",
        "user_messages",
        "agent_responses",
        "created_at",
        "updated_at",
        "metadata",
    ]


@pytest.mark.parametrize(
    ("change", "field", "value"),
    [
        (lambda s: s.add_user_message("hi"), "user_messages", None),
        (lambda s: s.add_agent_response(AgentResponse(content="yo")), "agent_responses", None),
        (lambda s: s.extend_trajectory([STEP, STEP]), "trajectory_steps", (STEP, STEP)),
        (lambda s: s.set_active_seed("seed"), "active_seed_id", "seed"),
        (lambda s: s.set_active_persona("p"), "active_persona_id", "p"),
        (lambda s: s.set_metadata("k", [1, {"a": None}]), "metadata", {"k": (1, {"a": None})}),
    ],
)
def test_every_change_is_an_update(change: Any, field: str, value: Any) -> None:
    """A change sets its field and `updated_at`, and nothing else."""
    session = Session.model_validate(LEAST)
    after = change(session)
    assert nanoseconds_of(after.updated_at) > nanoseconds_of(session.updated_at)
    assert getattr(after, field) != getattr(session, field)
    if value is not None:
        assert getattr(after, field) == value
    others = after.model_copy(
        update={field: getattr(session, field), "updated_at": session.updated_at}
    )
    assert others == session


def test_no_steps_are_no_update() -> None:
    """Extending the trajectory by nothing leaves `updated_at` alone."""
    session = Session.model_validate(LEAST)
    assert session.extend_trajectory([]) is session
    assert session.trajectory() == ()
    assert session.extend_trajectory(iter([STEP])).trajectory() == (STEP,)


def test_an_option_can_be_taken_back() -> None:
    """An active seed that is set to None is not written any more."""
    session = Session.new("u").set_active_seed("seed").set_active_seed(None)
    assert "active_seed_id" not in whole(session)


def test_metadata_is_read_and_replaced_by_key() -> None:
    """Of a key the last value counts; a key that is not there is None."""
    session = Session.new("u").set_metadata("k", 1).set_metadata("j", 2).set_metadata("k", 3)
    assert session.get_metadata("k") == 3 and session.get_metadata("x") is None
    assert list(session.metadata) == ["k", "j"]
    with pytest.raises(ValidationError):
        session.set_metadata("k", object())


def test_exchanges_are_pairs() -> None:
    """A message without an answer, or an answer without a message, is no exchange."""
    session = Session.new("u").add_user_message("a").add_user_message("b")
    answer = AgentResponse(content="c")
    assert session.exchange_count() == 0
    assert session.add_agent_response(answer).exchange_count() == 1
    many = session
    for _ in range(3):
        many = many.add_agent_response(answer)
    assert many.exchange_count() == 2


def test_absent_options_of_an_answer_are_written_as_null() -> None:
    """An answer spells out its empty options, except the later program's range."""
    answer = AgentResponse(content="c", timestamp="2026-01-01T00:00:00Z")
    assert json.loads(answer.model_dump_json()) == {
        "content": "c",
        "session_id": None,
        "seed_id": None,
        "phase_reached": None,
        "evaluation_passed": None,
        "timestamp": "2026-01-01T00:00:00Z",
    }


@given(st.integers(-(10**18), 10**19))
def test_times_keep_their_nanoseconds(time_ns: int) -> None:
    """A number of nanoseconds survives its text, which has 0, 3, 6 or 9 digits of fraction."""
    text = timestamp_of(time_ns)
    assert nanoseconds_of(text) == time_ns
    fraction = text.removesuffix("Z").partition(".")[2]
    assert len(fraction) in (0, 3, 6, 9) and not fraction.endswith("000")
    assert UserMessage(content="", timestamp=text).timestamp == text


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("2026-01-01T01:00:00.000000001+01:00", "2026-01-01T00:00:00.000000001Z"),
        ("2026-01-01t00:00:00z", "2026-01-01T00:00:00Z"),
        ("2026-01-01 00:00:00.5Z", "2026-01-01T00:00:00.500Z"),
    ],
)
def test_other_spellings_of_a_time_are_kept(text: str, same: str) -> None:
    """An offset or another spelling stays as it is and means the same moment."""
    assert UserMessage(content="", timestamp=text).timestamp == text
    assert nanoseconds_of(text) == nanoseconds_of(same)


def test_a_datetime_becomes_a_timestamp() -> None:
    """An aware datetime is taken for a time; a naive one means no moment and is refused."""
    moment = datetime(2026, 1, 1, 2, 0, 0, 5, tzinfo=timezone(timedelta(hours=2)))
    assert UserMessage(content="", timestamp=moment).timestamp == "2026-01-01T00:00:00.000005Z"
    with pytest.raises(ValidationError):
        UserMessage(content="", timestamp=datetime(2026, 1, 1))
    assert datetime(2026, 1, 1, tzinfo=UTC) < moment


def test_a_summary_says_what_the_session_says() -> None:
    """Only the user's messages count; a project is the field, or else a string in the metadata."""
    session = Session.model_validate(LATER).add_user_message("a")
    summary = summarise(session)
    assert (summary.message_count, summary.project_id, summary.parent_session_id) == (
        1,
        "alpha",
        "p",
    )
    plain = Session.model_validate(LEAST)
    assert summarise(plain.set_metadata("project_ids", "beta")).project_id == "beta"
    assert summarise(plain.set_metadata("project_ids", ["beta"])).project_id is None
    assert summarise(plain.set_metadata("title", "T")).title == "T"
    assert summarise(plain.set_metadata("title", 5)).title is None
    assert list(summarise(plain).to_object()) == [
        "id",
        "user_id",
        "message_count",
        "created_at",
        "updated_at",
    ]


@pytest.mark.parametrize("document", [LEAST, LATER], ids=["seed", "later"])
def test_facts_are_the_summary(document: dict[str, Any]) -> None:
    """The facts of a record and of its plain document are the same, and a summary's text."""
    session = Session.model_validate(document)
    assert facts_of(session) == facts_of(document)
    assert SessionSummary.model_validate_json(facts_of(document)) == summarise(session)


@pytest.mark.parametrize("document", [None, [], "x", {}, {"id": "s"}, LEAST | {"id": [[]] * 3}])
def test_other_documents_have_no_facts(document: Any) -> None:
    """What is no session of oxios has nothing for its lists."""
    assert facts_of(document) == ""


def test_prune_defaults() -> None:
    """By default a hundred sessions and a week are kept."""
    assert PruneConfig() == PruneConfig(max_sessions=100, ttl_hours=168)


@pytest.mark.parametrize("value", [-1, 1.5, "3", None, True])
def test_limits_are_counts(value: Any) -> None:
    """A limit that is no count is refused, naming it."""
    for field in ("max_sessions", "ttl_hours"):
        with pytest.raises(InvalidInputError) as caught:
            PruneConfig(**{field: value})
        assert caught.value.field == field
    with pytest.raises(InvalidInputError):
        PruneThrottle(value)


def test_a_throttle_lets_one_through_and_pauses() -> None:
    """The first asks and gets yes; the next yes comes when the pause is over, not before."""
    clock = iter([5, 5, 5 + 10**9 - 1, 5 + 10**9, 5 + 10**9 + 1])
    throttle = PruneThrottle(1, clock_ns=lambda: next(clock))
    assert [throttle.should_prune() for _ in range(5)] == [True, False, False, True, False]


def test_a_throttle_without_a_pause_lets_all_through() -> None:
    """A pause of nothing is none."""
    throttle = PruneThrottle(0)
    assert all(throttle.should_prune() for _ in range(3))


def test_of_many_threads_one_gets_through() -> None:
    """However many ask at once, one prunes."""
    throttle, barrier, answers = PruneThrottle(3600), threading.Barrier(16), list[bool]()

    def ask() -> None:
        barrier.wait()
        answers.append(throttle.should_prune())

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [False] * 15 + [True]
