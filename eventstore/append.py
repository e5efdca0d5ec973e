"""Appending: the next state of a part, made from the text of the present one."""

from __future__ import annotations

from collections.abc import Sequence

from eventstore.errors import InvalidInputError
from eventstore.outline import Node, value_of
from eventstore.patch import Path

Splice = tuple[int, int, str]
"""Where a text begins and ends that another one takes the place of."""


def with_elements(state: str, path: Path, elements: Sequence[str]) -> str | None:
    """Return *state* with *elements* at the end of the list at *path*; None without such a list."""
    root = Node(state)
    end = _end_of_list(root, path, elements)
    return None if end is None else _spliced(state, [end])


def with_run_events(
    state: str, run_id: str, events: Sequence[tuple[int, int, str]], *, session: str
) -> str:
    """Return the run records with *events* added to one run: sequence, milliseconds, and text.

    The run then counts them and was updated when the last of them happened.
    """
    root = Node(state)
    index, run = find_run(root, run_id, session=session)
    count = number_in(run, "event_count")
    first = max(count, last_sequence(run) + 1)
    for place, (sequence, _, _) in enumerate(events):
        if sequence < first:
            raise InvalidInputError(
                f"sequence {sequence} was used",
                session=session,
                field=f"events.{place}.sequence",
                hint=f"the next is {first}",
            )
        first = sequence + 1
    if not events:
        return state
    last = max([number_in(run, "updated_at_ms"), *(moment for _, moment, _ in events)])
    path = (index, "snapshot")
    splices = [
        _end_of_list(root, (index, "events"), [text for _, _, text in events]),
        _replaced(root, (*path, "event_count"), str(first)),
        _replaced(root, (*path, "updated_at_ms"), str(last)),
    ]
    return _spliced(state, [splice for splice in splices if splice is not None])


def find_run(root: Node, run_id: str, *, session: str) -> tuple[int, Node]:
    """Return the record of a run with its index; raise `InvalidInputError` if there is none."""
    for index, record in enumerate(root.elements() or []):
        snapshot = record.member("snapshot")
        found = None if snapshot is None else snapshot.member("id")
        if found is not None and value_of(found.text) == run_id:
            return index, record
    raise InvalidInputError(
        f"there is no run {run_id!r}",
        session=session,
        field="run_id",
        hint="save its record first, with save_run_records",
    )


def number_in(run: Node, name: str) -> int:
    """Return a number that the snapshot of a run holds, 0 if it does not."""
    snapshot = run.member("snapshot")
    found = None if snapshot is None else snapshot.member(name)
    value = None if found is None else value_of(found.text)
    return value if type(value) is int else 0


def last_sequence(run: Node) -> int:
    """Return the sequence of the last event of a run that is kept, -1 if none is."""
    events = run.member("events")
    held = None if events is None else events.elements()
    found = held[-1].member("sequence") if held else None
    value = None if found is None else value_of(found.text)
    return value if type(value) is int else -1


def _end_of_list(root: Node, path: Path, elements: Sequence[str]) -> Splice | None:
    """Return how to add *elements* to the list at *path*; None without such a list."""
    found = _found(root, path)
    held = None if found is None else found[1].elements()
    if found is None or held is None:
        return None
    at = found[0] + len(found[1].text) - 1
    return at, at, ("," if held and elements else "") + ",".join(elements)


def _replaced(root: Node, path: Path, text: str) -> Splice | None:
    """Return how to replace what stands at *path*, which must be there."""
    found = _found(root, path)
    return None if found is None else (found[0], found[0] + len(found[1].text), text)


def _found(root: Node, path: Path) -> tuple[int, Node] | None:
    """Return what stands at *path* with where its text begins; None if nothing does."""
    at, node = 0, root
    for step in path:
        units = node.units
        if units is None or (isinstance(step, str) and step not in units.names):
            return None
        place = units.names.index(step) if isinstance(step, str) else step
        at += units.ends[place] - len(units.nodes[place].text)
        node = units.nodes[place]
    return at, node


def _spliced(text: str, splices: Sequence[Splice]) -> str:
    """Return *text* with some of it replaced."""
    for start, stop, new in sorted(splices, reverse=True):
        text = text[:start] + new + text[stop:]
    return text
