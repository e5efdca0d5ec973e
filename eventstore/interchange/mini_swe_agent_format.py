"""mini-SWE-agent trajectories (`.traj.json`): a chat, and how the run went."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from eventstore.interchange.chat_messages import is_message, messages_of
from eventstore.interchange.chat_session import ChatMessage, ChatSession
from eventstore.interchange.chats import Chat, import_chats
from eventstore.interchange.formats import Format, Options
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sample import Sample
from eventstore.interchange.sink import Advance, Sink

NAME = "mini-swe-agent"
_INFO = {"exit_status", "mini_version", "model_stats"}


def _recognises(sample: Sample, _options: Options) -> bool:
    """Whether the document is a trajectory: it states so, or says how a run went."""
    members = sample.members
    stated = members.get("trajectory_format")
    if isinstance(stated, str) and stated.startswith("mini-swe-agent"):
        return True
    info, messages = members.get("info"), members.get("messages")
    is_run = isinstance(info, dict) and bool(_INFO & info.keys())
    return is_run and isinstance(messages, list) and all(map(is_message, messages[:1]))


def _read(sample: Sample, sink: Sink, advance: Advance, _options: Options) -> list[FileOutcome]:
    """Import the one chat."""
    return import_chats(sample, sink, advance, format=NAME, find=lambda _: _chats(sample))


def _chats(sample: Sample) -> Iterator[Chat]:
    """Yield the chat."""
    stated = sample.members.get("instance_id")
    id = stated if type(stated) is str and stated else sample.stem
    messages = sample.members.get("messages")
    chat = messages_of(messages if isinstance(messages, list) else [])
    yield Chat(ChatSession(id, name=id), answered(chat))


def answered(chat: Iterator[ChatMessage]) -> Iterator[ChatMessage]:
    """Yield messages, those of the user after the first reply being what the command gave back."""
    replied = False
    for message in chat:
        replied = replied or message.role == "assistant"
        is_result = message.is_result or (replied and message.role == "user")
        yield replace(message, is_result=is_result)


FORMAT = Format(NAME, "a mini-SWE-agent trajectory (.traj.json)", _recognises, _read, rank=30)
