"""JSON Lines are imported in memory that does not grow with the file."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

MEMORY = """
import resource, sys
from eventstore import EventStore
from eventstore.interchange.importer import import_paths

with EventStore.open(sys.argv[1], model=dict, durability="unsafe_os") as store:
    report = import_paths(store, [sys.argv[2]], id_field="id", version_field="turn")
    store.sync()
    assert report.ok, report.problems
print(report.versions_added, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
SESSIONS = 40
TEXT = "what somebody said, which is not the same for any two of them: "


def lines(turns: int) -> Iterator[bytes]:
    """Yield the states of many sessions that grow and begin anew, one by one."""
    for turn in range(turns):
        said = [f"{TEXT}{n} {n * n} {n**3}" for n in range(turn % 100 * 10)]
        for number in range(SESSIONS):
            state = {"id": f"session-{number}", "turn": turn, "said": said, "own": number * turn}
            yield json.dumps(state).encode() + b"\n"


def imported(folder: Path, turns: int) -> tuple[int, int, int]:
    """Write a file, import it in a process of its own; return bytes, versions, peak memory."""
    path = folder / f"{turns}.jsonl"
    with path.open("wb") as file:
        for line in lines(turns):
            file.write(line)
    done = subprocess.run(
        [sys.executable, "-c", MEMORY, str(folder / f"store-{turns}"), str(path)],
        capture_output=True,
        text=True,
        check=True,
    )
    versions, peak = map(int, done.stdout.split())
    size = path.stat().st_size
    path.unlink()
    return size, versions, peak * (1 if sys.platform == "darwin" else 1024)


@pytest.mark.slow
def test_a_file_five_times_as_long_takes_no_more_memory(tmp_path: Path) -> None:
    """The peak of a process that imports it stays where it was, and far below the file's size."""
    small, versions, first = imported(tmp_path, 100)
    large, more, second = imported(tmp_path, 500)
    assert (versions, more) == (100 * SESSIONS, 500 * SESSIONS) and large > 4.9 * small
    assert second < 1.15 * first + 16 * 1024 * 1024
    assert second < large / 2
