"""What is in an a3s-code directory: its documents by kind and stem, and everything that is none."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from eventstore.commit import SESSION
from eventstore.errors import InvalidInputError
from eventstore.interchange.a3s_layout import (
    ARTIFACTS_FILE,
    DIRECTORIES,
    FORMAT,
    LATER_LAYOUT,
    PROBE,
)
from eventstore.interchange.files import entries, format_of, is_session, open_file
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sample import Sample
from eventstore.parts import ARTIFACTS

_SUFFIX = ".json"
_COMPONENT = re.compile(
    rb'\A(?:\{\s*"artifacts"\s*:|\[\s*\{\s*"(?:snapshot"\s*:|schema"\s*:\s*"a3s\.))'
)
_HEAD_SIZE = 4096


@dataclass(slots=True)
class Scan:
    """The documents of a directory by part and stem, and what was passed over."""

    directory: Path
    documents: dict[str, dict[str, Path]] = field(default_factory=dict)
    strays: list[FileOutcome] = field(default_factory=list)

    def of(self, part: str) -> dict[str, Path]:
        """Return the documents of one part by stem."""
        return self.documents.setdefault(part, {})

    def keep(self, document: Path) -> None:
        """Forget everything but one session document, and what may stand beside it."""
        self.strays.clear()
        self.documents[SESSION] = {document.stem: document}

    def stray(self, path: Path | str, reason: str, *, problem: bool = True) -> None:
        """Note something that is not imported, and why."""
        outcome = FileOutcome(str(path), FORMAT)
        if problem:
            outcome.problem(reason)
        else:
            outcome.warning(reason)
        self.strays.append(outcome)


def is_a3s(directory: Path) -> bool:
    """Whether the content of a directory shows that a3s-code wrote it."""
    found = scan(directory)
    if any(_shows(path, _is_session) for path in found.of(SESSION).values()):
        return True
    return any(
        _shows(path, _is_component) for part in DIRECTORIES for path in found.of(part).values()
    )


def scan(directory: Path) -> Scan:
    """Find every document of a directory, without reading any."""
    found = Scan(directory)
    components = {name: part for part, name in DIRECTORIES.items()}
    for entry in _entries(found, directory):
        if entry.is_dir():
            if entry.name in components:
                _scan_component(found, components[entry.name], Path(entry.path))
            else:
                _pass_over_directory(found, entry)
        else:
            _take(found, SESSION, entry)
    return found


def _scan_component(found: Scan, part: str, directory: Path) -> None:
    """Find the documents of one part."""
    for entry in _entries(found, directory):
        if part != ARTIFACTS:
            _take(found, part, entry)
        elif entry.is_dir():
            _scan_artifacts(found, Path(entry.path))
        else:
            _pass_over(found, entry)


def _scan_artifacts(found: Scan, directory: Path) -> None:
    """Find the one document in the artifact directory of a session."""
    for entry in _entries(found, directory):
        if entry.name == ARTIFACTS_FILE and not entry.is_dir():
            found.of(ARTIFACTS)[directory.name] = Path(entry.path)
        else:
            _pass_over(found, entry)


def _entries(found: Scan, directory: Path) -> Iterator[os.DirEntry[str]]:
    """Yield what is in a directory, links excepted."""
    try:
        for entry in entries(directory):
            if entry.is_symlink():
                found.stray(entry.path, "is a symbolic link, which is not followed")
            else:
                yield entry
    except InvalidInputError as error:
        found.stray(directory, str(error))


def _take(found: Scan, part: str, entry: os.DirEntry[str]) -> None:
    """Take a document by its stem, or pass it over."""
    if entry.name.endswith(_SUFFIX) and entry.name != _SUFFIX and entry.is_file():
        found.of(part)[entry.name.removesuffix(_SUFFIX)] = Path(entry.path)
    else:
        _pass_over(found, entry)


def _pass_over(found: Scan, entry: os.DirEntry[str]) -> None:
    """Say why an entry is not imported."""
    if entry.name.endswith(".tmp"):
        found.stray(entry.path, "is left over from a save that did not finish; passed over")
    elif entry.name == PROBE:
        found.stray(entry.path, "is left over from a health check; passed over", problem=False)
    elif entry.name.endswith(_SUFFIX):
        reason = "is a directory" if entry.is_dir() else "is not a regular file"
        found.stray(entry.path, reason)
    else:
        found.stray(entry.path, "is no document of a3s-code; passed over", problem=False)


def _pass_over_directory(found: Scan, entry: os.DirEntry[str]) -> None:
    """Say why a directory is not imported."""
    if entry.name == LATER_LAYOUT:
        found.stray(entry.path, "is the layout of a3s-code 9, which cannot be imported yet")
    elif entry.name.endswith(_SUFFIX):
        found.stray(entry.path, "is a directory")
    else:
        found.stray(entry.path, "is no directory of a3s-code; passed over", problem=False)


def _shows(path: Path, test: Callable[[Path], bool]) -> bool:
    """Whether a file can be read and passes a test."""
    try:
        return test(path)
    except InvalidInputError:
        return False  # The import itself reports what is wrong with it.


def _is_session(path: Path) -> bool:
    """Whether a file is a session document, or starts like one and is damaged."""
    if format_of(path) != FORMAT:
        return False
    document = Sample(path).document
    return document is None or is_session(document)


def _is_component(path: Path) -> bool:
    """Whether a file begins like a document that a3s-code keeps beside a session."""
    with open_file(path) as file:
        return _COMPONENT.match(file.read(_HEAD_SIZE)) is not None
