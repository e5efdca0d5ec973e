"""Prunes in the background: one at a time, in a thread that ends when nothing is waiting."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from eventstore.errors import BackendError, EventStoreError
from eventstore.models.oxios_pruning import PruneConfig

REPORTS_MAX = 64

_logger = logging.getLogger("eventstore")
_Report = TypeVar("_Report")


class Background(Generic[_Report]):
    """Runs requests in their order; one that is waiting already is not taken twice."""

    def __init__(
        self,
        run: Callable[[PruneConfig], _Report],
        report_of: Callable[[EventStoreError], _Report],
        failure: Callable[[_Report], str | None],
    ) -> None:
        """Run requests with *run*; *report_of* makes a report of its error.

        *failure* says what is to be logged of a report.
        """
        self._run_one = run
        self._report_of = report_of
        self._failure = failure
        self._guard = threading.Lock()
        self._waiting: dict[PruneConfig, None] = {}
        self._reports: deque[_Report] = deque(maxlen=REPORTS_MAX)
        self._thread: threading.Thread | None = None

    def request(self, config: PruneConfig) -> None:
        """Run a request soon."""
        with self._guard:
            self._waiting[config] = None
            # A thread that is not alive was the parent's, before a fork.
            if self._thread is None or not self._thread.is_alive():
                self._start()

    def wait(self) -> list[_Report]:
        """Wait until nothing runs, and return the reports since the last call."""
        self.join()
        with self._guard:
            reports = list(self._reports)
            self._reports.clear()
            return reports

    def join(self) -> None:
        """Wait until nothing runs."""
        thread = self._thread
        while thread is not None and thread.is_alive():
            thread.join()
            thread = self._thread

    def _start(self) -> None:
        """Start the thread; where there can be none, what waits stays for the next request."""
        thread = threading.Thread(target=self._run, name="eventstore-prune")
        try:
            thread.start()
        except RuntimeError:
            error = BackendError("no thread can be started", hint="prune again")
            self._reports.append(self._told(self._report_of(error)))
        else:
            self._thread = thread

    def _run(self) -> None:
        """Run requests until none is waiting."""
        while True:
            with self._guard:
                if not self._waiting:
                    self._thread = None
                    return
                config = next(iter(self._waiting))
                del self._waiting[config]
            report = self._report(config)
            with self._guard:
                self._reports.append(report)

    def _report(self, config: PruneConfig) -> _Report:
        """Run one request and return its report, whatever became of it."""
        try:
            report = self._run_one(config)
        except EventStoreError as error:
            report = self._report_of(error)
        return self._told(report)

    def _told(self, report: _Report) -> _Report:
        """Log what failed, and return the report."""
        failure = self._failure(report)
        if failure is not None:
            _logger.warning("pruning in the background failed: %s", failure)
        return report
