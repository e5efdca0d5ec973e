"""Claude Code transcripts as people really have them: growing, broken, branched, compacted."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventstore import EventStore
from eventstore.interchange import claude_records
from eventstore.interchange.a3s_export import export_a3s
from eventstore.interchange.importer import import_paths
from eventstore.interchange.report import FileOutcome

SESSION = "11111111-2222-4333-8444-555555555555"


@pytest.fixture
def memory() -> Iterator[EventStore]:
    """A store that is quick to make."""
    with EventStore.open("memory://") as opened:
        yield opened


class Writer:
    """Writes a transcript, record by record."""

    def __init__(self, path: Path, **common: Any) -> None:
        """Start an empty transcript whose records all have the members *common*."""
        self.path = path
        self.common = {"sessionId": SESSION, "cwd": "/w", "isSidechain": False} | common
        self.count = 0
        path.write_bytes(b"")

    def record(self, type: str, **members: Any) -> Writer:
        """Add a record."""
        self.count += 1
        time = f"2026-02-06T03:14:{self.count:02d}.331Z"
        value = {**self.common, "type": type, "timestamp": time, "uuid": str(self.count)} | members
        return self.raw(json.dumps(value).encode() + b"\n")

    def raw(self, text: bytes) -> Writer:
        """Add bytes."""
        with self.path.open("ab") as file:
            file.write(text)
        return self

    def user(self, content: Any, **members: Any) -> Writer:
        """Add what the user said."""
        return self.record("user", message={"role": "user", "content": content}, **members)

    def reply(self, id: str, *blocks: dict[str, Any], **members: Any) -> Writer:
        """Add one record of a reply."""
        message = {"role": "assistant", "id": id, "model": "m-1", "content": list(blocks)}
        return self.record("assistant", message=message | members)

    def text(self, id: str, text: str) -> Writer:
        """Add a reply of text."""
        return self.reply(id, {"type": "text", "text": text})

    def result(self, id: str, content: Any = "done") -> Writer:
        """Add the result of a tool."""
        return self.user([{"type": "tool_result", "tool_use_id": id, "content": content}])


@pytest.fixture
def writer(tmp_path: Path) -> Writer:
    """An empty main transcript."""
    return Writer(tmp_path / "chat.jsonl")


def call(id: str, name: str = "Bash", **input: Any) -> dict[str, Any]:
    """Return a tool call."""
    return {"type": "tool_use", "id": id, "name": name, "input": input}


def take(store: EventStore, writer: Writer) -> FileOutcome:
    """Import a transcript and return what became of it."""
    (outcome,) = import_paths(store, [writer.path]).files
    return outcome


def texts(store: EventStore, at: int | None = None) -> list[str]:
    """Return the text of each message."""
    return [message.text for message in store.load(SESSION, at=at).messages]


def test_every_step_is_a_version(memory: EventStore, writer: Writer) -> None:
    """A finished reply and a tool's result are versions; what the user says waits for the reply."""
    writer.user("hello").text("a", "hi").user("go on")
    writer.reply("b", {"type": "thinking", "thinking": "hm", "signature": "s"})
    writer.record("progress").reply("b", {"type": "text", "text": "ok"}).reply("b", call("t"))
    writer.result("t").text("c", "done")
    outcome = take(memory, writer)
    assert outcome.ok and not outcome.remarks
    assert outcome.versions_added == outcome.counts["state"] == 4
    assert [texts(memory, at) for at in (1, 2)] == [["hello", "hi"], ["hello", "hi", "go on", "ok"]]
    assert memory.load(SESSION, at=2).messages[-1].reasoning_content == "hm"
    first, *_, last = list(memory.history(SESSION))[::-1]
    assert first.note == "line 2, 2026-02-06T03:14:02.331Z" and first.actor == "import"
    assert last.note == "line 9, 2026-02-06T03:14:09.331Z"
    session = memory.load(SESSION)
    assert session.id == SESSION and session.config.workspace == "/w"
    assert session.config.name == "hello" and session.model_name == "m-1"
    assert session.updated_at - session.created_at == 8
    assert session.tool_names == ("Bash",) and session.thinking_enabled
    assert outcome.counts == {"user": 3, "assistant": 5, "progress": 1, "state": 4, "message": 6}


