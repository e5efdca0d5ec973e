"""A store against plain Python: whatever is done in whatever order, both say the same."""

from __future__ import annotations

import shutil
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule
from pydantic_core import to_json

from eventstore import ConflictError, EventStore, InvalidInputError, Version
from eventstore.address import address_of

IDS = st.sampled_from(["a", "A", "é", "e\u0301", "a/b"])
PARTS = ("session", "trace_events", "mine", "other")
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3)
    ),
    max_leaves=6,
)
OWN = st.dictionaries(st.sampled_from(["mine", "other"]), JSON, max_size=2)


def state_of(value: Any) -> bytes:
    """Return the bytes that a state is."""
    return to_json(value)


class Model:
    """What a store should be: for every id the list of its versions, each a dict of states."""

    def __init__(self) -> None:
        """Start empty."""
        self.logs: dict[str, list[dict[str, bytes]]] = {}
        self.acknowledged: dict[str, list[Version]] = {}

    def current(self, id: str) -> dict[str, bytes]:
        """Return the live parts of a session."""
        return self.logs[id][-1] if id in self.logs else {}

    def live(self) -> list[str]:
        """Return the ids that a list should have."""
        return sorted(id for id in self.logs if "session" in self.current(id))

    def commit(self, id: str, states: dict[str, bytes], version: Version) -> None:
        """Note a commit and what was acknowledged for it."""
        self.logs.setdefault(id, []).append(states)
        self.acknowledged.setdefault(id, []).append(version)


