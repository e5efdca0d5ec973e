"""The parts that a3s-code knows, and the types they load as."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from eventstore.models.a3s import ArtifactStore, RunRecord, TraceEvent, VerificationReport

ARTIFACTS = "artifacts"
TRACE_EVENTS = "trace_events"
RUN_RECORDS = "run_records"
VERIFICATION_REPORTS = "verification_reports"

PART_TYPES: dict[str, TypeAdapter[Any]] = {
    ARTIFACTS: TypeAdapter(ArtifactStore),
    TRACE_EVENTS: TypeAdapter(tuple[TraceEvent, ...]),
    RUN_RECORDS: TypeAdapter(tuple[RunRecord, ...]),
    VERIFICATION_REPORTS: TypeAdapter(tuple[VerificationReport, ...]),
}
"""How the states of the known parts are checked, written and read; other parts are plain JSON."""
