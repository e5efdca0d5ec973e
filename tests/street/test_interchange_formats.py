"""The formats of an import: found by content, in the variants that programs write."""

from __future__ import annotations

import gzip
import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import EventStore
from eventstore.errors import InvalidInputError
from eventstore.interchange.formats import known_formats, titles
from eventstore.interchange.importer import import_paths
from eventstore.interchange.report import ImportReport

ASK = {"role": "user", "content": "Why does login fail?"}
CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "run", "arguments": '{"n": 1.0}'}}
    ],
}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "exit 1"}
ANSWER = {"role": "assistant", "content": "The cookie.", "reasoning_content": "hm"}
CHAT = [{"role": "system", "content": "Be brief."}, ASK, CALL, RESULT, ANSWER]

EVENTS = [
    {"id": 0, "source": "environment", "observation": "agent_state_changed", "extras": {}},
    {"id": 1, "source": "user", "action": "message", "args": {"content": "hi"}},
    {"id": 2, "source": "agent", "action": "run", "args": {"command": "ls", "thought": "Look."}},
    {"id": 3, "source": "agent", "cause": 2, "observation": "run", "content": "a", "success": True},
    {"id": 4, "source": "agent", "action": "finish", "args": {"final_thought": "Done."}},
]
NEWER_EVENTS = [
    {"source": "agent", "kind": "SystemPromptEvent", "system_prompt": {"text": "Be brief."}},
    {
        "source": "user",
        "kind": "MessageEvent",
        "llm_message": {"role": "user", "content": [{"type": "text", "text": "hi"}]},
    },
    {
        "source": "agent",
        "kind": "ActionEvent",
        "thought": [{"type": "text", "text": "Look."}],
        "tool_name": "terminal",
        "tool_call_id": "c1",
        "tool_call": {"function": {"name": "terminal", "arguments": '{"command": "ls"}'}},
    },
    {
        "source": "environment",
        "kind": "ObservationEvent",
        "tool_call_id": "c1",
        "observation": {"content": [{"type": "text", "text": "a"}]},
    },
]
STEPS = [
    {"action": "ls", "observation": "a", "response": "Look.\nls", "thought": "Look."},
    {"action": "submit", "observation": "", "response": "submit", "thought": ""},
]


