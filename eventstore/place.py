"""Places: an error about stored bytes names the session and where in its log they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from eventstore.errors import CorruptError, UnsupportedError


@contextmanager
def placed(session: str, position: int) -> Iterator[None]:
    """Let an error about stored bytes name the session and the place in its log."""
    try:
        yield
    except (CorruptError, UnsupportedError) as error:
        raise type(error)(
            error.message,
            session=session,
            version=error.version,
            where=f"byte {position}",
            hint=error.hint,
        ) from error


@contextmanager
def about(session: str, seq: int) -> Iterator[None]:
    """Let a `CorruptError` from within say which version it is about."""
    try:
        yield
    except CorruptError as error:
        raise named(error, session, seq) from error


def named(error: CorruptError, session: str, seq: int) -> CorruptError:
    """Return *error* with session, version and the next step."""
    return CorruptError(
        error.message,
        session=session,
        version=seq,
        where=error.where,
        hint="other versions still load with at=",
    )
