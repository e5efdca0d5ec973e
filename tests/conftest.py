"""What all tests share: hypothesis profiles, the folder of shared data, a store of each backend."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from eventstore import EventStore

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
