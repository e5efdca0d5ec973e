"""Exports: what they hold, and that what can come back comes back."""

from __future__ import annotations

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import EventStore, Message, SessionData
from eventstore.address import address_of
from eventstore.errors import BackendError, InvalidInputError
from eventstore.interchange.a3s_export import export_a3s
from eventstore.interchange.events_export import export_events
from eventstore.interchange.exports import ExportOptions, known_exports
from eventstore.interchange.history_export import export_history, export_json
from eventstore.interchange.importer import import_paths
from eventstore.interchange.markdown_export import export_markdown
from tests.street.histories import branch, dicts, facts, fill, grow

CALL = {"type": "tool_use", "id": "c1", "name": "run", "input": {"command": "ls </details>"}}
RESULT = {"type": "tool_result", "tool_use_id": "c1", "content": "a\n```\nb", "is_error": True}
IMAGE = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}}
SESSION: dict[str, Any] = {
    "id": "fix-login",
    "config": {"name": "Fix *login*", "system_prompt": "Be brief."},
    "model_name": "a-model",
    "created_at": 1_700_000_000,
    "messages": [
        {"role": "user", "content": [{"type": "text", "text": "Why?\n```py\nprint(1)"}, IMAGE]},
        {
            "role": "assistant",
            "content": [{"type": "text", "text": "Look."}, CALL, {"type": "odd", "x": 1}],
            "reasoning_content": "hm",
        },
        {"role": "user", "content": [RESULT]},
        {"role": "assistant", "content": [{"type": "text", "text": "<details>Done.\r\n\x1b[31m"}]},
    ],
}


def versions(store: EventStore) -> dict[str, list[Any]]:
    """Return of every version what an exported history keeps: all but commit ids and times."""
    kept = {}
    for id, found in facts(store).items():
        left_out = {"commit", "prev", "time", "stored"}
        kept[id] = [
            ({name: said for name, said in version.items() if name not in left_out}, states)
            for version, states in found
        ]
    return kept


def text_of(store: EventStore, **options: Any) -> str:
    """Return the transcript of every session."""
    out = io.BytesIO()
    export_markdown(store, None, out, **options)
    return out.getvalue().decode()


def test_a_history_comes_back_version_by_version(tmp_path: Path) -> None:
    """States, kinds, remarks and keys; a second import adds nothing, a longer one what is new."""
    with dicts() as store, dicts() as other:
        fill(store)
        path = tmp_path / "all.jsonl"
        report = export_history(store, list(facts(store)), path)
        assert report.size == path.stat().st_size and report.sessions == list(facts(store))
        imported = import_paths(other, [path])
        assert imported.ok, imported.problems
        assert versions(other) == versions(store)
        assert import_paths(other, [path]).versions_added == 0
        grow(store, "grown", 2, start=5)
        path.unlink()
        export_history(store, None, path)
        assert import_paths(other, [path]).versions_added == 2
        out = tmp_path / "again.jsonl"
        export_history(other, None, out)
        without = re.compile(rb'"(commit|prev)":"\w+"|"time":\d+')
        assert without.sub(b"", out.read_bytes()) == without.sub(b"", path.read_bytes())


def test_branches_come_back_as_what_they_held(tmp_path: Path) -> None:
    """Every state that was set is set again, and where it came from nothing is added."""
    with dicts() as store, dicts() as other:
        branch(store)
        export_history(store, None, tmp_path / "all.jsonl")
        assert import_paths(store, [tmp_path / "all.jsonl"]).versions_added == 0
        assert import_paths(other, [tmp_path / "all.jsonl"]).ok
        assert import_paths(other, [tmp_path / "all.jsonl"]).versions_added == 0
        for id in store.list():
            theirs = [s for version, s in facts(store)[id] if version["kind"] != "note"]
            assert [states for _, states in facts(other)[id]] == theirs
        grow(store, "turned", 1, start=5)
        (tmp_path / "all.jsonl").unlink()
        export_history(store, None, tmp_path / "all.jsonl")
        assert import_paths(other, [tmp_path / "all.jsonl"]).versions_added == 1


