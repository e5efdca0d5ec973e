"""State directories of oxios in and out: golden ones, and those that people really have."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from eventstore import EventStore
from eventstore.adapters.oxios import StateStore
from eventstore.cli.app import app
from eventstore.errors import InvalidInputError
from eventstore.interchange import oxios_files, serde
from eventstore.interchange.importer import import_paths
from eventstore.interchange.oxios_export import export_oxios
from eventstore.interchange.oxios_scan import is_oxios
from eventstore.interchange.report import ExportReport, ImportReport
from eventstore.models.a3s import SessionData
from eventstore.models.oxios import Session
from eventstore.models.oxios_place import Place

MOMENT = "2026-01-01T00:00:00.000000001Z"


@pytest.fixture
def memory() -> Iterator[EventStore]:
    """A store that is quick to make."""
    with EventStore.open("memory://", model=Session) as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A state directory with one session, `good`."""
    made = tmp_path / "state"
    put(made / "sessions/good.json", session("good"))
    return made


@pytest.fixture
def golden(shared: Path) -> Path:
    """The golden state directory."""
    return shared / "golden/oxios-seed/state"


def session(id: str, **fields: Any) -> dict[str, Any]:
    """Return a session document."""
    given = Session(id=id, user_id="u", created_at=MOMENT, updated_at=MOMENT)
    document: dict[str, Any] = json.loads(given.model_dump_json())
    return document | fields


def put(path: Path, value: Any) -> Path:
    """Write a document as oxios writes it, or bytes as they are."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(value if isinstance(value, bytes) else serde.pretty(value))
    return path


def files_of(directory: Path) -> dict[str, bytes]:
    """Return every file below a directory."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }


def reasons(report: ImportReport | ExportReport) -> dict[str, str]:
    """Return what the problems say, by the name of the file or document."""
    return {Path(remark.path).name: remark.reason for remark in report.problems}


def test_the_golden_directory_comes_out_as_it_went_in(
    memory: EventStore, golden: Path, tmp_path: Path
) -> None:
    """Every file is imported as one version, and exported byte for byte, and no other file is."""
    imported = import_paths(memory, [golden])
    assert imported.ok and not imported.warnings
    assert imported.versions_added == len(files_of(golden)) == 12
    assert imported.counts == {"sessions": 3, "documents": 9}
    assert imported.size == sum(map(len, files_of(golden).values()))
    exported = export_oxios(memory, None, tmp_path / "out")
    assert exported.ok and not exported.warnings
    assert files_of(tmp_path / "out") == files_of(golden)
    assert exported.files == 12 and exported.size == imported.size
    assert import_paths(memory, [golden]).versions_added == 0


def test_the_golden_directory_answers_as_the_seed_would(golden: Path) -> None:
    """A state store over what was imported says what oxios says of the directory."""
    with StateStore.open("memory://") as state:
        import_paths(state.store, [golden])
        ids = sorted(path.stem for path in (golden / "sessions").iterdir())
        assert state.list_category("sessions") == ids
        assert state.list_category("memory/facts") == [
            "build-host",
            "empty",
            "index",
            "user-language",
        ]
        listed = state.list_sessions()
        assert [summary.id[:8] for summary in listed] == ["7f3d2f6a", "0b6c5c0e", "c1d0a9b8"]
        assert [summary.message_count for summary in listed] == [1, 2, 0]
        assert [summary.project_id for summary in listed] == [None, "alpha", None]
        assert listed[1].updated_at == "2026-04-12T08:17:09.500000002Z"
        assert state.load_markdown("memory/facts", "empty") == ""
        assert state.load_json("cron", "jobs") == []


@pytest.mark.parametrize(
    "text",
    [
        b"{}\n",
        b'{"a":1}',
        b'{\r\n\t"a" : [ ]\r\n}',
        b"[1e-05, 1.50, 100000000000000000000000, -0, 1E5]",
        b'"\\u00e9\\/"',
        b' {"b": 1, "a": 2} ',
    ],
)
def test_files_of_any_spelling_come_out_as_they_went_in(
    memory: EventStore, folder: Path, tmp_path: Path, text: bytes
) -> None:
    """What a person or another program wrote is kept to the byte, sessions too."""
    put(folder / "c/n.json", text)
    put(folder / "sessions/by-hand.json", json.dumps(session("by-hand")).encode() + b"\n")
    assert import_paths(memory, [folder]).ok
    export_oxios(memory, None, tmp_path / "out")
    assert files_of(tmp_path / "out") == files_of(folder)


