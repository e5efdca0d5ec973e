"""What all tests share: hypothesis profiles, the folder of shared data, a store of each backend."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from eventstore import EventStore
from tests.second_reader import read_log

SECOND_READER_SIZE_MAX = 4 * 1024 * 1024
"""Larger logs are left to the first reader: the second is plain, not fast."""

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    # A shell starts what runs in its background so, and the programs under test would inherit it.
    signal.signal(signal.SIGINT, signal.default_int_handler)

settings.register_profile("quick", max_examples=25, deadline=None)
settings.register_profile(
    "ci", max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.register_profile("deep", max_examples=2000, deadline=None)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "quick"))


@pytest.fixture
def shared() -> Path:
    """The folder of golden directories and real sessions, beside the project's own."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not (folder / "golden").is_dir():
        pytest.skip("the folder of golden directories and real sessions is not here")
    return folder


@pytest.fixture(params=["memory", "file"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Where a store of each backend can be opened."""
    return "memory://" if request.param == "memory" else str(tmp_path / "store")


@pytest.fixture
def store(location: str) -> Iterator[EventStore]:
    """An open store of each backend."""
    with EventStore.open(location) as opened:
        yield opened


@pytest.fixture(autouse=True)
def _second_reader(request: pytest.FixtureRequest) -> Iterator[None]:
    """Read every log a test leaves behind with the reader that shares no code with the package.

    Not those of `crash/` and of tests marked `damage`, which nobody should be able to read, nor
    those of `contract/`, whose frames are just bytes.
    """
    folder = request.getfixturevalue("tmp_path") if "tmp_path" in request.fixturenames else None
    yield
    marked = request.node.get_closest_marker("damage")
    if folder is None or marked or request.node.path.parent.name in ("crash", "contract"):
        return
    for path in sorted(folder.rglob("logs/??/*.log")):
        data = path.read_bytes() if path.is_file() else b""
        if 0 < len(data) <= SECOND_READER_SIZE_MAX:
            read_log(data)
