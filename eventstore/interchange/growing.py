"""Import of one session that grows in a file: one version for each state that was complete.

A file that has grown since is taken up where the store left off; one that has not writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from eventstore.address import address_of
from eventstore.commit import SESSION
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sink import Advance, Sink


class Growing(Protocol):
    """A session as it is by now."""

    @property
    def id(self) -> str:
        """Its id, known once it has begun."""

    @property
    def message_count(self) -> int:
        """How many messages there are."""

    def state(self) -> bytes:
        """Return all of it as a state."""


@dataclass(frozen=True, slots=True)
class Moment:
    """A moment of a session: whether a state was complete, and what its version should say."""

    is_state: bool
    note: str


class GrowingImport:
    """One import of one session."""

    def __init__(
        self, session: Growing, sink: Sink, outcome: FileOutcome, advance: Advance | None = None
    ) -> None:
        """Prepare to import *session* while it grows; *advance* is told of `outcome.size`."""
        self._session = session
        self._sink = sink
        self._outcome = outcome
        self._advance = advance
        self._newest = 0
        self._awaited: _Stored | None = None
        """What the store has, until the session reaches it."""

    def run(self, moments: Iterable[Moment]) -> bool:
        """Save every state that the store does not have; return whether the session began.

        The session must be as of each moment when *moments* yields it.
        """
        begun = False
        done = self._outcome.size if self._advance is None else 0
        for moment in moments:
            if not begun and not self._begin():
                return True
            begun = True
            self._outcome.counts["state"] += moment.is_state
            if self._awaited is None:
                if moment.is_state:
                    self._save(moment)
            elif self._awaited.is_reached(self._session):
                self._awaited = None
            done = self._tell(done)
        self._tell(done)
        if begun:
            self._conclude()
        return begun

    def _tell(self, done: int) -> int:
        """Tell of progress; return the bytes that are done."""
        if self._advance is not None:
            self._advance(Path(self._outcome.path), self._outcome.size - done)
        return self._outcome.size

    def _begin(self) -> bool:
        """See what the store has of the session; return whether there is anything to do."""
        id = self._session.id
        self._outcome.sessions.append(id)
        head = self._sink.head(id)
        if head is None:
            return True
        if not head.parts:
            self._outcome.warning(f"session {id!r} was deleted in the store; undelete it to import")
            return False
        self._newest = head.version
        state = self._sink.store.load_bytes(id, at=head)
        self._awaited = None if state is None else _Stored(state)
        return True

    def _save(self, moment: Moment) -> None:
        """Save the state as of *moment*."""
        newest = self._sink.save(
            self._session.id,
            {SESSION: self._session.state()},
            note=moment.note,
            after=self._newest,
        )
        self._outcome.add(self._session.id, newest - self._newest)
        self._newest = newest

    def _conclude(self) -> None:
        """Tell what the whole session showed."""
        self._outcome.counts["message"] += self._session.message_count
        if self._awaited is not None:
            self._tell_apart()

    def _tell_apart(self) -> None:
        """Say why the newest version in the store was not met in the file."""
        id = self._session.id
        final = address_of(self._session.state())
        if any(version.address == final for version in self._sink.store.history(id)):
            self._outcome.warning(f"the store has later states of session {id!r} than this file")
        else:
            self._outcome.problem(
                f"the store has another session {id!r}, which this file does not continue; "
                f"import it into another store"
            )


class _Stored:
    """The newest state in the store, to be met again in a file."""

    def __init__(self, state: bytes) -> None:
        """Wait for *state*."""
        self._state = state
        value = json.loads(state)
        messages = value.get("messages") if isinstance(value, dict) else None
        self._count = len(messages) if isinstance(messages, list) else -1

    def is_reached(self, session: Growing) -> bool:
        """Whether *session* is at this very state."""
        return session.message_count == self._count and session.state() == self._state
