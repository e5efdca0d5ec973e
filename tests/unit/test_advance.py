"""An image moves from state to state: its text is the state, its splices make one of the other."""

from __future__ import annotations

import copy
import json
import random
from typing import Annotated, Any

import pytest

from eventstore.address import address_of
from eventstore.advance import Advance
from eventstore.common import common_prefix, common_suffix
from eventstore.content import Content
from eventstore.hashing import Hashing
from eventstore.image import Branch, Node, begins_with, text_of
from eventstore.json_rules import unwrapped
from eventstore.models.a3s import (
    Message,
    RunEventRecord,
    RunRecord,
    RunSnapshot,
    SessionData,
    TextBlock,
)
from eventstore.models.json_value import FrozenDict, FrozenJson
from eventstore.models.layout import OMIT
from eventstore.models.record import Record

SIZE_MAX = 2**20


class Follower:
    """An image, the state it stands for, and a check of every step."""

    def __init__(self, value: Any) -> None:
        """Begin with a value."""
        content = Content("session", value, size_max=SIZE_MAX)
        self.root: Node = content.tree()
        self.state = plain_text(value)
        assert text_of(self.root) == self.state
        self.hashing = Hashing(self.root)

    def step(self, value: Any) -> int:
        """Move on to *value*; return how many bytes were inserted."""
        advance = Advance()
        self.root = Content("session", value, size_max=SIZE_MAX).advance(advance, self.root)
        splices = advance.out.splices()
        made = b"".join(self.state[s.start : s.stop] + s.insert for s in splices)
        self.hashing.advance(splices, self.root)
        assert self.hashing.address == address_of(text_of(self.root))
        self.hashing.keep_up(self.root)
        self.state = plain_text(value)
        assert made == self.state
        assert text_of(self.root) == self.state
        assert self.root.size == len(self.state)
        assert self.hashing.address == address_of(self.state)
        return sum(len(s.insert) for s in splices)


def plain_text(value: Any) -> bytes:
    """Serialise without any of the code under test."""
    if isinstance(value, tuple):
        return b"[" + b",".join(map(plain_text, value)) + b"]"
    document = value if isinstance(value, dict) else value.model_dump(mode="json")
    return json.dumps(
        document,
        ensure_ascii=False,
        separators=(",", ":"),
        default=lambda record: record.model_dump(mode="json"),
    ).encode()


def any_value(noise: random.Random, depth: int = 0) -> Any:
    """Return any JSON value, with the twins 1, 1.0 and True among the likely ones."""
    kind = noise.randrange(9 if depth < 4 else 5)
    if kind < 2:
        return noise.choice(["a", "b" * noise.randrange(900), "é\n\u2028"])
    if kind < 5:
        return noise.choice([1, 1.0, True, 0, 0.0, False, None, noise.randrange(1000)])
    if kind == 5:
        return [any_value(noise, depth + 1) for _ in range(noise.randrange(4))]
    if kind == 6:
        return [{"k": any_value(noise, depth + 1), "n": 1} for _ in range(noise.randrange(8))]
    keys = [noise.choice("abcdefgh") for _ in range(noise.randrange(6))]
    return {key: any_value(noise, depth + 1) for key in keys}


def mutate(noise: random.Random, value: Any) -> Any:
    """Change something in place, however deep, and return what stands there now."""
    if isinstance(value, dict) and value:
        key, way = noise.choice(list(value)), noise.randrange(5)
        if way == 0:
            value[key] = any_value(noise, 2)
        elif way == 1:
            del value[key]
        elif way == 2:
            value[noise.choice("xyzabc")] = any_value(noise, 2)
        else:
            value[key] = mutate(noise, value[key])
        return value
    if isinstance(value, list):
        return mutate_list(noise, value)
    return any_value(noise, 3)


