"""The command that prints all numbers: what it counts, and when it fails."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash import proof
from tests.mutants.protocols import MUTANTS

ROOT = Path(__file__).resolve().parents[2]
FEW = {"states": 300, "stride": 50, "cuts": 1, "cut-seconds": 1, "fuzz-seconds": 1, "workers": 1}


def test_all_numbers_are_printed() -> None:
    """Every kind of trial has its line, with how many there were or why there were none."""
    few = [f"--{name}={value}" for name, value in FEW.items()]
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.proof", "states", "calls", "cuts", "fuzz", *few],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = dict(re.findall(r"^ *(\S.*?) {2,}(\S.*)$", done.stdout, re.M))
    assert int(rows["crash states explored"]) >= 300
    for name in ("system-call faults injected", "real power cuts survived"):
        count, _, why = rows[name].partition(" ")
        assert int(count) > 0 or why.strip(), rows
    assert int(rows["fuzz cases"]) > 0
    assert rows["violations"] == "0"


def test_a_mutant_that_survives_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A broken protocol that nothing found makes the command fail."""
    monkeypatch.setattr(proof, "MUTANTS", MUTANTS[:2])
    assert proof.main(["mutants", "--lives", "0", "--workers", "1"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"mutants killed +0 of 2", said)
    assert f"a broken protocol survives: {MUTANTS[1].name}" in said


def test_a_promise_that_is_broken_makes_it_fail(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What any kind of trial found is printed, counted, and is the exit code."""
    monkeypatch.setattr(proof, "fuzz", lambda seconds: (7, ["a decoder let something through"]))
    assert proof.main(["fuzz"]) == 1
    said = capsys.readouterr().out
    assert re.search(r"violations +1\na decoder let something through", said)
    assert re.search(r"fuzz cases +7", said)
