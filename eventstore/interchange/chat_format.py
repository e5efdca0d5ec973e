"""Chats as OpenAI's interfaces have them: lists of messages with roles.

A file is one list, an object that holds one (`messages`, `traj`, …), a list of such objects (the
runs of tau-bench, say) or an object that holds that list (those of tau2-bench), or JSON Lines of
messages or of such objects.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventstore.interchange.chat_messages import is_chat, is_message, message_of, messages_of
from eventstore.interchange.chat_session import ChatMessage, ChatSession
from eventstore.interchange.chats import Chat, import_chats
from eventstore.interchange.formats import Format, Options
from eventstore.interchange.lines import Lines
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sample import Sample
from eventstore.interchange.sink import Advance, Sink

NAME = "chat"
_HOLDERS = ("messages", "traj", "conversation", "chat", "input")
_LISTS = ("simulations", "conversations", "results", "runs")
_IDS = ("session_id", "conversation_id", "thread_id", "chat_id", "id")


def _recognises(sample: Sample, _options: Options) -> bool:
    """Whether the file is a chat, holds one, or lists some."""
    document = sample.document
    if document is not None:
        return (
            is_chat(document) or _chat_in(document) is not None or _are_chats(_chats_in(document))
        )
    return bool(sample.records) and (
        _are_chats(sample.records) or all(map(is_message, sample.records))
    )


def _read(sample: Sample, sink: Sink, advance: Advance, _options: Options) -> list[FileOutcome]:
    """Import every chat of the file."""
    return import_chats(
        sample, sink, advance, format=NAME, find=lambda outcome: _chats(sample, outcome)
    )


def _chats(sample: Sample, outcome: FileOutcome) -> Iterator[Chat]:
    """Yield the chats of a file."""
    document = sample.document
    if document is None:
        if all(map(is_message, sample.records)):
            yield Chat(ChatSession(sample.stem), _messages_by_line(sample, outcome))
        else:
            for line, value in Lines(sample, outcome).values():
                yield from _held(value, f"{sample.stem}/{line}", outcome, f"line {line}")
    elif is_chat(document):
        yield Chat(ChatSession(sample.stem), messages_of(document))
    elif _chat_in(document) is not None:
        yield from _held(document, sample.stem, outcome, "the document")
    else:
        for number, value in enumerate(_chats_in(document), start=1):
            yield from _held(value, f"{sample.stem}/{number}", outcome, f"element {number}")


def _messages_by_line(sample: Sample, outcome: FileOutcome) -> Iterator[ChatMessage]:
    """Yield the messages of a file with one on each line."""
    for number, value in Lines(sample, outcome).values():
        if is_message(value):
            yield message_of(value, f"line {number}")
        else:
            outcome.problem("is no message: an object with a role and content", line=number)


def _held(value: Any, default: str, outcome: FileOutcome, place: str) -> Iterator[Chat]:
    """Yield the chat that an object holds."""
    chat = _chat_in(value)
    if chat is None:
        outcome.problem(f"{place} holds no chat")
    else:
        id = next((value[name] for name in _IDS if _is_id(value.get(name))), None)
        run = _run_of(value, default)
        yield Chat(ChatSession(str(id or run)), messages_of(chat))


def _run_of(value: dict[str, Any], default: str) -> str:
    """Return the id of a run of a benchmark that is one of many in its file."""
    task, trial = value.get("task_id"), value.get("trial")
    if "/" not in default or not _is_id(task):
        return default
    stem = default.rpartition("/")[0]
    return f"{stem}/task-{task}" if trial is None else f"{stem}/task-{task}-trial-{trial}"


def _is_id(value: Any) -> bool:
    """Whether a value can be an id: text or a number that says something."""
    return isinstance(value, str) and bool(value)


def _chat_in(value: Any) -> list[Any] | None:
    """Return the chat that an object holds."""
    if not isinstance(value, dict):
        return None
    for name in _HOLDERS:
        found = value.get(name)
        if isinstance(found, list) and is_chat(found):
            return found
    return None


def _chats_in(document: Any) -> list[Any]:
    """Return the list that a document is, or else holds, of what may be chats."""
    if isinstance(document, list):
        return document
    lists = [document.get(name) for name in _LISTS] if isinstance(document, dict) else []
    return next((found for found in lists if isinstance(found, list) and _are_chats(found)), [])


def _are_chats(values: list[Any]) -> bool:
    """Whether a list is one of objects that hold chats, judged by its beginning."""
    return bool(values) and all(_chat_in(value) is not None for value in values[:3])


FORMAT = Format(NAME, "an OpenAI-style chat (.json, .jsonl)", _recognises, _read, rank=70)
