"""Real Claude Code sessions, saved step by step, load back as they were at every step."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from eventstore import EventStore
from eventstore.interchange.a3s_export import export_a3s
from eventstore.interchange.importer import import_paths
from eventstore.models.a3s import SessionData


class Fact(NamedTuple):
    """What is known of one transcript."""

    name: str
    messages: int
    states: int


FACTS = [
    Fact("entire-883595c929", 4, 3),
    Fact("entire-7cfcb669b1", 34, 33),
    Fact("entire-60e2316a8a", 75, 73),
    Fact("entire-dcd5518fea", 193, 167),
    Fact("entire-66ad9d7461", 405, 397),
    Fact("spotter-agent-aa84377", 38, 37),
]
SMALL = [fact for fact in FACTS if fact.messages < 100]

Spoken = tuple[str, tuple[str, ...]]
"""A message as far as it was derived independently: its role, and every text in it."""


def corpus_file(shared: Path, name: str) -> Path:
    """Return a transcript of the corpus."""
    path = shared / "corpus" / "claude-code-jsonl" / f"{name}.jsonl"
    if not path.is_file():
        pytest.skip("the corpus is not here")
    return path


def texts_of(content: Any) -> tuple[str, ...]:
    """Return every text of a message in the model's own interface, thinking last."""
    if isinstance(content, str):
        return (content,)
    said, thought = [], []
    for block in content:
        kind = block["type"]
        if kind == "thinking":
            thought.append(block["thinking"])
        elif kind == "tool_result":
            said.append(block["content"])
        elif kind == "tool_use":
            said.append(f"{block['id']} {block['name']} {json.dumps(block['input'])}")
        else:
            said.append(block.get("text") or block["source"]["data"])
    return (*said, *thought)


def saved_texts(message: dict[str, Any]) -> tuple[str, ...]:
    """Return every text of a saved message, in the same order."""
    thought = (message["reasoning_content"],) if "reasoning_content" in message else ()
    return (*texts_of(message["content"]), *thought)


def derive(path: Path) -> list[list[Spoken]]:
    """Return the states of a transcript, derived from its lines alone and in another way.

    Replies are collected first, then cut where the next record is not of the same reply.
    """
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    spoken = [record for record in records if record["type"] in ("user", "assistant")]
    runs: list[list[dict[str, Any]]] = []
    for record in spoken:
        same = runs and runs[-1][0]["type"] == record["type"] == "assistant"
        if same and runs[-1][0]["message"]["id"] == record["message"]["id"]:
            runs[-1].append(record)
        else:
            runs.append([record])
    messages: list[Spoken] = []
    states: list[list[Spoken]] = []
    for run in runs:
        content = run[0]["message"]["content"]
        if not isinstance(content, str):
            content = [block for record in run for block in record["message"]["content"]]
        messages.append((run[0]["type"], texts_of(content)))
        has_result = not isinstance(content, str) and content[0]["type"] == "tool_result"
        if run[0]["type"] == "assistant" or has_result:
            states.append(list(messages))
    return states


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.name)
def test_every_historical_state_loads_back(shared: Path, fact: Fact) -> None:
    """Each version holds exactly the messages that the transcript had at that step."""
    path = corpus_file(shared, fact.name)
    with EventStore.open("memory://") as store:
        report = import_paths(store, [path])
        assert report.ok and not report.warnings
        (id,) = report.sessions
        assert report.versions_added == fact.states
        assert (report.counts["state"], report.counts["message"]) == (fact.states, fact.messages)
        states = derive(path)
        assert len(states) == fact.states
        for number, expected in enumerate(states, start=1):
            state = store.load(id, at=number, model=dict)
            found = [(message["role"], saved_texts(message)) for message in state["messages"]]
            assert found == expected
        assert len(states[-1]) == fact.messages


@pytest.mark.parametrize("fact", SMALL, ids=lambda fact: fact.name)
def test_states_load_as_models_and_emit_the_same_bytes(shared: Path, fact: Fact) -> None:
    """Every state is a session as a3s-code would write it, byte for byte."""
    with EventStore.open("memory://") as store:
        (id,) = import_paths(store, [corpus_file(shared, fact.name)]).sessions
        for version in store.history(id):
            session = store.load(id, at=version)
            assert isinstance(session, SessionData)
            assert session.model_dump_json().encode() == store.load_bytes(id, at=version)


@pytest.mark.parametrize("fact", SMALL, ids=lambda fact: fact.name)
def test_every_beginning_of_a_transcript_can_be_continued(
    shared: Path, tmp_path: Path, fact: Fact
) -> None:
    """Importing a file that grows leaves the store where importing it whole does."""
    lines = corpus_file(shared, fact.name).read_bytes().splitlines(keepends=True)
    growing = tmp_path / f"{fact.name}.jsonl"
    with EventStore.open(tmp_path / "store", durability="unsafe_os") as store:
        for end in (len(lines) // 3, len(lines) // 2, len(lines)):
            growing.write_bytes(b"".join(lines[:end]))
            report = import_paths(store, [growing])
        (id,) = report.sessions
        assert import_paths(store, [growing]).versions_added == 0
        newest = store.load_bytes(id)
        # A file that ends between the records of one reply leaves that moment as a version too.
        assert fact.states <= len(list(store.history(id))) <= fact.states + 2
    with EventStore.open("memory://") as whole:
        import_paths(whole, [growing])
        assert whole.load_bytes(id) == newest


def test_what_is_known_of_the_sessions_is_taken_over(shared: Path, tmp_path: Path) -> None:
    """Names, models, usage, tasks, parents and special records are found."""
    names = [fact.name for fact in SMALL]
    with EventStore.open("memory://") as store:
        report = import_paths(store, [corpus_file(shared, name) for name in names])
        assert report.counts["summary"] == 5
        sessions = {session: store.load(session) for session in report.sessions}
        assert all(session.config.workspace.startswith("/") for session in sessions.values())
        assert all((session.model_name or "").startswith("claude") for session in sessions.values())
        assert all(session.total_usage.completion_tokens for session in sessions.values())
        assert all(session.updated_at > session.created_at > 0 for session in sessions.values())
        assert sorted(len(session.tasks) for session in sessions.values()) == [0, 0, 0, 5]
        children = [session for session in sessions.values() if session.parent_id]
        assert [child.id for child in children] == [f"{children[0].parent_id}/agent-aa84377"]
        exported = export_a3s(store, None, tmp_path / "out")
        assert exported.ok and not exported.warnings and exported.files == len(names)


def test_a_compaction_is_counted_and_loses_nothing(shared: Path) -> None:
    """The long session goes on after its compaction, with what was said before it."""
    path = corpus_file(shared, "entire-66ad9d7461")
    with EventStore.open("memory://") as store:
        report = import_paths(store, [path], dry_run=True)
        assert report.counts["system.compact_boundary"] == 1
        assert report.counts["user.compact_summary"] == 1
        assert report.counts["progress"] == 245
        assert report.versions_added == 397 and store.list() == []