def mutate_list(noise: random.Random, value: list[Any]) -> list[Any]:
    """Drop, insert, shuffle, append, replace by an equal twin, or change an element."""
    way = noise.randrange(7)
    if way == 1:
        value.insert(noise.randrange(len(value) + 1), any_value(noise, 2))
    elif way == 2:
        noise.shuffle(value)
    elif way == 3:
        value.append({"k": any_value(noise, 3), "m": 1})
    elif value:
        at = noise.randrange(len(value))
        if way == 0:
            value.pop(at)
        elif way == 4:
            value[at] = copy.deepcopy(value[at])
        else:
            value[at] = mutate(noise, value[at])
    return value


@pytest.mark.parametrize("seed", range(60))
def test_no_change_in_place_goes_unnoticed(seed: int) -> None:
    """However a dict is edited between saves, the next state is what it then says."""
    noise = random.Random(seed)
    messages = [{"role": "u", "content": [{"t": str(i)}]} for i in range(noise.randrange(12))]
    value = {"id": "x", "messages": messages, "z": any_value(noise)}
    follower = Follower(value)
    for _ in range(12):
        for _ in range(noise.randrange(3)):
            mutate(noise, value)
        follower.step(value)


@pytest.mark.parametrize("seed", range(40))
def test_records_follow_every_edit(seed: int) -> None:
    """Appending, dropping, replacing, shuffling and summarising messages gives what they say."""
    noise = random.Random(seed)
    pool = [Message.user(str(number)) for number in range(30)]
    session = SessionData(id="x", created_at=1, updated_at=1)
    follower = Follower(session)
    for _ in range(12):
        messages = list(session.messages)
        way = noise.randrange(7)
        if way < 3:
            messages += [Message.user(f"n{noise.randrange(100)}")] * noise.randrange(3)
        elif way == 3:
            messages = messages[:-1]
        elif way == 4 and messages:
            messages[noise.randrange(len(messages))] = noise.choice(pool)
        elif way == 5:
            noise.shuffle(messages)
        else:
            messages = [*messages[:1], Message.user("summary"), *messages[-2:]]
        update = {"messages": tuple(messages), "total_cost": noise.choice([1.0, 0.0, 2.5])}
        session = session.model_copy(update=update)
        follower.step(session)


def test_an_appended_message_costs_itself() -> None:
    """With a thousand messages before it, one more inserts little beyond its own text."""
    messages = tuple(Message.user(f"message {number} " * 20) for number in range(1000))
    session = SessionData(id="x", messages=messages, created_at=1, updated_at=1)
    follower = Follower(session)
    for number in range(3):
        new = Message.assistant("answer" * number)
        session = session.model_copy(update={"messages": (*session.messages, new)})
        assert follower.step(session) <= len(new.model_dump_json()) + 1


@pytest.mark.parametrize("seed", range(20))
def test_long_lists_follow_every_edit_behind_what_was_kept_of_them(seed: int) -> None:
    """Elements that were added since the tuple that is kept may be edited, dropped and moved."""
    noise = random.Random(seed)
    messages = tuple(Message.user(f"message {n}") for n in range(noise.choice([70, 400])))
    follower = Follower(SessionData(id="s", messages=messages, created_at=1, updated_at=1))
    for number in range(120):
        edit = noise.choice(["append"] * 6 + ["change", "drop", "swap", "equal"])
        # Most edits are of what came last, which the kept tuple does not hold.
        place = len(messages) - 1 - min(int(noise.expovariate(0.3)), len(messages) - 1)
        listed = list(messages)
        if edit == "append":
            listed += [Message.user(f"{seed} {number} {n}") for n in range(noise.randint(1, 3))]
        elif edit == "change":
            listed[place] = Message.user(f"changed {number}")
        elif edit == "drop":
            del listed[place]
        elif edit == "swap":
            listed[place], listed[-1] = listed[-1], listed[place]
        else:
            listed[place] = Message.model_validate(listed[place].model_dump())
        messages = tuple(listed)
        state = SessionData(id="s", messages=messages, created_at=1, updated_at=number)
        inserted = follower.step(state)
        assert inserted < 400


