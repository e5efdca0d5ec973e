"""Repairing: never worse than before, whatever was damaged and wherever the repair is cut off."""

from __future__ import annotations

import errno
import random
from pathlib import Path
from typing import Any

import pytest

from eventstore import CorruptError, EventStore, EventStoreError, InvalidInputError, Version
from eventstore.backends.file import FileBackend
from eventstore.repair import Repairer
from eventstore.repaired import RepairReport
from tests.crash.stores import (
    PARTS,
    Known,
    UnsyncedFileSystem,
    drop_index,
    log_path,
    make,
    opened,
    opened_fast,
    overwrite,
)
from tests.upkeep.second_look import check_alike

pytestmark = pytest.mark.damage

SIXTH = b'{"id":"a","n":6}'
ROUNDS = 25


def loaded(store: EventStore, known: Known) -> dict[tuple[int, str], bytes]:
    """Return every state of session `a` that can be loaded."""
    found = {}
    for version in range(1, known.newest + 1):
        for part in PARTS:
            state = known.read(store, part, version)
            if isinstance(state, bytes):
                found[version, part] = state
    return found


def wreck(data: bytes, chance: random.Random) -> bytes:
    """Return a log with some bytes overwritten, in one place or several, and perhaps cut."""
    out = bytearray(data)
    for _ in range(chance.choice((1, 1, 2, 3))):
        start = chance.randrange(len(out))
        stop = min(len(out), start + chance.choice((1, 2, 30, 200, 700)))
        out[start:stop] = chance.choice((bytes(stop - start), chance.randbytes(stop - start)))
    if chance.random() < 0.2:
        del out[chance.randrange(len(out)) :]
    return bytes(out)


def known_history(store: EventStore) -> list[Version]:
    """Return the history as far as it goes back: the first versions may be among the lost."""
    found = []
    try:
        for version in store.history("a"):
            found.append(version)
    except CorruptError as error:
        assert "a repair gave it up" in error.message, error
    return found


def check_repaired(known: Known, before: dict[tuple[int, str], bytes], seed: int) -> None:
    """Check that a repaired store lacks nothing that loaded before, and can be saved to."""
    with opened_fast(known.directory) as store:
        assert store.verify(deep=True).is_sound, seed
        after = loaded(store, known)
        assert before.items() <= after.items(), seed
        for (version, part), state in after.items():
            # With no index, the number of a newest version that is gone is free again.
            if store.version("a", version).kind != "repair":
                assert state == known.states[version][part], (seed, version, part)
        for version in known_history(store):
            if version.version <= known.newest and version.kind != "repair":
                assert version.commit == known.saved[version.version].commit, seed
        newest = store.version("a")
        saved = store.save_states("a", {"session": SIXTH})
        assert saved.version == (0 if newest is None else newest.version) + 1, seed
        assert store.load_bytes("a") == SIXTH, seed
        assert store.load("b") == {"id": "b", "n": 1}, seed
    check_alike(known.directory)


@pytest.mark.parametrize("index", ["with-index", "without-index"])
def test_random_damage_is_repaired_and_nothing_gets_worse(tmp_path: Path, index: str) -> None:
    """Whatever is overwritten: what loaded before loads after, right, and the log goes on."""
    known = make(tmp_path / "store")
    kept = (known.directory / "index.db").read_bytes()
    repaired = 0
    for seed in range(ROUNDS):
        damaged = wreck(known.bytes, random.Random(seed))
        overwrite(known.log, damaged)
        drop_index(known.directory)
        if index == "with-index":
            (known.directory / "index.db").write_bytes(kept)
        with opened_fast(known.directory) as store:
            before = loaded(store, known)
            (log,) = store.repair(["a"], apply=True).logs if store.verify(["a"]).logs else (None,)
        if log is not None and log.error:
            assert known.log.read_bytes() == damaged, seed
            assert log.next, seed
            continue
        repaired += 1
        check_repaired(known, before, seed)
    assert repaired > ROUNDS * 0.7


class FailingFileSystem(UnsyncedFileSystem):
    """A disk that fails at the nth call, and at every later one."""

    def __init__(self) -> None:
        """Do not fail yet."""
        super().__init__()
        self.left = -1

    def __getattribute__(self, name: str) -> Any:
        """Count a call when its method is looked up."""
        found = super().__getattribute__(name)
        if name not in ("write_at", "truncate", "rename", "sync_data", "sync_directory", "remove"):
            return found
        self.left -= 1
        if self.left == 0:
            self.left = 1

            def fail(*_: Any) -> None:
                raise OSError(errno.EIO, "Input/output error")

            return fail
        return found


def damage_both(known: Known) -> None:
    """Damage a log in the middle and at its end."""
    data = bytearray(known.bytes)
    data[known.ends[1] + 44 : known.ends[1] + 80] = bytes(36)
    overwrite(known.log, bytes(data[: known.ends[4] + 30]))


