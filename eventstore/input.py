"""The door for small arguments: ids, notes and version numbers, checked before anything is done."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypedDict

from eventstore.commit import Version
from eventstore.errors import InvalidInputError
from eventstore.models.record import Record
from eventstore.views import members

ID_SIZE_MAX = 1024
"""Bytes of UTF-8 that a session id may take."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_NOTE_SIZE_MAX = 32 * 1024
_NAME_SIZE_MAX = 1024


class Remarks(TypedDict):
    """What a commit says beside its parts."""

    actor: str | None
    note: str | None
    key: str | None


_SILENT: Remarks = {"actor": None, "note": None, "key": None}


def check_id(id: Any) -> str:
    """Return *id* if a session may have it, else raise `InvalidInputError`."""
    check_text("id", id, ID_SIZE_MAX)
    if not id:
        raise InvalidInputError("is empty", field="id")
    return str(id)


def id_of(session: Any, document: Any) -> Any:
    """Return the id of a session, from the document it is stored as or from its attribute."""
    if isinstance(document, Record) and "id" in document.__dict__:
        return document.__dict__["id"]  # All members would have to be sorted out for one.
    found = members(document)
    if "id" in found:
        return found["id"]
    if isinstance(session, Mapping) or not hasattr(session, "id"):
        raise InvalidInputError(
            "the session has none", field="id", hint="give it an `id` field, or pass id="
        )
    return session.id


def own_parts(parts: Any, *, taken: set[str]) -> dict[str, Any]:
    """Return the parts that a caller named, none of which may be one of *taken*."""
    if parts is None:
        return {}
    if not isinstance(parts, Mapping):
        raise InvalidInputError(f"is {type(parts).__name__}, not a mapping", field="parts")
    for name in taken & parts.keys():
        raise InvalidInputError(f"part {name!r} is given twice", field="parts")
    return dict(parts)


def refuse_secrets(document: Any) -> None:
    """Raise `InvalidInputError` if a session document holds what must never be written."""
    if "api_key" in members(members(document).get("llm_config")):
        raise InvalidInputError(
            "is a secret, which no store of this model writes",
            field="session.llm_config.api_key",
            hint="leave it out",
        )


def remarks(actor: str | None, note: str | None, key: str | None) -> Remarks:
    """Return actor, note and key, each checked to be text of a sane size."""
    if actor is None and note is None and key is None:
        return _SILENT
    for field, text, size_max in (
        ("actor", actor, _NAME_SIZE_MAX),
        ("note", note, _NOTE_SIZE_MAX),
        ("key", key, _NAME_SIZE_MAX),
    ):
        if text is not None:
            check_text(field, text, size_max)
    return {"actor": actor, "note": note, "key": key}


def version_number(expected: Any, session: str) -> int | None:
    """Return the number that `expected=` means."""
    if expected is None:
        return None
    if isinstance(expected, Version) and expected.session != session:
        raise InvalidInputError(
            f"is a version of session {expected.session!r}", session=session, field="expected"
        )
    number = expected.version if isinstance(expected, Version) else expected
    if type(number) is not int or number < 0:
        raise InvalidInputError("is not a version number", field="expected")
    return number


def nanoseconds(field: str, moment: Any) -> int:
    """Return a time as nanoseconds since the epoch; a naive time is local."""
    if not isinstance(moment, datetime):
        raise InvalidInputError(f"is {type(moment).__name__}, not a datetime", field=field)
    try:
        return (moment.astimezone(UTC) - _EPOCH) // timedelta(microseconds=1) * 1000
    except (OverflowError, OSError, ValueError):
        raise InvalidInputError("is out of range", field=field) from None


def check_text(field: str, text: Any, size_max: int) -> None:
    """Refuse what is not text, not Unicode, or too long."""
    if not isinstance(text, str):
        raise InvalidInputError(f"is {type(text).__name__}, not a string", field=field)
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidInputError(
            "holds a lone surrogate, which is not Unicode", field=field
        ) from None
    if size > size_max:
        raise InvalidInputError(f"takes {size} bytes of UTF-8, at most {size_max} fit", field=field)
