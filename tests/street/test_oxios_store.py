"""The state store of oxios: documents, sessions, lists from the index, pruning and its undoing."""

from __future__ import annotations

import asyncio
import inspect
import json
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from eventstore import ConflictError, EventStore, InvalidInputError, Page, SessionInfo
from eventstore.adapters.oxios import StateStore
from eventstore.adapters.oxios_async import AsyncStateStore
from eventstore.adapters.oxios_background import REPORTS_MAX, Background
from eventstore.backends.file import FileBackend
from eventstore.errors import BackendError, CorruptError
from eventstore.models.moments import timestamp_of
from eventstore.models.oxios import PruneConfig, PruneThrottle, Session

HOUR_NS = 3_600_000_000_000
HOSTILE = ["", "..", "../x", "a/b", "a\\b", "nul\0", "n" * 251, "half\ud800", None, 7]
ODD = ["CON", "aux.txt", "a:b", "end.", " x ", "🦀é", "é", "n" * 250, "a\nb", ".hidden"]


@pytest.fixture
def state(location: str) -> Iterator[StateStore]:
    """An open state store on each backend."""
    with StateStore.open(location) as opened:
        yield opened


def aged(id: str, hours: float, **fields: Any) -> Session:
    """Return a session that was last updated so many hours ago."""
    moment = timestamp_of(time.time_ns() - int(hours * HOUR_NS))
    return Session(id=id, user_id="u", created_at=moment, updated_at=moment, **fields)


def fill(state: StateStore, count: int = 4) -> None:
    """Save sessions `s0` (the newest) to `s3`, each an hour older."""
    for number in range(count):
        state.save_session(aged(f"s{number}", number + 0.5))


class Note(BaseModel):
    """A document of a caller's own type."""

    text: str


def test_documents_are_kept_by_category_and_name(state: StateStore) -> None:
    """Markdown and JSON of one name are two documents; what was saved is loaded."""
    text = "# T\r\n\n\0 é 🦀 \u2028"
    state.save_markdown("memory/facts", "a", text)
    state.save_json("memory/facts", "a", [1, 1.0, {"b": None}])
    state.save_json("memory", "a", None)
    state.save_markdown("memory/facts/deep", "b", "")
    assert state.load_markdown("memory/facts", "a") == text
    assert repr(state.load_json("memory/facts", "a")) == "[1, 1.0, {'b': None}]"
    assert state.load_markdown("memory/facts/deep", "b") == ""
    assert state.load_markdown("memory", "a") is None
    assert state.load_json("other", "a") is None
    assert state.list_category("memory/facts") == ["a", "a"]
    assert state.list_category("memory") == ["a"]
    assert state.list_category("nothing") == []


def test_deleting_takes_the_json_first(state: StateStore) -> None:
    """As in the seed, one call deletes one document: the JSON if there is any."""
    state.save_markdown("c", "n", "text")
    state.save_json("c", "n", 1)
    assert state.delete_file("c", "n", actor="me", note="old")
    assert state.load_json("c", "n") is None and state.load_markdown("c", "n") == "text"
    assert state.delete_file("c", "n") and not state.delete_file("c", "n")
    newest = state.store.version("c/n.json")
    assert newest is not None and (newest.kind, newest.actor, newest.note) == (
        "delete",
        "me",
        "old",
    )


def test_every_version_of_a_document_stays(state: StateStore) -> None:
    """Documents have a history, are deduplicated, and can be guarded against lost updates."""
    first = state.save_markdown("c", "n", "one", actor="me", note="why")
    assert state.save_markdown("c", "n", "one") == first
    second = state.save_markdown("c", "n", "two", expected=first)
    with pytest.raises(ConflictError):
        state.save_markdown("c", "n", "three", expected=first)
    assert [v.version for v in state.store.history("c/n.md")] == [2, 1]
    assert state.store.load_bytes("c/n.md", at=1) == b'"one"'
    assert second.version == 2 and first.actor == "me" and first.note == "why"


