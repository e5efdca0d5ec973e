"""Compaction: fewer bytes, the same history; and thinning: less of it, and it says so."""

from __future__ import annotations

import json
import random
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from eventstore import (
    AsyncEventStore,
    CompactReport,
    CorruptError,
    ErasedError,
    EventStore,
    InvalidInputError,
    Version,
)
from eventstore.address import address_of
from eventstore.backends.file import FileBackend
from eventstore.backends.rewriting import FileRewriting
from eventstore.commit import Commit
from eventstore.delta import Splice, compose, decode_delta, encode_delta, fold
from eventstore.fs import OsFileSystem
from eventstore.stream import Compressor
from eventstore.thinning import Policy
from eventstore.thinning import Version as Known
from tests.second_reader import read_store

WORDS = [random.Random(n).randbytes(4).hex() for n in range(400)]
HOUR = 3600 * 10**9

Snapshot = dict[tuple[int, str, str], bytes | None]


def text(seed: int, size: int) -> str:
    """Return some words that differ from those of another seed."""
    return " ".join(random.Random(seed).choices(WORDS, k=size))


def grown(store: EventStore, id: str, count: int, *, start: int = 0) -> None:
    """Save a session that says more and thinks anew every time, with a plan now and then."""
    messages = [text(n, 60) for n in range(start)]
    for n in range(start, start + count):
        messages.append(text(n, 60))
        state = {"id": id, "thought": text(-n, 60), "messages": messages}
        store.save(state, parts={"plan": [n]} if n % 4 == 0 else None)


def snapshot(store: EventStore, id: str) -> Snapshot:
    """Return every state of every version, by version, commit and part; None where dropped."""
    found: Snapshot = {}
    for version in store.history(id):
        for part in version.parts:
            try:
                state = store.load_bytes(id, part, at=version)
                assert state is not None
            except ErasedError:
                state = None
            found[version.version, version.commit, part] = state
    return found


@pytest.fixture
def plain(location: str) -> Iterator[EventStore]:
    """An open store of plain documents, on each backend."""
    with EventStore.open(location, model=dict) as opened:
        yield opened


def test_every_version_is_what_it_was(plain: EventStore) -> None:
    """Commits, addresses and states stay; the smaller log says what was done, and by whom."""
    grown(plain, "a", 60)
    plain.save({"id": "small"})
    before, newest = snapshot(plain, "a"), plain.version("a")
    report = plain.compact(actor="ops", note="monthly")
    changed, left = report.logs
    assert (changed.session, left.session) == ("a", "small")
    assert changed.is_changed and not left.is_changed
    assert (changed.versions, changed.dropped, changed.error) == (60, 0, None)
    assert changed.after < changed.before
    told = plain.version("a")
    assert told is not None and newest is not None
    assert (told.version, told.kind, told.actor, told.note) == (61, "compact", "ops", "monthly")
    assert told.prev == newest.commit
    after = snapshot(plain, "a")
    assert before.items() <= after.items()
    assert plain._backend.size("a") == changed.after == plain._catalog.log("a").end
    assert sum(v.stored for v in plain.history("a")) == changed.after


def test_what_gains_nothing_writes_nothing(plain: EventStore) -> None:
    """A second compaction, and a dry run, leave every byte as it is."""
    grown(plain, "a", 60)
    size = plain._backend.size("a")
    dry = plain.compact(dry_run=True)
    assert dry.dry_run and plain._backend.size("a") == size
    first = plain.compact()
    # The commit that tells of it is not part of the forecast.
    assert 0 < first.after - dry.after < 1000
    data = plain._backend.read("a", 0, first.after)
    again = plain.compact()
    assert (again.before, again.after) == (first.after, first.after)
    assert plain._backend.read("a", 0, first.after + 1) == data
    version = plain.version("a")
    assert version is not None and version.version == 61