def put(path: Path, *values: Any) -> Path:
    """Write one JSON document, or several as JSON Lines."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(json.dumps(value) for value in values), encoding="utf-8")
    return path


def texts(store: EventStore, id: str) -> list[tuple[str, list[str]]]:
    """Return role and blocks of every message of a session, each block shortened to a word."""
    shown = []
    for message in store.load(id, model=dict)["messages"]:
        blocks = []
        for block in message["content"]:
            kind = block["type"]
            blocks.append(f"{kind}:{block.get('text') or block.get('content') or block.get('id')}")
        shown.append((message["role"], blocks))
    return shown


def take(store: EventStore, *paths: Path, **options: Any) -> ImportReport:
    """Import, check that a second time adds nothing, and return what the first time did."""
    report = import_paths(store, paths, **options)
    again = import_paths(store, paths, **options)
    assert again.versions_added == 0 and again.sessions == report.sessions
    return report


@pytest.fixture
def memory() -> EventStore:
    """A store in memory."""
    return EventStore.open("memory://")


@pytest.mark.parametrize(
    "values",
    [
        [CHAT],
        CHAT,
        [{"messages": CHAT, "id": "x"}],
        [[{"messages": CHAT, "session_id": "x"}]],
        [{"traj": CHAT, "task_id": 3, "trial": 0}, {"traj": CHAT[:3], "task_id": 4, "trial": 0}],
    ],
    ids=["list", "lines", "object", "objects", "object-lines"],
)
def test_a_chat_is_found_in_every_form(memory: EventStore, tmp_path: Path, values: Any) -> None:
    """As a list, line by line, inside an object, and as many objects in one file."""
    report = take(memory, put(tmp_path / "data", *values))
    assert report.ok and report.files[0].format == "chat"
    id = report.sessions[0]
    assert id in ("data", "x", "data/task-3-trial-0")
    assert texts(memory, id) == [
        ("user", ["text:Why does login fail?"]),
        ("assistant", ["tool_use:c1"]),
        ("user", ["tool_result:exit 1"]),
        ("assistant", ["text:The cookie."]),
    ]
    session = memory.load(id)
    assert session.config.system_prompt == "Be brief."
    assert session.messages[3].reasoning_content == "hm"
    assert session.tool_names == ("run",) and session.config.name == "Why does login fail?"
    assert b'"input":{"n":1.0}' in (memory.load_bytes(id) or b"")
    assert report.counts["message"] == (6 if len(values) == 2 else 4)
    assert [v.note for v in memory.history(id)][:1] in (["message 5"], ["line 5"])


@pytest.mark.parametrize(
    "messages",
    [
        [ASK, {"role": "assistant", "content": [{"type": "output_text", "text": "The cookie."}]}],
        [ASK, {"role": "assistant", "content": None, "refusal": "The cookie."}],
        [
            {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "q"}]},
            {"type": "message", "role": "assistant", "content": "The cookie."},
        ],
        [ASK, {"object": "response", "output": [{"type": "message", "content": "The cookie."}]}],
    ],
)
def test_the_interfaces_spell_messages_in_many_ways(
    memory: EventStore, tmp_path: Path, messages: Any
) -> None:
    """Parts of content, refusals and items of responses are what was said."""
    (id,) = take(memory, put(tmp_path / "chat.json", messages)).sessions
    assert texts(memory, id)[1] == ("assistant", ["text:The cookie."])


def test_calls_and_results_as_items_are_a_pair(memory: EventStore, tmp_path: Path) -> None:
    """Function calls that are items of their own keep their ids; broken arguments stay."""
    messages = [
        ASK,
        {"type": "function_call", "call_id": "c9", "name": "run", "arguments": "{broken"},
        {"type": "function_call_output", "call_id": "c9", "output": "exit 1"},
        {"role": "assistant", "content": "x", "function_call": {"name": "f", "arguments": "{}"}},
        {"role": "function", "name": "f", "content": "y"},
    ]
    (id,) = take(memory, put(tmp_path / "chat.json", messages)).sessions
    said = memory.load(id, model=dict)["messages"]
    assert said[1]["content"][0]["input"] == "{broken"
    ids = [b.get("id") or b.get("tool_use_id") for m in said for b in m["content"][-1:]]
    assert ids == [None, "c9", "c9", "f", "f"]
    assert memory.load(id).messages[2].content[0].content == "exit 1"


def test_images_are_taken_in_and_unknown_parts_stay(memory: EventStore, tmp_path: Path) -> None:
    """A data URL becomes an image; a link and a sound stay the blocks they are."""
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "image_url", "image_url": {"url": "pictures/1.png"}},
        {"type": "input_audio", "input_audio": {"data": "AA", "format": "wav"}},
    ]
    (id,) = take(memory, put(tmp_path / "c.json", [{"role": "user", "content": parts}])).sessions
    blocks = memory.load(id, model=dict)["messages"][0]["content"]
    source = {"type": "base64", "media_type": "image/png", "data": "AAAA"}
    assert blocks == [{"type": "image", "source": source}, *parts[1:]]


@pytest.mark.parametrize(
    ("events", "holder"),
    [(EVENTS, None), (EVENTS, "history"), (EVENTS, "trajectory"), (NEWER_EVENTS, "events")],
)
def test_openhands_events_are_found_in_every_form(
    memory: EventStore, tmp_path: Path, events: Any, holder: str | None
) -> None:
    """Of both versions, as a list or inside an object."""
    value = events if holder is None else {holder: events, "instance_id": "one"}
    report = take(memory, put(tmp_path / "one.json", value))
    assert report.ok and report.files[0].format == "openhands"
    assert report.sessions == ["one"]
    said = texts(memory, "one")
    assert said[0] == ("user", ["text:hi"])
    assert said[1][1][0] == "text:Look." and said[1][1][1].startswith("tool_use:")
    assert said[2] == ("user", ["tool_result:a"])
    assert memory.load("one", model=dict)["messages"][1]["content"][1]["input"] == {"command": "ls"}


def test_openhands_outputs_come_line_by_line(memory: EventStore, tmp_path: Path) -> None:
    """A file of many runs gives a session each; pairs of older runs are taken apart."""
    pairs = [[EVENTS[2], EVENTS[3]], [EVENTS[4], EVENTS[0]]]
    lines = [{"instance_id": "a", "history": EVENTS}, {"instance_id": "b", "history": pairs}]
    report = take(memory, put(tmp_path / "output.jsonl", *lines))
    assert report.ok and report.sessions == ["a", "b"]
    assert len(texts(memory, "b")) == 3


def test_events_that_nobody_knows_are_told_of(memory: EventStore, tmp_path: Path) -> None:
    """Passed over, with a warning that names their kind."""
    odd = {"id": 9, "source": "environment", "observation": "telepathy", "content": "x"}
    report = take(memory, put(tmp_path / "one.json", [*EVENTS, odd]))
    assert report.ok and "telepathy" in report.warnings[0].reason


def test_swe_agent_without_a_history_is_told_by_its_steps(
    memory: EventStore, tmp_path: Path
) -> None:
    """Where the history was left out, the steps say what was said and what came back."""
    report = take(memory, put(tmp_path / "fix-1.traj", {"trajectory": STEPS, "info": {}}))
    assert report.ok and report.files[0].format == "swe-agent"
    assert texts(memory, "fix-1") == [
        ("assistant", ["text:Look.\nls"]),
        ("user", ["text:a"]),
        ("assistant", ["text:submit"]),
    ]
    assert report.versions_added == 3


def test_a_demonstration_is_no_step(memory: EventStore, tmp_path: Path) -> None:
    """What the model was shown before it began is not taken for what it got back."""
    history = [
        {"role": "system", "content": "s"},
        {"role": "user", "content": "shown", "is_demo": True},
        {"role": "assistant", "content": "shown", "is_demo": True},
        {"role": "user", "content": "task"},
        {"role": "assistant", "content": [{"type": "text", "text": "ls"}]},
        {"role": "user", "content": "a"},
    ]
    path = put(tmp_path / "r.traj", {"trajectory": STEPS, "history": history, "info": {}})
    report = take(memory, path)
    assert [len(memory.load("r", at=n).messages) for n in (1, 2, 3)] == [2, 4, 5]
    assert report.versions_added == 3


@pytest.mark.parametrize("stated", ["mini-swe-agent-1", "mini-swe-agent-1.1", "mini-swe-agent-9"])
def test_mini_swe_agent_of_every_version(memory: EventStore, tmp_path: Path, stated: str) -> None:
    """With calls of tools and a last word of its own, as newer versions write it."""
    messages = [
        *CHAT[:2],
        {**CALL, "extra": {"cost": 0.25, "timestamp": 1_700_000_000.5}},
        RESULT,
        {"role": "exit", "content": "diff", "extra": {"exit_status": "Submitted"}},
    ]
    value = {"info": {}, "messages": messages, "trajectory_format": stated}
    report = take(memory, put(tmp_path / "x.traj.json", value))
    assert report.ok and report.files[0].format == "mini-swe-agent"
    session = memory.load("x")
    assert session.total_cost == 0.25 and session.updated_at == 1_700_000_000
    assert [message.role for message in session.messages] == ["user", "assistant", "user", "user"]


@pytest.mark.parametrize(
    "value",
    [
        {"hello": 1},
        [1, 2],
        [],
        {"trajectory": []},
        {"messages": []},
        {"messages": [{"text": "x"}]},
        {"timestamp": "2026-01-01T00:00:00Z", "type": "session_meta", "payload": {}},
        [{"role": "narrator", "content": "x"}],
    ],
)
def test_an_unknown_format_gets_the_list_of_those_known(
    memory: EventStore, tmp_path: Path, value: Any
) -> None:
    """One problem that names every format."""
    report = import_paths(memory, [put(tmp_path / "x.json", value)])
    (problem,) = report.problems
    assert problem.reason == f"is in no known format: {titles()}" and memory.list() == []
    assert all(format.title in problem.reason for format in known_formats())
    lines = import_paths(memory, [put(tmp_path / "x.jsonl", value, value)])
    assert [remark.reason for remark in lines.problems] == [problem.reason]


def test_runs_of_tau2_bench_are_found_in_what_holds_them(
    memory: EventStore, tmp_path: Path
) -> None:
    """Each run is a session of its own id; its calls are flat, and results answer by their id."""
    messages = [
        ASK,
        {"role": "assistant", "tool_calls": [{"id": "c9", "name": "run", "arguments": {"n": 1}}]},
        {"role": "tool", "id": "c9", "content": "done", "requestor": "assistant"},
        {"role": "assistant", "content": "It is done."},
    ]
    runs = [{"id": f"sim-{n}", "task_id": "4", "trial": n, "messages": messages} for n in (0, 1)]
    value = {"timestamp": "t", "info": {}, "tasks": [{"id": "4"}], "simulations": runs}
    report = take(memory, put(tmp_path / "x.json", value))
    assert report.ok and report.sessions == ["sim-0", "sim-1"] and report.versions_added == 6
    said = memory.load("sim-1").messages
    assert said[1].content[0].id == said[2].content[0].tool_use_id == "c9"


def test_files_of_one_name_in_many_directories_do_not_meet(
    memory: EventStore, tmp_path: Path
) -> None:
    """A name that programs give to every run has that of the run before it, however it is found."""
    for run in ("run-1", "run-2"):
        asked = [{**ASK, "content": run}, ANSWER]
        put(tmp_path / run / "traj.json", {"info": {"exit_status": "x"}, "messages": asked})
    assert take(memory, tmp_path).sessions == ["run-1/traj", "run-2/traj"]
    again = take(memory, tmp_path / "run-2" / "traj.json")
    assert again.ok and again.sessions == ["run-2/traj"] and again.versions_added == 0


@pytest.mark.parametrize("lines", [False, True])
def test_a_byte_order_mark_is_passed_over(memory: EventStore, tmp_path: Path, lines: bool) -> None:
    """Programs that write one write the same chat behind it."""
    text = "\r\n".join(map(json.dumps, CHAT)) if lines else json.dumps(CHAT)
    (tmp_path / "x.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert take(memory, tmp_path / "x.json").ok
    assert len(memory.load("x").messages) == 4


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (gzip.compress(b"[]", mtime=0), "is packed with gzip"),
        (b"PK\x03\x04...", "is a zip archive"),
        ("[]".encode("utf-16"), "is UTF-16, not UTF-8"),
        ("[]".encode("utf-32"), "is UTF-32, not UTF-8"),
        (b"\0" * 9, "holds nothing but zeros"),
        (b" \n", "is empty"),
    ],
)
def test_json_in_disguise_is_told_of_in_a_tree_too(
    memory: EventStore, tmp_path: Path, content: bytes, reason: str
) -> None:
    """A document that cannot be read is named with the cause, wherever it is found."""
    put(tmp_path / "chat.json", CHAT)
    (tmp_path / "odd.json").write_bytes(content)
    for report in (import_paths(memory, [tmp_path / "odd.json"]), import_paths(memory, [tmp_path])):
        (problem,) = report.problems
        assert problem.path.endswith("odd.json") and reason in problem.reason
    assert report.sessions == ["chat"]


def test_a_document_in_a_tree_that_cannot_be_read_is_told_of(
    memory: EventStore, tmp_path: Path
) -> None:
    """A pipe of the name of a document is a problem; of another name it is nobody's business."""
    put(tmp_path / "chat.json", CHAT)
    os.mkfifo(tmp_path / "pipe.json")
    os.mkfifo(tmp_path / "pipe")
    report = import_paths(memory, [tmp_path])
    (problem,) = report.problems
    assert problem.path.endswith("pipe.json") and "not a regular file" in problem.reason
    assert report.sessions == ["chat"]