def test_a_document_can_be_of_a_type(state: StateStore) -> None:
    """A pydantic model is saved, and loaded as one; another document is refused by its field."""
    state.save_json("notes", "n", Note(text="hi"))
    assert state.load_json("notes", "n", Note) == Note(text="hi")
    assert state.load_json("notes", "n") == {"text": "hi"}
    state.save_json("notes", "list", [{"text": "a"}])
    assert state.load_json("notes", "list", list[Note]) == [Note(text="a")]
    with pytest.raises(InvalidInputError, match=r"notes/list\.json"):
        state.load_json("notes", "list", Note)


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_refused_everywhere(state: StateStore, name: Any) -> None:
    """No method takes a name that leads elsewhere, not even `delete_session`; none writes."""
    document = aged("x", 0).to_object() | {"id": name}
    calls = [
        lambda: state.save_markdown("c", name, "x"),
        lambda: state.load_markdown("c", name),
        lambda: state.save_json("c", name, 1),
        lambda: state.load_json("c", name),
        lambda: state.delete_file("c", name),
        lambda: state.load_session(name),
        lambda: state.delete_session(name),
        lambda: state.save_session(document),
    ]
    if name is not None:
        calls.append(lambda: state.get_or_create_session("u", name))
    if name not in ("a/b", "n" * 251):
        calls += [lambda: state.list_category(name), lambda: state.save_json(name, "x", 1)]
    for call in calls:
        with pytest.raises(InvalidInputError):
            call()
    assert state.store.list() == []


@pytest.mark.parametrize("name", ODD)
def test_odd_names_are_just_names(state: StateStore, name: str) -> None:
    """Names that another system could not have, and any script, are kept apart and found."""
    state.save_json("c", name, name)
    state.save_session(aged(name, 1))
    state.save_json("c", name.swapcase(), "other") if name.swapcase() != name else None
    assert state.load_json("c", name) == name
    assert name in state.list_category("c")
    assert [summary.id for summary in state.list_sessions()] == [name]
    assert state.delete_session(name)


@pytest.mark.parametrize("data", [float("nan"), {1: 2}, "half\ud800", {"x": object()}, b"x"])
def test_what_json_cannot_say_is_refused(state: StateStore, data: Any) -> None:
    """Bad documents are refused before anything is written."""
    with pytest.raises(InvalidInputError) as caught:
        state.save_json("c", "n", data)
    assert (caught.value.field or "").startswith("data")
    for text in (b"x", None, "half\ud800"):
        with pytest.raises(InvalidInputError) as caught:
            state.save_markdown("c", "n", text)  # type: ignore[arg-type]
        assert caught.value.field == "content"
    assert state.store.list() == []


def test_a_document_that_is_no_markdown_is_not_returned_as_such(state: StateStore) -> None:
    """What somebody saved under the id of Markdown must be text."""
    state.store.save_states("c/n.md", {"session": b"[1]"})
    with pytest.raises(InvalidInputError, match="not Markdown"):
        state.load_markdown("c", "n")


def test_a_session_is_a_document_of_the_category_sessions(state: StateStore) -> None:
    """As in the seed, `load_json` and `list_category` see sessions, and `delete_file` ends them."""
    state.save_session(aged("s", 1))
    state.save_markdown("sessions", "readme", "x")
    assert state.load_json("sessions", "s")["user_id"] == "u"
    assert state.load_json("sessions", "s", Session) == state.load_session("s")
    assert state.list_category("sessions") == ["readme", "s"]
    assert state.delete_file("sessions", "s") and state.load_session("s") is None


@pytest.mark.parametrize("bad", [5, None, "s", [], Note(text="x"), {"id": "s"}, {"user_id": "u"}])
def test_what_is_no_session_is_refused(state: StateStore, bad: Any) -> None:
    """Only sessions are saved as such."""
    with pytest.raises(InvalidInputError):
        state.save_session(bad)
    assert state.store.list() == []


def test_a_session_keeps_its_history(state: StateStore) -> None:
    """Every save is a version; the same session again is none."""
    session = Session.new("u")
    first = state.save_session(session, actor="me", note="begun")
    assert state.save_session(session) == first
    longer = session.add_user_message("hi")
    second = state.update_session(longer, expected=first)
    assert state.store.load(session.id, at=1) == session
    assert state.load_session(session.id) == longer
    with pytest.raises(ConflictError):
        state.save_session(session, expected=first)
    assert (second.version, first.actor, first.note) == (2, "me", "begun")


