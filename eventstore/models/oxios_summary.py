"""Summaries: what a list of oxios sessions shows, and the facts that an index keeps for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import ValidationError

from eventstore.models.layout import OMIT
from eventstore.models.oxios_session import Session
from eventstore.models.record import Record, Size, Text
from eventstore.models.usage import Timestamp

_MARKS = {"id", "user_id", "created_at", "updated_at"}
"""The members that every session of oxios has."""


class SessionSummary(Record):
    """A session without its messages; `message_count` is of the user's."""

    id: Text
    user_id: Text
    message_count: Size
    active_seed_id: Annotated[Text | None, OMIT] = None
    title: Annotated[Text | None, OMIT] = None
    project_id: Annotated[Text | None, OMIT] = None
    parent_session_id: Annotated[Text | None, OMIT] = None
    created_at: Timestamp
    updated_at: Timestamp


def summarise(session: Session, id: str | None = None) -> SessionSummary:
    """Return the summary of a session, under the *id* that it is kept under.

    Its project is `project_id`, or else `project_ids` of the metadata where that is a string.
    """
    return SessionSummary(
        id=session.id if id is None else id,
        user_id=session.user_id,
        message_count=len(session.user_messages),
        active_seed_id=session.active_seed_id,
        title=_text(session.get_metadata("title")),
        project_id=session.project_id or _text(session.get_metadata("project_ids")),
        parent_session_id=session.parent_session_id,
        created_at=session.created_at,
        updated_at=session.updated_at,
    )


def facts_of(document: Any) -> str:
    """Return the summary of a document as JSON, or nothing unless it is a session of oxios."""
    session = _session_of(document)
    return "" if session is None else summarise(session).model_dump_json()


def _session_of(document: Any) -> Session | None:
    """Return a document as a session, if all of it can be read as one."""
    if isinstance(document, Session):
        return document
    is_object = not isinstance(document, Record) and isinstance(document, Mapping)
    if not is_object or not document.keys() >= _MARKS:
        return None
    try:
        return Session.model_validate(document)
    except (ValidationError, RecursionError):
        return None


def _text(value: Any) -> str | None:
    """Return a string, or None for anything else."""
    return value if isinstance(value, str) else None
