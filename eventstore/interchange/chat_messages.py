"""Messages of chats as OpenAI's interfaces have them, and most tools that log their calls.

Chat completions (`{"role":…,"content":…,"tool_calls":…}`) and items of responses
(`{"type":"function_call_output",…}`) become blocks as sessions have them. What is known of a
reply beside its content (usage, model, time) is taken over, the rest of the record is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from eventstore.errors import InvalidInputError
from eventstore.interchange import serde
from eventstore.interchange.chat_session import ChatMessage, Usage

ROLES = ("system", "developer", "user", "assistant", "tool", "function", "exit")

_ITEMS = ("message", "function_call", "function_call_output", "reasoning")
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+);base64,(.*)", re.DOTALL)
_TEXTS = ("text", "input_text", "output_text", "refusal", "summary_text")
_TIME_MAX = 253_402_300_800


def is_message(value: Any) -> bool:
    """Whether a value is a message of a chat, or an item of a response."""
    if not isinstance(value, dict):
        return False
    if value.get("role") in ROLES:
        return bool({"content", "tool_calls", "function_call"} & value.keys())
    return value.get("type") in _ITEMS or value.get("object") == "response"


def is_chat(value: Any) -> bool:
    """Whether a value is a list of messages, judged by its first and its last."""
    return isinstance(value, list) and bool(value) and all(map(is_message, (value[0], value[-1])))


def messages_of(chat: list[Any]) -> Iterator[ChatMessage]:
    """Yield the messages of a chat; raise `InvalidInputError`, naming it, for what is none."""
    for number, value in enumerate(chat, start=1):
        if not is_message(value):
            raise InvalidInputError(f"message {number} is none: an object with a role and content")
        yield message_of(value, f"message {number}")


def message_of(value: dict[str, Any], place: str) -> ChatMessage:
    """Return one message; *place* is what its version says of where it came from."""
    response = _response_of(value)
    kind = value.get("type")
    if value.get("role") in ("tool", "function") or kind == "function_call_output":
        return ChatMessage("user", [_result(value)], is_result=True, place=place, time=_time(value))
    role = "assistant" if value.get("object") == "response" else _text(value.get("role"))
    role = role or ("user" if kind == "message" else "assistant")
    return ChatMessage(
        role="user" if role == "exit" else role,
        content=list(_blocks(value)),
        place=place,
        time=_time(value) or _time(response),
        model=_text(response.get("model")) or _text(value.get("model")),
        reply=_text(response.get("id")),
        usage=_usage(response, value),
    )


def blocks_of(content: Any) -> Iterator[Any]:
    """Yield the blocks that the content of a message is; empty text is none."""
    for part in content if isinstance(content, list) else [content]:
        if isinstance(part, str) and not isinstance(part, serde.Number):
            if part:
                yield {"type": "text", "text": part}
        elif part is not None:
            yield _block(part)


def arguments_of(text: Any) -> Any:
    """Return the arguments of a call, which models write as JSON in a string; else the string."""
    if type(text) is not str:
        return {} if text is None else text
    try:
        return serde.parse(text, mend=True)
    except InvalidInputError:
        return text if text.strip() else {}


def _blocks(value: dict[str, Any]) -> Iterator[Any]:
    """Yield what a message says: thoughts, content, calls."""
    yield from _thoughts(value) or _thoughts(_reply_in(_response_of(value)))
    if value.get("type") == "function_call":
        yield _call(value.get("call_id"), value)
    elif value.get("object") == "response":
        for item in value.get("output") or []:
            if isinstance(item, dict):
                yield from _blocks(item)
    else:
        yield from blocks_of(value.get("content"))
        yield from blocks_of(value.get("refusal"))
    calls = value.get("tool_calls")
    for number, call in enumerate(calls if isinstance(calls, list) else [], start=1):
        if isinstance(call, dict):
            yield _call(call.get("id") or f"call-{number}", call.get("function", call))
    if isinstance(value.get("function_call"), dict):
        yield _call(value["function_call"].get("name"), value["function_call"])


def _thoughts(value: dict[str, Any]) -> list[Any]:
    """Return what the model thought, under any of the names that it goes by."""
    texts = [value.get("reasoning_content") or value.get("reasoning")]
    if _text(texts[0]) is None:
        texts = [block.get("thinking") for block in _objects(value.get("thinking_blocks"))]
    if value.get("type") == "reasoning":
        texts += [part.get("text") for part in _objects(value.get("summary"))]
    return [{"type": "thinking", "thinking": text} for text in texts if _text(text)]


def _call(id: Any, function: Any) -> dict[str, Any]:
    """Return the block of a call."""
    function = function if isinstance(function, dict) else {}
    return {
        "type": "tool_use",
        "id": _text(id) or "call",
        "name": _text(function.get("name")) or "",
        "input": arguments_of(function.get("arguments", function.get("input"))),
    }


def _result(value: dict[str, Any]) -> dict[str, Any]:
    """Return the block of what a tool gave back."""
    ids = value.get("tool_call_ids")
    first = ids[0] if isinstance(ids, list) and ids else None
    id = (
        value.get("tool_call_id")
        or value.get("call_id")
        or first
        or value.get("name")
        or value.get("id")
    )
    content = value.get("output") if "output" in value else value.get("content")
    blocks = list(blocks_of(content))
    texts = [block["text"] for block in blocks if isinstance(block, dict) and "text" in block]
    return {
        "type": "tool_result",
        "tool_use_id": _text(id) or "call",
        "content": "".join(texts) if len(texts) == len(blocks) < 2 else blocks,
        "is_error": None,
    }


def _block(part: Any) -> Any:
    """Return one part of a message's content as a block; what is not known stays as it is."""
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    text = part.get("text", part.get("refusal"))
    if kind in _TEXTS and type(text) is str:
        return {"type": "text", "text": text}
    image = part.get("image_url")
    url = image.get("url") if isinstance(image, dict) else image
    found = _DATA_URL.fullmatch(url) if type(url) is str else None
    if found is None:
        return part
    source = {"type": "base64", "media_type": found[1], "data": found[2]}
    return {"type": "image", "source": source}


