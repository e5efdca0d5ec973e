"""How one log stands: where it ends, what it is called, and what it was forked from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from eventstore.draft import Head
from eventstore.errors import CorruptError
from eventstore.log_history import LogHistory

_VERSION_MAX = 2**63 - 1


class Standing(NamedTuple):
    """Where a log ends, how far it is durable, its own id, and what it was forked from, if it was.

    For the index, which nobody trusts: what it was forked from is not proven.
    """

    end: int
    settled: int
    log: str
    origin_log: str
    origin_version: int


class LogStanding(LogHistory):
    """A log that can say how it stands, without asking the medium for what is known."""

    _origin: tuple[str, int] | None = None

    @property
    def id(self) -> str:
        """The log's own id; empty for an empty log."""
        head = self._head or self.head()
        return "" if head is None else head.entry.commit.log

    @property
    def standing(self) -> Standing:
        """How the log stands now."""
        head = self._head or self.head()
        if head is None:
            return Standing(0, self.settled, "", "", 0)
        origin = self._origin
        if origin is None:
            with self._guard:
                origin = self._origin = _origin(self._first_ref(head))
        return Standing(head.end, self.settled, head.entry.commit.log, *origin)

    def _first_ref(self, head: Head) -> Mapping[str, Any] | None:
        """Return what the first commit refers to, if it is a fork and can be read."""
        try:
            entry = head.entry if head.version == 1 else self._frames.outline(0, head.genesis)
        except CorruptError:
            return None
        return entry.commit.ref if entry.commit.kind == "fork" else None


def _origin(ref: Mapping[str, Any] | None) -> tuple[str, int]:
    """Return the log and the version that a first commit refers to; `""` and 0 for none."""
    log, version = (ref or {}).get("log"), (ref or {}).get("seq")
    if isinstance(log, str) and type(version) is int and 0 < version <= _VERSION_MAX:
        return log, version
    return "", 0
