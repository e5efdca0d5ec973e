"""Values as people read them: ids, sizes, times, counts. Pure functions, no terminal."""

from __future__ import annotations

import json
import re
import shlex
import unicodedata
from datetime import datetime

JOINERS = "\u200c\u200d"
"""Invisible, but how some scripts and emoji are spelled: shown raw in texts, never in ids."""

_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})
_UNITS = ("kB", "MB", "GB", "TB", "PB")
_LEXEME = re.compile(r'"[^"\\]*+(?:\\.[^"\\]*+)*+"|[\[\]{},:]|[^\[\]{},:"\s]+')


def shown_id(text: str) -> str:
    """Return *text* as it is, or as a JSON string if a reader could not see what it is.

    That is so with control characters, line breaks, text-direction marks and other invisible
    characters, white space at an end, and a leading quote.
    """
    plain = clean(text, keep="") == text == text.strip() and not text.startswith('"')
    return text if plain else clean(json.dumps(text, ensure_ascii=False), keep="")


def clean(text: str, keep: str = JOINERS) -> str:
    """Return *text* with every character that a terminal would obey, not show, as its JSON escape.

    Characters in *keep* stay as they are.
    """
    return "".join(c if c in keep or not _is_hidden(c) else json.dumps(c)[1:-1] for c in text)


def _is_hidden(character: str) -> bool:
    """Tell whether a character moves, hides or reorders what is around it."""
    return not " " <= character <= "~" and unicodedata.category(character) in _HIDDEN


def size(count: int) -> str:
    """Return a number of bytes in decimal units, with three significant digits at most."""
    if count < 1000:
        return f"{count} B"
    value, units = count / 1000, iter(_UNITS)
    unit = next(units)
    while value >= 999.5 and unit != _UNITS[-1]:
        value, unit = value / 1000, next(units)
    return f"{value:.1f} {unit}" if value < 99.95 else f"{value:.0f} {unit}"


def number(count: int) -> str:
    """Return a count with its thousands apart."""
    return f"{count:,}"


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: `1 session`, `2,000 sessions`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"


def ratio(whole: int, part: int) -> str:
    """Return how many times smaller *part* is than *whole*."""
    return f"{whole / part:.1f}x" if part else "-"


def iso(moment: datetime) -> str:
    """Return a moment as local ISO 8601 text, to the second, with its offset."""
    return _local(moment).isoformat(timespec="seconds")


def minute(moment: datetime) -> str:
    """Return a moment as local date and time, to the minute."""
    return _local(moment).strftime("%Y-%m-%d %H:%M")


def _local(moment: datetime) -> datetime:
    """Return *moment* in the local zone, or as it is at the ends of the calendar."""
    try:
        return moment.astimezone()
    except (OverflowError, ValueError, OSError):
        return moment


def pretty_json(text: str) -> str:
    """Lay compact JSON out with two spaces an indent; every number keeps its spelling.

    Text other than ASCII is shown raw, invisible characters as escapes.
    """
    lines: list[str] = []
    line = ""
    depth = 0
    previous = ""
    for lexeme in _LEXEME.findall(text):
        if lexeme in "]}":
            depth -= 1
            if previous not in ("[", "{"):
                lines.append(line)
                line = "  " * depth
        elif previous in ("[", "{", ","):
            lines.append(line)
            line = "  " * depth
        line += _laid_out(lexeme)
        depth += lexeme in ("[", "{")
        previous = lexeme
    return "\n".join([*lines, line])


def _laid_out(lexeme: str) -> str:
    """Return one lexeme of JSON as `pretty_json` prints it."""
    if lexeme == ":":
        return ": "
    if not lexeme.startswith('"'):
        return lexeme
    return clean(json.dumps(json.loads(lexeme), ensure_ascii=False), keep="")


def shell(text: str) -> str:
    """Return *text* quoted for a shell where that is needed."""
    return shlex.quote(text)
