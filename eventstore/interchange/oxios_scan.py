"""What is in a state directory of oxios: its documents by place, and everything that is none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from eventstore.errors import EventStoreError, InvalidInputError
from eventstore.interchange.files import entries, open_file
from eventstore.interchange.oxios_files import FORMAT
from eventstore.interchange.report import FileOutcome
from eventstore.models.oxios_place import JSON, MARKDOWN, SESSIONS, Place, check_category

_HEAD_SIZE = 64 * 1024
_OBJECT = re.compile(rb"\A\s*\{")
_MEMBERS = (
    re.compile(rb'"id"\s*:\s*"'),
    re.compile(rb'"user_id"\s*:\s*"'),
    re.compile(rb'"(?:user_messages|agent_responses)"\s*:\s*\[|"updated_at"\s*:\s*"'),
)
_HISTORY = ".git"


@dataclass(slots=True)
class Scan:
    """The documents of a state directory, and what was passed over."""

    documents: dict[Place, Path] = field(default_factory=dict)
    strays: list[FileOutcome] = field(default_factory=list)

    def stray(
        self, path: Path | str, reason: str | EventStoreError, *, problem: bool = True
    ) -> None:
        """Note something that is not imported, and why."""
        outcome = FileOutcome(str(path), FORMAT)
        if problem:
            outcome.problem(reason)
        else:
            outcome.warning(str(reason))
        self.strays.append(outcome)


def is_oxios(directory: Path) -> bool:
    """Whether a directory has sessions of oxios below `sessions/`, whatever else it has."""
    sessions = directory / SESSIONS
    try:
        if sessions.is_symlink() or not sessions.is_dir():
            return False
        return any(
            _begins_like_a_session(Path(entry.path))
            for entry in entries(sessions)
            if entry.name.endswith(JSON) and entry.is_file(follow_symlinks=False)
        )
    except (InvalidInputError, OSError):
        return False  # What cannot be looked into shows nothing.


def scan(directory: Path) -> Scan:
    """Find every document of a state directory, without reading any."""
    found = Scan()
    pending = [(directory, "")]
    while pending:
        here, category = pending.pop()
        below: list[tuple[Path, str]] = []
        for entry in _entries(found, here):
            if entry.is_dir(follow_symlinks=False):
                if _is_category(found, entry, lower := _joined(category, entry.name)):
                    below.append((Path(entry.path), lower))
            else:
                _take(found, entry, category)
        pending += reversed(below)
    return found


def _joined(category: str, name: str) -> str:
    """Return the category of a directory in that of another."""
    return f"{category}/{name}" if category else name


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


def _is_category(found: Scan, entry: os.DirEntry[str], category: str) -> bool:
    """Whether a directory can be a category; if not, say why it is passed over."""
    if entry.name == _HISTORY:
        found.stray(entry.path, "is a history kept by git; passed over", problem=False)
        return False
    try:
        check_category(category)
    except InvalidInputError as error:
        found.stray(entry.path, error)
        return False
    return True


def _take(found: Scan, entry: os.DirEntry[str], category: str) -> None:
    """Take a document by its place, or say why it is passed over."""
    for suffix in (JSON, MARKDOWN):
        if not entry.name.endswith(suffix) or entry.name == suffix:
            continue
        if not category:
            found.stray(entry.path, "is in no category; passed over", problem=False)
        else:
            _take_document(found, entry, category, suffix)
        return
    if entry.name.endswith(".tmp"):
        found.stray(entry.path, "is left over from a save that did not finish; passed over")
    else:
        found.stray(entry.path, "is no document of oxios; passed over", problem=False)


def _take_document(found: Scan, entry: os.DirEntry[str], category: str, suffix: str) -> None:
    """Take a document if oxios could ask for it by its name."""
    try:
        place = Place(category, entry.name.removesuffix(suffix), suffix)
    except InvalidInputError as error:
        found.stray(entry.path, error)
    else:
        found.documents[place] = Path(entry.path)


def _begins_like_a_session(path: Path) -> bool:
    """Whether a file begins like a session of oxios."""
    try:
        with open_file(path) as file:
            head = file.read(_HEAD_SIZE)
    except InvalidInputError:
        return False  # The import itself reports what is wrong with it.
    return bool(_OBJECT.match(head)) and all(member.search(head) for member in _MEMBERS)