def test_a_list_reads_no_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list in a fresh process comes from the index: no log is read, nor asked for its size."""
    with StateStore.open(tmp_path / "s") as state:
        for number in range(50):
            state.save_session(aged(f"s{number:02}", number))
        state.save_markdown("c", "n", "x")
    calls: list[str] = []
    for name in ("read", "size"):
        monkeypatch.setattr(FileBackend, name, counted(getattr(FileBackend, name), name, calls))
    with StateStore.open(tmp_path / "s") as state:
        listed = state.list_sessions()
        assert [summary.id for summary in listed] == [f"s{number:02}" for number in range(50)]
        assert calls == []
        state.load_session("s00")
        assert "read" in calls and "size" in calls


def counted(method: Any, name: str, calls: list[str]) -> Any:
    """Return *method*, noting its name in *calls* whenever it is called."""

    def call(*args: Any, **options: Any) -> Any:
        calls.append(name)
        return method(*args, **options)

    return call


def test_a_list_has_more_than_one_page(state: StateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every session is listed once, however many pages the index gives."""
    monkeypatch.setattr("eventstore.adapters.oxios_sessions._PAGE_SIZE", 2)
    fill(state, 5)
    state.save_json("c", "n", 1)
    assert [summary.id for summary in state.list_sessions()] == ["s0", "s1", "s2", "s3", "s4"]


def test_order_is_by_the_nanosecond_then_by_id(state: StateStore) -> None:
    """Newest first as moments, whatever their spelling; equal moments by id."""
    times = {
        "b": "2026-01-01T00:00:00.000000002Z",
        "a": "2026-01-01T00:00:00.000000001Z",
        "d": "2026-01-01T01:00:00.000000003+01:00",
        "c": "2026-01-01T00:00:00.000000003Z",
    }
    for id, moment in times.items():
        state.save_session(Session(id=id, user_id="u", created_at=moment, updated_at=moment))
    assert [summary.id for summary in state.list_sessions()] == ["c", "d", "b", "a"]
    assert state.list_sessions()[1].updated_at == times["d"]


def test_what_cannot_be_listed_is_reported(
    state: StateStore, caplog: pytest.LogCaptureFixture
) -> None:
    """A document that is no session is named with its field, and the others are listed."""
    fill(state, 2)
    state.save_json("sessions", "broken", {"id": "broken", "user_id": 5})
    state.save_json("sessions", "list", [1])
    state.store.save(aged("x", 0), id="a..b")
    with caplog.at_level(logging.WARNING, "eventstore"):
        listed = state.list_sessions()
    assert [summary.id for summary in listed] == ["s0", "s1"] and len(listed) == 2
    assert [bad.id for bad in listed.unreadable] == ["a..b", "broken", "list"]
    assert "created_at" in listed.unreadable[1].reason
    assert "3 sessions" in caplog.text
    with pytest.raises(InvalidInputError):
        state.load_session("broken")


def test_a_session_under_another_name_is_listed_by_that_name(state: StateStore) -> None:
    """A summary has the id that the session can be loaded by."""
    state.save_json("sessions", "name", aged("inner", 1).to_object())
    (summary,) = state.list_sessions()
    assert summary.id == "name"
    assert state.prune_sessions(PruneConfig(ttl_hours=0, max_sessions=0)).count == 0
    assert state.delete_session(summary.id)


@pytest.mark.damage
def test_a_damaged_session_is_reported_and_stays(tmp_path: Path) -> None:
    """A log that cannot be read is named by a list, is not pruned, and stops no other."""
    with StateStore.open(tmp_path / "s") as state:
        fill(state, 3)
        long = aged("s1", 1, metadata={str(number): number**9 for number in range(500)})
        state.save_session(long)
        state.save_session(long.add_user_message("one more"))
    (path,) = (tmp_path / "s/logs").rglob("s1.log")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(bytes(data))
    (tmp_path / "s/index.db").unlink()
    with StateStore.open(tmp_path / "s") as state:
        listed = state.list_sessions()
        assert [summary.id for summary in listed] == ["s0", "s2"]
        assert [bad.id for bad in listed.unreadable] == ["s1"]
        report = state.prune_sessions(PruneConfig(max_sessions=1, ttl_hours=0))
        assert [pruned.id for pruned in report.pruned] == ["s2"]
        assert [bad.id for bad in report.unreadable] == ["s1"]
        with pytest.raises(CorruptError):
            state.load_session("s1")