def test_a_changed_document_is_spelled_as_oxios_does(
    memory: EventStore, folder: Path, tmp_path: Path
) -> None:
    """The text of a file counts until its document says something else, at each version."""
    put(folder / "c/n.json", b'{"a":1}')
    import_paths(memory, [folder])
    StateStore(memory).save_json("c", "n", {"a": 2})
    export_oxios(memory, ["c/n.json"], tmp_path / "new")
    assert (tmp_path / "new/c/n.json").read_bytes() == b'{\n  "a": 2\n}'
    export_oxios(memory, {"c/n.json": 1}, tmp_path / "old")
    assert (tmp_path / "old/c/n.json").read_bytes() == b'{"a":1}'


def test_a_file_that_is_only_spelled_anew_is_a_new_version(
    memory: EventStore, folder: Path, tmp_path: Path
) -> None:
    """The newest import is what comes out, though the values are the same."""
    for number, text in enumerate([b"[1 ]", b"[\n  1\n]", b"[1]", b"[\n  1\n]"], start=1):
        put(folder / "c/n.json", text)
        assert import_paths(memory, [folder], dry_run=True).versions_added >= 1
        import_paths(memory, [folder])
        assert import_paths(memory, [folder]).versions_added == 0
        out = tmp_path / str(number)
        export_oxios(memory, None, out)
        assert (out / "c/n.json").read_bytes() == text
    assert len(list(memory.history("c/n.json"))) == 4


documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
spelled = st.builds(
    lambda value, indent, plain, end: json.dumps(value, indent=indent, ensure_ascii=plain) + end,
    documents,
    st.sampled_from([None, 0, 2, "\t"]),
    st.booleans(),
    st.sampled_from(["", "\n", " \r\n"]),
).map(lambda text: text.encode("utf-8", "surrogatepass"))


@given(st.binary(max_size=40) | spelled, st.sampled_from([".json", ".md"]))
def test_a_file_comes_out_as_it_went_in_or_is_refused(text: bytes, suffix: str) -> None:
    """Of any bytes there is either the same file again, or a reason why there is none."""
    place = Place("c", "n", suffix)
    with EventStore.open("memory://", model=Session) as store:
        try:
            store.save_states(place.id, oxios_files.states_of(place, text, had_text=False))
        except InvalidInputError as refused:
            assert suffix == ".json" or "UTF-8" in str(refused)
            return
        version = store.version(place.id)
        assert version is not None
        parts = {part: store.load_bytes(place.id, part) or b"" for part in version.parts}
        assert oxios_files.text_of(place, parts) == text
        assert suffix == ".md" or json.loads(parts["session"]) == json.loads(text)


@pytest.mark.parametrize("part", [b"5", b'"not json"', b'"[2]"', b'"{}"', b"null"])
def test_a_text_that_says_something_else_does_not_count(
    memory: EventStore, tmp_path: Path, part: bytes
) -> None:
    """Whatever somebody saves as the text of a file, the document is what is written."""
    memory.save_states("c/n.json", {"session": b"[1]", oxios_files.FILE_TEXT: part})
    assert export_oxios(memory, None, tmp_path / "out").ok
    assert (tmp_path / "out/c/n.json").read_bytes() == b"[\n  1\n]"


@pytest.mark.parametrize(
    ("name", "content", "reason"),
    [
        ("bad.json", b"", "is empty"),
        ("bad.json", b'{"id": "bad", "user', "cut off"),
        ("bad.json", b"\0" * 300, "not JSON"),
        ("bad.json", b"\xff\xfe{}", "not UTF-8"),
        ("bad.json", b"\xef\xbb\xbf{}", "byte order mark"),
        ("bad.json", b'{"a":1,"a":2}', "same key twice"),
        ("bad.json", b"[NaN]", "NaN"),
        ("bad.json", b'["\\ud800"]', "lone surrogate"),
        ("bad.json", b"[" * 600 + b"]" * 600, "nested deeper"),
        ("bad.json", b"[" * 100_000, "nested deeper"),
        ("bad.json", b"[1e999]", "too large"),
        ("bad.md", b"caf\xe9", "not UTF-8"),
    ],
)
@pytest.mark.parametrize("category", ["sessions", "memory/facts"])
def test_a_corrupt_file_is_reported_and_the_rest_imported(
    memory: EventStore, folder: Path, category: str, name: str, content: bytes, reason: str
) -> None:
    """Damage names its file, and takes no other with it."""
    put(folder / category / name, content)
    put(folder / category / "other.md", b"fine")
    report = import_paths(memory, [folder])
    assert list(reasons(report)) == [name] and reason in reasons(report)[name]
    assert memory.list() == sorted([f"{category}/other.md", "good"])


