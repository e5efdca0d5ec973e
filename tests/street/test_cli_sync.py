"""`export` in every format, `import` of what it wrote, `push` and `pull`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from eventstore.cli.app import app
from tests.street.histories import dicts, facts, fill, grow


def run(place: Path | None, *arguments: str | Path) -> Result:
    """Run the command on a store."""
    where = () if place is None else ("--store", str(place))
    words = [*where, *map(str, arguments)]
    return CliRunner().invoke(app, words, env={"EVENTSTORE_STORE": ""})


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A store with sessions of every fate."""
    with dicts(tmp_path / "store") as store:
        fill(store)
    return tmp_path / "store"


def test_plain_states_are_imported_by_their_fields(tmp_path: Path) -> None:
    """The summary counts the versions and says what they take."""
    path = tmp_path / "s.jsonl"
    path.write_text('{"k":"a","v":1}\n{"k":"a","v":2}\n{"k":"b","v":1}\n')
    arguments = ("import", path, "--id-field", "k", "--version-field", "v", "--json")
    result = run(tmp_path / "store", *arguments)
    report = json.loads(result.stdout)
    assert (report["sessions"], report["versions_added"]) == (["a", "b"], 3)
    assert report["state_bytes"] == 3 * len('{"k":"a","v":1}')
    assert json.loads(run(tmp_path / "store", *arguments).stdout)["stored_bytes"] == 0
    wrong = run(tmp_path / "store", "import", path, "--version-field", "v")
    assert (wrong.exit_code, "id_field" in wrong.stderr) == (2, True)


@pytest.mark.parametrize("format_name", ["json", "jsonl", "events", "markdown", "bundle"])
def test_every_format_goes_to_a_file_or_to_the_output(
    place: Path, tmp_path: Path, format_name: str
) -> None:
    """The bytes are the same; a file that is there is never overwritten."""
    out = tmp_path / "out"
    arguments = ("export", "grown@3", "--format", format_name, "--to")
    written = run(place, *arguments, out)
    assert (written.exit_code, written.stderr) == (0, "")
    assert "1 session in 1 file" in written.stdout
    streamed = run(place, *arguments, "-")
    assert streamed.exit_code == 0 and streamed.stdout_bytes == out.read_bytes()
    again = run(place, *arguments, out)
    assert again.exit_code == 2 and "there already" in again.stderr
    as_json = run(place, *arguments, tmp_path / "more", "--json")
    assert json.loads(as_json.stdout)["size"] == out.stat().st_size


def test_a_bundle_goes_from_store_to_store(place: Path, tmp_path: Path) -> None:
    """Everything, then only what is new since; a damaged one exits with 1."""
    assert run(place, "export", "--format", "bundle", "--to", tmp_path / "all.esb").exit_code == 0
    copy = tmp_path / "copy"
    result = run(copy, "import", tmp_path / "all.esb")
    assert (result.exit_code, result.stderr) == (0, "")
    with dicts(place) as store, dicts(copy) as other:
        assert facts(other) == facts(store)
        grow(store, "grown", 1, start=5)
    later = ("export", "--format", "bundle", "--since", tmp_path / "all.esb", "--to")
    assert run(place, *later, tmp_path / "later.esb").exit_code == 0
    added = run(copy, "import", tmp_path / "later.esb", "--json")
    assert json.loads(added.stdout)["versions_added"] == 1
    (tmp_path / "all.esb").write_bytes((tmp_path / "all.esb").read_bytes()[:-40])
    refused = run(tmp_path / "third", "import", tmp_path / "all.esb")
    assert refused.exit_code == 1 and "nothing is missing but the end" in refused.stderr


def test_since_is_a_time_or_a_bundle_and_nothing_else(place: Path, tmp_path: Path) -> None:
    """Anything else is not understood."""
    to = ("--to", tmp_path / "x")
    future = run(place, "export", "--format", "bundle", "--since", "2100-01-01", *to)
    assert future.exit_code == 0 and "0 sessions" in future.stdout
    odd = run(place, "export", "--format", "bundle", "--since", "soon", *to)
    assert odd.exit_code == 2 and "neither a time nor a file" in odd.stderr
    other = run(place, "export", "--format", "jsonl", "--since", "2100-01-01", *to)
    assert other.exit_code == 2 and "--format bundle" in other.stderr


def test_push_and_pull(place: Path, tmp_path: Path) -> None:
    """Everything there, what is new back; a dry run makes no store."""
    other = tmp_path / "other"
    dry = run(place, "push", other, "--dry-run")
    assert dry.exit_code == 0 and not other.exists() and "would send versions" in dry.stdout
    assert run(place, "push", other).exit_code == 0
    with dicts(place) as store, dicts(other) as received:
        assert facts(received) == facts(store)
        grow(received, "grown", 1, start=5)
    ahead = run(place, "push", other)
    assert ahead.exit_code == 0 and "the receiver has later versions" in ahead.stderr
    report = json.loads(run(place, "pull", other, "grown", "--json").stdout)
    assert report["sent"] == [{"session": "grown", "after": 5, "last": 6}]
    new = run(tmp_path / "new", "pull", other)
    assert new.exit_code == 0 and (tmp_path / "new" / "format.json").exists()
    with dicts(other) as received, dicts(tmp_path / "new") as pulled:
        assert facts(pulled) == facts(received)
    missing = run(place, "pull", tmp_path / "nowhere")
    assert missing.exit_code == 2 and not (tmp_path / "nowhere").exists()


def test_histories_that_differ_exit_with_1(place: Path, tmp_path: Path) -> None:
    """Named on standard error with the place, and left as they are."""
    other = tmp_path / "other"
    run(place, "push", other)
    with dicts(place) as store, dicts(other) as received:
        grow(store, "grown", 1, start=5)
        grow(received, "grown", 2, start=7)
    result = run(place, "push", other)
    assert result.exit_code == 1
    assert "session 'grown': differs from version 6 on" in result.stderr
    assert result.stdout.splitlines()[-1].split() == ["diverged", "1"]
    with dicts(other) as received:
        assert len(facts(received)["grown"]) == 7
