"""Every system call of some work fails once or is the last: nothing acknowledged is ever lost."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.crash.sweep import WORKS, can_trace

ROOT = Path(__file__).resolve().parents[2]
STRIDE = 7
"""One fault in so many is injected in an ordinary run; the slow one leaves none out."""


def swept(work: str, stride: int) -> dict[str, int]:
    """Sweep in a process of its own, which forks; return how many runs had which outcome."""
    missing = can_trace()
    if missing:
        pytest.skip(missing)
    done = subprocess.run(
        [sys.executable, "-m", "tests.crash.sweep", "--stride", str(stride), "--json", work],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    outcomes: dict[str, int] = json.loads(done.stdout)
    return outcomes


@pytest.mark.parametrize("work", WORKS)
def test_a_fault_at_a_call_loses_nothing(work: str) -> None:
    """After a fault at any of some calls, the store is sound and the next save works."""
    outcomes = swept(work, STRIDE)
    # Each kind of fault was met: some runs went well in spite of it, some were killed.
    assert outcomes["acknowledged"] and outcomes["killed"], outcomes


@pytest.mark.slow
@pytest.mark.parametrize("work", WORKS)
def test_a_fault_at_every_call_loses_nothing(work: str) -> None:
    """After a fault at any call at all, the store is sound and the next save works."""
    outcomes = swept(work, 1)
    assert outcomes["acknowledged"] and outcomes["killed"], outcomes
    assert outcomes["refused"] or work == "verify", outcomes
