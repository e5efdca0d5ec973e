"""`AsyncEventStore`: the same store, awaited."""

from __future__ import annotations

import asyncio
import os
import pickle
import signal
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from eventstore import (
    ArtifactStore,
    AsyncEventStore,
    BackendError,
    ConflictError,
    CorruptError,
    EventStore,
    InvalidInputError,
    SessionData,
    SessionStore,
    TraceEvent,
)
from eventstore.adapters.oxios import StateStore
from eventstore.adapters.oxios_async import AsyncStateStore

Work = Callable[[AsyncEventStore], Awaitable[None]]


def run(location: str, work: Work, **options: Any) -> None:
    """Run *work* on an open store."""

    async def main() -> None:
        async with AsyncEventStore.open(location, **options) as store:
            await work(store)

    asyncio.run(main())


def test_it_is_a_session_store(location: str) -> None:
    """The asynchronous store satisfies the seeds' protocol."""

    async def work(store: AsyncEventStore) -> None:
        assert isinstance(store, SessionStore)
        protocol: SessionStore = store
        await protocol.save(SessionData(id="s"))
        assert await protocol.list() == ["s"]

    run(location, work)


def test_every_call_does_what_the_plain_store_does(location: str) -> None:
    """Each coroutine returns what the method of the same name returns."""

    async def work(store: AsyncEventStore) -> None:
        event = TraceEvent(name="bash", success=True)
        session = SessionData(id="s")
        first = await store.save(
            session, trace_events=[event], parts={"mine": 1}, actor="me", key="k"
        )
        assert (first.version, first.actor) == (1, "me")
        assert await store.save(session, expected=first) == first
        assert (await store.save_artifacts("s", ArtifactStore(), note="n")).note == "n"
        assert (await store.save_trace_events("s", [event, event], expected=2)).version == 3
        assert (await store.save_run_records("s", [])).version == 4
        assert (await store.save_verification_reports("s", [])).version == 5
        assert (await store.save_states("s", {"mine": b"2"}, actor="me")).version == 6
        assert (await store.load("s")).id == "s"
        assert (await store.load("s", at=1, model=dict))["id"] == "s"
        assert await store.load_artifacts("s") == ArtifactStore()
        assert await store.load_trace_events("s", at=1) == (event,)
        assert await store.load_trace_events("s") == (event, event)
        assert await store.load_run_records("s") == ()
        assert await store.load_verification_reports("s", at=5) == ()
        assert await store.load_part("s", "mine", at=5) == 1
        assert await store.load_bytes("s", "mine") == b"2"
        assert await store.list() == ["s"]
        assert await store.exists("s")
        assert await store.version("s", 1) == first
        assert [v.version async for v in store.history("s")] == [6, 5, 4, 3, 2, 1]
        assert [v.version async for v in store.history("s", part="mine")] == [6, 1]
        assert [item.id for item in await store.sessions(limit=1, order_by="id")] == ["s"]
        assert await store.delete("s", note="why", expected=6)
        assert not await store.delete("s")
        assert (await store.undelete("s", actor="me")).version == 8
        assert (await store.stats()).versions == 8
        await store.sync()
        await store.health_check()
        assert store.backend_name() in ("file", "memory")
        assert store.backend_name() in repr(store)

    run(location, work)


def test_history_goes_on_beyond_one_batch(location: str) -> None:
    """A long history comes whole and in order."""

    async def work(store: AsyncEventStore) -> None:
        for number in range(150):
            await store.save({"id": "s", "n": number})
        assert [v.version async for v in store.history("s")] == list(range(150, 0, -1))
        async for version in store.history("s"):
            assert version.version == 150
            break

    run(location, work, model=dict)


def test_errors_arrive_as_they_are(location: str) -> None:
    """What a call refuses is raised to whoever awaits it."""

    async def work(store: AsyncEventStore) -> None:
        with pytest.raises(InvalidInputError):
            await store.load("")
        await store.save(SessionData(id="s"))
        with pytest.raises(ConflictError):
            await store.save(SessionData(id="s", model_name="m"), expected=0)
        with pytest.raises(InvalidInputError):
            await store.load("s", at=2)

    run(location, work)


def test_tasks_share_a_store(location: str) -> None:
    """Saves of many tasks to one session and to many are all there, without gaps."""

    async def work(store: AsyncEventStore) -> None:
        versions = await asyncio.gather(
            *(store.save(SessionData(id="one", model_name=str(n))) for n in range(60)),
            *(store.save(SessionData(id=f"many-{n}")) for n in range(20)),
        )
        assert sorted(v.version for v in versions[:60]) == list(range(1, 61))
        loaded = await asyncio.gather(*(store.load("one", at=v) for v in versions[:60]))
        assert [session.model_name for session in loaded] == [str(n) for n in range(60)]
        assert len(await store.list()) == 21

    run(location, work)


