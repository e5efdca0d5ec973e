"""The public names and signatures, pinned: changing one of them is a decision, not an accident."""

from __future__ import annotations

import inspect
from typing import Any

import pytest

import eventstore
from eventstore import AsyncEventStore, EventStore, EventStoreError, SessionStore

NAMES = """ArtifactStore AsyncEventStore BackendError CompactReport CompactedLog ConflictError
CorruptError Difference Divergence DurabilityError ErasedError Event EventStore EventStoreError
Fold Handle HeldError HistoryPage Hit InvalidInputError Message Page PartVersion RunEventPage
RunEventRecord RunRecord SessionConfig SessionData SessionInfo SessionStore StoreStats ToolArtifact
TraceEvent TreeNode UnsupportedError VerificationReport Version Watch Words apply_patch marked"""

FILTERS = "actor, kind, since, until, oldest_first"
REMARKS = "*, actor, note, expected, key"
METHODS = {
    "open": "location, *, model, durability, create, state_size_max, cache_size, search",
    "close": "",
    "save": "session, *, id, artifacts, trace_events, run_records, verification_reports, parts, "
    "actor, note, expected, key",
    "save_artifacts": "id, artifacts, **options",
    "save_trace_events": "id, events, **options",
    "save_run_records": "id, records, **options",
    "save_verification_reports": "id, reports, **options",
    "save_states": f"id, states, {REMARKS}",
    "load": "id, *, at, model",
    "load_artifacts": "id, *, at",
    "load_trace_events": "id, *, at",
    "load_run_records": "id, *, at",
    "load_verification_reports": "id, *, at",
    "load_part": "id, part, *, at",
    "load_bytes": "id, part, *, at",
    "list": "",
    "exists": "id",
    "delete": "id, *, actor, note, expected",
    "undelete": "id, *, actor, note",
    "compact": "ids, *, dry_run, keep_last, keep_days, then, actor, note, progress",
    "restore": "id, *, at, actor, note, expected",
    "fork": "id, new_id, *, at, rewrite_ids, actor, note, key",
    "tree": "id",
    "search": "query, *, role, tool, session, since, until, all_versions, limit",
    "watch": "id, *, after, wait",
    "sessions": "*, order_by, limit, after, parent, state, updated_since, deleted",
    "history": f"id, part, *, {FILTERS}",
    "history_page": f"id, part, *, {FILTERS}, limit, after, changes",
    "diff": "id, at, to, *, other, part",
    "first_divergence": "a, b, *, part",
    "replay": "id, start, stop",
    "append_messages": f"id, messages, {REMARKS}",
    "append_trace_events": f"id, events, {REMARKS}",
    "append_run_events": f"id, run_id, events, {REMARKS}",
    "run_events": "id, run_id, *, after, limit, at",
    "version": "id, at",
    "stats": "",
    "sync": "",
    "health_check": "",
    "backup": "target, ids, *, deep, progress",
    "repair": "ids, *, apply, actor, note, progress",
    "repair_format": "location, *, apply",
    "verify": "ids, *, deep, sample, older_than, resume, progress",
    "backend_name": "",
}
HANDED_ON = {
    "save_states": "id, states, **options",
    "append_messages": "id, messages, **options",
    "append_trace_events": "id, events, **options",
    "append_run_events": "id, run_id, events, **options",
}
PROTOCOL = """save load delete list exists save_artifacts load_artifacts save_trace_events
load_trace_events save_run_records load_run_records save_verification_reports
load_verification_reports health_check backend_name"""


def parameters(method: Any) -> str:
    """Return the names of the parameters of a method, without its first."""
    shown: list[str] = []
    for name, parameter in inspect.signature(method).parameters.items():
        if name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and "*" not in shown:
            shown.append("*")
        shown.append(f"**{name}" if parameter.kind is parameter.VAR_KEYWORD else name)
    return ", ".join(shown)


def public(kind: type) -> set[str]:
    """Return the public methods of a class."""
    names = {name for name in dir(kind) if not name.startswith("_")}
    return {name for name in names if callable(getattr(kind, name))}


def test_the_public_names() -> None:
    """The package exports these names, each of which is there."""
    assert sorted(eventstore.__all__) == sorted(NAMES.split())
    assert all(hasattr(eventstore, name) for name in eventstore.__all__)


def test_the_stores_have_the_same_methods() -> None:
    """Both stores have these methods and no others."""
    assert public(EventStore) == public(AsyncEventStore) == METHODS.keys()


@pytest.mark.parametrize("name", METHODS)
def test_the_parameters_of_a_method(name: str) -> None:
    """Both stores take the same parameters, with the same defaults, in the same order."""
    plain, awaited = getattr(EventStore, name), getattr(AsyncEventStore, name)
    assert parameters(plain) == METHODS[name]
    both = [inspect.signature(method).parameters for method in (plain, awaited)]
    if name in HANDED_ON:
        # The asynchronous one hands its options on.
        assert parameters(awaited) == HANDED_ON[name]
    else:
        assert parameters(awaited) == METHODS[name]
        defaults = [{p.name: p.default for p in found.values()} for found in both]
        assert defaults[0] == defaults[1]


@pytest.mark.parametrize("name", METHODS)
def test_what_is_awaited(name: str) -> None:
    """Every call of the asynchronous store is a coroutine, but opening, naming and streams."""
    method = getattr(AsyncEventStore, name)
    if name in ("history", "replay", "tree", "search"):
        assert inspect.isasyncgenfunction(method)
    else:
        plain = ("open", "backend_name", "watch")
        assert inspect.iscoroutinefunction(method) is (name not in plain)


def test_the_protocol_has_the_fifteen_methods_of_the_seeds() -> None:
    """`SessionStore` is what an agent runtime asks, no more, under its names."""
    assert public(SessionStore) == set(PROTOCOL.split())
    assert len(PROTOCOL.split()) == 15
    assert issubclass(AsyncEventStore, SessionStore)


def test_one_root_of_all_errors() -> None:
    """Whoever catches the root catches every error of the package."""
    kinds = [getattr(eventstore, name) for name in eventstore.__all__ if name.endswith("Error")]
    assert len(kinds) == 9
    assert all(issubclass(kind, EventStoreError) for kind in kinds)
    assert all(kind("m").session is None for kind in kinds)


def test_everything_public_is_documented() -> None:
    """Every public name and method says what it is."""
    for name in eventstore.__all__:
        assert getattr(eventstore, name).__doc__, name
    for kind in (EventStore, AsyncEventStore):
        for name in METHODS:
            assert getattr(kind, name).__doc__, name
