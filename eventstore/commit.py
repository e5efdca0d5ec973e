"""A commit: the record of one save, delete or other change, as one canonical line of JSON.

    {"v":1,"log":"…","seq":2,"prev":"…","kind":"save","time":…,"parts":{"session":{"c":"…","size":17}}}

Its id is the BLAKE3-256 of those bytes; the next commit of the log names it as `prev`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import cached_property
from types import MappingProxyType
from typing import Any, NamedTuple

from eventstore.address import address_of
from eventstore.errors import CorruptError, InvalidInputError, UnsupportedError
from eventstore.notebook import table_html

COMMIT_SIZE_MAX = 64 * 1024 - 1
"""Bytes of a commit, so that a transparency log can take it as a leaf."""

KINDS = (
    "save",
    "delete",
    "undelete",
    "restore",
    "fork",
    "erase",
    "hold",
    "release",
    "compact",
    "note",
    "repair",
)
"""What a commit can record; frames store the place in this list, so it only grows at its end."""
REPAIR = "repair"
"""The kind of a commit that tells what is lost to damage."""
SESSION = "session"
"""The part that makes an id a session: what `load`, `list` and `exists` mean."""

_KEYS = ("v", "log", "seq", "prev", "kind", "time", "parts", "actor", "note", "key", "ref")
_REQUIRED = _KEYS[:7]
_LOG_ID = re.compile(r"[0-9a-f]{32}\Z")
_DIGEST = re.compile(r"[0-9a-f]{64}\Z")
_PART = re.compile(r"[a-z][a-z0-9_.-]{0,63}\Z")
_TIME_MAX = 2**63 - 1
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_encoder = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


class Commitment(NamedTuple):
    """What a commit says of one part: a keyed digest of its address, and its size in bytes."""

    c: str
    size: int


@dataclass(frozen=True)
class Commit:
    """One entry of a log's history; `time` is nanoseconds since the Unix epoch."""

    log: str
    seq: int
    prev: str | None
    kind: str
    time: int
    parts: Mapping[str, Commitment] = field(default_factory=dict)
    actor: str | None = None
    note: str | None = None
    key: str | None = None
    ref: Mapping[str, Any] | None = None

    @cached_property
    def encoded(self) -> bytes:
        """The canonical bytes: keys in order, no white space, absent optionals left out."""
        # Digests, kinds and names of parts need no escapes, and this runs at every save.
        prev = "null" if self.prev is None else f'"{self.prev}"'
        parts = ""
        for name, (commitment, size) in self.parts.items():
            parts += f'{parts and ","}"{name}":{{"c":"{commitment}","size":{size}}}'
        record = (
            f'{{"v":1,"log":"{self.log}","seq":{self.seq},"prev":{prev},"kind":"{self.kind}",'
            f'"time":{self.time},"parts":{{{parts}}}'
        )
        for name in ("actor", "note", "key", "ref"):
            value = getattr(self, name)
            if value is not None:
                record += f',"{name}":{json_text(value)}'
        return f"{record}}}".encode()

    @cached_property
    def id(self) -> str:
        """The BLAKE3-256 of the commit's own bytes, in hex."""
        return address_of(self.encoded)


@dataclass(frozen=True, slots=True)
class PartVersion:
    """One part at one version: its address (64 hex digits), size in bytes, and if it is new.

    Of a state that a repair gave up nothing is known: its address is empty.
    """

    address: str
    size: int
    changed: bool


