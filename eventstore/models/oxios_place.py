"""A place: where oxios keeps a document, and the id that the document has in a store.

    sessions/<name>.json      a session: its id in the store is <name>
    <category>/<name>.json    any other JSON: its id is the whole path
    <category>/<name>.md      Markdown: its id is the whole path

The name of a session holds no `/` and every other id does, so no two documents share an id.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from eventstore.errors import InvalidInputError

SESSIONS = "sessions"
JSON = ".json"
MARKDOWN = ".md"

COMPONENT_SIZE_MAX = 255
"""Bytes of UTF-8 that one component of a path may take on the file systems oxios runs on."""
PATH_SIZE_MAX = 1024


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """One document of a state directory; raises `InvalidInputError` for what cannot be one."""

    category: str
    name: str
    suffix: str

    def __post_init__(self) -> None:
        """Refuse names that lead elsewhere, or that no file can have."""
        check_category(self.category)
        check_name(self.name)
        if self.suffix not in (JSON, MARKDOWN):
            raise InvalidInputError(
                f"{self.suffix!r} is neither {JSON!r} nor {MARKDOWN!r}", field="suffix"
            )
        if len(self.path.encode()) > PATH_SIZE_MAX:
            raise InvalidInputError(
                f"makes a path of more than {PATH_SIZE_MAX} bytes of UTF-8", field="category"
            )

    @classmethod
    def of_session(cls, id: Any) -> Self:
        """Return where the session of an id is."""
        check_name(id, field="session_id")
        return cls(SESSIONS, id, JSON)

    @classmethod
    def of_id(cls, id: str) -> Self | None:
        """Return the place of the document with this id in a store; None if it can be none."""
        category, slash, file = id.rpartition("/")
        try:
            if not slash:
                return cls.of_session(id)
            for suffix in (JSON, MARKDOWN):
                if file.endswith(suffix):
                    place = cls(category, file.removesuffix(suffix), suffix)
                    return None if place.is_session else place
        except InvalidInputError:
            return None
        return None

    @property
    def is_session(self) -> bool:
        """Whether oxios keeps a session here."""
        return self.category == SESSIONS and self.suffix == JSON

    @property
    def path(self) -> str:
        """The path below the state directory."""
        return f"{self.category}/{self.name}{self.suffix}"

    @property
    def id(self) -> str:
        """The id of the document in a store."""
        return self.name if self.is_session else self.path


def check_category(category: Any) -> None:
    """Raise `InvalidInputError` for what is no category: components joined by single slashes."""
    _check_text(category, "category")
    components = category.split("/")
    if ".." in category or "\\" in category or "" in components or "." in components:
        raise InvalidInputError(f"{category!r} is no category", field="category")
    for component in components:
        _check_size(component, "", "category")


def check_name(name: Any, field: str = "name") -> None:
    """Raise `InvalidInputError` for what cannot be the name of a document."""
    _check_text(name, field)
    if not name or ".." in name or "/" in name or "\\" in name:
        raise InvalidInputError(f"{name!r} is no name of a document", field=field)
    _check_size(name, JSON, field)


def _check_text(text: Any, field: str) -> None:
    """Refuse what no path can hold."""
    if not isinstance(text, str):
        raise InvalidInputError(f"is {type(text).__name__}, not a string", field=field)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInputError(
            "holds a lone surrogate, which is not Unicode", field=field
        ) from None
    if "\0" in text:
        raise InvalidInputError("holds a NUL, which no path can", field=field)


def _check_size(component: str, suffix: str, field: str) -> None:
    """Refuse a component too long for a file system."""
    size = len((component + suffix).encode())
    if size > COMPONENT_SIZE_MAX:
        raise InvalidInputError(
            f"takes {size} bytes of UTF-8 as a file name, at most {COMPONENT_SIZE_MAX} fit",
            field=field,
        )
