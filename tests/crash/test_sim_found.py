"""What the simulated disk found once: each of these crashes lost or hid something."""

from __future__ import annotations

import errno
from random import Random
from typing import Any

import pytest

from eventstore import EventStore
from eventstore.testing import (
    Call,
    Fault,
    Luck,
    ProcessKilledError,
    SimBackend,
    SimDisk,
    SimFs,
    SimProcess,
)
from tests.crash.recovery import log_place, opened


class At:
    """Does something just after, or makes fail, the n-th call of a verb on a path that ends so."""

    def __init__(
        self, verb: str, path: str = "", *, nth: int = 1, fault: Fault | None = None
    ) -> None:
        """Wait for that call."""
        self.verb, self.path, self.left, self.fault = verb, path, nth, fault
        self.then: Any = None

    def _is_it(self, call: Call) -> bool:
        """Whether this is the call."""
        if call.verb == self.verb and call.path.endswith(self.path):
            self.left -= 1
            return self.left == 0
        return False

    def before(self, fs: SimProcess, call: Call) -> Fault | None:
        """Fail."""
        return self.fault if self.fault and self._is_it(call) else None

    def after(self, fs: SimProcess, call: Call) -> None:
        """Do it."""
        if self.then and self._is_it(call):
            self.then(fs)

    def blocked(self, fs: SimProcess, call: Call) -> None:
        """Nobody waits here."""
        raise AssertionError


def killed(disk: SimDisk, verb: str, path: str, session: str = "a") -> None:
    """Save in a process that is killed just after that call."""
    watcher = At(verb, path)
    watcher.then = SimProcess.kill
    with pytest.raises(ProcessKilledError):
        opened(SimFs(disk, watcher=watcher)).save({"id": session, "by": "the killed"})


@pytest.mark.parametrize("size", [1, 16, 64])
def test_a_founding_is_never_half_there(size: int) -> None:
    """Whatever a power cut leaves of a store that is being founded, it can be opened."""
    disk = SimDisk(sector_size=size)
    images: list[Any] = []

    class Looking(At):
        """Keeps what power cuts leave after every call."""

        def after(self, fs: SimProcess, call: Call) -> None:
            """Throw dice."""
            images.extend(disk.crash_images(Random(len(images)), 50))

    SimBackend(SimFs(disk, watcher=Looking(""))).close()
    assert len(images) > 40
    for image in images:
        with opened(SimFs(SimDisk(image))) as store:
            assert store.save({"id": "a"}).version == 1


@pytest.mark.parametrize("at", ["rename", "make_directory"])
def test_a_store_that_somebody_else_founded_is_durable_with_the_first_save(at: str) -> None:
    """A founder who was killed before it synced the names leaves that to whoever saves first."""
    disk = SimDisk()
    killed(disk, at, "/store/format.json" if at == "rename" else "/store")
    opened(SimFs(disk)).save({"id": "a", "n": 1})
    with opened(SimFs(SimDisk(disk.durable))) as store:
        assert store.load("a") == {"id": "a", "n": 1}


def test_nothing_is_appended_to_what_is_not_durable() -> None:
    """A frame that a killed writer left is synced before another is written behind it.

    Otherwise a power cut can take the older and leave the younger, which looks like damage.
    """
    disk = SimDisk(sector_size=64)
    with opened(SimFs(disk)) as store:
        store.save({"id": "a", "n": 1})
    watcher = At("lock", ".log", fault=Fault(fate="short"))
    late = SimFs(disk, watcher=watcher)
    store = opened(late)
    assert store.load("a") == {"id": "a", "n": 1}

    def overtake(fs: SimProcess, call: Call) -> None:
        """Between this process's look at the head and its lock, another is killed in a save."""
        if call.verb == "lock" and call.path.endswith(".log") and watcher.left == 1:
            watcher.left = 0
            killed(disk, "write_at", ".log")

    def before(fs: SimProcess, call: Call) -> Fault | None:
        """Overtake."""
        overtake(fs, call)
        return None

    seen = []

    def after(fs: SimProcess, call: Call) -> None:
        """Keep what power cuts leave once the second frame is written."""
        if call.verb == "write_at" and watcher.left == 0:
            seen.extend(disk.after_power_cut(Luck(Random(n))) for n in range(200))

    watcher.before, watcher.after = before, after  # type: ignore[method-assign]
    assert store.save({"id": "a", "n": 3}).version == 3
    assert len(seen) == 200
    for image in seen:
        with opened(SimFs(SimDisk(image))) as store:
            assert store.load("a", at=2) == {"id": "a", "by": "the killed"}
            assert store.save({"id": "a", "n": 4}).version in (3, 4)


def test_a_lock_that_cannot_be_given_back_goes_with_its_file() -> None:
    """A save whose unlocking fails is acknowledged, and others can save after it."""
    disk = SimDisk()
    store = opened(SimFs(disk, watcher=At("unlock", ".log", fault=Fault(errno.EIO))))
    assert store.save({"id": "a", "n": 1}).version == 1
    assert opened(SimFs(disk)).save({"id": "a", "n": 2}).version == 2
    assert store.save({"id": "a", "n": 3}).version == 3


def test_a_file_that_does_not_close_well_stops_nothing() -> None:
    """Closing a store gives every file back, and says nothing of what was durable already."""
    disk = SimDisk()
    fs = SimFs(disk, watcher=At("close", ".log", fault=Fault(errno.EINTR)))
    store: EventStore = opened(fs)
    for session in "ab":
        store.save({"id": session})
    store.close()
    assert not fs._files
    assert disk.durable[log_place("b")]
