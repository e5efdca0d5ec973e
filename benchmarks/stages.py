"""Stages: where a save goes, measured by wrapping the functions it is made of from outside.

Time counts for the innermost wrapped function, so stages add up. What the index does while it is
told of a save counts for the index, writes included. Blocks of saves with the wrapping in place
take turns with blocks without it, so that what the wrapping costs is known.
"""

from __future__ import annotations

import functools
import importlib
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.context import Context
from benchmarks.peers import FLOOR, OURS, OURS_DICT
from benchmarks.quartiles import Times, microseconds, quartiles, ratio
from benchmarks.turns import MadeSession, Turn
from benchmarks.workloads.many import small_sessions

STAGES = {
    "serialise": (
        "state:plain",
        "state:dumped",
        "state:encode",
        "state:text",
        "image:build",
        "json_rules:is_plain",
        "json_rules:expanded",
        "content:Content.begun",
    ),
    "diff": ("advance:Advance.root", "advance:Advance.replaced", "delta:encode_delta"),
    "compress": ("stream:compress", "stream:Compressor.__init__", "stream:Compressor.add"),
    "hash": (
        "hashing:Hashing.__init__",
        "hashing:Hashing.advance",
        "hashing:Hashing.keep_up",
        "hashing:Hashing.address",
        "address:address_of",
        "address:digest_of",
        "address:commitment_to",
        "commit:Commit.id",
    ),
    "frame": ("draft:draft", "frame:encode_frame", "payload:encode_table"),
    "files": (
        "fs:OsFileSystem.open",
        "fs:OsFileSystem.close",
        "fs:OsFileSystem.lock",
        "fs:OsFileSystem.unlock",
        "fs:OsFileSystem.status",
        "fs:OsFileSystem.status_at",
        "fs:OsFileSystem.read_at",
    ),
    "write": ("fs:OsFileSystem.write_at",),
    "sync": (
        "fs:OsFileSystem.write_back",
        "fs:OsFileSystem.sync_data",
        "fs:OsFileSystem.sync_all",
        "fs:OsFileSystem.sync_directory",
    ),
    "index": (
        "index:Index.mark",
        "index:Index.tell",
        "index:Index.evidence",
        "catalog:Catalog.account",
        "views:shortened",
        "views:summary_of",
    ),
}
REST = "rest"
_ABSORBING = {"index"}
_BLOCK_MAX = 10
NEW = "new sessions"
"""What a column of the table is called that is no peer."""


