"""The bodies of the seeds' own tests, asked of this store in their asynchronous form.

Each is named after the seeds' test less its `test_file_store_` or `test_memory_store_`; the modules
beside this one give them the seeds' names back, one module for each seed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from eventstore import (
    ArtifactStore,
    AsyncEventStore,
    BackendError,
    CorruptError,
    EventStore,
    Message,
    SessionConfig,
    SessionData,
    ToolArtifact,
    TraceEvent,
    VerificationReport,
)
from eventstore.models.a3s import (
    ConfirmationPolicy,
    ContextUsage,
    LlmConfigData,
    PermissionPolicy,
    SessionQueueConfig,
    SessionState,
    TokenUsage,
    ToolDefinition,
    VerificationCheck,
)

Body = Callable[..., Coroutine[Any, Any, None]]

URI = "a3s://tool-output/test/a"


def session(**changes: Any) -> SessionData:
    """Return the seeds' `create_test_session_data`."""
    return SessionData(
        id="test-session-1",
        config=SessionConfig(
            name="Test Session",
            workspace="/srv/workspace",
            system_prompt="You are helpful.",
            max_context_length=200000,
        ),
        state=SessionState.ACTIVE,
        messages=(Message.user("Hello"), Message.assistant("Hi there!")),
        context_usage=ContextUsage(used_tokens=100, max_tokens=200000, percent=0.0005, turns=2),
        total_usage=TokenUsage(prompt_tokens=50, completion_tokens=50, total_tokens=100),
        tool_names=("bash", "read"),
        created_at=1700000000,
        updated_at=1700000100,
    ).model_copy(update=changes)


def artifacts() -> ArtifactStore:
    """Return the seeds' one artifact."""
    return ArtifactStore().put(
        ToolArtifact(
            artifact_id="tool-output:test:a",
            artifact_uri=URI,
            tool_name="test",
            content="artifact content",
            original_bytes=16,
            shown_bytes=4,
        )
    )


def report() -> VerificationReport:
    """Return the seeds' `create_test_verification_report`."""
    check = VerificationCheck.new_required("check:test", "test", "Run tests")
    return VerificationReport.new("program:test", [check.with_status("passed")])


def on_each_backend(body: Body) -> Callable[[str], None]:
    """Make a test of *body*, which is given a store of each backend in turn."""

    def test(location: str) -> None:
        async def run() -> None:
            async with AsyncEventStore.open(location) as store:
                await body(store)

        asyncio.run(run())

    test.__doc__ = body.__doc__
    return test


def on_disk(body: Body) -> Callable[[Path], None]:
    """Make a test of *body*, which is given a store and the empty directory that it is in."""

    def test(tmp_path: Path) -> None:
        async def run() -> None:
            async with AsyncEventStore.open(tmp_path / "store") as store:
                await body(store, tmp_path)

        asyncio.run(run())

    test.__doc__ = body.__doc__
    return test


@on_each_backend
async def save_and_load(store: AsyncEventStore) -> None:
    """What was saved is loaded, equal in every field."""
    saved = session()
    await store.save(saved)
    loaded = await store.load(saved.id)
    assert loaded == saved
    assert loaded.config.name == "Test Session"
    assert len(loaded.messages) == 2
    assert loaded.state is SessionState.ACTIVE


@on_each_backend
async def load_nonexistent(store: AsyncEventStore) -> None:
    """An id that was never saved loads as None."""
    assert await store.load("nonexistent") is None


@on_each_backend
async def delete(store: AsyncEventStore) -> None:
    """A deleted session is neither there nor loaded."""
    await store.save(session())
    assert await store.exists("test-session-1")
    assert await store.delete("test-session-1")
    assert not await store.exists("test-session-1")
    assert await store.load("test-session-1") is None


@on_each_backend
async def list(store: AsyncEventStore) -> None:
    """An empty store lists nothing, any other exactly the ids that were saved."""
    assert await store.list() == []
    for number in (3, 1, 2):
        await store.save(session(id=f"session-{number}"))
    assert await store.list() == ["session-1", "session-2", "session-3"]


