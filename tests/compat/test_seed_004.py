"""The tests of seed 004, the state store of oxios; every name, in its order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from eventstore.adapters.oxios_async import AsyncStateStore
from eventstore.models.moments import timestamp_of
from eventstore.models.oxios import PruneConfig, Session

Body = Callable[[AsyncStateStore], Coroutine[Any, Any, None]]

HOUR_NS = 3_600_000_000_000


def state_store(body: Body) -> Callable[[Path], None]:
    """Make a test of *body*, which is given a state store in an empty directory."""

    def test(tmp_path: Path) -> None:
        async def run() -> None:
            async with AsyncStateStore.open(tmp_path / "state") as store:
                await body(store)

        asyncio.run(run())

    test.__doc__ = body.__doc__
    return test


def updated(session: Session, time_ns: int) -> Session:
    """Return a session that was last updated at a time."""
    return session.model_copy(update={"updated_at": timestamp_of(time_ns)})


async def save_one_after_the_other(store: AsyncStateStore, count: int) -> None:
    """Save sessions, each updated ten milliseconds after the one before."""
    for i in range(count):
        session = Session.new(f"user-{i}").add_user_message(f"Message {i}")
        await store.save_session(updated(session, time.time_ns() + i * 10_000_000))


@state_store
async def test_session_creation_and_persistence(store: AsyncStateStore) -> None:
    """What was saved is loaded."""
    session = Session.new("user-123").add_user_message("Hello")
    await store.save_session(session)
    loaded = await store.load_session(session.id)
    assert loaded is not None
    assert loaded.user_id == "user-123"
    assert len(loaded.user_messages) == 1
    assert loaded == session


@state_store
async def test_session_list_sorts_by_updated(store: AsyncStateStore) -> None:
    """The most recently updated session is listed first."""
    await save_one_after_the_other(store, 3)
    sessions = await store.list_sessions()
    assert len(sessions) == 3
    assert [summary.user_id for summary in sessions] == ["user-2", "user-1", "user-0"]


@state_store
async def test_delete_session(store: AsyncStateStore) -> None:
    """A deleted session is not loaded, and deleting says whether there was one."""
    session = Session.new("user-123")
    await store.save_session(session)
    assert await store.delete_session(session.id)
    assert await store.load_session(session.id) is None
    assert not await store.delete_session(session.id)


@state_store
async def test_get_or_create_session_existing(store: AsyncStateStore) -> None:
    """A session that is there is returned as it is."""
    existing = Session.new("user-123").add_user_message("Original message")
    await store.save_session(existing)
    retrieved = await store.get_or_create_session("user-123", existing.id)
    assert retrieved.id == existing.id
    assert len(retrieved.user_messages) == 1


@state_store
async def test_get_or_create_session_new(store: AsyncStateStore) -> None:
    """Without one a new session is made, and saved."""
    session = await store.get_or_create_session("user-456")
    assert session.user_id == "user-456"
    assert session.is_empty()
    assert await store.load_session(session.id) == session


@state_store
async def test_prune_sessions_by_count(store: AsyncStateStore) -> None:
    """Beyond the number to keep, the oldest go."""
    await save_one_after_the_other(store, 5)
    pruned = await store.prune_sessions(PruneConfig(max_sessions=3, ttl_hours=0))
    assert pruned.count == 2 and pruned.ok
    remaining = await store.list_sessions()
    assert {summary.user_id for summary in remaining} == {"user-2", "user-3", "user-4"}


@state_store
async def test_prune_sessions_by_ttl(store: AsyncStateStore) -> None:
    """What was not updated for too long goes."""
    await store.save_session(updated(Session.new("old-user"), time.time_ns() - 48 * HOUR_NS))
    await store.save_session(Session.new("recent-user").add_user_message("Hello"))
    pruned = await store.prune_sessions(PruneConfig(max_sessions=0, ttl_hours=24))
    assert pruned.count == 1
    remaining = await store.list_sessions()
    assert [summary.user_id for summary in remaining] == ["recent-user"]
