"""The types of a3s-code: names, defaults, aliases, ranges, and what they compute."""

import pickle
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from eventstore.errors import InvalidInputError
from eventstore.models import a3s
from eventstore.models.a3s import (
    AgentGoal,
    AutoDelegationConfig,
    ConfirmationPolicy,
    ContextUsage,
    ExecutionPlan,
    LlmConfigData,
    LlmCostRecord,
    LoopCheckpoint,
    Message,
    OtherBlock,
    PermissionPolicy,
    PermissionRule,
    RunEventRecord,
    RunRecord,
    RunSnapshot,
    SessionConfig,
    SessionData,
    SessionQueueConfig,
    SessionSnapshotV1,
    SubagentTaskSnapshot,
    Task,
    TokenUsage,
    ToolDefinition,
    ToolResultBlock,
    ToolResultTrust,
    TraceEvent,
    VerificationCheck,
    VerificationReport,
    VerificationStatus,
    VerificationSummary,
    WorkflowCheckpoint,
    validate_invariants,
)
from eventstore.state import encode
from eventstore.state import text as written

TASK: dict[str, Any] = {"id": "1", "content": "do", "status": "pending"}
PASSED = VerificationStatus.PASSED


def session_document(**members: Any) -> dict[str, Any]:
    """Return a session as plain JSON, with some members replaced."""
    return {**SessionData(id="s").model_dump(mode="json"), **members}


def test_every_type_is_listed_and_documented() -> None:
    """The list of public names is complete, and each class says what it is."""
    for name in a3s.__all__:
        assert getattr(a3s, name).__doc__ or name.isupper()


def test_constructors_use_the_defaults_of_upstream() -> None:
    """What upstream's own constructors give is what ours give."""
    before = int(datetime.now(UTC).timestamp())
    session = SessionData(id="s")
    assert before <= session.created_at <= session.updated_at
    assert session.state == "Unknown"
    assert session.config == SessionConfig()
    assert ContextUsage().model_dump_json() == (
        '{"used_tokens":0,"max_tokens":200000,"percent":0.0,"turns":0}'
    )
    assert TokenUsage().cache_read_tokens is None
    assert ConfirmationPolicy().default_timeout_ms == 30_000
    assert AutoDelegationConfig().model_dump_json() == (
        '{"enabled":false,"autoParallel":true,"minConfidence":0.72,"maxTasks":4}'
    )
    assert ExecutionPlan(goal="g").complexity == "Simple"
    assert AgentGoal(description="d").achieved_at is None
    assert LoopCheckpoint(run_id="r", session_id="s").schema_version == 1
    assert WorkflowCheckpoint(workflow_id="w").steps == ()


def test_a_new_queue_has_other_limits_than_one_read_without_any() -> None:
    """Upstream's constructor and its reader have different defaults."""
    made, read = SessionQueueConfig(), SessionQueueConfig.model_validate({})
    assert (made.query_max_concurrency, read.query_max_concurrency) == (4, 12)
    assert (made.control_max_concurrency, read.control_max_concurrency) == (2, 4)
    assert (made.execute_max_concurrency, read.execute_max_concurrency) == (2, 4)
    assert (made.generate_max_concurrency, read.generate_max_concurrency) == (1, 2)
    assert read.model_dump_json() == "{}"
    assert '"dlqMaxSize":null' in made.model_dump_json()


@pytest.mark.parametrize("version", [{}, {"tenant_id": "t"}])
def test_tasks_are_also_read_as_todos(version: dict[str, Any]) -> None:
    """The older name is read, and kept; both names together are an error."""
    document = session_document(**version)
    document["todos"] = [{**TASK, "priority": "low"}]
    with pytest.raises(ValidationError, match="two of its names"):
        SessionData.model_validate(document)
    del document["tasks"]
    session = SessionData.model_validate(document)
    assert session.tasks[0].content == "do"
    assert session.model_dump(mode="json") == document


def test_the_content_of_a_task_is_also_read_as_description() -> None:
    """The alias is read, and kept; both names together are an error."""
    document = {"id": "1", "description": "do", "status": "pending"}
    assert Task.model_validate(document).content == "do"
    assert Task.model_validate(document).model_dump() == document
    with pytest.raises(ValidationError, match="two of its names"):
        Task.model_validate({**TASK, "description": "do"})


def test_auto_parallel_is_read_in_both_spellings() -> None:
    """The alias is read, and kept; both names together are an error."""
    text = '{"auto_parallel":false}'
    assert AutoDelegationConfig.model_validate_json(text).auto_parallel is False
    assert AutoDelegationConfig.model_validate_json(text).model_dump_json() == text
    with pytest.raises(ValidationError, match="two of its names"):
        AutoDelegationConfig.model_validate({"auto_parallel": True, "autoParallel": True})


