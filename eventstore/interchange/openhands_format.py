"""OpenHands: a list of events, an object that holds one, or such objects line by line."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from eventstore.interchange.chat_session import ChatSession
from eventstore.interchange.chats import Chat, import_chats
from eventstore.interchange.formats import Format, Options
from eventstore.interchange.lines import Lines
from eventstore.interchange.openhands_events import Events, is_event
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sample import Sample
from eventstore.interchange.sink import Advance, Sink

NAME = "openhands"
_HOLDERS = ("history", "trajectory", "events")
_IDS = ("instance_id", "session_id", "conversation_id")


def _recognises(sample: Sample, _options: Options) -> bool:
    """Whether there are events at the beginning of the list, or in what holds one."""
    items = sample.items
    if items and all(map(is_event, items[:3])):
        return True
    first = sample.members or (items[0] if sample.records else None)
    return _events_in(first) is not None


def _read(sample: Sample, sink: Sink, advance: Advance, _options: Options) -> list[FileOutcome]:
    """Import every session of the file."""
    return import_chats(
        sample, sink, advance, format=NAME, find=lambda outcome: _chats(sample, outcome)
    )


def _chats(sample: Sample, outcome: FileOutcome) -> Iterator[Chat]:
    """Yield the sessions of a file."""
    if sample.members:
        yield from _held(sample.members, sample.stem, outcome, "the document")
    elif isinstance(sample.document, list):
        yield _chat(sample.stem, sample.document, outcome)
    elif is_event(sample.records[0]):
        values = [value for _, value in Lines(sample, outcome).values()]
        yield _chat(sample.stem, values, outcome)
    else:
        for line, value in Lines(sample, outcome).values():
            yield from _held(value, f"{sample.stem}/{line}", outcome, f"line {line}")


def _held(value: Any, default: str, outcome: FileOutcome, place: str) -> Iterator[Chat]:
    """Yield the session that an object holds."""
    events = _events_in(value)
    if events is None:
        outcome.problem(f"{place} holds no events")
    else:
        id = next((value[name] for name in _IDS if type(value.get(name)) is str), default)
        yield _chat(id, events, outcome)


def _chat(id: str, values: list[Any], outcome: FileOutcome) -> Chat:
    """Return the session that events are."""
    return Chat(ChatSession(id), Events(values, outcome).messages())


def _events_in(value: Any) -> list[Any] | None:
    """Return the events that an object holds; older ones stand in pairs."""
    for name in _HOLDERS:
        found = value.get(name) if isinstance(value, dict) else None
        if isinstance(found, list) and found:
            events = [e for item in found for e in (item if isinstance(item, list) else [item])]
            if events and all(map(is_event, events[:3])):
                return events
    return None


FORMAT = Format(NAME, "an OpenHands event list (.json)", _recognises, _read, rank=40)