@dataclass(frozen=True, repr=False)
class Version:
    """One version of a session, as `save` and `history` return it.

    `parts` holds every live part at this version; `changed` marks those this commit wrote.
    `time` is nanoseconds since the Unix epoch, `stored` the bytes of its frame in the log. `ref`
    says what the commit refers to: the version that was restored, the log that was forked from.
    """

    session: str
    version: int
    commit: str
    prev: str | None
    kind: str
    time: int
    parts: Mapping[str, PartVersion]
    stored: int
    actor: str | None = None
    note: str | None = None
    key: str | None = None
    ref: Mapping[str, Any] | None = None

    @property
    def address(self) -> str | None:
        """The address of the session part at this version, or None where it has none."""
        part = self.parts.get(SESSION)
        return None if part is None else part.address

    @property
    def size(self) -> int:
        """Bytes of all live parts at this version."""
        return sum(part.size for part in self.parts.values())

    @property
    def saved_at(self) -> datetime:
        """The commit's time in UTC, to the microsecond."""
        return instant(self.time)

    def __repr__(self) -> str:
        """Say which version, how it came about, and its address."""
        address = "no session part" if self.address is None else f"b3:{self.address[:12]}"
        saved = self.saved_at.isoformat(timespec="seconds")
        return f"<version {self.version} of {self.session!r}: {self.kind} at {saved}, {address}>"

    def _repr_html_(self) -> str:
        """Show what a person asks of a version, and its parts."""
        facts = [("kind", self.kind), ("saved at", self.saved_at.isoformat(timespec="seconds"))]
        given = ("actor", self.actor), ("note", self.note), ("key", self.key), ("ref", self.ref)
        facts += [(name, str(value)) for name, value in given if value is not None]
        facts.append(("commit", self.commit))
        for name, part in self.parts.items():
            new = ", new" if part.changed else ""
            facts.append((f"part {name}", f"b3:{part.address[:12]}, {part.size:,} bytes{new}"))
        return table_html(f"version {self.version} of {self.session!r}", facts)

    def __index__(self) -> int:
        """Stand for the version number, so that a Version can be passed as `at=`."""
        return self.version

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy although `parts` is a read-only view."""
        fields = {**vars(self), "parts": dict(self.parts)}
        return _version, (fields,)


def _version(fields: dict[str, Any]) -> Version:
    """Make a Version again from its fields."""
    return Version(**{**fields, "parts": MappingProxyType(fields["parts"])})


def json_text(value: Any) -> str:
    """Return the canonical JSON of an optional member of a commit."""
    return _encoder.encode(value)


def instant(time_ns: int) -> datetime:
    """Return nanoseconds since the epoch as an aware datetime, clamped to what it can hold."""
    try:
        return _EPOCH + timedelta(microseconds=time_ns // 1000)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def check_part_name(name: object) -> str:
    """Return *name* if a part may be called so, else raise `InvalidInputError`."""
    if not isinstance(name, str) or not _PART.match(name):
        raise InvalidInputError(
            f"part name {name!r} is not of the form [a-z][a-z0-9_.-]*, at most 64 characters",
            field="part",
        )
    return name


def parse_commit(data: bytes) -> Commit:
    """Return the commit that *data* is the canonical form of.

    Raises `CorruptError` for anything else, `UnsupportedError` for a later commit version.
    """
    try:
        record = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise CorruptError("a commit is not JSON") from error
    if not isinstance(record, dict):
        raise CorruptError("a commit is not a JSON object")
    if isinstance(record.get("v"), int) and record["v"] > 1:
        raise UnsupportedError(f"commit version {record['v']} is newer than this library reads")
    try:
        commit = _from_record(record)
        canonical = commit.encoded
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise CorruptError("a commit lacks a field or has one of a wrong type") from error
    if canonical != data:
        raise CorruptError("a commit is not in canonical form")
    return commit


def _from_record(record: dict[str, Any]) -> Commit:
    """Check every field of a parsed commit; raise KeyError, TypeError or ValueError."""
    if record["v"] != 1 or not set(_REQUIRED) <= record.keys() <= set(_KEYS):
        raise ValueError("keys")
    parts = {
        check_stored_part(name): Commitment(_digest(part["c"]), _natural(part["size"]))
        for name, part in record["parts"].items()
    }
    if record["kind"] not in KINDS or not _LOG_ID.match(record["log"]):
        raise ValueError("kind or log")
    for name in ("actor", "note", "key"):
        if not isinstance(record.get(name), str | None):
            raise TypeError(name)
    if not isinstance(record.get("ref"), dict | None):
        raise TypeError("ref")
    return Commit(
        log=record["log"],
        seq=_natural(record["seq"]),
        prev=None if record["prev"] is None else _digest(record["prev"]),
        kind=record["kind"],
        time=_natural(record["time"]),
        parts=MappingProxyType(parts),
        actor=record.get("actor"),
        note=record.get("note"),
        key=record.get("key"),
        ref=record.get("ref"),
    )


def check_stored_part(name: str) -> str:
    """Return a part name read from a log, or raise ValueError."""
    if not _PART.match(name):
        raise ValueError("part name")
    return name


def _digest(text: Any) -> str:
    """Return *text* if it is 64 lower-case hex digits."""
    if not isinstance(text, str) or not _DIGEST.match(text):
        raise ValueError("digest")
    return text


def _natural(number: Any) -> int:
    """Return *number* if it is an integer that fits 63 bits and is not negative."""
    if type(number) is not int or not 0 <= number <= _TIME_MAX:
        raise ValueError("number")
    return number
