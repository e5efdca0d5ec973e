"""Verifying: what is damaged is named, what is sound is left in peace, and both are remembered."""

from __future__ import annotations

import asyncio
import errno
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from eventstore import AsyncEventStore, EventStore, InvalidInputError
from eventstore.backends.file import FileBackend
from eventstore.frame import decode_frame
from eventstore.fs import OsFileSystem
from eventstore.log_chain import ChainReader
from eventstore.rebuilder import Rebuilder
from eventstore.verify import VerifyReport
from tests.crash.forge import sound_log, with_members, with_pieces
from tests.crash.stores import Known, drop_index, log_path, make, opened, opened_fast, overwrite

pytestmark = pytest.mark.damage

DEPTH = pytest.mark.parametrize("deep", [False, True], ids=["quick", "deep"])


@pytest.fixture
def known(tmp_path: Path) -> Known:
    """A store with a log of five versions, cleanly closed."""
    return make(tmp_path / "store")


def states(report: VerifyReport) -> dict[str, str]:
    """Return what each session that is not simply sound was found to be."""
    return {log.session: log.state for log in report.logs}


def grow(store: EventStore, session: str, count: int) -> None:
    """Save a session again and again, each time with one message more."""
    messages: list[dict[str, object]] = []
    for number in range(count):
        messages.append({"n": number, "text": f"message {number} " * 5})
        store.save({"id": session, "messages": messages})


@DEPTH
def test_a_sound_store_is_sound(tmp_path: Path, deep: bool) -> None:
    """A store with edits, deletes and undeletes of several parts is found sound, all of it."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        for number in range(30):
            store.save({"id": "a", "n": number, "text": "x" * number}, parts={"mine": [number % 7]})
            if number % 9 == 4:
                store.delete("a")
                if number % 2:
                    store.undelete("a")
        grow(store, "b", 20)
        report = store.verify(deep=deep)
        total = sum(path.stat().st_size for path in (tmp_path / "store").glob("logs/*/*.log"))
        assert (report.exit_code, report.is_sound, report.logs) == (0, True, ())
        assert report.checked == report.sessions == 2
        assert report.versions == 20 + store.version("a").version
        assert 0 < report.size <= total


@pytest.mark.parametrize("index", ["with-index", "without-index"])
def test_every_flipped_byte_is_found_and_placed(tmp_path: Path, index: str) -> None:
    """Whichever byte is flipped, the report names its version, no other, and what needs it."""
    known = make(tmp_path / "store", 3)
    kept = (known.directory / "index.db").read_bytes()
    for offset in range(0, len(known.bytes), 7):
        data = bytearray(known.bytes)
        data[offset] ^= 1 << (offset * 5 % 8)
        overwrite(known.log, bytes(data))
        drop_index(known.directory)
        if index == "with-index":
            (known.directory / "index.db").write_bytes(kept)
        with opened_fast(known.directory) as store:
            report = store.verify(["a"])
        (log,) = report.logs
        hit = known.version_of(offset)
        if hit == known.newest and index == "without-index":
            # Nothing is left that says the last frame was ever whole.
            assert (log.state, log.newest, report.exit_code) == ("torn", hit - 1, 0), offset
            continue
        assert (log.state, report.exit_code) == ("damaged", 1), offset
        place = next(f for f in log.findings if f.kind == "bytes")
        assert place.versions == ((hit, hit),), offset
        assert place.start == known.ends[hit - 1], offset
        assert place.stop == known.ends[hit], offset
        hurt = {(f.part, v) for f in log.findings if f.kind == "state" for v in span(f.versions)}
        for version in range(hit + 1, known.newest + 1):
            for part in known.states[version]:
                expected = known.depends(version, part, hit)
                assert ((part, version) in hurt) is expected, (offset, version, part)


def span(runs: tuple[tuple[int, int], ...]) -> set[int]:
    """Return the numbers in some runs."""
    return {number for first, last in runs for number in range(first, last + 1)}


def test_only_deep_finds_a_state_that_is_not_what_its_address_says(tmp_path: Path) -> None:
    """A frame with a right digest and a wrong body passes quickly, and is found deeply."""
    first, second = sound_log(b'{"id":"a","n":1}', b'{"id":"a","n":2}')
    (other,) = sound_log(b'{"id":"a","n":9}')
    position = len(first)
    wrong = decode_frame(other, 0).bodies
    right = decode_frame(second, position)
    assert len(wrong) == len(right.bodies)
    forged = with_pieces(second, bodies=wrong, position=position)
    directory = tmp_path / "store"
    with EventStore.open(directory, model=dict) as store:
        store.save({"id": "b"})
    path = log_path(directory, "a")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(first + forged)
    with opened(directory) as store:
        store.list()
        drop_index(directory)
    with opened(directory) as store:
        assert store.verify(["a"]).is_sound
        report = store.verify(["a"], deep=True)
    (finding,) = report.logs[0].findings
    assert (finding.kind, finding.part, finding.versions) == ("state", "session", ((2, 2),))
    assert report.exit_code == 1


def test_a_forged_commit_breaks_the_chain(tmp_path: Path) -> None:
    """A frame that passes every checksum but is not the commit that the next one names is found."""
    frames = sound_log(*(b'{"id":"a","n":%d}' % n for n in range(4)))
    place = len(frames[0])
    forged = with_members(frames[1], place, time=7)
    assert len(forged) == len(frames[1])
    directory = tmp_path / "store"
    with EventStore.open(directory, model=dict) as store:
        store.save({"id": "b"})
    path = log_path(directory, "a")
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(frames[0] + forged + frames[2] + frames[3])
    with opened(directory) as store:
        (log,) = store.verify(["a"]).logs
    place_found = next(f for f in log.findings if f.kind == "bytes")
    assert place_found.versions == ((2, 2),)
    assert "next names" in place_found.text


def test_a_deep_look_decodes_a_chain_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rebuilding every version of a chain reads no chain for itself, also over several writers."""
    for _ in range(3):
        with EventStore.open(tmp_path / "store", model=dict) as store:
            grow(store, "a", 60)
    rebuilt = []
    check = Rebuilder.check
    monkeypatch.setattr(
        Rebuilder, "check", lambda self, row, body: rebuilt.append(row) or check(self, row, body)
    )
    monkeypatch.setattr(ChainReader, "steps", lambda self: pytest.fail("a chain was read alone"))
    with opened(tmp_path / "store") as store:
        assert store.verify(deep=True).is_sound
    assert len(rebuilt) == 180


