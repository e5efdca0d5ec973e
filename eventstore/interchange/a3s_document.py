"""A state as a3s-code would write it: pretty, floats its way, free-form objects sorted.

a3s-code keeps the members of what it knows in their declared order, and those of free-form
objects sorted by the bytes of their keys. What it wrote itself comes out as it went in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from eventstore.commit import SESSION
from eventstore.interchange import serde
from eventstore.parts import RUN_RECORDS, TRACE_EVENTS

_FREE_IN_EVENT = {
    "tool_end": "metadata",
    "confirmation_required": "args",
    "permission_denied": "args",
    "external_task_pending": "payload",
    "subagent_progress": "metadata",
}
"""The free-form member of each event that has one."""

_BLOCKS = frozenset({"text", "image", "tool_use", "tool_result"})
_RESULT_PARTS = frozenset({"text", "image"})


def document(part: str, value: Any) -> bytes:
    """Return the file that a3s-code would write for a parsed state, which this uses up."""
    for holder, name in _free_forms(part, value):
        if name in holder:
            holder[name] = _sorted(holder[name])
    return serde.pretty(value)


def replace_foreign_blocks(session: Any) -> Counter[str]:
    """Make text blocks, in place, of blocks that a3s-code refuses to read; count them by type."""
    foreign: Counter[str] = Counter()
    for message in session["messages"]:
        _replace(message["content"], _BLOCKS, foreign)
        for block in message["content"]:
            if block["type"] == "tool_result" and isinstance(block["content"], list):
                _replace(block["content"], _RESULT_PARTS, foreign)
    return foreign


def _replace(blocks: list[Any], known: frozenset[str], foreign: Counter[str]) -> None:
    """Replace the blocks of one list."""
    for index, block in enumerate(blocks):
        if block["type"] not in known:
            foreign[block["type"]] += 1
            blocks[index] = {"type": "text", "text": serde.compact(block).decode()}


def _free_forms(part: str, value: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Yield where free-form values stand: the object that holds one, and its key."""
    if part == SESSION:
        for message in value["messages"]:
            calls = (block for block in message["content"] if block["type"] == "tool_use")
            yield from ((block, "input") for block in calls)
    elif part == TRACE_EVENTS:
        yield from ((event, "details") for event in value)
    elif part == RUN_RECORDS:
        for record in value:
            for entry in record["events"]:
                event = entry["event"]
                kind = event.get("type") if isinstance(event, dict) else None
                if isinstance(kind, str) and kind in _FREE_IN_EVENT:
                    yield event, _FREE_IN_EVENT[kind]


def _sorted(value: Any) -> Any:
    """Return a free-form value with the members of every object in the order of their bytes."""
    if isinstance(value, dict):
        members = {}
        for key in sorted(value, key=str.encode):
            members[key] = _sorted(value[key])
        return members
    if isinstance(value, list):
        items = []
        for item in value:
            items.append(_sorted(item))
        return items
    return value
