"""Real sessions of other agents hold, version by version, what their files say."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from eventstore import EventStore
from eventstore.interchange.importer import import_paths


class Fact(NamedTuple):
    """What the corpus states of one file."""

    path: str
    format: str
    id: str
    messages: int
    states: int


FACTS = [
    Fact("swe-agent-traj/pydicom-1458.traj", "swe-agent", "pydicom-1458", 25, 23),
    Fact(
        "swe-agent-traj/marshmallow-1867-function-calling.traj",
        "swe-agent",
        "marshmallow-code__marshmallow-1867",
        23,
        22,
    ),
    Fact(
        "mini-swe-agent/django-16560.traj.json", "mini-swe-agent", "django__django-16560", 291, 290
    ),
    Fact(
        "tau-bench/gpt-4o-airline-task44-trial3.json",
        "chat",
        "gpt-4o-airline-task44-trial3",
        5,
        3,
    ),
    Fact(
        "tau-bench/gpt-4o-airline-task9-trial0.json", "chat", "gpt-4o-airline-task9-trial0", 51, 26
    ),
    Fact("openhands/basic-gui-mode.json", "openhands", "basic-gui-mode", 10, 9),
]

LARGE = 1_000_000
"""Larger files have tests of their own."""

Spoken = tuple[str, tuple[str, ...]]
"""A message as far as it was derived independently: its role, and every text in it, sorted."""


def corpus_file(shared: Path, path: str) -> Path:
    """Return a file of the corpus."""
    found = shared / "corpus" / path
    if not found.is_file():
        pytest.skip("the corpus is not here")
    return found


def texts_in(value: Any) -> Iterator[str]:
    """Yield every text in a value, wherever it stands."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from texts_in(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts_in(item)


def spoken(role: str, *values: Any) -> Spoken:
    """Return a message of every text in *values*."""
    return role, tuple(sorted(text for text in texts_in(list(values)) if text))


def saved(message: dict[str, Any]) -> Spoken:
    """Return a saved message in the same form, without the names of its fields' types."""
    said: list[Any] = [message.get("reasoning_content")]
    for block in message["content"]:
        if block["type"] == "tool_use":
            said += [block["id"], block["name"], block["input"]]
        elif block["type"] == "tool_result":
            said += [block["tool_use_id"], block["content"]]
        else:
            said.append(block["text"])
    return spoken(message["role"], said)


def chat_of(messages: list[dict[str, Any]]) -> tuple[str, list[Spoken]]:
    """Return what the system said first, and the messages of a chat, told another way."""
    said = []
    for message in messages[1:]:
        calls = message.get("tool_calls") or []
        more = [
            [call["id"], call["function"]["name"], json.loads(call["function"]["arguments"])]
            for call in calls
        ]
        reply = (message.get("extra") or {}).get("response", {})
        for choice in reply.get("choices", []):
            more.append(choice["message"].get("reasoning"))
        answered = message.get("tool_call_ids", [])
        role = "user" if message["role"] == "tool" else message["role"]
        said.append(spoken(role, message["content"], more, answered))
    return messages[0]["content"], said


def events_of(events: list[dict[str, Any]]) -> tuple[str | None, list[Spoken]]:
    """Return the messages of an event list, told another way: by the model's own answers."""
    said = []
    for event in events:
        call = event.get("tool_call_metadata")
        if event.get("action") == "message":
            role = "user" if event["source"] == "user" else "assistant"
            said.append(spoken(role, event["args"]["content"]))
        elif call and "action" in event:
            message = call["model_response"]["choices"][0]["message"]
            (made,) = [c for c in message["tool_calls"] if c["id"] == call["tool_call_id"]]
            arguments = json.loads(made["function"]["arguments"])
            thought = message["content"] or ""
            said.append(
                spoken("assistant", thought, made["id"], made["function"]["name"], arguments)
            )
        elif call:
            said.append(spoken("user", call["tool_call_id"], event["content"]))
    return None, said


def derive(path: Path) -> tuple[str | None, list[Spoken]]:
    """Return the system prompt and every message of a file."""
    value = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(value, list):
        return events_of(value)
    return chat_of(value.get("messages") or value.get("traj") or value["history"])


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.id)
def test_every_historical_state_loads_back(shared: Path, fact: Fact) -> None:
    """Counts are those of the corpus, and each version holds a beginning of what was said."""
    path = corpus_file(shared, fact.path)
    with EventStore.open("memory://") as store:
        report = import_paths(store, [path])
        assert report.ok and not report.warnings
        assert (report.sessions, report.files[0].format) == ([fact.id], fact.format)
        assert (report.counts["state"], report.counts["message"]) == (fact.states, fact.messages)
        assert report.versions_added == fact.states
        prompt, said = derive(path)
        assert len(said) == fact.messages
        counts = []
        for number in range(1, fact.states + 1):
            state = store.load(fact.id, at=number, model=dict)
            assert state["config"]["system_prompt"] == prompt
            found = [saved(message) for message in state["messages"]]
            assert found == said[: len(found)]
            counts.append(len(found))
        assert counts == sorted(set(counts)) and counts[-1] == fact.messages


@pytest.mark.parametrize("fact", FACTS, ids=lambda fact: fact.id)
def test_states_load_as_models_and_emit_the_same_bytes(shared: Path, fact: Fact) -> None:
    """Every state is a session as a3s-code would write it, byte for byte."""
    with EventStore.open("memory://") as store:
        import_paths(store, [corpus_file(shared, fact.path)])
        for version in store.history(fact.id):
            session = store.load(fact.id, at=version)
            assert session.model_dump_json().encode() == store.load_bytes(fact.id, at=version)


def test_every_format_is_found_by_content_and_imported_once(shared: Path, tmp_path: Path) -> None:
    """Ten sessions in one go, under names that say nothing; a second time adds nothing."""
    folder = corpus_file(shared, FACTS[0].path).parents[1]
    files = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in (".json", ".jsonl", ".traj") and path.stat().st_size < LARGE
    ]
    for number, path in enumerate(files):
        (tmp_path / f"file-{number}").write_bytes(path.read_bytes())
    with EventStore.open("memory://") as store:
        named = [tmp_path / f"file-{number}" for number in range(len(files))]
        report = import_paths(store, named)
        assert report.ok and (len(files), len(report.sessions)) == (10, 10)
        assert report.versions_added == report.counts["state"] == 519
        assert report.counts["message"] == 556
        assert import_paths(store, named).versions_added == 0
        walked = import_paths(store, [folder / "mini-swe-agent", folder / "swe-agent-traj"])
        # One of the three states no id, so that it has that of its name.
        assert walked.ok and len(walked.sessions) == 3 and walked.versions_added == 23


@pytest.mark.parametrize("fact", FACTS[:3], ids=lambda fact: fact.id)
def test_a_file_that_grows_is_taken_up_where_it_was(
    shared: Path, tmp_path: Path, fact: Fact
) -> None:
    """A shorter chat first and the whole one then gives the versions that the whole one gives."""
    value = json.loads(corpus_file(shared, fact.path).read_text(encoding="utf-8"))
    name = "messages" if "messages" in value else "history"
    path = tmp_path / "growing.traj"
    with EventStore.open("memory://") as store:
        for end in (8, 15, None):
            path.write_text(json.dumps({**value, name: value[name][:end]}), encoding="utf-8")
            report = import_paths(store, [path])
            assert report.ok, report.problems
            head = store.version(report.sessions[0])
            assert head is not None and import_paths(store, [path]).versions_added == 0
        assert head.version == fact.states