def test_planning_enabled_of_the_first_versions_is_kept_in_its_place() -> None:
    """A field that was dropped later is an unknown field like any other."""
    document = SessionConfig().model_dump(mode="json")
    document = {
        ("planning_enabled" if key == "planning_mode" else key): item
        for key, item in document.items()
    }
    config = SessionConfig.model_validate(document)
    assert config.planning_mode == "Auto"
    assert list(config.model_dump()) == list(document)


def test_the_api_key_is_never_written() -> None:
    """No dump, no iteration and no representation shows it, however it came in."""
    made = LlmConfigData(provider="p", model="m", api_key="secret")
    read = LlmConfigData.model_validate(
        {"provider": "p", "api_key": "secret", "model": "m", "x": 1}
    )
    copied = made.model_copy(update={"api_key": "secret", "base_url": "u"})
    for config in (made, read, copied, pickle.loads(pickle.dumps(made))):
        assert config.api_key == "secret"
        session = SessionData(id="s", llm_config=config)
        shown = [repr(session), dict(config), config.model_dump(), config.model_dump_json()]
        shown += [session.model_dump_json(), session.model_dump(), session.model_dump(mode="json")]
        assert "secret" not in str(shown)
        assert "api_key" not in config.model_dump()


def test_the_hook_engine_is_neither_read_nor_written() -> None:
    """It is dropped, whatever it is."""
    document = SessionConfig().model_dump(mode="json")
    for config in (
        SessionConfig(hook_engine=object()),  # type: ignore[call-arg]
        SessionConfig.model_validate({"hook_engine": {"a": 1}, **document}),
        SessionConfig().model_copy(update={"hook_engine": object()}),
    ):
        assert config.model_dump(mode="json") == document


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("id", 1),
        ("id", "\ud800"),
        ("id", None),
        ("state", 1),
        ("state", "active"),
        ("created_at", "1"),
        ("created_at", 1.0),
        ("created_at", True),
        ("created_at", 2**63),
        ("thinking_enabled", 1),
        ("thinking_budget", -1),
        ("thinking_budget", 2**64),
        ("total_cost", float("nan")),
        ("total_cost", float("inf")),
        ("total_cost", "1.5"),
        ("total_cost", True),
        ("messages", {}),
        ("messages", [{"role": "user", "content": "plain"}]),
        ("messages", [{"role": "user", "content": [{"text": "no type"}]}]),
        ("messages", [{"role": "user", "content": [{"type": 1}]}]),
        ("tasks", None),
        ("x", float("nan")),
        ("x", {1: 2}),
    ],
)
def test_values_that_upstream_refuses_are_refused(name: str, value: Any) -> None:
    """Types and ranges are exact: nothing is converted but integers to floats."""
    with pytest.raises(ValidationError) as caught:
        SessionData.model_validate(session_document(**{name: value}))
    assert caught.value.errors()[0]["loc"][0] == name


def test_integers_are_accepted_where_floats_are_expected() -> None:
    """They become floats, as they do upstream."""
    session = SessionData.model_validate(session_document(total_cost=3))
    assert '"total_cost":3.0' in session.model_dump_json()


@pytest.mark.parametrize(
    "timestamp",
    [
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.1+05:30",
        "2026-01-02T03:04:05.123456789Z",
        "2026-12-31t23:59:60z",
    ],
)
def test_timestamps_keep_their_spelling(timestamp: str) -> None:
    """Offset and nanoseconds survive; the moment is there as a datetime too."""
    record = LlmCostRecord(model="m", provider="p", timestamp=timestamp)
    assert f'"timestamp":"{timestamp}"' in record.model_dump_json()
    assert record.moment.tzinfo is not None


@pytest.mark.parametrize(
    "timestamp",
    [
        "",
        "yesterday",
        "2026-01-02",
        "2026-01-02T03:04:05",
        "2026-13-02T03:04:05Z",
        "2026-01-02T03:04:05.Z",
        "2026-01-02T03:04:05.1234567890Z",
        "٢٠٢٦-01-02T03:04:05Z",
    ],
)
def test_what_is_no_timestamp_is_refused(timestamp: str) -> None:
    """Only RFC 3339 with an offset is a timestamp."""
    with pytest.raises(ValidationError):
        LlmCostRecord(model="m", provider="p", timestamp=timestamp)


def test_the_moment_is_the_timestamp_cut_to_microseconds() -> None:
    """Digits beyond the sixth are dropped, not rounded."""
    record = LlmCostRecord(model="m", provider="p", timestamp="2026-01-02T05:04:05.1234567+02:00")
    assert record.moment == datetime(2026, 1, 2, 3, 4, 5, 123456, UTC)


