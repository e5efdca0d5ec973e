"""Changes in words: a version in a few of them, and a text with what was changed marked."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal

from eventstore.alignment import aligned
from eventstore.events import Event

Mark = Literal["same", "removed", "added"]

_WORD = re.compile(r"\w+|\s+|[^\w\s]")
_MATCHED_MAX = 400
"""Words up to which the best way is looked for; beyond it a good one, in n log n steps."""

_WORDS_MAX = 200_000
_NAMES_MAX = 3
_SHOWN_MAX = 24
_SIGNS = {"added": "+", "removed": "−"}
_STATES = ("state", "status")
_TIMES = ("updated_at", "updated_at_ms", "event_count")
"""Members that follow every change and so say nothing of their own."""


@dataclass(frozen=True, slots=True)
class Words:
    """A piece of two texts that both have, or only the old or the new one."""

    mark: Mark
    text: str


def in_few_words(events: Iterable[Event]) -> str:
    """Return what happened, such as `+2 messages, state Active→Error, +1 run event`."""
    counts: Counter[tuple[str, str]] = Counter()
    whole: list[str] = []
    states: list[str] = []
    names: dict[str, None] = {}
    dull: dict[str, None] = {}
    for event in events:
        if event.subject == "session":
            whole.append(event.action)
        elif event.subject == "part":
            whole.append(f"{event.part} {event.action}")
        elif event.subject != "field":
            counts[event.subject, event.action] += 1
        elif event.path[-1] in _STATES:
            states.append(_turn(event))
        else:
            (dull if event.path[-1] in _TIMES else names)[str(event.path[0])] = None
    told = [_count(subject, action, count) for (subject, action), count in counts.items()]
    if not (told or whole or states or names):
        names = dull
    return ", ".join([*whole, *told, *states, *_named(list(names))]) or "nothing"


def marked(old: str, new: str) -> tuple[Words, ...]:
    """Return two texts as one, word by word: what both have, what was removed, what was added."""
    before, after = _WORD.findall(old), _WORD.findall(new)
    if max(len(before), len(after)) > _WORDS_MAX:
        before, after = old.splitlines(keepends=True), new.splitlines(keepends=True)
    pieces: list[Words] = []
    at = to = 0
    for place, other in [*_matches(before, after), (len(before), len(after))]:
        _add(pieces, "removed", before[at:place])
        _add(pieces, "added", after[to:other])
        _add(pieces, "same", before[place : place + 1])
        at, to = place + 1, other + 1
    return tuple(pieces)


def _matches(old: list[str], new: list[str]) -> list[tuple[int, int]]:
    """Return pairs of indexes of words that stay, both ascending."""
    least = min(len(old), len(new))
    head = next((i for i in range(least) if old[i] != new[i]), least)
    room = least - head
    tail = next((i for i in range(room) if old[-1 - i] != new[-1 - i]), room)
    before, after = old[head : len(old) - tail], new[head : len(new) - tail]
    if max(len(before), len(after)) <= _MATCHED_MAX:
        blocks = SequenceMatcher(None, before, after, autojunk=False).get_matching_blocks()
        middle = [(b.a + i, b.b + i) for b in blocks for i in range(b.size)]
    else:
        middle = aligned(before, after)
    return [
        *((i, i) for i in range(head)),
        *((head + i, head + j) for i, j in middle),
        *((len(old) - tail + i, len(new) - tail + i) for i in range(tail)),
    ]


def _add(pieces: list[Words], mark: Mark, words: list[str]) -> None:
    """Add words to the last piece if it has the same mark."""
    text = "".join(words)
    if not text:
        return
    if pieces and pieces[-1].mark == mark:
        text = pieces.pop().text + text
    pieces.append(Words(mark, text))


def _count(subject: str, action: str, count: int) -> str:
    """Return so many things that were added, removed or changed."""
    noun = subject if count == 1 else f"{subject}s"
    sign = _SIGNS.get(action)
    return f"{sign}{count} {noun}" if sign else f"{count} {noun} {action}"


def _turn(event: Event) -> str:
    """Return a state that turned into another."""
    name = str(event.path[-1])
    shown = [_shown(text) for text in (event.before, event.after) if text is not None]
    label = f"run {name}" if event.run is not None else name
    return f"{label} {'→'.join(shown)}" if event.action == "changed" else f"{label} {event.action}"


def _shown(text: str) -> str:
    """Return a short JSON text without its quotes."""
    bare = text[1:-1] if text.startswith('"') else text
    return bare if len(bare) <= _SHOWN_MAX else f"{bare[:_SHOWN_MAX]}…"


def _named(names: list[str]) -> list[str]:
    """Return the first names, and how many there are more."""
    more = len(names) - _NAMES_MAX
    return [*names[:_NAMES_MAX], *([f"{more} more fields"] if more > 0 else [])]
