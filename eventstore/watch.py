"""Watching: versions one after the other as they are committed, resumable by a cursor."""

from __future__ import annotations

import base64
import json
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from typing import Any

from eventstore.catalog import Catalog
from eventstore.commit import Version
from eventstore.errors import CorruptError, EventStoreError, InvalidInputError
from eventstore.feed import Run

INTERVAL_MIN = 0.005
INTERVAL_MAX = 0.5
"""Seconds between two looks: doubled while nothing comes, from the least to the most."""

_SHARE = 100
"""A look that took long is followed by a pause so many times as long, so that idling is cheap."""

PAUSE_MAX = 2.0
"""Seconds of a pause at most, however long the look took."""

_RUNS = 256
_WHOLE = 2**63 - 1


class Source(ABC):
    """Where a watch gets versions from. Not thread-safe."""

    @abstractmethod
    def next(self) -> Version | None:
        """Return the next version, or None if there is none yet."""

    @abstractmethod
    def mark(self) -> list[Any]:
        """Return the place behind the last version, as JSON values."""


class Watch(Iterator[Version]):
    """An iterator over versions that waits for those to come; for one thread at a time.

    A version that is damaged raises `CorruptError`, once: the next call goes on behind it.
    """

    def __init__(self, source: Source, *, wait: float | None) -> None:
        """Watch *source*, ending when nothing came for *wait* seconds (None: never)."""
        self._source = source
        self._wait = wait
        self._closed = threading.Event()
        self.interval = INTERVAL_MIN
        """Seconds to wait before it makes sense to `poll` again."""

    @property
    def cursor(self) -> str:
        """The place behind the last version that was returned: pass it as `after=` to go on there.

        It is text for this store only, and outlives the watch, the process and the machine's run.
        """
        return base64.urlsafe_b64encode(json.dumps(self._source.mark()).encode()).decode()

    def poll(self) -> Version | None:
        """Return the next version if there is one now; None does not end the watch."""
        if self._closed.is_set():
            return None
        before = time.monotonic()
        version = self._source.next()
        if version is not None:
            self.interval = INTERVAL_MIN
        else:
            took = time.monotonic() - before
            self.interval = max(min(2 * self.interval, INTERVAL_MAX), min(_SHARE * took, PAUSE_MAX))
        return version

    def left(self, since: float) -> float | None:
        """Return how long to wait before the next look; None if the watch is over by now."""
        if self._closed.is_set():
            return None
        if self._wait is None:
            return self.interval
        left = since + self._wait - time.monotonic()
        return min(self.interval, left) if left > 0 else None

    def __next__(self) -> Version:
        """Return the next version, waiting for it."""
        since = time.monotonic()
        while True:
            version = self.poll()
            if version is not None:
                return version
            pause = self.left(since)
            if pause is None:
                raise StopIteration
            self._closed.wait(pause)

    def close(self) -> None:
        """End the watch, from any thread; the cursor stays."""
        self._closed.set()

    def __repr__(self) -> str:
        """Say what is watched, and up to where."""
        return f"<{type(self).__name__} after {self.cursor}>"


class SessionSource(Source):
    """The versions of one session, straight from its log."""

    def __init__(self, catalog: Callable[[], Catalog], session: str, after: Any) -> None:
        """Begin behind *after*: a cursor, a version number, or the newest (None)."""
        self._catalog = catalog
        self._session = session
        self._store = catalog().store_id
        newest = catalog().log(session).newest_sound() or 0
        self._seen = newest if after is None else self._number(after, newest)

    def next(self) -> Version | None:
        """Look at the end of the log."""
        log = self._catalog().log(self._session)
        newest = log.newest_sound() or 0
        if newest < self._seen and log.damage is None:
            self._seen = newest  # A power cut took back what was never synced.
        if newest <= self._seen:
            return None
        try:
            version = log.version(self._seen + 1)
        except EventStoreError:
            self._seen += 1
            raise
        self._seen += 1
        return version

    def mark(self) -> list[Any]:
        """Name the session and the version."""
        return ["session", self._store, self._session, self._seen]

    def _number(self, after: Any, newest: int) -> int:
        """Return the version that *after* names."""
        if isinstance(after, str):
            kind, *_ = mark = _decoded(after, self._store)
            if kind != "session" or len(mark) != 4 or mark[2] != self._session:
                raise _refused("is a cursor of another watch", self._session)
            after = mark[3]
        if type(after) is not int or not 0 <= after <= newest:
            shown = f"there is no version {after}" if type(after) is int else "names no version"
            raise _refused(shown, self._session, f"it may be 0 to {newest}, or a watch's cursor")
        return int(after)


