"""Usage: how many tokens were spent, what they cost, and how full the context is."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, Field

from eventstore.models.json_value import RefusalError
from eventstore.models.layout import REQUIRED
from eventstore.models.record import Real, Record, Size, Text

_RFC3339 = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}):([0-9]{2})(?:\.([0-9]{1,9}))?"
    r"([Zz]|[+-][0-9]{2}:[0-9]{2})"
)


def parse_rfc3339(text: str) -> datetime:
    """Return the moment that *text* names, cut to microseconds; raise `ValueError` if none.

    A leap second is read as the second before it.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise RefusalError("not an RFC 3339 timestamp")
    day, minute, second, fraction, offset = match.groups()
    second = "59" if second == "60" else second
    zone = "+00:00" if offset in "Zz" else offset
    try:
        moment = datetime.fromisoformat(f"{day}T{minute}:{second}{zone}")
    except ValueError:
        raise RefusalError("not an RFC 3339 timestamp: no such moment") from None
    return moment + timedelta(microseconds=int((fraction or "0").ljust(9, "0")[:6]))


def _check_timestamp(text: str) -> str:
    """Return *text* unchanged if it is a timestamp."""
    parse_rfc3339(text)
    return text


def _now_rfc3339() -> str:
    """Return the present moment in UTC, with nanoseconds."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%dT%H:%M:%S}.{nanoseconds:09d}Z"


Timestamp: TypeAlias = Annotated[Text, AfterValidator(_check_timestamp)]
"""An RFC 3339 timestamp kept as it was written: any offset, up to nine fraction digits."""


class ContextUsage(Record):
    """How much of the model's context is in use."""

    used_tokens: Annotated[Size, REQUIRED] = 0
    max_tokens: Annotated[Size, REQUIRED] = 200_000
    percent: Annotated[Real, REQUIRED] = 0.0
    turns: Annotated[Size, REQUIRED] = 0


class TokenUsage(Record):
    """How many tokens were spent."""

    prompt_tokens: Annotated[Size, REQUIRED] = 0
    completion_tokens: Annotated[Size, REQUIRED] = 0
    total_tokens: Annotated[Size, REQUIRED] = 0
    cache_read_tokens: Size | None = None
    cache_write_tokens: Size | None = None


class LlmCostRecord(Record):
    """What one call of a model cost."""

    model: Text
    provider: Text
    prompt_tokens: Annotated[Size, REQUIRED] = 0
    completion_tokens: Annotated[Size, REQUIRED] = 0
    total_tokens: Annotated[Size, REQUIRED] = 0
    cost_usd: Real | None = None
    timestamp: Annotated[Timestamp, REQUIRED] = Field(default_factory=_now_rfc3339)
    session_id: Text | None = None

    @property
    def moment(self) -> datetime:
        """The timestamp as an aware datetime, cut to microseconds."""
        return parse_rfc3339(self.timestamp)