@pytest.mark.parametrize("size", [3, 40, 400])
@pytest.mark.parametrize("seed", range(20))
def test_an_earlier_state_comes_again_as_the_very_same_objects(size: int, seed: int) -> None:
    """A program that goes back to what it held before saves the tuples that it saved before."""
    noise = random.Random(seed)
    messages = tuple(Message.user(f"message {n}") for n in range(size))
    session = SessionData(id="s", messages=messages, created_at=1, updated_at=1)
    held = [session]
    follower = Follower(session)
    for number in range(60):
        way = noise.choice(["append", "append", "back", "first", "drop", "same"])
        if way == "append":
            more = [Message.user(f"{number} {n}") for n in range(noise.randint(1, 3))]
            session = session.model_copy(update={"messages": (*session.messages, *more)})
        elif way == "back":
            session = noise.choice(held[-6:])
        elif way == "first":
            session = held[0]
        elif way == "drop":
            session = session.model_copy(update={"messages": session.messages[:-1]})
        held.append(session)
        follower.step(session)


def test_a_long_list_is_not_let_go_of_at_every_save() -> None:
    """The tuple of a long list is kept while few elements stand behind it, that of a short not."""
    messages = tuple(Message.user(f"message {n}") for n in range(320))
    follower = Follower(messages)
    assert isinstance(follower.root, Branch)
    kept = follower.root.run
    for _ in range(10):
        messages += (Message.user("more"),)
        follower.step(messages)
        assert follower.root.run is kept
    messages += (Message.user("one too many"),)
    follower.step(messages)
    assert follower.root.run is messages
    short = Follower(messages[:3])
    short.step(messages[:4])
    assert isinstance(short.root, Branch)
    assert short.root.run == messages[:4]


def test_one_more_event_in_the_last_of_many_runs_costs_one_event() -> None:
    """Lists inside the elements of a list are followed too."""
    runs = [
        {"snapshot": {"id": str(i)}, "events": [{"sequence": n} for n in range(50)]}
        for i in range(50)
    ]
    follower = Follower({"runs": runs})
    runs[-1]["events"].append({"sequence": 50})
    assert follower.step({"runs": runs}) == len(b',{"sequence":50}')


def test_a_record_that_holds_something_mutable_is_looked_at_again() -> None:
    """A record made around a list without checks is no proof that nothing changed."""
    blocks = [TextBlock(text="one")]
    message = Message.model_construct(role="user", content=blocks, reasoning_content=None)
    session = SessionData(id="x", created_at=1, updated_at=1).model_copy()
    session = SessionData.model_construct(**{**session.__dict__, "messages": (message,)})
    follower = Follower(session)
    blocks.append(TextBlock(text="two"))
    assert follower.step(session) > 0


def test_unknown_fields_that_can_be_changed_are_looked_at_again() -> None:
    """A record made without checks keeps its unknown fields in a dict, even while it has none."""
    message = Message.model_construct(role="user", content=(), reasoning_content=None)
    extra = message.model_extra
    assert extra == {}
    messages = (*map(Message.user, "abcdefghij"), message)
    follower = Follower(messages)
    for change in ({"seen": True}, {"seen": 1}):
        extra.update(change)
        follower.step(messages)
    assert follower.state.endswith(b'"seen":1}]')


def test_something_mutable_that_is_left_out_is_looked_at_again() -> None:
    """What is not written because it equals its default may be written next time."""

    class Odd(Record):
        facts: Annotated[FrozenJson, OMIT] = FrozenDict()

    odd = Odd()
    assert unwrapped(odd) == {}
    odd.__dict__["facts"] = facts = {}
    follower = Follower((odd,))
    assert follower.state == b"[{}]"
    facts["a"] = 1
    follower.step((odd,))
    assert follower.state == b'[{"facts":{"a":1}}]'


def test_a_list_of_rows_that_are_alike_is_copied_at_once() -> None:
    """More rows before and behind them cost what they are, wherever they are found."""
    rows = [{"v": 0}] * 2000
    follower = Follower({"id": "x", "rows": rows})
    for number in range(1, 4):
        rows = [{"v": number}, *rows, {"v": -number}]
        assert follower.step({"id": "x", "rows": rows}) < 40