def _response_of(value: dict[str, Any]) -> dict[str, Any]:
    """Return the provider's whole answer, where the tool that made the log kept it."""
    extra = value.get("extra")
    response = extra.get("response") if isinstance(extra, dict) else None
    return response if isinstance(response, dict) else value


def _reply_in(response: dict[str, Any]) -> dict[str, Any]:
    """Return the message in a provider's whole answer."""
    choices = _objects(response.get("choices"))
    message = choices[0].get("message") if choices else None
    return message if isinstance(message, dict) else {}


def _usage(response: dict[str, Any], value: dict[str, Any]) -> Usage | None:
    """Return what a reply took, where it is said."""
    usage = response.get("usage")
    extra = value.get("extra")
    cost = extra.get("cost") if isinstance(extra, dict) else None
    if not isinstance(usage, dict):
        return None if cost is None else Usage(cost=_real(cost))
    return usage_of(usage, cost)


def usage_of(usage: dict[str, Any], cost: Any = None) -> Usage:
    """Return what a usage object says."""
    details = usage.get("prompt_tokens_details") or usage.get("input_tokens_details")
    cached = details.get("cached_tokens") if isinstance(details, dict) else None
    return Usage(
        sent=_natural(usage.get("prompt_tokens", usage.get("input_tokens"))),
        received=_natural(usage.get("completion_tokens", usage.get("output_tokens"))),
        cached=_natural(cached),
        cost=_real(usage.get("cost") if cost is None else cost),
    )


def time_of(value: Any) -> int:
    """Return a time as Unix seconds; 0 for what is none. A time without a zone is taken as UTC."""
    try:
        if isinstance(value, serde.Number):
            seconds = float(value)
        elif isinstance(value, str):
            moment = datetime.fromisoformat(value)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            seconds = moment.timestamp()
        else:
            return 0
    except (ValueError, OverflowError):
        return 0
    return int(seconds) if 0 < seconds < _TIME_MAX else 0


def _time(value: dict[str, Any]) -> int:
    """Return when a message says it was said."""
    extra = value.get("extra")
    more = extra.get("timestamp") if isinstance(extra, dict) else None
    for found in (value.get("timestamp"), value.get("created_at"), value.get("created"), more):
        if time := time_of(found):
            return time
    return 0


def _objects(value: Any) -> list[dict[str, Any]]:
    """Return the objects in a list; none for anything else."""
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


def _text(value: Any) -> str | None:
    """Return *value* if it is a string that says something."""
    return value if type(value) is str and value else None


def _natural(value: Any) -> int:
    """Return a count, 0 for anything that is none."""
    return int(value) if isinstance(value, str) and value.isdecimal() and len(value) < 16 else 0


def _real(value: Any) -> float:
    """Return an amount, 0 for anything that is none."""
    number = float(value) if isinstance(value, serde.Number) else 0.0
    return number if number > 0 else 0.0
