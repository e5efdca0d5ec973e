"""A sample of a file: its beginning, its first lines, or all of it, for formats to recognise."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

from eventstore.errors import InvalidInputError
from eventstore.interchange import serde
from eventstore.interchange.files import open_file, read_file, size_of
from eventstore.state import STATE_SIZE_MAX

HEAD_SIZE = 64 * 1024
_RECORDS_TRIED = 20
_BYTES_TRIED = 1024 * 1024

_NAMES_OF_ANY = frozenset(
    {
        "conversation",
        "events",
        "history",
        "messages",
        "output",
        "result",
        "session",
        "traj",
        "trajectory",
        "transcript",
    }
)
"""Names that programs give to a file in each of many directories."""

_DISGUISES = (
    (b"\x1f\x8b", "is packed with gzip"),
    (b"BZh", "is packed with bzip2"),
    (b"\xfd7zXZ\x00", "is packed with xz"),
    (b"\x28\xb5\x2f\xfd", "is packed with zstd"),
    (b"PK\x03\x04", "is a zip archive"),
    (b"\xff\xfe\x00\x00", "is UTF-32, not UTF-8"),
    (b"\x00\x00\xfe\xff", "is UTF-32, not UTF-8"),
    (b"\xff\xfe", "is UTF-16, not UTF-8"),
    (b"\xfe\xff", "is UTF-16, not UTF-8"),
)
"""What a file may start with whose JSON only another program can bring to light."""


class Sample:
    """What a file holds, read as far as somebody asks; raises `InvalidInputError` where it cannot.

    `document` is the value of a file that is one JSON document, `records` are the first values of
    a file that is one JSON value per line. Each is what nothing is in where the file is not so.
    """

    def __init__(self, path: Path) -> None:
        """Take the file at *path*."""
        self.path = path
        self.size = size_of(path)

    @property
    def stem(self) -> str:
        """The file's name without what follows its first dot but one at its start.

        A name that says nothing has that of the directory before it: `run-7/traj`.
        """
        stem = self.path.name[:1] + self.path.name[1:].partition(".")[0]
        above = self.path.parent.name
        return f"{above}/{stem}" if above and stem.lower() in _NAMES_OF_ANY else stem

    @cached_property
    def head(self) -> bytes:
        """The first bytes."""
        with open_file(self.path) as file:
            return file.read(HEAD_SIZE)

    @property
    def looks_like_json(self) -> bool:
        """Whether the file starts as a JSON object or list does."""
        return self.head.lstrip(b"\xef\xbb\xbf \t\r\n")[:1] in (b"{", b"[")

    @cached_property
    def records(self) -> list[Any]:
        """The values of the first lines; none if the first is no whole value, or the only one."""
        if not self.looks_like_json:
            return []
        found: list[Any] = []
        lines = 0
        for line in self._first_lines():
            lines += 1
            try:
                found.append(serde.parse(line, mend=True))
            except InvalidInputError:
                if not found:
                    return []  # The first line is no value: this is not one value per line.
        if lines == 1 and found:
            self.whole = found.pop()
        return found

    def _first_lines(self) -> Iterator[bytes]:
        """Yield the first lines that are not blank, until enough has been seen."""
        with open_file(self.path) as file:
            count = size = 0
            while count < _RECORDS_TRIED and size < _BYTES_TRIED:
                line = file.readline(STATE_SIZE_MAX + 1)
                if not line:
                    return
                size += len(line)
                if line.strip():
                    count += 1
                    yield line

    @cached_property
    def whole(self) -> Any:
        """The value of the document that the file is, or the error that says why it is none."""
        try:
            return serde.parse(read_file(self.path), mend=True)
        except InvalidInputError as error:
            return error

    @property
    def document(self) -> Any:
        """The value of the document that the file is; None if it is none."""
        if not self.looks_like_json or self.records or isinstance(self.whole, InvalidInputError):
            return None
        return self.whole

    @property
    def members(self) -> dict[str, Any]:
        """The members of the document if it is an object."""
        return self.document if isinstance(self.document, dict) else {}

    @property
    def items(self) -> list[Any]:
        """The elements of the document if it is a list, else the records."""
        return self.document if isinstance(self.document, list) else self.records

    @property
    def flaw(self) -> str | None:
        """Why a file is not the JSON that it starts like or may hold; None if it is none at all."""
        if not self.looks_like_json:
            return self._disguise
        if self.records or self.document is not None:
            return None
        return str(self.whole)

    @property
    def _disguise(self) -> str | None:
        """What has become of a file that does not start like JSON, where its beginning shows it."""
        if not self.head.strip(b"\0 \t\r\n"):
            return "holds nothing but zeros" if b"\0" in self.head else "is empty"
        return next((what for start, what in _DISGUISES if self.head.startswith(start)), None)