def test_only_one_of_many_expecting_the_same_wins(location: str) -> None:
    """Of saves that build on one version exactly one succeeds."""

    async def work(store: AsyncEventStore) -> None:
        await store.save(SessionData(id="s"))
        saves = (store.save(SessionData(id="s", model_name=str(n)), expected=1) for n in range(10))
        outcomes = await asyncio.gather(*saves, return_exceptions=True)
        assert sum(isinstance(outcome, ConflictError) for outcome in outcomes) == 9
        assert (await store.version("s")).version == 2  # type: ignore[union-attr]

    run(location, work)


def test_it_can_be_opened_by_awaiting_or_by_use(location: str) -> None:
    """Awaiting opens, and so does the first call, once however many tasks ask."""

    async def main() -> None:
        store = await AsyncEventStore.open(location)
        assert store.backend_name() in ("file", "memory")
        assert await store is store
        await store.close()
        store = AsyncEventStore.open(location)
        with pytest.raises(BackendError, match="not open"):
            store.backend_name()
        await asyncio.gather(*(store.save(SessionData(id=f"s{n}")) for n in range(10)))
        assert len(await store.list()) == 10
        await store.close()

    asyncio.run(main())


def test_failing_to_open_is_raised_where_it_is_awaited(tmp_path: Path) -> None:
    """A store that cannot be opened says so at the first wait."""

    async def main() -> None:
        store = AsyncEventStore.open(tmp_path / "no" / "store")
        for _ in range(2):
            with pytest.raises(BackendError):
                await store
        await store.close()

    asyncio.run(main())


def test_a_closed_store_says_so(location: str) -> None:
    """Closing may be repeated; every use afterwards is an error of this package."""

    async def main() -> None:
        store = await AsyncEventStore.open(location)
        await store.save(SessionData(id="s"))
        await asyncio.gather(store.close(), store.close())
        await store.close()
        for use in (store.load("s"), store.list(), store.save(SessionData(id="t"))):
            with pytest.raises(BackendError, match="the store is closed"):
                await use
        with pytest.raises(BackendError, match="the store is closed"):
            async for _ in store.history("s"):
                pass
        never = AsyncEventStore.open(location)
        await never.close()
        with pytest.raises(BackendError, match="the store is closed"):
            await never

    asyncio.run(main())


def test_a_cancelled_save_is_whole_or_not_there(location: str) -> None:
    """Cancelling stops the waiting; the store goes on, and no half of a save is seen."""

    async def work(store: AsyncEventStore) -> None:
        task = asyncio.create_task(store.save(SessionData(id="s"), trace_events=[]))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await store.save(SessionData(id="s", model_name="m"))
        kinds = [set(v.parts) async for v in store.history("s")]
        assert kinds in ([{"session"}], [{"session", "trace_events"}] * 2)

    run(location, work)


def test_it_cannot_be_pickled(location: str) -> None:
    """Threads and loops stay where they are: pickling fails loudly."""
    with pytest.raises((TypeError, AttributeError)):
        pickle.dumps(AsyncEventStore.open(location))


def test_a_forked_child_can_await_too(tmp_path: Path) -> None:
    """A child that inherited an open store, and none of its threads, can use it."""
    store = AsyncEventStore.open(tmp_path / "store")
    asyncio.run(_save(store, "parent"))
    child = os.fork()
    if not child:
        signal.alarm(20)
        status = 1
        try:
            asyncio.run(_save(store, "child"))
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(child, 0)[1] == 0
    assert asyncio.run(_save(store, "again")) == ["again", "child", "parent"]
    asyncio.run(store.close())
    with EventStore.open(tmp_path / "store") as plain:
        assert plain.list() == ["again", "child", "parent"]


async def _save(store: AsyncEventStore, id: str) -> list[str]:
    """Save one session and list all, in one go of a loop."""
    await store.save(SessionData(id=id))
    return await store.list()


