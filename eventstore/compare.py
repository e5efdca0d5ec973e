"""Comparing two states: the edits that lead from one to the other, each exact to the byte.

Edits are made one after the other, so a place in a list counts what the edits before it did.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

from eventstore.alignment import Pair, aligned, script
from eventstore.outline import Node, Units, value_of
from eventstore.patch import Path, pointer

Action = Literal["add", "remove", "replace", "move"]
Whole = Callable[[Path], bool]
"""Whether the value at a path is compared as a whole, not member by member."""

LEVELS_MAX = 32
"""How deep differences are looked for; what differs deeper is replaced as a whole."""

_MOVES_MAX = 256
_IDENTITIES = ("id", "artifact_uri", "sequence", "subject", "role", "type")


@dataclass(frozen=True, slots=True)
class Edit:
    """One step from a state to the next; *before* and *after* are exact JSON texts.

    `move` puts the member of an object in another place. `index` is where an added or moved
    member stands among the members of its object, an added element in its list; `key` is the key
    of an added member where it is not spelled as usual.
    """

    action: Action
    path: Path
    before: str | None = None
    after: str | None = None
    index: int | None = None
    key: str | None = None


def spelled(name: str) -> str:
    """Return the key of a member as a save writes it."""
    return json.dumps(name, ensure_ascii=False)


def edits(old: Node, new: Node, whole: Whole = lambda _: False, path: Path = ()) -> Iterator[Edit]:
    """Yield the edits that make *old*, at *path*, into *new*."""
    if old is new or old.text == new.text:
        return
    before, after = old.units, new.units
    if (
        before is None
        or after is None
        or old.is_list is not new.is_list
        or len(path) >= LEVELS_MAX
        or whole(path)
    ):
        yield Edit("replace", path, old.text, new.text)
    elif old.is_list:
        yield from _list_edits(before, after, whole, path)
    elif _is_alike(before, after):
        yield from _object_edits(before, after, whole, path)
    else:
        yield Edit("replace", path, old.text, new.text)


def patch_of(steps: Iterator[Edit]) -> list[dict[str, Any]]:
    """Return edits as an RFC 6902 patch, which knows no order of members."""
    return [_operation(step) for step in steps if step.action != "move"]


def patch_text(steps: Iterator[Edit]) -> str:
    """Return the same as JSON text in which every value is spelled as it was saved."""
    lines = []
    for step in steps:
        if step.action == "move":
            continue
        head = json.dumps({"op": step.action, "path": pointer(step.path)}, ensure_ascii=False)
        lines.append(head if step.after is None else f'{head[:-1]}, "value": {step.after}}}')
    return f"[{', '.join(lines)}]"


def summary_of_change(old: Node, new: Node, level: int = 0) -> Any:
    """Return what changed in the manner of RFC 7386: new values of members, null for removed ones.

    Unlike there, a list that changed is an object too: `7` is what changed in its element 7 as it
    is numbered now, `+7` an element added there, `-7` null, an element that stood at 7 before.
    """
    before, after = old.units, new.units
    if before is None or after is None or old.is_list is not new.is_list or level >= LEVELS_MAX:
        return value_of(new.text)
    if old.is_list:
        return {
            key: None if node is None else _changed(before.nodes, after.nodes, pair, level)
            for key, node, pair in _numbered(before, after)
        }
    return {
        **{name: None for name in before.names if name not in after.names},
        **{
            name: value_of(node.text) if was is None else summary_of_change(was, node, level + 1)
            for name, node, was in _members(before, after)
            if was is None or was.text != node.text
        },
    }


def steps_between(before: Units, after: Units) -> Iterator[Pair]:
    """Yield the way from one list to another: additions, removals, and pairs that are not equal.

    Elements that are not equal belong together if they say that they are the same thing: by an id,
    or for messages by who spoke.
    """
    old, new = before.nodes, after.nodes
    removed: list[int] = []
    added: list[int] = []
    for place, other in script([n.text for n in old], [n.text for n in new]):
        if place is not None and other is not None:
            yield from _paired(old, new, removed, added)
            removed, added = [], []
        elif place is not None:
            removed.append(place)
        elif other is not None:
            added.append(other)
    yield from _paired(old, new, removed, added)


def _paired(
    old: list[Node], new: list[Node], removed: list[int], added: list[int]
) -> Iterator[Pair]:
    """Pair what was removed with what was added in its place, as far as they are the same thing."""
    at = to = 0
    pairs = []
    if removed and added:
        pairs = aligned([_identity(old[i]) for i in removed], [_identity(new[j]) for j in added])
    for place, other in [*pairs, (len(removed), len(added))]:
        yield from ((i, None) for i in removed[at:place])
        yield from ((None, j) for j in added[to:other])
        if place < len(removed):
            yield removed[place], added[other]
        at, to = place + 1, other + 1


def _identity(node: Node) -> str:
    """Return what an element says it is, and what kind of value it is where it says nothing."""
    if node.is_object:
        for name in _IDENTITIES:
            member = node.member(name)
            if member is not None and member.units is None:
                return f"{name} {member.text}"
        snapshot = node.member("snapshot")
        if snapshot is not None:
            return _identity(snapshot)
    return node.text[:1] if node.text[:1] in '{["' else ""


def _list_edits(before: Units, after: Units, whole: Whole, path: Path) -> Iterator[Edit]:
    """Yield the edits of a list, from its beginning to its end."""
    shift = 0
    for place, other in steps_between(before, after):
        if other is None:
            assert place is not None, "a step has at least one side"
            yield Edit("remove", (*path, place + shift), before=before.nodes[place].text)
            shift -= 1
        elif place is None:
            yield Edit("add", (*path, other), after=after.nodes[other].text, index=other)
            shift += 1
        else:
            yield from edits(before.nodes[place], after.nodes[other], whole, (*path, other))


def _object_edits(before: Units, after: Units, whole: Whole, path: Path) -> Iterator[Edit]:
    """Yield the edits of an object, in the order of its members afterwards."""
    old = dict(zip(before.names, before.nodes, strict=True))
    wanted = set(after.names)
    for name in before.names:
        if name not in wanted:
            yield Edit("remove", (*path, name), before=old[name].text)
    moved = _moved(before, after)
    last = len(wanted & old.keys()) - 1
    for name in moved:
        # Out of the way first, so that what stays in order has its place when its turn comes.
        yield Edit("move", (*path, name), index=last)
    for index, (name, node) in enumerate(zip(after.names, after.nodes, strict=True)):
        if name not in old:
            key = None if after.keys[index] == spelled(name) else after.keys[index]
            yield Edit("add", (*path, name), after=node.text, index=index, key=key)
            continue
        if name in moved:
            yield Edit("move", (*path, name), index=index)
        yield from edits(old[name], node, whole, (*path, name))


def _is_alike(before: Units, after: Units) -> bool:
    """Whether two objects spell their keys alike, and have them about in the same order."""
    keys = dict(zip(before.names, before.keys, strict=True))
    spelled = zip(after.names, after.keys, strict=True)
    if any(keys.get(name, key) != key for name, key in spelled):
        return False
    return before.names == after.names or len(_moved(before, after)) <= _MOVES_MAX


def _moved(before: Units, after: Units) -> dict[str, None]:
    """Return the names of members that changed their order among those that stay."""
    if before.names == after.names:
        return {}
    both = set(before.names) & set(after.names)
    now = [name for name in after.names if name in both]
    kept = {now[at] for _, at in aligned([n for n in before.names if n in both], now)}
    return dict.fromkeys(name for name in now if name not in kept)


def _operation(step: Edit) -> dict[str, Any]:
    """Return an edit as an operation of RFC 6902."""
    operation: dict[str, Any] = {"op": step.action, "path": pointer(step.path)}
    if step.after is not None:
        operation["value"] = value_of(step.after)
    return operation


def _numbered(before: Units, after: Units) -> Iterator[tuple[str, Node | None, Pair]]:
    """Yield the steps of a list with the keys that a summary has for them."""
    for place, other in steps_between(before, after):
        if other is None:
            yield f"-{place}", None, (place, other)
        else:
            key = str(other) if place is not None else f"+{other}"
            yield key, after.nodes[other], (place, other)


def _changed(old: list[Node], new: list[Node], pair: Pair, level: int) -> Any:
    """Return the summary of an element that is there afterwards."""
    place, other = pair
    assert other is not None, "the element is there"
    if place is None:
        return value_of(new[other].text)
    return summary_of_change(old[place], new[other], level + 1)


def _members(before: Units, after: Units) -> Iterator[tuple[str, Node, Node | None]]:
    """Yield the members of an object with what they were."""
    old = dict(zip(before.names, before.nodes, strict=True))
    for name, node in zip(after.names, after.nodes, strict=True):
        yield name, node, old.get(name)