@pytest.mark.parametrize("change", [{"user_id": 5}, {"created_at": "soon"}, {"user_messages": [1]}])
def test_a_session_that_oxios_could_not_read_is_kept_and_reported(
    memory: EventStore, folder: Path, tmp_path: Path, change: dict[str, Any]
) -> None:
    """It is noted at import, at export and in the list, and comes out as it went in."""
    put(folder / "sessions/odd.json", session("odd", **change))
    report = import_paths(memory, [folder])
    assert report.ok and "no session that oxios can read" in report.warnings[0].reason
    listed = StateStore(memory).list_sessions()
    assert [summary.id for summary in listed] == ["good"]
    assert [bad.id for bad in listed.unreadable] == ["odd"]
    exported = export_oxios(memory, None, tmp_path / "out")
    assert exported.ok and [remark.path for remark in exported.warnings] == ["odd"]
    assert files_of(tmp_path / "out") == files_of(folder)


def test_a_session_under_another_name_is_noted(memory: EventStore, folder: Path) -> None:
    """As in oxios, the name of the file is what loads it."""
    put(folder / "sessions/copy.json", session("good"))
    report = import_paths(memory, [folder])
    assert report.ok and "'good'" in report.warnings[0].reason
    assert memory.list() == ["copy", "good"]


def test_what_is_no_document_is_passed_over_by_name(
    memory: EventStore, folder: Path, tmp_path: Path
) -> None:
    """Leftovers, links, other files and odd names are reported one by one; nothing is followed."""
    secret = put(tmp_path / "secret.json", ["secret"])
    put(folder / "sessions/good.123.8e6d.tmp", b"{")
    put(folder / "manifest.json", {"version": 1})
    put(folder / "sessions/notes.txt", b"x")
    put(folder / ".git/objects/x.json", b"{}")
    put(folder / "a..b/n.json", b"{}")
    put(folder / "c/d..e.md", b"x")
    put(folder / "c/.json", b"x")
    put(folder / "c\\d/n.md", b"x")
    (folder / "c/dir.json").mkdir()
    (folder / "c/link.json").symlink_to(secret)
    (folder / "linked").symlink_to(tmp_path)
    os.mkfifo(folder / "c/pipe.json")
    report = import_paths(memory, [folder])
    assert memory.list() == ["good"]
    assert reasons(report).keys() == {
        "good.123.8e6d.tmp",
        "a..b",
        "d..e.md",
        "c\\d",
        "link.json",
        "linked",
        "pipe.json",
    }
    assert {Path(remark.path).name for remark in report.warnings} == {
        "manifest.json",
        "notes.txt",
        ".git",
        ".json",
    }


def test_names_that_are_no_unicode_are_reported(memory: EventStore, folder: Path) -> None:
    """A name of other bytes than UTF-8 is no name that oxios could have given."""
    for name in (b"c\xe9", b"n\xe9.json"):
        path = os.fsencode(folder) + b"/sessions/" + name
        if name.endswith(b".json"):
            Path(os.fsdecode(path)).write_bytes(b"{}")
        else:
            Path(os.fsdecode(path)).mkdir()
    report = import_paths(memory, [folder])
    assert len(report.problems) == 2
    assert all("surrogate" in remark.reason for remark in report.problems)
    assert memory.list() == ["good"]


@pytest.mark.parametrize("name", ["CON", "aux", "a:b", "end.", " x ", "é", "é", "🦀", "n" * 250])
def test_odd_names_come_out_as_they_went_in(
    memory: EventStore, folder: Path, tmp_path: Path, name: str
) -> None:
    """Any name that a file here can have is kept, of categories too."""
    if len(name.encode()) > 250:
        pytest.skip("no file has this name")
    put(folder / f"sessions/{name}.json", session(name))
    put(folder / name / f"{name}.md", b"x")
    assert import_paths(memory, [folder]).ok
    assert export_oxios(memory, None, tmp_path / "out").ok
    assert files_of(tmp_path / "out") == files_of(folder)


