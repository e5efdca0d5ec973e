"""Measure a list of oxios sessions: `python -m benchmarks.oxios_list [SESSIONS]`.

The same sessions are listed from the index and, as oxios does it, by reading a JSON file for each.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

from eventstore.adapters.oxios import StateStore
from eventstore.backends.file import FileBackend
from eventstore.interchange.oxios_export import export_oxios
from eventstore.models.oxios import AgentResponse, Session
from eventstore.models.oxios_summary import summarise

TURNS = 10
ROUNDS = 5


def main() -> None:
    """Print the times of both lists, and how often a log was asked for anything."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory() as folder:
        store, files = Path(folder, "store"), Path(folder, "files")
        with StateStore.open(store, durability="unsafe_os") as state:
            for number in range(count):
                state.save_session(session(number))
            export_oxios(state.store, None, files)
        calls = count_calls()
        first = timed(lambda: listed(store))
        again = median(timed(lambda: listed(store)) for _ in range(ROUNDS))
        asked = dict(calls)
        reading = median(timed(lambda: read_as_sessions(files)) for _ in range(ROUNDS))
        parsing = median(timed(lambda: read_as_json(files)) for _ in range(ROUNDS))
        size = sum(path.stat().st_size for path in files.rglob("*.json"))
    print(f"{count} sessions, {size / 1e6:.0f} MB of JSON files, page cache warm")
    print(f"index, opening the store, first time   {first:8.3f} s")
    print(f"index, opening the store, median of {ROUNDS}  {again:8.3f} s")
    print(f"a file each, as sessions               {reading:8.3f} s  {reading / again:5.1f} x")
    print(f"a file each, json.loads only           {parsing:8.3f} s  {parsing / again:5.1f} x")
    print(f"calls about logs while listing         {asked or 'none'}")


def session(number: int) -> Session:
    """Return a session of some turns."""
    made = Session.with_id(f"user-{number % 7}", f"session-{number:05}")
    for turn in range(TURNS):
        made = made.add_user_message(f"What does step {turn} of build {number} say?")
        made = made.add_agent_response(AgentResponse(content="It says that all is well. " * 8))
    return made


def listed(store: Path) -> None:
    """List from the index, in a store that was just opened."""
    with StateStore.open(store) as state:
        state.list_sessions()


def read_as_sessions(files: Path) -> None:
    """List as oxios does: read and check each file, summarise, sort."""
    found = [
        summarise(Session.model_validate_json(path.read_bytes()))
        for path in (files / "sessions").iterdir()
    ]
    found.sort(key=lambda summary: summary.updated_at, reverse=True)


def read_as_json(files: Path) -> None:
    """Do the least that a list from files could: parse each and sort."""
    found = [json.loads(path.read_bytes()) for path in (files / "sessions").iterdir()]
    found.sort(key=lambda document: document["updated_at"], reverse=True)


def timed(call: Callable[[], None]) -> float:
    """Return the seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def count_calls() -> Counter[str]:
    """Count from now on how often a log is read, or asked for its size or its name."""
    calls: Counter[str] = Counter()

    def counted(name: str, method: Any) -> Any:
        def call(*args: Any, **options: Any) -> Any:
            calls[name] += 1
            return method(*args, **options)

        return call

    for name in ("read", "size", "logs"):
        setattr(FileBackend, name, counted(name, getattr(FileBackend, name)))
    return calls


if __name__ == "__main__":
    main()
