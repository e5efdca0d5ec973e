"""Messages of a Claude Code transcript as messages of a session.

Thinking becomes `reasoning_content` (its signatures are not kept); text, images, tool calls and
results become their blocks; blocks of other types stay as they are. What has a known type and
cannot be read as it becomes a text block of its JSON, so that nothing is dropped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from pydantic import TypeAdapter, ValidationError

from eventstore.interchange import serde
from eventstore.models.a3s import ContentBlock

_BLOCK: TypeAdapter[Any] = TypeAdapter(ContentBlock)
_ORDER = {
    "text": ("type", "text"),
    "image": ("type", "source"),
    "tool_use": ("type", "id", "name", "input"),
    "tool_result": ("type", "tool_use_id", "content", "is_error"),
}
_SOURCE_ORDER = ("type", "media_type", "data")


class MessageBuilder:
    """One message, of as many records as it takes."""

    def __init__(self, role: str) -> None:
        """Start a message without content."""
        self.role = role
        self.blocks: list[bytes] = []
        self.reasoning: list[str] = []
        self.calls: list[tuple[str, Any]] = []
        """The tool calls of the content added last: name and input."""
        self.thought = False
        self._encoded: bytes | None = None

    def add(self, content: Any) -> int:
        """Add the content of a record; return how many blocks had to be kept as text."""
        self._encoded = None
        self.calls = []
        kept = 0
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        for block in blocks:
            if _is_thinking(block):
                self.thought = True
                self.reasoning += [block["thinking"]] if block["thinking"] else []
                continue
            shaped = _shaped(block)
            if shaped is None:
                shaped = _as_text(block)
                kept += 1
            elif shaped["type"] == "tool_use":
                self.calls.append((shaped["name"], shaped["input"]))
            self.blocks.append(serde.compact(shaped))
        return kept

    def encoded(self) -> bytes:
        """Return the message as it stands in a state."""
        if self._encoded is None:
            self._encoded = b"".join(self._pieces())
        return self._encoded

    def _pieces(self) -> Iterator[bytes]:
        """Yield the bytes of the message."""
        yield b'{"role":' + serde.compact(self.role) + b',"content":['
        yield b",".join(self.blocks)
        yield b"]"
        if self.reasoning:
            yield b',"reasoning_content":' + serde.compact("\n\n".join(self.reasoning))
        yield b"}"


def _is_thinking(block: Any) -> bool:
    """Whether a block holds what the model thought, in words."""
    return (
        isinstance(block, dict)
        and block.get("type") == "thinking"
        and type(block.get("thinking")) is str
    )


def _shaped(block: Any) -> dict[str, Any] | None:
    """Return a block with its members in our order; None if it is not what its type says."""
    if not isinstance(block, dict) or type(block.get("type")) is not str:
        return None
    shaped = dict(block)
    if block["type"] == "tool_result":
        shaped["content"] = _result_content(block.get("content"))
        shaped.setdefault("is_error", None)
    elif block["type"] == "image" and isinstance(block.get("source"), dict):
        shaped["source"] = _in_order(block["source"], _SOURCE_ORDER)
    shaped = _in_order(shaped, _ORDER.get(block["type"], ("type",)))
    try:
        _BLOCK.validate_python(json.loads(serde.compact(shaped)))
    except (ValidationError, RecursionError):
        return None
    return shaped


def _result_content(content: Any) -> Any:
    """Return what a tool gave back as a string or a list of parts."""
    if content is None:
        return ""
    if isinstance(content, list):
        return [_shaped(part) or _as_text(part) for part in content]
    return content


def _as_text(value: Any) -> dict[str, Any]:
    """Return a text block of a value's JSON."""
    return {"type": "text", "text": serde.compact(value).decode()}


def _in_order(value: dict[str, Any], order: tuple[str, ...]) -> dict[str, Any]:
    """Return an object with the members named in *order* first."""
    first = {key: value[key] for key in order if key in value}
    return first | value