def test_a_state_directory_is_known_by_its_content(folder: Path, tmp_path: Path) -> None:
    """One session is enough, cut off or not; names alone are not."""
    assert is_oxios(folder)
    put(folder / "sessions/good.json", (folder / "sessions/good.json").read_bytes()[:-20])
    assert is_oxios(folder)
    put(folder / "sessions/good.json", b'{"id": "x", "name": "y"}')
    assert not is_oxios(folder)
    a3s = json.loads(SessionData(id="x").model_dump_json())
    put(folder / "sessions/good.json", a3s)
    assert not is_oxios(folder)
    for other in (tmp_path, tmp_path / "missing", put(tmp_path / "f/sessions", b"").parent):
        assert not is_oxios(other)
    put(folder / "sessions/good.json", session("good"))
    assert is_oxios(folder)
    (tmp_path / "link").mkdir()
    (tmp_path / "link/sessions").symlink_to(folder / "sessions")
    assert not is_oxios(tmp_path / "link")


def test_directories_are_found_below_others(memory: EventStore, tmp_path: Path) -> None:
    """State directories and a3s-code directories below one that was named are all imported."""
    put(tmp_path / "all/one/state/sessions/x.json", session("x"))
    put(tmp_path / "all/one/state/c/n.md", b"text")
    put(tmp_path / "all/two/y.json", json.loads(SessionData(id="y").model_dump_json()))
    report = import_paths(memory, [tmp_path / "all"])
    assert report.ok and report.sessions == ["c/n.md", "x", "y"]
    assert {file.format for file in report.files} == {"oxios", "a3s-code"}


def test_progress_counts_every_byte(memory: EventStore, folder: Path, tmp_path: Path) -> None:
    """Progress ends at the whole, of import and of export."""
    put(folder / "c/n.json", b"broken")
    seen: list[tuple[int, int]] = []
    import_paths(memory, [folder], progress=lambda _path, *of: seen.append(of))
    assert seen[-1][0] == seen[-1][1] == sum(map(len, files_of(folder).values()))
    export_oxios(memory, None, tmp_path / "out", progress=lambda _id, *of: seen.append(of))
    assert seen[-1] == (1, 1)


def test_a_changed_file_is_a_new_version_of_its_own(memory: EventStore, folder: Path) -> None:
    """Importing again adds what changed, with where it came from."""
    put(folder / "c/n.md", b"one")
    import_paths(memory, [folder])
    put(folder / "c/n.md", b"two")
    assert import_paths(memory, [folder], dry_run=True).versions_added == 1
    assert memory.load_bytes("c/n.md") == b'"one"'
    assert import_paths(memory, [folder]).versions_added == 1
    newest = memory.version("c/n.md")
    assert newest is not None and newest.version == 2
    assert (newest.actor, newest.note) == ("import", "oxios file c/n.md")


def test_what_was_deleted_stays_deleted(memory: EventStore, folder: Path) -> None:
    """An import does not undo a delete or a prune; it says so."""
    import_paths(memory, [folder])
    memory.delete("good")
    report = import_paths(memory, [folder])
    assert report.ok and report.versions_added == 0 and memory.list() == []
    assert "undelete" in report.warnings[0].reason


def test_a_secret_is_not_imported(memory: EventStore, folder: Path) -> None:
    """A document with the key of a model is refused, naming the member."""
    put(folder / "c/n.json", {"llm_config": {"api_key": "k3y"}})
    report = import_paths(memory, [folder])
    assert "api_key" in reasons(report)["n.json"] and "k3y" not in str(report.problems)


