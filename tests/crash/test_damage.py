"""Every cut and every flipped byte of a log: right states or a named error, never anything else."""

from __future__ import annotations

import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from eventstore import CorruptError, EventStore, EventStoreError, InvalidInputError
from eventstore.address import address_of
from eventstore.frame import MAGIC
from tests.crash.stores import (
    PARTS,
    Known,
    drop_index,
    log_path,
    make,
    opened,
    opened_fast,
    overwrite,
)

INDEX = pytest.mark.parametrize("index", ["with-index", "without-index"])
SIXTH = b'{"id":"a","n":6}'


@pytest.fixture
def known(tmp_path: Path) -> Known:
    """A store with a log of five versions, cleanly closed."""
    return make(tmp_path / "store")


@pytest.fixture
def small(tmp_path: Path) -> Known:
    """A store with a log of three versions, to try every byte of."""
    return make(tmp_path / "store", 3)


def flipped(known: Known, offset: int) -> bytes:
    """Return the log with one bit of one byte the other way round."""
    data = bytearray(known.bytes)
    data[offset] ^= 1 << (offset * 5 % 8)
    return bytes(data)


def fresh(known: Known, index: str, logs: Iterator[bytes]) -> Iterator[EventStore]:
    """Yield a store just opened on each of *logs*, with the index as it was or with none."""
    kept = (known.directory / "index.db").read_bytes()
    for log in logs:
        overwrite(known.log, log)
        drop_index(known.directory)
        if index == "with-index":
            (known.directory / "index.db").write_bytes(kept)
        with opened_fast(known.directory) as store:
            yield store


def check_versions(known: Known, store: EventStore, hit: int, newest: int, where: int) -> None:
    """Check every state up to *newest*: those that need frame *hit* may fail, no others."""
    for version in range(1, newest + 1):
        for part in PARTS:
            found = known.read(store, part, version)
            if isinstance(found, EventStoreError):
                assert isinstance(found, CorruptError), (where, version, part, found)
                assert known.depends(version, part, hit), (where, version, part, found)
            else:
                assert found == known.states[version].get(part), (where, version, part)


def check_history(known: Known, store: EventStore, where: int) -> list[int]:
    """Check that history never says anything wrong, and return the versions it gave."""
    given = []
    try:
        for version in store.history("a"):
            given.append(version.version)
            assert version == known.saved[version.version], (where, version.version)
            for name, part in version.parts.items():
                state = known.states[version.version][name]
                assert part.address == address_of(state), (where, version.version, name)
    except CorruptError as error:
        assert error.session == "a", where
    return given


def check_save(known: Known, store: EventStore, whole: int, where: int) -> bool:
    """Save: either a right version is added after *whole*, or nothing changes. Say which."""
    before = known.log.read_bytes()
    try:
        version = store.save_states("a", {"session": SIXTH})
    except CorruptError as error:
        assert error.session == "a", where
        assert known.log.read_bytes() == before, where
        return False
    assert version.version == whole + 1, where
    assert store.load_bytes("a") == SIXTH, where
    assert known.log.read_bytes().startswith(before[: known.ends[whole]]), where
    return True


@INDEX
def test_a_flipped_byte_is_named_and_does_not_spread(small: Known, index: str) -> None:
    """Whichever byte of a log is flipped, only states read from its frame fail, and say so."""
    known, newest = small, small.newest
    logs = (flipped(known, offset) for offset in range(len(known.bytes)))
    for offset, store in enumerate(fresh(known, index, logs)):
        hit = known.version_of(offset)
        torn = hit == newest and index == "without-index"
        check_versions(known, store, hit, newest - (hit == newest), offset)
        head = known.read(store, "session", None)
        if hit != newest:
            if not isinstance(head, CorruptError) or not known.depends(newest, "session", hit):
                assert head == known.states[newest]["session"], offset
            assert store.exists("a"), offset
            check_history(known, store, offset)
        elif torn:
            # Nothing is left that says the last frame was ever whole: a torn tail.
            assert head == known.states[newest - 1]["session"], offset
            assert isinstance(known.read(store, "session", newest), InvalidInputError), offset
        else:
            assert isinstance(head, CorruptError), (offset, head)
            assert isinstance(known.read(store, "session", newest), CorruptError), offset
        assert store.load("b") == {"id": "b", "n": 1}, offset
        if index == "without-index" or offset % 5 == 0:
            saved = check_save(known, store, newest - torn, offset)
            assert saved or hit == 1 or not torn, offset


