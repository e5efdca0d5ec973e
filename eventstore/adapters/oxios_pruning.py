"""Pruning: deleting old sessions with a reason in each log, and taking that back."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, replace

from eventstore.adapters.oxios_background import Background
from eventstore.adapters.oxios_sessions import SessionList, Sessions, Unreadable
from eventstore.commit import Version
from eventstore.errors import ConflictError, EventStoreError
from eventstore.models.moments import nanoseconds_of
from eventstore.models.oxios_pruning import PruneConfig, PruneThrottle
from eventstore.models.oxios_session import Session
from eventstore.store import EventStore

ACTOR = "prune"

_HOUR_NS = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class Pruned:
    """A session that was pruned, or would be, and why; `version` is the one that says so."""

    id: str
    reason: str
    updated_at: str
    version: int


@dataclass(frozen=True, slots=True)
class PruneReport:
    """What a prune did; with `dry_run`, what it would have done.

    `kept` were saved by somebody meanwhile, `failed` could not be deleted, `unreadable` have no
    time to go by. `error` is what ended the prune before it was done.
    """

    pruned: tuple[Pruned, ...] = ()
    kept: tuple[Unreadable, ...] = ()
    failed: tuple[Unreadable, ...] = ()
    unreadable: tuple[Unreadable, ...] = ()
    dry_run: bool = False
    error: EventStoreError | None = None

    @property
    def count(self) -> int:
        """How many sessions were pruned."""
        return len(self.pruned)

    @property
    def ok(self) -> bool:
        """Whether everything that was to be pruned was."""
        return self.error is None and not self.failed


@dataclass(frozen=True, slots=True)
class UndoReport:
    """Which sessions are back, and which were left as they are, and why."""

    restored: tuple[str, ...] = ()
    left: tuple[Unreadable, ...] = ()


class Pruning(Sessions):
    """The part of a state store that forgets old sessions, without losing them."""

    def __init__(self, store: EventStore) -> None:
        """Serve *store*."""
        super().__init__(store)
        self._background = Background(
            self.prune_sessions, lambda error: PruneReport(error=error), _failure
        )

    def prune_sessions(
        self,
        config: PruneConfig,
        *,
        dry_run: bool = False,
        actor: str = ACTOR,
    ) -> PruneReport:
        """Delete what is too old, then the oldest of what is too many; say what was done.

        Each log gets a version with *actor* and the reason, and `undo_prune` brings the sessions
        back. A session that somebody saves meanwhile is kept. What goes wrong with one session is
        in the report and stops no other. With *dry_run* nothing is written.
        """
        listed = self.list_sessions()
        due = tuple(_due(listed, config, time.time_ns()))
        planned = PruneReport(due, unreadable=listed.unreadable, dry_run=dry_run)
        return planned if dry_run else self._prune(planned, actor)

    def undo_prune(
        self, report: PruneReport, *, actor: str | None = None, note: str | None = None
    ) -> UndoReport:
        """Bring back the sessions of a prune, but for those that were changed since."""
        restored: list[str] = []
        left: list[Unreadable] = []
        for pruned in () if report.dry_run else report.pruned:
            try:
                head = self.store.version(pruned.id)
                if head is None or head.version != pruned.version:
                    left.append(Unreadable(pruned.id, "was changed after the prune"))
                    continue
                self.store.undelete(pruned.id, actor=actor, note=note)
                restored.append(pruned.id)
            except EventStoreError as error:
                left.append(Unreadable(pruned.id, str(error)))
        return UndoReport(tuple(restored), tuple(left))

    def save_session_with_prune(
        self,
        session: Session,
        prune_config: PruneConfig,
        *,
        throttle: PruneThrottle | None = None,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
    ) -> Version:
        """Save a session, then prune in the background if *throttle* lets it through.

        The save is durable once this returns. What became of the prune is told by
        `wait_for_prunes`, and logged as a warning if anything failed.
        """
        version = self.save_session(session, actor=actor, note=note, expected=expected)
        if throttle is None or throttle.should_prune():
            self._background.request(prune_config)
        return version

    def wait_for_prunes(self) -> list[PruneReport]:
        """Wait until no prune runs in the background; return the reports not yet returned.

        Of reports that nobody asks for, the latest 64 are kept.
        """
        return self._background.wait()

    def _prune(self, planned: PruneReport, actor: str) -> PruneReport:
        """Do what was planned."""
        done: list[Pruned] = []
        kept: list[Unreadable] = []
        failed: list[Unreadable] = []
        for pruned in planned.pruned:
            try:
                self.store.delete(
                    pruned.id, actor=actor, note=pruned.reason, expected=pruned.version - 1
                )
                done.append(pruned)
            except ConflictError:
                kept.append(Unreadable(pruned.id, "was saved by somebody meanwhile"))
            except EventStoreError as error:
                failed.append(Unreadable(pruned.id, str(error)))
        return replace(planned, pruned=tuple(done), kept=tuple(kept), failed=tuple(failed))


def _due(listed: SessionList, config: PruneConfig, now_ns: int) -> Iterator[Pruned]:
    """Yield what is to be pruned: first what is too old, then the oldest of what is too many."""
    oldest_ns = now_ns - config.ttl_hours * _HOUR_NS if config.ttl_hours else None
    left: list[Pruned] = []
    for summary, version in zip(listed.summaries, listed.versions, strict=True):
        stale = oldest_ns is not None and nanoseconds_of(summary.updated_at) < oldest_ns
        reason = (
            f"not updated for {config.ttl_hours} hours"
            if stale
            else f"not among the newest {config.max_sessions} sessions"
        )
        entry = Pruned(summary.id, reason, summary.updated_at, version + 1)
        if stale:
            yield entry
        else:
            left.append(entry)
    if config.max_sessions:
        yield from reversed(left[config.max_sessions :])


def _failure(report: PruneReport) -> str | None:
    """Return what is to be logged of a report, None if all went well."""
    if report.error is not None:
        return str(report.error)
    if report.failed:
        first = report.failed[0]
        return f"{len(report.failed)} sessions stay, first {first.id!r}: {first.reason}"
    return None