def test_a_compacted_log_goes_on(plain: EventStore) -> None:
    """Saves after a compaction, and compactions after those, keep all that was before."""
    known: Snapshot = {}
    for turn in range(3):
        grown(plain, "a", 40, start=40 * turn)
        known = snapshot(plain, "a") | known
        assert plain.compact().logs[0].is_changed
        assert known.items() <= snapshot(plain, "a").items()
    assert [v.kind for v in plain.history("a")].count("compact") == 3


def test_a_deleted_session_comes_back_after_a_compaction(plain: EventStore) -> None:
    """An undelete finds the parts that the version before the delete had."""
    grown(plain, "a", 60)
    states = {part: plain.load_bytes("a", part) for part in ("session", "plan")}
    plain.delete("a")
    for options in ({}, {"keep_last": 1}):
        plain.compact(**options)  # type: ignore[arg-type]
        assert plain.load("a") is None and plain.list() == []
    plain.undelete("a")
    assert {part: plain.load_bytes("a", part) for part in states} == states
    assert plain.list() == ["a"]


def test_dropped_states_say_so(plain: EventStore) -> None:
    """A state that thinning dropped raises, naming what is near; what is kept loads as before."""
    grown(plain, "a", 60)
    before = snapshot(plain, "a")
    report = plain.compact(keep_last=5)
    assert report.dropped == report.logs[0].dropped > 50
    with pytest.raises(ErasedError, match="dropped by thinning") as caught:
        plain.load("a", at=12)
    assert (caught.value.session, caught.value.version) == ("a", 12)
    assert caught.value.hint == "nearest kept: 56"
    after = snapshot(plain, "a")
    for key, state in before.items():
        assert after[key] in (state, None), key
        if key[0] > 55:
            assert after[key] == state
    versions = {v.version: v for v in plain.history("a")}
    assert versions[12].parts["session"].address and versions[12].parts["session"].size
    assert plain.load("a", at=f"b3:{versions[60].address}") == plain.load("a", at=60)
    grown(plain, "a", 20, start=60)
    plain.compact(keep_last=1)
    with pytest.raises(ErasedError):
        plain.load("a", at=58)
    assert json.loads(plain.load_bytes("a") or b"")["messages"][-1] == text(79, 60)


def test_who_is_told_of_progress_may_save(plain: EventStore) -> None:
    """A save into the session that is being compacted neither waits for it nor is lost."""
    grown(plain, "a", 40)
    seen: list[tuple[str, int, int]] = []

    def progress(session: str, done: int, total: int) -> None:
        seen.append((session, done, total))
        if len(seen) in (1, 41):
            grown(plain, "a", 1, start=39 + len(seen))

    report = plain.compact(progress=progress)
    assert report.after < report.before
    assert [len(seen), seen[-1][1]] == [40, seen[-1][2]]
    kinds = [version.kind for version in plain.history("a", oldest_first=True)]
    assert kinds == [*["save"] * 41, "compact"]


