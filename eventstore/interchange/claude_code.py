"""Import of a Claude Code transcript: one growing session, one version per step.

A step is a finished message of the assistant, or a tool's result: the session as it was then is
one version. What the user wrote is in the version of the reply to it, or in a last version of
its own at the end of the file.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from eventstore.errors import (
    BackendError,
    DurabilityError,
    EventStoreError,
)
from eventstore.interchange.claude_conversation import Conversation
from eventstore.interchange.claude_records import Record, Transcript
from eventstore.interchange.growing import GrowingImport, Moment
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sink import Advance, Sink

FORMAT = "claude-code"


def moments(transcript: Transcript, conversation: Conversation) -> Iterator[Moment]:
    """Yield after every record, with *conversation* as of that record."""
    last: Record | None = None
    for record in transcript.records():
        if last is not None:
            yield Moment(_completes(last, record, conversation), last.note)
        conversation.add(record)
        last = record
    if last is not None:
        yield Moment(True, last.note)


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
    conversation = Conversation(path.stem)
    importing = GrowingImport(conversation, sink, outcome, advance)
    try:
        importing.run(moments(Transcript(path, outcome), conversation))
    except (BackendError, DurabilityError):
        raise  # No other file would fare better.
    except EventStoreError as error:
        outcome.problem(error)
    if conversation.kept_as_text:
        outcome.warning(
            f"{conversation.kept_as_text} blocks are not what their type says; kept as text"
        )
    nothing = "holds no message" if outcome.size else "is empty"
    if not outcome.sessions and (asked_for or not outcome.ok):
        outcome.problem(nothing)
    elif not outcome.sessions:
        outcome.warning(nothing)
    return outcome