class StoreMachine(RuleBasedStateMachine):
    """Every operation, on one store object or another, in memory or on disk."""

    on_disk = True
    saved = Bundle("saved")

    @initialize()
    def start(self) -> None:
        """Open an empty store."""
        self.folder = Path(tempfile.mkdtemp())
        self.model = Model()
        self.store = self.open()
        self.others: list[EventStore] = []

    def open(self) -> EventStore:
        """Open the store once more."""
        location = str(self.folder / "store") if self.on_disk else "memory://"
        return EventStore.open(location, model=dict)

    def teardown(self) -> None:
        """Check everything once more, from nothing but the disk, and clean up."""
        if not hasattr(self, "store"):
            return
        if self.on_disk:
            self.reopen()
        self.everything_is_as_it_was()
        self.store.close()
        for other in self.others:
            other.close()
        shutil.rmtree(self.folder)

    @rule(target=saved, id=IDS, value=JSON, parts=OWN, events=st.booleans(), other=st.booleans())
    def save(self, id: str, value: Any, parts: dict[str, Any], events: bool, other: bool) -> Any:
        """Save a session with some parts, through this store object or another."""
        store = self.others[-1] if other and self.others else self.store
        document = {"id": id, "value": value}
        states = {"session": state_of(document)}
        states |= {name: state_of(part) for name, part in parts.items()}
        if events:
            states["trace_events"] = b"[]"
        version = store.save(document, parts=parts, trace_events=[] if events else None)
        self.saved_as(id, states, version)
        return id, document, parts

    @rule(id=IDS, value=JSON)
    def save_bytes(self, id: str, value: Any) -> None:
        """Save a part alone, as bytes."""
        self.saved_as(
            id, {"mine": state_of(value)}, self.store.save_states(id, {"mine": state_of(value)})
        )

    @rule(what=saved)
    def save_again(self, what: tuple[str, Any, Any]) -> None:
        """Save what was saved before, which may or may not be current still."""
        id, document, parts = deepcopy(what)
        states = {"session": state_of(document)}
        states |= {name: state_of(part) for name, part in parts.items()}
        self.saved_as(id, states, self.store.save(document, parts=parts))

    def saved_as(self, id: str, states: dict[str, bytes], version: Version) -> None:
        """Compare the version that a save returned with what it should be."""
        before = self.model.current(id)
        if before and all(before.get(name) == state for name, state in states.items()):
            assert version == self.model.acknowledged[id][-1]
            return
        changed = {name for name, state in states.items() if before.get(name) != state}
        assert {name for name, part in version.parts.items() if part.changed} == changed
        self.model.commit(id, before | states, version)
        assert version.kind == "save"
        self.check_version(version, self.model.current(id))

    @rule(id=IDS)
    def delete(self, id: str) -> None:
        """Delete, whether or not there is anything."""
        is_there = bool(self.model.current(id))
        assert self.store.delete(id) is is_there
        if is_there:
            version = self.store.version(id)
            assert version is not None
            assert version.kind == "delete"
            self.model.commit(id, {}, version)

    @rule(id=IDS)
    def undelete(self, id: str) -> None:
        """Undelete, whether or not it was deleted."""
        if id not in self.model.logs:
            with pytest.raises(InvalidInputError):
                self.store.undelete(id)
            return
        version = self.store.undelete(id)
        if self.model.current(id):
            assert version == self.model.acknowledged[id][-1]
            return
        assert version.kind == "undelete"
        self.model.commit(id, self.model.logs[id][-2], version)

    @rule(what=saved, expected=st.integers(0, 6))
    def save_expecting(self, what: tuple[str, Any, Any], expected: int) -> None:
        """Save on a version that may or may not be the newest."""
        id = what[0]
        count = len(self.model.logs.get(id, ()))
        document = {"id": id, "expecting": expected, "count": count}
        is_right = expected == count or (expected == 0 and not self.model.current(id))
        if is_right:
            version = self.store.save(document, expected=expected)
            self.saved_as(id, {"session": state_of(document)}, version)
        else:
            with pytest.raises(ConflictError):
                self.store.save(document, expected=expected)

    @rule(id=IDS, at=st.integers(-8, 8))
    def load_at(self, id: str, at: int) -> None:
        """Load at any number, there or not."""
        log = self.model.logs.get(id)
        if log is None:
            assert self.store.load_bytes(id, at=at) is None
            return
        seq = at if at > 0 else len(log) + at
        if at == 0 or not 1 <= seq <= len(log):
            with pytest.raises(InvalidInputError):
                self.store.load_bytes(id, at=at)
            return
        for part in PARTS:
            assert self.store.load_bytes(id, part, at=at) == log[seq - 1].get(part)

    @rule()
    def reopen(self) -> None:
        """Close the store and open it again."""
        if self.on_disk:
            self.store.close()
            self.store = self.open()

    @rule()
    def open_another(self) -> None:
        """Open a second store object on the same directory, and use it from now on too."""
        if self.on_disk and len(self.others) < 2:
            self.others.append(self.store)
            self.store = self.open()

    @rule()
    def lose_the_index(self) -> None:
        """Remove everything that is derived."""
        if self.on_disk:
            for path in (self.folder / "store").glob("index.db*"):
                path.unlink()

    @rule(order=st.sampled_from(["id", "updated_at", "saved_at", "name"]), limit=st.integers(1, 4))
    def page_through(self, order: str, limit: int) -> None:
        """Go through all pages of the live and of the deleted."""
        for deleted in (False, True):
            found: dict[str, int] = {}
            after = None
            while True:
                page = self.store.sessions(
                    order_by=order, limit=limit, after=after, deleted=deleted
                )
                assert not found.keys() & {item.id for item in page}
                found |= {item.id: item.version for item in page}
                after = page.next
                if after is None:
                    break
            live = self.model.live()
            ids = [id for id in self.model.logs if (id in live) is not deleted]
            assert found == {id: len(self.model.logs[id]) for id in ids}

    @invariant()
    def lists_agree(self) -> None:
        """Every store object lists the live sessions, and no others."""
        if not hasattr(self, "store"):
            return
        for store in (self.store, *self.others):
            assert store.list() == self.model.live()

    @invariant()
    def newest_states_agree(self) -> None:
        """Every store object loads the newest states, byte for byte."""
        if not hasattr(self, "store"):
            return
        for store in (self.store, *self.others):
            for id in self.model.logs:
                current = self.model.current(id)
                assert store.exists(id) is ("session" in current)
                for part in PARTS:
                    assert store.load_bytes(id, part) == current.get(part)

    @rule()
    def everything_is_as_it_was(self) -> None:
        """Every version ever acknowledged is there, in an unbroken chain, byte for byte."""
        for id, log in self.model.logs.items():
            versions = list(self.store.history(id))[::-1]
            assert versions == self.model.acknowledged[id]
            assert [version.version for version in versions] == list(range(1, len(log) + 1))
            previous = None
            for version, states in zip(versions, log, strict=True):
                assert version.prev == previous
                previous = version.commit
                self.check_version(version, states)
                for part in PARTS:
                    assert self.store.load_bytes(id, part, at=version) == states.get(part)
        stats = self.store.stats()
        assert stats.versions == sum(len(log) for log in self.model.logs.values())
        assert stats.sessions == len(self.model.live())

    def check_version(self, version: Version, states: dict[str, bytes]) -> None:
        """Compare addresses and sizes."""
        found = {name: (part.address, part.size) for name, part in version.parts.items()}
        assert found == {name: (address_of(s), len(s)) for name, s in states.items()}


class MemoryMachine(StoreMachine):
    """The same in memory."""

    on_disk = False


def test_a_store_on_disk_is_plain_python() -> None:
    """A file store does what lists and dicts would do, across reopenings and store objects."""
    StoreMachine.TestCase.settings = settings(stateful_step_count=25)
    StoreMachine.TestCase().runTest()


def test_a_store_in_memory_is_plain_python() -> None:
    """A memory store does what lists and dicts would do."""
    MemoryMachine.TestCase.settings = settings(stateful_step_count=25)
    MemoryMachine.TestCase().runTest()
