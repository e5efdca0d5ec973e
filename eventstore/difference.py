"""A difference: what lies between two versions of sessions, part by part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Any

from eventstore.commit import SESSION, Version
from eventstore.compare import edits, patch_of, patch_text, summary_of_change
from eventstore.errors import InvalidInputError
from eventstore.events import MESSAGE_LISTS, Event, Happening, part_events, subject_of
from eventstore.notebook import table_html
from eventstore.outline import Node, first_unequal, outline, start_of_member
from eventstore.parts import RUN_RECORDS, TRACE_EVENTS
from eventstore.patch import Path
from eventstore.wording import in_few_words

_ABSENT = Node("null")
_SHOWN, _CUT = 50, 200

Place = tuple[str, int | None]
"""A text and where a value in it begins; None where there is no such value."""


@dataclass(frozen=True, slots=True)
class Divergence:
    """The first thing at which two sessions differ.

    `path` leads to it in its part; *before* and *after* are its exact JSON texts on the one side
    and the other, None where a side has nothing there any more.
    """

    part: str
    subject: str
    path: Path
    before: str | None
    after: str | None

    @property
    def index(self) -> int:
        """How many of its kind the two have in common before it."""
        return next((step for step in reversed(self.path) if isinstance(step, int)), 0)


class Difference:
    """What leads from one version to another, of the same session or of another."""

    def __init__(
        self,
        before: Version,
        after: Version,
        states: Mapping[str, tuple[Node | None, Node | None]],
    ) -> None:
        """Compare the *states* of parts before and after."""
        self.before = before
        self.after = after
        self._states = states

    def __repr__(self) -> str:
        """Say between which versions, not what is in them."""
        sides = (f"{v.session!r}@{v.version}" for v in (self.before, self.after))
        return f"<{type(self).__name__} {' to '.join(sides)}>"

    def _repr_html_(self) -> str:
        """Show the first things that happened on the way, their texts cut short."""
        found = list(islice(self.events(), _SHOWN + 1))
        rows = [(e.kind, e.part or "", _cut(e.before), _cut(e.after)) for e in found[:_SHOWN]]
        if len(found) > _SHOWN:
            rows.append(("…", "", "", ""))
        sides = (f"{v.session!r} version {v.version}" for v in (self.before, self.after))
        return table_html(" to ".join(sides), rows, head=("what", "part", "before", "after"))

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.parts)

    @cached_property
    def parts(self) -> tuple[str, ...]:
        """The parts that are not the same, the session first."""
        return tuple(part for part, (old, new) in self._states.items() if not _is_equal(old, new))

    def patch(self, part: str = SESSION) -> list[dict[str, Any]]:
        """Return the RFC 6902 patch that makes the one state of *part* the other.

        A part that is not there counts as null. The order of an object's members is nothing that a
        patch can say.
        """
        return patch_of(edits(*self._sides(part)))

    def patch_text(self, part: str = SESSION) -> str:
        """Return the same patch as JSON text, its values spelled as they were saved."""
        return patch_text(edits(*self._sides(part)))

    def summary(self, part: str = SESSION) -> Any:
        """Return what changed in the manner of RFC 7386: new values, null for what is gone.

        Lists are not repeated: one that changed is an object with the key `7` for what changed in
        element 7, `+7` for an element added there, `-7` for one that stood there before.
        """
        return summary_of_change(*self._sides(part))

    def events(self) -> Iterator[Event]:
        """Yield what happened on the way: messages added, fields changed, run events and so on."""
        after = self.after
        happening = Happening(after.session, after.version, after.time, after.actor)
        for part in self.parts:
            yield from part_events(happening, part, *_alike(*self._states[part]))

    def in_few_words(self) -> str:
        """Return what changed, such as `+2 messages, state Active→Error, +1 run event`."""
        return in_few_words(self.events())

    def first_divergence(self) -> Divergence | None:
        """Return the first message at which the two differ, else the first run or trace event.

        Else the first field, but not the id, which says nothing about what happened. None if
        there is nothing of the kind.
        """
        for part in (SESSION, RUN_RECORDS, TRACE_EVENTS):
            if part in self.parts:
                old, new = self._states[part]
                found = _first(part, old or _ABSENT, new or _ABSENT)
                if found is not None:
                    return found
        return next(self._other_divergences(), None)

    def _other_divergences(self) -> Iterator[Divergence]:
        """Yield what differs beside messages and events."""
        for event in self.events():
            if event.action == "moved" or (event.part, event.path) == (SESSION, ("id",)):
                continue
            assert event.part is not None, "a difference is of parts"
            yield Divergence(event.part, event.subject, event.path, event.before, event.after)

    def _sides(self, part: str) -> tuple[Node, Node]:
        """Return both states of a part."""
        if part not in self._states:
            raise InvalidInputError(
                f"{part!r} is not a part of this difference",
                field="part",
                hint=f"parts are {', '.join(self._states) or 'none'}",
            )
        old, new = _alike(*self._states[part])
        return old or _ABSENT, new or _ABSENT


def _cut(text: str | None) -> str:
    """Return the beginning of a JSON text, or nothing where there is none."""
    if text is None:
        return ""
    return text if len(text) <= _CUT else f"{text[:_CUT]}…"


def _alike(old: Node | None, new: Node | None) -> tuple[Node | None, Node | None]:
    """Return two states, the second with all that it has in common with the first taken over."""
    if old is None or new is None or new.is_split or old.units is None:
        return old, new
    return old, outline(new.text, old)


def _is_equal(old: Node | None, new: Node | None) -> bool:
    """Whether two states are the same bytes."""
    return old is new or (old is not None and new is not None and old.text == new.text)


def _first(part: str, old: Node, new: Node) -> Divergence | None:
    """Return the first message or event of a part at which two states differ."""
    if part == TRACE_EVENTS:
        return _first_element(part, (), (old.text, 0), (new.text, 0))
    if part == SESSION:
        for name in MESSAGE_LISTS:
            one, other = ((side.text, start_of_member(side.text, name)) for side in (old, new))
            found = _first_element(part, (name,), one, other)
            if found is not None:
                return found
        return None
    records = old.elements() or [], new.elements() or []
    for index in range(max(map(len, records))):
        one, other = ((_events_text(side, index), 0) for side in records)
        found = _first_element(part, (index, "events"), one, other)
        if found is not None:
            return found
    return None


def _events_text(records: list[Node], index: int) -> str:
    """Return the events of a run record, none where there is no such record."""
    found = records[index].member("events") if index < len(records) else None
    return "[]" if found is None else found.text


def _first_element(part: str, path: Path, one: Place, other: Place) -> Divergence | None:
    """Return the first element at which two lists differ; what is no list has no elements."""
    (text, at), (beside, to) = (
        (text, at) if at is not None and text.startswith("[", at) else ("[]", 0)
        for text, at in (one, other)
    )
    found = first_unequal(text, at, beside, to)
    if found is None:
        return None
    index, before, after = found
    place = (*path, index)
    return Divergence(part, subject_of(part, place), place, before, after)
