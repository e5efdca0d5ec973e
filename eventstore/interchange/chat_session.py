"""A session made from a chat: after every message, the state it has by then.

All that a state says comes from the messages up to it, so that a chat that grows in its file
begins with the states it had before.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from eventstore.interchange.claude_messages import MessageBuilder
from eventstore.interchange.growing import Moment
from eventstore.models.a3s import SessionConfig, SessionData, SessionState, TokenUsage

_NO_MESSAGES = b'"messages":[]'
_NAME_LENGTH = 80


@dataclass(frozen=True, slots=True)
class Usage:
    """What one reply took, in tokens and in money."""

    sent: int = 0
    received: int = 0
    cached: int = 0
    cost: float = 0.0


@dataclass(frozen=True, slots=True)
class ChatMessage:
    """One message of a chat: its `content` is a list of blocks as sessions have them.

    `is_result` says that it brings what a tool gave back; `time` is in Unix seconds, 0 where
    the chat does not say; `reply` names the reply that `usage` is of, which several may share.
    """

    role: str
    content: list[Any]
    is_result: bool = False
    place: str = ""
    time: int = 0
    model: str | None = None
    reply: str | None = None
    usage: Usage | None = None

    @property
    def completes(self) -> bool:
        """Whether the session is in a state worth keeping once this was said."""
        return self.is_result or self.role == "assistant"


class ChatSession:
    """The session that the messages so far make; messages are encoded once."""

    def __init__(self, id: str, *, name: str = "", workspace: str = "") -> None:
        """Start empty; without a *name*, the first line that the user says is it."""
        self._id = id
        self._name = name
        self._workspace = workspace
        self._system: list[str] = []
        self._encoded: list[bytes] = []
        self._tools: dict[str, None] = {}
        self._usage: dict[str, Usage] = {}
        self._model: str | None = None
        self._thinking = False
        self._created = 0
        self._updated = 0
        self.kept_as_text = 0
        """How many blocks could not be read as what they say they are."""

    @property
    def id(self) -> str:
        """The session's id."""
        return self._id

    @property
    def message_count(self) -> int:
        """How many messages there are, what the system said first apart."""
        return len(self._encoded)

    def moments(self, messages: Iterable[ChatMessage]) -> Iterator[Moment]:
        """Add every message and yield after each; the last one makes a state whatever it is."""
        last: ChatMessage | None = None
        for message in messages:
            if self._take_instructions(message):
                continue
            if last is not None:
                yield Moment(last.completes, last.place)
            self._add(message)
            last = message
        if last is not None:
            yield Moment(True, last.place)

    def state(self) -> bytes:
        """Return the whole session as a state."""
        frame = self._session().model_dump_json().encode()
        before, _, after = frame.partition(_NO_MESSAGES)
        return b"".join((before, b'"messages":[', b",".join(self._encoded), b"]", after))

    def _take_instructions(self, message: ChatMessage) -> bool:
        """Take what the system says before anybody else does as the session's instructions."""
        if self._encoded or message.role not in ("system", "developer"):
            return False
        self._note_time(message)
        self._system += [text for block in message.content if (text := text_in(block))]
        return True

    def _add(self, message: ChatMessage) -> None:
        """Take over one message."""
        builder = MessageBuilder(message.role)
        self.kept_as_text += builder.add(message.content)
        self._encoded.append(builder.encoded())
        self._note_time(message)
        self._thinking = self._thinking or builder.thought
        self._tools.update((name, None) for name, _ in builder.calls)
        if message.model is not None:
            self._model = message.model
        if message.usage is not None:
            self._usage[message.reply or f"message {len(self._encoded)}"] = message.usage
        if not self._name and message.role == "user" and not message.is_result:
            self._name = _first_line(message.content)

    def _note_time(self, message: ChatMessage) -> None:
        """Take over the time of a message."""
        if message.time:
            self._updated = message.time
            self._created = self._created or self._updated

    def _session(self) -> SessionData:
        """Return the session without its messages."""
        return SessionData(
            id=self._id,
            config=SessionConfig(
                name=self._name,
                workspace=self._workspace,
                system_prompt="\n\n".join(self._system) or None,
            ),
            state=SessionState.ACTIVE,
            total_usage=self._total_usage(),
            total_cost=sum(usage.cost for usage in self._usage.values()),
            model_name=self._model,
            tool_names=tuple(self._tools),
            thinking_enabled=self._thinking,
            created_at=self._created,
            updated_at=self._updated,
        )

    def _total_usage(self) -> TokenUsage:
        """Add up the usage of every reply."""
        sent = sum(usage.sent for usage in self._usage.values())
        received = sum(usage.received for usage in self._usage.values())
        cached = sum(usage.cached for usage in self._usage.values())
        return TokenUsage(
            prompt_tokens=sent,
            completion_tokens=received,
            total_tokens=sent + received,
            cache_read_tokens=cached if self._usage else None,
        )


def text_in(block: Any) -> str:
    """Return the text of a text block, else nothing."""
    if isinstance(block, dict) and block.get("type") == "text":
        text = block.get("text")
        return text if type(text) is str else ""
    return ""


def _first_line(content: list[Any]) -> str:
    """Return the first line of what was said, shortened."""
    for block in content:
        lines = text_in(block).strip().splitlines()
        if lines:
            return lines[0][:_NAME_LENGTH]
    return ""
