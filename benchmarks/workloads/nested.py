"""*nested*: long run records, and one more event in the last of them at every save."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import table
from benchmarks.context import Context
from benchmarks.grown import summed_up
from benchmarks.peer import Peer, check
from benchmarks.peers import FLOOR, OURS
from benchmarks.peers.ours import Ours
from benchmarks.rounds import load_in_rounds, save_in_rounds
from benchmarks.turns import BEGAN, Turn
from eventstore import RunRecord
from eventstore.models.runs import RunEventRecord, RunSnapshot

_ID = "nested"
_LOADS = 5


class _OursRuns(Ours):
    """An `EventStore` of run records, which are immutable and share what did not change."""

    def save(self, turn: Turn) -> None:
        """Save the part."""
        self.store.save_run_records(turn.id, turn.model)

    def load(self, id: str, number: int | None = None) -> Any:
        """Load the part."""
        records = self.store.load_run_records(id)
        assert records is not None, "the part was saved"
        return _LoadedRuns(id, records)


@dataclass(frozen=True)
class _LoadedRuns:
    """Run records that were loaded, to be compared with a document once the clock stands still."""

    id: str
    records: tuple[RunRecord, ...]

    def model_dump(self, *, mode: str) -> dict[str, Any]:
        """Return the document that the other peers have."""
        return {"id": self.id, "run_records": [r.model_dump(mode=mode) for r in self.records]}


class _Runs:
    """The run records of a session, which gain an event a turn."""

    def __init__(self, records: int, events: int, turns: int) -> None:
        """Make the records there are at the beginning."""
        self._turns = turns
        self.records = tuple(self._record(number, events) for number in range(records))

    def turns(self) -> Iterator[Turn]:
        """Yield the records before the first event, then after each."""
        dumped = [record.model_dump(mode="json") for record in self.records]
        document = {"id": _ID, "run_records": dumped}
        yield Turn(0, _ID, document, dumped, self.records)
        for number in range(1, self._turns + 1):
            last = self.records[-1]
            event = _event(len(last.events))
            count = {"event_count": len(last.events) + 1, "updated_at_ms": BEGAN * 1000 + number}
            snapshot = last.snapshot.model_copy(update=count)
            last = last.model_copy(update={"snapshot": snapshot, "events": (*last.events, event)})
            self.records = (*self.records[:-1], last)
            new = event.model_dump(mode="json")
            dumped[-1]["snapshot"] = snapshot.model_dump(mode="json")
            dumped[-1]["events"].append(new)
            yield Turn(number, _ID, document, [new], self.records)

    def expected(self, number: int) -> dict[str, Any]:
        """Return the newest document."""
        assert number == self._turns, "only the newest is asked for"
        return {"id": _ID, "run_records": [r.model_dump(mode="json") for r in self.records]}

    @staticmethod
    def _record(number: int, events: int) -> RunRecord:
        """Return a run with its events."""
        snapshot = RunSnapshot(
            id=f"run-{number}", session_id=_ID, prompt=f"Do step {number}.", event_count=events,
            created_at_ms=BEGAN * 1000, updated_at_ms=BEGAN * 1000,
        )  # fmt: skip
        return RunRecord(snapshot=snapshot, events=tuple(_event(at) for at in range(events)))


def _event(at: int) -> RunEventRecord:
    """Return an event."""
    event = {
        "type": "tool_output_delta",
        "tool_use_id": f"call_{at // 10:08x}",
        "text": f"line {at}: compiled module_{at * 37 % 997}.py in {at * 13 % 101} ms\n" * 2,
    }
    return RunEventRecord(sequence=at, timestamp_ms=BEGAN * 1000 + at, event=event)


def run(context: Context) -> dict[str, Any]:
    """Save event by event with every peer that takes any document."""
    sizes = context.sizes
    runs = _Runs(sizes.records, sizes.events, sizes.nested_saves)
    wanted = [name for name in context.peers if name != OURS]
    with (
        context.scratch("nested") as folder,
        context.only(*wanted).opened(folder, _is_wanted) as peers,
    ):
        ours = _opened_ours(folder / OURS) if OURS in context.peers else []
        try:
            everybody: list[Peer] = [*ours, *peers]
            times = save_in_rounds(context, everybody, runs.turns())
            asked = [peer for peer in everybody if peer.keeps != "nothing"]
            newest = sizes.nested_saves
            loads = load_in_rounds(
                context, asked, _ID, [None] * _LOADS, newest=newest, expected=runs.expected
            )
            for peer in context.sound(asked):
                check(peer, peer.load(_ID), runs.expected(newest))
        finally:
            for own in ours:
                own.close()
        sound = context.sound(asked)
        sizes_found = {peer.name: peer.size(folder / peer.name) for peer in sound}
    later = {name: {r: t for r, t in own.items() if r} for name, own in times.items()}
    return {
        "records": sizes.records,
        "events": sizes.events,
        "save": summed_up(later),
        "load": summed_up(loads),
        "bytes": sizes_found,
    }


def _is_wanted(kind: type[Peer]) -> bool:
    """Whether a peer takes any document, or just the new event."""
    return kind.is_general or kind.name == FLOOR


def _opened_ours(folder: Path) -> list[Peer]:
    """Open the store that is given run records."""
    folder.mkdir(parents=True)
    return [_OursRuns(folder)]


def lines(found: dict[str, Any]) -> list[str]:
    """Return the tables."""
    title = f"nested, {found['records']} runs of {found['events']} events"
    said = table.against_ours(f"{title}, save of one more event", found["save"])
    return said + table.against_ours(f"{title}, load", found["load"])
