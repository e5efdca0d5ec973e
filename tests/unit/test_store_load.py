"""`load` and its kin: which version `at` means, what is None, and `history`."""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from eventstore import EventStore, InvalidInputError, SessionData, Version, catalog
from eventstore.desk import saves
from eventstore.models.a3s import LlmConfigData

START = 1_800_000_000_123_456_789


class Clock:
    """Stands for the module `time`: each look at it is one hour after the last."""

    def __init__(self) -> None:
        """Start somewhere between two microseconds."""
        self.now = START - 3600 * 10**9

    def time_ns(self) -> int:
        """Return the next time."""
        self.now += 3600 * 10**9
        return self.now


def moment(hours: float) -> datetime:
    """Return a time so many hours after the first save, cut to the microsecond."""
    start = datetime.fromtimestamp(START // 10**9, UTC) + timedelta(microseconds=123456)
    return start + timedelta(hours=hours)


@pytest.fixture
def hourly(location: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[EventStore]:
    """A store of plain JSON with `s` in versions 1 to 4, an hour between them."""
    monkeypatch.setattr(saves, "time", Clock())
    with EventStore.open(location, model=dict) as opened:
        for number in (1, 2, 3, 4):
            opened.save({"id": "s", "n": number % 3})
        yield opened


def test_at_is_a_number(hourly: EventStore) -> None:
    """Versions count from 1, and from the newest backwards with -1 the one before it."""
    assert [hourly.load("s", at=at)["n"] for at in (1, 2, 3, 4)] == [1, 2, 0, 1]
    assert [hourly.version("s", at).version for at in (-1, -2, -3)] == [3, 2, 1]  # type: ignore[union-attr]
    assert [hourly.version("s", at).version for at in ("3", "-1", "+2")] == [3, 3, 2]  # type: ignore[union-attr]


@pytest.mark.parametrize("at", [0, 5, -4, 10**30, -(10**30), "0", "5"])
def test_a_version_that_is_not_there_is_refused(hourly: EventStore, at: Any) -> None:
    """A number outside the history is bad input, and the error says what would do."""
    for call in (hourly.load, hourly.load_bytes, hourly.version):
        with pytest.raises(InvalidInputError, match="versions are 1 to 4") as caught:
            call("s", at=at)
        assert (caught.value.field, caught.value.session) == ("at", "s")


@pytest.mark.parametrize("at", [1.0, True, b"1", [], {}, "", "b3:", "b3:xyz", "soon", "1.5", "²"])
def test_what_names_no_version_is_refused(hourly: EventStore, at: Any) -> None:
    """Anything but a number, an address, a time or a version is bad input."""
    with pytest.raises(InvalidInputError) as caught:
        hourly.load("s", at=at)
    assert caught.value.field == "at"


def test_at_is_a_version(hourly: EventStore) -> None:
    """A Version stands for itself, but not in another session."""
    versions = list(hourly.history("s"))
    assert [hourly.version("s", version) for version in versions] == versions
    assert [hourly.load("s", at=version)["n"] for version in versions] == [1, 0, 2, 1]
    other = hourly.save({"id": "other"})
    with pytest.raises(InvalidInputError, match="'other'"):
        hourly.load("s", at=other)


def test_at_is_an_address(hourly: EventStore) -> None:
    """An address means the newest version with that state; a unique beginning will do."""
    first, second, third = (hourly.version("s", at) for at in (1, 2, 3))
    assert first is not None and second is not None and third is not None
    assert first.address is not None and second.address is not None
    assert hourly.version("s", f"b3:{first.address}").version == 4  # type: ignore[union-attr]
    assert hourly.version("s", first.address).version == 4  # type: ignore[union-attr]
    assert hourly.version("s", f"b3:{second.address[:12]}") == second
    assert hourly.version("s", f"b3:{second.address[:12].upper()}") == second
    with pytest.raises(InvalidInputError, match="no version has an address"):
        hourly.load("s", at="b3:" + "0" * 64)


def test_an_ambiguous_address_is_refused_with_its_candidates(location: str) -> None:
    """Where several states match, the error names them and asks for more digits."""
    with EventStore.open(location, model=dict) as opened:
        versions = [opened.save({"id": "s", "n": number}) for number in range(17)]
        digits = [version.address[0] for version in versions if version.address]
        twice = next(digit for digit in digits if digits.count(digit) > 1)
        with pytest.raises(InvalidInputError, match="give more digits") as caught:
            opened.load("s", at=f"b3:{twice}")
        digests = [d for v in versions for d in (v.address, v.commit) if d and d[0] == twice]
        named = [digest for digest in digests if f"b3:{digest[:16]}" in str(caught.value)]
        assert len(named) == min(5, len(digests)) >= 2


def test_at_is_a_commit_id(hourly: EventStore) -> None:
    """The beginning of a commit's id means its version, also where the state comes twice."""
    versions = list(hourly.history("s"))
    for version in versions:
        for form in (version.commit, f"b3:{version.commit}", f"b3:{version.commit[:12]}"):
            assert hourly.version("s", form) == version


def test_at_is_so_long_ago(location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """`2 hours ago` is counted from now, in the library as on the command line."""
    clock = Clock()
    clock.now = time.time_ns() - 5 * 3600 * 10**9 - 600 * 10**9
    monkeypatch.setattr(saves, "time", clock)
    with EventStore.open(location, model=dict) as opened:
        for number in (1, 2, 3, 4):
            opened.save({"id": "s", "n": number})
        for form, number in (
            ("0 seconds ago", 4),
            ("1 hour ago", 4),
            ("2 hours ago", 3),
            (" 150  minutes ago ", 2),
            ("4 hours ago", 1),
        ):
            assert opened.load("s", at=form)["n"] == number
        for form in ("5 hours ago", "1 day ago", "2 weeks ago"):
            with pytest.raises(InvalidInputError, match="before the first version"):
                opened.load("s", at=form)
        for form in ("2 years ago", "-1 hours ago", "ago", "1hours", "two hours ago", "9" * 30):
            with pytest.raises(InvalidInputError, match="names no version"):
                opened.load("s", at=form)
        with pytest.raises(InvalidInputError, match="names no version"):
            opened.load("s", at="999999999 weeks ago")


def test_at_is_a_time(hourly: EventStore) -> None:
    """A time means the newest version saved by then, whatever its zone."""
    for hours, version in ((0, 1), (0.5, 1), (1, 2), (2.999, 3), (3, 4), (10**5, 4)):
        at = moment(hours)
        zoned = at.astimezone(timezone(timedelta(hours=-9, minutes=-30)))
        for form in (at, zoned, at.isoformat(), zoned.isoformat(), f"{at:%Y-%m-%dT%H:%M:%S.%fZ}"):
            assert hourly.version("s", form).version == version  # type: ignore[union-attr]
    before = moment(0) - timedelta(microseconds=1)
    with pytest.raises(InvalidInputError, match="before the first version"):
        hourly.load("s", at=before)


def test_a_naive_time_is_local(hourly: EventStore) -> None:
    """A time without a zone is read on the clock of this machine."""
    local = moment(1).astimezone().replace(tzinfo=None)
    for form in (local, local.isoformat()):
        assert hourly.version("s", form).version == 2  # type: ignore[union-attr]


@pytest.mark.parametrize("at", [datetime.min, datetime.min.replace(tzinfo=UTC), "0001-01-01"])
def test_the_first_of_all_times_is_before_any_version(hourly: EventStore, at: Any) -> None:
    """A time at the edge of the calendar is bad input, not a crash."""
    with pytest.raises(InvalidInputError):
        hourly.load("s", at=at)


def test_the_last_of_all_times_is_after_every_version(hourly: EventStore) -> None:
    """The end of the calendar means the newest version."""
    assert hourly.version("s", datetime.max.replace(tzinfo=UTC)).version == 4  # type: ignore[union-attr]


def test_every_version_is_found_by_its_own_time(location: str) -> None:
    """What a version says of its time leads back to it, to the microsecond."""
    with EventStore.open(location, model=dict) as opened:
        versions = [opened.save({"id": "s", "n": number}) for number in range(50)]
        for version in versions:
            found = opened.version("s", version.saved_at)
            assert found is not None
            assert found.version >= version.version
            assert found.saved_at == version.saved_at


def test_what_was_never_saved_is_none(store: EventStore) -> None:
    """An id without a session loads as None at any version, and has no history."""
    for at in (None, 1, -1, "b3:00", "2026-01-01", datetime(2026, 1, 1, tzinfo=UTC)):
        assert store.load("no", at=at) is None
        assert store.load_bytes("no", at=at) is None
        assert store.load_part("no", "mine", at=at) is None
        assert store.version("no", at) is None
    assert list(store.history("no")) == []
    assert not store.exists("no")
    store.save(SessionData(id="yes"))
    assert store.load_part("yes", "mine") is None
    assert store.load_bytes("yes", "mine", at=1) is None


def test_looking_makes_nothing(store: EventStore) -> None:
    """Asking for sessions that are not there leaves no trace of them."""
    for number in range(5):
        store.load(f"no-{number}")
        list(store.history(f"no-{number}"))
        assert not store.delete(f"no-{number}")
    assert store.list() == []
    assert store.stats().versions == 0


def test_history_is_newest_first_and_can_follow_one_part(store: EventStore) -> None:
    """History yields every version, or with a part those that changed it."""
    session = SessionData(id="s")
    store.save(session)
    store.save_trace_events("s", [])
    store.save(session.model_copy(update={"model_name": "m"}), trace_events=[])
    store.delete("s")
    store.undelete("s")
    versions = list(store.history("s"))
    assert [version.version for version in versions] == [5, 4, 3, 2, 1]
    assert [v.kind for v in versions] == ["undelete", "delete", "save", "save", "save"]
    assert [new.prev for new in versions] == [*(old.commit for old in versions[1:]), None]
    assert [v.version for v in store.history("s", part="trace_events")] == [5, 2]
    assert [v.version for v in store.history("s", part="session")] == [5, 3, 1]
    assert list(store.history("s", part="other")) == []
    assert [store.version("s", v.version) for v in versions] == versions


def test_a_state_of_another_shape_says_how_to_see_it(store: EventStore) -> None:
    """A stored state that the model refuses is an error without payload that names a way out."""
    store.save_states("s", {"session": b'{"id":"s","messages":"SECRET-TEXT"}'})
    with pytest.raises(InvalidInputError, match="model=dict") as caught:
        store.load("s")
    assert "SECRET" not in str(caught.value)
    assert store.load("s", model=dict)["messages"] == "SECRET-TEXT"


def test_load_can_use_another_model(store: EventStore) -> None:
    """`model=` of a load reads the same bytes as another type."""
    store.save(SessionData(id="s"))
    assert store.load("s", model=dict)["id"] == "s"
    with pytest.raises(InvalidInputError):
        store.load("s", model=LlmConfigData)


def test_sessions_beyond_those_remembered_load_all_the_same(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store remembers few sessions between calls and needs none of what it forgot."""
    monkeypatch.setattr(catalog, "OPEN_LOGS_MAX", 2)
    with EventStore.open(location, model=dict) as opened:
        for turn in range(3):
            for number in range(5):
                assert opened.save({"id": f"s{number}", "turn": turn}).version == turn + 1
        assert [opened.load(f"s{number}")["turn"] for number in range(5)] == [2] * 5


def test_sessions_beyond_those_remembered_leave_memory_at_once(
    location: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing that the store lets go of waits for the garbage collector."""
    monkeypatch.setattr(catalog, "OPEN_LOGS_MAX", 2)
    with EventStore.open(location, model=dict) as opened:
        opened.save({"id": "first"})
        gc.collect()
        gc.disable()
        try:
            for number in range(20):
                opened.save({"id": f"s{number}"})
                opened.save({"id": f"s{number}", "turn": 1})
                assert opened.load(f"s{number}", at=1) == {"id": f"s{number}"}
                assert len(list(opened.history(f"s{number}"))) == 2
            assert gc.collect() < 20
        finally:
            gc.enable()


def test_versions_are_immutable(store: EventStore) -> None:
    """Nobody can change what a version says."""
    version: Version = store.save(SessionData(id="s"))
    with pytest.raises(AttributeError):
        version.version = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        version.parts["x"] = version.parts["session"]  # type: ignore[index]


def test_whatever_pieces_a_save_was_made_of_it_loads(tmp_path: Path) -> None:
    """Half a million rows in another order are stored as as many splices, and read again."""
    rows = [{"v": number} for number in range(1_000_000, 1_520_000)]
    documents = [{"id": "r", "rows": rows}, {"id": "r", "rows": rows[::-1]}]
    with EventStore.open(tmp_path / "store", model=dict) as store:
        for document in documents:
            store.save(document)
    with EventStore.open(tmp_path / "store", model=dict) as store:
        assert store.load("r") == documents[1]
