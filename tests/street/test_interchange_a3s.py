"""Directories of a3s-code as people really have them: damaged, renamed, left over, of any age."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from eventstore import EventStore
from eventstore.errors import BackendError, InvalidInputError
from eventstore.interchange import a3s_scan, files, serde
from eventstore.interchange.a3s_export import export_a3s
from eventstore.interchange.importer import import_paths
from eventstore.interchange.report import ExportReport, ImportReport
from eventstore.models.a3s import Message, SessionData

RUN = {
    "snapshot": {
        "id": "run-1",
        "session_id": "one",
        "status": "completed",
        "prompt": "p",
        "created_at_ms": 1,
        "updated_at_ms": 2,
        "event_count": 1,
    },
    "events": [
        {
            "sequence": 0,
            "timestamp_ms": 1,
            "event": {"type": "tool_end", "id": "t", "metadata": {"b": 1, "a": {"é": 1, "z": 2}}},
        }
    ],
}
ARTIFACT = {
    "artifact_id": "a",
    "artifact_uri": "a3s://a",
    "tool_name": "bash",
    "content": "c",
    "original_bytes": 1,
    "shown_bytes": 1,
}


@pytest.fixture
def memory() -> Iterator[EventStore]:
    """A store that is quick to make."""
    with EventStore.open("memory://") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """An empty directory to put files into."""
    made = tmp_path / "sessions"
    made.mkdir()
    return made


def session(id: str, **fields: Any) -> dict[str, Any]:
    """Return a session document."""
    given = SessionData(id=id, created_at=1, updated_at=2, messages=(Message.user("hi"),))
    return json.loads(given.model_dump_json()) | fields


def put(path: Path, value: Any) -> Path:
    """Write a document as a3s-code writes it, or bytes as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(value if isinstance(value, bytes) else serde.pretty(value))
    return path


def reasons(report: ImportReport | ExportReport) -> dict[str, str]:
    """Return what the problems say, by file name."""
    return {Path(remark.path).name: remark.reason for remark in report.problems}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (serde.pretty(session("bad"))[:200], "cut off"),
        (b"\0" * 300, "not JSON"),
        (b"\xff\xfe{}", "not UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"[]", "not a session document"),
        (b'"text"', "not a session document"),
        (session("bad", created_at="yesterday"), "created_at"),
        (session("bad", messages=[{"role": "user", "content": "plain"}]), "messages.0.content"),
        (session("bad", todos=[]), "tasks"),
        (session("bad", updated_at=1.5), "updated_at"),
        (session("bad") | {"id": 7}, "id"),
        (session(""), "id"),
        (session("b" * 2000), "id"),
        (serde.pretty(session("bad")).replace(b'"hi"', b'"\\ud800"'), "lone surrogate"),
        (serde.pretty(session("bad")).replace(b'"hi"', b"NaN"), "NaN"),
        (serde.pretty(session("bad")).replace(b'"hi"', b"[" * 600), "nested deeper"),
    ],
)
def test_a_broken_session_file_is_named_and_stops_nothing(
    memory: EventStore, folder: Path, content: Any, reason: str
) -> None:
    """Whatever is wrong with one file, it is reported with its path and the others are imported."""
    put(folder / "bad.json", content)
    put(folder / "good.json", session("good"))
    report = import_paths(memory, [folder])
    assert not report.ok
    assert [Path(remark.path).name for remark in report.problems] == ["bad.json"]
    assert reason in report.problems[0].reason
    assert memory.list() == ["good"]


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("artifacts/one/artifacts.json", [ARTIFACT], "artifacts"),
        ("artifacts/one/artifacts.json", b'{"artifacts":', "cut off"),
        (
            "artifacts/one/artifacts.json",
            {"artifacts": [ARTIFACT, ARTIFACT | {"content": "other"}]},
            "already bound",
        ),
        ("traces/one.json", [{"schema": "a3s.trace_event.v1"}], "trace_events.0"),
        ("runs/one.json", b"", "is empty"),
        ("runs/one.json", [RUN | {"events": 7}], "run_records.0.events"),
        ("verification/one.json", {}, "verification_reports"),
    ],
)
def test_a_session_is_imported_without_a_broken_part(
    memory: EventStore, folder: Path, name: str, content: Any, reason: str
) -> None:
    """One broken file beside a session costs that part only."""
    put(folder / "one.json", session("one"))
    put(folder / "runs/one.json", [RUN])
    put(folder / "traces/one.json", [])
    put(folder / name, content)
    report = import_paths(memory, [folder])
    assert [remark.path for remark in report.problems] == [str(folder / name)]
    assert reason in report.problems[0].reason
    version = memory.version("one")
    assert version is not None and version.version == 1
    assert len(version.parts) == (2 if name in ("runs/one.json", "traces/one.json") else 3)


