"""What processes do to a store while disks and processes fail: one function for each operation.

An operation takes the world, the process that does it, and a session. A new one is a function of a
few lines, entered in `OPERATIONS` with how often it comes; `World.attempt` does what all need.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from eventstore import ConflictError, EventStoreError, InvalidInputError, Version
from tests.crash.oracle import (
    compacting,
    deleting,
    forking,
    noting,
    restoring,
    saving,
    undeleting,
)
from tests.crash.recovery import read_session

if TYPE_CHECKING:
    from tests.crash.explorer import Process, World

Operation = Callable[["World", "Process", str], None]

_ALL = ("session", "artifacts", "trace_events", "run_records", "verification_reports")


def states(world: World, *parts: str) -> dict[str, bytes]:
    """Return new states of some parts, unlike any before, that now and then grow or shrink."""
    number, random = world.number(), world.random
    filling = b",".join(b'"turn %d"' % n for n in range(random.choice((0, 1, 3, 3, 12))))
    made = {}
    for part in parts:
        if part == "session":
            made[part] = b'{"id":"s","number":%d,"messages":[%s]}' % (number, filling)
        else:
            made[part] = b'[{"number":%d,"of":"%s"}]' % (number, part.encode())
    return made


def save(world: World, process: Process, session: str) -> None:
    """Save the session part."""
    made = states(world, "session")
    world.attempt(process, session, saving(made), lambda: process.store.save_states(session, made))


def save_some(world: World, process: Process, session: str) -> None:
    """Save some parts, or all of them, as one version."""
    made = states(world, *world.random.sample(_ALL, world.random.randint(1, len(_ALL))))
    world.attempt(process, session, saving(made), lambda: process.store.save_states(session, made))


def save_expecting(world: World, process: Process, session: str) -> None:
    """Save on the version that is the newest just now, unless somebody is faster."""
    made = states(world, "session")
    attempt = saving(made)

    def call() -> Version | None:
        newest = next(iter(process.store.history(session)), None)
        expected = 0 if newest is None else newest.version
        attempt.number = expected + 1
        return process.store.save_states(session, made, expected=expected)

    world.attempt(process, session, attempt, call, refusals=(ConflictError,))


def save_again(world: World, process: Process, session: str) -> None:
    """Repeat a save under its key although another came between, as after a lost reply."""
    made, other = states(world, "session"), states(world, "session")
    key = f"key {world.number()}"

    def call() -> Version | None:
        try:
            process.store.save_states(session, made, key=key)
        except EventStoreError as error:
            if not process.faults:
                raise error
        world.attempt(
            process, session, saving(other), lambda: process.store.save_states(session, other)
        )
        return process.store.save_states(session, made, key=key)

    world.attempt(process, session, saving(made), call)


def delete(world: World, process: Process, session: str) -> None:
    """Delete the session."""
    tag = f"deleter {world.number()}"

    def call() -> Version | None:
        if process.store.delete(session, actor=tag):
            return world.tagged(process, session, tag)
        return None

    world.attempt(process, session, deleting(), call)


def undelete(world: World, process: Process, session: str) -> None:
    """Bring the session back."""
    tag = f"undeleter {world.number()}"

    def call() -> Version | None:
        version = process.store.undelete(session, actor=tag)
        return version if version.actor == tag else None

    world.attempt(process, session, undeleting(), call, refusals=(InvalidInputError,))


def compact(world: World, process: Process, session: str) -> None:
    """Repack the log, if that gains anything."""
    tag = f"compacter {world.number()}"

    def call() -> Version | None:
        if next(process.store.history(session), None) is None:
            return None  # All that is there may be a torn first save.
        (log,) = process.store.compact([session], actor=tag).logs
        if log.error is not None:
            raise log.error
        return world.tagged(process, session, tag) if log.is_changed else None

    world.attempt(process, session, compacting(), call, refusals=(InvalidInputError,))


def restore(world: World, process: Process, session: str) -> None:
    """Make an older version the newest."""
    tag, number = f"restorer {world.number()}", world.random.randint(1, 4)

    def call() -> Version | None:
        version = process.store.restore(session, at=number, actor=tag)
        return version if version.actor == tag else None

    world.attempt(process, session, restoring(number), call, refusals=(InvalidInputError,))


def fork(world: World, process: Process, session: str) -> None:
    """Begin another session with the newest state, unless there is one; both logs may say so."""
    target = world.random.choice([id for id in world.promises if id != session])
    note = noting()
    with world.expecting(process, session):
        versions = read_session(process.store, session)
        if not versions or not versions[-1].states:
            return
        at = versions[-1]
        world.promises[session].begin(note)
        try:
            world.attempt(
                process,
                target,
                forking(at.states),
                lambda: process.store.fork(session, target, at=at.version),
                refusals=(ConflictError,),
            )
        finally:
            note.running = False


def read(world: World, process: Process, session: str) -> None:
    """Read every version; whoever was shown one must not lose it."""
    promises = world.promises[session]
    required = dict(promises.required)
    with world.expecting(process, session):
        versions = read_session(process.store, session)
        world.check(promises.broken(versions, required=required), session)
        promises.show(versions)


def reopen(world: World, process: Process, session: str) -> None:
    """Close the store and open it again."""
    with world.expecting(process, session):
        process.close()


def kill(world: World, process: Process, session: str) -> None:
    """Kill the process while it does nothing."""
    process.fs.kill()


OPERATIONS: dict[Operation, int] = {
    save: 6,
    save_some: 5,
    save_expecting: 2,
    save_again: 1,
    delete: 2,
    undelete: 2,
    compact: 2,
    restore: 2,
    fork: 2,
    read: 3,
    reopen: 2,
    kill: 1,
}
