"""From what a person typed to the version of a session that it names."""

from __future__ import annotations

from eventstore.cli.run import FAILED, ExitError
from eventstore.cli.selectors import split
from eventstore.cli.words import clean, shown_id
from eventstore.commit import PartVersion, Version
from eventstore.errors import InvalidInputError
from eventstore.store import EventStore


def find_version(store: EventStore, text: str) -> Version:
    """Return the version that `ID` or `ID@V` names; stop the run if there is none."""
    session, at = split(text, lambda whole: store.version(whole) is not None)
    try:
        found = store.version(session, at)
    except InvalidInputError as error:
        if error.field != "at":
            raise
        raise ExitError(FAILED, clean(str(error).removeprefix("at: "))) from error
    if found is None:
        nor = _no_version(store, text) if at is None else f", nor {shown_id(session)}"
        raise ExitError(FAILED, f"no session {shown_id(text)} in this store{nor}")
    return found


def _no_version(store: EventStore, text: str) -> str:
    """Say how a version is written, if the session is there and what follows it is none."""
    session, mark, tail = text.rpartition("@")
    try:
        known = bool(mark and session) and store.version(session) is not None
    except InvalidInputError:
        known = False
    if not known:
        return ""
    return (
        f"; there is {shown_id(session)}, but {clean(tail)!r} names no version: write 17, -1, "
        "b3:9f2c, 2026-01-31T10:00 or '2 hours ago'"
    )


def find_part(version: Version, part: str) -> PartVersion:
    """Return a part of a version; stop the run if it has none, and say what it has."""
    found = version.parts.get(part)
    if found is not None:
        return found
    session = shown_id(version.session)
    if not version.parts:
        raise ExitError(
            FAILED,
            f"session {session} is deleted at version {version.version}; "
            f"undelete it, or name an earlier version",
        )
    present = ", ".join(version.parts) or "none"
    raise ExitError(
        FAILED,
        f"session {session} has no part {clean(part)} at version {version.version}; "
        f"its parts: {present}",
    )
