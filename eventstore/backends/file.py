"""The file backend: one append-only file per session, under one directory.

format.json                what this directory is
logs/<xx>/<name>.log       one log; <xx> are two hex digits of the hash of the id
lost+found/                tails cut from logs after a crash
index.db, marks/           derived, see `index.py`
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

from eventstore.backend import Backend, Rewriting
from eventstore.backends.founding import LOGS
from eventstore.backends.layout import FileLayout
from eventstore.backends.log_file import LogFile
from eventstore.backends.log_files import LogFiles, refused
from eventstore.backends.log_finder import sessions_in
from eventstore.backends.log_names import log_name
from eventstore.backends.log_syncs import LogSyncs
from eventstore.backends.probe import probe
from eventstore.backends.rewriting import FileRewriting, rewriting_of
from eventstore.backends.strays import elsewhere, keep_copy, keep_moved, put_back, strays
from eventstore.backends.writing import Writing
from eventstore.errors import BackendError, ConflictError
from eventstore.fs import FileSystem, OsFileSystem


class FileBackend(Backend):
    """Logs as files in one directory; any number of processes may share it."""

    name = "file"

    def __init__(
        self,
        directory: Path,
        *,
        create: bool = True,
        durability: str = "sync",
        fs: FileSystem | None = None,
    ) -> None:
        """Open the store in *directory*, founding it there if *create* allows.

        *durability* is `sync`, `group` (threads that append at the same time share a sync) or
        `unsafe_os` (`append` returns before the bytes are durable, and `sync` makes up for it).
        Raises `BackendError` where the directory cannot be used or locks do not work.
        """
        self.fs: FileSystem = fs or OsFileSystem()
        self.directory: Path | None = Path(os.path.abspath(directory))
        self._mode = durability
        self._layout = FileLayout(self.fs, self.directory)
        self.store_id = self._layout.open(create=create)
        self._files = LogFiles(self.fs, self._layout)
        self._syncs = LogSyncs(self.fs, self._layout, self._files, durability)
        self.durable = self._syncs.durable

    def size(self, log: str) -> int | None:
        """Ask the file; an empty one, left by a crash before the first save, is no log."""
        with self._files.held(log) as file:
            if file is None:
                return None
            return file.size() or None

    def read(self, log: str, start: int, stop: int) -> bytes:
        """Read one range of the file."""
        with self._files.held(log) as file:
            if file is None:
                return b""
            try:
                data = self.fs.read_at(file.fd, stop - start, start)
                if stop > file.end and data.endswith(b"\0"):
                    data = data[: max(0, file.size() - start)]  # Less the space behind the log.
                return data
            except OSError as error:
                raise refused("read", log, error) from error

    def writing(self, log: str) -> Writing:
        """Hold the file's lock, among threads and among processes."""
        return Writing(self.fs, self._files, log)

    def append(
        self,
        log: str,
        position: int,
        frame: bytes,
        meanwhile: Callable[[], object] | None = None,
    ) -> None:
        """Write once at the end, then sync once."""
        file = self._files.writing[log]
        if file.end != position:
            self._check_repeat(log, file, position, frame)
        else:
            self._write(log, file, position, frame)
        if meanwhile is not None:
            if self.durable:
                self.fs.write_back(file.fd, len(frame), position)
            meanwhile()
        # A repeat is synced too: the first try may have failed at this very line.
        end = position + len(frame)
        self._syncs.done(log, file, entry=position == 0, end=end)  # The commit point.
        file.end = end

    def epoch(self, log: str) -> int:
        """Return that of the open file."""
        return self._files.epoch(log)

    def rewriting(self, log: str) -> AbstractContextManager[FileRewriting]:
        """Write it to a file beside the log."""
        return rewriting_of(self.fs, self._layout, log)

    def replace(self, log: str, rewriting: Rewriting, end: int) -> None:
        """Rename the new file over the old, between a sync of the one and of their directory."""
        assert isinstance(rewriting, FileRewriting), "what takes the log's name was made here"
        file = self._files.writing[log]
        if file.end != end:
            raise ConflictError(f"the log ends at byte {file.end}, not {end}", session=log)
        # From here on the open file may have lost its name, even where this fails.
        self._files.end_writing(log, file)
        rewriting.take_the_place_of(self._layout.path_of(log))
        self._layout.sync_entry(log)

    def settle(self, log: str, *, entry: bool) -> None:
        """Sync what another process may have left in the page cache when it was killed."""
        if not self.durable:
            return
        with self._files.held(log) as file:
            if file is None:
                return
            self._syncs.done(log, file, entry=entry)

    def cut(self, log: str, position: int) -> str:
        """Copy the tail to `lost+found/`, make the copy durable, then truncate."""
        with self._files.held(log) as file:
            assert file is not None, "cut is called inside writing"
            try:
                tail = self.fs.read_at(file.fd, file.end - position, position)
                kept = self._layout.keep(f"{log_name(log)}.{position}.{time.time_ns()}", tail)
                self.fs.truncate(file.fd, position)
            except OSError as error:
                raise refused("recover", log, error) from error
            self._syncs.done(log, file, entry=False)
            file.end = file.space = position
            return kept

    def logs(self) -> Iterator[str]:
        """Walk the directory tree; files that are not logs are passed over."""
        try:
            yield from sessions_in(self.fs, self._layout)
        except OSError as error:
            raise refused("list the logs", None, error) from error

    def strays(self) -> Iterator[tuple[str, str]]:
        """Walk the same directories, for what `logs` passes over."""
        try:
            yield from strays(self.fs, self._layout)
        except OSError as error:
            raise refused("list the logs", None, error) from error

    def set_aside(self, log: str, *, move: bool = False) -> str:
        """Copy the file to `lost+found/`, or move what has its name there."""
        try:
            if not move:
                with self._files.held(log) as file:
                    return keep_copy(self.fs, self._layout, log, file)
            self._files.drop(log, pages=False)
            return keep_moved(self.fs, self._layout, log)
        except OSError as error:
            raise refused("set the log aside", log, error) from error

    def elsewhere(self, log: str) -> list[str]:
        """Look into every file under `logs/` and `lost+found/`."""
        try:
            return elsewhere(self.fs, self._layout, log)
        except OSError as error:
            raise refused("look for the log", log, error) from error

    def put_back(self, log: str, place: str) -> None:
        """Rename."""
        try:
            put_back(self.fs, self._layout, log, place)
        except OSError as error:
            raise refused("put the log back", log, error) from error
        self._layout.sync_entry(log)

    def sync(self) -> dict[str, int]:
        """Sync what was appended to without a sync, and names with it."""
        return self._syncs.all()

    def check(self) -> None:
        """Probe the directory with a small file of its own."""
        probe(self.fs, self._layout.directory)

    def close(self) -> None:
        """Close every file."""
        self._files.close()
        self._syncs.close()

    def abandon(self) -> None:
        """Close the child's descriptors; the parent's locks stay with the parent's."""
        self._files = LogFiles(self.fs, self._layout, replacing=self._files)
        self._syncs.close()
        self._syncs = LogSyncs(self.fs, self._layout, self._files, self._mode)

    def _check_repeat(self, log: str, file: LogFile, position: int, frame: bytes) -> None:
        """Raise `ConflictError` unless the log already ends with exactly this frame."""
        is_repeat = file.end == position + len(frame)
        if not is_repeat or self.fs.read_at(file.fd, len(frame), position) != frame:
            raise ConflictError(
                f"the log ends at byte {file.end}, not {position}",
                session=log,
                hint="load the session again and repeat the save",
            )

    def _write(self, log: str, file: LogFile, position: int, frame: bytes) -> None:
        """Write the frame; on failure take back whatever of it was written."""
        if not file.writable:
            raise BackendError(
                "the log file is not writable",
                session=log,
                where=f"{LOGS}/",
                hint="check the permissions of the store's directory",
            )
        data = file.padded(frame) if self.durable else frame
        try:
            self.fs.write_at(file.fd, data, position)
            file.space = max(file.space, position + len(data))
        except OSError as error:
            self._take_back(log, file, position)
            raise refused("save", log, error) from error

    def _take_back(self, log: str, file: LogFile, position: int) -> None:
        """Truncate a failed write; where even that fails, the next writer cuts the torn tail."""
        try:
            self.fs.truncate(file.fd, position)
            file.space = position
        except OSError:
            self._files.drop(log, pages=False)
