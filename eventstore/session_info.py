"""What lists say of one session: a row of the index, and how people see it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eventstore.commit import instant


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


class SessionInfo:
    """What a list says of one session, from the index alone. Times and flags are made on demand."""

    __slots__ = ("_row",)

    def __init__(self, row: Row) -> None:
        """Show *row*, which nobody may change any more."""
        self._row = row

    def __eq__(self, other: object) -> bool:
        """Compare all that is said."""
        return isinstance(other, SessionInfo) and self._row == other._row

    def __hash__(self) -> int:
        """Hash what names the version."""
        return hash((self._row.id, self._row.commit_id))

    def __repr__(self) -> str:
        """Say which session, and what a list shows of it."""
        row = self._row
        return f"<SessionInfo {row.id!r} version={row.version} messages={row.messages}>"

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the row."""
        return SessionInfo, (self._row,)

    @property
    def id(self) -> str:
        """The session's id."""
        return self._row.id

    @property
    def version(self) -> int:
        """The number of its newest version."""
        return self._row.version

    @property
    def commit(self) -> str:
        """The id of the newest commit."""
        return self._row.commit_id

    @property
    def address(self) -> str | None:
        """The address of the newest state, if there is one."""
        return self._row.address or None

    @property
    def name(self) -> str:
        """What the session calls itself."""
        return self._row.name

    @property
    def state(self) -> str:
        """The state it says it is in."""
        return self._row.state

    @property
    def parent_id(self) -> str | None:
        """The session that it says it comes from."""
        return self._row.parent_id or None

    @property
    def messages(self) -> int:
        """How many messages it has."""
        return self._row.messages

    @property
    def cost(self) -> float:
        """What it says it cost."""
        return self._row.cost

    @property
    def size(self) -> int:
        """Bytes of the newest states of all parts."""
        return self._row.size

    @property
    def stored(self) -> int:
        """Bytes of the whole log."""
        return self._row.stored

    @property
    def created_at(self) -> datetime | None:
        """When the session says it began."""
        return instant(self._row.created) if self._row.created else None

    @property
    def updated_at(self) -> datetime:
        """When the session says it changed, or else `saved_at`."""
        return instant(self._row.updated)

    @property
    def saved_at(self) -> datetime:
        """The time of its newest commit."""
        return instant(self._row.saved)

    @property
    def deleted(self) -> bool:
        """Whether the session is deleted."""
        return not self._row.live

    @property
    def damaged(self) -> bool:
        """Whether its log cannot be read to the end."""
        return bool(self._row.damaged)

    @property
    def facts(self) -> str:
        """JSON that lists of its family of types show besides, or nothing."""
        return self._row.facts
