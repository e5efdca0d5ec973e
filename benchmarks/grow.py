"""The workload *grow*: one session, saved after each turn, by all contenders in turn."""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.contenders import Contender, FileStore, Floor, Ours, OursDict
from eventstore import Message, SessionData

_WORDS = [f"{a}{b}" for a in ("re", "un", "de", "co", "ex", "") for b in ("save", "load", "plan")]
_WORDS += ["the", "of", "to", "a", "if", "return", "self", "None", "error", "def", "test", "path"]


def states(turns: int, seed: int = 1) -> Iterator[SessionData]:
    """Yield a session after each of *turns*, about 7 kB of prose and tool output a turn."""
    noise = random.Random(seed)
    session = SessionData(id="bench", created_at=1_700_000_000, updated_at=1_700_000_000)
    for turn in range(turns):
        said = " ".join(noise.choices(_WORDS, k=100)) + f" {noise.getrandbits(64):x}"
        output = "\n".join(
            f"{noise.getrandbits(32):08x} " + " ".join(noise.choices(_WORDS, k=12))
            for _ in range(60)
        )
        new = (Message.assistant(said), Message.tool_result(f"call_{turn}", output))
        session = session.model_copy(
            update={"messages": session.messages + new, "updated_at": 1_700_000_000 + turn}
        )
        yield session


def measure(turns: int) -> dict[str, Any]:
    """Return, for each contender, the times of the last saves and of loads, and its bytes."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as name:
        folder = Path(name)
        contenders: list[Contender] = [
            Ours(folder),
            OursDict(folder),
            FileStore(folder),
            Floor(folder),
        ]
        saves: dict[str, list[float]] = {c.name: [] for c in contenders}
        last = SessionData(id="bench")
        for last in states(turns):
            for contender in contenders:
                if isinstance(contender, OursDict):
                    contender.prepare(last)
                start = time.perf_counter()
                contender.save(last)
                saves[contender.name].append(time.perf_counter() - start)
        loads = {c.name: _loads(c, last) for c in contenders if not isinstance(c, Floor)}
        for contender in contenders:
            contender.close()
        logs = sum(path.stat().st_size for path in folder.glob("store/logs/*/*.log"))
        pretty = (folder / "bench.json").stat().st_size
    tail = slice(-max(5, turns // 10), None)
    return {
        "turns": turns,
        "save_us": {name: quartiles(times[tail]) for name, times in saves.items()},
        "load_us": {name: quartiles(times) for name, times in loads.items()},
        "history_bytes": logs,
        "pretty_bytes": pretty,
    }


def quartiles(times: list[float]) -> list[float]:
    """Return the quartiles of some times, in microseconds."""
    return [round(q * 1e6, 1) for q in statistics.quantiles(times, n=4)]


def _loads(contender: Contender, expected: SessionData) -> list[float]:
    """Time some loads, and check each."""
    times = []
    for _ in range(9):
        start = time.perf_counter()
        loaded = contender.load()
        times.append(time.perf_counter() - start)
        assert loaded == expected, contender.name
    return times
