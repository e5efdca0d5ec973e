"""A Claude Code session as it grows: after every record, the state it has by then."""

from __future__ import annotations

from typing import Any

from eventstore.interchange.claude_messages import MessageBuilder
from eventstore.interchange.claude_records import Record, text_of
from eventstore.interchange.claude_tasks import TaskList
from eventstore.models.a3s import SessionConfig, SessionData, SessionState, TokenUsage
from eventstore.models.usage import parse_rfc3339

_NO_MESSAGES = b'"messages":[]'
_CONTEXT_LENGTH = 200_000
_NAME_LENGTH = 80
_SYNTHETIC = "<synthetic>"
_USAGE = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
)


class Conversation:
    """The session that the records so far make; messages are encoded once."""

    def __init__(self, file_stem: str) -> None:
        """Start empty; *file_stem* names a session whose records do not."""
        self._file_stem = file_stem
        self._done: list[bytes] = []
        self._open: MessageBuilder | None = None
        self._open_id: str | None = None
        self._session_id: str | None = None
        self._agent_id: str | None = None
        self._is_sidechain = False
        self._workspace = ""
        self._name = ""
        self._model: str | None = None
        self._tools: dict[str, None] = {}
        self._tasks = TaskList()
        self._usage: dict[str, tuple[int, ...]] = {}
        self._thinking = False
        self._created = 0
        self._updated = 0
        self.kept_as_text = 0
        """How many blocks could not be read as what they say they are."""

    @property
    def id(self) -> str:
        """The session's id; that of another agent's side chain is below its session's."""
        session = self._session_id or self._file_stem
        if not self._is_sidechain:
            return session
        agent = f"agent-{self._agent_id}" if self._agent_id else self._file_stem
        return f"{session}/{agent}"

    @property
    def message_count(self) -> int:
        """How many messages there are, the last one perhaps not complete."""
        return len(self._done) + (self._open is not None)

    def continues_with(self, record: Record) -> bool:
        """Whether *record* adds to the last message instead of starting one."""
        return (
            self._open is not None
            and self._open.role == record.role == "assistant"
            and record.message_id is not None
            and record.message_id == self._open_id
        )

    def add(self, record: Record) -> None:
        """Take over one record."""
        if self._open is None:
            self._begin(record.value)
        if not self.continues_with(record):
            if self._open is not None:
                self._done.append(self._open.encoded())
            self._open = MessageBuilder(record.role)
            self._open_id = record.message_id
        assert self._open is not None, "a message is open"
        self.kept_as_text += self._open.add(record.message["content"])
        self._note_time(record)
        if record.role == "assistant":
            self._note_reply(record, self._open)
        elif not self._name and record.value.get("isMeta") is not True:
            self._name = _name_from(record.message["content"])

    def state(self) -> bytes:
        """Return the whole session as a state."""
        frame = self._session().model_dump_json().encode()
        before, _, after = frame.partition(_NO_MESSAGES)
        messages = list(self._done)
        if self._open is not None:
            messages.append(self._open.encoded())
        return b"".join((before, b'"messages":[', b",".join(messages), b"]", after))

    def _begin(self, first: dict[str, Any]) -> None:
        """Take over what the first record says of the session."""
        self._session_id = text_of(first.get("sessionId"))
        self._agent_id = text_of(first.get("agentId"))
        self._is_sidechain = first.get("isSidechain") is True
        self._workspace = text_of(first.get("cwd")) or ""

    def _session(self) -> SessionData:
        """Return the session without its messages."""
        return SessionData(
            id=self.id,
            config=SessionConfig(
                name=self._name,
                workspace=self._workspace,
                max_context_length=_CONTEXT_LENGTH,
            ),
            state=SessionState.ACTIVE,
            total_usage=self._total_usage(),
            model_name=self._model,
            tool_names=tuple(self._tools),
            thinking_enabled=self._thinking,
            created_at=self._created,
            updated_at=self._updated,
            tasks=tuple(self._tasks),
            parent_id=self._session_id if self._is_sidechain else None,
        )

    def _note_time(self, record: Record) -> None:
        """Take over the time of a record."""
        if record.time is not None:
            self._updated = int(parse_rfc3339(record.time).timestamp())
            self._created = self._created or self._updated

    def _note_reply(self, record: Record, message: MessageBuilder) -> None:
        """Take over what a reply says beside its content."""
        model = text_of(record.message.get("model"))
        if model is not None and model != _SYNTHETIC:
            self._model = model
        self._thinking = self._thinking or message.thought
        for tool, arguments in message.calls:
            self._tools[tool] = None
            self._tasks.apply(tool, arguments)
        usage = record.message.get("usage")
        if isinstance(usage, dict):
            # Every record of a reply repeats its usage, each time with more output.
            key = record.message_id or f"line {record.line}"
            self._usage[key] = tuple(_count(usage.get(name)) for name in _USAGE)

    def _total_usage(self) -> TokenUsage:
        """Add up the usage of every reply."""
        if not self._usage:
            return TokenUsage()
        sent, received, read, written = map(sum, zip(*self._usage.values(), strict=True))
        return TokenUsage(
            prompt_tokens=sent,
            completion_tokens=received,
            total_tokens=sent + received,
            cache_read_tokens=read,
            cache_write_tokens=written,
        )


def _count(value: Any) -> int:
    """Return a number of tokens, 0 for anything that is none."""
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 16 else 0


def _name_from(content: Any) -> str:
    """Return the first line of a prompt that a person may have typed, shortened."""
    texts = [content] if isinstance(content, str) else [_text_in(block) for block in content]
    for text in texts:
        lines = text.strip().splitlines()
        if lines and not lines[0].startswith("<"):
            return str(lines[0])[:_NAME_LENGTH]
    return ""


def _text_in(block: Any) -> str:
    """Return the text of a text block, else nothing."""
    if isinstance(block, dict) and block.get("type") == "text":
        return text_of(block.get("text")) or ""
    return ""
