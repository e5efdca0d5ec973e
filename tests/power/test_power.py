"""Power cuts and failing writeback on real file systems; needs root, loop devices and their tools.

python -m pytest -m power
"""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.power.disk import MAKERS, missing

pytestmark = pytest.mark.power

ROOT = Path(__file__).resolve().parents[2]
DISKS = 3
"""How many disks of one kind lose their power at the same time: mounting is mostly waiting."""

SECONDS = 40
CUTS = 1200


@pytest.fixture(params=MAKERS)
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of file system that can be mounted here."""
    why = missing(request.param)
    if why:
        pytest.skip(f"no {request.param} on a loop device: {why}")
    return str(request.param)


def started(module: str, *arguments: str) -> subprocess.Popen[str]:
    """Start a job in a process of its own, which forks and mounts."""
    return subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_nothing_acknowledged_is_lost_when_the_power_goes(kind: str) -> None:
    """Cut off at any call, a store opens with all that was acknowledged, and goes on."""
    jobs = [
        started(
            "tests.power.cuts",
            *("--cuts", str(CUTS // DISKS), "--seconds", str(SECONDS), "--seed", str(seed), kind),
        )
        for seed in range(1, DISKS + 1)
    ]
    said = [job.communicate()[0] for job in jobs]
    assert [job.returncode for job in jobs] == [0] * DISKS, "\n".join(said)
    done = sum(int(re.search(r"power cuts on \w+ (\d+)", text)[1]) for text in said)
    sys.stdout.write("".join(said))
    assert done >= DISKS


def test_nothing_acknowledged_is_lost_when_writeback_fails(kind: str) -> None:
    """Syncs that fail, and later ones that succeed, leave all that was acknowledged."""
    job = started("tests.power.starve", "--rounds", "5", kind)
    said, _ = job.communicate()
    assert job.returncode == 0, said
    sys.stdout.write(said)
    assert " unclear" in said, "no sync failed, so nothing was tried"