def test_a_watch_loses_nothing_to_calls_that_are_cancelled(tmp_path: Path) -> None:
    """What a cancelled call would have returned is what the next one returns, and the cursor."""

    async def work(store: AsyncEventStore) -> None:
        for id in (None, "s"):
            for turn in range(5):
                await store.save({"id": "s", "turn": [id, turn]})
            watch = store.watch(id, after=0, wait=0)
            plain = await watch.start()
            look, looking, looked = plain.poll, threading.Event(), threading.Event()

            def slow(look: Any = look, looking: Any = looking, looked: Any = looked) -> Any:
                looking.set()
                looked.wait()
                return look()

            plain.poll = slow  # type: ignore[method-assign]
            before = watch.cursor
            for _ in range(3):
                call = asyncio.ensure_future(anext(watch))
                while not looking.is_set():
                    await asyncio.sleep(0)
                call.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await call
            assert watch.cursor == before
            looked.set()
            found = [version.version async for version in watch]
            assert found == [v.version async for v in store.watch("s", after=0, wait=0)]
            assert watch.cursor == plain.cursor != before

    run(str(tmp_path / "store"), work, model=dict)


def test_a_cancelled_beginning_of_a_watch_is_its_beginning(location: str) -> None:
    """A watch sees what is committed since it was first asked, though that call was cancelled."""

    async def work(store: AsyncEventStore) -> None:
        watch = store.watch("s", wait=0)
        call = asyncio.ensure_future(anext(watch))
        while watch.cursor is None:
            await asyncio.sleep(0)
        call.cancel()
        await asyncio.gather(call, return_exceptions=True)
        begun = await watch.start()
        await store.save({"id": "s"})
        assert [version.version async for version in watch] == [1]
        assert await watch.start() is begun

    run(location, work, model=dict)


def test_a_watch_that_is_begun_twice_begins_once(location: str) -> None:
    """Tasks that begin one watch at the same time get the same."""

    async def work(store: AsyncEventStore) -> None:
        for _ in range(20):
            watch = store.watch("s", wait=0)
            first, *others = await asyncio.gather(*(watch.start() for _ in range(8)))
            assert all(other is first for other in others)

    run(location, work, model=dict)


def test_a_damaged_version_is_told_though_the_first_call_was_cancelled(tmp_path: Path) -> None:
    """The error that a cancelled call would have raised is raised by the next."""

    async def work(store: AsyncEventStore) -> None:
        watch = store.watch("s", after=0, wait=0)
        plain = await watch.start()

        def damaged() -> None:
            raise CorruptError("is damaged")

        plain.poll = damaged  # type: ignore[method-assign]
        watch._look(plain)
        del plain.poll
        with pytest.raises(CorruptError, match="is damaged"):
            await anext(watch)
        assert [version async for version in watch] == []

    run(str(tmp_path / "store"), work, model=dict)


@pytest.mark.parametrize("kind", [AsyncEventStore, AsyncStateStore])
def test_a_cancelled_opening_is_gone_on_with(tmp_path: Path, kind: Any) -> None:
    """Opening that nobody waits for any more opens the one store that later calls use."""
    opened: list[Any] = []
    begun, go_on = threading.Event(), threading.Event()
    plain = StateStore if kind is AsyncStateStore else EventStore

    def opening() -> Any:
        begun.set()
        go_on.wait()
        opened.append(plain.open(tmp_path / "store", durability="group"))
        return opened[-1]

    store = kind(opening)

    async def cancelled() -> None:
        calls = [asyncio.ensure_future(store.__aenter__()) for _ in range(3)]
        while not begun.is_set():
            await asyncio.sleep(0)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        go_on.set()

    async def used() -> None:
        # As several tasks of another loop, which no lock of the first may keep out.
        await asyncio.gather(*(store.__aenter__() for _ in range(3)))
        await store.close()
        with pytest.raises(BackendError, match="closed"):
            await (store.list() if kind is AsyncEventStore else store.list_sessions())

    before = len(os.listdir("/dev/fd"))
    asyncio.run(cancelled())
    asyncio.run(used())
    assert len(opened) == 1
    assert len(os.listdir("/dev/fd")) == before


def test_closing_waits_for_an_opening(tmp_path: Path) -> None:
    """A store that is closed while it is opened is closed."""
    opened: list[EventStore] = []
    begun, go_on = threading.Event(), threading.Event()

    def opening() -> EventStore:
        begun.set()
        go_on.wait()
        opened.append(EventStore.open(tmp_path / "store"))
        return opened[-1]

    async def main() -> None:
        store = AsyncEventStore(opening)
        call = asyncio.ensure_future(store.list())
        while not begun.is_set():
            await asyncio.sleep(0)
        closing = asyncio.ensure_future(store.close())
        await asyncio.sleep(0)
        go_on.set()
        await asyncio.gather(call, closing, return_exceptions=True)
        with pytest.raises(BackendError, match="closed"):
            opened[0].list()

    asyncio.run(main())
