"""Many processes and threads on one store: no version lost, none doubled, none half-seen."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from eventstore import EventStore
from eventstore.address import address_of
from eventstore.state import encode
from tests.race.workers import state_of

ROOT = Path(__file__).resolve().parents[2]
WRITERS = 8
COUNTS = [pytest.param(40, id="40"), pytest.param(500, id="500", marks=pytest.mark.slow)]

Acks = dict[tuple[str, int], str]


class Worker:
    """A process that saves, and what it has acknowledged so far."""

    def __init__(self, work: str, directory: Path, name: str, count: int, *sessions: str) -> None:
        """Start the process; it waits for the word."""
        self.name = name
        self.acks: list[tuple[str, int, str]] = []
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.race.workers"),
                *(work, str(directory), name, str(count), *sessions),
            ],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_ready(self) -> None:
        """Wait until the process can start at once."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n", self.error()

    def go(self, line: str = "") -> None:
        """Give the word."""
        assert self.process.stdin is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()

    def follow(self, until: int | None = None) -> None:
        """Collect acknowledgements until the process ends, or kill it after *until* of them."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            if not line.endswith("\n"):
                break  # Killed in the middle of saying it.
            session, version, address = line.split()
            self.acks.append((session, int(version), address))
            if len(self.acks) == until:
                self.process.send_signal(signal.SIGKILL)

    def error(self) -> str:
        """Return what the process complained of."""
        assert self.process.stderr is not None
        return f"{self.name}: {self.process.stderr.read()}"

    def end(self) -> int:
        """Wait for the process, which must not complain, and return its exit code."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        assert self.process.stderr is not None
        self.process.stdin.close()
        code = self.process.wait()
        error = self.error()
        self.process.stdout.close()
        self.process.stderr.close()
        assert not error.partition(":")[2].strip(), error
        return code


@contextmanager
def running(workers: list[Worker]) -> Iterator[None]:
    """Start all together; none outlives the test."""
    try:
        for worker in workers:
            worker.wait_ready()
        for worker in workers:
            worker.go()
        yield
    finally:
        for worker in workers:
            worker.process.kill()


def run(workers: list[Worker], until: list[int] | None = None) -> Acks:
    """Run all to their end, or to their being killed, and return what was acknowledged."""
    with running(workers), ThreadPoolExecutor(len(workers)) as pool:
        limits = [None] * len(workers) if until is None else until
        list(pool.map(Worker.follow, workers, limits))
    for worker in workers:
        code = worker.end()
        assert code == 0 or (until is not None and code == -signal.SIGKILL), worker.name
    return merged(workers)


def merged(workers: list[Worker]) -> Acks:
    """Return all acknowledgements; two of one version must be of one and the same save."""
    acks: Acks = {}
    for worker in workers:
        for session, version, address in worker.acks:
            assert acks.setdefault((session, version), address) == address, (session, version)
    return acks


def check(directory: Path, acks: Acks, *, exactly: bool) -> None:
    """Check that every acknowledged state is there in a gapless, chained history."""
    with EventStore.open(directory, model=dict, create=False) as store:
        for (session, version), address in acks.items():
            state = store.load_bytes(session, at=version)
            assert state is not None
            assert address_of(state) == address, (session, version)
        for session in sorted({session for session, _ in acks}):
            history = list(store.history(session))
            assert [v.version for v in history] == list(range(len(history), 0, -1)), session
            for newer, older in zip(history, [*history[1:], None], strict=True):
                assert newer.prev == (None if older is None else older.commit), newer
            known = {version for name, version in acks if name == session}
            assert known <= {v.version for v in history}, session
            if exactly:
                assert len(known) == len(history), session
        newest = {info.id: info.version for info in store.sessions(limit=1000)}
        for session in {session for session, _ in acks}:
            version = store.version(session)
            assert version is not None
            assert newest[session] == version.version, session


def check_order(acks: Acks, workers: list[Worker]) -> None:
    """Check that each writer's own saves have rising versions, and hold what it saved."""
    for worker in workers:
        last: dict[str, int] = {}
        numbers: dict[str, int] = {}
        for session, version, address in worker.acks:
            assert version > last.get(session, 0), (worker.name, session, version)
            last[session] = version
            number = numbers[session] = numbers.get(session, -1) + 1
            state = encode(state_of(session, worker.name, number), part="session")
            assert address == address_of(state), (worker.name, session, number)


