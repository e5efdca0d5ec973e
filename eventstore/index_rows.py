"""Rows of the index: what it keeps of a session, and how they are stored and asked for in SQL."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eventstore.errors import InvalidInputError
from eventstore.input import check_text
from eventstore.session_info import COLUMNS, SHOWN, SessionInfo

ORDERS = {
    "updated_at": "updated",
    "created_at": "created",
    "saved_at": "saved",
    "id": "id",
    "name": "name",
}
"""What sessions can be ordered by, and the column that is."""

_LIMIT_MAX = 2**31
_TEXT_SIZE_MAX = 2**20
INTEGER_MAX = 2**63 - 1
"""The largest whole number that a column holds."""


@dataclass(frozen=True, slots=True)
class Page:
    """Some sessions of a longer list; pass `next` as `after=` for those that follow."""

    items: tuple[SessionInfo, ...]
    next: str | None

    def __iter__(self) -> Iterator[SessionInfo]:
        """Iterate over the sessions of this page."""
        return iter(self.items)

    def __len__(self) -> int:
        """Count the sessions of this page."""
        return len(self.items)


@dataclass(frozen=True, slots=True)
class StoreStats:
    """What a store holds; `state_bytes` is what every saved state would take as its own file.

    `verified_at` is when the session that was not verified for longest was found sound last, None
    if none was; `unverified` counts those that never were.
    """

    sessions: int
    deleted: int
    versions: int
    stored_bytes: int
    state_bytes: int
    verified_at: datetime | None = None
    unverified: int = 0


_CHANGE = "(SELECT value FROM meta WHERE key = 'change')"

_SETTLED = (
    "CASE WHEN excluded.log = sessions.log AND excluded.stored >= sessions.settled "
    "THEN MAX(excluded.settled, sessions.settled) ELSE excluded.settled END"
)
UPSERT = (
    f"INSERT INTO sessions ({', '.join(COLUMNS)}, change) "
    f"VALUES ({', '.join('?' * len(COLUMNS))}, {_CHANGE}) "
    f"ON CONFLICT (id) DO UPDATE SET change = excluded.change, "
    f"{', '.join(f'{c} = excluded.{c}' for c in COLUMNS[1:] if c != 'settled')}, "
    f"settled = {_SETTLED} "
    "WHERE excluded.version >= sessions.version"
)
"""Never lets an older view of a session replace a newer one, or forget what is durable of a log."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question to the index; raises `InvalidInputError` when made with an unknown order."""

    order_by: str = "updated_at"
    limit: int = 50
    after: str | None = None
    parent: str | None = None
    state: str | None = None
    updated_since: int | None = None
    deleted: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        if not isinstance(self.order_by, str) or self.order_by not in ORDERS:
            raise InvalidInputError(
                f"{self.order_by!r} is not one of {', '.join(ORDERS)}", field="order_by"
            )
        if type(self.limit) is not int or self.limit < 1:
            raise InvalidInputError("must be a positive whole number", field="limit")
        for field, text in (("parent", self.parent), ("state", self.state)):
            if text is not None:
                check_text(field, text, _TEXT_SIZE_MAX)

    def sql(self) -> tuple[str, list[Any]]:
        """Return the statement and its parameters; it asks for one row more than the limit."""
        column = ORDERS[self.order_by]
        falling = column not in ("id", "name")
        terms: list[str] = ["live = ?"]
        values: list[Any] = [int(not self.deleted)]
        for term, value in (
            ("parent_id = ?", self.parent),
            ("state = ?", self.state),
            ("updated >= ?", self.updated_since),
        ):
            if value is not None:
                terms.append(term)
                values.append(value)
        if self.after is not None:
            terms.append(f"({column}, id) {'<' if falling else '>'} (?, ?)")
            values += self._cursor()
        way = "DESC" if falling else "ASC"
        return (
            f"SELECT {', '.join(SHOWN)} FROM sessions WHERE {' AND '.join(terms)} "
            f"ORDER BY {column} {way}, id {way} LIMIT ?",
            [*values, min(self.limit, _LIMIT_MAX) + 1],
        )

    def page(self, rows: list[tuple[Any, ...]]) -> Page:
        """Return the page that the rows of the statement are."""
        items = tuple(map(SessionInfo, rows[: self.limit]))
        if len(rows) <= self.limit:
            return Page(items, None)
        last = items[-1]
        mark = [self.order_by, last.value(ORDERS[self.order_by]), last.id]
        return Page(items, base64.urlsafe_b64encode(json.dumps(mark).encode()).decode())

    def _cursor(self) -> list[Any]:
        """Return the place that `after` names, if it is of a list in this order."""
        try:
            mark = json.loads(base64.urlsafe_b64decode(self.after or ""))
            order, value, session = mark
            is_sound = abs(value) <= INTEGER_MAX if type(value) is int else True
            str(value).encode(), session.encode()
        except (ValueError, TypeError, AttributeError, RecursionError):
            order, value, session, is_sound = None, None, None, False
        kind = str if ORDERS[self.order_by] in ("id", "name") else int
        if order != self.order_by or type(value) is not kind or not is_sound:
            raise InvalidInputError(
                f"is not the next= of a page ordered by {self.order_by!r}",
                field="after",
                hint="start again without after=",
            )
        return [value, session]
