"""The errors of this package: one root, one class for each thing a catcher would do next."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any


class EventStoreError(Exception):
    """Anything this package refuses or fails to do.

    Every error carries what a program needs as attributes (`session`, `version`, `where`,
    `field`, `hint`; `None` when it does not apply) and what a person needs as its text.
    """

    def __init__(
        self,
        message: str,
        *,
        session: str | None = None,
        version: int | None = None,
        where: str | None = None,
        field: str | None = None,
        hint: str | None = None,
    ) -> None:
        """Say what happened, to which session and version, where, and what to do next."""
        self.message = message
        self.session = session
        self.version = version
        self.where = where
        self.field = field
        self.hint = hint
        super().__init__(self._text())

    def _text(self) -> str:
        """Join the message and its fields into the line a person reads."""
        text = self.message
        if self.field is not None:
            text = f"{self.field}: {text}"
        if self.session is not None:
            version = "" if self.version is None else f" version {self.version}"
            text += f" (session {self.session!r}{version})"
        if self.where is not None:
            text += f" at {self.where}"
        return text if self.hint is None else f"{text}; {self.hint}"

    def _fields(self) -> dict[str, Any]:
        """Return the attributes beside the message, as the constructor takes them."""
        return {name: value for name, value in vars(self).items() if name != "message"}

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        """Pickle with every field, so that an error survives a process boundary."""
        return _rebuild, (type(self), self.message, self._fields())


class ConflictError(EventStoreError):
    """Somebody saved first: load again, apply the change again, save again.

    `expected` and `actual` are version numbers; 0 stands for "no such session".
    """

    def __init__(
        self,
        message: str,
        *,
        expected: int | None = None,
        actual: int | None = None,
        **fields: Any,
    ) -> None:
        """Say which version was expected and which one is there."""
        self.expected = expected
        self.actual = actual
        super().__init__(message, **fields)


class CorruptError(EventStoreError):
    """Stored bytes fail a check that they passed when written."""

    def _text(self) -> str:
        """End with the command that says what is damaged, and what can be done."""
        text = super()._text()
        if self.session is None or "next: " in text:
            return text
        return f"{text}; next: eventstore verify {shlex.quote(self.session)}"


class DurabilityError(EventStoreError):
    """The outcome of a save is unknown: open the store again and look."""


class InvalidInputError(EventStoreError):
    """What the caller passed cannot be stored or asked for; nothing was written."""


class ErasedError(EventStoreError):
    """The bytes of this session were destroyed on request; its commits remain."""


class HeldError(EventStoreError):
    """A hold forbids erasing or pruning this session."""


class BackendError(EventStoreError):
    """The medium refused: no space, no permission, no working locks; nothing was acknowledged."""


class UnsupportedError(EventStoreError):
    """The bytes are of a format or feature that this version does not know."""


def _rebuild(kind: type[EventStoreError], message: str, fields: dict[str, Any]) -> EventStoreError:
    """Make an error again from what `__reduce__` gave."""
    return kind(message, **fields)
