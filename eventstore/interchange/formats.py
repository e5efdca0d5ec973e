"""The formats that can be imported: every module here that is named `…_format` defines one.

A new format is one new file. It is found by what a file holds, never by the file's name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sample import Sample
from eventstore.interchange.sink import Advance, Sink

_PACKAGE = __name__.rpartition(".")[0]
_SUFFIX = "_format"


@dataclass(frozen=True, slots=True)
class Options:
    """What the caller says of how to read; `asked_for` is false for files found in a directory."""

    id_field: str | None = None
    version_field: str | None = None
    asked_for: bool = True


@dataclass(frozen=True, slots=True)
class Format:
    """One format: what people call it, how it is recognised, how it is read.

    `read` imports a file that `recognises` said yes to; where a whole directory is one thing,
    `read_directory` does the same for `recognises_directory`. A format has one pair or both.
    Formats are asked in the order of their `rank`.
    """

    name: str
    title: str
    recognises: Callable[[Sample, Options], bool] | None = None
    read: Callable[[Sample, Sink, Advance, Options], list[FileOutcome]] | None = None
    recognises_directory: Callable[[Path], bool] | None = None
    read_directory: Callable[[Path, Sink, Advance], list[FileOutcome]] | None = None
    rank: int = 50


@cache
def known_formats() -> tuple[Format, ...]:
    """Return every format, in the order in which they are asked."""
    package = import_module(_PACKAGE)
    names = [module.name for module in iter_modules(package.__path__)]
    found = [import_module(f"{_PACKAGE}.{name}").FORMAT for name in names if name.endswith(_SUFFIX)]
    return tuple(sorted(found, key=lambda found: (found.rank, found.name)))


def titles() -> str:
    """Return what all formats are called, for an error."""
    return ", ".join(format.title for format in known_formats())


def format_of_file(sample: Sample, options: Options) -> Format | None:
    """Return the format of a file, or None if none recognises it."""
    for format in known_formats():
        if format.recognises is not None and format.recognises(sample, options):
            return format
    return None


def format_of_directory(directory: Path) -> Format | None:
    """Return the format of which the whole directory is, or None if it is just a directory."""
    for format in known_formats():
        if format.recognises_directory is not None and format.recognises_directory(directory):
            return format
    return None