@on_each_backend
async def overwrite(store: AsyncEventStore) -> None:
    """A second save is what loads from then on."""
    saved = session()
    await store.save(saved)
    more = (*saved.messages, Message.user("Another message"))
    await store.save(saved.model_copy(update={"messages": more, "updated_at": 1700000200}))
    loaded = await store.load(saved.id)
    assert len(loaded.messages) == 3
    assert loaded.updated_at == 1700000200


@on_disk
async def path_traversal_prevention(store: AsyncEventStore, outside: Path) -> None:
    """An id that climbs out of the directory is stored inside it and loads under its own name."""
    climbing = session(id="../../../etc/passwd")
    await store.save(climbing)
    assert await store.load(climbing.id) == climbing
    assert await store.list() == [climbing.id]
    assert [path.name for path in outside.iterdir()] == ["store"]
    assert len(logs_in(outside / "store")) == 1


@on_each_backend
async def with_policies(store: AsyncEventStore) -> None:
    """Policies and queue settings survive."""
    config = session().config.model_copy(
        update={
            "confirmation_policy": ConfirmationPolicy(enabled=True),
            "permission_policy": PermissionPolicy().allowing("Bash(cargo:*)"),
            "queue_config": SessionQueueConfig(),
        }
    )
    await store.save(session(config=config))
    loaded = (await store.load("test-session-1")).config
    assert loaded.confirmation_policy.enabled
    assert loaded.permission_policy == config.permission_policy
    assert loaded.queue_config == config.queue_config


@on_each_backend
async def with_llm_config(store: AsyncEventStore) -> None:
    """The model of a session is saved, its key is not."""
    llm = LlmConfigData(
        provider="anthropic", model="claude-3-5-sonnet-20241022", api_key="the-secret-key"
    )
    await store.save(session(llm_config=llm))
    loaded = (await store.load("test-session-1")).llm_config
    assert (loaded.provider, loaded.model) == ("anthropic", "claude-3-5-sonnet-20241022")
    assert loaded.api_key is None
    assert b"the-secret-key" not in (await store.load_bytes("test-session-1") or b"")


@on_each_backend
async def exists(store: AsyncEventStore) -> None:
    """A session exists from its save to its delete."""
    assert not await store.exists("test-session-1")
    await store.save(session())
    assert await store.exists("test-session-1")
    await store.delete("test-session-1")
    assert not await store.exists("test-session-1")


@on_each_backend
async def save_and_load_artifacts(store: AsyncEventStore) -> None:
    """Artifacts are saved under an id of their own, gone once it is deleted."""
    await store.save_artifacts("session/a", artifacts())
    loaded = await store.load_artifacts("session/a")
    assert loaded is not None
    assert len(loaded) == 1
    assert loaded.get(URI) == artifacts().get(URI)
    await store.delete("session/a")
    assert await store.load_artifacts("session/a") is None


@on_each_backend
async def save_and_load_trace_events(store: AsyncEventStore) -> None:
    """Trace events are saved and loaded, gone with their session."""
    metadata = {"artifact": {"artifact_uri": "a3s://tool-output/read/abc"}}
    events = (
        TraceEvent.tool_execution("read", True, 0, 9, 12, metadata),
        TraceEvent.tool_execution("grep", False, 1, 2, 24),
    )
    await store.save(session(id="session/a"))
    await store.save_trace_events("session/a", events)
    assert await store.load_trace_events("session/a") == events
    await store.delete("session/a")
    assert await store.load_trace_events("session/a") is None


@on_each_backend
async def save_and_load_verification_reports(store: AsyncEventStore) -> None:
    """Verification reports are saved and loaded, gone with their session."""
    await store.save(session(id="session/a"))
    await store.save_verification_reports("session/a", [report()])
    assert await store.load_verification_reports("session/a") == (report(),)
    await store.delete("session/a")
    assert await store.load_verification_reports("session/a") is None


def session_data_serialization() -> None:
    """A session is equal to what its own JSON text reads as."""
    assert SessionData.model_validate_json(session().model_dump_json()) == session()