def test_what_looks_like_rows_is_text() -> None:
    """A row that another begins with ends in its middle, where no row follows."""
    filler = "-" * 5000
    follower = Follower({"id": "x", "text": f"0{filler}}},{{X}},{{AB}},{{C}},{{{filler}0"})
    follower.step({"id": "x", "text": f"1{filler}}},{{X}},{{A}},{{{{C}},{{{filler}1"})


def test_equal_records_are_not_the_same() -> None:
    """Runs of records are the same only if each pair is one object: 1 equals True and 1.0."""
    one, twin = Message.user("a"), Message.user("a")
    assert one == twin
    assert begins_with((one, one), (one, one))
    assert begins_with((one, one, twin), (one, one))
    assert not begins_with((one, twin), (one, one))
    assert not begins_with((one, twin, one), (one, one))
    assert not begins_with((one,), (one, one))
    assert not begins_with((one, 5), (one, one))
    assert not begins_with((twin, one), (one, one))
    assert begins_with((one,), ())


def test_messages_that_were_loaded_are_not_compared_by_value() -> None:
    """Where all are equal but none is the same, telling so takes no comparison of any two."""
    session = SessionData(
        id="s", messages=tuple(map(Message.user, "abcdefgh")), created_at=1, updated_at=1
    )
    follower = Follower(session)
    loaded = SessionData.model_validate_json(session.model_dump_json())
    before = next(Record.comparisons)
    assert follower.step(loaded) == 0
    assert next(Record.comparisons) == before + 1


def test_records_that_call_themselves_equal_are_not_the_same() -> None:
    """A type, or what it inherits from, may compare as it likes: only identity counts."""

    class ByRole:
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Message) and self.role == other.role  # type: ignore[attr-defined]

        __hash__ = None  # type: ignore[assignment]

    class Own(Message):
        def __eq__(self, other: object) -> bool:
            return isinstance(other, Message) and self.role == other.role

        __hash__ = Message.__hash__

    class Mixed(ByRole, Message):
        pass

    class Below(Own):
        pass

    block = (TextBlock(text="another"),)
    one = Message.user("a")
    for kind in (Own, Mixed, Below):
        other, twin = kind(role="user", content=one.content), kind(role="user", content=block)
        assert other == twin == one
        assert begins_with((other, twin), (other,))
        assert not begins_with((twin,), (other,))
        assert not begins_with((twin,), (one,))
        follower = Follower((other,) * 10)
        follower.step((twin,) * 11)


def test_an_element_that_was_there_before_may_come_again() -> None:
    """A new element with the text of an old one is a copy from the part that was hashed already."""
    messages = [Message.user(f"say {number}") for number in range(20)]
    follower = Follower({"id": "x", "messages": [*messages], "tail": 1})
    messages.append(Message.user("say 3"))
    assert follower.step({"id": "x", "messages": [*messages], "tail": 1}) == 0
    messages.append(Message.user("new"))
    follower.step({"id": "x", "messages": [*messages], "tail": 2})


@pytest.mark.parametrize("grown", [0, 1])
def test_one_record_in_two_places_grows_in_one(grown: int) -> None:
    """A record that stands twice in a list is one object, but two places in the state."""

    def run(count: int) -> RunRecord:
        """Return a run with so many events."""
        events = tuple(
            RunEventRecord(sequence=n, timestamp_ms=n, event={"n": n}) for n in range(count)
        )
        snapshot = RunSnapshot(id="r", session_id="s", created_at_ms=1, updated_at_ms=1)
        return RunRecord(snapshot=snapshot, events=events)

    first, other = run(3), run(4)
    follower = Follower((other, first))
    follower.step((first, first))
    longer = first.model_copy(update={"events": (*first.events, *run(9).events[3:])})
    pair = [first, first]
    pair[grown] = longer
    follower.step(tuple(pair))
    follower.step((longer, longer))
    follower.step((first, longer, first))


