"""The backend contract: where logs live. Bytes below this line, policy above it.

A log is a run of bytes, appended to frame by frame and named by its session id; an entry is
numbered by the offset at which it starts, which is the size of everything before it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from eventstore.errors import BackendError
from eventstore.fs import FileSystem


class Readable(Protocol):
    """What logs can be read from."""

    def size(self, log: str) -> int | None:
        """Return the bytes of *log*, or None if there is no such log."""

    def read(self, log: str, start: int, stop: int) -> bytes:
        """Return the bytes from *start* to *stop*, fewer only where the log ends."""


class Rewriting(Readable, Protocol):
    """A log that is being written to take the place of another; nobody else sees it."""

    def append(self, data: bytes) -> None:
        """Add bytes at its end."""


class Backend(ABC):
    """Opaque frames in append-only logs; safe to call from several threads.

    Whatever the medium refuses is a `BackendError`; an unknown outcome is a `DurabilityError`.
    """

    name: str
    """What `EventStore.backend_name()` says, such as `file`."""

    store_id: str
    """What the store is known by wherever it lies, so that nothing of another is taken for its."""

    directory: Path | None
    """Where derived files such as the index may be kept, or None to keep them in memory."""

    fs: FileSystem
    """The file system that *directory* is on."""

    durable: bool
    """Whether `append` returns only when the bytes are durable; if not, `sync` makes them so."""

    @abstractmethod
    def size(self, log: str) -> int | None:
        """Return the bytes of *log*, or None if there is no such log."""

    @abstractmethod
    def read(self, log: str, start: int, stop: int) -> bytes:
        """Return the bytes from *start* to *stop*, fewer only where the log ends."""

    @abstractmethod
    def writing(self, log: str) -> AbstractContextManager[int]:
        """Hold the sole right to append to *log*, and give its present size (0 for a new one).

        Writers of other logs do not wait. Not reentrant.
        """

    @abstractmethod
    def append(
        self,
        log: str,
        position: int,
        frame: bytes,
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        """Store *frame* at offset *position*; durable once this returns. Call inside `writing`.

        *meanwhile* is called when the bytes are on their way, so that its time is the medium's;
        nobody may see what it does before this returns, because they may not arrive.
        Its last byte must not be zero: zeros behind a log are space and no part of it.
        Raises `ConflictError` unless *position* is the end of the log. Repeating the
        last append with the same bytes succeeds, so a lost reply can be retried.
        """

    @abstractmethod
    def epoch(self, log: str) -> int:
        """Return a number that is another whenever *log* may have been replaced; asks no medium.

        Where it is the same before and after some reads, they were all of one and the same log.
        It may be another although nothing was replaced, and is 0 only for a log that was not
        there when it was last looked for.
        """

    @abstractmethod
    def rewriting(self, log: str) -> AbstractContextManager[Rewriting]:
        """Hold the sole right to replace *log*, and give an empty place for its rewriting.

        Nobody is kept from reading the log or adding to it. What was not made the log by
        `replace` is gone afterwards, and so is what a crash left of an earlier attempt.
        """

    @abstractmethod
    def replace(self, log: str, rewriting: Rewriting, end: int) -> None:
        """Make *rewriting* the log, in one step and durable once this returns.

        Call inside `rewriting` and `writing`. Raises `ConflictError` unless the log ends at *end*.
        Whoever is reading may go on reading the old one, until `epoch` tells.
        """

    @abstractmethod
    def settle(self, log: str, *, entry: bool) -> None:
        """Make what is in *log* durable before it is shown, whoever wrote it.

        With *entry*, the log's own existence too.
        """

    @abstractmethod
    def cut(self, log: str, position: int) -> str:
        """Move the bytes from *position* on out of *log*; say where they are kept.

        Call inside `writing`. Only for bytes that were never acknowledged.
        """

    @abstractmethod
    def logs(self) -> Iterator[str]:
        """Yield the id of every session that has a log, in no particular order."""

    def strays(self) -> Iterator[tuple[str, str]]:
        """Yield what lies where logs are and is none: its place, and what is wrong with it."""
        return iter(())

    def set_aside(self, log: str, *, move: bool = False) -> str:
        """Keep a copy of *log*, durable once this returns; say where.

        With *move*, whatever stands in its place goes there instead, even if it is no log.
        """
        raise BackendError(f"a store in {self.name} keeps nothing aside", session=log)

    def elsewhere(self, log: str) -> list[str]:
        """Return the places where a log of that session lies that is not in its own place."""
        return []

    def put_back(self, log: str, place: str) -> None:
        """Make what lies at *place*, one of `elsewhere`, the log, where there is none."""
        raise BackendError(f"a store in {self.name} has nothing elsewhere", session=log)

    @abstractmethod
    def sync(self) -> dict[str, int]:
        """Make everything appended so far durable, where `append` does not already.

        Returns the logs that were not, and up to which offset each of them is now.
        """

    @abstractmethod
    def check(self) -> None:
        """Write, sync, read back and remove a probe; raise `BackendError` naming the step."""

    @abstractmethod
    def close(self) -> None:
        """Give back every resource; repeating it does nothing."""

    @abstractmethod
    def abandon(self) -> None:
        """Drop every handle in a forked child, leaving the parent's untouched."""