def test_leftovers_and_strangers_are_named_one_by_one(memory: EventStore, folder: Path) -> None:
    """Unfinished saves, probes, links, directories and foreign files are passed over, not lost."""
    put(folder / "one.json", session("one"))
    put(folder / "one.json.123.45.tmp", session("one"))
    put(folder / ".health_check", b"ok")
    put(folder / "notes.txt", b"hello")
    put(folder / "v1/sessions/x.json", b"{}")
    put(folder / "artifacts/one/other.bin", b"x")
    (folder / "dir.json").mkdir()
    (folder / "link.json").symlink_to(folder / "one.json")
    (folder / "traces").symlink_to(folder / "artifacts")
    os.mkfifo(folder / "pipe.json")
    report = import_paths(memory, [folder])
    assert set(reasons(report)) == {
        "one.json.123.45.tmp",
        "v1",
        "dir.json",
        "link.json",
        "traces",
        "pipe.json",
    }
    assert {Path(remark.path).name for remark in report.warnings} == {
        ".health_check",
        "notes.txt",
        "other.bin",
    }
    assert memory.list() == ["one"]


def test_a_file_over_the_limit_is_refused(memory: EventStore, folder: Path) -> None:
    """The size is checked before a byte is read."""
    with open(put(folder / "huge.json", b'{"id": "huge", "config": {'), "r+b") as file:
        file.truncate(files.STATE_SIZE_MAX + 1)
    put(folder / "one.json", session("one"))
    report = import_paths(memory, [folder])
    assert "more than the limit" in reasons(report)["huge.json"]
    assert memory.list() == ["one"]


def test_ids_come_from_inside(memory: EventStore, folder: Path) -> None:
    """A safe name says nothing about the id; a foreign name is kept in mind."""
    put(folder / "team_a_1.json", session("team/a..1"))
    put(folder / "traces/team_a_1.json", [])
    put(folder / "backup copy.json", session("else"))
    report = import_paths(memory, [folder])
    assert report.ok and report.sessions == memory.list() == ["else", "team/a..1"]
    assert "an export names it else.json" in report.warnings[0].reason
    assert memory.load_trace_events("team/a..1") == ()


def test_two_files_that_claim_one_id_are_never_mixed(memory: EventStore, folder: Path) -> None:
    """The file that a3s-code itself would load is taken; without one, neither is."""
    put(folder / "a-copy.json", session("one", updated_at=99))
    put(folder / "one.json", session("one"))
    put(folder / "x.json", session("two", updated_at=1))
    put(folder / "y.json", session("two"))
    report = import_paths(memory, [folder])
    assert set(reasons(report)) == {"a-copy.json", "x.json", "y.json"}
    assert memory.list() == ["one"]
    assert memory.load("one").updated_at == 2


def test_two_ids_of_one_stem_are_both_kept(memory: EventStore, folder: Path) -> None:
    """Sessions whose names a3s-code would confuse are two here, and the files beside go to one."""
    put(folder / "a_b.json", session("a_b"))
    put(folder / "other.json", session("a/b"))
    put(folder / "traces/a_b.json", [])
    report = import_paths(memory, [folder])
    assert set(reasons(report)) == {"other.json"}
    assert memory.list() == ["a/b", "a_b"]
    assert memory.load_trace_events("a_b") == ()
    assert memory.load_trace_events("a/b") is None


def test_parts_without_a_session_document_are_kept_and_reported(
    memory: EventStore, folder: Path
) -> None:
    """What stands alone is a part of the session it names, or of that of its stem."""
    run = json.loads(json.dumps(RUN))
    run["snapshot"]["session_id"] = "gone/1"
    put(folder / "one.json", session("one"))
    put(folder / "runs/gone_1.json", [run])
    put(folder / "traces/gone_1.json", [])
    put(folder / "traces/lost.json", [])
    put(folder / "runs/copy.json", [RUN])
    report = import_paths(memory, [folder])
    assert len(report.problems) == 4
    assert memory.list() == ["one"]
    assert memory.load_part("gone/1", "run_records") == [run]
    assert memory.load_trace_events("gone/1") == ()
    assert memory.load_trace_events("lost") == ()
    assert memory.load_run_records("one") is None
    assert memory.load_run_records("copy") is None


