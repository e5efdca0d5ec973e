"""`at`: which version of a session a caller means."""

from __future__ import annotations

import re
from datetime import datetime

from eventstore.address import PREFIX, prefix_of
from eventstore.commit import Version
from eventstore.errors import InvalidInputError
from eventstore.log import Log

At = int | str | datetime | Version
"""A version number (negative: that many before the newest), an address prefix `b3:…`, a time."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}\Z")
_CANDIDATES_MAX = 5


def resolve(log: Log, at: At, newest: int) -> int:
    """Return the version of *log* that *at* means; *newest* is the number of its newest.

    Raises `InvalidInputError` saying what would be valid.
    """
    if isinstance(at, Version):
        return _own(log, at, newest)
    if isinstance(at, datetime):
        return _at_time(log, at, newest)
    if isinstance(at, str):
        return _at_text(log, at, newest)
    if type(at) is int:
        return _at_number(log, at, newest)
    raise InvalidInputError(
        f"is {type(at).__name__}", field="at", hint="pass a number, a time or an address"
    )


def _own(log: Log, version: Version, newest: int) -> int:
    """Return the number of a Version, if it is of this session."""
    if version.session != log.session:
        raise InvalidInputError(f"is a version of session {version.session!r}", field="at")
    return _at_number(log, version.version, newest)


def _at_number(log: Log, number: int, newest: int) -> int:
    """Return a number counted from the front or from the end."""
    seq = number if number > 0 else newest + number
    if log.damage is not None and (number < 0 or seq > newest):
        raise log.damage
    if number == 0 or not 1 <= seq <= newest:
        raise InvalidInputError(
            f"there is no version {number}",
            session=log.session,
            field="at",
            hint=f"versions are 1 to {newest}, or -1 to {1 - newest} counted from the newest"
            if newest > 1
            else "the only version is 1",
        )
    return seq


def _at_text(log: Log, text: str, newest: int) -> int:
    """Return what text means: a number, an address or a time."""
    if _INTEGER.match(text):
        return _at_number(log, int(text), newest)
    prefix = prefix_of(text)
    if prefix is not None:
        return _at_address(log, prefix)
    try:
        return _at_time(log, datetime.fromisoformat(text), newest)
    except ValueError:
        raise InvalidInputError(
            f"{text[:80]!r} names no version",
            session=log.session,
            field="at",
            hint="use a number such as 17 or -1, an address such as b3:9f2c, or an ISO 8601 time",
        ) from None


def _at_address(log: Log, prefix: str) -> int:
    """Return the newest version whose session part has an address that starts so."""
    found: dict[str, int] = {}
    for version in log.versions():
        address = version.address
        if address is not None and address.startswith(prefix):
            found.setdefault(address, version.version)
    if not found:
        raise InvalidInputError(
            f"no version has an address that starts with {PREFIX}{prefix}",
            session=log.session,
            field="at",
        )
    if len(found) > 1:
        some = ", ".join(f"{PREFIX}{address[:16]}" for address in list(found)[:_CANDIDATES_MAX])
        raise InvalidInputError(
            f"{len(found)} addresses start with {PREFIX}{prefix}: {some}",
            session=log.session,
            field="at",
            hint="give more digits",
        )
    return next(iter(found.values()))


def _at_time(log: Log, moment: datetime, newest: int) -> int:
    """Return the newest version that was saved by *moment*; a naive time is local."""
    try:
        limit = int(moment.astimezone().timestamp() * 10**6) * 1000 + 999
    except (OverflowError, OSError, ValueError):
        raise InvalidInputError("is out of range", session=log.session, field="at") from None
    first = None
    for version in log.versions():
        if version.time <= limit:
            if version.version == newest and log.damage is not None:
                raise log.damage
            return version.version
        first = version
    saved = "" if first is None else f", which was saved at {first.saved_at.isoformat()}"
    raise InvalidInputError(
        f"{moment.isoformat()} is before the first version{saved}",
        session=log.session,
        field="at",
    )
