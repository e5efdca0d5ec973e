"""Events and differences as a person reads them, and as programs do."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Iterator
from typing import Any

import click
from rich.console import Console
from rich.text import Text

from eventstore.cli import words
from eventstore.cli.messages import spoken
from eventstore.cli.output import print_bytes
from eventstore.events import Event
from eventstore.interchange.events_export import event_line as line_of_event
from eventstore.wording import Words, marked

LINE = 200
"""Characters of a value that are shown."""

_AROUND = 40
_KEEP = "\n\t" + words.JOINERS
_SIGNS = {"added": "+", "removed": "-", "changed": "~", "moved": ">", "dropped": "!"}
_STYLES = {"+": "green", "-": "red", "~": "yellow", "!": "bold red"}
_MARKS = {"removed": ("[-", "-]", "red"), "added": ("{+", "+}", "green")}


def event_line(event: Event) -> Text:
    """Return an event as text for a terminal; of what was edited, what is around the edits."""
    sign = _SIGNS.get(event.action, "*")
    line = Text(f"{sign} ", _STYLES.get(sign, "bold"))
    if event.subject == "session":
        return line.append(f"session {event.action}")
    if event.subject == "part":
        return line.append(f"part {event.part} {event.action}")
    line.append(words.clean(_name(event)))
    if event.subject == "message":
        return line.append(": ").append_text(_message(event))
    if event.action == "moved":
        return line.append(" moved")
    before, after = (None if t is None else _cut(t) for t in (event.before, event.after))
    if before is not None and after is not None:
        return line.append(": ").append_text(_values(event))
    return line.append(f": {before if after is None else after}")


def print_lines(lines: Iterable[Text]) -> None:
    """Print lines as they come: with colours on a terminal, without them in a pipe."""
    console = Console(highlight=False, soft_wrap=True) if sys.stdout.isatty() else None
    for line in lines:
        if console is None:
            click.echo(line.plain)
        else:
            console.print(line)


def print_event(event: Event) -> None:
    """Print an event as one JSON document on a line, its values spelled as they were saved."""
    print_bytes(line_of_event(event))


def _name(event: Event) -> str:
    """Return what an event is about: a message by its number and role, a field by its path."""
    path = event.path
    last = path[-1]
    if event.subject in ("field", "run"):
        found = ".".join(map(str, path))
        return f"{event.part}.{found}" if event.part != "session" else found
    number = last + 1 if isinstance(last, int) else last
    if event.subject == "message":
        message = spoken({"messages": [_parsed(event.after or event.before)]})
        return f"message {number} ({message[0].role})"
    of = f" of {event.run}" if event.run else ""
    return f"{event.subject} {number}{of}"


def _message(event: Event) -> Text:
    """Return what a message says, or what was edited in it."""
    said = [_said(text) for text in (event.before, event.after) if text is not None]
    if len(said) == 1:
        return Text(_flat(said[0], LINE))
    if said[0] == said[1]:
        return _values(event)
    return _edited(marked(*said))


def _values(event: Event) -> Text:
    """Return a value and what it became; long ones with what is around the edits."""
    before, after = event.before or "", event.after or ""
    if max(len(before), len(after)) > LINE:
        return _edited(marked(before, after))
    return Text(f"{_cut(before)} → {_cut(after)}")


def _edited(pieces: Iterable[Words]) -> Text:
    """Return a text with what was removed and added marked, its long unchanged parts cut."""
    line = Text()
    for piece in pieces:
        if piece.mark == "same":
            line.append(_between(piece.text))
        else:
            left, right, style = _MARKS[piece.mark]
            line.append(left + _flat(piece.text, 5 * LINE) + right, style)
    return line


def _between(text: str) -> str:
    """Return the ends of a text that did not change."""
    if len(text) <= 2 * _AROUND + 1:
        return _flat(text, LINE)
    return f"{_flat(text[:_AROUND], LINE)}…{_flat(text[-_AROUND:], LINE)}"


def _said(text: str) -> str:
    """Return what a message says as text."""
    return spoken({"messages": [_parsed(text)]})[0].text


def _parsed(text: str | None) -> Any:
    """Return a JSON text as a value."""
    return None if text is None else json.loads(text)


def _cut(text: str) -> str:
    """Return a JSON text on one line, cut where it is long."""
    return _flat(text, LINE)


def _flat(text: str, size_max: int) -> str:
    """Return a text on one line, cut where it is long."""
    shown = words.clean(text[:size_max].replace("\n", "⏎").replace("\t", " "))
    return shown if len(text) <= size_max else f"{shown}…"


def event_lines(events: Iterable[Event]) -> Iterator[Text]:
    """Yield events as lines for a terminal."""
    return map(event_line, events)
