"""The files that the real programs wrote are read and written again, byte for byte."""

import re
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter

from eventstore.models.a3s import (
    ArtifactStore,
    RunRecord,
    SessionData,
    SessionSnapshotV1,
    TraceEvent,
    VerificationReport,
    validate_invariants,
)

GOLDEN = Path(__file__).resolve().parents[3] / "shared" / "golden"
STORES = sorted(GOLDEN.glob("a3s-code-*/store")) if GOLDEN.is_dir() else []
PARTS: dict[str, tuple[str, Any]] = {
    "session": ("*.json", SessionData),
    "artifacts": ("artifacts/*/artifacts.json", ArtifactStore),
    "traces": ("traces/*.json", tuple[TraceEvent, ...]),
    "runs": ("runs/*.json", tuple[RunRecord, ...]),
    "verification": ("verification/*.json", tuple[VerificationReport, ...]),
}
FILES = [
    pytest.param(path, kind, id=f"{store.parent.name}/{path.relative_to(store)}")
    for store in STORES
    for pattern, kind in PARTS.values()
    for path in sorted(store.glob(pattern))
]
pytestmark = pytest.mark.skipif(not STORES, reason="the golden stores are not on this machine")

TOKEN = re.compile(rb'("(?:[^"\\]|\\.)*")|\s+')


def compact(text: bytes) -> bytes:
    """Return JSON text without the whitespace between its tokens."""
    return TOKEN.sub(lambda match: match[1] or b"", text)


@pytest.mark.parametrize(("path", "kind"), FILES)
def test_reading_and_writing_a_golden_file_changes_no_byte(path: Path, kind: Any) -> None:
    """Every stored document is re-emitted exactly, whitespace aside."""
    adapter = TypeAdapter(kind)
    text = path.read_bytes()
    assert adapter.dump_json(adapter.validate_json(text)) == compact(text)


@pytest.mark.parametrize("store", STORES, ids=lambda store: store.parent.name)
def test_nothing_is_remembered_for_documents_of_the_usual_shape(store: Path) -> None:
    """A session in upstream's own shape equals its twin in spelling too."""
    for path in store.glob("*.json"):
        session = SessionData.model_validate_json(path.read_bytes())
        assert "_keys" not in session.__dict__
        assert "_keys" not in session.config.__dict__
        assert not any("_keys" in message.__dict__ for message in session.messages)


@pytest.mark.parametrize("store", STORES, ids=lambda store: store.parent.name)
def test_golden_runs_meet_the_invariants_of_later_versions(store: Path) -> None:
    """A snapshot made from golden files is one that 9.x would load and fork."""
    for path in store.glob("*.json"):
        session = SessionData.model_validate_json(path.read_bytes())
        runs = TypeAdapter(tuple[RunRecord, ...]).validate_json(
            (store / "runs" / path.name).read_bytes()
        )
        validate_invariants(runs, session.id)
        fork = SessionSnapshotV1(session=session, run_records=runs).fork_for_session("new", "/w")
        assert {run.snapshot.session_id for run in fork.run_records} <= {"new"}