@pytest.mark.parametrize("count", COUNTS)
def test_many_processes_save_one_session(tmp_path: Path, count: int) -> None:
    """Eight processes saving one session get gapless versions, each holding what was saved."""
    directory = tmp_path / "store"
    workers = [Worker("save", directory, f"w{n}", count, "one") for n in range(WRITERS)]
    acks = run(workers)
    assert len(acks) == WRITERS * count
    check_order(acks, workers)
    check(directory, acks, exactly=True)


@pytest.mark.parametrize("count", COUNTS)
def test_many_processes_save_many_sessions(tmp_path: Path, count: int) -> None:
    """Eight processes saving and listing sessions that they share in part lose and miss nothing."""
    directory = tmp_path / "store"
    workers = []
    for n in range(WRITERS):
        sessions = [f"own{n}", f"pair{n // 2}", f"all{n % 2}"]
        workers.append(Worker("save-and-list", directory, f"w{n}", -(-count // 3), *sessions))
    acks = run(workers)
    assert len(acks) == WRITERS * 3 * -(-count // 3)
    check_order(acks, workers)
    check(directory, acks, exactly=True)


def test_expected_makes_a_counter(tmp_path: Path) -> None:
    """Processes that save with `expected=`, and repeat on a conflict, lose no update."""
    directory = tmp_path / "store"
    workers = [Worker("count-up", directory, f"w{n}", 12, "counter") for n in range(WRITERS)]
    acks = run(workers)
    check(directory, acks, exactly=True)
    with EventStore.open(directory, model=dict) as store:
        assert store.load("counter")["n"] == WRITERS * 12
        for version in store.history("counter"):
            assert store.load("counter", at=version)["n"] == version.version


def reading(
    directory: Path, workers: list[Worker], session: str, stop: threading.Event
) -> Iterator[str]:
    """Read until told to stop; yield what was seen that was older than acknowledged, or broken."""
    with EventStore.open(directory, model=dict) as store:
        seen = 0
        while not stop.is_set():
            floor = max((v for w in workers for s, v, _ in list(w.acks) if s == session), default=0)
            version = store.version(session)
            number = 0 if version is None else version.version
            if number < max(floor, seen):
                yield f"{session}: saw {number} when {max(floor, seen)} was known"
            if version is None:
                continue
            seen = number
            state = store.load_bytes(session, at=version)
            if state is None or address_of(state) != version.address:
                yield f"{session}: version {number} is not what it was"
            elif json.loads(state)["id"] != session:
                yield f"{session}: version {number} is of another"
            if store.load(session) is None or not store.exists(session):
                yield f"{session}: gone after version {number}"


@pytest.mark.parametrize("count", [12, pytest.param(150, marks=pytest.mark.slow)])
def test_compactions_beside_readers_and_writers(tmp_path: Path, count: int) -> None:
    """Logs are replaced again and again under readers and writers: no error, nothing lost."""
    directory, sessions = tmp_path / "store", ["one", "two"]
    with EventStore.open(directory, model=dict) as store:
        for session in sessions:
            store.save({"id": session, "said": []})
    writers = [Worker("grow", directory, f"w{n}", count, *sessions) for n in range(3)]
    others = [Worker("compact", directory, f"c{n}", 3 * count, *sessions) for n in range(2)]
    workers, stop = writers + others, threading.Event()
    with running(workers), ThreadPoolExecutor(len(workers) + 2) as pool:
        readers = [
            pool.submit(lambda s=session: list(reading(directory, writers, s, stop)))
            for session in sessions
        ]
        followed = [pool.submit(worker.follow) for worker in workers]
        try:
            for future in followed:
                future.result()
        finally:
            stop.set()
        complaints = [complaint for reader in readers for complaint in reader.result()]
    assert not complaints, complaints[:5]
    assert [worker.end() for worker in workers] == [0] * len(workers)
    acks = merged(writers)
    assert len(acks) == 3 * count * len(sessions)
    check(directory, acks, exactly=False)


def test_readers_see_only_what_was_saved(tmp_path: Path) -> None:
    """Readers during the race see every acknowledged version or a later one, never half of one."""
    directory = tmp_path / "store"
    EventStore.open(directory).close()
    workers = [Worker("save", directory, f"w{n}", 60, "one", "two") for n in range(4)]
    stop = threading.Event()
    with running(workers), ThreadPoolExecutor(6) as pool:
        readers = [
            pool.submit(lambda s=session: list(reading(directory, workers, s, stop)))
            for session in ("one", "two")
        ]
        followed = [pool.submit(worker.follow) for worker in workers]
        try:
            for future in followed:
                future.result()
        finally:
            stop.set()
        complaints = [complaint for reader in readers for complaint in reader.result()]
    assert not complaints, complaints[:5]
    assert [worker.end() for worker in workers] == [0] * 4
    check(directory, merged(workers), exactly=True)


@pytest.mark.parametrize(
    "seed", [1, 2, 3, *(pytest.param(n, marks=pytest.mark.slow) for n in range(4, 40))]
)
def test_killed_writers_lose_nothing_acknowledged(tmp_path: Path, seed: int) -> None:
    """Whenever writers are killed, what they acknowledged is there, and the next ones go on.

    The seed is part of the test's name.
    """
    chance = random.Random(seed)
    directory = tmp_path / "store"
    acks: Acks = {}
    for generation in range(2):
        workers = [
            Worker("save", directory, f"g{generation}w{n}", 100_000, "one", f"own{n}", "two")
            for n in range(4)
        ]
        acks |= run(workers, until=[chance.randint(1, 150) for _ in workers])
        check_order(acks, workers)
        check(directory, acks, exactly=False)
    with EventStore.open(directory, model=dict) as store:
        for session in ("one", "two", "own0"):
            before = store.version(session)
            assert before is not None
            assert store.save({"id": session, "last": seed}).version == before.version + 1


def test_many_processes_found_one_store(tmp_path: Path) -> None:
    """Processes that open the same new directory at the same time all get the same good store."""
    workers = [Worker("found", tmp_path, f"w{n}", 0) for n in range(WRITERS)]
    stores = [f"store{n}" for n in range(15)]
    try:
        for worker in workers:
            worker.wait_ready()
        for name in stores:
            for worker in workers:
                worker.go(name)
        for worker in workers:
            assert worker.process.stdin is not None
            worker.process.stdin.close()
        for worker in workers:
            worker.follow()
            assert worker.end() == 0
            assert worker.acks == [(worker.name, 1, address_of_id(worker.name))] * len(stores)
    finally:
        for worker in workers:
            worker.process.kill()
    for name in stores:
        with EventStore.open(tmp_path / name, model=dict, create=False) as store:
            assert store.list() == sorted(worker.name for worker in workers), name


def address_of_id(session: str) -> str:
    """Return the address of a state that has nothing but its id."""
    return address_of(encode({"id": session}, part="session"))


def together(works: list[Callable[[], None]]) -> None:
    """Run all in threads that start at the same moment; re-raise what any of them raised."""
    barrier = threading.Barrier(len(works))

    def begin(work: Callable[[], None]) -> None:
        barrier.wait()
        work()

    with ThreadPoolExecutor(len(works)) as pool:
        for future in [pool.submit(begin, work) for work in works]:
            future.result()


@pytest.mark.parametrize("where", ["memory", "file"])
@pytest.mark.parametrize("shared", [True, False], ids=["one-session", "many-sessions"])
def test_threads_share_a_store(tmp_path: Path, where: str, shared: bool) -> None:
    """Eight threads on one store object get gapless versions, and lists that are never behind."""
    acks: list[list[tuple[str, int, str]]] = [[] for _ in range(WRITERS)]
    with EventStore.open(
        "memory://" if where == "memory" else tmp_path / "store", model=dict
    ) as store:

        def work(n: int) -> None:
            session = "one" if shared else f"s{n % 5}"
            for number in range(40):
                version = store.save(state_of(session, f"t{n}", number))
                acks[n].append((session, version.version, str(version.address)))
                assert store.load_bytes(session, at=version) is not None
                if number % 8 == 0:
                    listed = {info.id: info.version for info in store.sessions()}
                    assert listed[session] >= version.version

        together([lambda n=n: work(n) for n in range(WRITERS)])
        flat = [ack for one in acks for ack in one]
        assert len({(session, version) for session, version, _ in flat}) == WRITERS * 40
        for session, version, address in flat:
            state = store.load_bytes(session, at=version)
            assert state is not None
            assert address_of(state) == address
        newest = {info.id: (info.version, info.address) for info in store.sessions()}
        for session in store.list():
            head = store.version(session)
            assert head is not None
            assert newest[session] == (head.version, head.address), session
            history = [v.version for v in store.history(session)]
            assert history == list(range(head.version, 0, -1))


def test_threads_repeat_a_key_once(tmp_path: Path) -> None:
    """Threads that save the same state under the same key get one and the same version."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        versions: list[int] = []

        def work() -> None:
            for number in range(10):
                state = {"id": "a", "n": number}
                versions.append(store.save(state, key=f"k{number}").version)

        together([work] * 6)
        assert len(list(store.history("a"))) == 10
        assert sorted(versions) == sorted(list(range(1, 11)) * 6)
