"""`delete` and `undelete`: nothing disappears, and everything comes back."""

from __future__ import annotations

import pytest

from eventstore import ConflictError, EventStore, InvalidInputError, SessionData


def fill(store: EventStore) -> SessionData:
    """Save a session with two more parts and return it."""
    session = SessionData(id="s", model_name="m")
    store.save(session, trace_events=[], parts={"mine": {"k": 1}})
    return session


def test_delete_ends_every_part_and_keeps_the_history(store: EventStore) -> None:
    """After a delete nothing is current, and every version still loads."""
    session = fill(store)
    assert store.delete("s", actor="me", note="why")
    assert store.load("s") is None
    assert store.load_trace_events("s") is None
    assert store.load_part("s", "mine") is None
    assert not store.exists("s")
    assert store.list() == []
    newest = store.version("s")
    assert newest is not None
    assert (newest.version, newest.kind, newest.actor, newest.note) == (2, "delete", "me", "why")
    assert (newest.address, dict(newest.parts), newest.size) == (None, {}, 0)
    assert store.load("s", at=1) == session
    assert store.load("s", at=-1) == session
    assert store.load("s", at=2) is None
    assert store.load_part("s", "mine", at=1) == {"k": 1}


def test_delete_of_nothing_is_no_commit(store: EventStore) -> None:
    """Deleting what is not there, or not any more, returns False and writes nothing."""
    assert not store.delete("s")
    assert store.version("s") is None
    fill(store)
    assert store.delete("s")
    assert not store.delete("s")
    assert len(list(store.history("s"))) == 2


def test_delete_can_expect_a_version(store: EventStore) -> None:
    """A delete of another version than the expected one is refused."""
    fill(store)
    with pytest.raises(ConflictError):
        store.delete("s", expected=2)
    assert store.exists("s")
    assert store.delete("s", expected=1)
    with pytest.raises(ConflictError):
        store.delete("s", expected=1)


def test_undelete_brings_every_part_back_for_nothing(store: EventStore) -> None:
    """An undeleted session has all its parts as they were, without a second copy of them."""
    session = fill(store)
    large = store.save_states("s", {"mine": b'"' + bytes(range(35, 90)) * 500 + b'"'})
    before = store.version("s")
    store.delete("s")
    back = store.undelete("s", actor="me", note="oops")
    assert before is not None
    assert {n: p.address for n, p in back.parts.items()} == {
        n: p.address for n, p in before.parts.items()
    }
    assert (back.version, back.kind, back.actor, back.note) == (4, "undelete", "me", "oops")
    assert store.load("s") == session
    assert store.load_trace_events("s") == ()
    assert store.load_bytes("s", "mine") == store.load_bytes("s", "mine", at=large)
    assert store.list() == ["s"]
    assert back.stored < 1_500


def test_undelete_of_what_lives_changes_nothing(store: EventStore) -> None:
    """A session that is not deleted stays at its version; one that never was is bad input."""
    fill(store)
    assert store.undelete("s").version == 1
    with pytest.raises(InvalidInputError) as caught:
        store.undelete("none")
    assert (caught.value.field, caught.value.session) == ("id", "none")
    assert store.list() == ["s"]


def test_deleting_and_undeleting_can_go_on_for_ever(store: EventStore) -> None:
    """However often a session went and came back, its parts load and can be saved."""
    session = fill(store)
    for round in range(4):
        assert store.delete("s")
        store.undelete("s")
        assert store.load("s") == session
        assert store.load_part("s", "mine") == {"k": 1}
        assert store.save(session).version == 3 + 2 * round
    last = store.save(session.model_copy(update={"model_name": "new"}))
    assert (last.version, set(last.parts)) == (10, {"session", "trace_events", "mine"})
    assert store.load_part("s", "mine") == {"k": 1}
    for version in range(1, 11):
        expected = None if version in (2, 4, 6, 8) else {"k": 1}
        assert store.load_part("s", "mine", at=version) == expected


def test_a_save_after_a_delete_starts_without_the_old_parts(store: EventStore) -> None:
    """A new session under a deleted id goes on counting versions but has only its own parts."""
    session = fill(store)
    store.delete("s")
    version = store.save(session, expected=0)
    assert (version.version, set(version.parts)) == (3, {"session"})
    assert store.load_part("s", "mine") is None
    assert store.load_part("s", "mine", at=1) == {"k": 1}
    assert store.undelete("s") == version
