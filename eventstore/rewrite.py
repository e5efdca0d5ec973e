"""Rewriting ids: a state in which a session bears another id, every other byte as it was.

Only the places where a session's own id stands in the types of a3s-code are looked at; what was
said in messages, and whatever has another shape, stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping

from eventstore.commit import SESSION
from eventstore.json_rules import STRING
from eventstore.parts import RUN_RECORDS

Path = tuple[str | None, ...]
"""Keys from the outermost object inwards; None is any element of a list."""

_TOKEN = re.compile(STRING + rb'|[\[\]{},:]|[^\[\]{},:"]+')
_PARENT: Path = ("parent_id",)
_OWN: Mapping[str, frozenset[Path]] = {
    SESSION: frozenset({("id",), ("cost_records", None, "session_id")}),
    RUN_RECORDS: frozenset({(None, "snapshot", "session_id")}),
    "subagent_tasks": frozenset({(None, "parent_session_id")}),
}


def rewritten(states: Mapping[str, bytes], old: str, new: str) -> dict[str, bytes]:
    """Return the states of session *old* as those of *new*, whose `parent_id` is *old*."""
    found = {part: _own_ids(part, state, old, new) for part, state in states.items()}
    if SESSION in found:
        found[SESSION] = _with_parent(found[SESSION], old)
    return found


def _own_ids(part: str, state: bytes, old: str, new: str) -> bytes:
    """Put *new* wherever *old* stands for the session itself."""
    paths = _OWN.get(part, frozenset())
    depth = max(map(len, paths), default=0)
    out, end = [], 0
    for path, start, stop in _strings(state, depth) if paths else ():
        if path in paths and json.loads(state[start:stop]) == old:
            out += [state[end:start], _quoted(new)]
            end = stop
    return b"".join([*out, state[end:]])


def _with_parent(state: bytes, parent: str) -> bytes:
    """Name the parent, in the member that is there or in a new one at the end."""
    if not state.startswith(b"{"):
        return state
    for path, start, stop in _strings(state, 1):
        if path == _PARENT:
            return state[:start] + _quoted(parent) + state[stop:]
    comma = b"" if state == b"{}" else b","
    return state[:-1] + comma + b'"parent_id":' + _quoted(parent) + b"}"


def _quoted(text: str) -> bytes:
    """Return text as JSON, as `save` spells it."""
    return json.dumps(text, ensure_ascii=False).encode()


def _strings(state: bytes, depth_max: int) -> Iterator[tuple[Path, int, int]]:
    """Yield path, start and end of each string and null at most *depth_max* levels deep."""
    path: list[str | None] = []
    expects_key, depth = False, 0
    for match in _TOKEN.finditer(state):
        token = match[0]
        if token in (b"{", b"["):
            depth += 1
            if depth <= depth_max:
                path.append(None)
                expects_key = token == b"{"
        elif token in (b"}", b"]"):
            if depth <= depth_max:
                path.pop()
                expects_key = False
            depth -= 1
        elif depth > depth_max:
            continue
        elif token == b",":
            # In an object the last step is a key, in a list it is None.
            expects_key = bool(path) and path[-1] is not None
        elif expects_key:
            path[-1] = json.loads(token)
            expects_key = False
        elif token == b"null" or token.startswith(b'"'):
            yield tuple(path), match.start(), match.end()
