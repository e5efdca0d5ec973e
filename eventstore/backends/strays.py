"""Strays: what lies where a store keeps its logs and is none, and logs that lie elsewhere."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

from eventstore.backends.founding import LOGS
from eventstore.backends.layout import LOST, FileLayout
from eventstore.backends.log_file import LogFile
from eventstore.backends.log_finder import session_in, session_inside
from eventstore.backends.log_names import SUFFIX, log_name, session_of
from eventstore.fs import FileSystem

_BEGUN = ".new"
"""The suffix of a log that is being rewritten, or was when a crash came."""

_CHUNK_SIZE = 4 * 1024 * 1024


def strays(fs: FileSystem, layout: FileLayout) -> Iterator[tuple[str, str]]:
    """Yield what is no log: its place in the store, and what is wrong with it."""
    logs = layout.directory / LOGS
    for name in sorted(fs.names(logs)):
        status = fs.status_at(logs / name)
        if status is None:
            continue
        if status.st_mode & 0o170000 != 0o040000 or len(name) != 2:
            yield f"{LOGS}/{name}", "is no directory of logs"
            continue
        for file in sorted(fs.names(logs / name)):
            reason = _reason(fs, layout, logs / name / file)
            if reason:
                yield f"{LOGS}/{name}/{file}", reason


def _reason(fs: FileSystem, layout: FileLayout, path: Path) -> str:
    """Say why *path* is no log; nothing if it is one, or what a crash leaves of one."""
    status = fs.status_at(path)
    if status is None or path.suffix == _BEGUN:
        return ""
    if path.suffix != SUFFIX:
        return "is not named like a log"
    session = session_of(path.name.removesuffix(SUFFIX))
    if status.st_mode & 0o170000 != 0o100000:
        # Where it stands for a session, that session's verdict says so.
        return "" if session and layout.path_of(session) == path else "is not a file"
    if not status.st_size or session_in(fs, layout, path) is not None:
        return ""
    inside = session_inside(fs, path)
    named = "" if inside is None else f", and holds that of session {inside!r}"
    return f"is not named like a log that belongs here{named}"


def elsewhere(fs: FileSystem, layout: FileLayout, session: str) -> list[str]:
    """Return the places of logs of *session* that are not where they belong, the largest first."""
    own, sizes = layout.path_of(session), {}
    logs, lost = layout.directory / LOGS, layout.directory / LOST
    for directory in (*(logs / name for name in fs.names(logs)), lost):
        status = fs.status_at(directory)
        if status is None or status.st_mode & 0o170000 != 0o040000:
            continue
        for name in fs.names(directory):
            path = directory / name
            status = fs.status_at(path)
            is_file = status is not None and status.st_mode & 0o170000 == 0o100000
            if status is None or not is_file or path == own or path.suffix != SUFFIX:
                continue
            if session_inside(fs, path) == session:
                sizes[str(path.relative_to(layout.directory))] = status.st_size
    return sorted(sizes, key=lambda place: -sizes[place])


def put_back(fs: FileSystem, layout: FileLayout, session: str, place: str) -> None:
    """Rename what lies at *place* to the log of *session*; there must be none."""
    path = layout.path_of(session)
    layout.check_shard(path.parent, create=True)
    if fs.status_at(path) is not None:
        raise FileExistsError(17, "something is in its place", path.name)
    fs.rename(layout.directory / place, path)
    fs.sync_directory((layout.directory / place).parent)


def keep_copy(fs: FileSystem, layout: FileLayout, session: str, file: LogFile | None) -> str:
    """Copy a log to `lost+found/`; say where."""
    if file is None:
        return ""
    end = file.size()
    chunks = (fs.read_at(file.fd, _CHUNK_SIZE, at) for at in range(0, end, _CHUNK_SIZE))
    return layout.keep_all(f"{log_name(session)}.{time.time_ns()}.kept", chunks)


def keep_moved(fs: FileSystem, layout: FileLayout, session: str) -> str:
    """Move whatever has the name of a log to `lost+found/`; say where."""
    path = layout.path_of(session)
    kept = layout.lost() / f"{log_name(session)}.{time.time_ns()}{SUFFIX}"
    fs.rename(path, kept)
    fs.sync_directory(kept.parent)
    fs.sync_directory(path.parent)
    return f"{LOST}/{kept.name}"
