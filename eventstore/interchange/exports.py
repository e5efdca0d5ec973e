"""The formats that can be exported to: every module here that is named `…_export` lists some."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import import_module
from pkgutil import iter_modules

from eventstore.commit import SESSION
from eventstore.interchange.chosen import Wanted
from eventstore.interchange.outfile import Target
from eventstore.interchange.report import ExportReport
from eventstore.interchange.sink import Progress
from eventstore.store import EventStore

_PACKAGE = __name__.rpartition(".")[0]
_SUFFIX = "_export"

Since = datetime | str | os.PathLike[str]
"""A time, or an earlier bundle."""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the caller says of how to write; a format that has no use for one ignores it."""

    part: str = SESSION
    since: Since | None = None
    progress: Progress | None = None


@dataclass(frozen=True, slots=True)
class Export:
    """One format: its name on the command line, what it gives, how it is written."""

    name: str
    title: str
    run: Callable[[EventStore, Wanted, Target, ExportOptions], ExportReport]


@cache
def known_exports() -> dict[str, Export]:
    """Return every format by its name."""
    package = import_module(_PACKAGE)
    names = [module.name for module in iter_modules(package.__path__)]
    found: list[Export] = []
    for name in names:
        if name.endswith(_SUFFIX):
            found += getattr(import_module(f"{_PACKAGE}.{name}"), "EXPORTS", ())
    return {export.name: export for export in found}
