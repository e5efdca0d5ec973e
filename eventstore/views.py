"""Views of a session document: the few facts that a list shows, read from any family of types."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from eventstore.models.moments import nanoseconds_of
from eventstore.models.oxios_session import Session
from eventstore.models.oxios_summary import facts_of
from eventstore.models.record import Record

_SECONDS_MAX = 10**11
"""A larger number of a time is read as milliseconds; as seconds it would be the year 5138."""

_COUNTED = ("messages", "user_messages", "agent_responses")
_ASKED = frozenset(
    {
        "name",
        "state",
        "status",
        "parent_id",
        "parent_session_id",
        "total_cost",
        "created_at",
        "updated_at",
        "config",
    }
)
_NS_MAX = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Summary:
    """What lists say of a session; times are nanoseconds since the epoch, 0 where unknown.

    `facts` is what lists of its own family of types show besides, as JSON.
    """

    name: str = ""
    state: str = ""
    parent_id: str = ""
    messages: int = 0
    cost: float = 0.0
    created: int = 0
    updated: int = 0
    facts: str = ""


def shortened(document: Record) -> Any:
    """Return what `summary_of` needs of a record, which need not be kept for it then."""
    if isinstance(document, Session):
        return document
    kept = {}
    for key, value in document.to_object().items():
        if key in _COUNTED:
            kept[key] = range(_count(value))
        elif key in _ASKED:
            kept[key] = value
    return kept


def summary_of(document: Any) -> Summary:
    """Return what *document* says of itself; a document of an unknown shape says nothing."""
    facts = facts_of(document)
    document = members(document)
    nested = members(document.get("config"))
    return Summary(
        name=_text(document.get("name")) or _text(nested.get("name")),
        state=_text(document.get("state")) or _text(document.get("status")),
        parent_id=_text(document.get("parent_id"))
        or _text(document.get("parent_session_id"))
        or _text(nested.get("parent_id")),
        messages=sum(_count(document.get(key)) for key in _COUNTED),
        cost=_number(document.get("total_cost")),
        created=_time(document.get("created_at")),
        updated=_time(document.get("updated_at")),
        facts=facts,
    )


def members(value: Any) -> Mapping[str, Any]:
    """Return the members of a JSON object or a record; none for anything else."""
    if isinstance(value, Record):
        return value.to_object()
    return value if isinstance(value, Mapping) else {}


def _text(value: Any) -> str:
    """Return a string as it is, anything else as nothing."""
    return str(value) if isinstance(value, str) else ""


def _count(value: Any) -> int:
    """Return the length of a list."""
    return len(value) if isinstance(value, list | tuple | range) else 0


def _number(value: Any) -> float:
    """Return a number that a float can hold."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0.0
    try:
        return float(value)
    except OverflowError:
        return 0.0


def _time(value: Any) -> int:
    """Return seconds, milliseconds or RFC 3339 text as nanoseconds."""
    if isinstance(value, str):
        return _parsed_time(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return 0
    scale = 10**9 if abs(value) < _SECONDS_MAX else 10**6
    return _clamped(value * scale)


def _parsed_time(text: str) -> int:
    """Return RFC 3339 text as nanoseconds, other ISO 8601 text to the microsecond."""
    with suppress(ValueError):
        return _clamped(nanoseconds_of(text))
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return 0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return _clamped((moment - _EPOCH) // timedelta(microseconds=1) * 1000)


def _clamped(time_ns: float) -> int:
    """Return nanoseconds as the nearest number that the index can hold."""
    return int(min(_NS_MAX, max(0, time_ns)))
