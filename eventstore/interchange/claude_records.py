"""The lines of a Claude Code transcript: which are messages, and what became of the others.

A transcript is JSON Lines. Records of type `user` and `assistant` are the conversation; the
others are bookkeeping, counted by type. Records of a side chain (another agent's conversation)
inside a main transcript are counted and passed over; in a file of its own, a side chain is
the conversation.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from eventstore.errors import InvalidInputError
from eventstore.interchange import serde
from eventstore.interchange.files import open_file
from eventstore.interchange.lines import skip_line
from eventstore.interchange.report import FileOutcome
from eventstore.models.usage import parse_rfc3339
from eventstore.state import STATE_SIZE_MAX

MESSAGES = frozenset({"user", "assistant"})
BOOKKEEPING = frozenset(
    {
        "agent-color",
        "agent-name",
        "agent-setting",
        "ai-title",
        "attachment",
        "attribution-snapshot",
        "content-replacement",
        "custom-title",
        "file-history-snapshot",
        "last-prompt",
        "mode",
        "permission-mode",
        "pr-link",
        "progress",
        "queue-operation",
        "saved_hook_context",
        "summary",
        "system",
        "tag",
        "worktree-state",
    }
)
"""Types of records that are known to carry no message."""

_SUBTYPES = frozenset({"compact_boundary", "microcompact_boundary"})
_KINDS_SHOWN = 10
_KIND_LENGTH = 40
_LINES_SHOWN = 10
_BROKEN_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the conversation: where it stands, and what it says."""

    line: int
    role: str
    value: dict[str, Any]

    @property
    def message(self) -> dict[str, Any]:
        """The message as the model's interface has it."""
        message: dict[str, Any] = self.value["message"]
        return message

    @property
    def message_id(self) -> str | None:
        """What the records of one reply share."""
        return text_of(self.message.get("id"))

    @property
    def has_result(self) -> bool:
        """Whether this brings the result of a tool."""
        content = self.message["content"]
        return isinstance(content, list) and any(
            isinstance(block, dict) and block.get("type") == "tool_result" for block in content
        )

    @property
    def time(self) -> str | None:
        """The time of the record as it was written, if it is one."""
        time = text_of(self.value.get("timestamp"))
        try:
            return time if time and parse_rfc3339(time) else None
        except ValueError:
            return None

    @property
    def note(self) -> str:
        """What a version says of the record that completed it."""
        return f"line {self.line}" if self.time is None else f"line {self.line}, {self.time}"


def text_of(value: Any) -> str | None:
    """Return *value* if it is a string that says something."""
    return value if type(value) is str and value else None


class Transcript:
    """One transcript, read line by line; what is odd goes into its outcome."""

    def __init__(self, path: Path, outcome: FileOutcome) -> None:
        """Prepare to read the file at *path*."""
        self._path = path
        self._outcome = outcome
        self._identity: tuple[str | None, str | None] | None = None
        self._sidechain = False
        self._passed: dict[str, list[int]] = {}

    def records(self) -> Iterator[Record]:
        """Yield the records of the conversation; the outcome is complete when they end."""
        for line, value in self._values():
            record = self._record(line, value)
            if record is not None:
                yield record
        self._conclude()

    def _values(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Yield every line that is an object, with its number."""
        with open_file(self._path) as file:
            number = 0
            while text := file.readline(STATE_SIZE_MAX + 1):
                number += 1
                self._outcome.size += len(text)
                if len(text) > STATE_SIZE_MAX:
                    self._outcome.size += skip_line(file)
                if text.strip():
                    value = self._parse(number, text)
                    if value is not None:
                        yield number, value

    def _parse(self, line: int, text: bytes) -> dict[str, Any] | None:
        """Return the object that a line is; None, and a problem, if it is none."""
        try:
            value = serde.parse(text, mend=True)
        except InvalidInputError as error:
            self._break(line, error.message)
            return None
        if not isinstance(value, dict) or text_of(value.get("type")) is None:
            self._break(line, "is no record: an object with a type")
            return None
        return value

    def _record(self, line: int, value: dict[str, Any]) -> Record | None:
        """Return the record if it belongs to the conversation, and count it in any case."""
        kind: str = value["type"]
        if kind not in MESSAGES:
            self._count(line, kind, text_of(value.get("subtype")))
            return None
        message = value.get("message")
        if not isinstance(message, dict) or type(message.get("content")) not in {str, list}:
            self._break(line, f"is a record of type {kind!r} without a message")
            return None
        return self._belonging(Record(line, kind, value))

    def _belonging(self, record: Record) -> Record | None:
        """Return a record of this conversation; count and pass over that of another agent."""
        value, counts = record.value, self._outcome.counts
        sidechain = value.get("isSidechain") is True
        identity = (text_of(value.get("sessionId")), text_of(value.get("agentId")))
        if self._identity is None:
            self._identity = identity
            self._sidechain = sidechain
        elif sidechain != self._sidechain or (sidechain and identity[1] != self._identity[1]):
            counts["sidechain"] += 1
            self._pass_over("records of another agent's side chain", record.line)
            return None
        elif identity[0] != self._identity[0]:
            self._pass_over("records that state another session; taken for this one", record.line)
        counts[record.role] += 1
        if value.get("isMeta") is True:
            counts["user.meta"] += 1
        if value.get("isCompactSummary") is True:
            counts["user.compact_summary"] += 1
        return record

    def _count(self, line: int, kind: str, subtype: str | None) -> None:
        """Count a record that is no message."""
        if kind not in BOOKKEEPING:
            self._outcome.counts["unknown"] += 1
            known = len(self._passed) < _KINDS_SHOWN
            name = f"of the unknown type {kind[:_KIND_LENGTH]!r}" if known else "of unknown types"
            self._pass_over(f"records {name}", line)
        elif kind == "system" and subtype in _SUBTYPES:
            self._outcome.counts[f"{kind}.{subtype}"] += 1
        else:
            self._outcome.counts[kind] += 1

    def _pass_over(self, what: str, line: int) -> None:
        """Remember a line to tell of at the end."""
        self._passed.setdefault(what, []).append(line)

    def _break(self, line: int, reason: str) -> None:
        """Report a line that cannot be used; the first ones each, the rest by number."""
        self._outcome.counts["broken"] += 1
        if self._outcome.counts["broken"] <= _BROKEN_SHOWN:
            self._outcome.problem(reason, line=line)

    def _conclude(self) -> None:
        """Tell what was counted only."""
        more = self._outcome.counts["broken"] - _BROKEN_SHOWN
        if more > 0:
            self._outcome.problem(f"{more} more broken lines")
        for what, lines in self._passed.items():
            shown = ", ".join(str(line) for line in lines[:_LINES_SHOWN])
            more_lines = ", …" if len(lines) > _LINES_SHOWN else ""
            self._outcome.warning(f"{len(lines)} {what} (lines {shown}{more_lines})")
