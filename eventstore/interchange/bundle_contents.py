"""The contents of a bundle: which versions of which sessions it holds, said before any of them.

So that a bundle that is cut off can be told what is missing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from eventstore.errors import CorruptError, EventStoreError, InvalidInputError
from eventstore.input import check_id
from eventstore.parcel import Origin, Tip
from eventstore.payload import SALT_SIZE

FORMAT = "eventstore-bundle"
_NAMED = 5
_LOG_ID = re.compile(r"[0-9a-f]{32}")
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Held:
    """How far a session is held: up to the commit *head* of version *last*, with all before it."""

    session: str
    log: str
    last: int
    head: str


@dataclass(frozen=True, slots=True)
class Content:
    """The versions *first* to *last* of one session.

    `prev` and `head` are the commits of the version before the first and of the last; `live` are
    the parts that there were before the first.
    """

    session: str
    log: str
    salt: str
    first: int
    last: int
    prev: str | None
    head: str
    live: tuple[str, ...] = ()

    @property
    def origin(self) -> Origin:
        """What the session's log begins with."""
        return Origin(self.session, self.log, bytes.fromhex(self.salt))

    @property
    def held(self) -> Held:
        """How far whoever has this, and what is before it, has the session."""
        return Held(self.session, self.log, self.last, self.head)

    @property
    def before(self) -> Tip:
        """The version that the first one follows."""
        return Tip(self.first - 1, self.prev)

    @property
    def count(self) -> int:
        """How many versions there are."""
        return self.last - self.first + 1


def encode_contents(contents: Sequence[Content], behind: Sequence[Held] = ()) -> bytes:
    """Return the payload of the first block."""
    value = {
        "format": FORMAT,
        "sessions": [asdict(content) for content in contents],
        "behind": [asdict(held) for held in behind],
    }
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def decode_contents(payload: bytes) -> tuple[list[Content], list[Held]]:
    """Return the contents that the first block states, and what bundles before this one hold.

    Raises `CorruptError` for anything else.
    """
    try:
        value = json.loads(payload)
        if value["format"] != FORMAT:
            raise ValueError("format")
        contents = [_content(item) for item in value["sessions"]]
        behind = [_held(item) for item in value["behind"]]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise CorruptError("the contents are not those of a bundle") from error
    except InvalidInputError as error:
        raise CorruptError(f"the contents name a session that cannot be: {error}") from error
    named = [content.session for content in contents] + [held.session for held in behind]
    if len(set(named)) != len(named):
        raise CorruptError("the contents name a session twice")
    return contents, behind


def _held(item: dict[str, Any]) -> Held:
    """Check one session that bundles before hold; raise KeyError, TypeError or ValueError."""
    held = Held(**item)
    if type(held.last) is not int or held.last < 1:
        raise ValueError("last")
    if not _LOG_ID.fullmatch(held.log) or not _DIGEST.fullmatch(held.head):
        raise ValueError("head")
    check_id(held.session)
    return held


def _content(item: dict[str, Any]) -> Content:
    """Check one session of the contents; raise KeyError, TypeError or ValueError."""
    content = Content(**{**item, "live": tuple(item["live"])})
    numbers = (content.first, content.last)
    if any(type(number) is not int for number in numbers) or not 0 < content.first <= content.last:
        raise ValueError("numbers")
    if len(content.salt) != 2 * SALT_SIZE or not _LOG_ID.fullmatch(content.log):
        raise ValueError("log")
    if not _DIGEST.fullmatch(content.head) or not _DIGEST.fullmatch(content.salt):
        raise ValueError("digest")
    if (content.prev is None) is not (content.first == 1):
        raise ValueError("prev")
    check_id(content.session)
    if not all(isinstance(name, str) for name in content.live):
        raise ValueError("live")
    return content


def missing(contents: Sequence[Content], place: int, done: int) -> str:
    """Return what is missing of a bundle of which *done* versions of the session at *place*,
    and all of those before it, could be read.
    """
    rest = [*contents[place:]]
    if rest and done >= rest[0].count:
        rest, done = rest[1:], 0
    if not rest:
        return "nothing is missing but the end"
    names = []
    for number, content in enumerate(rest[:_NAMED]):
        first = content.first + (done if number == 0 else 0)
        span = (
            f"version {first}" if first == content.last else f"versions {first} to {content.last}"
        )
        names.append(f"{span} of session {content.session!r}")
    more = len(rest) - _NAMED
    names += [f"{more} more sessions"] if more > 0 else []
    return f"missing: {', '.join(names)}"


def told(error: EventStoreError, what: str) -> EventStoreError:
    """Return *error* with what is missing because of it."""
    return type(error)(
        error.message if not what else f"{error.message}; {what}",
        session=error.session,
        version=error.version,
        where=error.where,
        field=error.field,
        hint=error.hint,
    )
