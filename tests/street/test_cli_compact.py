"""The command `compact`: what it says, what it writes, and how it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from eventstore import EventStore
from eventstore.cli.app import app
from tests.crash.stores import log_path, overwrite
from tests.unit.test_compact import grown


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """A store with a session worth compacting and one that is not."""
    with EventStore.open(tmp_path / "store", model=dict, durability="unsafe_os") as store:
        grown(store, "a", 40)
        store.save({"id": "b"})
    return tmp_path / "store"


def run(directory: Path, *arguments: str) -> Result:
    """Run `compact` on a store."""
    return CliRunner().invoke(app, ["-s", str(directory), "compact", *arguments])


def test_a_dry_run_writes_nothing(directory: Path) -> None:
    """It says what would be gained, and every log stays as it is."""
    before = log_path(directory, "a").read_bytes()
    done = run(directory, "--dry-run", "--keep-last", "3")
    assert done.exit_code == 0, done.output
    assert "would compact    1" in done.output and "would drop" in done.output
    assert log_path(directory, "a").read_bytes() == before


def test_a_compaction_says_what_it_did(directory: Path) -> None:
    """As JSON, log by log; the commit says who and why."""
    done = run(directory, "--json", "--keep-last", "3", "--actor", "ops", "--note", "monthly")
    assert done.exit_code == 0, done.output
    record = json.loads(done.stdout)
    logs = {log["session"]: log for log in record["logs"]}
    assert record["dropped"] == logs["a"]["dropped"] > 0
    assert record["after"] < record["before"] and not record["dry_run"]
    assert logs["b"]["after"] == logs["b"]["before"]
    with EventStore.open(directory, model=dict) as store:
        version = store.version("a")
        assert version is not None
        assert (version.kind, version.actor, version.note) == ("compact", "ops", "monthly")


@pytest.mark.damage
def test_damage_is_named_and_fails_the_run(directory: Path) -> None:
    """A damaged log is left alone, and the exit code says that not all was done."""
    log = log_path(directory, "a")
    data = log.read_bytes()
    overwrite(log, data[:2000] + bytes([data[2000] ^ 1]) + data[2001:])
    done = run(directory)
    assert done.exit_code == 1
    assert "left alone" in done.output and "'a'" in done.output


@pytest.mark.parametrize("arguments", [("nobody",), ("--keep-last", "0"), ("--then", "week")])
def test_what_cannot_be_meant_is_refused(directory: Path, arguments: tuple[str, ...]) -> None:
    """Unknown sessions and senseless numbers exit as usage errors."""
    assert run(directory, *arguments).exit_code == 2
