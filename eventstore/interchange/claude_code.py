"""Import of a Claude Code transcript: one growing session, one version per step.

A step is a finished message of the assistant, or a tool's result: the session as it was then is
one version. What the user wrote is in the version of the reply to it, or in a last version of
its own at the end of the file. A transcript that has grown since is taken up where the store
left off; one that has not writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from eventstore.address import address_of
from eventstore.commit import SESSION
from eventstore.errors import (
    BackendError,
    DurabilityError,
    EventStoreError,
)
from eventstore.interchange.claude_conversation import Conversation
from eventstore.interchange.claude_records import Record, Transcript
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sink import Advance, Sink

FORMAT = "claude-code"


@dataclass(frozen=True, slots=True)
class Step:
    """A moment of a conversation: the record just added, and whether it completed a state."""

    record: Record
    is_state: bool


def steps(transcript: Transcript, conversation: Conversation) -> Iterator[Step]:
    """Yield after every record, with *conversation* as of that record."""
    last: Record | None = None
    for record in transcript.records():
        if last is not None:
            yield Step(last, _completes(last, record, conversation))
        conversation.add(record)
        last = record
    if last is not None:
        yield Step(last, True)


def _completes(last: Record, following: Record, conversation: Conversation) -> bool:
    """Whether a state was complete with *last*, given what follows."""
    if last.role == "user":
        return last.has_result
    return not conversation.continues_with(following)


def import_transcript(
    path: Path, sink: Sink, advance: Advance, *, asked_for: bool = True
) -> FileOutcome:
    """Import one transcript; one without messages is a problem only if it was *asked_for*."""
    outcome = FileOutcome(str(path), FORMAT)
    transcript = _TranscriptImport(path, sink, outcome, advance)
    try:
        transcript.run()
    except (BackendError, DurabilityError):
        raise  # No other file would fare better.
    except EventStoreError as error:
        outcome.problem(error)
    if not outcome.sessions and (asked_for or not outcome.ok):
        outcome.problem("holds no message")
    elif not outcome.sessions:
        outcome.warning("holds no message")
    return outcome


class _TranscriptImport:
    """One import of one transcript."""

    def __init__(self, path: Path, sink: Sink, outcome: FileOutcome, advance: Advance) -> None:
        """Prepare to read the file at *path*."""
        self.path = path
        self.sink = sink
        self.outcome = outcome
        self.advance = advance
        self.conversation = Conversation(path.stem)
        self.newest = 0
        self.awaited: _Stored | None = None
        """What the store has, until the transcript reaches it."""

    def run(self) -> None:
        """Save every state that the store does not have."""
        done = 0
        for step in steps(Transcript(self.path, self.outcome), self.conversation):
            if not self.outcome.sessions and not self._begin():
                return
            self.outcome.counts["state"] += step.is_state
            if self.awaited is None:
                if step.is_state:
                    self._save(step)
            elif self.awaited.is_reached(self.conversation):
                self.awaited = None
            self.advance(self.path, self.outcome.size - done)
            done = self.outcome.size
        self.advance(self.path, self.outcome.size - done)
        if self.outcome.sessions:
            self._conclude()

    def _begin(self) -> bool:
        """See what the store has of the session; return whether there is anything to do."""
        id = self.conversation.id
        self.outcome.sessions.append(id)
        head = self.sink.head(id)
        if head is None:
            return True
        if not head.parts:
            self.outcome.warning(f"session {id!r} was deleted in the store; undelete it to import")
            return False
        self.newest = head.version
        state = self.sink.store.load_bytes(id, at=head)
        self.awaited = None if state is None else _Stored(state)
        return True

    def _save(self, step: Step) -> None:
        """Save the state as of *step*."""
        newest = self.sink.save(
            self.conversation.id,
            {SESSION: self.conversation.state()},
            note=step.record.note,
            after=self.newest,
        )
        self.outcome.versions_added += newest - self.newest
        self.newest = newest

    def _conclude(self) -> None:
        """Tell what the whole file showed."""
        self.outcome.counts["message"] = self.conversation.message_count
        if self.conversation.kept_as_text:
            self.outcome.warning(
                f"{self.conversation.kept_as_text} blocks are not what their type says; "
                f"kept as text"
            )
        if self.awaited is not None:
            self._tell_apart()

    def _tell_apart(self) -> None:
        """Say why the newest version in the store was not met in the file."""
        id = self.conversation.id
        final = address_of(self.conversation.state())
        if any(version.address == final for version in self.sink.store.history(id)):
            self.outcome.warning(f"the store has later states of session {id!r} than this file")
        else:
            self.outcome.problem(
                f"the store has another session {id!r}, which this file does not continue; "
                f"import it into another store"
            )


class _Stored:
    """The newest state in the store, to be met again in a transcript."""

    def __init__(self, state: bytes) -> None:
        """Wait for *state*."""
        self._state = state
        value = json.loads(state)
        messages = value.get("messages") if isinstance(value, dict) else None
        self._count = len(messages) if isinstance(messages, list) else -1

    def is_reached(self, conversation: Conversation) -> bool:
        """Whether *conversation* is at this very state."""
        return conversation.message_count == self._count and conversation.state() == self._state