def test_a_torn_first_save_is_nothing_to_compact(tmp_path: Path) -> None:
    """A log that holds no version is left as it is, and no error."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        grown(store, "a", 20)
        (log,) = (tmp_path / "store" / "logs").rglob("*.log")
        torn = log.parent / "b.log"
        torn.write_bytes(log.read_bytes()[:50])
        shard = tmp_path / "store" / "logs" / address_of(b"b")[:2]
        shard.mkdir(exist_ok=True)
        torn.rename(shard / "b.log")
        report = store.compact()
        assert {log.session: log.error for log in report.logs} == {"a": None, "b": None}


def test_states_made_current_again_are_kept(plain: EventStore) -> None:
    """What an undelete refers to is never dropped, though its version is old."""
    grown(plain, "a", 30)
    plain.delete("a")
    plain.undelete("a")
    grown(plain, "a", 30, start=30)
    kept = plain.load_bytes("a", at=32)
    plain.compact(keep_last=2)
    assert plain.load_bytes("a", at=30) == plain.load_bytes("a", at=32) == kept
    with pytest.raises(ErasedError, match="dropped by thinning") as caught:
        plain.load("a", at=29)
    assert caught.value.hint == "nearest kept: 30"


edits = st.lists(
    st.tuples(
        st.sampled_from(["append", "append", "edit", "cut", "plan", "delete", "reopen"]),
        st.integers(0, 2**16),
    ),
    min_size=8,
    max_size=40,
)


@example(
    edits=[
        *[("append", 0)] * 7,
        ("append", 468),
        ("cut", 12684),
        ("delete", 0),
        ("append", 93),
        ("append", 33167),
        ("append", 0),
        ("append", 127),
        ("cut", 0),
    ],
    keep_last=2,
    again=1,
)
@given(
    edits=edits,
    keep_last=st.one_of(st.none(), st.integers(1, 12)),
    again=st.integers(1, 6),
)
def test_any_history(
    tmp_path_factory: pytest.TempPathFactory,
    edits: list[tuple[str, int]],
    keep_last: int | None,
    again: int,
) -> None:
    """Whatever was saved, compacting, thinning, saving on and doing so again lose nothing kept."""
    directory = tmp_path_factory.mktemp("any") / "store"
    messages: list[str] = []
    store = EventStore.open(directory, model=dict, durability="unsafe_os")
    for kind, seed in edits:
        if kind == "reopen":
            store.close()
            store = EventStore.open(directory, model=dict, durability="unsafe_os")
        elif kind == "delete":
            if store.delete("a"):
                store.undelete("a")
        elif kind == "plan":
            store.save({"id": "a", "messages": messages}, parts={"plan": text(seed, 90)})
        else:
            if kind == "cut" and messages:
                del messages[seed % len(messages) :]
            elif kind == "edit" and messages:
                messages[seed % len(messages)] = text(seed, 30)
            messages.append(text(seed, 40))
            store.save({"id": "a", "messages": messages})
    before = snapshot(store, "a") if store.version("a") else {}
    first = store.compact(keep_last=keep_last)
    check_kept(before, snapshot(store, "a") if before else {}, first)
    store.save({"id": "a", "messages": [*messages, "more"]})
    newest = store.load_bytes("a")
    before = snapshot(store, "a")
    second = store.compact(keep_last=again)
    store.close()
    with EventStore.open(directory, model=dict) as reopened:
        after = snapshot(reopened, "a")
        check_kept(before, after, second)
        assert reopened.load_bytes("a") == newest
    read = read_store(directory)["a"]
    assert {
        (v.seq, v.id, part): state for v in read.versions for part, state in v.parts.items()
    } == after


def check_kept(before: Snapshot, after: Snapshot, report: CompactReport) -> None:
    """Check that a compaction changed nothing, or dropped as many states as it says."""
    assert before.keys() <= after.keys()
    lost = [key for key, state in before.items() if after[key] != state]
    assert all(after[key] is None for key in lost)
    assert bool(lost) is bool(report.dropped)


pieces = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 40), st.binary(max_size=6)), max_size=5
)


@given(base=st.binary(min_size=1, max_size=40), runs=st.lists(pieces, min_size=1, max_size=5))
def test_deltas_compose(base: bytes, runs: list[list[tuple[int, int, bytes]]]) -> None:
    """One composed delta makes what its deltas make, one after the other."""
    state, deltas = base, []
    for run in runs:
        splices = [
            Splice(min(a, b, len(state)), min(max(a, b), len(state)), insert)
            for a, b, insert in run
        ]
        deltas.append(decode_delta(encode_delta(splices)))
        state = b"".join(state[s.start : s.stop] + s.insert for s in splices)
    splices = compose(deltas, len(state))
    assert splices is not None
    composed = decode_delta(encode_delta(splices))
    assert fold(base, [composed], len(state), 2**20) == state


def known(*hours: float) -> list[Known]:
    """Return versions that were saved at these hours."""
    return [Known(seq, int(hour * HOUR), ()) for seq, hour in enumerate(hours, 1)]


@pytest.mark.parametrize(
    ("policy", "kept"),
    [
        (Policy(keep_last=2), [5, 6]),
        (Policy(keep_last=9), [1, 2, 3, 4, 5, 6]),
        (Policy(keep_days=1), [5, 6]),
        (Policy(keep_days=2), [3, 4, 5, 6]),
        (Policy(then="day"), [2, 4, 6]),
        (Policy(then="hour"), [1, 2, 4, 5, 6]),
        (Policy(keep_last=1, then="day"), [2, 4, 6]),
        (Policy(keep_last=1, keep_days=1), [5, 6]),
        (Policy(keep_last=3, then="day"), [2, 4, 5, 6]),
    ],
)
def test_what_a_policy_keeps(policy: Policy, kept: list[int]) -> None:
    """The newest, those of the last days, and of the older the last of each hour or day."""
    versions = known(1, 2.5, 25, 25.5, 49, 50)
    assert [v.seq for v in policy.kept(versions, int(72.5 * HOUR))] == kept


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"keep_last": 0}, "keep_last"),
        ({"keep_last": True}, "keep_last"),
        ({"keep_days": -1}, "keep_days"),
        ({"keep_days": 1.5}, "keep_days"),
        ({"then": "week"}, "then"),
        ({"ids": ["nobody"]}, "id"),
        ({"ids": "a"}, "ids"),
        ({"ids": [""]}, "id"),
        ({"note": 7}, "note"),
    ],
)
def test_bad_input_is_refused(plain: EventStore, options: dict[str, Any], field: str) -> None:
    """What cannot be meant is refused before anything is written."""
    grown(plain, "a", 60)
    size = plain._backend.size("a")
    with pytest.raises(InvalidInputError) as caught:
        plain.compact(**options)
    assert caught.value.field == field
    assert plain._backend.size("a") == size


def test_only_the_named_sessions(plain: EventStore) -> None:
    """Sessions that were not named stay as they are."""
    for id in ("a", "b"):
        grown(plain, id, 60)
    report = plain.compact(["b", "b"])
    assert [log.session for log in report.logs] == ["b"]
    versions = [plain.version(id) for id in ("a", "b")]
    assert [v.kind for v in versions if isinstance(v, Version)] == ["save", "compact"]


def test_progress_ends_at_the_end(plain: EventStore) -> None:
    """Progress rises to the bytes there are in all."""
    grown(plain, "a", 60)
    grown(plain, "b", 5)
    told: list[tuple[str, int, int]] = []
    report = plain.compact(progress=lambda *now: told.append(now))
    done = [now[1] for now in told]
    assert done == sorted(done) and done[-1] == report.before
    assert {now[0] for now in told} == {"a", "b"} and {now[2] for now in told} == {report.before}


def test_what_the_commit_says(plain: EventStore) -> None:
    """The commit tells the sizes, what was dropped, and by what policy."""
    grown(plain, "a", 60)
    report = plain.compact(keep_last=50, then="hour")
    head = plain._catalog.log("a").head()
    assert head is not None and isinstance(head.entry.commit, Commit)
    ref = dict(head.entry.commit.ref or {})
    after = ref.pop("after")
    assert after + head.entry.header.size == report.after
    assert ref == {
        "before": report.before,
        "dropped": report.dropped,
        "keep_last": 50,
        "then": "hour",
    }


def test_a_new_process_reads_what_another_compacted(tmp_path: Path) -> None:
    """A store that knew the log before sees the new one, whatever it remembered of the old."""
    with (
        EventStore.open(tmp_path / "store", model=dict) as one,
        EventStore.open(tmp_path / "store", model=dict) as two,
    ):
        grown(one, "a", 60)
        before = snapshot(two, "a")
        history = two.history("a")
        first = [next(history) for _ in range(5)]
        assert one.compact().logs[0].is_changed
        rest = list(history)
        assert [v.version for v in (*first, *rest)] == list(range(60, 0, -1))
        assert before.items() <= snapshot(two, "a").items()
        two.save({"id": "a", "n": 1})
        assert one.load("a") == {"id": "a", "n": 1}
        assert one.compact(keep_last=1).dropped
        assert two.load("a") == {"id": "a", "n": 1}
        grown(two, "a", 3)
        assert two.list() == one.list() == ["a"]


async def compacted(directory: Path) -> CompactReport:
    """Compact from a coroutine."""
    async with AsyncEventStore.open(directory, model=dict) as store:
        return await store.compact(["a"], keep_last=2)


def test_the_same_as_a_coroutine(tmp_path: Path) -> None:
    """The asynchronous store compacts too."""
    import asyncio

    with EventStore.open(tmp_path / "store", model=dict) as store:
        grown(store, "a", 60)
    report = asyncio.run(compacted(tmp_path / "store"))
    assert report.logs[0].is_changed and report.dropped


def once(work: Callable[[], Any]) -> Callable[[str, int, int], None]:
    """Return a progress that does something the first time it is told anything."""
    left = [work]

    def told(session: str, done: int, total: int) -> None:
        if left:
            left.pop()()

    return told


def test_what_is_saved_meanwhile_is_there(plain: EventStore) -> None:
    """Saves that come while a log is repacked are in the rewriting, though thinning goes on."""
    grown(plain, "a", 40)
    report = plain.compact(keep_last=3, progress=once(lambda: grown(plain, "a", 5, start=40)))
    assert report.dropped and report.logs[0].versions == 45
    after = snapshot(plain, "a")
    assert all(after[key] is not None for key in after if key[0] > 37)
    assert json.loads(plain.load_bytes("a") or b"")["messages"][-1] == text(44, 60)
    assert [v.kind for v in plain.history("a")].count("compact") == 1


def test_an_old_state_made_current_meanwhile_is_kept(plain: EventStore) -> None:
    """A state that is made current again while a log is repacked is where the commit says."""
    grown(plain, "a", 40)
    expected = {part: plain.load_bytes("a", part) for part in ("session", "plan")}

    def revive() -> None:
        plain.delete("a")
        plain.undelete("a")

    report = plain.compact(keep_last=3, progress=once(revive))
    assert report.dropped and report.logs[0].versions == 42
    for at in (40, 42, None):
        assert {part: plain.load_bytes("a", part, at=at) for part in expected} == expected
    grown(plain, "a", 2, start=40)
    assert json.loads(plain.load_bytes("a") or b"")["messages"][-1] == text(41, 60)


@pytest.mark.parametrize("skipped", [0, 1, 17, 39, 40])
def test_a_rewriting_that_reads_back_wrong_replaces_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, skipped: int
) -> None:
    """Whichever frame the medium garbles, the log stays, and the report says why."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        grown(store, "a", 40)
        (log,) = (tmp_path / "store" / "logs").rglob("*.log")
        before = log.read_bytes()
        append, count = FileRewriting.append, [0]

        def garbled(self: FileRewriting, data: bytes) -> None:
            middle = len(data) // 2
            if count[0] == skipped:
                data = data[:middle] + bytes([data[middle] ^ 8]) + data[middle + 1 :]
            count[0] += 1
            append(self, data)

        monkeypatch.setattr(FileRewriting, "append", garbled)
        (report,) = store.compact().logs
        assert isinstance(report.error, CorruptError) and not report.is_changed
        assert log.read_bytes() == before
        assert store.version("a") is not None


