"""Memory: how much the process grows while it saves, divided by the size of the state.

Each case runs in a process of its own, where every allocation goes to the C allocator and large
ones are given back at once (`PYTHONMALLOC=malloc`, `MALLOC_MMAP_THRESHOLD_`), so that memory that
was free before does not hide what a save takes. The kernel's high-water mark is set back before
the save (`/proc/self/clear_refs`) and read after it, so what C code takes counts too.
"""

from __future__ import annotations

import ctypes
import gc
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from benchmarks.context import Context
from benchmarks.turns import MadeSession
from eventstore import EventStore, SessionData

GIVEN = ("model", "dict")
WHEN = ("first", "next", "reopened")
"""The first save of a session; one more turn; one more turn after the store was opened again."""

_ENVIRONMENT = {
    "PYTHONMALLOC": "malloc",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
    "MALLOC_ARENA_MAX": "1",
}


def measure(context: Context, turns: int) -> dict[str, Any] | None:
    """Return growth divided by size for every case; None where the system cannot tell."""
    if not Path("/proc/self/clear_refs").exists():
        return None
    found = {}
    with context.scratch("memory") as folder:
        session = MadeSession("bench", turns)
        for _ in session.turns():
            pass
        for number in (turns - 2, turns - 1):
            (folder / f"{number}.json").write_bytes(to_json(session.expected(number)))
        for given in GIVEN:
            for when in WHEN:
                found[f"{given}, {when}"] = _in_a_process(folder, given, when, turns)
    return found


def _in_a_process(folder: Path, given: str, when: str, turns: int) -> float:
    """Run one case."""
    command = [sys.executable, "-m", "benchmarks.memory", str(folder), given, when, str(turns)]
    done = subprocess.run(
        command, env=os.environ | _ENVIRONMENT, capture_output=True, text=True, check=True
    )
    return round(float(json.loads(done.stdout)), 2)


def main() -> None:
    """Measure one case in this process and print growth divided by size."""
    folder, given, when, turns = Path(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    before, after = (folder / f"{number}.json" for number in (turns - 2, turns - 1))
    model: Any = dict if given == "dict" else SessionData
    place = folder / f"{given}-{when}"
    size = after.stat().st_size
    earlier = _read(before, given)
    later = _followed(earlier, _read(after, given), given)
    store = EventStore.open(place, model=model)
    if when != "first":
        store.save(earlier)
    if when == "reopened":
        store.close()
        store = EventStore.open(place, model=model)
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    Path("/proc/self/clear_refs").write_text("5", encoding="ascii")
    start = _status("VmRSS")
    store.save(later)
    grown = _status("VmHWM") - start
    print(json.dumps(grown / size))
    store.close()


def _read(path: Path, given: str) -> Any:
    """Read a session as a model or a dict."""
    data = path.read_bytes()
    return from_json(data) if given == "dict" else SessionData.model_validate_json(data)


def _followed(earlier: Any, later: Any, given: str) -> Any:
    """Return the later session with the messages of the earlier one, where it has the same."""
    if given == "dict":
        return later
    kept = earlier.messages
    messages = (*kept, *later.messages[len(kept) :])
    return later.model_copy(update={"messages": messages})


def _status(name: str) -> int:
    """Return a size that the kernel knows of this process, in bytes."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * 1024
    raise LookupError(name)


if __name__ == "__main__":
    main()
