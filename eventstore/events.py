"""An event: one thing that happened to a session, exact enough to be done again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from eventstore.commit import SESSION, instant
from eventstore.compare import Edit, edits
from eventstore.outline import Node, outline, value_of
from eventstore.parts import ARTIFACTS, RUN_RECORDS, TRACE_EVENTS, VERIFICATION_REPORTS
from eventstore.patch import Path

MESSAGE_LISTS = ("messages", "user_messages", "agent_responses")
"""The members of a session document that hold messages."""

_TASK_LISTS = ("tasks", "todos")
_ELEMENTS: dict[tuple[str | int, ...], str] = {
    **dict.fromkeys([(SESSION, name) for name in MESSAGE_LISTS], "message"),
    **dict.fromkeys([(SESSION, name) for name in _TASK_LISTS], "task"),
    (ARTIFACTS, "artifacts"): "artifact",
    (TRACE_EVENTS,): "trace event",
    (VERIFICATION_REPORTS,): "verification report",
    (RUN_RECORDS,): "run",
}
_ACTIONS = {"add": "added", "remove": "removed", "replace": "changed", "move": "moved"}


@dataclass(frozen=True, slots=True)
class Event:
    """What happened at one version.

    `subject` is `message`, `task`, `field`, `trace event`, `run`, `run event`, `artifact`,
    `verification report`, `part`, or `session` for what a version does to all parts; `action` is
    `added`, `changed`, `removed`, `moved`, for a part also `dropped` (its state is no longer
    there) and `regained` (a later one is), for a session `deleted`, `undeleted`, `restored` and
    the like. `path` leads to the value in its part, as it stands after the events before.
    `before` and `after` are the exact JSON texts of the value, `index` its place among its
    neighbours, `key` the key of a new member where it is not spelled as usual, `run` the id of
    the run that it belongs to.
    """

    session: str
    version: int
    time: int
    actor: str | None
    subject: str
    action: str
    part: str | None = None
    path: Path = ()
    before: str | None = None
    after: str | None = None
    index: int | None = None
    key: str | None = None
    run: str | None = None

    @property
    def kind(self) -> str:
        """Subject and action, such as `message added`."""
        return f"{self.subject} {self.action}"

    @property
    def at(self) -> datetime:
        """When the version was committed, in UTC."""
        return instant(self.time)

    @property
    def value(self) -> Any:
        """What is there now, as plain JSON values; None if nothing is."""
        return None if self.after is None else value_of(self.after)

    @property
    def was(self) -> Any:
        """What was there before, as plain JSON values; None if nothing was."""
        return None if self.before is None else value_of(self.before)


@dataclass(frozen=True, slots=True)
class Happening:
    """What all events of one version say: of which session it is, its number, time and actor."""

    session: str
    version: int
    time: int
    actor: str | None

    def event(self, subject: str, action: str, part: str | None = None, **more: Any) -> Event:
        """Return an event of this version."""
        return Event(
            self.session, self.version, self.time, self.actor, subject, action, part, **more
        )


def part_events(
    happening: Happening, part: str, old: Node | None, new: Node | None
) -> Iterator[Event]:
    """Yield what happened to *part* between two states; None stands for no state."""
    if new is None:
        if old is not None:
            yield happening.event("part", "removed", part, before=old.text)
    elif old is None:
        first = Edit("add", (), after=new.text)
        yield from _told(happening, part, _unfolded(part, first, new), new)
    else:
        for edit in edits(old, new, lambda path: _is_whole(part, path)):
            yield from _told(happening, part, _unfolded(part, edit), new)


def subject_of(part: str, path: Path) -> str:
    """Return what stands at *path* in a part: a message, a run event, a field and so on."""
    if not path:
        return "part"
    if part == RUN_RECORDS and len(path) == 3 and path[1] == "events":
        return "run event"
    found = _ELEMENTS.get((part, *path[:-1])) if isinstance(path[-1], int) else None
    return found or "field"


def _is_whole(part: str, path: Path) -> bool:
    """Whether what stands at *path* is one thing: changed as a whole, not field by field."""
    return bool(path) and subject_of(part, path) not in ("field", "run")


def _holds_units(part: str, path: Path) -> bool:
    """Whether a list at *path* holds things that events tell of one by one."""
    is_events = part == RUN_RECORDS and len(path) == 2 and path[1] == "events"
    return is_events or (part, *path) in _ELEMENTS


def _unfolded(part: str, edit: Edit, node: Node | None = None) -> Iterator[Edit]:
    """Yield an edit that brings lists of things as one that brings them empty, and the things."""
    if edit.after is None:
        yield edit
        return
    lists: list[tuple[Path, Node]] = []
    text = _hollow(part, edit.path, node or outline(edit.after), lists)
    yield replace(edit, after=text) if lists else edit
    for path, held in lists:
        for index, element in enumerate(held.elements() or ()):
            added = Edit("add", (*path, index), after=element.text, index=index)
            yield from _unfolded(part, added, element)


def _hollow(part: str, path: Path, node: Node, lists: list[tuple[Path, Node]]) -> str:
    """Return the text of *node* with its lists of things emptied, which are added to *lists*."""
    if _holds_units(part, path):
        if not node.elements():
            return node.text
        lists.append((path, node))
        return "[]"
    units = node.units if node.is_object and _may_hold_lists(part, path) else None
    if units is None:
        return node.text
    spelled = zip(units.keys, units.names, units.nodes, strict=True)
    members = [f"{key}:{_hollow(part, (*path, name), n, lists)}" for key, name, n in spelled]
    return f"{{{','.join(members)}}}"


def _may_hold_lists(part: str, path: Path) -> bool:
    """Whether an object at *path* may have lists of things among its members."""
    return not path or (part == RUN_RECORDS and len(path) == 1)


def _told(happening: Happening, part: str, found: Iterator[Edit], new: Node) -> Iterator[Event]:
    """Yield edits as events."""
    for edit in found:
        yield happening.event(
            subject_of(part, edit.path),
            _ACTIONS[edit.action],
            part,
            path=edit.path,
            before=edit.before,
            after=edit.after,
            index=edit.index,
            key=edit.key,
            run=_run_of(part, edit.path, new),
        )


def _run_of(part: str, path: Path, state: Node) -> str | None:
    """Return the id of the run that *path* leads into, as far as it is there afterwards."""
    if part != RUN_RECORDS or not path or not isinstance(path[0], int):
        return None
    records = state.elements() or []
    snapshot = records[path[0]].member("snapshot") if path[0] < len(records) else None
    found = None if snapshot is None else snapshot.member("id")
    value = None if found is None else value_of(found.text)
    return value if isinstance(value, str) else None
