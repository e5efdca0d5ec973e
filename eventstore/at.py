"""`at`: which version of a session a caller means."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

from eventstore.address import PREFIX, prefix_of
from eventstore.commit import Version
from eventstore.errors import InvalidInputError
from eventstore.log import Log

At = int | str | datetime | Version
"""A version number (negative: that many before the newest), the beginning `b3:…` of an address or
of a commit's id, a time."""

_INTEGER = re.compile(r"[+-]?[0-9]{1,18}\Z")
_CANDIDATES_MAX = 5
_AGO = re.compile(r"([0-9]{1,9})\s+(second|minute|hour|day|week)s?\s+ago\Z")


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
        return _at_digest(log, prefix)
    found = moment(text)
    if found is None:
        raise InvalidInputError(
            f"{text[:80]!r} names no version",
            session=log.session,
            field="at",
            hint="use a number such as 17 or -1, an address such as b3:9f2c, or an ISO 8601 time",
        )
    return _at_time(log, found, newest)


def moment(text: str) -> datetime | None:
    """Return the time that ISO 8601 text or `2 hours ago` names, or None."""
    match = _AGO.match(text.strip())
    try:
        if match:
            return datetime.now(UTC) - timedelta(**{f"{match[2]}s": int(match[1])})
        return datetime.fromisoformat(text)
    except (ValueError, OverflowError):
        return None


def _at_digest(log: Log, prefix: str) -> int:
    """Return the version whose session part has an address, or whose commit an id, that starts so.

    Of several versions with the same address, the newest.
    """
    found: dict[str, int] = {}
    for version in log.versions():
        for digest in (version.address, version.commit):
            if digest is not None and digest.startswith(prefix):
                found.setdefault(digest, version.version)
    if not found:
        raise InvalidInputError(
            f"no version has an address or a commit id that starts with {PREFIX}{prefix}",
            session=log.session,
            field="at",
        )
    if len(found) > 1:
        some = ", ".join(
            f"{PREFIX}{digest[:16]} (version {number})"
            for digest, number in list(found.items())[:_CANDIDATES_MAX]
        )
        raise InvalidInputError(
            f"{len(found)} addresses and commit ids start with {PREFIX}{prefix}: {some}",
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