def test_other_documents_in_a_tree_are_counted(memory: EventStore, tmp_path: Path) -> None:
    """They are passed over; where there is nothing else, the known formats are listed."""
    put(tmp_path / "in" / "package.json", {"name": "x"})
    alone = import_paths(memory, [tmp_path / "in"])
    assert titles() in alone.problems[0].reason and len(alone.files) == 1
    put(tmp_path / "in" / "chat.json", CHAT)
    report = import_paths(memory, [tmp_path / "in"])
    assert report.ok and report.passed_over == alone.passed_over == 1
    assert [Path(file.path).name for file in report.files] == ["chat.json"]


def test_a_file_that_is_cut_off_is_named_with_the_place(memory: EventStore, tmp_path: Path) -> None:
    """The others are imported."""
    whole = put(tmp_path / "in" / "whole.json", CHAT)
    text = json.dumps({"trajectory": STEPS, "info": {}}, indent=2)
    (tmp_path / "in" / "cut.traj").write_text(text[: len(text) // 2], encoding="utf-8")
    (tmp_path / "in" / "cut.json").write_text(text[: len(text) // 2], encoding="utf-8")
    (tmp_path / "in" / "notes.txt").write_text("[see below", encoding="utf-8")
    report = import_paths(memory, [whole.parent])
    assert sorted(Path(remark.path).name for remark in report.problems) == ["cut.json", "cut.traj"]
    assert all("cut off in the middle at line" in remark.reason for remark in report.problems)
    assert report.sessions == ["whole"]


def test_a_broken_line_stops_no_other(memory: EventStore, tmp_path: Path) -> None:
    """It is named with its number; a great many are counted."""
    path = put(tmp_path / "c.jsonl", *CHAT)
    with path.open("a", encoding="utf-8") as file:
        file.write("\n" + "{oops\n" * 30 + json.dumps(ASK))
    report = import_paths(memory, [path])
    assert report.problems[0].line == 6 and len(report.problems) == 21
    assert report.problems[-1].reason == "10 more broken lines"
    assert len(memory.load("c").messages) == 5


def test_a_message_that_is_none_ends_the_chat(memory: EventStore, tmp_path: Path) -> None:
    """What came before it is there, and the problem names its place."""
    report = import_paths(memory, [put(tmp_path / "c.json", [*CHAT, 7, ASK])])
    assert not report.ok and "message 6" in report.problems[0].reason
    assert report.versions_added == 2


def test_another_chat_of_the_same_name_is_refused(memory: EventStore, tmp_path: Path) -> None:
    """Two files that state one id and tell two stories are not mixed."""
    import_paths(memory, [put(tmp_path / "a" / "c.json", CHAT)])
    report = import_paths(memory, [put(tmp_path / "b" / "c.json", [ASK, ANSWER, ASK])])
    assert not report.ok and "another session 'c'" in report.problems[0].reason
    assert len(memory.load("c").messages) == 4


STATES = [
    {"key": "a", "rev": 1, "n": 1.0},
    {"key": "b", "rev": 1, "n": 1},
    {"key": "a", "rev": 2, "n": 1e3},
    {"key": "a", "rev": 2, "n": 1e3},
    {"key": "a", "rev": 3, "n": 1.0},
]


@pytest.mark.parametrize("as_lines", [True, False])
def test_plain_states_are_read_by_the_field_that_names_their_session(
    memory: EventStore, tmp_path: Path, as_lines: bool
) -> None:
    """As JSON Lines or as a list; every state is kept as it is spelled, equal ones once."""
    path = put(tmp_path / "s.data", *STATES) if as_lines else put(tmp_path / "s.data", STATES)
    assert not import_paths(memory, [path]).ok
    report = take(memory, path, id_field="key", version_field="rev")
    assert report.ok and (report.sessions, report.versions_added) == (["a", "b"], 4)
    assert [memory.load_bytes("a", at=n) for n in (1, 2, 3)] == [
        b'{"key":"a","rev":1,"n":1.0}',
        b'{"key":"a","rev":2,"n":1000.0}',
        b'{"key":"a","rev":3,"n":1.0}',
    ]
    assert [version.note for version in memory.history("a")] == ["rev 3", "rev 2", "rev 1"]
    more = [*STATES, {"key": "b", "rev": 2, "n": 2}]
    path = put(path, *more) if as_lines else put(path, more)
    assert take(memory, path, id_field="key").versions_added == 1


@pytest.mark.parametrize(
    ("state", "reason"),
    [
        ({"n": 1}, "no text or number in field 'key'"),
        ({"key": ""}, "no text or number in field 'key'"),
        ({"key": "a", "rev": "x"}, "no version number in field 'rev'"),
        ({"key": "a", "rev": 0}, "states version 0 of session 'a' after 1"),
        ([], "no text or number in field 'key'"),
        ({"key": "x" * 2000, "rev": 1}, "2000 bytes"),
    ],
)
def test_a_state_that_is_none_is_named_by_its_line(
    memory: EventStore, tmp_path: Path, state: Any, reason: str
) -> None:
    """The others are imported."""
    path = put(tmp_path / "s.jsonl", STATES[0], state, {"key": "a", "rev": 7, "n": 7})
    report = import_paths(memory, [path], id_field="key", version_field="rev")
    (problem,) = report.problems
    assert reason in problem.reason and problem.line == 2
    assert len(list(memory.history("a"))) == 2


def test_states_that_contradict_the_store_are_refused_once(
    memory: EventStore, tmp_path: Path
) -> None:
    """The session is left as it is, the others are imported."""
    import_paths(memory, [put(tmp_path / "s.jsonl", *STATES)], id_field="key")
    other = put(tmp_path / "t.jsonl", {"key": "a", "n": 9}, {"key": "a"}, {"key": "c"})
    report = import_paths(memory, [other], id_field="key")
    (problem,) = report.problems
    assert "another session 'a', which differs from version 1 on" in problem.reason
    assert report.versions_added == 1 and memory.list() == ["a", "b", "c"]
    memory.delete("b")
    told = import_paths(memory, [put(other, STATES[1], {"key": "b", "n": 3})], id_field="key")
    assert told.ok and "deleted" in told.warnings[0].reason


def test_an_id_may_stand_inside_another_object(memory: EventStore, tmp_path: Path) -> None:
    """A path with dots leads there."""
    path = put(tmp_path / "s.json", {"meta": {"id": 7}, "x": 1})
    assert take(memory, path, id_field="meta.id").sessions == ["7"]


def test_a_version_field_alone_is_refused(memory: EventStore, tmp_path: Path) -> None:
    """Nobody could say whose version it is."""
    with pytest.raises(InvalidInputError, match="id_field"):
        import_paths(memory, [tmp_path], version_field="rev")


NAMES = [
    *("role", "content", "type", "source", "kind", "action", "observation", "args", "id"),
    *("tool_calls", "messages", "trajectory", "history", "info", "text", "image_url", "extra"),
    *("response", "usage", "function", "arguments", "call_id", "output", "tool_call_metadata"),
]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(NAMES),
            inner
            | st.sampled_from(["user", "assistant", "tool", "text", "message", "MessageEvent"]),
            max_size=6,
        )
    ),
    max_leaves=30,
)


@given(values=st.lists(JSON, min_size=1, max_size=4))
def test_whatever_json_holds_the_import_ends_in_a_report(
    values: list[Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Nothing that looks like a format, and is none, gets further than a problem."""
    folder = tmp_path_factory.mktemp("any")
    paths = [
        put(folder / "list.json", [ASK, *values]),
        put(folder / "events.json", [*EVENTS[:3], *values]),
        put(folder / "lines.jsonl", *values),
        put(folder / "run.traj", {"trajectory": [STEPS[0], *values], "history": values}),
        put(folder / "mini.json", {"trajectory_format": "mini-swe-agent-1", "messages": values}),
    ]
    with EventStore.open("memory://") as store:
        report = import_paths(store, paths)
        assert report.versions_added == store.stats().versions
        assert import_paths(store, paths).versions_added == 0