def test_an_api_key_never_reaches_the_store(folder: Path, tmp_path: Path) -> None:
    """The key is taken out of the bytes, and said to be."""
    config = {"provider": "p", "model": "m", "api_key": "sk-secret", "base_url": None}
    put(folder / "one.json", session("one", llm_config=config))
    with EventStore.open(tmp_path / "store") as store:
        report = import_paths(store, [folder])
        assert report.ok and "API key" in report.warnings[0].reason
        assert b"api_key" not in (store.load_bytes("one") or b"")
        assert store.load("one").llm_config.model == "m"
    for path in (tmp_path / "store").rglob("*"):
        assert path.is_dir() or b"sk-secret" not in path.read_bytes()


def test_older_layouts_come_out_as_they_went_in(memory: EventStore, folder: Path) -> None:
    """No file is invented for a directory that had none, and unknown fields stay in place."""
    first = session("old")
    first["config"] |= {"planning_enabled": True, "new_in_9": {"b": 1, "a": [1.0, 1e16]}}
    first["todos"] = first.pop("tasks")
    put(folder / "old.json", first)
    put(folder / "traces/old.json", [])
    report = import_paths(memory, [folder])
    assert report.ok
    assert export_a3s(memory, None, folder.parent / "out").ok
    out = folder.parent / "out"
    assert sorted(path.name for path in out.rglob("*.json")) == ["old.json", "old.json"]
    assert (out / "old.json").read_bytes() == (folder / "old.json").read_bytes()
    assert (out / "traces/old.json").read_bytes() == b"[]"


def test_one_session_file_brings_what_stands_beside_it(memory: EventStore, folder: Path) -> None:
    """A single document can be named; the others in the directory are left alone."""
    put(folder / "one.json", session("one"))
    put(folder / "runs/one.json", [RUN])
    put(folder / "two.json", b"broken")
    put(folder / "traces/two.json", [])
    report = import_paths(memory, [folder / "one.json"])
    assert report.ok and memory.list() == ["one"]
    assert memory.load_run_records("one") is not None


def test_a_directory_is_known_by_its_content(folder: Path) -> None:
    """Names alone do not make a directory one of a3s-code's."""
    put(folder / "settings.json", {"id": 1})
    put(folder / "runs/1.json", {"a": 1})
    assert not a3s_scan.is_a3s(folder)
    put(folder / "runs/2.json", [RUN])
    assert a3s_scan.is_a3s(folder)


def test_a_directory_of_damaged_files_only_is_reported_file_by_file(
    memory: EventStore, folder: Path
) -> None:
    """Even with nothing left to recognise it by, no file goes unmentioned."""
    put(folder / "one.json", b"")
    put(folder / "two.json", b"\0\0\0")
    put(folder / "three.json.1.2.tmp", b"{")
    report = import_paths(memory, [folder])
    assert set(reasons(report)) == {"one.json", "two.json", "three.json.1.2.tmp"}


def test_a_deleted_session_stays_deleted(memory: EventStore, folder: Path) -> None:
    """An import does not undo what somebody deleted on purpose; it says so."""
    put(folder / "one.json", session("one"))
    import_paths(memory, [folder])
    memory.delete("one")
    report = import_paths(memory, [folder])
    assert report.ok and report.versions_added == 0
    assert "undelete" in report.warnings[0].reason
    assert memory.list() == []


def test_a_changed_file_is_a_new_version(memory: EventStore, folder: Path) -> None:
    """Importing again takes what changed, of all files of a session at once."""
    put(folder / "one.json", session("one"))
    put(folder / "runs/one.json", [])
    import_paths(memory, [folder])
    put(folder / "runs/one.json", [RUN])
    assert import_paths(memory, [folder], dry_run=True).versions_added == 1
    assert import_paths(memory, [folder]).versions_added == 1
    assert import_paths(memory, [folder], dry_run=True).versions_added == 0
    newest = memory.version("one")
    assert newest is not None and newest.version == 2
    assert newest.note == "a3s-code file one.json"


