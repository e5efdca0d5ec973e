"""What an import finds in a path: by content, in trees, and with nothing to find."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from eventstore import EventStore
from eventstore.errors import BackendError
from eventstore.interchange.importer import import_paths
from eventstore.models.a3s import Message, SessionData

DOCUMENT = SessionData(id="one", messages=(Message.user("hi"),)).model_dump_json().encode()


def line(session: str, role: str, text: str) -> bytes:
    """Return one record of a transcript."""
    message = {"role": role, "content": text}
    record = {"type": role, "sessionId": session, "message": message, "uuid": text}
    return json.dumps(record).encode() + b"\n"


def chat(session: str) -> bytes:
    """Return a transcript of one turn."""
    return line(session, "user", "q") + line(session, "assistant", "a")


def put(path: Path, text: bytes) -> Path:
    """Write a file and the directories it is in."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text)
    return path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with a transcript, a subagent's, an a3s-code directory, and other files."""
    tree = tmp_path / "tree"
    put(tree / "p/chat.jsonl", chat("chat"))
    put(tree / "p/chat/tool-results/x.txt", b"text")
    put(tree / "p/sessions-index.json", b"{}")
    put(tree / "a3s/one.json", DOCUMENT)
    put(tree / "a3s/traces/one.json", b"[]")
    return tree


def test_a_tree_is_walked(store: EventStore, tree: Path) -> None:
    """Transcripts and a3s-code directories are found in any depth; other files are not read."""
    seen: list[tuple[str, int, int]] = []
    report = import_paths(store, [tree], progress=lambda *step: seen.append(step))
    assert report.ok and not report.warnings
    assert report.sessions == store.list() == ["chat", "one"]
    assert {file.format for file in report.files} == {"claude-code", "a3s-code"}
    done = [done for _, done, _ in seen]
    assert done == sorted(done) and seen[-1][1] == seen[-1][2] == report.size
    assert json.loads(json.dumps(report.as_dict()))["ok"] is True


def test_files_are_known_by_content(store: EventStore, tmp_path: Path) -> None:
    """The name of a file that somebody asked for does not matter."""
    put(tmp_path / "a.txt", chat("chat"))
    put(tmp_path / "b", b"\n" + DOCUMENT)
    report = import_paths(store, [tmp_path / "a.txt", str(tmp_path / "b")])
    assert report.ok and report.sessions == ["chat", "one"]


@pytest.mark.parametrize(
    ("name", "text", "reason"),
    [
        ("x.traj", b'{"trajectory": []}', "an a3s-code session directory"),
        ("x.jsonl", b'{"display": "d"}\n', "known format"),
        ("x.jsonl", b"\0" * 1000, "known format"),
        ("x.jsonl", b"", "is empty"),
        ("x.jsonl", b'{"type":"summary","summary":"s","leafUuid":"l"}\n', "holds no message"),
        ("dir/readme.md", b"# hi", "holds nothing in a known format"),
    ],
)
def test_what_is_in_no_known_format_is_a_problem(
    store: EventStore, tmp_path: Path, name: str, text: bytes, reason: str
) -> None:
    """The report says so, and which formats there are."""
    path = put(tmp_path / "in" / name, text)
    report = import_paths(store, [path.parent if "/" in name else path])
    assert len(report.problems) == 1 and reason in report.problems[0].reason
    assert store.list() == []


def test_a_path_that_is_not_there_stops_nothing(store: EventStore, tree: Path) -> None:
    """It is reported, and the other paths are imported."""
    (tree / "round").symlink_to("round")
    report = import_paths(store, [tree / "missing", "nul\0byte", tree / "round", tree / "p"])
    assert len(report.problems) == 3 and "cannot be read" in report.problems[0].reason
    assert "leads back to itself" in report.problems[2].reason
    assert report.sessions == ["chat"]


def test_transcripts_without_messages_are_no_problem_in_a_tree(
    store: EventStore, tree: Path
) -> None:
    """Stubs are told of, and do not fail the import of everything else."""
    put(tree / "p/stub.jsonl", b'{"type":"summary","summary":"s","leafUuid":"l"}\n')
    put(tree / "p/empty.jsonl", b"")
    put(tree / "p/foreign.jsonl", b'{"display": "d"}\n')
    report = import_paths(store, [tree])
    assert [Path(remark.path).name for remark in report.warnings] == ["empty.jsonl", "stub.jsonl"]
    assert [Path(remark.path).name for remark in report.problems] == ["foreign.jsonl"]


def test_links_in_a_tree_are_not_followed(store: EventStore, tree: Path, tmp_path: Path) -> None:
    """A link that somebody names is; one that is found is reported."""
    (tree / "p/link.jsonl").symlink_to(tree / "p/chat.jsonl")
    (tree / "p/loop").symlink_to(tree)
    (tree / "p/self").symlink_to(tree / "p/self")
    report = import_paths(store, [tree / "p"])
    assert [Path(remark.path).name for remark in report.problems] == ["link.jsonl", "loop"]
    assert all("symbolic link" in remark.reason for remark in report.problems)
    named = tmp_path / "named"
    named.symlink_to(tree / "p/chat.jsonl")
    assert import_paths(store, [named]).ok


def test_a_store_that_fails_stops_the_import(tree: Path) -> None:
    """What is no file's fault is raised, not reported."""
    store = EventStore.open("memory://")
    store.close()
    with pytest.raises(BackendError, match="closed"):
        import_paths(store, [tree])