def test_what_was_verified_is_remembered(known: Known) -> None:
    """Sound logs are due only after a time, quick looks are not deep ones, damage stays due."""
    with opened(known.directory) as store:
        assert store.stats().verified_at is None
        assert store.stats().unverified == 2
        assert store.verify(["a"]).checked == 1
        assert store.stats().unverified == 1
        assert store.verify(older_than=timedelta(days=1)).checked == 1
        assert store.stats().unverified == 0
        assert store.stats().verified_at is not None
        assert store.verify(older_than=timedelta(days=1)).checked == 0
        assert store.verify(older_than=timedelta(0)).checked == 2
        assert store.verify(older_than=timedelta(days=1), deep=True).checked == 2
        assert store.verify(older_than=timedelta(days=1), deep=True).checked == 0
    data = bytearray(known.bytes)
    data[700] ^= 1
    overwrite(known.log, bytes(data))
    drop_index(known.directory)
    with opened(known.directory) as store:
        assert states(store.verify()) == {"a": "damaged"}
        report = store.verify(older_than=timedelta(days=1))
        assert (report.checked, states(report)) == (1, {"a": "damaged"})


def test_samples_come_round_to_every_log(tmp_path: Path) -> None:
    """A sample takes those that were not looked at for longest, so that all have their turn."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        for number in range(20):
            store.save({"id": f"s{number}"})
        for turn in range(1, 5):
            assert store.verify(sample=0.25).checked == 5
            assert store.stats().unverified == 20 - 5 * turn
        for sample in (0, -0.5, 1.5):
            with pytest.raises(InvalidInputError):
                store.verify(sample=sample)


def test_an_interrupted_run_is_resumed(tmp_path: Path) -> None:
    """What was looked at before an interruption is not looked at again, and nothing is left out."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        for number in range(10):
            store.save({"id": f"s{number}"})
        store.verify()
        seen: list[str] = []

        def interrupt(session: str, done: int, total: int) -> None:
            assert done <= total
            if session not in seen:
                seen.append(session)
            if len(seen) == 5:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            store.verify(progress=interrupt)
        assert store.verify(resume=True).checked == 10 - 4
        # The run ended, so there is nothing to resume any more.
        assert store.verify(resume=True).checked == 10


def test_a_log_that_is_being_written_is_not_called_damaged(tmp_path: Path) -> None:
    """Verifying beside writers, in this process and through another store, finds nothing."""
    directory = tmp_path / "store"
    stop = threading.Event()

    def write() -> None:
        with EventStore.open(directory, model=dict) as store:
            number = 0
            while not stop.is_set():
                number += 1
                store.save({"id": f"s{number % 3}", "n": number, "text": "x" * (number % 5000)})

    with EventStore.open(directory, model=dict) as store:
        writer = threading.Thread(target=write)
        writer.start()
        try:
            reports = [store.verify(deep=number % 2 == 1) for number in range(20)]
        finally:
            stop.set()
            writer.join()
    assert [log for report in reports for log in report.logs if not log.is_sound] == []


class RefusingFileSystem(OsFileSystem):
    """A disk that will not open one log."""

    def open(self, path: Path | str, *, write: bool = False, create: bool = False) -> int:
        """Refuse the log of `a`."""
        if Path(path).name == "a.log":
            raise OSError(errno.EIO, "Input/output error")
        return super().open(path, write=write, create=create)


def test_what_cannot_be_looked_at_is_neither_sound_nor_damaged(known: Known) -> None:
    """A log that the medium will not give gives exit code 2, and the others are verified."""
    backend = FileBackend(known.directory, create=False, fs=RefusingFileSystem())
    with EventStore(backend, model=dict) as store:
        report = store.verify()
    assert states(report) == {"a": "unreadable"}
    assert (report.exit_code, report.checked, report.is_sound) == (2, 2, False)


def test_a_session_that_was_never_saved_is_refused(known: Known) -> None:
    """An id without a log is bad input, not a sound log."""
    with opened(known.directory) as store, pytest.raises(InvalidInputError):
        store.verify(["nobody"])


def test_nothing_is_changed_by_looking(known: Known) -> None:
    """Verifying a damaged store leaves every byte of its logs as it is."""
    data = bytearray(known.bytes + b"torn")
    data[700] ^= 1
    overwrite(known.log, bytes(data))
    with opened(known.directory) as store:
        store.verify(deep=True)
    assert known.log.read_bytes() == bytes(data)
    assert not (known.directory / "lost+found").exists()


async def _verified(directory: Path) -> VerifyReport:
    """Verify through the asynchronous store."""
    async with AsyncEventStore.open(directory, model=dict) as store:
        return await store.verify(deep=True)


def test_the_asynchronous_store_verifies_too(known: Known) -> None:
    """It gives the same report."""
    assert asyncio.run(_verified(known.directory)).versions == 6