def test_a_permission_rule_is_written_as_it_was_read() -> None:
    """Plain patterns stay plain, objects stay objects, new rules are objects; in states too."""
    text = '{"deny":["a"],"allow":[{"rule":"b"},{"rule":"c","x":1}],"ask":[]}'
    policy = PermissionPolicy.model_validate_json(text)
    assert policy.model_dump_json() == text
    assert pickle.loads(pickle.dumps(policy)).model_dump_json() == text
    assert policy.deny[0] == PermissionRule(rule="a")
    config = {"id": "s", "config": {"permission_policy": policy}}
    for holder in (policy, (policy,), [policy], config):
        state = encode(holder, part="session")
        assert text.encode() in state
        assert written(holder, 1)[0] == state
    assert PermissionRule(rule="a").model_dump() == {"rule": "a"}


def test_permission_policies_grow_by_copying() -> None:
    """Each step gives a new policy and leaves the old one alone."""
    empty = PermissionPolicy()
    policy = empty.denying("a").allowing("b", "c").asking("d")
    assert [rule.rule for rule in (*policy.deny, *policy.allow, *policy.ask)] == list("abcd")
    assert empty == PermissionPolicy()


def test_unknown_blocks_are_kept() -> None:
    """A block of a later version is read, and written unchanged."""
    text = '{"role":"user","content":[{"a":1,"type":"later","b":{"c":[]}}]}'
    message = Message.model_validate_json(text)
    assert isinstance(message.content[0], OtherBlock)
    assert message.model_dump_json() == text


def test_messages_have_helpers_for_the_common_forms() -> None:
    """A text is one text block; a tool result is in the user's role."""
    assert Message.user("hi").model_dump_json() == (
        '{"role":"user","content":[{"type":"text","text":"hi"}]}'
    )
    assert Message.assistant("yes").text == "yes"
    assert Message.tool_result("1", "out").model_dump_json() == (
        '{"role":"user","content":[{"type":"tool_result","tool_use_id":"1","content":"out",'
        '"is_error":null}]}'
    )


def test_trust_is_written_only_when_it_is_unusual() -> None:
    """The labels of 9.x are left out at their defaults."""
    usual = ToolResultBlock(tool_use_id="1", content="", trust=ToolResultTrust.WORKSPACE_DATA)
    assert "trust" not in usual.model_dump()
    external = ToolResultBlock(
        tool_use_id="1", content="", trust=ToolResultTrust.EXTERNAL, redaction_reviewed=True
    )
    assert external.model_dump_json().endswith('"trust":"external","redaction_reviewed":true}')


def test_tool_names_come_from_definitions() -> None:
    """The order of the definitions is the order of the names."""
    tools = [ToolDefinition(name=name, description="", parameters={}) for name in ("bash", "read")]
    assert SessionData.tool_names_from_definitions(tools) == ("bash", "read")


def test_trace_events_summarise_metadata() -> None:
    """Keys are sorted; artifact URIs are found at any depth, sorted and listed once."""
    metadata = {
        "z": {"artifact_uri": "a3s://b"},
        "a": [{"artifact_uri": "a3s://a"}, {"deep": {"artifact_uri": "a3s://b"}}],
        "artifact_uri": 7,
    }
    event = TraceEvent.tool_execution("read", True, 0, timedelta(milliseconds=9.7), 12, metadata)
    assert event.metadata_keys == ("a", "artifact_uri", "z")
    assert event.artifact_uris == ("a3s://a", "a3s://b")
    assert event.duration_ms == 9
    bare = TraceEvent.tool_execution("grep", False, 1, 2, 24)
    assert bare.model_dump_json() == (
        '{"schema":"a3s.trace_event.v1","kind":"tool_execution","name":"grep","success":false,'
        '"exit_code":1,"duration_ms":2,"output_bytes":24}'
    )


def test_program_traces_keep_a_summary_only() -> None:
    """The steps of a program are not copied into its event."""
    trace = {"program_name": "p", "success": True, "step_count": 2, "failed_steps": 0, "steps": []}
    event = TraceEvent.program_execution("program", True, 0, 3, 4, {"trace": trace})
    assert event.kind == "program_execution"
    assert list(event.details) == ["program_name", "success", "step_count", "failed_steps"]


def check(status: str, *, required: bool = True, risk: str | None = None) -> VerificationCheck:
    """Return a check with an outcome."""
    new = VerificationCheck.new_required if required else VerificationCheck.new_optional
    return new("c", "test", "d").model_copy(update={"status": status, "residual_risk": risk})


