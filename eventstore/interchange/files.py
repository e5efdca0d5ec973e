"""Reading other people's files: regular ones only, of a sane size, links not followed."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Literal

from eventstore.errors import EventStoreError, InvalidInputError
from eventstore.fs import open_regular
from eventstore.interchange import serde
from eventstore.state import STATE_SIZE_MAX

Format = Literal["a3s-code", "claude-code"]

_HEAD_SIZE = 64 * 1024
_LINES_TRIED = 20
_SESSION_MEMBERS = (re.compile(rb'"id"\s*:\s*"'), re.compile(rb'"config"\s*:\s*\{'))
_SESSION_KEYS = {"config", "context_usage", "total_usage", "tool_names", "thinking_enabled"}
_RECORD = re.compile(rb'\A\s*\{[^\n]*"sessionId"\s*:')


@contextmanager
def open_file(path: Path) -> Iterator[BinaryIO]:
    """Open a regular file for reading; raise `InvalidInputError` saying why it cannot be read."""
    try:
        with os.fdopen(open_regular(path), "rb") as file:
            yield file
    except OSError as error:
        raise InvalidInputError(_why(error)) from None


def read_file(path: Path, size_max: int = STATE_SIZE_MAX) -> bytes:
    """Return all bytes of a file of at most *size_max*."""
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        if size > size_max:
            raise InvalidInputError(f"takes {size} bytes, more than the limit of {size_max}")
        return file.read(size + 1)  # A larger number would be made room for at once.


def entries(directory: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what is in a directory, by name; raise `InvalidInputError` if it cannot be read."""
    try:
        with os.scandir(directory) as found:
            yield from sorted(found, key=lambda entry: os.fsencode(entry.name))
    except OSError as error:
        raise InvalidInputError(_why(error)) from None


def size_of(path: Path) -> int:
    """Return the size of a file, 0 where it cannot be known."""
    try:
        return path.lstat().st_size
    except OSError:
        return 0


def format_of(path: Path) -> Format | None:
    """Return the format that a file's beginning shows, whatever its name."""
    with open_file(path) as file:
        head = file.read(_HEAD_SIZE)
    for line in head.splitlines()[:_LINES_TRIED]:
        found = _format_of_line(line)
        if found is not None:
            return found
    if _RECORD.search(head):
        return "claude-code"
    is_object = head.lstrip().startswith(b"{")
    if is_object and all(member.search(head) for member in _SESSION_MEMBERS):
        return "a3s-code"
    return None


def is_session(value: Any) -> bool:
    """Whether a JSON value has the members that make a session document, or most of them.

    One that lost its id is still no chat, which is all that would be left of it.
    """
    if not isinstance(value, dict):
        return False
    keys = value.keys()
    return {"id", "config", "messages"} <= keys or len(_SESSION_KEYS & keys) > 2


def is_record(value: Any) -> bool:
    """Whether a JSON value has the members that make a line of a transcript."""
    return (
        isinstance(value, dict)
        and type(value.get("type")) is str
        and bool({"sessionId", "uuid", "leafUuid", "messageId"} & value.keys())
    )


def _format_of_line(line: bytes) -> Format | None:
    """Return the format of which *line* is a whole document or record."""
    try:
        value = serde.parse(line, mend=True)
    except EventStoreError:
        return None  # Not a whole one: the caller looks at the next line.
    if is_session(value):
        return "a3s-code"
    return "claude-code" if is_record(value) else None


def _why(error: OSError) -> str:
    """Return why a file cannot be read, in words of ours."""
    if error.errno == errno.ELOOP:
        return "is a symbolic link, which is not followed"
    if error.errno == errno.EISDIR:
        return "is a directory"
    if error.errno is None:
        return "is not a regular file"
    return f"cannot be read ({error.strerror})"
