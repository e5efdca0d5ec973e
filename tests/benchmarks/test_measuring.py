"""What the benchmarks compute: ratios, stages, the states of real sessions, sizes, memory."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import memory, svg
from benchmarks.context import Context
from benchmarks.corpus import read_all
from benchmarks.peer import bytes_below
from benchmarks.quartiles import quartiles, ratio
from benchmarks.rounds import rotated
from benchmarks.sizes import QUICK
from benchmarks.stages import Stopwatch
from benchmarks.svg import Bar
from benchmarks.turns import MadeSession
from eventstore import SessionData

STATES = {
    "django-16560": 290,
    "basic-gui-mode": 11,
    "marshmallow-1867-function-calling": 22,
    "pydicom-1458": 23,
    "gpt-4o-airline-task44-trial3": 3,
    "gpt-4o-airline-task9-trial0": 26,
}


def test_a_ratio_is_of_medians_of_common_rounds() -> None:
    """Rounds that only one took part in do not count; quartiles are ours over their median."""
    ours = {0: 10, 1: 20, 2: 30, 3: 40, 4: 50, 5: 1_000_000}
    theirs = {-1: 1_000_000, 0: 5, 1: 10, 2: 10, 3: 20, 4: 50}
    assert ratio(ours, theirs) == {
        "ratio": 3.0, "low": 2.0, "high": 4.0, "count": 5, "paired": 2.0,
    }  # fmt: skip
    with pytest.raises(ValueError, match="no round in common"):
        ratio({0: 1}, {1: 1})


def test_quartiles_of_one_value_are_that_value() -> None:
    """A single measurement has no spread."""
    assert quartiles([7]) == [7, 7, 7]
    assert quartiles([1, 2, 3, 4, 5]) == [2, 3, 4]


def test_everybody_is_first_in_turn() -> None:
    """In as many rounds as there are peers, each begins once."""
    peers = ["a", "b", "c"]
    assert [rotated(peers, by)[0] for by in range(3)] == peers
    assert sorted(rotated(peers, 7)) == peers


def test_time_counts_for_the_innermost_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stage inside another takes its time away from it, but not from the index."""
    now = 0

    def clock() -> int:
        return now

    monkeypatch.setattr("benchmarks.stages.time.perf_counter_ns", clock)
    stopwatch = Stopwatch()
    steps = [("frame", 5), ("hash", 3), (None, 2), (None, 1), ("index", 7), ("write", 4)]
    for stage, spent in [*steps, (None, 6), (None, 0)]:
        if stage is None:
            stopwatch.end()
        else:
            stopwatch.begin(stage)
        now += spent
    assert stopwatch.spent == {"frame": 7, "hash": 3, "index": 17}


def test_a_made_session_is_one_session() -> None:
    """Model and document say the same after every turn, and any turn can be asked for later."""
    session = MadeSession("s", 6)
    kept = []
    for turn in session.turns():
        assert turn.model.model_dump(mode="json") == turn.document
        assert turn.document["messages"][-len(turn.new) :] == turn.new
        kept.append(SessionData.model_validate(turn.document).model_dump(mode="json"))
    assert [session.expected(number) for number in range(6)] == kept
    again = MadeSession("s", 6)
    assert [turn.new for turn in again.turns()][-1] == kept[-1]["messages"][-2:]


def test_real_sessions_have_the_states_that_are_known(shared: Path) -> None:
    """The readers of other programs' formats find every step, and each only adds messages."""
    folder = shared / "corpus"
    if not folder.is_dir():
        pytest.skip("the corpus is not here")
    found = {r.id: r for r in read_all(folder, 0) if not r.can_be_imported}
    assert {id: len(replay.states) for id, replay in found.items()} == STATES
    assert all(replay.only_grows for replay in found.values())


def test_holes_take_no_bytes(tmp_path: Path) -> None:
    """A file that is mostly a hole counts for what is in it."""
    (tmp_path / "below").mkdir()
    with open(tmp_path / "below" / "holes", "wb") as file:
        file.truncate(64 * 1024 * 1024)
        file.write(b"x" * 100)
        os.fsync(file.fileno())
    (tmp_path / "plain").write_bytes(b"y" * 10)
    assert 10 < bytes_below(tmp_path) <= 64 * 1024 + 10


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="the system does not tell")
def test_memory_counts_what_a_save_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A first save takes at least the state itself."""
    monkeypatch.setattr(memory, "WHEN", ("first",))
    context = Context(tmp_path, (), QUICK, tmp_path, lambda text: None)
    found = memory.measure(context, 60)
    assert found is not None
    assert found.keys() == {"model, first", "dict, first"}
    assert all(1 < growth < 50 for growth in found.values())


def test_charts_put_one_between_better_and_worse() -> None:
    """Bars start at 1, to the left for what is smaller, and names are escaped."""
    chart = svg.bars("a < b", "", [Bar("low", 0.1, 0.1, 0.1), Bar("high & up", 10, 9, 11)])
    rects = [line for line in chart.splitlines() if line.startswith("<rect x=")]
    low, high = (float(line.split("'")[1]) for line in rects)
    assert low < high
    assert "a &lt; b" in chart and "high &amp; up" in chart


def test_every_line_of_a_chart_is_labelled() -> None:
    """Each series has one line and one label."""
    series = {"one": [(10, 1.0), (100, 2.0)], "two": [(10, 1.0), (100, 2.0)]}
    chart = svg.lines("t", "", series, "one")
    assert chart.count("<polyline") == 2
    labels = [line for line in chart.splitlines() if ">one<" in line or ">two<" in line]
    assert len(labels) == 2
    assert labels[0].split("y='")[1] != labels[1].split("y='")[1]
