"""The door for small arguments: ids, notes and version numbers, checked before anything is done."""

from __future__ import annotations

from typing import Any, TypedDict

from eventstore.commit import Version
from eventstore.errors import InvalidInputError
from eventstore.views import members

ID_SIZE_MAX = 1024
"""Bytes of UTF-8 that a session id may take."""

_NOTE_SIZE_MAX = 32 * 1024
_NAME_SIZE_MAX = 1024


class Remarks(TypedDict):
    """What a commit says beside its parts."""

    actor: str | None
    note: str | None
    key: str | None


def check_id(id: Any) -> str:
    """Return *id* if a session may have it, else raise `InvalidInputError`."""
    if not isinstance(id, str):
        raise InvalidInputError(f"is {type(id).__name__}, not a string", field="id")
    if not id:
        raise InvalidInputError("is empty", field="id")
    _check_text("id", id, ID_SIZE_MAX)
    return str(id)


def id_of(document: Any) -> Any:
    """Return the id that a session document states."""
    found = members(document)
    if "id" not in found:
        raise InvalidInputError(
            "the session has none", field="id", hint="give it an `id` field, or pass id="
        )
    return found["id"]


def remarks(actor: str | None, note: str | None, key: str | None) -> Remarks:
    """Return actor, note and key, each checked to be text of a sane size."""
    for field, text, size_max in (
        ("actor", actor, _NAME_SIZE_MAX),
        ("note", note, _NOTE_SIZE_MAX),
        ("key", key, _NAME_SIZE_MAX),
    ):
        if text is not None:
            if not isinstance(text, str):
                raise InvalidInputError(f"is {type(text).__name__}, not a string", field=field)
            _check_text(field, text, size_max)
    return {"actor": actor, "note": note, "key": key}


def version_number(expected: Any) -> int | None:
    """Return the number that `expected=` means."""
    if expected is None:
        return None
    number = expected.version if isinstance(expected, Version) else expected
    if type(number) is not int or number < 0:
        raise InvalidInputError("is not a version number", field="expected")
    return number


def _check_text(field: str, text: str, size_max: int) -> None:
    """Refuse text that is not Unicode, or too long."""
    try:
        size = len(text.encode())
    except UnicodeEncodeError:
        raise InvalidInputError(
            "holds a lone surrogate, which is not Unicode", field=field
        ) from None
    if size > size_max:
        raise InvalidInputError(f"takes {size} bytes of UTF-8, at most {size_max} fit", field=field)