@pytest.mark.parametrize(
    ("checks", "risks", "status"),
    [
        ([], [], "skipped"),
        ([], ["risk"], "needs_review"),
        ([check("passed")], [], "passed"),
        ([check("passed")], ["risk"], "needs_review"),
        ([check("needs_review")], [], "needs_review"),
        ([check("skipped")], [], "needs_review"),
        ([check("needs_review", required=False)], [], "passed"),
        ([check("needs_review"), check("failed", required=False)], ["risk"], "failed"),
    ],
)
def test_a_report_gets_its_status_from_checks_and_risks(
    checks: list[VerificationCheck], risks: list[str], status: str
) -> None:
    """Failures outweigh open checks, open checks outweigh passed ones."""
    assert VerificationReport.new("s", checks, risks).status == status


def test_a_summary_counts_reports() -> None:
    """Subjects are sorted and listed once; the gravest status wins."""
    reports = [
        VerificationReport.new("b", [check("needs_review"), check("skipped")]),
        VerificationReport.new("a", [check("passed", risk="r")], ["x", "y"]),
        VerificationReport.new("c", [check("failed", required=False)]),
    ]
    assert VerificationSummary.from_reports(reports).model_dump(mode="json") == {
        "status": "failed",
        "report_count": 3,
        "required_check_count": 3,
        "pending_required_check_count": 2,
        "failed_check_count": 1,
        "residual_risk_count": 3,
        "pending_subjects": ["a", "b"],
        "failed_subjects": ["c"],
    }
    assert VerificationSummary.from_reports(reports[:2]).status == "needs_review"
    assert VerificationSummary.from_reports([]).status == "skipped"
    passed = VerificationReport.new("p", [check("passed").with_status(PASSED)])
    assert VerificationSummary.from_reports([passed]).status == "passed"


def run(run_id: str, *sequences: int, session_id: str = "s", count: int = 9) -> RunRecord:
    """Return a run with events of these sequence numbers."""
    snapshot = RunSnapshot(id=run_id, session_id=session_id, event_count=count)
    events = [RunEventRecord(sequence=number, event={"type": "later"}) for number in sequences]
    return RunRecord(snapshot=snapshot, events=tuple(events))


@pytest.mark.parametrize(
    ("runs", "field"),
    [
        ([run("1"), run("1")], "run_records.1.snapshot.id"),
        ([run("1", session_id="t")], "run_records.0.snapshot.session_id"),
        ([run("1", 2, 2)], "run_records.0.events.1.sequence"),
        ([run("1", 4, count=4)], "run_records.0.snapshot.event_count"),
    ],
)
def test_runs_that_cannot_be_are_refused(runs: list[RunRecord], field: str) -> None:
    """The error names the run and the field."""
    with pytest.raises(InvalidInputError) as caught:
        validate_invariants(runs, "s")
    assert caught.value.field == field


def test_trimmed_runs_are_accepted() -> None:
    """The first event may have any number, and the count may exceed what is left."""
    validate_invariants([run("1", 5, 7, count=8), run("2", count=0)], "s")


def test_a_fork_of_a_snapshot_owns_its_runs_and_tasks() -> None:
    """Ownership moves with the session; a task that never named its parent stays as it is."""
    tasks = [
        SubagentTaskSnapshot(
            task_id="t", parent_session_id=parent, child_session_id="c", agent="a", description=""
        )
        for parent in ("s", "")
    ]
    snapshot = SessionSnapshotV1(
        session=SessionData(id="s"), run_records=(run("1"),), subagent_tasks=tuple(tasks)
    )
    fork = snapshot.fork_for_session("new", "/elsewhere")
    fork.validate_invariants()
    assert (fork.session.id, fork.session.config.workspace) == ("new", "/elsewhere")
    assert [task.parent_session_id for task in fork.subagent_tasks] == ["new", ""]
    assert snapshot.session.id == "s"
    with pytest.raises(InvalidInputError):
        snapshot.fork_for_session(" ", "/elsewhere")


@pytest.mark.parametrize(
    "checkpoint",
    [
        SessionSnapshotV1(session=SessionData(id="s")),
        LoopCheckpoint(run_id="r", session_id="s"),
        WorkflowCheckpoint(workflow_id="w"),
    ],
    ids=lambda checkpoint: type(checkpoint).__name__,
)
def test_later_schema_versions_are_refused(checkpoint: a3s.Record) -> None:
    """A document of a version that is not known is not guessed at."""
    document = checkpoint.model_dump(mode="json")
    assert type(checkpoint).model_validate(document) == checkpoint
    with pytest.raises(ValidationError) as caught:
        type(checkpoint).model_validate({**document, "schema_version": 2})
    assert caught.value.errors()[0]["loc"] == ("schema_version",)