def test_free_form_objects_are_exported_sorted(memory: EventStore, tmp_path: Path) -> None:
    """Members of free-form objects are in the order of their bytes, all others as declared."""
    block = {
        "type": "tool_use",
        "id": "t",
        "name": "n",
        "input": {"é": 1, "z": 2, "a": {"c": 1, "b": 1e-05}},
    }
    memory.save(session("one", messages=[{"role": "assistant", "content": [block]}]))
    memory.save_run_records("one", [RUN])
    export_a3s(memory, ["one"], tmp_path / "out")
    text = (tmp_path / "out/one.json").read_text()
    written = json.loads(text)["messages"][0]["content"][0]
    assert list(written) == ["type", "id", "name", "input"]
    assert list(written["input"]) == ["a", "z", "é"]
    assert list(written["input"]["a"]) == ["b", "c"]
    assert '"b": 0.00001' in text
    event = json.loads((tmp_path / "out/runs/one.json").read_text())[0]["events"][0]["event"]
    assert list(event) == ["type", "id", "metadata"]
    assert list(event["metadata"]) == ["a", "b"]


def test_an_export_never_overwrites_one_session_with_another(
    memory: EventStore, tmp_path: Path
) -> None:
    """Of two ids with one file name the second is refused."""
    for id in ("a/b", "a_b", "c"):
        memory.save(session(id))
    report = export_a3s(memory, None, tmp_path / "out")
    assert report.sessions == ["a/b", "c"] and not report.ok
    assert report.problems[0].path == "a_b" and "'a/b'" in report.problems[0].reason
    assert json.loads((tmp_path / "out/a_b.json").read_text())["id"] == "a/b"


def test_an_export_needs_an_empty_directory(memory: EventStore, tmp_path: Path) -> None:
    """Nothing that is there already is touched."""
    put(tmp_path / "full/x", b"x")
    with pytest.raises(InvalidInputError, match="not empty"):
        export_a3s(memory, None, tmp_path / "full")
    with pytest.raises(BackendError):
        export_a3s(memory, None, tmp_path / "full/x")
    assert export_a3s(memory, None, tmp_path / "a/new/one").ok


@pytest.mark.parametrize("id", [".", "nul\0byte", "n" * 400])
def test_an_id_that_no_file_can_have_is_a_problem(
    memory: EventStore, tmp_path: Path, id: str
) -> None:
    """Such a session is reported and the others are written."""
    memory.save(session(id))
    memory.save(session("good"))
    report = export_a3s(memory, None, tmp_path / "out")
    assert report.sessions == ["good"]
    assert [remark.path for remark in report.problems] == [id]


def test_an_export_says_what_a3s_code_would_stumble_over(
    memory: EventStore, tmp_path: Path
) -> None:
    """Unknown blocks, own parts and other ids are warned of; missing sessions are problems."""
    strange = [{"type": "redacted_thinking", "data": "x"}]
    memory.save(session("one", messages=[{"role": "assistant", "content": strange}]))
    memory.save(session("inner"), id="outer", parts={"mine": 1})
    memory.save(session("gone"))
    memory.delete("gone")
    report = export_a3s(memory, ["one", "outer", "gone", "never"], tmp_path / "out")
    assert report.sessions == ["one", "outer"]
    assert [remark.path for remark in report.problems] == ["gone", "never"]
    said = " ".join(str(remark) for remark in report.warnings)
    assert "redacted_thinking" in said and "'mine'" in said and "'inner'" in said
    message = json.loads((tmp_path / "out/one.json").read_text())["messages"][0]
    assert message["content"] == [
        {"type": "text", "text": json.dumps(strange[0], separators=(",", ":"))}
    ]


def test_a_session_of_another_shape_is_not_exported(memory: EventStore, tmp_path: Path) -> None:
    """What a3s-code could not read is not written for it."""
    memory.save_states("one", {"session": b'{"id":"one"}'})
    report = export_a3s(memory, None, tmp_path / "out")
    assert not report.sessions and "config" in report.problems[0].reason
    assert not list((tmp_path / "out").iterdir())


def test_each_session_can_be_exported_at_its_own_version(
    memory: EventStore, tmp_path: Path
) -> None:
    """A mapping chooses a version for each session."""
    for count in (1, 2):
        memory.save(session("one", total_cost=float(count)))
        memory.save(session("two", total_cost=float(count)))
    seen: list[tuple[int, int]] = []
    export_a3s(
        memory,
        {"one": 1, "two": None},
        tmp_path / "out",
        progress=lambda _id, done, total: seen.append((done, total)),
    )
    assert '"total_cost": 1.0' in (tmp_path / "out/one.json").read_text()
    assert '"total_cost": 2.0' in (tmp_path / "out/two.json").read_text()
    assert seen[-1][0] == seen[-1][1] > 0
    assert (tmp_path / "out/one.json").stat().st_mode & 0o777 == 0o600