@pytest.mark.parametrize("seed", range(60))
def test_runs_follow_every_edit(seed: int) -> None:
    """Runs of records with events come, go, move, repeat and grow; the state is what they say."""
    noise = random.Random(seed)

    def run(count: int) -> RunRecord:
        """Return a run with so many events."""
        events = tuple(
            RunEventRecord(sequence=n, timestamp_ms=noise.randrange(9), event={"n": n})
            for n in range(count)
        )
        snapshot = RunSnapshot(id="r", session_id="s", created_at_ms=1, updated_at_ms=1)
        return RunRecord(snapshot=snapshot, events=events)

    records = [run(noise.randrange(5)) for _ in range(4)]
    follower = Follower(tuple(records))
    for _ in range(15):
        way, at = noise.randrange(6), noise.randrange(max(1, len(records)))
        if way == 0:
            records.append(noise.choice([*records, run(3)]))
        elif way == 1:
            noise.shuffle(records)
        elif way == 2 and records:
            records.insert(0, records[at])
        elif way == 3 and records:
            records.pop(at)
        elif records:
            more = (*records[at].events, *run(4).events[: noise.randrange(4)])
            records[at] = records[at].model_copy(update={"events": more})
        follower.step(tuple(records))


def plain_messages(noise: random.Random, count: int) -> list[dict[str, Any]]:
    """Return messages whose text looks like the borders between them."""
    return [
        {
            "role": "user",
            "text": noise.choice(["},{", "[{", '"}],', "é\n"]) + noise.randbytes(300).hex(),
            "parts": [{"n": noise.randrange(9)} for _ in range(noise.randrange(3))],
        }
        for _ in range(count)
    ]


@pytest.mark.parametrize("seed", range(40))
def test_plain_lists_follow_every_edit_and_keep_what_stays(seed: int) -> None:
    """However a long list of dicts is edited, the elements that stay are copied."""
    noise = random.Random(seed)
    messages = plain_messages(noise, 200)
    follower = Follower({"n": 0, "messages": messages})
    for number in range(8):
        fresh: list[Any] = []
        edit = noise.choice(["far apart", "removed", "moved", "doubled", "summed up", "emptied"])
        if edit == "far apart":
            for place in noise.sample(range(len(messages)), min(3, len(messages))):
                messages[place]["text"] = text = noise.randbytes(50).hex()
                fresh += [text, "x" * 100]
        elif edit == "removed":
            del messages[len(messages) // 4 : len(messages) // 2]
        elif edit == "moved":
            messages.reverse()
        elif edit == "doubled":
            messages.append(messages[0] if messages else {"role": "user"})
        elif edit == "summed up":
            messages[: len(messages) // 2] = plain_messages(noise, 1)
            fresh.append(json.dumps(messages[0]) if messages else "")
        else:
            messages.clear()
        fresh_after = plain_messages(noise, 2)
        messages += fresh_after
        fresh.append(json.dumps(fresh_after))
        inserted = follower.step({"n": number, "messages": messages})
        if edit != "moved":  # Borders inside moved text are found again, or not.
            assert inserted <= sum(map(len, fresh)) * 2 + 6000, edit


@pytest.mark.parametrize("seed", range(60))
def test_what_two_texts_have_in_common_at_their_ends(seed: int) -> None:
    """Prefix and suffix are as long as can be, wherever slices of the search end."""
    noise = random.Random(seed)
    size = noise.choice([0, 1, 7, 65_535, 65_536, 65_537, 200_000])
    one = noise.randbytes(size)
    place = noise.randrange(size + 1)
    other = noise.choice(
        [one, one[:place], one[place:], one[:place] + b"x" + one[place:], one[:place] + b"\0" * 9]
    )
    head = common_prefix(one, other)
    assert one[:head] == other[:head]
    assert head == min(len(one), len(other)) or one[head] != other[head]
    room = min(len(one), len(other)) - noise.choice([0, head])
    tail = common_suffix(one, other, room)
    assert one[len(one) - tail :] == other[len(other) - tail :]
    assert tail == room or one[-1 - tail] != other[-1 - tail]