def test_a_reply_interrupted_by_the_user_is_two_messages(
    memory: EventStore, writer: Writer
) -> None:
    """Records of one reply belong together only as long as nobody else speaks."""
    writer.user("go").reply("a", call("1")).reply("a", call("2")).result("1")
    writer.reply("a", call("3")).result("2").result("3")
    assert take(memory, writer).versions_added == 5
    roles = [message.role for message in memory.load(SESSION).messages]
    assert roles == ["user", "assistant", "user", "assistant", "user", "user"]


def test_a_grown_transcript_is_continued(memory: EventStore, writer: Writer) -> None:
    """Only what is new is saved, wherever the file ended the last time."""
    writer.user("one")
    assert take(memory, writer).versions_added == 1
    writer.reply("a", {"type": "text", "text": "1"})
    assert take(memory, writer).versions_added == 1
    writer.reply("a", call("t"))
    assert take(memory, writer).versions_added == 1
    assert take(memory, writer).versions_added == 0
    writer.result("t").text("b", "2").user("two")
    assert take(memory, writer).versions_added == 3
    assert take(memory, writer).versions_added == 0
    writer.text("c", "3")
    outcome = take(memory, writer)
    assert outcome.ok and outcome.versions_added == 1
    assert texts(memory) == ["one", "1", "", "2", "two", "3"]


def test_a_continued_import_equals_one_import(writer: Writer) -> None:
    """Importing after every step leaves the same states as importing once at the end."""
    with EventStore.open("memory://") as often, EventStore.open("memory://") as once:
        writer.user("go")
        for number in range(5):
            writer.reply(f"m{number}", call(str(number)))
            take(often, writer)
            writer.result(str(number))
            take(often, writer)
        take(once, writer)
        states = [
            [store.load_bytes(SESSION, at=version) for version in store.history(SESSION)]
            for store in (often, once)
        ]
        assert states[0] == states[1] and len(states[0]) == 10


def test_a_transcript_that_is_behind_or_another_adds_nothing(
    memory: EventStore, writer: Writer, tmp_path: Path
) -> None:
    """An older copy is a warning; a file that contradicts the store is a problem."""
    writer.user("one").text("a", "1")
    older = writer.path.read_bytes()
    writer.user("two").text("b", "2")
    take(memory, writer)
    writer.path.write_bytes(older)
    outcome = take(memory, writer)
    assert outcome.ok and "later states" in outcome.remarks[0].reason
    other = Writer(tmp_path / "other.jsonl").user("something else").text("z", "9")
    outcome = take(memory, other)
    assert not outcome.ok and "does not continue" in outcome.remarks[0].reason
    assert texts(memory) == ["one", "1", "two", "2"]


def test_broken_lines_are_named_and_cost_nothing_else(memory: EventStore, writer: Writer) -> None:
    """Each broken line is reported with its number; the rest is imported."""
    writer.user("one").raw(b"{broken\n").raw(b"\n").raw(b'["no record"]\n').raw(b"\xff\xfe\n")
    writer.record("user", message=None).record("assistant", message={"content": 7})
    writer.raw(b'{"type":"user","a":1,"a":2}\n').text("a", "1").raw(b'{"type":"user","mess')
    outcome = take(memory, writer)
    assert [remark.line for remark in outcome.remarks] == [2, 4, 5, 6, 7, 8, 10]
    assert outcome.counts["broken"] == 7 and not outcome.ok
    assert "cut off" in outcome.remarks[-1].reason
    assert texts(memory) == ["one", "1"]


def test_many_broken_lines_are_summed_up(memory: EventStore, writer: Writer) -> None:
    """A report stays readable however bad a file is."""
    writer.user("one").text("a", "1")
    for _ in range(100):
        writer.raw(b"x\n")
    outcome = take(memory, writer)
    assert outcome.counts["broken"] == 100
    assert len(outcome.remarks) == 21 and outcome.remarks[-1].reason == "80 more broken lines"


