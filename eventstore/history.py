"""A history: which versions of a session somebody wants to see, page by page."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eventstore.at import moment
from eventstore.commit import KINDS, Version, check_part_name
from eventstore.errors import InvalidInputError
from eventstore.input import check_text, nanoseconds
from eventstore.log_history import LogHistory, Place

LIMIT_MAX = 100_000
"""Versions that one page may hold."""

_CURSOR = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})\Z")
_TEXT_SIZE_MAX = 1024


@dataclass(frozen=True, slots=True)
class HistoryPage:
    """Some versions of a longer history; pass `next` as `after=` for those that follow.

    `changes` says of each version in a few words what changed, if that was asked for.
    """

    items: tuple[Version, ...]
    next: str | None
    changes: tuple[str, ...] | None = None

    def __iter__(self) -> Iterator[Version]:
        """Iterate over the versions of this page."""
        return iter(self.items)

    def __len__(self) -> int:
        """Count the versions of this page."""
        return len(self.items)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which versions are wanted: all of these must hold; times are nanoseconds, inclusive."""

    part: str | None = None
    actor: str | None = None
    kind: str | None = None
    since: int | None = None
    until: int | None = None

    def has(self, version: Version) -> bool:
        """Whether a version is one of them."""
        part = None if self.part is None else version.parts.get(self.part)
        return (
            (self.part is None or (part is not None and part.changed))
            and (self.actor is None or version.actor == self.actor)
            and (self.kind is None or version.kind == self.kind)
            and (self.since is None or version.time >= self.since)
            and (self.until is None or version.time <= self.until)
        )


def wanted(
    part: str | None,
    actor: str | None,
    kind: str | None,
    since: datetime | str | None,
    until: datetime | str | None,
) -> Wanted:
    """Return the filter that these arguments mean; raise `InvalidInputError` for bad ones."""
    if part is not None:
        check_part_name(part)
    if actor is not None:
        check_text("actor", actor, _TEXT_SIZE_MAX)
    if kind is not None and kind not in KINDS:
        shown = kind if isinstance(kind, str) else type(kind).__name__
        raise InvalidInputError(
            f"{shown[:80]!r} is no kind of version",
            field="kind",
            hint=f"kinds are {', '.join(sorted(KINDS))}",
        )
    first, last = _limit("since", since), _limit("until", until)
    if first is not None and last is not None and first > last:
        raise InvalidInputError("is after until", field="since", hint="swap the two")
    return Wanted(part, actor, kind, first, None if last is None else last + 999)


def _limit(field: str, time: datetime | str | None) -> int | None:
    """Return a time as nanoseconds."""
    if time is None:
        return None
    found = moment(time) if isinstance(time, str) else time
    if found is None:
        raise InvalidInputError(
            "is not a time", field=field, hint="use a datetime, ISO 8601 text, or '2 hours ago'"
        )
    return nanoseconds(field, found)


def page(
    log: LogHistory, filter: Wanted, *, limit: int, after: str | None, oldest_first: bool
) -> HistoryPage:
    """Return the page of at most *limit* versions that follows the cursor *after*.

    Reads no states, and no versions but those that are looked at for this page.
    """
    if type(limit) is not int or not 1 <= limit <= LIMIT_MAX:
        raise InvalidInputError(f"is not a number from 1 to {LIMIT_MAX}", field="limit")
    start = None if after is None else _place(after)
    if start is not None:
        newest = log.newest_sound() or 0
        if not 1 <= start.version <= newest:
            raise _refused(f"there is no version {start.version}")
    found: list[Version] = []
    for version, place in log.onward(start) if oldest_first else log.back(start):
        if not filter.has(version):
            continue
        if len(found) == limit:
            return HistoryPage(tuple(found), f"{place.version}.{place.position}")
        found.append(version)
    return HistoryPage(tuple(found), None)


def _place(cursor: Any) -> Place:
    """Return the place that a cursor names."""
    match = _CURSOR.match(cursor) if isinstance(cursor, str) else None
    if match is None:
        raise _refused("is not the `next` of a page")
    return Place(int(match[1]), int(match[2]))


def _refused(reason: str) -> InvalidInputError:
    """Return the error for a cursor."""
    return InvalidInputError(reason, field="after", hint="pass the `next` of the page before")
