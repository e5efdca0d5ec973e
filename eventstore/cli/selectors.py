"""How a version of a session is written.

`ID@17`, `ID@-1`, `ID@b3:9f2c…`, `ID@2026-01-31T10:00`, `ID@2 hours ago`; `ID` alone is the
newest.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import datetime, timedelta

from eventstore.address import PREFIX, prefix_of
from eventstore.at import moment

At = int | str | datetime
"""A version number (negative: so many before the newest), an address prefix, or a moment."""

_NUMBER = re.compile(r"[+-]?[0-9]{1,18}\Z")
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
    r"(?:[T ][0-9]{2}:[0-9]{2}(?P<second>:[0-9]{2}(?P<fraction>[.,][0-9]+)?)?"
    r"(?:Z|[+-][0-9]{2}:?[0-9]{2})?)?\Z"
)
_REST_OF_SECOND = timedelta(microseconds=999_999)


def split(text: str, is_id: Callable[[str], bool]) -> tuple[str, At | None]:
    """Return the id and the version that *text* names; the version is None for the newest.

    Ids may contain `@`: what follows the last one is part of the id if it does not read as a
    version, or if *is_id* knows the whole text.
    """
    session, mark, tail = text.rpartition("@")
    at = parse_at(tail) if mark and session else None
    if at is None or is_id(text):
        return text, None
    return session, at


def parse_at(text: str) -> At | None:
    """Return the version that *text* names, or None if it does not read as one.

    A time without an offset is local, and a second written without a fraction counts whole:
    the version that `log` shows at 10:00:05 is the one that 10:00:05 names.
    """
    if _NUMBER.match(text):
        return int(text)
    digits = prefix_of(text)
    if digits is not None:
        return PREFIX + digits
    return moment(text) if text.endswith(" ago") else _moment(text)


def _moment(text: str) -> datetime | None:
    """Return the aware moment that ISO 8601 *text* names, or None."""
    match = _TIME.match(text)
    if match is None:
        return None
    try:
        found = datetime.fromisoformat(text).astimezone()
        whole = match["second"] is not None and match["fraction"] is None
        return found + _REST_OF_SECOND if whole else found
    except (ValueError, OverflowError, OSError):
        return None
