"""Moments: RFC 3339 text as nanoseconds since the epoch, and back as chrono spells it."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, TypeAlias

from pydantic import BeforeValidator

from eventstore.models.json_value import RefusalError
from eventstore.models.usage import Timestamp, parse_rfc3339

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_FRACTION = re.compile(r"\.([0-9]+)")
_SECOND = 1_000_000_000


def nanoseconds_of(text: str) -> int:
    """Return a timestamp as nanoseconds since the epoch; raise `ValueError` if it is none."""
    seconds = (parse_rfc3339(text) - _EPOCH) // timedelta(seconds=1)
    fraction = _FRACTION.search(text)
    return seconds * _SECOND + (int(fraction[1].ljust(9, "0")) if fraction else 0)


def timestamp_of(time_ns: int) -> str:
    """Return nanoseconds since the epoch as chrono writes them: 0, 3, 6 or 9 digits, then `Z`."""
    seconds, rest = divmod(time_ns, _SECOND)
    moment = datetime(1970, 1, 1) + timedelta(seconds=seconds)
    fraction = f".{rest:09d}"
    while fraction.endswith("000"):
        fraction = fraction[:-3]
    return f"{moment.isoformat()}{fraction.rstrip('.')}Z"


def now() -> str:
    """Return the present moment as a timestamp."""
    return timestamp_of(time.time_ns())


def _from_datetime(value: Any) -> Any:
    """Return an aware datetime as a timestamp, anything else as it is."""
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise RefusalError("a time without a zone")
    return timestamp_of((value - _EPOCH) // timedelta(microseconds=1) * 1000)


Moment: TypeAlias = Annotated[Timestamp, BeforeValidator(_from_datetime)]
"""A timestamp kept as it was written; an aware datetime is taken too, and becomes one."""
