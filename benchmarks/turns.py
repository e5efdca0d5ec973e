"""Turns: a session that grows, as models and as one dict that is changed in place.

A made turn is about 7 kB of JSON: what the assistant says, the tool it calls, and what the tool
gives back, which is most of it. zstd at level 3 makes a quarter of such a session; of the text of
real ones it makes a sixth to a quarter.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from eventstore import Message, SessionData
from eventstore.models.messages import TextBlock, ToolUseBlock

BEGAN = 1_700_000_000


def _words(text: str) -> list[str]:
    """Return the words of a text."""
    return text.split()


_WORDS = _words(
    "the of to a in is that for it as was with be by on not this but from or have an they which "
    "one were all there when what your can said each test file error path value return session "
    "index token cookie server request response handler config update parse write read close"
)
_VERBS = _words("load save parse check build merge render fetch close write reset match apply")
_NOUNS = _words("session cookie handler request index header token config buffer cursor branch")
_FORMS = (
    "    def {v}_{n}(self, {n2}: str, limit: int = {k}) -> None:",
    "        self._{n} = {v}_{n2}({n}, limit={k})",
    "        if {n} is None or len({n2}) > {k}:",
    "            raise ValueError(f'{v} {n}: {{{n2}!r}} at {k}')",
    "        return [{v}({n}) for {n} in self._{n2}s if {n}.size < {k}]",
    "src/{n}/{v}_{n2}.py:{k}:{j}: error: {w} {w2} {w3} [{n}-{v}]",
    "2024-05-{d:02} 10:{m:02}:{s:02},{k:03} INFO {n}.{v} {w} {w2} {w3} id={h:08x}",
    "        # {w} {w2} {w3} {n} {w4} {v} {n2}, {w5}",
)


@dataclass(frozen=True)
class Turn:
    """A session after one more turn; `document` belongs to the session and is changed in place."""

    number: int
    id: str
    document: dict[str, Any]
    new: list[dict[str, Any]]
    model: Any


class MadeSession:
    """A session of made turns, the same for the same seed."""

    def __init__(self, id: str, turns: int, seed: int = 1, *, lines: int = 82) -> None:
        """Plan *turns* turns, each with about so many *lines* of tool output."""
        self.id = id
        self.count = turns
        self._lines = lines
        self._noise = random.Random(seed)
        self._messages: list[dict[str, Any]] = []
        self._ends: list[int] = []
        self._base = SessionData(id=id, created_at=BEGAN, updated_at=BEGAN)

    def turns(self) -> Iterator[Turn]:
        """Yield each turn once."""
        model = self._base
        document = model.model_dump(mode="json")
        document["messages"] = self._messages
        for number in range(self.count):
            added = self._turn(number)
            new = [message.model_dump(mode="json") for message in added]
            model = model.model_copy(
                update={"messages": model.messages + added, "updated_at": BEGAN + number}
            )
            self._messages.extend(new)
            self._ends.append(len(self._messages))
            document["updated_at"] = BEGAN + number
            yield Turn(number, self.id, document, new, model)

    def expected(self, number: int) -> dict[str, Any]:
        """Return the document as it was after turn *number*."""
        document = self._base.model_dump(mode="json")
        document["updated_at"] = BEGAN + number
        document["messages"] = self._messages[: self._ends[number]]
        return document

    def _turn(self, number: int) -> tuple[Message, ...]:
        """Make the messages of one turn."""
        noise = self._noise
        said = self._prose(noise.randint(60, 140))
        path = f"src/{noise.choice(_NOUNS)}/{noise.choice(_VERBS)}_{noise.choice(_NOUNS)}.py"
        arguments = {"path": path, "old": self._code(5), "new": self._code(6)}
        call = ToolUseBlock(id=f"call_{noise.getrandbits(96):x}", name="edit", input=arguments)
        first = () if number else (Message.user(self._prose(80)),)
        return (
            *first,
            Message(role="assistant", content=(TextBlock(text=said), call)),
            Message.tool_result(
                call.id, self._code(noise.randint(self._lines // 2, self._lines * 3 // 2))
            ),
        )

    def _prose(self, words: int) -> str:
        """Return some words with line breaks and quotes, as answers have them."""
        chosen = self._noise.choices(_WORDS, k=words)
        return " ".join(f'"{w}",\n' if self._noise.random() < 0.05 else w for w in chosen)

    def _code(self, lines: int) -> str:
        """Return lines like those of source files, compilers and logs."""
        return "\n".join(self._line() for _ in range(lines))

    def _line(self) -> str:
        """Return one line."""
        noise = self._noise
        words = noise.choices(_WORDS, k=5)
        return noise.choice(_FORMS).format(
            v=noise.choice(_VERBS), n=noise.choice(_NOUNS), n2=noise.choice(_NOUNS),
            w=words[0], w2=words[1], w3=words[2], w4=words[3], w5=words[4],
            k=noise.randint(0, 999), j=noise.randint(1, 80), d=noise.randint(1, 28),
            m=noise.randint(0, 59), s=noise.randint(0, 59), h=noise.getrandbits(32),
        )  # fmt: skip
