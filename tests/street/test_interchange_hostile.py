"""Whatever is in a file, an import ends with a report and a store that is whole."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from eventstore import EventStore
from eventstore.interchange.a3s_export import export_a3s
from eventstore.interchange.importer import import_paths
from eventstore.models.a3s import Message, SessionData

NAMES = ["type", "id", "name", "input", "content", "text", "thinking", "source", "todos"]
NAMES += ["taskId", "subject", "status", "usage", "input_tokens", "model", "role"]
SAID = ["text", "image", "tool_use", "tool_result", "thinking", "TodoWrite", "TaskUpdate"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(NAMES), inner | st.sampled_from(SAID), max_size=5)
    ),
    max_leaves=15,
)
KINDS = st.sampled_from(["user", "assistant", "system", "summary", "odd"])
BLOCKS = st.lists(VALUES, max_size=3)
RECORDS = st.fixed_dictionaries(
    {"type": KINDS | VALUES},
    optional={
        "message": st.fixed_dictionaries({"content": BLOCKS | VALUES}, optional={"id": VALUES})
        | VALUES,
        "sessionId": st.sampled_from(["s", "t"]) | VALUES,
        "agentId": VALUES,
        "isSidechain": st.booleans() | VALUES,
        "timestamp": st.just("2026-02-06T03:14:01.331Z") | VALUES,
        "cwd": VALUES,
        "subtype": VALUES,
        "uuid": VALUES,
    },
)
DOCUMENT = SessionData(
    id="one", created_at=1, updated_at=2, messages=(Message.user("hé"), Message.assistant("b"))
)
TEXT = DOCUMENT.model_dump_json(indent=2).encode()


@contextmanager
def imported(name: str, content: bytes) -> Iterator[EventStore]:
    """Import one file, check that the store and the report agree, and give the store."""
    with tempfile.TemporaryDirectory() as directory, EventStore.open("memory://") as store:
        path = Path(directory) / "in" / name
        path.parent.mkdir()
        path.write_bytes(content)
        report = import_paths(store, [path.parent])
        assert all(store.exists(id) for id in report.sessions)
        assert report.versions_added == store.stats().versions
        assert report.sessions or report.problems or report.warnings
        assert import_paths(store, [path.parent]).versions_added == 0
        for id in store.list():
            assert isinstance(store.load(id), SessionData)
        export = export_a3s(store, None, Path(directory) / "out")
        assert len(export.sessions) + len(export.problems) == len(store.list())
        yield store


@given(st.lists(RECORDS, max_size=6))
def test_any_records_are_taken_or_reported(records: list[dict[str, Any]]) -> None:
    """Records of any shape never stop an import, and importing them again adds nothing."""
    lines = [json.dumps(record).encode() + b"\n" for record in records]
    with imported("chat.jsonl", b"".join(lines)):
        pass


@given(
    st.lists(st.sampled_from(["user", "assistant", "result"]), min_size=1, max_size=8), st.data()
)
def test_a_cut_transcript_is_taken_up_to_the_cut(kinds: list[str], data: st.DataObject) -> None:
    """Wherever a transcript ends, every whole record before is imported."""
    lines = []
    for number, kind in enumerate(kinds):
        block = {"type": "tool_result", "tool_use_id": "t", "content": str(number)}
        role = "user" if kind == "result" else kind
        message = {"content": [block] if kind == "result" else f"text {number}"}
        record = {"type": role, "sessionId": "s", "uuid": str(number), "message": message}
        lines.append(json.dumps(record).encode() + b"\n")
    text = b"".join(lines)
    cut = data.draw(st.integers(len(lines[0]), len(text)))
    with imported("chat.jsonl", text[:cut]) as store:
        whole = text[: cut + 1].count(b"\n")
        assert len(store.load("s").messages) in (whole, text[:cut].count(b"\n"))


@given(st.integers(0, len(TEXT) - 1))
def test_no_truncation_of_a_document_is_imported(size: int) -> None:
    """A document that was not written to its end is reported and not taken."""
    with imported("one.json", TEXT[:size]) as store:
        assert store.list() == []


@given(st.integers(0, len(TEXT) - 1), st.integers(1, 255))
def test_a_flipped_byte_is_imported_as_it_reads_or_refused(place: int, flip: int) -> None:
    """Damage that is still a session is kept as it reads; any other is reported."""
    damaged = bytearray(TEXT)
    damaged[place] ^= flip
    with imported("one.json", bytes(damaged)) as store:
        for id in store.list():
            assert json.loads(store.load_bytes(id) or b"") == json.loads(damaged)


@given(VALUES)
def test_any_value_in_a_document_is_kept_or_refused(value: Any) -> None:
    """A field that holds something else than it should is no reason to fail."""
    document = json.loads(TEXT)
    for field in ("messages", "config", "tasks", "llm_config", "id", "unknown"):
        with imported("one.json", json.dumps(document | {field: value}).encode()):
            pass