class StoreSource(Source):
    """The versions of all sessions, in the order of the feed."""

    def __init__(self, catalog: Callable[[], Catalog], after: Any) -> None:
        """Begin behind *after*: a cursor, 0 for the beginning, or what is there now (None)."""
        self._catalog = catalog
        self._store = catalog().store_id
        feed = catalog().feed
        end = feed.end()
        self._feed = feed.identity()
        self._runs: deque[Run] = deque()
        self._place, self._seen = self._start(after, end)

    def next(self) -> Version | None:
        """Take the next version of the feed, brought up to date where it ends."""
        run = self._run()
        if run is None:
            return None
        place, seen = run.place, self._seen + 1 if run.place == self._place else run.first
        try:
            version = self._catalog().log(run.session).version(seen)
        except EventStoreError:
            # What cannot be read is passed all the same, or nobody would ever get beyond it.
            self._place, self._seen = place, seen
            raise
        self._place, self._seen = place, seen
        return version

    def mark(self) -> list[Any]:
        """Name the feed, the place in it, and the version there."""
        return ["store", self._store, self._feed, self._place, self._seen]

    def _run(self) -> Run | None:
        """Return the run that the next version is in, None if there is none yet."""
        if self._runs and (self._runs[0].place, self._runs[0].last) == (self._place, self._seen):
            self._runs.popleft()
        if not self._runs and not self._fill():
            self._catalog().feed.catch_up()
            if not self._fill():
                return None
        return self._runs[0]

    def _fill(self) -> bool:
        """Fetch more of the feed; False if it ends here."""
        feed = self._catalog().feed
        runs = feed.runs(self._place, _RUNS)
        if feed.identity() != self._feed:
            raise CorruptError(
                "the feed of commits was lost, and with it the place of this watch",
                hint="watch again, with after=0 to see everything once more",
            )
        self._runs.extend(r for r in runs if r.place > self._place or r.last > self._seen)
        return bool(self._runs)

    def _start(self, after: Any, end: int) -> tuple[int, int]:
        """Return the place and the version there that *after* names."""
        if after is None:
            return end, _WHOLE
        if type(after) is int and after == 0:
            return 0, 0
        if not isinstance(after, str):
            raise _refused("names no place", None, "pass a watch's cursor, or 0 for the beginning")
        kind, *_ = mark = _decoded(after, self._store)
        if kind != "store" or len(mark) != 5:
            raise _refused("is a cursor of another watch", None)
        _, _, feed, place, seen = mark
        if feed != self._feed:
            hint = "begin again with after=0"
            raise _refused("is of a feed of commits that was lost", None, hint)
        if not all(type(number) is int and 0 <= number <= _WHOLE for number in (place, seen)):
            raise _refused("is not a watch's cursor", None)
        if place > end:
            raise _refused("is ahead of this store, which is an older copy", None)
        return place, seen


def _decoded(cursor: str, store: str) -> list[Any]:
    """Return what a cursor says, if it is one of this store."""
    try:
        mark = json.loads(base64.urlsafe_b64decode(cursor.encode()))
        is_cursor = isinstance(mark, list) and len(mark) >= 4 and isinstance(mark[0], str)
    except (ValueError, RecursionError):
        is_cursor = False
    if not is_cursor:
        raise _refused("is not a watch's cursor", None)
    if mark[1] != store:
        raise _refused("is a cursor of another store", None)
    found: list[Any] = mark
    return found


def _refused(reason: str, session: str | None, hint: str | None = None) -> InvalidInputError:
    """Return the error for an `after` that leads nowhere."""
    hint = hint or "pass the cursor of a watch of the same store and session, or leave it out"
    return InvalidInputError(reason, session=session, field="after", hint=hint)
