"""What lists say of one session: a row of the index, and how people see it."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from datetime import datetime
from operator import attrgetter
from typing import Any

from eventstore.commit import instant
from eventstore.errors import CorruptError


@dataclass(slots=True)
class Row:
    """What the index keeps of one session, in the order of its columns.

    `live` is whether it has a session part now; `stored` the bytes of its log, `settled` how many
    of them were known durable; times are nanoseconds since the epoch, `created` 0 where unknown.
    `log` is the log's own id, `origin_log` and `origin_version` what it was forked from, if it was.
    """

    id: str
    version: int
    commit_id: str
    address: str
    live: bool
    name: str
    state: str
    parent_id: str
    messages: int
    cost: float
    size: int
    created: int
    updated: int
    saved: int
    stored: int
    settled: int
    damaged: bool = False
    facts: str = ""
    log: str = ""
    origin_log: str = ""
    origin_version: int = 0


_MORE = (
    "address",
    "live",
    "messages",
    "cost",
    "size",
    "stored",
    "created",
    "saved",
    "damaged",
    "facts",
)
_ASKED = {"live", "stored", "created", "saved"}
COLUMNS = (
    *(column.name for column in fields(Row) if column.name not in _MORE or column.name in _ASKED),
    "more",
)
"""How the index keeps a row: what no question asks for is in one JSON list, `more`.

What a list costs is mostly the number of values that SQLite hands over, so what it seldom shows
stands there too.
"""

SHOWN = ("id", "version", "commit_id", "name", "state", "parent_id", "updated", "more")
"""The columns that lists show."""

_MORE_TYPES = [str, bool, int, float, int, int, int, int, bool, str]
_columns_of = attrgetter(*COLUMNS[:-1])
_more_of = attrgetter(*_MORE)


def values_of(row: Row) -> tuple[Any, ...]:
    """Return a row as the values of its columns."""
    return (*_columns_of(row), json.dumps(_more_of(row)))


class SessionInfo:
    """What a list says of one session, from the index alone. Times and flags are made on demand."""

    __slots__ = ("_found", "_values")

    def __init__(self, values: tuple[Any, ...]) -> None:
        """Show *values*, those of the columns in `SHOWN`."""
        self._values = values
        self._found: list[Any] | None = None

    def __eq__(self, other: object) -> bool:
        """Compare all that is said."""
        return isinstance(other, SessionInfo) and self._values == other._values

    def __hash__(self) -> int:
        """Hash all that is said."""
        return hash(self._values)

    def __repr__(self) -> str:
        """Say which session, and what a list shows of it."""
        return f"<SessionInfo {self.id!r} version={self.version} messages={self.messages}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the values."""
        return SessionInfo, (self._values,)

    def value(self, column: str) -> Any:
        """Return what the index keeps in a column."""
        if column in SHOWN:
            return self._values[SHOWN.index(column)]
        return self._more[_MORE.index(column)]

    @property
    def id(self) -> str:
        """The session's id."""
        return str(self._values[0])

    @property
    def version(self) -> int:
        """The number of its newest version."""
        return int(self._values[1])

    @property
    def commit(self) -> str:
        """The id of the newest commit."""
        return str(self._values[2])

    @property
    def address(self) -> str | None:
        """The address of the newest state, if there is one."""
        return self._more[0] or None

    @property
    def name(self) -> str:
        """What the session calls itself."""
        return str(self._values[3])

    @property
    def state(self) -> str:
        """The state it says it is in."""
        return str(self._values[4])

    @property
    def parent_id(self) -> str | None:
        """The session that it says it comes from."""
        return self._values[5] or None

    @property
    def messages(self) -> int:
        """How many messages it has."""
        return int(self._more[2])

    @property
    def cost(self) -> float:
        """What it says it cost."""
        return float(self._more[3])

    @property
    def size(self) -> int:
        """Bytes of the newest states of all parts."""
        return int(self._more[4])

    @property
    def stored(self) -> int:
        """Bytes of the whole log."""
        return int(self._more[5])

    @property
    def created_at(self) -> datetime | None:
        """When the session says it began."""
        return instant(self._more[6]) if self._more[6] else None

    @property
    def updated_at(self) -> datetime:
        """When the session says it changed, or else `saved_at`."""
        return instant(self._values[6])

    @property
    def saved_at(self) -> datetime:
        """The time of its newest commit."""
        return instant(self._more[7])

    @property
    def deleted(self) -> bool:
        """Whether the session is deleted."""
        return not self._more[1]

    @property
    def damaged(self) -> bool:
        """Whether its log cannot be read to the end."""
        return bool(self._more[8])

    @property
    def facts(self) -> str:
        """JSON that lists of its family of types show besides, or nothing."""
        return str(self._more[9])

    @property
    def _more(self) -> list[Any]:
        """The values that are kept as one."""
        if self._found is None:
            self._found = _unpacked(self._values[-1])
        return self._found


def _unpacked(more: str) -> list[Any]:
    """Return the values that a column `more` holds; raise `CorruptError` for anything else."""
    try:
        values = json.loads(more)
    except (ValueError, TypeError, RecursionError):
        values = None
    if not isinstance(values, list) or [type(value) for value in values] != _MORE_TYPES:
        raise CorruptError(
            "a row of the index cannot be read",
            where="index.db",
            hint="remove index.db; it is made again from the logs",
        )
    return values
