"""What the processes of the race tests do: wait for the word, then save and say what was promised.

Run as `python -m tests.race.workers WORK DIRECTORY NAME COUNT SESSIONS`; a line on standard input
starts the work, every acknowledged save is one line `session version address` on standard output.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from pathlib import Path

from eventstore import ConflictError, EventStore, Version
from eventstore import compact as compact_room
from eventstore.address import address_of


def state_of(session: str, name: str, number: int) -> dict[str, object]:
    """Return the state that writer *name* saves as its *number*th; sizes vary up to some pages."""
    size = random.Random(f"{session} {name} {number}").choice((0, 50, 700, 3000, 9000))
    pad = random.Random(number).randbytes(size // 2).hex()
    return {"id": session, "writer": name, "number": number, "pad": pad}


def say(version: Version) -> None:
    """Tell the parent of an acknowledged save."""
    tell(f"{version.session} {version.version} {version.address}")


def tell(line: str) -> None:
    """Write a line that the parent waits for."""
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def save(store: EventStore, name: str, count: int, sessions: list[str]) -> None:
    """Save *count* times to each session in turn."""
    for number in range(count):
        for session in sessions:
            say(store.save(state_of(session, name, number)))


def save_and_list(store: EventStore, name: str, count: int, sessions: list[str]) -> None:
    """Save as `save` does, and find every session in the lists at once."""
    for number in range(count):
        for session in sessions:
            version = store.save(state_of(session, name, number))
            say(version)
            if number % 10 == 0:
                assert session in store.list(), session
                listed = {info.id: info.version for info in store.sessions()}
                assert listed[session] >= version.version, (listed, version)


def count_up(store: EventStore, name: str, count: int, sessions: list[str]) -> None:
    """Add one to a counter *count* times, again whenever somebody else was first."""
    for _ in range(count):
        for session in sessions:
            while True:
                version = store.version(session)
                now = 0 if version is None else store.load(session, at=version)["n"]
                state = {"id": session, "n": now + 1, "writer": name}
                try:
                    say(store.save(state, expected=version or 0))
                except ConflictError:
                    continue
                break


def grow(store: EventStore, name: str, count: int, sessions: list[str]) -> None:
    """Say one more thing in each session *count* times, whoever else does; read back at once."""
    for number in range(count):
        for session in sessions:
            now = store.load(session) or {"id": session, "said": []}
            said = [*now["said"], state_of(session, name, number)]
            version = store.save({"id": session, "said": said})
            say(version)
            state = store.load_bytes(session, at=version)
            assert state is not None and address_of(state) == version.address, version
            history = [v.version for v in store.history(session)]
            assert history == list(range(history[0], 0, -1)), history


def compact(store: EventStore, name: str, count: int, sessions: list[str]) -> None:
    """Compact until every session has *count* saves; say what each compaction left."""
    # Any gain is worth it, so that logs are replaced all the time.
    compact_room._GAIN_MIN, compact_room._GAIN_SHIFT = 0, 63
    changed = 0
    while True:
        report = store.compact(actor=name)
        for log in report.logs:
            if log.error is not None:
                raise log.error
            changed += log.is_changed
        kinds = [[v.kind for v in store.history(session)] for session in sessions]
        if all(found.count("save") >= count for found in kinds):
            assert changed
            assert sum(found.count("compact") for found in kinds) >= changed
            return


def found(directory: Path, name: str) -> None:
    """Open the stores whose directories are given line by line, as soon as each is given."""
    for line in sys.stdin:
        with EventStore.open(directory / line.strip(), model=dict) as store:
            say(store.save({"id": name}))
            assert name in store.list()


def watch(directory: Path, name: str, count: int) -> None:
    """Say what a watcher of the whole store sees, with a new cursor whenever *count* were seen.

    Ends behind a commit of session `end`, with all that was there before it.
    """
    cursor: int | str = 0
    seen, wait = 0, None
    while True:
        with EventStore.open(directory, model=dict) as store:
            watching = store.watch(after=cursor, wait=wait)
            for version in watching:
                say(version)
                seen += 1
                if version.session == "end":
                    wait = 0
                    break
                if count and seen % count == 0:
                    break
            else:
                return
            cursor = watching.cursor


WORK: dict[str, Callable[[EventStore, str, int, list[str]], None]] = {
    "save": save,
    "save-and-list": save_and_list,
    "count-up": count_up,
    "grow": grow,
    "compact": compact,
}


def main() -> None:
    """Do what the arguments say."""
    work, directory, name, count, *sessions = sys.argv[1:]
    tell("ready")
    if work == "watch":
        sys.stdin.readline()
        watch(Path(directory), name, int(count))
        return
    if work == "found":
        found(Path(directory), name)
        return
    sys.stdin.readline()
    with EventStore.open(directory, model=dict) as store:
        WORK[work](store, name, int(count), sessions)


if __name__ == "__main__":
    main()
