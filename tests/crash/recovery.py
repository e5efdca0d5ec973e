"""What the real recovery code makes of a disk: every version, every state, and the next save.

The outcome for one log depends on the bytes of its file alone, so logs of equal bytes are recovered
once. The states of all versions up to the newest sound one depend on the bytes up to its end alone,
so they are loaded once for equal ones. Whether the next save works is tried once for equal ones
with a torn tail behind them, once without, and beyond that for one tail in eight.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import lru_cache
from unittest import mock

from eventstore import CorruptError, EventStore, EventStoreError, log_chain, log_frames
from eventstore.backends.log_names import SUFFIX, log_name, shard
from eventstore.testing import Image, SimBackend, SimDisk, SimFs
from tests.crash.oracle import Seen

STORE = "/store"
MEMORY_MAX = 20_000
"""How many outcomes are remembered."""

_SAVED_ONE_IN = 8
_FRESH_ONE_IN = 4
_LISTED_ONE_IN = 8


@dataclass(frozen=True)
class Outcome:
    """What became of one log: its versions, the error that reading it gave, the law it broke."""

    versions: tuple[Seen, ...]
    error: EventStoreError | None = None
    broken: str | None = None


@lru_cache
def log_place(session: str) -> str:
    """Return where the log of *session* is on the simulated disk."""
    return f"{STORE}/logs/{shard(session)}/{log_name(session)}{SUFFIX}"


def opened(fs: SimFs, durability: str = "sync") -> EventStore:
    """Open the store on a simulated disk, founding it if it is not there."""
    return EventStore(SimBackend(fs, STORE, durability=durability), model=dict)


def read_session(store: EventStore, session: str) -> tuple[Seen, ...]:
    """Return every version of a session with all its states, oldest first."""
    found = []
    for version in store.history(session):
        states = {
            part: store.load_bytes(session, part, at=version.version) for part in version.parts
        }
        found.append(Seen(version.version, version.commit, version.prev, version.kind, states))
    return tuple(found[::-1])


class Recovery:
    """Recovers disks with the real code, remembering what equal bytes gave."""

    def __init__(self) -> None:
        """Remember nothing yet."""
        self.runs = 0
        self._outcomes: dict[tuple[str, bytes], Outcome] = {}
        self._sound: dict[tuple[str, bytes], tuple[Seen, ...]] = {}
        self._skeletons: set[frozenset[object]] = set()
        self._saved: set[tuple[str, bytes, bool]] = set()
        self._kills: dict[tuple[object, ...], str | None] = {}

    @staticmethod
    @contextmanager
    def quick() -> Iterator[None]:
        """Let decoding functions, which are pure, remember what equal bytes gave."""
        with ExitStack() as stack:
            for place in (log_frames, log_chain):
                for name in ("unpack", "decode_table"):
                    if hasattr(place, name):
                        cached = lru_cache(MEMORY_MAX)(getattr(place, name))
                        stack.enter_context(mock.patch.object(place, name, cached))
            yield

    def outcomes(self, image: Image, sessions: Iterable[str]) -> Mapping[str, Outcome]:
        """Return what the store on *image* has of each session."""
        keys = {session: (session, image.get(log_place(session)) or b"") for session in sessions}
        missing = [session for session, key in keys.items() if key not in self._outcomes]
        skeleton = _skeleton(image)
        if missing or skeleton not in self._skeletons:
            self._bound()
            self._run(image, missing, keys)
            self._skeletons.add(skeleton)
        return {session: self._outcomes[key] for session, key in keys.items()}

    def broken_by_kill(self, disk: SimDisk, sessions: Iterable[str]) -> str | None:
        """Return what is shown after a kill but could still be lost; None if nothing is."""
        if disk.is_settled():
            return None
        cached, durable = disk.cached, disk.durable
        logs = ((s, cached.get(log_place(s)), durable.get(log_place(s))) for s in sessions)
        key = tuple(log for log in logs if log[1] and log[1] != log[2])
        if not key:
            return None
        if key not in self._kills:
            self._bound()
            self._kills[key] = self._shown_and_lost(disk.copy(), (log[0] for log in key))
        return self._kills[key]

    def _shown_and_lost(self, disk: SimDisk, sessions: Iterable[str]) -> str | None:
        """Look at every head after a kill, and what a power cut just then would leave of it."""
        self.runs += 1
        store = opened(SimFs(disk))
        for session in sessions:
            log = store._catalog.log(session)
            log.head()
            shown = (disk.cached.get(log_place(session)) or b"")[: log.end]
            left = disk.durable.get(log_place(session)) or b""
            if left[: log.end] == shown:
                continue
            # A log that was repacked may be there in either form.
            versions = read_session(store, session)
            if (
                self.outcomes(disk.durable, [session])[session].versions[: len(versions)]
                != versions
            ):
                return f"session {session!r} was shown after a kill, and lost by a power cut"
        return None

    def _run(
        self, image: Image, missing: Iterable[str], keys: Mapping[str, tuple[str, bytes]]
    ) -> None:
        """Open the store on *image* and examine the sessions that are *missing*."""
        self.runs += 1
        disk = SimDisk(image)
        store = opened(SimFs(disk))  # Not closed: a process that was killed closes nothing.
        for session in missing:
            self._outcomes[keys[session]] = self._examined(store, disk, session, keys[session][1])

    def _examined(self, store: EventStore, disk: SimDisk, session: str, data: bytes) -> Outcome:
        """Read one log, then add to it."""
        try:
            log = store._catalog.log(session)
            log.head()
            end = log.end
            known = self._sound.get((session, data[:end]))
            if known is None:
                known = self._sound[session, data[:end]] = read_session(store, session)
        except EventStoreError as error:
            return Outcome(self._readable(store, session), error)
        key = (session, data[:end], not data[end:].strip(b"\0"))
        if key in self._saved and zlib.crc32(data) % _SAVED_ONE_IN:
            return Outcome(known)
        self._saved.add(key)
        return Outcome(known, None, self._next_save(store, disk, session, data, end, known))

    def _readable(self, store: EventStore, session: str) -> tuple[Seen, ...]:
        """Return the versions of a damaged log that can be read, up to the first that cannot."""
        found = []
        try:
            newest = store._catalog.log(session).newest_sound() or 0
            for number in range(1, newest + 1):
                version = store.version(session, at=number)
                states = {p: store.load_bytes(session, p, at=number) for p in version.parts}
                found.append(Seen(number, version.commit, version.prev, version.kind, states))
        except CorruptError:
            pass  # The versions before it are what is asked for.
        return tuple(found)

    def _next_save(
        self,
        store: EventStore,
        disk: SimDisk,
        session: str,
        data: bytes,
        end: int,
        known: tuple[Seen, ...],
    ) -> str | None:
        """Save once more, and return what is wrong with that."""
        probe = b'{"id":"probe","length":%d}' % len(data)
        try:
            version = store.save_states(session, {"session": probe})
        except EventStoreError as error:
            return f"the next save fails: {error!r}"
        if version.version != len(known) + 1:
            return f"the next save is version {version.version}, not {len(known) + 1}"
        tail = data[end:].rstrip(b"\0")
        if tail and not _is_kept(disk.durable, tail):
            return "a torn tail is not kept in lost+found"
        if store.load_bytes(session) != probe:
            return "the next save is not what is loaded"
        if zlib.crc32(tail) % _FRESH_ONE_IN:
            return None
        return self._fresh(disk, session, known, probe)

    def _fresh(
        self, disk: SimDisk, session: str, known: tuple[Seen, ...], probe: bytes
    ) -> str | None:
        """Read everything in a new process after one more power cut."""
        store = opened(SimFs(SimDisk(disk.durable)))
        versions = read_session(store, session)
        if versions[: len(known)] != known or len(versions) != len(known) + 1:
            return "the versions before the next save are gone in a new process"
        if versions[-1].states["session"] != probe:
            return "the next save is another in a new process"
        if zlib.crc32(probe + versions[-1].commit.encode()) % _LISTED_ONE_IN == 0:
            return None if session in store.list() else "a session is not listed"
        return None

    def _bound(self) -> None:
        """Forget everything rather than grow for ever."""
        for memory in (self._outcomes, self._sound, self._skeletons, self._saved, self._kills):
            if len(memory) > MEMORY_MAX:
                memory.clear()


def _skeleton(image: Image) -> frozenset[object]:
    """Return what opening a store depends on: everything but logs and cut tails."""
    return frozenset(
        (path, b"" if data is not None and path.endswith(".new") else data)
        for path, data in image.items()
        if data is None or not (path.endswith(SUFFIX) or "/lost+found/" in path)
    )


def _is_kept(image: Image, tail: bytes) -> bool:
    """Whether a cut tail is kept aside, up to zeros at its end."""
    return any(
        data is not None and "/lost+found/" in path and data.rstrip(b"\0") == tail
        for path, data in image.items()
    )
