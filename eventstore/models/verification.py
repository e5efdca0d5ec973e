"""Verification: what was checked, with what outcome, and what risk remains."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Final, Self

from pydantic import Field

from eventstore.models.layout import OMIT, REQUIRED
from eventstore.models.record import Flag, Record, Size, Text

VERIFICATION_REPORT_SCHEMA: Final = "a3s.verification_report.v1"


class VerificationStatus(StrEnum):
    """The outcome of a check, or of all checks of a report."""

    PASSED = "passed"
    FAILED = "failed"
    NEEDS_REVIEW = "needs_review"
    SKIPPED = "skipped"


_PENDING = (VerificationStatus.NEEDS_REVIEW, VerificationStatus.SKIPPED)


class VerificationCheck(Record):
    """One thing that was, or has to be, checked."""

    id: Text
    kind: Text
    description: Text
    status: Annotated[VerificationStatus, REQUIRED] = VerificationStatus.NEEDS_REVIEW
    required: Flag = False
    suggested_tools: Annotated[tuple[Text, ...], OMIT] = ()
    evidence_uris: Annotated[tuple[Text, ...], OMIT] = ()
    residual_risk: Annotated[Text | None, OMIT] = None

    @classmethod
    def new_required(cls, id: str, kind: str, description: str) -> VerificationCheck:
        """Return a check that must pass, not yet done."""
        return cls(id=id, kind=kind, description=description, required=True)

    @classmethod
    def new_optional(cls, id: str, kind: str, description: str) -> VerificationCheck:
        """Return a check that may be left undone."""
        return cls(id=id, kind=kind, description=description)

    def with_status(self, status: VerificationStatus | str) -> Self:
        """Return a copy with this outcome."""
        return self.model_copy(update={"status": status})

    @property
    def is_pending(self) -> bool:
        """Whether the check must pass and has not been decided."""
        return self.required and self.status in _PENDING


class VerificationReport(Record):
    """All checks of one subject, and the outcome that follows from them."""

    schema_name: Annotated[Text, REQUIRED] = Field(
        default=VERIFICATION_REPORT_SCHEMA, alias="schema"
    )
    subject: Text
    status: Annotated[VerificationStatus, REQUIRED] = VerificationStatus.SKIPPED
    checks: Annotated[tuple[VerificationCheck, ...], REQUIRED] = ()
    residual_risks: Annotated[tuple[Text, ...], OMIT] = ()
    effect_digest: Annotated[Text | None, OMIT] = None

    @classmethod
    def new(
        cls,
        subject: str,
        checks: Iterable[VerificationCheck],
        residual_risks: Iterable[str] = (),
    ) -> VerificationReport:
        """Return a report whose status follows from its checks and risks."""
        checks, risks = tuple(checks), tuple(residual_risks)
        status = status_of(checks, risks)
        return cls(subject=subject, status=status, checks=checks, residual_risks=risks)

    @property
    def is_pending(self) -> bool:
        """Whether the report, one of its checks, or a risk noted on a check awaits a decision."""
        return self.status == VerificationStatus.NEEDS_REVIEW or any(
            check.is_pending or check.residual_risk is not None for check in self.checks
        )

    @property
    def has_failed(self) -> bool:
        """Whether the report or one of its checks failed."""
        failed = VerificationStatus.FAILED
        return self.status == failed or any(check.status == failed for check in self.checks)


class VerificationSummary(Record):
    """The reports of a session, counted."""

    status: Annotated[VerificationStatus, REQUIRED] = VerificationStatus.SKIPPED
    report_count: Annotated[Size, REQUIRED] = 0
    required_check_count: Annotated[Size, REQUIRED] = 0
    pending_required_check_count: Annotated[Size, REQUIRED] = 0
    failed_check_count: Annotated[Size, REQUIRED] = 0
    residual_risk_count: Annotated[Size, REQUIRED] = 0
    pending_subjects: Annotated[tuple[Text, ...], OMIT] = ()
    failed_subjects: Annotated[tuple[Text, ...], OMIT] = ()

    @classmethod
    def from_reports(cls, reports: Iterable[VerificationReport]) -> VerificationSummary:
        """Count the checks, risks and open subjects of *reports*."""
        reports = tuple(reports)
        checks = [check for report in reports for check in report.checks]
        pending = {report.subject for report in reports if report.is_pending}
        failed = {report.subject for report in reports if report.has_failed}
        return cls(
            status=_status_of_all(reports, bool(pending), bool(failed)),
            report_count=len(reports),
            required_check_count=sum(check.required for check in checks),
            pending_required_check_count=sum(check.is_pending for check in checks),
            failed_check_count=sum(check.status == VerificationStatus.FAILED for check in checks),
            residual_risk_count=sum(len(report.residual_risks) for report in reports)
            + sum(check.residual_risk is not None for check in checks),
            pending_subjects=tuple(sorted(pending)),
            failed_subjects=tuple(sorted(failed)),
        )


def status_of(
    checks: Iterable[VerificationCheck], residual_risks: Iterable[str]
) -> VerificationStatus:
    """Return the outcome that *checks* and *residual_risks* add up to."""
    checks, risks = tuple(checks), tuple(residual_risks)
    if any(check.status == VerificationStatus.FAILED for check in checks):
        return VerificationStatus.FAILED
    if risks or any(check.is_pending for check in checks):
        return VerificationStatus.NEEDS_REVIEW
    return VerificationStatus.PASSED if checks else VerificationStatus.SKIPPED


def _status_of_all(
    reports: tuple[VerificationReport, ...], is_pending: bool, has_failed: bool
) -> VerificationStatus:
    """Return the outcome of *reports* together."""
    if has_failed:
        return VerificationStatus.FAILED
    if is_pending or any(report.residual_risks for report in reports):
        return VerificationStatus.NEEDS_REVIEW
    return VerificationStatus.PASSED if reports else VerificationStatus.SKIPPED
