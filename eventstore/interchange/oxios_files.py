"""A document of oxios as a file: its text from its states, and its states from its text.

A JSON file is kept as its compact state. The exact text is kept beside it, as a part of its own,
only where oxios itself would spell the state otherwise; it counts as long as it says what the
state says.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from eventstore.commit import SESSION
from eventstore.errors import EventStoreError, InvalidInputError
from eventstore.interchange import serde
from eventstore.models.oxios_place import MARKDOWN, Place
from eventstore.models.oxios_summary import facts_of
from eventstore.state import check_bytes

FORMAT = "oxios"
FILE_TEXT = "file_text"
"""The part that holds the text of a file that is not spelled as oxios spells JSON."""

_NO_TEXT = b"null"


def states_of(place: Place, text: bytes, *, had_text: bool) -> dict[str, bytes]:
    """Return the states to keep of a file; *had_text* is whether its text was kept before.

    Raises `InvalidInputError` for a file that oxios could not read either.
    """
    try:
        string = text.decode()
    except UnicodeDecodeError as error:
        raise InvalidInputError("is not UTF-8", where=f"byte {error.start}") from None
    if place.suffix == MARKDOWN:
        return {SESSION: serde.compact(string)}
    value = serde.parse(text)
    states = {SESSION: serde.compact(value)}
    if serde.pretty(value) != text:
        states[FILE_TEXT] = serde.compact(string)
    elif had_text:
        states[FILE_TEXT] = _NO_TEXT
    return states


def text_of(place: Place, states: Mapping[str, bytes]) -> bytes:
    """Return the file of a document; raise `InvalidInputError` if it can be none."""
    value = serde.parse(states[SESSION], field=SESSION)
    if place.suffix == MARKDOWN:
        if type(value) is not str:
            raise InvalidInputError("is not Markdown", field=SESSION)
        return value.encode()
    exact = _exact_text(states)
    return serde.pretty(value) if exact is None else exact


def why_no_session(place: Place, state: bytes) -> str | None:
    """Return why oxios cannot read the state of a session; None if it can, or it is no session."""
    if not place.is_session:
        return None
    document: Any = check_bytes(state, part=SESSION)
    if not facts_of(document):
        return "is no session that oxios can read"
    if document["id"] != place.name:
        return f"states another id, {document['id']!r}"
    return None


def _exact_text(states: Mapping[str, bytes]) -> bytes | None:
    """Return the text that was imported, if it still says what the state says."""
    if FILE_TEXT not in states:
        return None
    try:
        text = serde.parse(states[FILE_TEXT])
        if type(text) is str and serde.compact(serde.parse(text)) == states[SESSION]:
            return text.encode()
    except EventStoreError:
        return None  # Somebody else's part of that name: the state is what counts.
    return None
