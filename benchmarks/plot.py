"""Plots: what the results say, as SVG files for the documentation."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks import svg
from benchmarks.peers import NAMES, OURS, OURS_DICT
from benchmarks.stages import REST, STAGES
from benchmarks.svg import Bar

_FASTER = "each peer's median / eventstore's; right of 1 the peer takes longer"


def plot_all(results: Path, folder: Path) -> list[Path]:
    """Draw everything there are results for; return the files that were written."""
    workloads = json.loads(results.read_text(encoding="utf-8"))["workloads"]
    found = {name: one["found"] for name, one in workloads.items() if "found" in one}
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, (workload, draw) in _PLOTS.items():
        text = draw(found[workload]) if workload in found else None
        if text is not None:
            path = folder / f"{name}.svg"
            path.write_text(text, encoding="utf-8")
            written.append(path)
    return written


def _of_growth(found: dict[str, Any]) -> str:
    """Draw how saves get slower as a session grows, against the floor."""
    series: dict[str, list[tuple[float, float]]] = {}
    for name in NAMES:
        for turns, one in found.items():
            if name in one["save"] and "floor" in one["save"] and name != "floor":
                value = one["save"][name]["us"][1] / one["save"]["floor"]["us"][1]
                series.setdefault(name, []).append((float(turns), value))
    title = "A save as the session grows: median / floor, by turns"
    return svg.lines(title, "the floor: the new turn alone, one write and one sync", series, OURS)


def _at_most_turns(what: str, title: str) -> Callable[[dict[str, Any]], str]:
    """Return what draws times in the session that every peer saved from the start."""

    def draw(found: dict[str, Any]) -> str:
        turns = _whole(found)
        return svg.bars(f"{title}, {turns} turns", _FASTER, _inverse(found[turns][what]))

    return draw


def _of_bytes(found: dict[str, Any]) -> str:
    """Draw the bytes on disk."""
    turns = _whole(found)
    one = found[turns]
    rows = [
        _exact(name, size / one["pretty_bytes"])
        for name, size in one["bytes"].items()
        if not name.startswith("floor")
    ]
    title = f"Bytes on disk after {turns} turns / last state as pretty JSON"
    subtitle = "file, file-dict, openai-agents and google-adk keep no versions"
    return svg.bars(title, subtitle, sorted(rows, key=lambda row: row.value))


def _of_real_bytes(found: dict[str, Any]) -> str | None:
    """Draw the bytes of the corpus."""
    if "skipped" in found:
        return None
    rows = [_exact(name, size / found["last_bytes"]) for name, size in found["bytes"].items()]
    title = f"Bytes on disk of {found['sessions']} real sessions / their last states"
    subtitle = "every state was saved; last states as compact JSON"
    return svg.bars(title, subtitle, sorted(rows, key=lambda row: row.value))


def _of_many(found: dict[str, Any]) -> str:
    """Draw new sessions by the most threads."""
    threads = max(found, key=int)
    title = f"New sessions, {threads} threads: time for a block"
    return svg.bars(title, _FASTER, _inverse(found[threads]["block"]))


def _of_nested(found: dict[str, Any]) -> str:
    """Draw one more event."""
    title = f"One more event in the last of {found['records']} runs"
    return svg.bars(title, _FASTER, _inverse(found["save"]))


def _of_lists(found: dict[str, Any]) -> str:
    """Draw lists by the number of sessions."""
    series = {
        what.replace("_", " "): [
            (float(count), one[what]["ratio"]["ratio"]) for count, one in found.items()
        ]
        for what in ("list", "list_after_a_save", "reopen_and_look_up")
    }
    title = "50 newest sessions: eventstore's median / SQLite's, by sessions"
    return svg.lines(title, "the same query on a table with an index", series, "list")


def _of_stages(found: dict[str, Any]) -> str:
    """Draw where a save of models goes, in percent."""
    shares = found["given"][OURS]["share"]
    rows = [
        Bar(stage, middle * 100, low * 100, high * 100, is_marked=True)
        for stage, (low, middle, high) in ((s, shares[s]) for s in (*STAGES, REST))
    ]
    title = f"Where a save of models goes at {found['turns']} turns"
    return svg.shares(title, "percent of a save, median and quartiles", rows)


def _whole(found: dict[str, Any]) -> str:
    """Return the longest session that no peer joined late."""
    return max((turns for turns, one in found.items() if not one["joined"]), key=int)


def _inverse(times: dict[str, Any]) -> list[Bar]:
    """Return times divided by ours, the fastest first."""
    rows = []
    for name, one in times.items():
        if "ours_to_it" not in one:
            continue
        median = times[OURS]["us"][1]
        low, middle, high = (value / median for value in one["us"])
        rows.append(Bar(name, middle, low, high, name in (OURS, OURS_DICT)))
    return sorted(rows, key=lambda row: row.value)


def _exact(name: str, value: float) -> Bar:
    """Return a ratio without a spread."""
    return Bar(name, value, value, value, name.startswith(OURS))


_PLOTS: dict[str, tuple[str, Callable[[dict[str, Any]], str | None]]] = {
    "grow": ("grow", _of_growth),
    "save": ("grow", _at_most_turns("save", "Save one more turn")),
    "load": ("grow", _at_most_turns("load", "Load the newest state")),
    "history": ("grow", _at_most_turns("history", "Load a random version")),
    "reopen": ("grow", _at_most_turns("reopen", "Open the store and load")),
    "bytes": ("grow", _of_bytes),
    "real": ("real", _of_real_bytes),
    "many": ("many", _of_many),
    "nested": ("nested", _of_nested),
    "list": ("list", _of_lists),
    "stages": ("stages", _of_stages),
}
