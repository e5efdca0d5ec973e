"""What is searched for: words in a caller's spelling, made safe for SQLite's full-text search."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from eventstore.commit import instant
from eventstore.errors import InvalidInputError
from eventstore.input import check_id, check_text, nanoseconds

WORDS_MAX = 64
"""How many words and phrases one search may ask for."""

LIMIT_MAX = 10_000
"""How many hits one search returns at most."""

OPENS, CLOSES = "\x02", "\x03"
"""What stands around the words found in what the database returns; never in an indexed text."""

_QUERY_SIZE_MAX = 4096
_NAME_SIZE_MAX = 4096
_TERM = re.compile(r'"([^"]*)"?|([^\s"]+)')
_SNIPPET_WORDS = 24


@dataclass(frozen=True, slots=True)
class Hit:
    """A text that was found: where it stands, and the words around what was searched for.

    `version` is the newest version that holds it, `first` the first one, where all versions were
    searched. `message` counts from 1. `marks` are the places of the words found in `snippet`.
    """

    session: str
    version: int
    first: int | None
    message: int
    role: str
    tool: str | None
    saved_at: datetime
    snippet: str
    marks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """One question; raises `InvalidInputError` when made with what cannot be asked."""

    query: str
    role: str | None = None
    tool: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    session: str | None = None
    limit: int = 50

    def __post_init__(self) -> None:
        """Refuse what cannot be asked."""
        match_of(self.query)
        for field, text in (("role", self.role), ("tool", self.tool)):
            if text is not None:
                check_text(field, text, _NAME_SIZE_MAX)
        if self.session is not None:
            check_id(self.session)
        if type(self.limit) is not int or not 1 <= self.limit <= LIMIT_MAX:
            raise InvalidInputError(
                f"{self.limit!r} is not a number from 1 to {LIMIT_MAX}", field="limit"
            )
        since, until = self._times()
        if since is not None and until is not None and since > until:
            raise InvalidInputError("is before since=", field="until")

    def sql(self, *, every: bool) -> tuple[str, list[Any]]:
        """Return the statement and its parameters; *every* version, or only the newest."""
        time = "t.time" if every else "s.time"
        since, until = self._times()
        terms = ["words MATCH ?"]
        values: list[Any] = [match_of(self.query)]
        for term, value in (
            ("t.role = ?", self.role),
            ("t.tool = ?", self.tool),
            (f"{time} >= ?", since),
            (f"{time} <= ?", until),
            ("s.id = ?", self.session),
        ):
            if value is not None:
                terms.append(term)
                values.append(value)
        return (
            f"SELECT s.id, iif(t.last, t.last, s.version), {'t.first' if every else 'NULL'}, "
            f"t.message, t.role, t.tool, {time}, "
            f"snippet(words, 0, '{OPENS}', '{CLOSES}', '…', {_SNIPPET_WORDS}) "
            "FROM words JOIN texts t ON t.id = words.rowid JOIN sessions s ON s.number = t.session "
            f"WHERE {' AND '.join(terms)} ORDER BY words.rank, t.id DESC LIMIT ?",
            [*values, self.limit],
        )

    def _times(self) -> tuple[int | None, int | None]:
        """Return the bounds in nanoseconds; the last one counts to the end of its microsecond."""
        since = None if self.since is None else nanoseconds("since", self.since)
        until = None if self.until is None else nanoseconds("until", self.until) + 999
        return since, until


def match_of(query: Any) -> str:
    """Return the full-text expression for text that a person typed.

    All words must be there; what stands in double quotes is a phrase; `word*` is a beginning.
    Nothing else means anything, so no text is an error but one without a word in it.
    """
    check_text("query", query, _QUERY_SIZE_MAX)
    terms = []
    for phrase, word in _TERM.findall(query):
        if any(character.isalnum() for character in phrase or word):
            begins = "*" if word.endswith("*") else ""
            terms.append(f'"{_shown(phrase or word)}"{begins}')
    if not terms:
        raise InvalidInputError(
            "has no word to look for", field="query", hint='write words, or a "phrase" in quotes'
        )
    if len(terms) > WORDS_MAX:
        raise InvalidInputError(
            f"has {len(terms)} words, at most {WORDS_MAX} can be looked for", field="query"
        )
    return " ".join(terms)


def hit_of(row: tuple[Any, ...]) -> Hit:
    """Return what a row of the statement says."""
    session, version, first, message, role, tool, time, marked = row
    snippet, marks = "", []
    for piece in marked.split(OPENS):
        found, closes, rest = piece.partition(CLOSES)
        if closes:
            marks.append((len(snippet), len(snippet) + len(found)))
        snippet += found + rest
    return Hit(
        session, version, first, message, role, tool or None, instant(time), snippet, tuple(marks)
    )


def _shown(text: str) -> str:
    """Return text without control characters, which would end the expression."""
    return "".join(c if c.isprintable() else " " for c in text)
