"""Space zeroed ahead of a log's end: invisible, bounded, given back, and no part of the log."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from eventstore import CorruptError, EventStore
from eventstore.backends.log_file import AHEAD_MAX
from tests.crash.stores import log_path
from tests.second_reader import read_log

BLOCK = 4096


def document(number: int, size: int = 300) -> dict[str, object]:
    """Return a state that compresses badly."""
    return {"id": "s", "n": number, "noise": random.Random(number).randbytes(size).hex()}


def grown(directory: Path, count: int) -> tuple[bytes, list[int]]:
    """Return the file of a log while it is being saved to, and where its frames end."""
    ends = [0]
    with EventStore.open(directory, model=dict) as store:
        for number in range(1, count + 1):
            ends.append(ends[-1] + store.save(document(number)).stored)
        return log_path(directory, "s").read_bytes(), ends


def test_a_log_that_is_saved_to_again_has_space_ahead(tmp_path: Path) -> None:
    """Zeros follow the second frame, few enough, and are gone when the store is closed."""
    data, ends = grown(tmp_path / "store", 5)
    assert ends[-1] < len(data) <= ends[-1] + AHEAD_MAX + BLOCK
    assert not data[ends[-1] :].strip(b"\0")
    assert log_path(tmp_path / "store", "s").read_bytes() == data[: ends[-1]]


@pytest.mark.parametrize(
    ("count", "size", "durability"),
    [(1, 300, "sync"), (5, AHEAD_MAX // 16, "sync"), (5, 300, "unsafe_os")],
    ids=["one save", "large frames", "unsafe"],
)
def test_what_gains_nothing_from_space_has_none(
    tmp_path: Path, count: int, size: int, durability: str
) -> None:
    """A log saved to once, one of large frames and one that is not synced get no zeros."""
    with EventStore.open(tmp_path / "store", model=dict, durability=durability) as store:  # type: ignore[arg-type]
        stored = sum(store.save(document(number, size)).stored for number in range(count))
        assert log_path(tmp_path / "store", "s").stat().st_size == stored


def test_stores_that_take_turns_share_the_space(tmp_path: Path) -> None:
    """Two stores that save in turn overwrite each other's zeros and nothing else."""
    with (
        EventStore.open(tmp_path / "store", model=dict) as one,
        EventStore.open(tmp_path / "store", model=dict) as two,
    ):
        for number in range(1, 41):
            store = (one, two)[number % 3 == 0]
            assert store.save(document(number)).version == number
            assert (one, two)[number % 2].load("s") == document(number)
        two.close()  # Gives space back that the other still counts on.
        assert one.save(document(41)).version == 41
        assert [one.load("s", at=n) for n in range(1, 42)] == [document(n) for n in range(1, 42)]


def test_zeros_left_by_a_killed_process_are_no_damage(tmp_path: Path) -> None:
    """Whatever number of zeros a log ends with, its versions load and the next save works."""
    data, ends = grown(tmp_path / "store", 3)
    path = log_path(tmp_path / "store", "s")
    for zeros in (1, 39, 40, 41, BLOCK, 3 * 64 * 1024):
        path.write_bytes(data[: ends[3]] + bytes(zeros))
        with EventStore.open(tmp_path / "store", model=dict) as store:
            assert store.load("s") == document(3)
            assert store.save(document(4)).version == 4
        assert not (tmp_path / "store" / "lost+found").exists()
        assert len(read_log(path.read_bytes()).versions) == 4
        for derived in tmp_path.glob("store/index.db*"):
            derived.unlink()


def test_a_frame_torn_in_zeroed_space_is_cut(tmp_path: Path) -> None:
    """Whichever blocks of an unacknowledged frame survive, the version before it is the newest."""
    data, ends = grown(tmp_path / "store", 4)
    path = log_path(tmp_path / "store", "s")
    noise = random.Random(7)
    frame = data[ends[3] : ends[4]]
    for _ in range(60):
        cut = sorted(noise.sample(range(len(frame)), 2))
        torn = bytearray(frame)
        lost = noise.choice([(0, cut[0]), (cut[0], cut[1]), (cut[1], len(frame))])
        torn[slice(*lost)] = bytes(lost[1] - lost[0])
        path.write_bytes(data[: ends[3]] + torn + bytes(BLOCK))
        for derived in tmp_path.glob("store/index.db*"):
            derived.unlink()
        with EventStore.open(tmp_path / "store", model=dict) as store:
            assert store.load("s") == document(3), lost
            assert store.save(document(5)).version == 4, lost
        with EventStore.open(tmp_path / "store", model=dict) as store:
            assert [v.version for v in store.history("s")] == [4, 3, 2, 1], lost
            assert store.load("s") == document(5), lost


def test_acknowledged_bytes_that_became_zeros_are_damage(tmp_path: Path) -> None:
    """A last frame that was acknowledged and reads as zeros now is missed aloud."""
    data, ends = grown(tmp_path / "store", 4)
    path = log_path(tmp_path / "store", "s")
    path.write_bytes(data[: ends[3]] + bytes(ends[4] - ends[3]) + bytes(BLOCK))
    with EventStore.open(tmp_path / "store", model=dict) as store:
        with pytest.raises(CorruptError) as caught:
            store.load("s")
        assert (caught.value.session, caught.value.version) == ("s", 4)
        assert store.load("s", at=3) == document(3)
