"""The page: the tables of `docs/benchmarks.md`, made from the results.

A table stands between `<!-- name -->` and `<!-- end -->`; what is there is replaced.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.peers import FLOOR, NAMES, OURS, OURS_DICT
from benchmarks.quartiles import shown
from benchmarks.sizes import QUICK
from benchmarks.stages import NEW, REST, STAGES

_PLACE = re.compile(r"(<!-- (\w+) -->\n).*?(<!-- end -->)", re.S)
_QUICK = json.loads(json.dumps(asdict(QUICK)))
_MET = {True: "yes", False: "no", None: ""}


def update(page: Path, results: Path) -> None:
    """Put the tables of the results into the page."""
    text = page.read_text(encoding="utf-8")
    page.write_text(filled(text, json.loads(results.read_text(encoding="utf-8"))), encoding="utf-8")


def filled(text: str, results: dict[str, Any]) -> str:
    """Return the text of a page with its tables as the results are."""
    workloads = results["workloads"]
    found = {name: one["found"] for name, one in workloads.items() if "found" in one}

    def replace(place: re.Match[str]) -> str:
        name = place[2]
        if name == "machine":
            table = _machine(results)
        elif name in found:
            table = _TABLES[name](found[name])
        else:
            table = ["Not measured."]
        return "\n".join([place[1], *table, "", place[3]])

    return _PLACE.sub(replace, text)


def _machine(results: dict[str, Any]) -> list[str]:
    """Return what the results were measured on and with."""
    loads = [load for one in results["workloads"].values() for load in one.get("load", ())]
    busy = {"load_average": f"{min(loads)} to {max(loads)}"} if loads else {}
    small = [n for n, one in results["workloads"].items() if one["stamp"]["sizes"] == _QUICK]
    sizes = {"small, with --quick": ", ".join(small)} if small else {}
    durability = {"durability": results["durability"]}
    facts = results["machine"] | busy | sizes | durability | results["versions"]
    return _rows(["what", "value"], [[name, str(value)] for name, value in facts.items()])


def _figures(found: dict[str, Any]) -> list[str]:
    """Return the figures to reach."""
    rows = [
        [
            one["figure"],
            one["target"].replace("<=", "≤").replace(">=", "≥"),
            "not there" if one["measured"] is None else shown(one["measured"]),
            _MET[one["is_met"]],
            one["note"],
        ]
        for one in found["figures"]
    ]
    return _rows(["figure", "target", "measured (quartiles)", "met?", "note"], rows)


def _stages(found: dict[str, Any]) -> list[str]:
    """Return where a save goes."""
    given = [found["given"][name] for name in (OURS, OURS_DICT, NEW)]
    rows = []
    for stage in (*STAGES, REST):
        shares = (one["share"][stage] for one in given)
        rows.append([stage, *(f"{m:.1%} ({low:.1%}-{high:.1%})" for low, m, high in shares)])
    overheads = (f"{one['wrapping_overhead']:.2f}" for one in given)
    rows.append(["*a save with the wrapping / without*", *overheads])
    ratios = (shown(one["save_to_floor"]) for one in given)
    rows.append(["*a save / floor*", *ratios])
    heads = [f"models, {found['turns']} turns", f"a dict, {found['turns']} turns", "a new session"]
    return _rows(["share of a save", *heads], rows)


def _grow(found: dict[str, Any]) -> list[str]:
    """Return what ours is of each peer in the longest session that all saved from the start."""
    turns = max((turns for turns, one in found.items() if not one["joined"]), key=int)
    one = found[turns]
    rows = []
    for name in (name for name in NAMES if name in one["save"] and name != OURS):
        times = [one[what].get(name) for what in ("save", "load", "history", "reopen")]
        cells = ["" if time is None else shown(time["ours_to_it"]) for time in times]
        size = "" if name.startswith(FLOOR) else f"{one['bytes'][name] / one['pretty_bytes']:.3g}"
        rows.append([name, *cells, size])
    own = f"{one['bytes'][OURS] / one['pretty_bytes']:.3g}"
    rows.insert(0, [OURS, "1", "1", "1", "1", own])
    heads = ["eventstore /", "save", "load newest", "load any version", "reopen and load"]
    return _rows([*heads, f"its bytes after {turns} turns / pretty JSON"], rows)


def _real(found: dict[str, Any]) -> list[str]:
    """Return the bytes of the corpus."""
    if "skipped" in found:
        return ["Not measured."]
    rows = [
        [
            name,
            shown(found["save"][name]["ours_to_it"]) if name in found["save"] else "",
            f"{size / found['last_bytes']:.3g}",
        ]
        for name, size in found["bytes"].items()
    ]
    return _rows(["peer", f"save: {OURS_DICT} / it", "bytes / last states, compact JSON"], rows)


def _many(found: dict[str, Any]) -> list[str]:
    """Return the time for new sessions."""
    names = [name for name in NAMES if any(name in one["block"] for one in found.values())]
    rows = [
        [name, *(_shown_of(one["block"], name) for one in found.values())]
        for name in names
        if name != OURS
    ]
    heads = [f"{threads} thread{'s' * (threads != '1')}" for threads in found]
    return _rows(["eventstore /", *heads], rows)


def _list(found: dict[str, Any]) -> list[str]:
    """Return lists against SQLite."""
    what = ("list", "list_after_a_save", "reopen_and_look_up")
    rows = [
        [f"{int(count):,}", *(shown(one[name]["ratio"]) for name in what)]
        for count, one in found.items()
    ]
    return _rows(["sessions", *(name.replace("_", " ") for name in what)], rows)


def _nested(found: dict[str, Any]) -> list[str]:
    """Return what one more event costs."""
    rows = [
        [name, _shown_of(found["save"], name), _shown_of(found["load"], name)]
        for name in found["save"]
        if name != OURS
    ]
    return _rows(["eventstore /", "save one more event", "load"], rows)


def _shown_of(times: dict[str, Any], name: str) -> str:
    """Return a ratio, or nothing where there is none."""
    return shown(times[name]["ours_to_it"]) if name in times else ""


def _rows(heads: list[str], rows: Iterable[list[str]]) -> list[str]:
    """Return a table."""
    said = [f"| {' | '.join(heads)} |", f"|{' --- |' * len(heads)}"]
    return said + [f"| {' | '.join(cells)} |" for cells in rows]


_TABLES = {
    "figures": _figures,
    "stages": _stages,
    "grow": _grow,
    "real": _real,
    "many": _many,
    "list": _list,
    "nested": _nested,
}
