"""Lineage: which session came from which, as forks and `parent_id`s say, walked as a tree.

A fork hangs below the session it was forked from, any other session below the one its document
names as parent, if that is in the store. Everything is asked of the index, level by level.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Literal

from eventstore.errors import InvalidInputError
from eventstore.index import Index
from eventstore.session_info import COLUMNS, SHOWN, SessionInfo

Link = Literal["root", "fork", "child"]
"""What a session is to the one above it: nothing, a fork of it, or a session it began."""

_PAGE = 500
_S = ", ".join(f"s.{column}" for column in COLUMNS)
_shown = itemgetter(*map(COLUMNS.index, SHOWN))
_FORKED = "s.origin_log != '' AND EXISTS (SELECT 1 FROM sessions o WHERE o.log = s.origin_log)"
_PARENTED = (
    "s.parent_id != '' AND s.parent_id != s.id "
    "AND EXISTS (SELECT 1 FROM sessions p WHERE p.id = s.parent_id)"
)
_UP = (
    f"CASE WHEN {_FORKED} THEN (SELECT o.id FROM sessions o WHERE o.log = s.origin_log LIMIT 1) "
    f"WHEN {_PARENTED} THEN s.parent_id END"
)
_DOWN = (
    f"s.origin_log = :log AND :log != '' OR s.parent_id = :id AND s.id != :id AND NOT ({_FORKED})"
)
_HAS_CHILDREN = (
    "EXISTS (SELECT 1 FROM sessions c WHERE c.origin_log = s.log AND s.log != '') "
    "OR EXISTS (SELECT 1 FROM sessions c WHERE c.parent_id = s.id AND c.parent_id != '')"
)
_SELECT = f"SELECT {_S}, {_UP}, {_HAS_CHILDREN}, {_FORKED} FROM sessions s"
_ROOTS = f"NOT ({_FORKED}) AND NOT ({_PARENTED})"
# Parents that name each other have no root above them, so they are looked for by what is left.
_ROOTLESS = f"""
WITH RECURSIVE reached (id, log) AS (
  SELECT s.id, s.log FROM sessions s WHERE {_ROOTS}
  UNION
  SELECT s.id, s.log FROM reached r JOIN sessions s
  ON s.origin_log = r.log AND r.log != '' AND s.origin_log != ''
  UNION
  SELECT s.id, s.log FROM reached r JOIN sessions s
  ON s.parent_id = r.id AND s.parent_id != '' AND NOT ({_FORKED})
)
SELECT s.id, {_UP} FROM sessions s WHERE ({_PARENTED} OR {_FORKED})
AND s.id NOT IN (SELECT id FROM reached) ORDER BY s.id
"""


@dataclass(frozen=True, slots=True)
class TreeNode:
    """One session in a tree: how deep it stands, below which session, and why.

    `version` is the version of the session above that a fork began with, None for other links.
    """

    session: SessionInfo
    depth: int
    link: Link
    above: str | None
    version: int | None


def tree(index: Index, root: str | None) -> Iterator[TreeNode]:
    """Yield *root* and all below it, or all sessions, each behind the one above it.

    Raises `InvalidInputError` when there is no such session. It does so at once.
    """
    if root is None:
        return _forest(index)
    found = index.rows(f"{_SELECT} WHERE s.id = ?", (root,))
    if not found:
        raise InvalidInputError("there is no such session", session=root, field="id")
    return _below(index, found[0])


def _forest(index: Index) -> Iterator[TreeNode]:
    """Yield every tree of the store, by the ids of their roots."""
    for row in _pages(index, _ROOTS, {}, fresh=True):
        yield from _below(index, row)
    for id in _circular(index):
        for row in index.rows(f"{_SELECT} WHERE s.id = ?", (id,), fresh=False):
            yield from _below(index, row)


def _below(index: Index, root: tuple[Any, ...]) -> Iterator[TreeNode]:
    """Yield the tree under one row, depth first, with no more in memory than its open levels."""
    levels = [iter([root])]
    open_ids: set[str] = set()
    trail: list[str] = []
    while levels:
        row = next(levels[-1], None)
        if row is None:
            levels.pop()
            continue
        depth = len(levels) - 1
        open_ids.difference_update(trail[depth:])
        del trail[depth:]
        if row[0] in open_ids:
            continue  # Sessions that name each other as parents close a circle here.
        trail.append(row[0])
        open_ids.add(row[0])
        yield _node(row, depth)
        if row[-2]:
            values = {"id": row[0], "log": row[COLUMNS.index("log")]}
            levels.append(_pages(index, _DOWN, values))


def _pages(
    index: Index, where: str, values: dict[str, Any], *, fresh: bool = False
) -> Iterator[tuple[Any, ...]]:
    """Yield the rows that a condition holds for, by id, a page at a time."""
    sql = f"{_SELECT} WHERE ({where}) AND s.id > :after ORDER BY s.id LIMIT {_PAGE}"
    after = ""
    while True:
        rows = index.rows(sql, {**values, "after": after}, fresh=fresh)
        yield from rows
        if len(rows) < _PAGE:
            return
        after, fresh = rows[-1][0], False


def _circular(index: Index) -> Iterator[str]:
    """Yield one session, the first by id, of each circle of parents."""
    up = dict(index.rows(_ROOTLESS, fresh=False))
    seen: set[str] = set()
    for id in up:
        trail: dict[str, None] = {}
        step: str | None = id
        while step is not None and step not in seen:
            seen.add(step)
            trail[step] = None
            step = up.get(step)
        if step is not None and step in trail:
            ids = list(trail)
            yield min(ids[ids.index(step) :])


def _node(row: tuple[Any, ...], depth: int) -> TreeNode:
    """Return the node that a row is."""
    info = SessionInfo(_shown(row))
    *_, above, _, forked = row
    link: Link = "fork" if forked else "child" if above is not None else "root"
    version = row[COLUMNS.index("origin_version")] if forked else None
    return TreeNode(info, depth, link, above, version)
