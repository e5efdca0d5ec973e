"""The decoders, fuzzed with the guidance of coverage for a while: `python -m pytest -m fuzz`."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.targets import MEMORY_MAX, Target, targets

ROOT = Path(__file__).resolve().parents[2]
SECONDS = int(os.environ.get("EVENTSTORE_FUZZ_SECONDS", "10"))
INTERPRETER_SIZE = 512


@pytest.mark.fuzz
@pytest.mark.parametrize("target", targets(), ids=lambda target: target.name.replace(" ", "-"))
def test_no_branch_lets_anything_through(target: Target, tmp_path: Path) -> None:
    """Inputs that find new branches of a decoder find no untyped error, hang or flood."""
    pytest.importorskip("atheris")
    for number, example in enumerate(target.examples):
        (tmp_path / str(number)).write_bytes(example)
    command = [sys.executable, "-m", "tests.fuzz.guided", target.name, str(tmp_path)]
    memory = INTERPRETER_SIZE + MEMORY_MAX // 2**20
    limits = [f"-max_total_time={SECONDS}", "-timeout=10", f"-rss_limit_mb={memory}", "-seed=1"]
    done = subprocess.run(
        [*command, *limits, f"-artifact_prefix={tmp_path}/"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "DONE" in done.stderr or "Done" in done.stderr
