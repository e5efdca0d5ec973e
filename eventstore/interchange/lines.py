"""Files of one JSON value per line, read in bounded memory: one line at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, BinaryIO

from eventstore.errors import InvalidInputError
from eventstore.interchange import serde
from eventstore.interchange.files import open_file
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sample import Sample
from eventstore.state import STATE_SIZE_MAX

_BROKEN_SHOWN = 20


class Lines:
    """The lines of one file; those that are broken are told of, the first ones each."""

    def __init__(
        self, sample: Sample, outcome: FileOutcome, advance: Callable[[int], None] | None = None
    ) -> None:
        """Read the file of *sample*; *advance* is told of every line's size."""
        self._sample = sample
        self._outcome = outcome
        self._advance = advance
        self._broken = 0

    def values(self) -> Iterator[tuple[int, Any]]:
        """Yield the value of every line, with its number."""
        with open_file(self._sample.path) as file:
            number = 0
            while text := file.readline(STATE_SIZE_MAX + 1):
                number += 1
                size = len(text)
                if size > STATE_SIZE_MAX:
                    size += skip_line(file)
                    self.broken(number, f"takes {size} bytes, more than {STATE_SIZE_MAX}")
                elif text.strip():
                    try:
                        yield number, serde.parse(text, mend=True)
                    except InvalidInputError as error:
                        self.broken(number, error.message)
                if self._advance is not None:
                    self._advance(size)
        more = self._broken - _BROKEN_SHOWN
        if more > 0:
            self._outcome.problem(f"{more} more broken lines")

    def broken(self, line: int, reason: str) -> None:
        """Report a line that cannot be used."""
        self._broken += 1
        self._outcome.counts["broken"] += 1
        if self._broken <= _BROKEN_SHOWN:
            self._outcome.problem(reason, line=line)


def skip_line(file: BinaryIO) -> int:
    """Read to the end of a line that is too long to keep; return how many bytes that took."""
    size = 0
    while text := file.readline(STATE_SIZE_MAX):
        size += len(text)
        if text.endswith(b"\n"):
            break
    return size
