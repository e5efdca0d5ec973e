"""Chains in a real log: how states are stored, and that what is read is what was saved."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest

from eventstore import EventStore, Message, SessionData, catalog
from eventstore.chain import CHAIN_MAX
from eventstore.payload import Codec, Encoding, PartEntry
from eventstore.stream import CONTEXT_SIZE


def rows(store: EventStore, session: str, part: str = "session") -> list[PartEntry]:
    """Return the row of each version of a part, oldest first."""
    log = store._catalog.log(session)
    return [log.parts_at(seq + 1)[part] for seq in range(log.newest_sound() or 0)]


def words(noise: random.Random, count: int) -> str:
    """Return text that compresses as prose does."""
    return " ".join(
        noise.choice(["save", "load", "the", "of", "state", "x1"]) for _ in range(count)
    )


def test_a_session_that_only_grows_has_one_keyframe(store: EventStore) -> None:
    """Every version after the first is a delta, in one stream, and each loads back."""
    noise, saved = random.Random(1), []
    session = SessionData(id="s", created_at=1, updated_at=1)
    for number in range(80):
        messages = (*session.messages, Message.user(words(noise, 60)))
        session = session.model_copy(update={"messages": messages, "updated_at": number})
        store.save(session)
        saved.append(session)
    found = rows(store, "s")
    assert [row.encoding for row in found[1:]] == [Encoding.DELTA] * 79
    assert [row.codec for row in found[1:]] == [Codec.ZSTD_STARTED] + [Codec.ZSTD_CONTINUED] * 78
    assert [row.chain for row in found] == list(range(80))
    assert [store.load("s", at=n + 1) for n in range(80)] == saved


def test_another_writer_starts_a_stream_of_its_own(tmp_path: Path) -> None:
    """Stores that take turns continue each other's chain, each with a stream of its own."""
    documents = []
    value: dict[str, Any] = {"id": "s", "messages": []}
    with (
        EventStore.open(tmp_path / "store", model=dict) as one,
        EventStore.open(tmp_path / "store", model=dict) as other,
    ):
        for number in range(12):
            value["messages"].append({"n": number, "text": words(random.Random(number), 50)})
            (one if number % 3 else other).save(value)
            documents.append(json.loads(json.dumps(value)))
        codecs = {row.codec for row in rows(one, "s")}
        assert codecs == {Codec.ZSTD, Codec.ZSTD_STARTED, Codec.ZSTD_CONTINUED}
        assert [other.load("s", at=n + 1) for n in range(12)] == documents


def test_a_chain_is_cut_at_its_limit() -> None:
    """After as many deltas as a chain may have, a keyframe begins the next one."""
    noise, log = random.Random(2), []
    with EventStore.open("memory://", model=dict) as plain:
        for _ in range(CHAIN_MAX + 3):
            log.append({"noise": noise.randbytes(60).hex()})
            plain.save({"id": "s", "log": log})
        found = rows(plain, "s")
        keyframes = [seq for seq, row in enumerate(found, 1) if row.encoding is Encoding.KEYFRAME]
        assert keyframes == [1, CHAIN_MAX + 2]
        assert plain.load("s", at=CHAIN_MAX + 1)["log"] == log[: CHAIN_MAX + 1]


def test_reading_costs_what_a_state_weighs_and_not_what_its_past_did(store: EventStore) -> None:
    """However states come and go, a chain decodes to little more than its newest state."""
    noise = random.Random(4)
    base: dict[str, Any] = {"id": "s", "messages": [{"t": words(noise, 40)} for _ in range(60)]}
    big = words(noise, 100_000)
    for number in range(40):
        value = json.loads(json.dumps(base))
        if number % 4 == 1:
            value["messages"].append({"role": "tool", "t": big})
        elif number % 4 == 2:
            noise.shuffle(base["messages"])
        elif number % 4 == 3:
            base["messages"][30]["t"] = f"edited {number}"
        store.save(value, id="s") if isinstance(value, SessionData) else store.save_states(
            "s", {"session": json.dumps(value, separators=(",", ":")).encode()}
        )
        row = rows(store, "s")[-1]
        log = store._catalog.log("s")
        state, chain = log._rebuilt("session", row, number + 1)
        assert json.loads(state) == value
        assert chain.decoded_size <= 4 * len(state) + 64 * 1024


def test_many_open_sessions_stay_within_the_memory_they_may_take(tmp_path: Path) -> None:
    """What makes saves cheap is given back for the sessions saved longest ago."""
    with EventStore.open(tmp_path / "store", model=dict, cache_size=200_000) as store:
        for turn in range(3):
            for number in range(10):
                store.save({"id": f"s{number}", "turn": turn, "text": "x" * 20_000})
        logs = [store._catalog.log(f"s{number}") for number in range(10)]
        assert sum(log.memory_size for log in logs) <= 200_000
        assert [store.load(f"s{number}")["turn"] for number in range(10)] == [2] * 10


@pytest.mark.parametrize("part", ["trace", "session"])
def test_parts_have_chains_of_their_own(store: EventStore, part: str) -> None:
    """A part that is saved with others, or not, is read from its own frames."""
    noise = random.Random(9)
    session: dict[str, Any] = {"id": "s", "config": {}, "n": 0}
    trace: list[Any] = []
    history = []
    with EventStore.open("memory://", model=dict) as plain:
        for number in range(30):
            if noise.random() < 0.6:
                trace.append({"n": number, "text": words(noise, 20)})
            session["n"] = number
            plain.save(session, parts={"trace": trace})
            history.append(json.loads(json.dumps({"session": session, "trace": trace})))
        for number, expected in enumerate(history, 1):
            assert plain.load_part("s", part, at=number) == expected[part]


def test_the_account_of_memory_follows_what_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is accounted for is what the remembered sessions hold, however many were saved."""
    monkeypatch.setattr(catalog, "OPEN_LOGS_MAX", 8)
    with EventStore.open(tmp_path / "store", model=dict) as store:
        for turn in range(2):
            for number in range(30):
                store.save({"id": f"s{number}", "turn": turn})
        kept = store._catalog
        assert len(kept._cached) <= 8
        assert kept._cached == {name: kept._logs[name].memory_size for name in kept._cached}
        assert kept._cached_size == sum(kept._cached.values())


def test_writers_that_follow_each_other_on_a_long_session_read_alike(tmp_path: Path) -> None:
    """A stream that starts behind more bytes than a context takes is read as it was written."""
    noise = random.Random(3)
    value: dict[str, Any] = {"id": "s", "messages": [{"t": words(noise, 400)} for _ in range(200)]}
    saved = []
    for turn in range(6):
        # A store of its own for each save: every delta starts a stream with a full context.
        with EventStore.open(tmp_path / "store", model=dict) as store:
            value["messages"].append({"t": words(noise, 8000), "turn": turn})
            value["messages"][turn]["t"] = f"edited {turn}"
            store.save(value)
            saved.append(json.loads(json.dumps(value)))
    with EventStore.open(tmp_path / "store", model=dict) as store:
        found = rows(store, "s")
        assert [row.codec for row in found[1:]] == [Codec.ZSTD_STARTED] * 5
        assert found[0].decoded_size > CONTEXT_SIZE
        assert [store.load("s", at=turn + 1) for turn in range(6)] == saved