@INDEX
def test_relative_versions_and_times_do_not_slide_over_damage(known: Known, index: str) -> None:
    """`-1` and times mean what they meant before the newest version was damaged, or fail."""
    with opened(known.directory) as store:
        newest = store.version("a")
    assert newest is not None
    offset = len(known.bytes) - 50
    known.log.write_bytes(flipped(known, offset))
    if index == "without-index":
        drop_index(known.directory)
        with opened(known.directory) as store:
            assert store.load("a", at=-1) == {"id": "a", "n": 3}
        return
    with opened(known.directory) as store:
        for at in (-1, newest.saved_at, newest, str(newest.version), known.newest):
            with pytest.raises(CorruptError) as caught:
                store.load("a", at=at)
            assert caught.value.session == "a"
            assert caught.value.version == known.newest
        versions = store.history("a")
        assert [next(versions).version for _ in range(4)] == [4, 3, 2, 1]
        with pytest.raises(CorruptError):
            list(store.history("a"))


@INDEX
def test_a_cut_log_keeps_what_is_whole(small: Known, index: str) -> None:
    """Wherever a log is cut, whole versions load; what the index knew of is missed aloud."""
    known = small
    logs = (known.bytes[:size] for size in range(len(known.bytes)))
    lost = known.directory / "lost+found"
    for size, store in enumerate(fresh(known, index, logs)):
        whole = known.complete_at(size)
        check_versions(known, store, 0, whole, size)
        assert store.load("b") == {"id": "b", "n": 1}, size
        head = known.read(store, "session", None)
        beyond = known.read(store, "session", whole + 1)
        if index == "with-index":
            assert isinstance(head, CorruptError), (size, head)
            assert head.version == whole + 1, size
            assert isinstance(beyond, CorruptError), (size, beyond)
            assert not check_save(known, store, whole, size), size
            assert not lost.exists(), size
            continue
        assert head == known.states[whole].get("session"), size
        assert beyond is None if not whole else isinstance(beyond, InvalidInputError), size
        assert store.exists("a") is bool(whole), size
        assert check_history(known, store, size) == list(range(whole, 0, -1)), size
        # A torn tail: kept aside by the next save, which works.
        assert check_save(known, store, whole, size), size
        tail = known.bytes[known.ends[whole] : size].rstrip(b"\0")  # Zeros are space.
        kept = [path.read_bytes() for path in lost.iterdir()] if lost.exists() else []
        assert kept == ([tail] if tail else []), size
        shutil.rmtree(lost, ignore_errors=True)


def test_what_follows_a_torn_tail_is_there_for_the_next_process(known: Known) -> None:
    """A version saved over a torn tail loads in a fresh store, with all those before it."""
    for size in range(known.ends[4] + 1, known.ends[5], 60):
        overwrite(known.log, known.bytes[:size])
        drop_index(known.directory)
        with opened(known.directory) as store:
            assert check_save(known, store, 4, size)
        with opened(known.directory) as store:
            assert store.load_bytes("a") == SIXTH
            check_versions(known, store, 0, 4, size)
            assert [v.version for v in store.history("a")] == [5, 4, 3, 2, 1]


def test_a_save_never_cuts_what_the_index_knows_was_durable(known: Known) -> None:
    """Where the index says that the bytes were acknowledged, a save is refused and cuts nothing."""
    for size in range(0, len(known.bytes), 7):
        known.log.write_bytes(known.bytes[:size])
        with opened(known.directory) as store, pytest.raises(CorruptError) as caught:
            store.save_states("a", {"session": SIXTH})
        assert caught.value.session == "a", size
        assert known.log.read_bytes() == known.bytes[:size], size
    assert not (known.directory / "lost+found").exists()


def test_a_later_frame_proves_that_damage_is_no_torn_tail(known: Known) -> None:
    """With the last two frames damaged, the one between them and the end is evidence enough."""
    drop_index(known.directory)
    data = bytearray(known.bytes)
    data[known.ends[2] + 60] ^= 1
    data[-60] ^= 1
    known.log.write_bytes(data)
    with opened(known.directory) as store:
        head = known.read(store, "session", None)
        assert isinstance(head, CorruptError)
        assert head.version == 3
        with pytest.raises(CorruptError):
            store.save_states("a", {"session": SIXTH})
        check_versions(known, store, 3, 4, 0)
    assert known.log.read_bytes() == bytes(data)


