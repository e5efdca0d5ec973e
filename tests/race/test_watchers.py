"""Processes that watch while others write or are killed: every commit once, in order."""

from __future__ import annotations

import json
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from eventstore import EventStore
from tests.race.test_processes import Worker, running

COUNTS = [pytest.param(400, id="400"), pytest.param(20_000, id="20000", marks=pytest.mark.slow)]


def check_seen(directory: Path, watcher: Worker, others: set[str]) -> list[tuple[str, int]]:
    """Check that a watcher saw every version of every session once and in its order."""
    seen = [(session, version) for session, version, _ in watcher.acks]
    last: dict[str, int] = {}
    for session, version in seen:
        assert version == last.get(session, 0) + 1, (watcher.name, session, version)
        last[session] = version
    with EventStore.open(directory, model=dict) as store:
        newest = {session: store.version(session) for session in others}
    assert last == {session: found.version for session, found in newest.items() if found}
    return seen


@pytest.mark.parametrize("count", COUNTS)
def test_watchers_see_all_commits_in_one_order(tmp_path: Path, count: int) -> None:
    """Two processes watch four that write, and see the same commits in the same order."""
    directory = tmp_path / "store"
    EventStore.open(directory).close()
    writers = [
        Worker("save", directory, f"w{n}", count // 16, f"own{n}", f"own{n}b", "one", "two")
        for n in range(4)
    ]
    watchers = [
        Worker("watch", directory, "steady", 0),
        Worker("watch", directory, "reconnecting", max(37, count // 100)),
    ]
    with running([*watchers, *writers]), ThreadPoolExecutor(6) as pool:
        following = [pool.submit(worker.follow) for worker in (*watchers, *writers)]
        for future in following[2:]:
            future.result()
        with EventStore.open(directory, model=dict) as store:
            store.save({"id": "end"})
        for future in following[:2]:
            future.result()
    assert [worker.end() for worker in (*watchers, *writers)] == [0] * 6
    sessions = {f"own{n}{b}" for n in range(4) for b in ("", "b")} | {"one", "two", "end"}
    seen = [check_seen(directory, watcher, sessions) for watcher in watchers]
    assert seen[0] == seen[1]
    assert len(seen[0]) == 4 * 4 * (count // 16) + 1
    acks = {(s, v): a for w in writers for s, v, a in w.acks}
    for watcher in watchers:
        assert {(s, v): a for s, v, a in watcher.acks if s != "end"} == acks


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_commits_of_killed_writers_are_seen(tmp_path: Path, seed: int) -> None:
    """What a writer committed before it was killed is seen, though it never told the index."""
    chance = random.Random(seed)
    directory = tmp_path / "store"
    EventStore.open(directory).close()
    writers = [
        Worker("save", directory, f"w{n}", 100_000, "one", f"own{n}", "two") for n in range(3)
    ]
    watcher = Worker("watch", directory, "watcher", 25)
    with running([watcher, *writers]), ThreadPoolExecutor(4) as pool:
        following = pool.submit(watcher.follow)
        list(pool.map(Worker.follow, writers, [chance.randint(1, 120) for _ in writers]))
        with EventStore.open(directory, model=dict) as store:
            store.save({"id": "end"})
        following.result()
    for worker in (watcher, *writers):
        worker.end()
    seen = check_seen(directory, watcher, {"one", "two", "own0", "own1", "own2", "end"})
    acknowledged = {(s, v) for w in writers for s, v, _ in w.acks}
    assert acknowledged <= set(seen)


def test_a_watcher_in_a_thread_sees_what_other_threads_save(tmp_path: Path) -> None:
    """One store object can be watched and saved to at the same time."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        watching = store.watch(after=0)
        seen: list[tuple[str, int]] = []

        def watch() -> None:
            for version in watching:
                seen.append((version.session, version.version))
                if len(seen) == 120:
                    watching.close()

        def save(n: int) -> None:
            for number in range(40):
                store.save(json.loads(f'{{"id":"s{n}","n":{number}}}'))

        with ThreadPoolExecutor(4) as pool:
            futures = [pool.submit(watch), *(pool.submit(save, n) for n in range(3))]
            for future in futures:
                future.result()
    for n in range(3):
        assert [v for s, v in seen if s == f"s{n}"] == list(range(1, 41))