def test_a_repair_that_is_cut_off_is_simply_repeated(tmp_path: Path) -> None:
    """Wherever the disk fails for good, the next repair finds as much as the first did."""
    known = make(tmp_path / "store")
    kept = (known.directory / "index.db").read_bytes()
    for nth in range(1, 60):
        overwrite(known.log, known.bytes)
        damage_both(known)
        drop_index(known.directory)
        (known.directory / "index.db").write_bytes(kept)
        fs = FailingFileSystem()
        with opened_fast(known.directory) as store:
            before = loaded(store, known)
        try:
            with EventStore(FileBackend(known.directory, create=False, fs=fs), model=dict) as store:
                fs.left = nth
                store.repair(apply=True)
                finished = fs.left > 1
                fs.left = -1
        except EventStoreError:
            finished = False
        with opened_fast(known.directory) as store:
            assert before.items() <= loaded(store, known).items(), nth
            if not finished:
                store.repair(apply=True)
        check_repaired(known, before, nth)
        if finished:
            assert nth > 5
            return
    pytest.fail("the repair never came to its end")


def test_a_log_that_grows_meanwhile_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What somebody saved between looking and mending is not lost: the repair is refused."""
    known = make(tmp_path / "store")
    data = bytearray(known.bytes)
    data[known.ends[2] + 44 : known.ends[2] + 80] = bytes(36)
    overwrite(known.log, bytes(data))
    plan = Repairer._plan

    def late(self: Repairer, *given: Any) -> Any:
        made = plan(self, *given)
        with opened(known.directory) as other:
            other.save_states("a", {"session": SIXTH})
        return made

    with opened(known.directory) as store:
        monkeypatch.setattr(Repairer, "_plan", late)
        (log,) = store.repair(["a"], apply=True).hurt
        assert "meanwhile" in log.error
        monkeypatch.undo()
        assert store.load_bytes("a") == SIXTH
        assert store.repair(["a"], apply=True).hurt[0].after == "repaired"
        assert store.load_bytes("a") == SIXTH


def test_without_apply_nothing_is_touched(tmp_path: Path) -> None:
    """A dry run changes no byte of the store's logs and keeps nothing aside."""
    known = make(tmp_path / "store")
    damage_both(known)
    before = known.log.read_bytes()
    with opened(known.directory) as store:
        (log,) = store.repair().hurt
    assert log.done and log.lost == ((2, 2), (5, 5))
    assert known.log.read_bytes() == before
    assert not (known.directory / "lost+found").exists()


def test_lost_states_are_named_as_lost(tmp_path: Path) -> None:
    """What a repair gave up is an error that says so, and carries on as such in later versions."""
    known = make(tmp_path / "store")
    data = bytearray(known.bytes)
    data[known.ends[1] : known.ends[2]] = bytes(known.ends[2] - known.ends[1])
    overwrite(known.log, bytes(data))
    with opened(known.directory) as store:
        store.repair(apply=True)
        with pytest.raises(CorruptError, match="a repair gave it up"):
            store.load("a", at=2)
        with pytest.raises(CorruptError, match="a repair gave it up"):
            store.load_part("a", "trace_events")
        store.save_states("a", {"session": SIXTH})
        with pytest.raises(CorruptError, match="a repair gave it up"):
            store.load_part("a", "trace_events")
        store.save_states("a", {"trace_events": b"[8]"})
        assert store.load_part("a", "trace_events") == [8]
        store.delete("a")
        store.undelete("a")
        assert store.load_part("a", "trace_events") == [8]
        assert store.verify(deep=True).is_sound


def test_a_lost_part_does_not_come_back_as_something_else(tmp_path: Path) -> None:
    """An undelete of a session with a lost part brings back the others, and nothing for it."""
    known = make(tmp_path / "store")
    data = bytearray(known.bytes)
    data[known.ends[1] : known.ends[2]] = bytes(known.ends[2] - known.ends[1])
    overwrite(known.log, bytes(data))
    with opened(known.directory) as store:
        store.repair(apply=True)
        store.save_states("a", {"session": SIXTH})
        store.delete("a")
        store.undelete("a")
        assert store.load_bytes("a") == SIXTH
        assert store.load_part("a", "trace_events") is None
        assert store.verify(deep=True).is_sound


def test_a_crash_behind_a_repair_is_only_a_torn_tail(tmp_path: Path) -> None:
    """A log with a gap survives a save that a crash cut off, as any other log does."""
    known = make(tmp_path / "store")
    damage_both(known)
    with opened(known.directory) as store:
        store.repair(apply=True)
    drop_index(known.directory)
    with known.log.open("ab") as file:
        file.write(b"\x89ESL half a frame")
    with opened(known.directory) as store:
        assert store.save_states("a", {"session": SIXTH}).version == 7
        assert store.verify(deep=True).is_sound


