"""Writing `format.json` anew where it is lost or damaged and the logs are there.

The id of the store is in no log. It is looked for in what is derived, and in what is left of the
file. Logs, the index, copies and bundles do not depend on it; the feed, the search index and the
cursors of watches do.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from eventstore.backends.founding import FORMAT, MISSING, Founding, ids_in, new_store_id
from eventstore.backends.layout import LOST, FileLayout
from eventstore.backends.log_finder import session_inside, sessions_in
from eventstore.errors import BackendError, InvalidInputError
from eventstore.feed import FEED
from eventstore.fs import FileSystem, OsFileSystem
from eventstore.index_database import store_of
from eventstore.repaired import RepairedFormat
from eventstore.search_index import EVERY, NEWEST

_CHUNK = 1024 * 1024


def refound(directory: Path, *, apply: bool, fs: FileSystem | None = None) -> RepairedFormat | None:
    """Say what is wrong with `format.json` and write it anew if *apply*; None if it is sound.

    Raises `InvalidInputError` where no log of a session is, `UnsupportedError` for a later format.
    """
    found = Refounding(fs or OsFileSystem(), Path(os.path.abspath(directory)))
    try:
        return found.run(apply=apply)
    except OSError as error:
        raise BackendError(
            f"cannot repair {FORMAT}: {error.strerror or error}", where=str(directory)
        ) from error


class Refounding:
    """One directory whose `format.json` may have to be written anew."""

    def __init__(self, fs: FileSystem, directory: Path) -> None:
        """Look at *directory*."""
        self._fs = fs
        self._directory = directory
        self._founding = Founding(fs, directory)
        self._layout = FileLayout(fs, directory)

    def run(self, *, apply: bool) -> RepairedFormat | None:
        """Look, and repair if *apply*."""
        if self._fs.status_at(self._directory) is None:
            return None
        wrong, _ = self._founding.look()
        if not wrong:
            return None
        if not self._founding.has_logs() or not self._has_session():
            raise InvalidInputError(
                f"{FORMAT} {wrong}, and there is no log that says that {str(self._directory)!r}"
                " is a store",
                field="location",
            )
        store, source = self._identity(wrong)
        if not apply:
            return RepairedFormat(wrong, store, source)
        kept = "" if wrong == MISSING else self._set_aside()
        made = self._founding.write(store or new_store_id(), anew=True)
        return RepairedFormat(wrong, made, source, kept, applied=True)

    def _has_session(self) -> bool:
        """Whether at least one log begins as a log of this place does."""
        return any(
            session_inside(self._fs, self._layout.path_of(session)) == session
            for session in sessions_in(self._fs, self._layout)
        )

    def _identity(self, wrong: str) -> tuple[str, str]:
        """Return the id that the store had, and where it was found; nothing if it is lost."""
        for name in (FEED, NEWEST, EVERY):
            status = self._fs.status_at(self._directory / name)
            if status is not None and status.st_mode & 0o170000 == 0o100000:
                found = ids_in((store_of(self._directory / name) or "").encode())
                if found:
                    return found[0], name
        left = [] if wrong == MISSING or not self._is_file() else ids_in(self._founding.text())
        return (left[0], FORMAT) if left else ("", "")

    def _set_aside(self) -> str:
        """Keep what is there in `lost+found/`, a file as a copy until another has its name."""
        name = f"{FORMAT}.{time.time_ns()}"
        if self._is_file():
            fd = self._fs.open(self._founding.path)
            try:
                size = self._fs.status(fd).st_size
                parts = (self._fs.read_at(fd, _CHUNK, at) for at in range(0, size, _CHUNK))
                return self._layout.keep_all(name, parts)
            finally:
                self._fs.close(fd)
        lost = self._layout.lost()
        self._fs.rename(self._founding.path, lost / name)
        self._fs.sync_directory(lost)
        self._fs.sync_directory(self._directory)
        return f"{LOST}/{name}"

    def _is_file(self) -> bool:
        """Whether `format.json` is a file."""
        status = self._fs.status_at(self._founding.path)
        return status is not None and status.st_mode & 0o170000 == 0o100000
