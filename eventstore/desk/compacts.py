"""Compacting: the same history in fewer bytes, and less of it where that is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from eventstore.commit import Version
from eventstore.compact import CompactedLog, Order, compact
from eventstore.desk.base import StoreBase
from eventstore.desk.waiting import AsyncBase
from eventstore.errors import InvalidInputError
from eventstore.input import remarks
from eventstore.log import Log
from eventstore.thinning import Policy, Then

Progress = Callable[[str, int, int], None]
"""Is told which session is worked on, and bytes done and in all."""


@dataclass(frozen=True, slots=True)
class CompactReport:
    """What a compaction did, or would do: bytes of all logs before and after, states dropped."""

    logs: tuple[CompactedLog, ...]
    dry_run: bool

    @property
    def before(self) -> int:
        """Bytes of the logs before."""
        return sum(log.before for log in self.logs)

    @property
    def after(self) -> int:
        """Bytes of the logs after."""
        return sum(log.after for log in self.logs)

    @property
    def dropped(self) -> int:
        """States dropped from all logs."""
        return sum(log.dropped for log in self.logs)


class Compacts(StoreBase):
    """What makes logs smaller."""

    def compact(
        self,
        ids: Iterable[str] | None = None,
        *,
        dry_run: bool = False,
        keep_last: int | None = None,
        keep_days: int | None = None,
        then: Then | None = None,
        actor: str | None = None,
        note: str | None = None,
        progress: Progress | None = None,
    ) -> CompactReport:
        """Repack the logs of some sessions, or of all, in fewer bytes; report what became of each.

        No commit, address, version or state changes, unless states are to be dropped: kept are
        the newest, those of the last *keep_last* versions and *keep_days* days, and *then* the
        last of each `hour` or `day`. Each log that is changed gets a version that says so. With
        *dry_run* nothing is written. Readers and writers need not stop.
        Raises `InvalidInputError`, `DurabilityError`; a damaged log is left alone and reported.
        """
        order = Order(Policy(keep_last, keep_days, then), remarks(actor, note, None), dry_run)
        logs = [self._compactable(id) for id in self._compacted_ids(ids)]
        total = sum(self._backend.size(log.session) or 0 for log in logs)
        done, reports = 0, []
        for log in logs:
            start = done

            def told(size: int, session: str = log.session) -> None:
                nonlocal done
                done = min(done + size, total)
                if progress is not None:
                    progress(session, done, total)

            reports.append(self._compact(log, order, told))
            done = min(total, start + reports[-1].before)
        return CompactReport(tuple(reports), dry_run)

    def _compacted_ids(self, ids: Iterable[str] | None) -> list[str]:
        """Return the ids to compact, each once."""
        if isinstance(ids, str):
            raise InvalidInputError("is one string, not several ids", field="ids")
        return sorted(self._open_catalog().sessions()) if ids is None else list(dict.fromkeys(ids))

    def _compactable(self, id: str) -> Log:
        """Return the log of a session that was saved."""
        log = self._log(id)
        if self._backend.size(id) is None:
            raise InvalidInputError("there is no such session", session=id, field="id")
        return log

    def _compact(self, log: Log, order: Order, told: Callable[[int], None]) -> CompactedLog:
        """Compact one log, with the index told before and after."""
        if order.dry_run:
            return compact(self._backend, log, order, told)[0]
        reports = []

        def work() -> Version | None:
            report, version = compact(self._backend, log, order, told)
            reports.append(report)
            return version

        self._changed(log, work)
        return reports[0]


class AsyncCompacts(AsyncBase):
    """The same as coroutines."""

    async def compact(
        self,
        ids: Iterable[str] | None = None,
        *,
        dry_run: bool = False,
        keep_last: int | None = None,
        keep_days: int | None = None,
        then: Then | None = None,
        actor: str | None = None,
        note: str | None = None,
        progress: Progress | None = None,
    ) -> CompactReport:
        """Repack the logs of some sessions, or of all; *progress* is called in a thread."""
        return await self._wait(
            Compacts.compact,
            ids,
            dry_run=dry_run,
            keep_last=keep_last,
            keep_days=keep_days,
            then=then,
            actor=actor,
            note=note,
            progress=progress,
        )
