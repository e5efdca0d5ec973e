"""Thinning: which old states may go, by a policy. Commits, addresses and versions stay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from eventstore.errors import InvalidInputError
from eventstore.payload import Encoding, PartEntry
from eventstore.repack import Plan, StateKey

Then = Literal["hour", "day"]
"""Of older versions, the last of each hour or day of UTC is kept."""

_HOUR = 3600 * 10**9
_DAY = 24 * _HOUR
_BUCKETS: Mapping[str, int] = {"hour": _HOUR, "day": _DAY}


@dataclass(frozen=True, slots=True)
class Policy:
    """Keep the newest versions, those of the last days, and of older ones one per bucket.

    Raises `InvalidInputError` when made with what is none.
    """

    keep_last: int | None = None
    keep_days: int | None = None
    then: Then | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be meant."""
        for field, number in (("keep_last", self.keep_last), ("keep_days", self.keep_days)):
            if number is not None and (type(number) is not int or number < 1):
                raise InvalidInputError(f"{number!r} is not a positive whole number", field=field)
        if self.then is not None and self.then not in _BUCKETS:
            raise InvalidInputError(
                f"{self.then!r} is not one of {', '.join(_BUCKETS)}", field="then"
            )

    @property
    def keeps_all(self) -> bool:
        """Whether nothing was asked to go."""
        return self.keep_last is None and self.keep_days is None and self.then is None

    def as_dict(self) -> dict[str, Any]:
        """Return what was asked for."""
        fields = {"keep_last": self.keep_last, "keep_days": self.keep_days, "then": self.then}
        return {name: value for name, value in fields.items() if value is not None}

    def kept(self, versions: Sequence[Version], now: int) -> list[Version]:
        """Return those of *versions*, oldest first, that are kept at the time *now*."""
        recent = set() if self.keep_last is None else {v.seq for v in versions[-self.keep_last :]}
        since = None if self.keep_days is None else now - self.keep_days * _DAY
        last: dict[int, int] = {}
        if self.then is not None:
            last = {v.time // _BUCKETS[self.then]: v.seq for v in versions}
        chosen = recent | set(last.values())
        return [v for v in versions if v.seq in chosen or (since is not None and v.time >= since)]


@dataclass(frozen=True, slots=True)
class Version:
    """What thinning knows of a version: its time in nanoseconds, and where its states are."""

    seq: int
    time: int
    states: tuple[StateKey, ...]


class Planner:
    """Looks at all tables of a log, in their order, and plans how to repack it."""

    def __init__(self, policy: Policy) -> None:
        """Plan by *policy*."""
        self._policy = policy
        self._versions: list[Version] = []
        self._newest_live: Version | None = None
        self._referenced: set[StateKey] = set()
        self._decoded: dict[StateKey, int] = {}

    def add(self, seq: int, time: int, rows: Mapping[str, PartEntry]) -> None:
        """Look at the table of one version."""
        for name, row in rows.items():
            if row.encoding is Encoding.REFERENCE:
                self._referenced.add((name, row.holder))
            elif row.encoding is Encoding.DELTA:
                key = name, row.base
                self._decoded[key] = self._decoded.get(key, 0) + row.decoded_size
        if self._policy.keeps_all or not rows:
            return
        self._newest_live = Version(seq, time, tuple((n, row.holder) for n, row in rows.items()))
        if any(row.encoding is not Encoding.UNCHANGED for row in rows.values()):
            self._versions.append(self._newest_live)

    def plan(self, now: int, end: int) -> Plan:
        """Return the plan for a log that ends at *end*, thinning as of the time *now*.

        Kept is every state of a kept version and of the newest that has any, and every state that
        was made current again.
        """
        if self._policy.keeps_all:
            return Plan(None, self._referenced, self._decoded, end)
        kept = set(self._referenced)
        for version in self._policy.kept(self._versions, now):
            kept.update(version.states)
        if self._newest_live is not None:
            kept.update(self._newest_live.states)
        return Plan(kept, self._referenced, self._decoded, end)
