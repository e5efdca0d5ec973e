"""SWE-agent trajectories (`.traj`): the history that the model saw, and the steps it took."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from eventstore.errors import InvalidInputError
from eventstore.interchange import serde
from eventstore.interchange.chat_messages import blocks_of, is_message, message_of
from eventstore.interchange.chat_session import ChatMessage, ChatSession
from eventstore.interchange.chats import Chat, import_chats
from eventstore.interchange.formats import Format, Options
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sample import Sample
from eventstore.interchange.sink import Advance, Sink

NAME = "swe-agent"
_STEP = {"action", "observation"}


def _recognises(sample: Sample, _options: Options) -> bool:
    """Whether the document has the steps of a run."""
    steps, history = sample.members.get("trajectory"), sample.members.get("history")
    if not isinstance(steps, list):
        return False
    if steps:
        return isinstance(steps[0], dict) and steps[0].keys() >= _STEP and "source" not in steps[0]
    return isinstance(history, list) and "info" in sample.members


def _read(sample: Sample, sink: Sink, advance: Advance, _options: Options) -> list[FileOutcome]:
    """Import the one chat."""
    return import_chats(sample, sink, advance, format=NAME, find=lambda _: _chats(sample))


def _chats(sample: Sample) -> Iterator[Chat]:
    """Yield the chat."""
    members = sample.members
    history = members.get("history")
    if isinstance(history, list) and history:
        messages = _from_history(history)
    else:
        messages = _from_steps(members["trajectory"])
    id = _problem_id(members) or sample.stem
    yield Chat(ChatSession(id, name=id), messages)


def _from_history(history: list[Any]) -> Iterator[ChatMessage]:
    """Yield what the history says; after the first reply, the user is the environment."""
    replied = False
    for number, value in enumerate(history, start=1):
        if not is_message(value):
            raise InvalidInputError(f"entry {number} of the history is no message")
        message = message_of(value, f"history {number}")
        # A demonstration is told, it is not something that was done.
        is_demo = value.get("is_demo") is True
        replied = replied or (message.role == "assistant" and not is_demo)
        answers = replied and message.role == "user" and not is_demo
        yield replace(message, is_result=message.is_result or answers)


def _from_steps(steps: list[Any]) -> Iterator[ChatMessage]:
    """Yield what the steps say, where there is no history."""
    for number, step in enumerate(steps, start=1):
        if not isinstance(step, dict):
            raise InvalidInputError(f"step {number} is no object")
        said = step.get("response") or step.get("thought") or step.get("action")
        yield ChatMessage("assistant", list(blocks_of(said)), place=f"step {number}")
        if step.get("observation"):
            observed = list(blocks_of(step["observation"]))
            yield ChatMessage("user", observed, is_result=True, place=f"step {number}")


def _problem_id(members: dict[str, Any]) -> str | None:
    """Return the id of the problem, which newer runs state in what they can be replayed from."""
    config = members.get("replay_config")
    if type(config) is str:
        try:
            config = serde.parse(config, mend=True)
        except InvalidInputError:
            return None
    for name in ("problem_statement", "id"):
        config = config.get(name) if isinstance(config, dict) else None
    return config if type(config) is str and config else None


FORMAT = Format(NAME, "a SWE-agent trajectory (.traj)", _recognises, _read, rank=30)