def tool_names_from_definitions() -> None:
    """The names of tools are taken in their order."""
    tools = [
        ToolDefinition(name=name, description=f"{name} something", parameters={})
        for name in ("bash", "read")
    ]
    assert SessionData.tool_names_from_definitions(tools) == ("bash", "read")


def sanitization(*ids: str) -> Callable[[Path], None]:
    """Make the test that *ids*, which the seeds gave one file, are kept apart inside the store."""

    @on_disk
    async def body(store: AsyncEventStore, outside: Path) -> None:
        """Ids that differ only by separators have a log each, inside the store, and list as is."""
        for id in ids:
            await store.save(session(id=id, model_name=f"of {id}"))
        for id in ids:
            assert (await store.load(id)).model_name == f"of {id}"
        assert await store.list() == sorted(ids)
        assert [path.name for path in outside.iterdir()] == ["store"]
        assert len(logs_in(outside / "store")) == len(ids)

    return body


def damaged_log(wreck: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    """Make the test of a log whose file holds what *wreck* makes of its bytes."""

    def test(tmp_path: Path) -> None:
        """A wrecked log is an error if it was acknowledged, else no session and no obstacle.

        The seeds' store cannot tell a half-written file from a damaged one and always fails. Here
        a first save that was never acknowledged is recognised: nobody was promised it.
        """
        with EventStore.open(tmp_path / "store") as store:
            store.save(session())
            sound = logs_in(tmp_path / "store")[0].read_bytes()
        wrecked = wreck(sound)
        logs_in(tmp_path / "store")[0].write_bytes(wrecked)
        with EventStore.open(tmp_path / "store") as store:
            with pytest.raises(CorruptError) as caught:
                store.load("test-session-1")
            assert caught.value.session == "test-session-1"
            assert caught.value.version == 1
            with pytest.raises(CorruptError):
                store.save(session(model_name="other"))
        assert logs_in(tmp_path / "store")[0].read_bytes() == wrecked

        with EventStore.open(tmp_path / "other") as store:
            path = store._backend._layout.path_of("test-session-1")
            path.parent.mkdir()
            path.write_bytes(wrecked)
            assert store.load("test-session-1") is None
            assert not store.exists("test-session-1")
            assert store.list() == []
            assert store.save(session()).version == 1
            assert store.load("test-session-1") == session()
        kept = [p.read_bytes() for p in (tmp_path / "other" / "lost+found").glob("*")]
        assert kept == ([wrecked] if wrecked else [])

    return test


corrupted_json_recovery = damaged_log(lambda sound: b"not valid json {{{")
load_empty_file = damaged_log(lambda sound: b"")
load_partial_json = damaged_log(lambda sound: sound[: len(sound) // 2])


@on_each_backend
async def health_check(store: AsyncEventStore) -> None:
    """A healthy store says so, and which backend it is."""
    await store.health_check()
    assert store.backend_name() in ("file", "memory")


def health_check_bad_dir(tmp_path: Path) -> None:
    """A store whose directory is not there cannot open; one that lost it is unhealthy."""
    with pytest.raises(BackendError):
        EventStore.open(tmp_path / "missing" / "path" / "of" / "a" / "store")
    with EventStore.open(tmp_path / "store") as store:
        (tmp_path / "store").rename(tmp_path / "elsewhere")
        with pytest.raises(BackendError, match="health check failed to create"):
            store.health_check()


@on_each_backend
async def concurrent_save(store: AsyncEventStore) -> None:
    """Saves of one session at the same time all succeed and leave it whole."""
    saved = session()
    await store.save(saved)
    await asyncio.gather(*(store.save(saved) for _ in range(5)))
    assert await store.load(saved.id) == saved
    others = [session(model_name=f"model {number}") for number in range(5)]
    versions = await asyncio.gather(*(store.save(other) for other in others))
    assert sorted(version.version for version in versions) == [2, 3, 4, 5, 6]
    assert await store.load(saved.id) in others


def logs_in(store: Path) -> list[Path]:
    """Return every log file of a store, and make sure that each is really inside it."""
    found = sorted((store / "logs").rglob("*.log"))
    assert all(path.resolve().is_relative_to(store.resolve()) for path in found)
    return found
