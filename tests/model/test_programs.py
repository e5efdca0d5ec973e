"""What programs do with what they hold: whatever they change, share or keep, a save is what it was.

Sessions are records that share their messages; beside them stands a plain dict that is changed in
place. Lists are short and long, because long ones are followed in another way.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from eventstore import EventStore, Message, SessionData

IDS = ("one", "two")
SIZES = (0, 3, 40, 130, 400)
ID = st.sampled_from(IDS)
STORE = st.sampled_from([0, 0, 0, 1, None])
"""The store object that saves after a step, or none."""
PLACE = st.integers(1, 60)
"""How far from its end a list is edited."""


def text_of(value: Any) -> bytes:
    """Serialise without any of the code under test but how a record dumps itself."""
    document = value.model_dump(mode="json") if isinstance(value, SessionData) else value
    return json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()


class Program(RuleBasedStateMachine):
    """Two sessions in the hands of one program, with two store objects to save them in."""

    @initialize(sizes=st.tuples(*[st.sampled_from(SIZES)] * len(IDS)))
    def start(self, sizes: tuple[int, ...]) -> None:
        """Begin every session."""
        self.folder = Path(tempfile.mkdtemp())
        self.stores = [EventStore.open(self.folder / "store") for _ in range(2)]
        self.count = 0
        self.now: dict[str, SessionData] = {}
        self.mine: dict[str, dict[str, Any]] = {}
        self.held: dict[str, list[SessionData]] = {id: [] for id in IDS}
        self.saved: dict[str, list[tuple[bytes, bytes]]] = {id: [] for id in IDS}
        for id, size in zip(IDS, sizes, strict=True):
            messages = [self.message() for _ in range(size)]
            self.now[id] = SessionData(id=id, messages=messages, created_at=1, updated_at=1)
            self.mine[id] = {"list": [{"deep": [n]} for n in range(3)], "flag": True}

    def teardown(self) -> None:
        """Load every version from nothing but the disk, and clean up."""
        if not hasattr(self, "stores"):
            return
        for store in self.stores:
            store.close()
        with EventStore.open(self.folder / "store") as store:
            for id, states in self.saved.items():
                assert len(list(store.history(id))) == len(states)
                for number, (session, mine) in enumerate(states, 1):
                    assert store.load_bytes(id, at=number) == session
                    assert store.load_bytes(id, "mine", at=number) == mine
            assert store.verify(deep=True).is_sound
        shutil.rmtree(self.folder)

    def message(self) -> Message:
        """Return a message like no other."""
        self.count += 1
        return Message.user(f"message {self.count}")

    def edit(self, id: str, messages: list[Message]) -> None:
        """Give a session other messages."""
        self.now[id] = self.now[id].model_copy(update={"messages": tuple(messages)})

    def save(self, id: str, store: int | None) -> None:
        """Save a session as it is now, in one of the store objects or not at all."""
        if store is None:
            return
        session, mine = self.now[id], self.mine[id]
        states = text_of(session), text_of(mine)
        self.stores[store].save(session, parts={"mine": mine})
        if self.saved[id][-1:] != [states]:
            self.saved[id].append(states)
        if isinstance(session.messages, tuple):
            self.held[id].append(session)

    @rule(id=ID, number=st.integers(1, 4), store=STORE)
    def append(self, id: str, number: int, store: int | None) -> None:
        """Say more."""
        self.edit(id, [*self.now[id].messages, *(self.message() for _ in range(number))])
        self.save(id, store)

    @rule(id=ID, ago=st.integers(1, 8), store=STORE)
    def go_back(self, id: str, ago: int, store: int | None) -> None:
        """Take up the very object that was saved before."""
        if self.held[id]:
            self.now[id] = self.held[id][-min(ago, len(self.held[id]))]
        self.save(id, store)

    @rule(id=ID, ago=st.integers(0, 8), store=STORE, by=st.integers(0, 1))
    def take_up(self, id: str, ago: int, store: int | None, by: int) -> None:
        """Load a version and go on with it: equal messages, and none of them the same object."""
        number = len(self.saved[id]) - ago
        if number > 0:
            self.now[id] = self.stores[by].load(id, at=number)
        self.save(id, store)

    @rule(
        id=ID,
        place=PLACE,
        way=st.sampled_from(["drop", "replace", "twin", "remove", "move", "repeat", "summarise"]),
        store=STORE,
    )
    def change(self, id: str, place: int, way: str, store: int | None) -> None:
        """Edit somewhere near the end, or put one message in the place of nearly all."""
        messages = list(self.now[id].messages)
        if not messages:
            return
        at = max(0, len(messages) - place)
        if way == "drop":
            del messages[-1]
        elif way == "replace":
            messages[at] = self.message()
        elif way == "twin":
            messages[at] = Message.model_validate(messages[at].model_dump())
        elif way == "remove":
            del messages[at]
        elif way == "move":
            messages.append(messages.pop(at))
        elif way == "repeat":
            messages.append(messages[at])
        else:
            messages = [*messages[:2], self.message(), *messages[-5:]]
        self.edit(id, messages)
        self.save(id, store)

    @rule(id=ID, cost=st.sampled_from([0.0, 1.5]), store=STORE)
    def touch(self, id: str, cost: float, store: int | None) -> None:
        """Change one field and share the rest."""
        self.now[id] = self.now[id].model_copy(update={"total_cost": cost})
        self.save(id, store)

    @rule(id=ID, other=ID, store=STORE)
    def borrow(self, id: str, other: str, store: int | None) -> None:
        """Go on with what another session holds, its parts that can be changed included."""
        self.now[id] = self.now[other].model_copy(update={"id": id})
        self.mine[id] = self.mine[other]
        self.save(id, store)

    @rule(id=ID, place=PLACE, store=STORE)
    def change_unchecked(self, id: str, place: int, store: int | None) -> None:
        """Hold a list that can be changed in place, which the type does not allow; change it."""
        messages: Any = self.now[id].messages
        if isinstance(messages, list):
            messages.insert(max(0, len(messages) - place), self.message())
        else:
            fields = {**self.now[id].__dict__, "messages": list(messages)}
            self.now[id] = SessionData.model_construct(**fields)
        self.save(id, store)

    @rule(id=ID, way=st.sampled_from(["deep", "flag", "copy", "drop"]), store=STORE)
    def change_in_place(self, id: str, way: str, store: int | None) -> None:
        """Change the plain dict at some depth; 1 and True are equal, but not in JSON."""
        mine = self.mine[id]
        if way == "deep":
            mine["list"][-1]["deep"].append(len(mine["list"]))
        elif way == "flag":
            mine["flag"] = 1 if mine["flag"] is True else True
        elif way == "copy":
            mine["list"].append(deepcopy(mine["list"][0]))
        elif len(mine["list"]) > 1:
            del mine["list"][0]
        self.save(id, store)

    @invariant()
    def newest_states_are_what_was_saved(self) -> None:
        """What loads is what was passed when it was passed."""
        if not hasattr(self, "stores"):
            return
        for id, states in self.saved.items():
            for store in self.stores if states else ():
                assert store.load_bytes(id) == states[-1][0]
                assert store.load_bytes(id, "mine") == states[-1][1]


def test_whatever_a_program_does_between_saves_they_are_what_it_passed() -> None:
    """Edits of every kind, objects that come again and objects of two sessions change nothing."""
    Program.TestCase.settings = settings(stateful_step_count=40)
    Program.TestCase().runTest()
