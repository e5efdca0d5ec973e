"""Finding the logs of a store in its directories; whatever else lies there is passed over."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from eventstore.backends.founding import LOGS
from eventstore.backends.layout import FileLayout
from eventstore.backends.log_names import SUFFIX, session_of
from eventstore.errors import CorruptError, UnsupportedError
from eventstore.frame import HEADER_SIZE, decode_header
from eventstore.fs import FileSystem
from eventstore.payload import decode_table

_HEAD_SIZE_MAX = HEADER_SIZE + 2 * 65535


def sessions_in(fs: FileSystem, layout: FileLayout) -> Iterator[str]:
    """Yield the session of every log file; whatever else lies there is passed over."""
    logs = layout.directory / LOGS
    for name in sorted(fs.names(logs)):
        status = fs.status_at(logs / name)
        if len(name) != 2 or status is None or status.st_mode & 0o170000 != 0o040000:
            continue
        for file in fs.names(logs / name):
            session = session_in(fs, layout, logs / name / file)
            if session is not None:
                yield session


def session_in(fs: FileSystem, layout: FileLayout, path: Path) -> str | None:
    """Return the session whose log *path* is, or None if it is no log of ours."""
    if path.suffix != SUFFIX:
        return None
    name = path.name.removesuffix(SUFFIX)
    status = fs.status_at(path)
    if status is None or not status.st_size or status.st_mode & 0o170000 != 0o100000:
        return None
    session = session_of(name) or session_inside(fs, path)
    return session if session and layout.path_of(session) == path else None


def session_inside(fs: FileSystem, path: Path) -> str | None:
    """Read the session id that the first frame of a log states."""
    fd = fs.open(path)
    try:
        data = fs.read_at(fd, _HEAD_SIZE_MAX, 0)
    finally:
        fs.close(fd)
    try:
        header = decode_header(data, 0)
        table = decode_table(data[HEADER_SIZE + header.commit_size : header.head_size], 0)
    except (CorruptError, UnsupportedError):
        return None
    return table.genesis.session if table.genesis else None