def test_what_oxios_cannot_have_is_not_exported(memory: EventStore, tmp_path: Path) -> None:
    """Other sessions, missing ones and what is in the way of another are problems; no more."""
    a3s = SessionData(id="a3s").model_dump_json().encode()
    memory.save_states("a3s", {"session": a3s})
    memory.save_states("team/alpha", {"session": b"{}"})
    memory.save_states("sessions/x.json", {"session": b"{}"})
    memory.save_states("c/n.md", {"session": b"[]"})
    memory.save_states("parts-only", {"mine": b"{}"})
    memory.save_states("d/e.json", {"session": b"1"})
    memory.save_states("d/e.json/f.md", {"session": b'"text"'})
    memory.save_states(
        "good",
        {"session": json.dumps(session("good"), separators=(",", ":")).encode(), "mine": b"1"},
    )
    names = [*memory.list(), "parts-only", "gone"]
    report = export_oxios(memory, names, tmp_path / "out")
    assert report.sessions == ["d/e.json", "good"]
    assert [remark.path for remark in report.problems] == [
        "a3s",
        "c/n.md",
        "d/e.json/f.md",
        "sessions/x.json",
        "team/alpha",
        "parts-only",
        "gone",
    ]
    assert [remark.path for remark in report.warnings] == ["good"]
    assert files_of(tmp_path / "out").keys() == {"d/e.json", "sessions/good.json"}


def test_an_export_leads_nowhere_else(memory: EventStore, tmp_path: Path) -> None:
    """An id that climbs out of the directory is refused, whoever saved it."""
    for id in ("../evil.md", "a/../../evil.md", "/evil.md", "..", "a/\0.md", "a/..\\b.md"):
        memory.save_states(id, {"session": b'"x"'})
    report = export_oxios(memory, None, tmp_path / "deep/out")
    assert len(report.problems) == 6 and not report.sessions
    assert files_of(tmp_path) == {}


def test_an_export_needs_an_empty_directory(memory: EventStore, folder: Path) -> None:
    """Nothing that is there already is touched."""
    with pytest.raises(InvalidInputError, match="not empty"):
        export_oxios(memory, None, folder)


def test_exported_files_are_private(memory: EventStore, folder: Path, tmp_path: Path) -> None:
    """Files and directories are for their owner, and no leftover stays."""
    import_paths(memory, [folder])
    export_oxios(memory, None, tmp_path / "out")
    assert (tmp_path / "out/sessions").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "out/sessions/good.json").stat().st_mode & 0o777 == 0o600


def test_what_python_saved_is_read_by_python(tmp_path: Path) -> None:
    """An export of what a state store saved imports as the same sessions and documents."""
    with StateStore.open(tmp_path / "a") as first, StateStore.open(tmp_path / "b") as second:
        saved = Session.new("u").add_user_message("é\u2028").set_metadata("k", {"z": 1e-7, "a": 1})
        first.save_session(saved)
        first.save_markdown("c/d", "n", "a\r\nb")
        export_oxios(first.store, None, tmp_path / "out")
        assert import_paths(second.store, [tmp_path / "out"]).ok
        assert second.load_session(saved.id) == saved
        assert second.load_markdown("c/d", "n") == "a\r\nb"
        assert b"1e-7" in (tmp_path / f"out/sessions/{saved.id}.json").read_bytes()


def test_the_commands_import_and_export(folder: Path, tmp_path: Path) -> None:
    """`import` knows the directory by itself; `export --format oxios` writes it again."""
    put(folder / "c/n.md", b"text")
    run, store = CliRunner().invoke, str(tmp_path / "store")
    done = run(app, ["-s", store, "import", str(folder), "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["sessions"] == ["c/n.md", "good"]
    out = tmp_path / "out"
    done = run(app, ["-s", store, "export", "--format", "oxios", "--to", str(out), "--json"])
    assert done.exit_code == 0 and json.loads(done.stdout)["format"] == "oxios"
    assert files_of(out) == files_of(folder)
    one = ["-s", store, "export", "c/n.md@1", "--format", "oxios", "--to", str(tmp_path / "one")]
    assert run(app, one).exit_code == 0
    assert files_of(tmp_path / "one") == {"c/n.md": b"text"}
    put(folder / "c/bad.json", b"{")
    assert run(app, ["-s", store, "import", str(folder)]).exit_code == 1


def test_a_text_is_kept_only_where_it_is_needed() -> None:
    """What oxios spelled itself takes no second copy."""
    place = Place("c", "n", ".json")
    assert oxios_files.states_of(place, b"[\n  1\n]", had_text=False).keys() == {"session"}
    assert oxios_files.states_of(place, b"[1]", had_text=False).keys() == {"session", "file_text"}
    assert Place.of_id("c/n.json") == place
