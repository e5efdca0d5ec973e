"""`import`, `export` and `demo` on the files of other programs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from eventstore.cli.app import app
from eventstore.models.session import SessionData
from eventstore.store import EventStore

INTERRUPTING = """
import os, signal
from eventstore.cli.main import main
from eventstore.store import EventStore

save, calls = EventStore.save_states, []

def save_states(*arguments, **options):
    calls.append(1)
    if len(calls) == 3:
        os.kill(os.getpid(), signal.SIGINT)
    return save(*arguments, **options)

EventStore.save_states = save_states
main()
"""


def records(session: str, turns: int) -> Iterator[dict[str, Any]]:
    """Yield the lines of a Claude Code transcript of a few turns."""
    parent = None
    for i in range(turns):
        for role in ("user", "assistant"):
            said = f"{role} says {i}"
            uuid = f"00000000-0000-4000-8000-{2 * i + (role == 'assistant'):012}"
            yield {
                "type": role,
                "uuid": uuid,
                "parentUuid": parent,
                "isSidechain": False,
                "sessionId": session,
                "timestamp": f"2026-01-31T10:00:{2 * i:02}.000Z",
                "cwd": "project",
                "version": "2.0.0",
                "message": said_by(role, said),
            }
            parent = uuid


def said_by(role: str, text: str) -> dict[str, Any]:
    """Return a message as the program writes it."""
    if role == "user":
        return {"role": role, "content": text}
    return {
        "id": f"msg_{text}",
        "type": "message",
        "role": role,
        "model": "a-model",
        "content": [{"type": "text", "text": text}],
        "usage": {"input_tokens": 1, "output_tokens": 1},
    }


@pytest.fixture
def transcript(tmp_path: Path) -> Path:
    """Give a transcript of five turns."""
    path = tmp_path / "chat.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in records("chat-1", 5)))
    return path


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """Give an a3s-code directory of one session."""
    path = tmp_path / "a3s"
    (path / "traces").mkdir(parents=True)
    value = json.loads(SessionData(id="one", created_at=1, updated_at=2).model_dump_json())
    (path / "one.json").write_text(json.dumps(value, indent=2, ensure_ascii=False))
    (path / "traces" / "one.json").write_text("[]")
    return path


def run(place: Path | None, *arguments: str) -> Result:
    """Run the command on a store."""
    where = () if place is None else ("--store", str(place))
    return CliRunner().invoke(app, [*where, *arguments], env={"EVENTSTORE_STORE": ""})


def test_import_makes_the_store_and_tells_what_it_did(
    transcript: Path, directory: Path, tmp_path: Path
) -> None:
    """Both formats are imported into a new store, and the summary counts them."""
    place = tmp_path / "store"
    result = run(place, "import", str(transcript), str(directory), "--json")
    assert (result.exit_code, result.stderr) == (0, "")
    report = json.loads(result.stdout)
    assert (report["sessions"], report["versions_added"]) == (["chat-1", "one"], 6)
    assert report["stored_bytes"] > 0
    again = run(place, "import", str(transcript), str(directory))
    assert again.exit_code == 0
    assert "new versions        0\n" in again.stdout


def test_a_dry_run_writes_nothing(transcript: Path, tmp_path: Path) -> None:
    """A dry run counts what would be imported and makes no store."""
    result = run(tmp_path / "store", "import", "--dry-run", str(transcript))
    assert result.exit_code == 0
    assert "would add versions  5\n" in result.stdout
    assert not (tmp_path / "store").exists()


def test_what_cannot_be_imported_is_named_and_the_rest_is_imported(
    transcript: Path, tmp_path: Path
) -> None:
    """One line on standard error for each problem, exit code 1, everything else imported."""
    broken = tmp_path / "broken.json"
    broken.write_text('{"id": "x", ')
    result = run(tmp_path / "store", "import", str(broken), str(tmp_path / "no"), str(transcript))
    assert result.exit_code == 1
    assert all(line.startswith("eventstore: ") for line in result.stderr.splitlines())
    assert "broken.json" in result.stderr and str(tmp_path / "no") in result.stderr
    assert run(tmp_path / "store", "cat", "chat-1@5").exit_code == 0


def test_export_writes_what_was_imported(directory: Path, tmp_path: Path) -> None:
    """An a3s-code session comes out byte for byte, all of them or one by name or version."""
    place = tmp_path / "store"
    assert run(place, "import", str(directory)).exit_code == 0
    for i, sessions in enumerate([(), ("one",), ("one@1",)]):
        out = tmp_path / f"out{i}"
        result = run(place, "export", *sessions, "--to", str(out))
        assert (result.exit_code, result.stderr) == (0, "")
        assert (out / "one.json").read_bytes() == (directory / "one.json").read_bytes()
        assert (out / "traces" / "one.json").read_bytes() == b"[]"
    missing = run(place, "export", "nope", "--to", str(tmp_path / "none"))
    assert (missing.exit_code, missing.stdout) == (1, "")
    two = run(place, "export", "one@1", "one", "--to", str(tmp_path / "none"))
    assert (two.exit_code, two.stdout) == (2, "")
    assert not (tmp_path / "none").exists()


def test_demo_on_a_transcript_of_ones_own(transcript: Path) -> None:
    """The demo of a transcript looks back at the middle of it."""
    told = run(None, "demo", str(transcript))
    assert told.exit_code == 0
    assert "What did the agent know at version 3?" in told.stdout
    assert "chat-1" in told.stdout
    facts = json.loads(run(None, "demo", "--json", str(transcript)).stdout)
    assert (facts["versions"], facts["earlier"]["proven"]) == (5, True)


def test_demo_on_a_file_that_is_no_transcript(tmp_path: Path) -> None:
    """A file without any session is told as such."""
    path = tmp_path / "notes.txt"
    path.write_text("nothing")
    told = run(None, "demo", str(path))
    assert (told.exit_code, told.stdout) == (1, "")
    assert "no session could be read" in told.stderr


def test_ctrl_c_during_an_import_keeps_what_was_saved(transcript: Path, tmp_path: Path) -> None:
    """An interrupt says so, exits 130 without a traceback, and the next import goes on."""
    place = tmp_path / "store"
    command = [sys.executable, "-c", INTERRUPTING, "-s", str(place), "import", str(transcript)]
    root = Path(__file__).parents[2]
    result = subprocess.run(command, capture_output=True, check=False, timeout=60, cwd=root)
    assert (result.returncode, result.stdout) == (130, b"")
    assert result.stderr == b"interrupted\n"
    with EventStore.open(place, create=False) as store:
        version = store.version("chat-1")
        assert version is not None and version.version == 2
    assert run(place, "import", str(transcript)).exit_code == 0
    assert run(place, "cat", "chat-1@5").exit_code == 0
