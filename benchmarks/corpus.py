"""The corpus: real sessions of several programs, as documents that grow step by step.

Claude Code transcripts go through this project's importer. The other formats are read here, by
code of its own: a session is then its id and the list of its messages, as the program wrote them.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import zstandard
from pydantic_core import from_json, to_json

from benchmarks.turns import Turn
from eventstore import EventStore
from eventstore.commit import SESSION
from eventstore.interchange.claude_code import import_transcript
from eventstore.interchange.sink import Sink

TRANSCRIPT = ".jsonl"

Message = dict[str, Any]


@dataclass(frozen=True)
class Replay:
    """The states of one real session, in order, each compressed."""

    id: str
    path: Path
    states: tuple[bytes, ...]
    is_cut: bool = False

    @property
    def can_be_imported(self) -> bool:
        """Whether this project's importer gives these very states."""
        return self.path.suffix == TRANSCRIPT and not self.is_cut

    def expected(self, number: int) -> dict[str, Any]:
        """Return the document as it was after step *number*."""
        document: dict[str, Any] = from_json(_unpack(self.states[number]))
        return document

    @property
    def last_size(self) -> int:
        """Bytes of the last state as compact JSON."""
        return len(_unpack(self.states[-1]))

    def turns(self) -> Iterator[Turn]:
        """Yield every step."""
        known: list[Message] = []
        for number in range(len(self.states)):
            document = self.expected(number)
            messages = document["messages"]
            yield Turn(number, self.id, document, messages[len(known) :], None)
            known = messages

    @property
    def only_grows(self) -> bool:
        """Whether no step changes or drops a message of the step before."""
        known: list[Message] = []
        for turn in self.turns():
            messages = turn.document["messages"]
            if len(messages) == len(known) or messages[: len(known)] != known:
                return False
            known = messages
        return True


def read_all(folder: Path, states_max: int) -> list[Replay]:
    """Return every session in *folder* that has a known form, each cut after *states_max* states.

    With *states_max* 0 none is cut.
    """
    found = [
        _transcript(path) if path.suffix == TRANSCRIPT else _other(path)
        for path in sorted(folder.glob("*/*"))
        if path.suffix in (TRANSCRIPT, ".json", ".traj")
    ]
    if not states_max:
        return found
    return [
        Replay(r.id, r.path, r.states[:states_max], is_cut=len(r.states) > states_max)
        for r in found
    ]


def _transcript(path: Path) -> Replay:
    """Return the states that the importer makes of a transcript."""
    with EventStore.open("memory://") as store:
        collector = _Collector(store)
        (id,) = import_transcript(path, collector, lambda path, size: None).sessions
    return Replay(id, path, tuple(collector.states))


class _Collector(Sink):
    """A sink that keeps the states, as nothing is in the store that they would follow."""

    def __init__(self, store: EventStore) -> None:
        """Start with none."""
        super().__init__(store)
        self.states: list[bytes] = []

    def save(self, id: str, states: Mapping[str, bytes], *, note: str, after: int) -> int:
        """Keep one state."""
        self.states.append(_pack(states[SESSION]))
        return after + 1


def _other(path: Path) -> Replay:
    """Return the states of a file in one of the formats read here."""
    value = json.loads(path.read_text(encoding="utf-8"))
    messages, completes = _messages_of(value)
    id = path.name.partition(".")[0]
    last = len(messages) - 1
    ends = [at + 1 for at in range(last + 1) if at == last or completes(messages, at)]
    return Replay(
        id, path, tuple(_pack(to_json({"id": id, "messages": messages[:end]})) for end in ends)
    )


def _messages_of(value: Any) -> tuple[list[Message], Callable[[list[Message], int], bool]]:
    """Return the messages of a file, and what tells whether one completes a step."""
    if isinstance(value, list):
        return value, lambda messages, at: messages[at]["source"] == "agent"
    for key in ("history", "messages"):
        if key in value:
            return value[key], _answers
    return value["traj"], lambda messages, at: messages[at]["role"] in ("assistant", "tool")


def _answers(messages: list[Message], at: int) -> bool:
    """Whether a message is the assistant's, or what the tool it called gave back."""
    return messages[at]["role"] == "assistant" or (
        at > 0 and messages[at - 1]["role"] == "assistant"
    )


def _pack(state: bytes) -> bytes:
    """Compress a state, because all states of a long session are too many to keep."""
    return zstandard.ZstdCompressor(level=1).compress(state)


def _unpack(data: bytes) -> bytes:
    """Return the state again."""
    return zstandard.ZstdDecompressor().decompress(data)
