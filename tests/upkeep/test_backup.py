"""Backing up: whatever is copied, however, while whoever writes: it opens, and it verifies."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from eventstore import EventStore, InvalidInputError
from tests.crash.stores import log_path, overwrite

ROOT = Path(__file__).resolve().parents[2]

WRITER = """
import sys
from eventstore import EventStore
with EventStore.open(sys.argv[1], model=dict) as store:
    print("ready", flush=True)
    number = 0
    while True:
        number += 1
        session = f"s{number % 5}"
        if number % 37 == 0:
            store.delete(session)
        store.save({"id": session, "n": number, "text": "x" * (number * 37 % 4000)})
"""


def save(directory: Path, count: int, *, start: int = 0) -> None:
    """Save some versions of two sessions."""
    with EventStore.open(directory, model=dict) as store:
        for number in range(start, start + count):
            for session in ("a", "b"):
                store.save({"id": session, "n": number, "text": f"{number} " * 50})


def history(directory: Path) -> dict[str, list[str]]:
    """Return the commits of every session."""
    with EventStore.open(directory, model=dict, create=False) as store:
        return {id: [version.commit for version in store.history(id)] for id in store.list()}


def test_a_backup_is_the_store_and_so_is_what_is_restored_from_it(tmp_path: Path) -> None:
    """Backed up and restored, every session has the same commits, and is found sound."""
    save(tmp_path / "store", 8)
    with EventStore.open(tmp_path / "store", model=dict) as store:
        told: list[tuple[int, int]] = []
        report = store.backup(
            tmp_path / "copy", progress=lambda _, done, total: told.append((done, total))
        )
        assert [log.state for log in report.logs] == ["added", "added"]
        assert told[-1][0] == told[-1][1] == report.size
    with EventStore.open(tmp_path / "copy", model=dict) as copy:
        assert copy.verify(deep=True).is_sound
        assert copy.backup(tmp_path / "restored", deep=True).refused == ()
    assert history(tmp_path / "restored") == history(tmp_path / "store")


def test_a_second_backup_writes_only_what_is_new(tmp_path: Path) -> None:
    """What is there already is compared, not written, and the index of the backup keeps up."""
    save(tmp_path / "store", 5)
    with EventStore.open(tmp_path / "store", model=dict) as store:
        first = store.backup(tmp_path / "copy")
        assert history(tmp_path / "copy") == history(tmp_path / "store")
        stored = [store.save({"id": "a", "n": 99}).stored, store.save({"id": "new"}).stored]
        second = store.backup(tmp_path / "copy")
        assert sorted(log.state for log in second.logs) == ["added", "added", "same"]
        assert second.size == sum(stored) < first.size
        assert store.backup(tmp_path / "copy").size == 0
    assert history(tmp_path / "copy") == history(tmp_path / "store")
    with EventStore.open(tmp_path / "copy", model=dict) as copy:
        assert copy.list() == ["a", "b", "new"]
        assert copy.verify().is_sound


def test_a_backup_is_never_overwritten_by_less(tmp_path: Path) -> None:
    """A store that lost versions, or is another, leaves the backup as it is and says so."""
    save(tmp_path / "store", 5)
    older = log_path(tmp_path / "store", "a").read_bytes()
    save(tmp_path / "store", 3, start=5)
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.backup(tmp_path / "copy")
    before = history(tmp_path / "copy")
    overwrite(log_path(tmp_path / "store", "a"), older)
    for path in (tmp_path / "store").glob("index.db*"):
        path.unlink()
    save(tmp_path / "another", 12)
    for name in ("store", "another"):
        with EventStore.open(tmp_path / name, model=dict) as store:
            report = store.backup(tmp_path / "copy")
        assert "a" in {log.session for log in report.refused}
        assert history(tmp_path / "copy") == before


@pytest.mark.damage
def test_damage_is_not_backed_up(tmp_path: Path) -> None:
    """A damaged log leaves its good backup alone, and the others are backed up."""
    save(tmp_path / "store", 5)
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.backup(tmp_path / "copy")
    good = log_path(tmp_path / "copy", "a").read_bytes()
    save(tmp_path / "store", 1, start=7)
    data = bytearray(log_path(tmp_path / "store", "a").read_bytes())
    data[300] ^= 1
    overwrite(log_path(tmp_path / "store", "a"), bytes(data))
    with EventStore.open(tmp_path / "store", model=dict) as store:
        report = store.backup(tmp_path / "copy")
        assert [log.session for log in report.refused] == ["a"]
    assert log_path(tmp_path / "copy", "a").read_bytes() == good
    with EventStore.open(tmp_path / "copy", model=dict) as copy:
        assert copy.version("b").version == 6


def test_a_compacted_log_replaces_its_backup(tmp_path: Path) -> None:
    """The same commits in other bytes take the place of the old ones in the backup."""
    texts: list[str] = []
    for number in range(60):  # Each writer starts a stream of its own, which compaction joins.
        texts.append(" ".join(f"word{number * step % 97}" for step in range(60)))
        with EventStore.open(tmp_path / "store", model=dict) as store:
            store.save({"id": "a", "texts": texts})
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.backup(tmp_path / "copy")
        assert any(log.is_changed for log in store.compact().logs)
        (log,) = store.backup(tmp_path / "copy").logs
        assert log.state == "replaced"
    assert history(tmp_path / "copy") == history(tmp_path / "store")
    with EventStore.open(tmp_path / "copy", model=dict) as copy:
        assert copy.verify(deep=True).is_sound


@pytest.mark.parametrize("how", ["files-in-any-order", "backup"])
def test_a_copy_made_beside_a_writer_is_sound(tmp_path: Path, how: str) -> None:
    """Copied while another process saves, a store opens, verifies and has all from before."""
    directory = tmp_path / "store"
    save(directory, 3)
    before = history(directory)
    writer = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(directory)],
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    try:
        assert writer.stdout is not None
        writer.stdout.readline()
        for turn in range(4):
            copy = tmp_path / f"copy{turn}"
            if how == "backup":
                with EventStore.open(directory, model=dict) as store:
                    assert store.backup(copy).refused == ()
            else:
                copy_files(directory, copy, random.Random(turn))
            with EventStore.open(copy, model=dict) as store:
                assert store.verify(deep=True).is_sound
                for session, commits in before.items():
                    assert [v.commit for v in store.history(session)][-3:] == commits
                store.save({"id": "a", "n": -1})
    finally:
        writer.kill()
        writer.communicate()


def copy_files(source: Path, target: Path, chance: random.Random) -> None:
    """Copy a store file by file, in any order, without what is derived."""
    files = [path for path in source.rglob("*") if path.is_file()]
    chance.shuffle(files)
    for path in files:
        name = path.relative_to(source)
        if name.parts[0].startswith("index.db") or name.parts[0] == "marks":
            continue
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target / name)


def test_backing_up_beside_compaction(tmp_path: Path) -> None:
    """A log that is replaced while it is copied arrives as one of the two, never as a mixture."""
    directory = tmp_path / "store"
    save(directory, 20)
    stop = threading.Event()

    def compact() -> None:
        with EventStore.open(directory, model=dict) as store:
            number = 100
            while not stop.is_set():
                for _ in range(20):
                    number += 1
                    store.save({"id": "a", "n": number, "text": f"{number} " * 60})
                store.compact()

    worker = threading.Thread(target=compact)
    worker.start()
    try:
        for _ in range(5):
            with EventStore.open(directory, model=dict) as store:
                report = store.backup(tmp_path / "copy")
            with EventStore.open(tmp_path / "copy", model=dict) as copy:
                assert copy.verify(deep=True).is_sound, report
    finally:
        stop.set()
        worker.join()


def test_a_store_is_not_backed_up_into_itself(tmp_path: Path) -> None:
    """The store itself, or memory, is no place for a backup."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        for target in (tmp_path / "store", "memory://"):
            with pytest.raises(InvalidInputError):
                store.backup(target)
