"""`format.json`: what makes a directory a store. Reading it, founding a store, writing it anew."""

from __future__ import annotations

import json
import re
import secrets
from pathlib import Path

from eventstore.backends.log_names import SUFFIX
from eventstore.errors import BackendError, CorruptError, InvalidInputError, UnsupportedError
from eventstore.fs import FileSystem

FORMAT = "format.json"
LOGS = "logs"
FORMAT_VERSION = 1

REPAIR = "next: eventstore repair"
"""The command that writes a lost `format.json` anew."""

MISSING, EMPTY = "is missing", "is empty"
"""What may be wrong with a `format.json` without anything being lost."""

_DRAFT = ".format.json.new"
_SIZE_MAX = 64 * 1024
_STORE_ID = re.compile(r"[0-9a-f]{32}")


class Founding:
    """What says that one directory is a store."""

    def __init__(self, fs: FileSystem, directory: Path) -> None:
        """Look at *directory*; nothing is touched yet."""
        self._fs = fs
        self._directory = directory
        self.path = directory / FORMAT

    def open(self, *, create: bool) -> str:
        """Check that the directory is a store, or found one if *create* allows; return its id."""
        self._find(create)
        wrong, store_id = self.look()
        if not wrong:
            return store_id
        has_logs, names = self.has_logs(), set(self._fs.names(self._directory))
        # Somebody may just be founding it: who does is done with that before anything else is here.
        wrong, store_id = self.look()
        if not wrong:
            return store_id
        if has_logs:
            raise CorruptError(f"{FORMAT} {wrong}", where=str(self._directory), hint=REPAIR)
        if wrong == MISSING:
            self._check_empty(names, create)
        elif wrong != EMPTY:
            raise CorruptError(
                f"{FORMAT} {wrong}",
                where=str(self.path),
                hint="there is no log here; remove it to begin a store",
            )
        return self.write(new_store_id())

    def look(self) -> tuple[str, str]:
        """Say what is wrong with `format.json`, nothing if it is that of a store, and its id.

        Raises `UnsupportedError` where it is that of a later format.
        """
        status = self._fs.status_at(self.path)
        if status is None:
            return MISSING, ""
        if status.st_mode & 0o170000 != 0o100000:
            return "is not a file", ""
        text = self.text()
        if not text.strip(b"\0"):
            return EMPTY, ""  # Perhaps a torn founding: then nobody has saved anything yet.
        return _judged(text, self.path)

    def text(self) -> bytes:
        """Return what the file holds, nothing where there is none."""
        try:
            fd = self._fs.open(self.path)
        except FileNotFoundError:
            return b""
        try:
            return self._fs.read_at(fd, _SIZE_MAX, 0)
        finally:
            self._fs.close(fd)

    def has_logs(self) -> bool:
        """Whether something lies where logs do."""
        logs = self._directory / LOGS
        for place in self._names(logs):
            for name in self._names(logs / place) if len(place) == 2 else ():
                status = self._fs.status_at(logs / place / name)
                if status is not None and status.st_size and name.endswith(SUFFIX):
                    return True
        return False

    def write(self, store_id: str, *, anew: bool = False) -> str:
        """Make the directory a store, unless somebody else is faster; *anew*, even then.

        Return the id that the store has.
        """
        self._fs.make_directory(self._directory / LOGS)
        draft = self.path.with_name(_DRAFT)
        fd = self._fs.open(draft, write=True, create=True)
        try:
            self._fs.lock(fd)
            wrong, found = self.look()
            if not wrong and not anew:
                self._remove_draft(draft, fd)
                return found
            record = {"format": "eventstore", "version": FORMAT_VERSION, "store": store_id}
            self._fs.truncate(fd, 0)
            self._fs.write_at(fd, json.dumps(record).encode() + b"\n", 0)
            self._fs.sync_data(fd)
            # Named when its bytes are durable, so that no crash leaves half of it.
            self._fs.rename(draft, self.path)
            self._fs.sync_directory(self._directory)
        finally:
            self._fs.close(fd)
        return store_id

    def _find(self, create: bool) -> None:
        """Make sure the directory is there, and is a store or can become one."""
        if self._fs.status_at(self._directory) is None:
            if not create:
                raise BackendError(
                    "there is no store",
                    where=str(self._directory),
                    hint="check the path, or begin one: `eventstore import`, or create=True",
                )
            if self._fs.make_directory(self._directory):
                self._fs.sync_directory(self._directory.parent)

    def _check_empty(self, names: set[str], create: bool) -> None:
        """Raise `InvalidInputError` unless a directory with those names may become a store."""
        if not create or names - {FORMAT, LOGS, _DRAFT}:
            raise InvalidInputError(
                f"{str(self._directory)!r} is not a store: it has no {FORMAT}",
                field="location",
                hint="name the directory of a store, or an empty one",
            )

    def _names(self, path: Path) -> list[str]:
        """List a directory; what is none, or is not there, has no names."""
        try:
            return self._fs.names(path)
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _remove_draft(self, draft: Path, fd: int) -> None:
        """Remove a draft that nobody needs, if it still has that name."""
        status = self._fs.status_at(draft)
        if status is not None and status.st_ino == self._fs.status(fd).st_ino:
            self._fs.remove(draft)


def _judged(text: bytes, path: Path) -> tuple[str, str]:
    """Say what is wrong with the text of a `format.json`, and the id that is in it."""
    try:
        record = json.loads(text)
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict) or record.get("format") != "eventstore":
        return "does not describe a store", ""
    version = record.get("version")
    if type(version) is not int:
        return "does not describe a store", ""
    if version != FORMAT_VERSION or record.get("required"):
        raise UnsupportedError(
            f"the store has format {version}, this library reads {FORMAT_VERSION}",
            where=str(path),
            hint="open it with a newer version of this library",
        )
    store = record.get("store")
    return ("", str(store)) if is_store_id(store) else ("does not name the store", "")


def new_store_id() -> str:
    """Return an id that no store has."""
    return secrets.token_hex(16)


def is_store_id(value: object) -> bool:
    """Whether *value* has the form of a store's id."""
    return isinstance(value, str) and _STORE_ID.fullmatch(value) is not None


def ids_in(text: bytes) -> list[str]:
    """Return what may be the id of a store in a damaged `format.json`."""
    return _STORE_ID.findall(text.decode("ascii", "replace"))