def test_a_line_over_the_limit_is_skipped(
    memory: EventStore, writer: Writer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A line that is too long to keep is a broken line, and the next one is read."""
    monkeypatch.setattr(claude_records, "STATE_SIZE_MAX", 1000)
    writer.user("one").user("x" * 5000).text("a", "1")
    outcome = take(memory, writer)
    assert outcome.counts["broken"] == 1 and outcome.remarks[0].line == 2
    assert texts(memory) == ["one", "1"]
    assert outcome.size == writer.path.stat().st_size


def test_a_side_chain_in_a_main_transcript_is_counted(memory: EventStore, writer: Writer) -> None:
    """Another agent's records are passed over, with their lines."""
    writer.user("one").user("inner", isSidechain=True).reply("s", call("x"))
    writer.record("assistant", isSidechain=True, message={"content": "deep"}).text("s", "1")
    outcome = take(memory, writer)
    assert outcome.ok and outcome.counts["sidechain"] == 2
    assert "(lines 2, 4)" in outcome.remarks[0].reason
    assert texts(memory) == ["one", "1"]


def test_a_side_chain_of_its_own_is_a_child_session(memory: EventStore, tmp_path: Path) -> None:
    """A subagent's file is a session below its parent."""
    writer = Writer(tmp_path / "agent-x1.jsonl", isSidechain=True, agentId="x1")
    writer.user("do").text("a", "1").user("stray", agentId="x2")
    outcome = take(memory, writer)
    assert outcome.sessions == [f"{SESSION}/agent-x1"]
    assert memory.load(outcome.sessions[0]).parent_id == SESSION
    assert [info.id for info in memory.sessions(parent=SESSION)] == outcome.sessions
    assert outcome.counts["sidechain"] == 1
    nameless = Writer(tmp_path / "agent-y2.jsonl", isSidechain=True).user("do").text("a", "1")
    assert take(memory, nameless).sessions == [f"{SESSION}/agent-y2"]


def test_compaction_and_bookkeeping_are_counted(memory: EventStore, writer: Writer) -> None:
    """The history stays whole through a compaction; records without messages are counted."""
    writer.record("summary", summary="s", leafUuid="l").user("one").text("a", "1")
    writer.record("system", subtype="compact_boundary", content="Conversation compacted")
    writer.user("summary of it all", isCompactSummary=True).user("meta", isMeta=True)
    writer.text("b", "2").record("system", subtype="turn_duration").record("file-history-snapshot")
    outcome = take(memory, writer)
    assert outcome.ok and not outcome.remarks
    assert texts(memory) == ["one", "1", "summary of it all", "meta", "2"]
    counts = outcome.counts
    assert counts["summary"] == counts["system.compact_boundary"] == counts["system"] == 1
    assert counts["user.compact_summary"] == counts["user.meta"] == 1


def test_unknown_records_are_reported(memory: EventStore, writer: Writer) -> None:
    """A type this version does not know is named with its lines, and is no problem."""
    writer.user("one").record("telepathy").text("a", "1").record("telepathy")
    for number in range(30):
        writer.record(f"kind-{number}")
    outcome = take(memory, writer)
    assert outcome.ok and outcome.counts["unknown"] == 32
    assert outcome.remarks[0].reason.startswith("2 records of the unknown type 'telepathy'")
    assert len(outcome.remarks) == 11


def test_records_of_another_session_are_told_of(memory: EventStore, writer: Writer) -> None:
    """The first record names the session."""
    writer.user("one").user("copied", sessionId="other").text("a", "1")
    outcome = take(memory, writer)
    assert outcome.ok and outcome.sessions == [SESSION]
    assert "state another session" in outcome.remarks[0].reason


def test_blocks_are_kept_whatever_they_are(
    memory: EventStore, writer: Writer, tmp_path: Path
) -> None:
    """Images, lists, unknown types and malformed blocks all have their place."""
    image = {
        "source": {"data": "aGk=", "type": "base64", "media_type": "image/png"},
        "type": "image",
    }
    link = {"type": "image", "source": {"type": "url", "url": "https://example.org/i.png"}}
    writer.user([{"type": "text", "text": "see"}, image, link, "loose", {"no": "type"}])
    writer.reply("a", {"type": "redacted_thinking", "data": "x"}, call("t", n=[1.0, 1e-7, 2**70]))
    writer.result("t", [{"type": "text", "text": "out"}, image, {"type": "tool_reference", "n": 1}])
    writer.result("u", None).result("v", {"odd": 1})
    outcome = take(memory, writer)
    assert outcome.ok and "4 blocks" in outcome.remarks[0].reason
    said, reply, result, empty, odd = memory.load(SESSION).messages
    assert [block.type for block in said.content] == ["text", "image", "text", "text", "text"]
    assert said.content[1].source.data == "aGk="
    assert json.loads(said.content[2].text) == link
    assert reply.content[0].extras == {"data": "x"}
    assert [part.type for part in result.content[0].content] == ["text", "image", "tool_reference"]
    assert empty.content[0].content == "" and empty.content[0].is_error is None
    assert json.loads(odd.content[0].text)["content"] == {"odd": 1}
    state = memory.load_bytes(SESSION) or b""
    assert b'"input":{"n":[1.0,1e-07,1180591620717411303424]}' in state
    exported = export_a3s(memory, None, tmp_path / "out")
    assert [remark.reason.split("'")[1] for remark in exported.warnings] == [
        "redacted_thinking",
        "tool_reference",
    ]
    written = json.loads((tmp_path / "out" / f"{SESSION}.json").read_text())["messages"]
    assert [part["type"] for part in written[2]["content"][0]["content"]] == [
        "text",
        "image",
        "text",
    ]


def test_usage_is_counted_once_a_reply(memory: EventStore, writer: Writer) -> None:
    """Every record of a reply repeats its usage; the last one counts."""
    first = {"input_tokens": 10, "output_tokens": 1, "cache_read_input_tokens": 5}
    last = first | {"output_tokens": 7, "cache_creation_input_tokens": 3}
    writer.user("go").reply("a", call("1"), usage=first).result("1")
    writer.reply("a", call("2"), usage=last).reply("b", usage={"input_tokens": 1.5, "x": "y"})
    take(memory, writer)
    usage = memory.load(SESSION).total_usage
    assert (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens) == (10, 7, 17)
    assert (usage.cache_read_tokens, usage.cache_write_tokens) == (5, 3)
    assert memory.load(SESSION, at=1).total_usage.completion_tokens == 1


def test_task_lists_are_followed(memory: EventStore, writer: Writer) -> None:
    """Both generations of task tools show in `tasks`, as of every version."""
    todos = [{"content": "a", "status": "in_progress", "activeForm": "A"}, {"content": "b"}, 7]
    writer.user("go").reply("a", call("1", "TodoWrite", todos=todos)).result("1")
    writer.reply("b", call("2", "TodoWrite", todos=[])).result("2")
    writer.reply("c", call("3", "TaskCreate", subject="x"), call("4", "TaskCreate", subject="y"))
    writer.reply("d", call("5", "TaskUpdate", taskId="1", status="completed"))
    writer.reply("e", call("6", "TaskUpdate", taskId="2", status="deleted"))
    writer.reply("f", call("7", "TaskUpdate", taskId="9", status="nonsense"))
    take(memory, writer)

    def tasks(at: int) -> list[tuple[str, str, str]]:
        found = memory.load(SESSION, at=at).tasks
        return [(task.id, task.content, task.status) for task in found]

    assert tasks(1) == [("1", "a", "in_progress"), ("2", "b", "pending")]
    assert tasks(3) == []
    assert tasks(5) == [("1", "x", "pending"), ("2", "y", "pending")]
    assert tasks(8) == [("1", "x", "completed")]


def test_halves_of_characters_are_mended(memory: EventStore, writer: Writer) -> None:
    """Text cut inside a character is kept, with U+FFFD where the half was."""
    writer.user("cut \ud83d").text("a", "1")
    assert take(memory, writer).ok
    assert texts(memory) == ["cut \ufffd", "1"]


def test_records_without_time_or_session_are_taken(memory: EventStore, tmp_path: Path) -> None:
    """The file's name stands in for the id, and a time that is none is left out."""
    writer = Writer(tmp_path / "bare.jsonl", sessionId=None)
    writer.user("one", timestamp="yesterday").record(
        "assistant", timestamp=17, message={"content": "1"}
    )
    assert take(memory, writer).sessions == ["bare"]
    (version,) = memory.history("bare")
    assert version.note == "line 2"
    assert memory.load("bare").created_at == 0


def test_a_deleted_session_is_left_alone(memory: EventStore, writer: Writer) -> None:
    """An import does not undo a delete; after an undelete it goes on."""
    writer.user("one").text("a", "1")
    take(memory, writer)
    memory.delete(SESSION)
    writer.user("two").text("b", "2")
    outcome = take(memory, writer)
    assert outcome.versions_added == 0 and "undelete" in outcome.remarks[0].reason
    memory.undelete(SESSION)
    assert take(memory, writer).versions_added == 1


def test_a_dry_run_counts_and_writes_nothing(memory: EventStore, writer: Writer) -> None:
    """What would be added is counted, also after a part was imported."""
    writer.user("one").text("a", "1").user("two").text("b", "2")
    report = import_paths(memory, [writer.path], dry_run=True)
    assert (report.versions_added, report.dry_run, memory.list()) == (2, True, [])
    take(memory, writer)
    writer.user("three").text("c", "3")
    assert import_paths(memory, [writer.path], dry_run=True).versions_added == 1
    assert len(texts(memory)) == 4
