"""The messages of a session as a person reads them, whatever model the session was saved with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from eventstore.cli import words

_CUT = 2000
"""Characters of a message shown to a person before it is cut."""
_KEEP = "\n\t" + words.JOINERS


@dataclass(frozen=True, slots=True)
class Spoken:
    """One message: its number from 1, its role, and its content as text."""

    number: int
    role: str
    text: str

    def record(self, *, whole: bool = False) -> dict[str, Any]:
        """Return what `--json` prints of a message; its text only if *whole*."""
        record = {"number": self.number, "role": self.role, "length": len(self.text)}
        return {**record, "text": self.text} if whole else record

    def cut(self, size_max: int = _CUT) -> str:
        """Return the text for a terminal, cut where it is long, saying so."""
        shown = words.clean(self.text[:size_max], keep=_KEEP)
        more = len(self.text) - size_max
        return shown if more <= 0 else f"{shown}… ({words.plural(more, 'more character')})"

    def line(self, width: int) -> str:
        """Return the beginning of the text on one line of at most *width* characters."""
        line = words.clean(" ".join(self.text[: 4 * width].split()))
        return line if len(line) <= width else line[: width - 1] + "…"


def spoken(document: Any) -> list[Spoken]:
    """Return the messages of a session's document; none where it has no list of them."""
    messages = document.get("messages") if isinstance(document, dict) else None
    if not isinstance(messages, list):
        return []
    return [Spoken(i, _role(m), _content(m)) for i, m in enumerate(messages, 1)]


def _role(message: Any) -> str:
    """Return who spoke."""
    role = message.get("role") if isinstance(message, dict) else None
    return role if isinstance(role, str) else "unknown"


def _content(message: Any) -> str:
    """Return what was said, block by block."""
    content = message.get("content") if isinstance(message, dict) else message
    if isinstance(content, list):
        return "\n".join(map(_block, content))
    return _block(content)


def _block(block: Any) -> str:
    """Return one content block as text; what is not text is named in brackets."""
    if isinstance(block, str):
        return block
    if not isinstance(block, dict):
        return "" if block is None else _compact(block)
    match block.get("type"):
        case "text":
            return str(block.get("text", ""))
        case "tool_use":
            return f"[{block.get('name')}] {_compact(block.get('input'))}"
        case "tool_result":
            failed = " failed" if block.get("is_error") else ""
            return f"[result{failed}] {_content(block)}".rstrip()
        case "image":
            return _image(block.get("source"))
        case _:
            return _compact(block)


def _image(source: Any) -> str:
    """Name an image by its type and size."""
    if not isinstance(source, Mapping):
        return "[image]"
    size = len(str(source.get("data", ""))) * 3 // 4
    return f"[image {source.get('media_type')}, {words.size(size)}]"


def _compact(value: Any) -> str:
    """Return a value as JSON on one line."""
    return json.dumps(value, ensure_ascii=False, separators=(", ", ": "))