def test_versions_between_two_damaged_headers_still_load(tmp_path: Path) -> None:
    """A sound frame is found although the frames before and after it have lost their headers."""
    noise = random.Random(5)
    log, ends = log_path(tmp_path / "store", "a"), [0]
    with EventStore.open(tmp_path / "store", model=dict) as store:
        for _ in range(5):
            version = store.save({"id": "a", "noise": noise.randbytes(300).hex()})
            ends.append(ends[-1] + version.stored)
    data = bytearray(log.read_bytes())
    data[ends[1] + 8] ^= 1
    data[ends[3] + 8] ^= 1
    log.write_bytes(data)
    with opened(tmp_path / "store") as store:
        for version in (1, 3, 5):
            assert store.load("a", at=version)["id"] == "a"
        for version in (2, 4):
            with pytest.raises(CorruptError) as caught:
                store.load("a", at=version)
            assert caught.value.version == version


@pytest.mark.parametrize("boots", [1, 2], ids=["same-boot", "after-reboot"])
@pytest.mark.parametrize("size", ["in-a-frame", "between-frames", "nothing"])
def test_listing_keeps_the_evidence_of_damage(known: Known, size: str, boots: int) -> None:
    """A full check of the index marks a damaged session and does not forget what was durable."""
    with opened(known.directory) as store:
        assert store.list() == ["a", "b"]
    end = known.ends[3]
    known.log.write_bytes(
        known.bytes[: {"in-a-frame": end + 9, "between-frames": end, "nothing": 0}[size]]
    )
    for _ in range(boots):
        with opened(known.directory) as store:
            if boots == 2:
                store._catalog.index._tables.distrust()
            assert store.list() == ["a", "b"]
            assert {info.id for info in store.sessions()} == {"a", "b"}
            damaged = [info.id for info in store.sessions() if info.damaged]
            assert damaged == (["a"] if boots == 2 else [])
    with opened(known.directory) as store:
        assert isinstance(known.read(store, "session", None), CorruptError)
        with pytest.raises(CorruptError):
            store.save_states("a", {"session": SIXTH})


def test_a_damaged_session_is_listed_and_the_others_are_right(known: Known) -> None:
    """Making the index anew over any flipped byte lists every session and never fails."""
    for offset in range(0, len(known.bytes), 11):
        known.log.write_bytes(flipped(known, offset))
        drop_index(known.directory)
        with opened(known.directory) as store:
            assert store.list() == ["a", "b"], offset
            info = {i.id: i for i in store.sessions()}
            assert info["b"].version == 1, offset
            assert info["a"].damaged or info["a"].version in (4, 5), offset


def test_a_lost_log_file_is_missed(known: Known) -> None:
    """A log file that is gone although the index knows it is damage, not an unknown session."""
    log_path(known.directory, "a").unlink()
    with opened(known.directory) as store:
        assert isinstance(known.read(store, "session", None), CorruptError)
        with pytest.raises(CorruptError):
            store.save_states("a", {"session": b'{"id":"a"}'})
        with pytest.raises(CorruptError):
            store.exists("a")


def test_history_is_not_led_to_another_state(tmp_path: Path) -> None:
    """A pointer to an unchanged part that leads to another sound frame is damage, not history."""
    directory = tmp_path / "store"
    with EventStore.open(directory, model=dict) as store:
        for number, state in enumerate((b"[1]", b"[2]", b"[3]")):
            store.save_states(
                "a", {"session": b'{"id":"a","n":%d}' % number, "trace_events": state}
            )
        for number in range(3, 6):
            store.save_states("a", {"session": b'{"id":"a","n":%d}' % number})
        expected = [v.parts["trace_events"].address for v in store.history("a")]
    log = log_path(directory, "a")
    data = log.read_bytes()
    starts = [at for at in range(len(data)) if data[at : at + 4] == MAGIC]
    for frame in (3, 4):
        right, wrong = (leb128(starts[frame] - starts[holder]) for holder in (2, 1))
        name = data.index(b"\x0ctrace_events\x00" + right, starts[frame])
        assert len(right) == len(wrong)
        at = name + len(b"\x0ctrace_events\x00")
        log.write_bytes(data[:at] + wrong + data[at + len(wrong) :])
        with opened(directory) as store:
            given = []
            with pytest.raises(CorruptError) as caught:
                given.extend(v.parts["trace_events"].address for v in store.history("a"))
            assert caught.value.version == frame + 1
            assert given == expected[: len(given)]
            assert store.load("a") == {"id": "a", "n": 5}


def leb128(number: int) -> bytes:
    """Return a number as tables have it."""
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    return bytes([*out, number])
