"""Sessions of oxios: saved, loaded, and listed from the index."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, overload

from pydantic import ValidationError

from eventstore.adapters.oxios_documents import Documents
from eventstore.commit import SESSION, Version
from eventstore.errors import BackendError, ConflictError, EventStoreError
from eventstore.input import id_of
from eventstore.models.moments import nanoseconds_of
from eventstore.models.oxios_place import Place, check_name
from eventstore.models.oxios_session import Session, SessionId
from eventstore.models.oxios_summary import SessionSummary, summarise
from eventstore.session_info import SessionInfo
from eventstore.state import invalid

_PAGE_SIZE = 1000

_logger = logging.getLogger("eventstore")


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A session that something cannot be done with, and why."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class SessionList(Sequence[SessionSummary]):
    """Summaries, newest update first; `unreadable` are the sessions that have none."""

    summaries: tuple[SessionSummary, ...]
    versions: tuple[int, ...]
    """The version that each summary is of."""
    unreadable: tuple[Unreadable, ...] = ()

    @overload
    def __getitem__(self, index: int) -> SessionSummary: ...

    @overload
    def __getitem__(self, index: slice) -> tuple[SessionSummary, ...]: ...

    def __getitem__(self, index: int | slice) -> SessionSummary | tuple[SessionSummary, ...]:
        """Return a summary, or some of them."""
        return self.summaries[index]

    def __len__(self) -> int:
        """Count the summaries."""
        return len(self.summaries)


class Sessions(Documents):
    """The part of a state store that keeps sessions."""

    def save_session(
        self,
        session: Session | Mapping[str, Any],
        *,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
        key: str | None = None,
    ) -> Version:
        """Save a session under its id; durable once this returns.

        *expected* is the version that this save builds on (0: none yet), else the last to save
        wins; `ConflictError` if somebody else saved first.
        """
        place = Place.of_session(id_of(session, session))
        return self.store.save(
            session, id=place.id, actor=actor, note=note, expected=expected, key=key
        )

    def update_session(
        self,
        session: Session | Mapping[str, Any],
        *,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
        key: str | None = None,
    ) -> Version:
        """Save a session as `save_session` does."""
        return self.save_session(session, actor=actor, note=note, expected=expected, key=key)

    def load_session(self, session_id: str) -> Session | None:
        """Return a session, or None if there is none.

        Raises `InvalidInputError`, naming the field, for a document that is no session.
        """
        loaded: Session | None = self.store.load(Place.of_session(session_id).id, model=Session)
        return loaded

    def list_sessions(self) -> SessionList:
        """Return the summaries of all sessions, newest first, and what has none.

        They come from the index: only the log of a session that the index has no summary of is
        read, to say why.
        """
        listed: list[tuple[SessionSummary, int]] = []
        unreadable: list[Unreadable] = []
        for info in self._infos():
            try:
                summary = self._summary(info)
            except BackendError:
                raise  # No other session would fare better.
            except EventStoreError as error:
                unreadable.append(Unreadable(info.id, str(error)))
            else:
                if summary is not None:
                    listed.append((summary, info.version))
        if unreadable:
            _logger.warning("%d sessions cannot be listed", len(unreadable))
        listed.sort(key=lambda entry: nanoseconds_of(entry[0].updated_at), reverse=True)
        return SessionList(
            tuple(summary for summary, _ in listed),
            tuple(version for _, version in listed),
            tuple(unreadable),
        )

    def delete_session(
        self, session_id: str, *, actor: str | None = None, note: str | None = None
    ) -> bool:
        """Delete a session; its history stays. False if there was none."""
        return self.store.delete(Place.of_session(session_id).id, actor=actor, note=note)

    def get_or_create_session(self, user_id: str, session_id: str | None = None) -> Session:
        """Return a session, or a new one of *user_id* that is saved under the id.

        However many ask at once, all get the session that the first of them made.
        """
        id = Place.of_session(SessionId.new() if session_id is None else session_id).id
        try:
            session = Session.with_id(user_id, id)
        except ValidationError as error:
            raise invalid(error, SESSION) from None
        while True:
            existing = self.load_session(id)
            if existing is not None:
                return existing
            try:
                self.save_session(session, expected=0)
            except ConflictError:
                continue  # Somebody was first: what they saved is what there is.
            return session

    def _infos(self) -> Iterator[SessionInfo]:
        """Yield what the index has of every session, in the order of their ids."""
        after = None
        while True:
            page = self.store.sessions(order_by="id", limit=_PAGE_SIZE, after=after)
            yield from (info for info in page if "/" not in info.id)
            after = page.next
            if after is None:
                return

    def _summary(self, info: SessionInfo) -> SessionSummary | None:
        """Return a summary, from the log if the index has none; None if the session is gone."""
        check_name(info.id, field="id")
        known = None if info.damaged else _known(info)
        if known is not None:
            return known
        session = self.load_session(info.id)
        return None if session is None else summarise(session, info.id)


def _known(info: SessionInfo) -> SessionSummary | None:
    """Return the summary that the index has, under the id that the session is kept under."""
    try:
        return SessionSummary.model_validate({**json.loads(info.facts), "id": info.id})
    except (ValueError, TypeError, ValidationError):
        return None  # The index is only evidence: the log is asked.
