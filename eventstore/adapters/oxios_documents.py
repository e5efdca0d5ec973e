"""Documents of oxios: Markdown and JSON in categories, each with a history of its own."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from eventstore.commit import SESSION, Version
from eventstore.errors import InvalidInputError
from eventstore.models.oxios_place import JSON, MARKDOWN, SESSIONS, Place, check_category
from eventstore.state import decode, decode_as, encode, plain
from eventstore.store import EventStore


class Documents:
    """The part of a state store that keeps documents by category and name."""

    def __init__(self, store: EventStore) -> None:
        """Serve *store*, whose model must be `Session`; most callers want `StateStore.open`."""
        self.store = store

    def save_markdown(
        self,
        category: str,
        name: str,
        content: str,
        *,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
        key: str | None = None,
    ) -> Version:
        """Save Markdown, as any text; durable once this returns."""
        if not isinstance(content, str):
            raise InvalidInputError(
                f"is {type(content).__name__}, not a string", session=name, field="content"
            )
        place = Place(category, name, MARKDOWN)
        state = encode(content, part="content")
        return self.store.save_states(
            place.id, {SESSION: state}, actor=actor, note=note, expected=expected, key=key
        )

    def load_markdown(self, category: str, name: str) -> str | None:
        """Return Markdown, or None if there is none."""
        id = Place(category, name, MARKDOWN).id
        state = self.store.load_bytes(id)
        if state is None:
            return None
        text = decode(state, session=id, part=SESSION)
        if not isinstance(text, str):
            raise InvalidInputError("is not Markdown", session=id, field=SESSION)
        return text

    def save_json(
        self,
        category: str,
        name: str,
        data: Any,
        *,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
        key: str | None = None,
    ) -> Version:
        """Save JSON values or a pydantic model; durable once this returns."""
        place = Place(category, name, JSON)
        state = encode(plain(data, part="data"), part="data")
        return self.store.save_states(
            place.id, {SESSION: state}, actor=actor, note=note, expected=expected, key=key
        )

    def load_json(self, category: str, name: str, model: Any = None) -> Any:
        """Return a JSON document, as *model* if that is given, or None if there is none.

        *model* is any type that pydantic validates. Raises `InvalidInputError` for a document
        that is not of it.
        """
        id = Place(category, name, JSON).id
        state = self.store.load_bytes(id)
        if state is None:
            return None
        if model is None:
            return decode(state, session=id, part=SESSION)
        return decode_as(TypeAdapter(model), state, session=id, part=SESSION)

    def list_category(self, category: str) -> list[str]:
        """Return the names in a category, sorted; once more for a name of both kinds."""
        check_category(category)
        lead = f"{category}/"
        ids = self.store.list()
        found = [
            id for id in ids if id.startswith(lead) or ("/" not in id and category == SESSIONS)
        ]
        places = filter(None, map(Place.of_id, found))
        return sorted(place.name for place in places if place.category == category)

    def delete_file(
        self, category: str, name: str, *, actor: str | None = None, note: str | None = None
    ) -> bool:
        """Delete the JSON document of a name, or else its Markdown; False if there is neither."""
        return any(
            self.store.delete(Place(category, name, suffix).id, actor=actor, note=note)
            for suffix in (JSON, MARKDOWN)
        )