def test_damage_to_a_repaired_log_is_new_damage(tmp_path: Path) -> None:
    """What a repair told of is no excuse for what is damaged later."""
    known = make(tmp_path / "store")
    damage_both(known)
    with opened(known.directory) as store:
        store.repair(apply=True)
        end = store.version("a", 3).stored
        assert end
    data = bytearray(known.log.read_bytes())
    data[known.ends[2] + 50 : known.ends[2] + 80] = bytes(30)
    overwrite(known.log, bytes(data))
    with opened(known.directory) as store:
        assert not store.verify().is_sound
        assert store.repair(apply=True).hurt[0].lost == ((3, 3),)
        assert store.verify(deep=True).is_sound


@pytest.mark.parametrize("version", [1, 3, 4])
def test_a_table_is_believed_only_where_something_proves_it(tmp_path: Path, version: int) -> None:
    """Wherever a table is damaged, a repaired version has the parts it had, or they are lost."""
    known = make(tmp_path / "store")
    frame = known.ends[version - 1]
    commit, table = (int.from_bytes(known.bytes[frame + at :][:2], "little") for at in (8, 10))
    kept = 0
    for offset in range(frame + 40 + commit, frame + 40 + commit + table):
        data = bytearray(known.bytes)
        data[offset] ^= 0x21
        data[frame + 40 + commit + table] ^= 0x21  # A single wrong bit would be healed.
        overwrite(known.log, bytes(data))
        drop_index(known.directory)
        with opened_fast(known.directory) as store:
            (log,) = store.repair(["a"], apply=True).logs
            if log.error:
                assert version == 1
                continue
            kept += not log.lost
            for number in range(1, known.newest + 1):
                if (number, number) in log.lost:
                    continue
                assert store.version("a", number).parts.keys() == known.states[number].keys()
                for part, state in known.states[number].items():
                    found = known.read(store, part, number)
                    assert found == state or isinstance(found, CorruptError), (offset, number)
        check_alike(known.directory)
    assert kept


def test_a_session_whose_salt_is_lost_is_left_readable(tmp_path: Path) -> None:
    """Without the first frame nothing can be added: the log is left alone, and it is said why."""
    known = make(tmp_path / "store")
    data = bytearray(known.bytes)
    data[: known.ends[1]] = bytes(known.ends[1])
    overwrite(known.log, bytes(data))
    with opened(known.directory) as store:
        (log,) = store.repair(apply=True).hurt
        assert log.error and log.next
        assert known.read(store, "trace_events", 2) == b"[2]"
    assert known.log.read_bytes() == bytes(data)


def test_memory_stores_have_nothing_to_repair() -> None:
    """A store in memory is verified and repaired like any other, and finds nothing."""
    with EventStore.open("memory://", model=dict) as store:
        store.save({"id": "a"})
        report: RepairReport = store.repair(apply=True)
        assert (report.hurt, len(report.logs)) == ((), 1)
        with pytest.raises(InvalidInputError):
            store.repair([""])


def test_other_sessions_do_not_notice(tmp_path: Path) -> None:
    """While one session is damaged and repaired, another is saved and loaded as ever."""
    known = make(tmp_path / "store")
    damage_both(known)
    other = log_path(known.directory, "b").read_bytes()
    with opened(known.directory) as store:
        assert store.load("b") == {"id": "b", "n": 1}
        store.repair(apply=True)
        assert log_path(known.directory, "b").read_bytes() == other
        assert store.save({"id": "b", "n": 2}).version == 2


@pytest.mark.parametrize("durability", ["sync", "unsafe_os"])
def test_what_a_repair_gave_up_is_missed_by_nobody(tmp_path: Path, durability: str) -> None:
    """Stores that are open beside a repair, or opened before it is closed, see damage no more."""
    location = tmp_path / "store"
    with EventStore.open(location, model=dict, durability=durability) as store:
        for number in range(3):
            store.save({"id": "a", "n": number})
        store.sync()
    next((location / "logs").rglob("*.log")).unlink()
    with (
        EventStore.open(location, model=dict) as beside,
        EventStore.open(location, model=dict, durability=durability) as mending,
    ):
        with pytest.raises(CorruptError):
            beside.load("a")
        (log,) = mending.repair(apply=True).logs
        assert (log.before, log.after) == ("missing", "repaired")
        with EventStore.open(location, model=dict) as later:
            for store in (beside, later, mending):
                assert store.load("a") is None
                assert store.list() == []
                assert store.verify(deep=True).is_sound
            assert later.save({"id": "a", "n": 4}).version == 5