def test_a_repacker_that_is_wrong_replaces_nothing(
    plain: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Sound frames that hold another state are noticed before they replace anything."""
    grown(plain, "a", 40)
    before = snapshot(plain, "a")
    size = plain._backend.size("a")
    add = Compressor.add
    monkeypatch.setattr(Compressor, "add", lambda self, data: add(self, data[:-1] + b"?"))
    (report,) = plain.compact().logs
    assert isinstance(report.error, CorruptError) and not report.is_changed
    assert (snapshot(plain, "a"), plain._backend.size("a")) == (before, size)


def test_one_wrong_state_among_many_replaces_nothing(
    plain: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A state that no later one builds on is checked like the others."""
    grown(plain, "a", 40)
    before = snapshot(plain, "a")
    add, count = Compressor.add, [0]

    def add_wrong(self: Compressor, data: bytes) -> bytes:
        count[0] += 1
        return add(self, data[:60] + b"?" + data[61:] if count[0] == 20 else data)

    monkeypatch.setattr(Compressor, "add", add_wrong)
    (report,) = plain.compact(["a"]).logs
    assert isinstance(report.error, CorruptError) and count[0] >= 20
    assert snapshot(plain, "a") == before


def test_the_newest_state_is_kept_however_old(
    plain: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days that are long gone leave the newest state, also that of a deleted session."""
    grown(plain, "a", 40)
    expected = {part: plain.load_bytes("a", part) for part in ("session", "plan")}
    plain.delete("a")
    later = time.time_ns() + 40 * 24 * HOUR
    monkeypatch.setattr(time, "time_ns", lambda: later)
    assert plain.compact(keep_days=1).dropped
    plain.undelete("a")
    assert {part: plain.load_bytes("a", part) for part in expected} == expected


class InterruptedFileSystem(OsFileSystem):
    """The real disk, on which somebody else does something before the *nth* read.

    Reads under a lock do not count: whoever else wants the lock would wait for ever.
    """

    def __init__(self) -> None:
        """Start with nobody else."""
        super().__init__()
        self.left = 0
        self.locks = 0
        self.work: Callable[[], Any] = list

    def lock(self, fd: int, *, wait: bool = True) -> bool:
        """Lock, and remember."""
        taken = super().lock(fd, wait=wait)
        self.locks += taken
        return taken

    def unlock(self, fd: int) -> None:
        """Unlock, and remember."""
        super().unlock(fd)
        self.locks -= 1

    def read_at(self, fd: int, size: int, offset: int) -> bytes:
        """Read, after somebody else was there."""
        if not self.locks:
            self.left -= 1
            if self.left == 0:
                self.work()
        return super().read_at(fd, size, offset)


@pytest.mark.parametrize("is_longer", [False, True], ids=["shorter", "longer"])
def test_a_log_that_is_replaced_in_the_middle_of_anything(tmp_path: Path, is_longer: bool) -> None:
    """Before whichever read a log is replaced, no call fails or gives anything but the truth."""
    with EventStore.open(tmp_path / "made", model=dict, durability="unsafe_os") as store:
        grown(store, "a", 24)
        truth = snapshot(store, "a")
    states = {number: state for (number, _, part), state in truth.items() if part == "session"}
    calls: list[Callable[[EventStore], Any]] = [
        lambda store: store.load_bytes("a", at=7) == states[7],
        lambda store: [v.version for v in store.history("a")][-24:] == list(range(24, 0, -1)),
        lambda store: json.loads(store.load_bytes("a"))["id"] == "a",
        lambda store: store.version("a", -1) is not None,
        lambda store: store.save({"id": "a", "n": 1}).version > 24,
        lambda store: store.save_artifacts("a", {"artifacts": []}, key="k").version > 24,
    ]
    for call in calls:
        done, nth = False, 0
        while not done:
            nth += 1 if nth < 5 else 9
            directory = tmp_path / "store"
            shutil.copytree(tmp_path / "made", directory)
            fs = InterruptedFileSystem()
            with (
                EventStore(FileBackend(directory, fs=fs), model=dict) as store,
                EventStore.open(directory, model=dict, durability="unsafe_os") as other,
            ):

                def replace(other: EventStore = other) -> None:
                    report = other.compact(["a"])
                    assert report.logs[0].is_changed
                    while is_longer and (other._backend.size("a") or 0) <= report.before:
                        grown(other, "a", 6, start=24)

                store.load("a", at=3)
                fs.work, fs.left = replace, nth
                assert call(store), nth
                done = fs.left > 0
                fs.left = 0
                kept = snapshot(store, "a")
                assert truth.items() <= kept.items()
            shutil.rmtree(directory)
