"""What a session says: the texts, tool calls and tool results of its messages, one by one."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Said:
    """One text: the number of its message from 1, of its block from 0, who said it, which tool."""

    message: int
    block: int
    role: str
    tool: str
    text: str


def said_in(document: Any) -> Iterator[Said]:
    """Yield every text of a session's document; none where it has no list of messages."""
    messages = document.get("messages") if isinstance(document, dict) else None
    tools: dict[str, str] = {}
    for number, item in enumerate(messages if isinstance(messages, list) else (), 1):
        message = item if isinstance(item, dict) else {"content": item}
        role = _text(message.get("role"))
        for block, (tool, text) in enumerate(_blocks(message, tools)):
            if text:
                yield Said(number, block, role, tool, text)


def _blocks(message: dict[str, Any], tools: dict[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the tool and the text of each block; *tools* are the names of calls so far, by id."""
    content = message.get("content")
    for block in content if isinstance(content, list) else [content]:
        yield _block(block, tools)
    yield "", _text(message.get("reasoning_content"))


def _block(block: Any, tools: dict[str, str]) -> tuple[str, str]:
    """Return the tool and the text of one block."""
    if not isinstance(block, dict):
        return "", _text(block)
    match block.get("type"):
        case "tool_use":
            name = _text(block.get("name"))
            tools[_text(block.get("id"))] = name
            return name, f"{name} {_words(block.get('input'))}"
        case "tool_result":
            return tools.get(_text(block.get("tool_use_id")), ""), _content(block.get("content"))
        case _:
            return "", _text(block.get("text"))


def _content(content: Any) -> str:
    """Return the text of a tool's result: a string, or a list of parts."""
    if not isinstance(content, list):
        return _text(content)
    return "\n".join(_text(part.get("text")) for part in content if isinstance(part, dict))


def _words(value: Any) -> str:
    """Return a tool's arguments as text: strings as they are, everything else as JSON."""
    if isinstance(value, dict):
        return " ".join(f"{key}: {_scalar(item)}" for key, item in value.items())
    return _scalar(value)


def _scalar(value: Any) -> str:
    """Return one argument as text."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _text(value: Any) -> str:
    """Return a string as it is, anything else as nothing."""
    return value if isinstance(value, str) else ""