def test_a_line_of_a_history_holds_the_exact_states(tmp_path: Path) -> None:
    """Each line is JSON that says what the commit says, with the bytes of what it set."""
    with dicts() as store:
        store.save_states("x", {"session": b'{"id":"x","n":1.0,"m":1e5}', "own": b"[1.50]"})
        store.delete("x", note="gone")
        out = io.BytesIO()
        export_history(store, ["x"], out)
        first, second = out.getvalue().splitlines()
        assert first.endswith(b',"states":{"session":{"id":"x","n":1.0,"m":1e5},"own":[1.50]}}')
        saved, deleted = json.loads(first), json.loads(second)
        commits = [version.commit for version in store.history("x")]
        assert [deleted["commit"], deleted["prev"]] == commits
        assert (saved["kind"], saved["version"], saved["eventstore"]) == ("save", 1, 1)
        assert deleted["note"] == "gone" and deleted["states"] == {}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (b'{"eventstore":2,"session":"x","version":1,"states":{}}', "not known here"),
        (b'{"eventstore":1,"session":7,"version":1,"states":{}}', "without a session"),
        (b'{"eventstore":1,"session":"x","version":1}', "without states"),
        (b'{"eventstore":1,"session":"x","version":1,"states":{"B A D":1}}', "part name"),
        (b'{"other":1}', "is no version of a history"),
        (b'{"eventstore":1,', "cut off"),
    ],
)
def test_a_line_that_is_no_version_is_named(tmp_path: Path, line: bytes, reason: str) -> None:
    """The lines around it are imported."""
    good = (
        b'{"eventstore":1,"session":"s","version":%d,"kind":"save","states":{"session":{"n":%d}}}'
    )
    path = tmp_path / "h.jsonl"
    path.write_bytes(b"\n".join([good % (1, 1), line, good % (2, 2)]))
    with dicts() as store:
        report = import_paths(store, [path])
        assert [(p.line, reason in p.reason) for p in report.problems] == [(2, True)]
        assert len(list(store.history("s"))) == 2


def test_versions_without_their_states_are_left_out_and_told_of(tmp_path: Path) -> None:
    """A history from which states were dropped is imported as far as it goes."""
    line = {"eventstore": 1, "session": "s", "version": 1, "states": {}, "dropped": ["session"]}
    path = tmp_path / "h.jsonl"
    path.write_text(json.dumps(line) + "\n" + json.dumps({**line, "dropped": []}))
    with dicts() as store:
        report = import_paths(store, [path])
        assert report.ok and report.warnings[0].line == 1 and report.versions_added == 0


def test_events_fold_to_the_states_they_came_from(tmp_path: Path) -> None:
    """Every line is one event, in order; their texts are those that were saved."""
    with dicts() as store:
        fill(store)
        store.save_states("exact", {"session": b'{"id":"exact","messages":[1.50,1e5]}'})
        export_events(store, {"grown": 4, "gone": None, "exact": None}, tmp_path / "e.jsonl")
        lines = (tmp_path / "e.jsonl").read_bytes().splitlines()
        told = [json.loads(line) for line in lines]
        assert [line for line in lines if b'"after":1.50}' in line]
        events = {id: list(store.replay(id)) for id in ("grown", "gone", "exact")}
        kept = [e for e in events["grown"] if e.version <= 4] + events["gone"] + events["exact"]
        assert [(t["session"], t["version"], t["kind"]) for t in told] == [
            (event.session, event.version, event.kind) for event in kept
        ]
        assert [t.get("after") for t in told] == [event.value for event in kept]
        assert "session deleted" in {t["kind"] for t in told}
        with pytest.raises(InvalidInputError, match="no such session"):
            export_events(store, ["nobody"], tmp_path / "none")


def test_json_is_the_exact_state(tmp_path: Path) -> None:
    """Its address is that of the file; without such a part nothing is written."""
    with dicts() as store:
        store.save_states("x", {"session": b'{"n":1.0}', "own": b"[1.50]"})
        store.save_states("x", {"session": b'{"n":2}'})
        report = export_json(store, "x", tmp_path / "x.json", at=1)
        assert (tmp_path / "x.json").read_bytes() == b'{"n":1.0}' and report.size == 9
        assert address_of(b'{"n":1.0}') == store.version("x", 1).address  # type: ignore[union-attr]
        export_json(store, "x", tmp_path / "own.json", part="own")
        assert (tmp_path / "own.json").read_bytes() == b"[1.50]"
        for wrong in ({"part": "none"}, {"at": 9}):
            with pytest.raises(InvalidInputError):
                export_json(store, "x", tmp_path / "no.json", **wrong)
        assert sorted(path.name for path in tmp_path.iterdir()) == ["own.json", "x.json"]
        (tmp_path / "x.json").write_bytes(b'{"id":"back","n":1.0}')
        assert import_paths(store, [tmp_path / "x.json"], id_field="id").versions_added == 1
        assert store.load_bytes("back") == b'{"id":"back","n":1.0}'


def test_an_a3s_session_comes_back_from_its_json(tmp_path: Path) -> None:
    """Nothing needs to be said of a document that shows what it is."""
    session = SessionData(id="one", messages=(Message.user("hi"),))
    with EventStore.open("memory://") as store, EventStore.open("memory://") as other:
        store.save(session)
        export_json(store, "one", tmp_path / "any-name")
        assert import_paths(other, [tmp_path / "any-name"]).ok
        assert other.load_bytes("one") == store.load_bytes("one")