class Stopwatch:
    """Charges time to the innermost stage that is running."""

    def __init__(self) -> None:
        """Charge nobody."""
        self.spent: dict[str, int] = {}
        self._running: list[str] = []
        self._since = 0

    def begin(self, stage: str) -> None:
        """Charge the stage that runs until now, and *stage* from now on."""
        now = time.perf_counter_ns()
        if self._running:
            self._charge(now)
            if self._running[-1] in _ABSORBING:
                stage = self._running[-1]
        self._running.append(stage)
        self._since = now

    def end(self) -> None:
        """Charge the innermost stage and go back to the one around it."""
        now = time.perf_counter_ns()
        self._charge(now)
        self._running.pop()
        self._since = now

    def _charge(self, now: int) -> None:
        """Charge the innermost stage."""
        stage = self._running[-1]
        self.spent[stage] = self.spent.get(stage, 0) + now - self._since

    def around(self, stage: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return *function* charged to *stage*."""

        @functools.wraps(function)
        def charged(*arguments: Any, **options: Any) -> Any:
            self.begin(stage)
            try:
                return function(*arguments, **options)
            finally:
                self.end()

        return charged


class Wrapping:
    """The wrapped functions, to be put in place and taken out again."""

    def __init__(self, stopwatch: Stopwatch) -> None:
        """Find every function and everything that refers to it."""
        self.absent: list[str] = []
        self._places: list[tuple[Any, str, Any, Any]] = []
        for stage, names in STAGES.items():
            for name in names:
                places = list(_places_of(name))
                if not places:
                    self.absent.append(name)
                for owner, attribute, original in places:
                    wrapped = _wrapped(original, functools.partial(stopwatch.around, stage))
                    self._places.append((owner, attribute, original, wrapped))

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Wrap, and unwrap afterwards."""
        try:
            for owner, attribute, _, wrapped in self._places:
                setattr(owner, attribute, wrapped)
            yield
        finally:
            for owner, attribute, original, _ in self._places:
                setattr(owner, attribute, original)


def _places_of(name: str) -> Iterator[tuple[Any, str, Any]]:
    """Yield owner, attribute and value of every place that refers to a function of the package."""
    module_name, _, path = name.partition(":")
    try:
        module = importlib.import_module(f"eventstore.{module_name}")
    except ModuleNotFoundError:
        return
    holder, _, attribute = path.rpartition(".")
    if holder:
        owner = getattr(module, holder, None)
        if owner is not None and attribute in vars(owner):
            yield owner, attribute, vars(owner)[attribute]
        return
    function = getattr(module, attribute, None)
    if function is None:
        return
    for other in [m for n, m in sys.modules.items() if n.partition(".")[0] == "eventstore"]:
        for known, value in list(vars(other).items()):
            if value is function:
                yield other, known, function


def _wrapped(original: Any, around: Callable[[Callable[..., Any]], Any]) -> Any:
    """Return a function, a property or a cached property with its function wrapped."""
    if isinstance(original, property):
        assert original.fget is not None, "a property is read"
        return property(around(original.fget))
    if isinstance(original, functools.cached_property):
        cached: Any = functools.cached_property(around(original.func))
        cached.__set_name__(None, original.attrname)
        return cached
    return around(original)


def run(context: Context) -> dict[str, Any]:
    """Measure the stages of saves: given models, given one dict, and of new sessions."""
    turns, new = context.sizes.grown, context.sizes.block
    given = {}
    for name, most in ((OURS, 200), (OURS_DICT, 60)):
        count = min(turns // 2, most)
        given[name] = _measure(context, name, _grown(name, turns, count), count)
    given[NEW] = _measure(context, OURS, _new(new), new)
    return {"turns": turns, "given": given}


def _grown(name: str, turns: int, count: int) -> Iterator[tuple[Turn, bool]]:
    """Yield the turns of one session that are to be saved; the last *count* of them count."""
    for turn in MadeSession("bench", turns).turns():
        if turn.number >= turns - count:
            yield turn, True
        elif name == OURS or turn.number == turns - count - 1:
            yield turn, False


def _new(count: int) -> Iterator[tuple[Turn, bool]]:
    """Yield the only turns of small sessions; the last *count* of them count."""
    for number, turn in enumerate(small_sessions(0, 2 * count)):
        yield turn, number >= count


def _measure(
    context: Context, name: str, turns: Iterator[tuple[Turn, bool]], count: int
) -> dict[str, Any]:
    """Measure *count* saves, beside the floor."""
    block = min(_BLOCK_MAX, count // 2)
    stopwatch = Stopwatch()
    plain: Times = {}
    floors: Times = {}
    wrapped: Times = {}
    stages: list[dict[str, int]] = []
    counted = 0
    with (
        context.scratch("stages") as folder,
        context.only(name, FLOOR).opened(folder) as (ours, floor),
    ):
        wrapping = Wrapping(stopwatch)
        for turn, counts in turns:
            if not counts:
                ours.save(turn)
                continue
            floors[counted] = _timed(floor, turn)
            if counted // block % 2:
                plain[counted] = _timed(ours, turn)
            else:
                stopwatch.spent.clear()
                with wrapping.in_place():
                    wrapped[counted] = _timed(ours, turn)
                spent = dict(stopwatch.spent)
                spent[REST] = wrapped[counted] - sum(spent.values())
                stages.append(spent)
            counted += 1
    return {
        "saves": len(stages),
        "save": microseconds(plain),
        "save_to_floor": ratio(plain, floors),
        "wrapping_overhead": round(
            statistics.median(wrapped.values()) / statistics.median(plain.values()), 3
        ),
        "not_found": wrapping.absent,
        "share": {stage: _share(stages, stage) for stage in (*STAGES, REST)},
    }


def _timed(peer: Any, turn: Turn) -> int:
    """Save, and return how long it took."""
    start = time.perf_counter_ns()
    peer.save(turn)
    return time.perf_counter_ns() - start


def _share(stages: list[dict[str, int]], stage: str) -> list[float]:
    """Return the quartiles of a stage's share of a save."""
    shares = [spent.get(stage, 0) / sum(spent.values()) for spent in stages]
    return [round(share, 4) for share in quartiles(shares)]


def lines(found: dict[str, Any]) -> list[str]:
    """Return the table as people read it."""
    said = [f"share of a save at {found['turns']} turns, median (quartiles)"]
    names = list(found["given"])
    said.append("".join(f"{name:>26}" for name in ("stage", *names)))
    for stage in (*STAGES, REST):
        shares = (found["given"][name]["share"][stage] for name in names)
        cells = (f"{m:>10.1%} ({low:.1%}-{high:.1%})" for low, m, high in shares)
        said.append(f"{stage:>26}" + "".join(f"{cell:>26}" for cell in cells))
    for name in names:
        given = found["given"][name]
        said.append(
            f"{name}: save / floor {given['save_to_floor']['ratio']}, with the wrapping a save "
            f"takes {given['wrapping_overhead']} times as long; not found: "
            f"{', '.join(given['not_found']) or 'none'}"
        )
    return said
