"""Making logs durable: one by one, together with other savers, or later on request."""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress

from eventstore.backends.founding import FORMAT
from eventstore.backends.layout import FileLayout
from eventstore.backends.log_file import LogFile
from eventstore.backends.log_files import LogFiles, refused
from eventstore.errors import DurabilityError, EventStoreError
from eventstore.fs import FileSystem

MODES = ("sync", "group", "unsafe_os")
"""How a save becomes durable: by itself, together with others, or when `sync` is called."""

_PATIENCE = 1.0
"""Seconds after which a saver looks for itself, lest an interrupt kept it from being told."""


class LogSyncs:
    """Syncs logs as its mode says. Safe to use from several threads."""

    def __init__(self, fs: FileSystem, layout: FileLayout, files: LogFiles, mode: str) -> None:
        """Sync the logs in *files*."""
        assert mode in MODES, "the caller checks what users pass"
        self._fs = fs
        self._layout = layout
        self._files = files
        self.durable = mode != "unsafe_os"
        self._guard = threading.Lock()
        self._turn = threading.Lock()
        self._later: dict[str, int] = {}
        # Open before anything is written, so that it is told of every error since.
        self._whole = -1
        try:
            can_share = mode != "sync" and self._can_share()
        except OSError as error:
            self.close()
            raise refused("open the store", None, error) from error
        self._sync_all = self._sync_whole if can_share else None
        self._group = Group(self._sync_all) if mode == "group" and self._sync_all else None

    def done(self, log: str, file: LogFile, *, entry: bool, end: int = 0) -> None:
        """Make *log* durable up to *end*, with *entry* its name too; or note it for later.

        A failed sync is never repeated, because a repeat can lie.
        """
        if not self.durable:
            with self._guard:
                self._later[log] = max(end, self._later.get(log, 0))
            return
        try:
            if self._group is None:
                self._sync_one(log, file, entry=entry)
            else:
                self._group.sync(file.fd, lambda: self._sync_one(log, file, entry=entry))
        except OSError as error:
            if not file.writable:
                return  # A medium mounted read-only has nothing left to sync.
            self._files.drop(log, pages=True)
            raise self._unclear(log, error) from error

    def all(self) -> dict[str, int]:
        """Make durable what was noted for later, and return up to where each log is so now.

        All of it that can be; the rest stays noted.
        Raises the first error, once every log was tried.
        """
        # One at a time: who finds nothing left to sync must not return before it is synced.
        with self._turn:
            with self._guard:
                later, self._later = self._later, {}
            noted = dict(later)
            try:
                self._all_of(later)
            finally:
                with self._guard:
                    for log, end in later.items():
                        self._later[log] = max(end, self._later.get(log, 0))
        return {log: end for log, end in noted.items() if end}

    def _all_of(self, later: dict[str, int]) -> None:
        """Sync some logs, each taken out of *later* once a try has shown what becomes of it."""
        if len(later) > 1 and self._sync_all is not None:
            log = min(later)
            try:
                self._sync_all(self._whole)
            except OSError as error:
                later.clear()
                raise self._unclear(log, error) from error
            later.clear()
        errors = []
        for log in sorted(later):
            try:
                self._one_of(later, log)
            except EventStoreError as error:
                errors.append(error)
        if errors:
            raise errors[0]

    def _one_of(self, later: dict[str, int], log: str) -> None:
        """Sync one log, which stays in *later* where it could not be tried."""
        with self._files.held(log) as file:
            if file is not None:
                try:
                    self._sync_one(log, file, entry=True)
                except OSError as error:
                    later.pop(log, None)
                    self._files.drop(log, pages=True)
                    raise self._unclear(log, error) from error
        later.pop(log, None)

    def _can_share(self) -> bool:
        """Open what the whole file system is synced through; whether that works here."""
        self._whole = self._fs.open(self._layout.directory / FORMAT)
        return self._fs.can_sync_all(self._whole)

    def _sync_one(self, log: str, file: LogFile, *, entry: bool) -> None:
        """Sync one log."""
        self._fs.sync_data(file.fd)
        if entry:
            self._layout.sync_entry(log)

    def _sync_whole(self, fd: int) -> None:
        """Sync the whole file system of the store, and the medium's cache through *fd*."""
        self._fs.sync_all(self._whole)
        # XFS flushes the cache for its journal only, which overwritten bytes may not have touched.
        self._fs.sync_data(fd)

    def close(self) -> None:
        """Give the descriptor back; repeating it does nothing."""
        whole, self._whole = self._whole, -1
        if whole >= 0:
            with suppress(OSError):  # Nothing was written through it.
                self._fs.close(whole)

    def _unclear(self, log: str, error: OSError) -> DurabilityError:
        """Return the error for a save that may or may not be durable."""
        return DurabilityError(
            f"the medium failed to sync ({error.strerror})",
            session=log,
            where=str(self._layout.path_of(log).relative_to(self._layout.directory)),
            hint="open the store again and load the session to see whether the save is there",
        )


class Group:
    """Lets savers that come while others sync share the next sync; one alone never waits."""

    def __init__(self, sync_all: Callable[[int], None]) -> None:
        """Make several durable with *sync_all*, which is given the descriptor of one of them."""
        self._sync_all = sync_all
        # Taken as itself: an interrupt on the way out of a condition would leave it held.
        self._guard = threading.RLock()
        self._changed = threading.Condition(self._guard)
        self._next = Batch()
        self._is_busy = False

    def sync(self, fd: int, alone: Callable[[], None]) -> None:
        """Return when what was written before this call is durable; *alone* syncs it by itself."""
        leads = False
        try:
            with self._guard:
                batch = self._next
                batch.count += 1
                while self._is_busy and not batch.is_done:
                    self._changed.wait(_PATIENCE)
                if not batch.is_done:
                    # Whoever comes first leads; those who come from now on are of the next batch.
                    self._next, leads = Batch(), True
                    self._is_busy = True
            if leads:
                self._lead(batch, fd, alone)
            elif batch.error is not None:
                raise batch.error
        finally:
            # From the moment it leads, an interrupt must not leave the others waiting.
            if leads:
                with self._guard:
                    batch.is_done, self._is_busy = True, False
                    self._changed.notify_all()

    def _lead(self, batch: Batch, fd: int, alone: Callable[[], None]) -> None:
        """Sync for a batch."""
        try:
            if batch.count == 1:
                alone()
            else:
                self._sync_all(fd)
        except OSError as error:
            batch.error = OSError(error.errno, error.strerror)
            raise
        batch.error = None


class Batch:
    """Savers who share one sync, which has failed until it is done."""

    def __init__(self) -> None:
        """Start with nobody."""
        self.count = 0
        self.is_done = False
        self.error: OSError | None = OSError(0, "the sync that was shared did not happen")