def test_a_transcript_shows_everything_that_was_said() -> None:
    """Calls and results are folded, code is fenced, and nothing runs into what follows."""
    with dicts() as store:
        store.save(SESSION)
        text = text_of(store)
    lines = text.splitlines()
    assert lines[0] == "# Fix \\*login\\*"
    headings = ["## 1. user", "## 2. assistant", "## 3. tool", "## 4. assistant"]
    assert [line for line in lines if line.startswith("## ")] == headings
    summaries = re.findall(r"<details><summary>(.*)</summary>", text)
    assert summaries == [
        "system prompt",
        "thinking",
        "call of run: {&quot;command&quot;: &quot;ls &lt;/details&gt;&quot;}".replace(
            "&quot;", '"'
        ),
        "block of type odd",
        "result of run, failed",
    ]
    assert text.count("<details>") == text.count("\n</details>\n") == len(summaries)
    assert "````text\na\n```\nb\n````" in text
    assert "Why?\n```py\nprint(1)\n```\n" in text
    assert "&lt;details>Done.\n\ufffd[31m" in text
    assert "an image, image/png, about 3 bytes" in text
    assert f"`b3:{address_of(json.dumps(SESSION, separators=(',', ':')).encode())}`" in text


def test_a_transcript_of_any_document_shows_it_whole() -> None:
    """A session of another shape is shown as JSON."""
    with dicts() as store:
        store.save({"id": "x", "anything": ["```", 1]})
        assert '"anything": [\n    "```",' in text_of(store)


@given(
    text=st.text(alphabet=st.sampled_from("`~ \n<a/dietls>!-\r\x1b#"), max_size=60),
    name=st.text(max_size=20),
)
def test_no_text_breaks_out_of_its_place(text: str, name: str) -> None:
    """Whatever is said, every fence is closed and every fold ends where it should."""
    messages = [
        {"role": "user", "content": [{"type": "text", "text": text}]},
        {"role": name, "content": [{"type": "tool_result", "tool_use_id": "x", "content": text}]},
        {"role": "user", "content": text},
    ]
    with dicts() as store:
        store.save({"id": "x", "config": {"name": name}, "messages": messages})
        found = text_of(store)
    fence, folds = None, 0
    for line in found.split("\n"):
        match = re.match(r" {0,3}(`{3,}|~{3,})(.*)", line)
        if fence is None and match:
            fence = match[1]
        elif fence is not None:
            if match and match[1].startswith(fence) and not match[2].strip():
                fence = None
        else:
            folds += line.count("<details>") - line.count("</details>")
            assert folds in (0, 1)
    assert fence is None and folds == 0
    assert "\x1b" not in found and "\r" not in found


def test_exports_are_found_by_name(tmp_path: Path) -> None:
    """Each writes what it says, and none into something that is there."""
    exports = known_exports()
    names = ("a3s", "bundle", "events", "json", "jsonl", "markdown")
    with EventStore.open("memory://") as store:
        store.save(SessionData(id="one"))
        for name, export in ((name, exports[name]) for name in names):
            done: list[tuple[str, int, int]] = []
            options = ExportOptions(progress=lambda *step, done=done: done.append(step))
            target = tmp_path / name
            report = export.run(store, {"one": None}, target, options)
            assert report.ok and report.sessions == ["one"] and target.exists()
            assert name == "json" or done[-1][1] == done[-1][2]
            with pytest.raises((InvalidInputError, BackendError)):
                export.run(store, {"one": None}, target, options)
        with pytest.raises(InvalidInputError, match="takes one session"):
            exports["json"].run(store, {}, tmp_path / "none", ExportOptions())
        with pytest.raises(InvalidInputError, match="stream"):
            exports["a3s"].run(store, None, io.BytesIO(), ExportOptions())
        with pytest.raises(BackendError, match="cannot write"):
            export_history(store, None, tmp_path / "no" / "such" / "folder.jsonl")


@pytest.mark.parametrize("format_name", ["jsonl", "markdown"])
def test_a_session_that_is_not_there_writes_nothing(tmp_path: Path, format_name: str) -> None:
    """It is refused before the file gets its name."""
    with dicts() as store:
        store.save({"id": "x"})
        store.delete("x")
        run = known_exports()[format_name].run
        with pytest.raises(InvalidInputError):
            run(store, ["nobody"], tmp_path / "out", ExportOptions())
        if format_name == "markdown":
            with pytest.raises(InvalidInputError, match="deleted"):
                run(store, ["x"], tmp_path / "out", ExportOptions())
    assert list(tmp_path.iterdir()) == []


def test_formats_that_go_both_ways_go_round(tmp_path: Path) -> None:
    """In, out and in again: the states of every version are the same."""
    session = SessionData(id="one", created_at=1, updated_at=2)
    with EventStore.open("memory://") as store:
        for turn in range(4):
            said = Message.user(f"turn {turn}")
            session = session.model_copy(update={"messages": (*session.messages, said)})
            store.save(session, trace_events=[])
        newest = [store.load_bytes("one", part) for part in ("session", "trace_events")]
        export_a3s(store, None, tmp_path / "a3s")
        export_history(store, None, tmp_path / "jsonl")
        known_exports()["bundle"].run(store, None, tmp_path / "bundle", ExportOptions())
        whole = versions(store)
    for name in ("a3s", "jsonl", "bundle"):
        with EventStore.open("memory://") as other:
            assert import_paths(other, [tmp_path / name]).ok
            assert [other.load_bytes("one", p) for p in ("session", "trace_events")] == newest
            assert name == "a3s" or versions(other) == whole
