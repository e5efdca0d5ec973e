"""Import of one file with chats in it: what the readers of such formats have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from eventstore.errors import BackendError, DurabilityError, EventStoreError
from eventstore.interchange.chat_session import ChatMessage, ChatSession
from eventstore.interchange.growing import GrowingImport
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sample import Sample
from eventstore.interchange.sink import Advance, Sink


@dataclass(frozen=True, slots=True)
class Chat:
    """One chat found in a file: the session it is to be, and what was said in it."""

    session: ChatSession
    messages: Iterable[ChatMessage]


def import_chats(
    sample: Sample,
    sink: Sink,
    advance: Advance,
    *,
    format: str,
    find: Callable[[FileOutcome], Iterator[Chat]],
) -> list[FileOutcome]:
    """Import the chats that *find* yields; what is wrong with one of them stops no other."""
    outcome = FileOutcome(str(sample.path), format, size=sample.size)
    found = 0
    try:
        for chat in find(outcome):
            found += 1
            _import_chat(chat, sink, outcome)
    except (BackendError, DurabilityError):
        raise  # No other file would fare better.
    except EventStoreError as error:
        outcome.problem(error)
    if not outcome.sessions and outcome.ok:
        outcome.problem("holds no message")
    advance(sample.path, sample.size)
    return [outcome]


def _import_chat(chat: Chat, sink: Sink, outcome: FileOutcome) -> None:
    """Import one chat."""
    session = chat.session
    try:
        GrowingImport(session, sink, outcome).run(session.moments(chat.messages))
    except (BackendError, DurabilityError):
        raise  # No other chat would fare better.
    except EventStoreError as error:
        outcome.problem(f"session {session.id!r}: {error}")
    if session.kept_as_text:
        outcome.warning(
            f"{session.kept_as_text} blocks of session {session.id!r} are not what their type "
            "says; kept as text"
        )