def test_an_index_that_lies_is_only_evidence(
    state: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Facts of the index that make no summary are made again from the log."""
    fill(state, 1)
    honest, sessions = state.list_sessions(), EventStore.sessions
    for facts in ("", "5", "{", '{"id":"s0"}', '{"id":"s0","user_id":"u","message_count":-1}'):
        monkeypatch.setattr(EventStore, "sessions", lying(sessions, facts))
        assert state.list_sessions() == honest


def lying_info(info: SessionInfo, facts: str) -> SessionInfo:
    """Return what a list says of a session, with other facts."""
    more = json.dumps([*json.loads(info._values[-1])[:-1], facts])
    return SessionInfo((*info._values[:-1], more))


def lying(sessions: Any, facts: str) -> Any:
    """Return `sessions` of a store whose index has other facts."""

    def call(*args: Any, **options: Any) -> Page:
        page = sessions(*args, **options)
        told = (lying_info(info, facts) for info in page)
        return Page(tuple(told), page.next)

    return call


def test_a_new_session_is_saved_once_whoever_asks(location: str) -> None:
    """Threads that ask for one id at once get the same session, which has one version."""
    with StateStore.open(location) as state:
        barrier, found = threading.Barrier(8), list[Session]()

        def ask() -> None:
            barrier.wait()
            found.append(state.get_or_create_session("u", "shared"))

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(found) == 8 and all(session == found[0] for session in found)
        assert len(list(state.store.history("shared"))) == 1


def test_a_new_session_needs_a_user(state: StateStore) -> None:
    """What can be no user's id is refused, naming the field."""
    with pytest.raises(InvalidInputError, match=r"session\.user_id"):
        state.get_or_create_session(5)  # type: ignore[arg-type]
    assert state.store.list() == []


def test_a_deleted_session_is_made_anew(state: StateStore) -> None:
    """After a delete, an id gets a new session on top of its history."""
    first = state.get_or_create_session("u", "s")
    state.delete_session("s")
    second = state.get_or_create_session("v", "s")
    assert second.user_id == "v" and first != second
    assert [v.kind for v in state.store.history("s")] == ["save", "delete", "save"]


def test_by_default_what_is_fresh_is_kept(state: StateStore) -> None:
    """The defaults take what was not updated for a week, and no limit takes nothing."""
    state.save_session(aged("week", 167.9))
    state.save_session(aged("older", 168.1))
    nothing = state.prune_sessions(PruneConfig(max_sessions=0, ttl_hours=0))
    assert nothing.count == 0 and nothing.ok
    report = state.prune_sessions(PruneConfig())
    assert [pruned.id for pruned in report.pruned] == ["older"]
    assert state.prune_sessions(PruneConfig(0, 10**30)).count == 0


def test_a_dry_run_says_what_a_prune_does(state: StateStore) -> None:
    """A dry run names the same sessions and reasons, and writes nothing."""
    fill(state)
    config = PruneConfig(max_sessions=1, ttl_hours=3)
    planned = state.prune_sessions(config, dry_run=True)
    assert planned.dry_run and len(state.list_sessions()) == 4
    done = state.prune_sessions(config)
    assert done.pruned == planned.pruned and not done.dry_run
    assert [(p.id, p.reason) for p in done.pruned] == [
        ("s3", "not updated for 3 hours"),
        ("s2", "not among the newest 1 sessions"),
        ("s1", "not among the newest 1 sessions"),
    ]
    assert state.undo_prune(planned).restored == ()


def test_a_prune_says_who_and_why_in_each_log(state: StateStore) -> None:
    """The version that ends a session has the actor and the reason, and the past still loads."""
    fill(state, 2)
    report = state.prune_sessions(PruneConfig(1, 0), actor="cron")
    version = state.store.version("s1")
    assert version is not None
    assert (version.kind, version.actor) == ("delete", "cron")
    assert version.note == report.pruned[0].reason
    assert version.version == report.pruned[0].version
    assert state.store.load("s1", at=1).id == "s1"


def test_a_prune_can_be_undone(state: StateStore) -> None:
    """All its sessions are back as they were, but not those that were changed since."""
    fill(state)
    before = state.list_sessions().summaries
    report = state.prune_sessions(PruneConfig(1, 0))
    state.save_session(aged("s2", 0))
    state.store.undelete("s3")
    undone = state.undo_prune(report, actor="me", note="too eager")
    assert undone.restored == ("s1",)
    assert [bad.id for bad in undone.left] == ["s3", "s2"]
    version = state.store.version("s1")
    assert version is not None and (version.actor, version.note) == ("me", "too eager")
    state.save_session(aged("s2", 2.5))
    assert {s.id for s in state.list_sessions()} == {s.id for s in before}
    assert state.undo_prune(report).restored == ()


def test_documents_are_never_pruned(state: StateStore) -> None:
    """Pruning is of sessions alone; what cannot be read as one stays too."""
    fill(state, 2)
    state.save_json("c", "n", aged("n", 10**5).to_object())
    state.save_markdown("sessions", "m", "x")
    state.save_json("sessions", "odd", {})
    report = state.prune_sessions(PruneConfig(1, 1))
    assert [p.id for p in report.pruned] == ["s1"]
    assert [bad.id for bad in report.unreadable] == ["odd"]
    assert state.store.list() == ["c/n.json", "odd", "s0", "sessions/m.md"]


def test_a_session_saved_meanwhile_is_kept(
    state: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A save between the look and the delete wins."""
    fill(state, 3)
    delete, saved = EventStore.delete, list[str]()

    def deleting(store: EventStore, id: str, **options: Any) -> bool:
        if not saved:
            saved.append(id)
            state.save_session(aged(id, 0))
        return delete(store, id, **options)

    monkeypatch.setattr(EventStore, "delete", deleting)
    report = state.prune_sessions(PruneConfig(1, 0))
    assert [bad.id for bad in report.kept] == saved == ["s2"]
    assert [p.id for p in report.pruned] == ["s1"] and report.ok
    assert state.load_session("s2") is not None


def test_what_fails_stops_no_other(state: StateStore, monkeypatch: pytest.MonkeyPatch) -> None:
    """A session that cannot be deleted is in the report, and the next one is pruned."""
    fill(state, 3)
    delete = EventStore.delete

    def deleting(store: EventStore, id: str, **options: Any) -> bool:
        if id == "s2":
            raise BackendError("no space", session=id)
        return delete(store, id, **options)

    monkeypatch.setattr(EventStore, "delete", deleting)
    report = state.prune_sessions(PruneConfig(1, 0))
    assert not report.ok and [bad.id for bad in report.failed] == ["s2"]
    assert "no space" in report.failed[0].reason and report.count == 1


def test_a_save_can_prune_in_the_background(state: StateStore) -> None:
    """The save is there at once, and the report when it is waited for, once."""
    fill(state)
    version = state.save_session_with_prune(
        aged("new", 0), PruneConfig(2, 0), actor="me", note="turn 1"
    )
    assert (version.version, version.actor, version.note) == (1, "me", "turn 1")
    reports = state.wait_for_prunes()
    assert [p.id for report in reports for p in report.pruned] == ["s3", "s2", "s1"]
    assert state.wait_for_prunes() == []
    assert [summary.id for summary in state.list_sessions()] == ["new", "s0"]


def test_a_throttle_spares_the_prune_not_the_save(state: StateStore) -> None:
    """Within the pause sessions are saved and none is pruned."""
    throttle = PruneThrottle(3600)
    for number in range(3):
        state.save_session_with_prune(
            aged(f"s{number}", 3 - number), PruneConfig(1, 0), throttle=throttle
        )
        reports = state.wait_for_prunes()
        assert len(reports) == (1 if number == 0 else 0)
    assert len(state.list_sessions()) == 3


def test_a_failed_background_prune_is_told(
    state: StateStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whether one session or the whole prune fails, the report and the log say so."""
    fill(state, 2)

    def failing(*_args: Any, **_options: Any) -> Any:
        raise BackendError("the disk is gone")

    with monkeypatch.context() as patched:
        patched.setattr(EventStore, "delete", failing)
        state.save_session_with_prune(aged("a", 0), PruneConfig(1, 0))
        (report,) = state.wait_for_prunes()
        assert len(report.failed) == 2 and report.error is None and not report.ok
    with monkeypatch.context() as patched:
        patched.setattr(EventStore, "sessions", failing)
        state.save_session_with_prune(aged("b", 0), PruneConfig(1, 0))
        (report,) = state.wait_for_prunes()
        assert isinstance(report.error, BackendError) and not report.ok
    warned = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(warned) == 2 and all("the disk is gone" in message for message in warned)
    assert "2 sessions stay" in warned[0]
    state.save_session_with_prune(aged("c", 0), PruneConfig(1, 0))
    assert [report.ok for report in state.wait_for_prunes()] == [True]


def test_a_save_counts_though_no_thread_can_be_started(
    state: StateStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the system has no thread left, the save is done, and the prune is made up for."""
    fill(state, 2)

    def refusing(_thread: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", refusing)
        assert state.save_session_with_prune(aged("a", 0), PruneConfig(1, 0)).version == 1
        (report,) = state.wait_for_prunes()
        assert isinstance(report.error, BackendError) and not report.ok
    state.save_session_with_prune(aged("b", 0), PruneConfig(0, 0))
    assert [report.count for report in state.wait_for_prunes()] == [3, 0]


def test_closing_waits_for_the_background(tmp_path: Path) -> None:
    """A prune that was asked for is done before the store is closed."""
    with StateStore.open(tmp_path / "s") as state:
        fill(state)
        state.save_session_with_prune(aged("new", 0), PruneConfig(1, 0))
    state.close()
    with StateStore.open(tmp_path / "s") as state:
        assert [summary.id for summary in state.list_sessions()] == ["new"]
        assert repr(state).startswith("<StateStore of <EventStore file")


def test_a_request_that_waits_is_not_taken_twice() -> None:
    """While one prune runs, any number of equal requests makes one more, and reports are few."""
    running, go, runs = threading.Event(), threading.Event(), list[PruneConfig]()

    def run(config: PruneConfig) -> str:
        runs.append(config)
        running.set()
        assert go.wait(60)
        return "done"

    background = Background[str](run, str, lambda _report: None)
    background.request(PruneConfig())
    assert running.wait(60)
    for _ in range(10):
        background.request(PruneConfig())
        background.request(PruneConfig(1, 1))
    go.set()
    assert background.wait() == ["done"] * 3
    assert runs == [PruneConfig(), PruneConfig(), PruneConfig(1, 1)]
    for number in range(REPORTS_MAX + 5):
        background.request(PruneConfig(number, 0))
    assert len(background.wait()) <= REPORTS_MAX


def test_the_asynchronous_store_has_the_same_methods() -> None:
    """Every method of the plain store is there as a coroutine, and no other."""
    plain = {name for name in dir(StateStore) if not name.startswith("_")}
    awaited = {name for name in dir(AsyncStateStore) if not name.startswith("_")}
    assert awaited == plain | {"state"}
    for name in plain - {"open"}:
        assert inspect.iscoroutinefunction(getattr(AsyncStateStore, name)), name
    seed = """save_markdown load_markdown list_category save_json load_json delete_file
    save_session save_session_with_prune load_session list_sessions delete_session
    get_or_create_session update_session prune_sessions"""
    assert set(seed.split()) <= plain


def test_the_asynchronous_store_does_what_the_plain_one_does(tmp_path: Path) -> None:
    """Each coroutine returns what its method does; options are handed on."""

    async def run() -> None:
        state = await AsyncStateStore.open(tmp_path / "s")
        async with state:
            await state.save_markdown("c", "n", "text", actor="me")
            await state.save_json("c", "n", {"a": 1}, note="why")
            assert await state.load_markdown("c", "n") == "text"
            assert await state.load_json("c", "n", dict[str, int]) == {"a": 1}
            assert await state.list_category("c") == ["n", "n"]
            assert await state.delete_file("c", "n", actor="me")
            first = await state.save_session(aged("s", 2))
            await state.update_session(aged("s", 1), expected=first)
            version = await state.save_session_with_prune(aged("t", 0), PruneConfig(1, 0))
            assert version.version == 1
            (report,) = await state.wait_for_prunes()
            assert [p.id for p in report.pruned] == ["s"]
            assert (await state.undo_prune(report, actor="me")).restored == ("s",)
            planned = await state.prune_sessions(PruneConfig(1, 0), dry_run=True)
            assert planned.count == 1
            assert [s.id for s in await state.list_sessions()] == ["t", "s"]
            assert await state.delete_session("s", note="done")
            many = [state.get_or_create_session("u", "one") for _ in range(8)]
            assert len({session.created_at for session in await asyncio.gather(*many)}) == 1
            assert state.state.store.version("s").note == "done"  # type: ignore[union-attr]
        with pytest.raises(BackendError):
            await state.load_session("t")

    asyncio.run(run())
    with pytest.raises(BackendError, match="not open"):
        _ = AsyncStateStore.open("memory://").state


def test_the_command_line_sees_everything(tmp_path: Path) -> None:
    """Documents and sessions are sessions of the event store, in one list."""
    with StateStore.open(tmp_path / "s") as state:
        fill(state, 1)
        state.save_markdown("memory/facts", "n", "text")
    with EventStore.open(tmp_path / "s", model=dict) as store:
        assert store.list() == ["memory/facts/n.md", "s0"]
        assert json.loads(store.load_bytes("memory/facts/n.md") or b"") == "text"
