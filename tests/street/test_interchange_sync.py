"""Push and pull: only what is lacking travels, and histories that differ are never merged."""

from __future__ import annotations

import io
import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import EventStore
from eventstore.address import address_of, commitment_to
from eventstore.commit import Commit, Commitment, Version
from eventstore.desk.carrier import Carrier
from eventstore.errors import (
    BackendError,
    ConflictError,
    CorruptError,
    ErasedError,
    InvalidInputError,
)
from eventstore.interchange.bundle_export import export_bundle
from eventstore.interchange.history_export import export_history
from eventstore.interchange.importer import import_paths
from eventstore.interchange.sync import Divergence, Sent, pull, push
from eventstore.parcel import Cargo, Origin, Parcel, Tip
from tests.street.histories import branch, dicts, facts, fill, grow


@pytest.fixture
def full() -> EventStore:
    """A store with sessions of every fate."""
    store = dicts()
    fill(store)
    branch(store)
    return store


@pytest.fixture
def other(tmp_path: Path) -> EventStore:
    """An empty store on the disk."""
    return dicts(tmp_path / "other", durability="unsafe_os")


def test_a_push_brings_everything_and_a_second_one_nothing(
    full: EventStore, other: EventStore
) -> None:
    """Commits are the same, and so is what lists show."""
    report = push(full, other)
    assert report.ok and report.versions == full.stats().versions
    assert facts(other) == facts(full) and other.list() == full.list()
    again = push(full, other)
    assert (again.sent, again.unchanged) == ([], len(facts(full)))
    assert pull(full, other).sent == []


def test_what_was_received_is_seen_like_what_was_saved(
    full: EventStore, other: EventStore, tmp_path: Path
) -> None:
    """By whoever lists, follows forks, or watches from another place."""
    with dicts(tmp_path / "other") as elsewhere:
        watching = elsewhere.watch(wait=0)
        assert elsewhere.list() == [] and list(watching) == []
        push(full, other)
        seen = [(v.session, v.version, v.commit) for v in elsewhere.watch(after=0, wait=0)]
        commits = [
            (id, version["version"], version["commit"])
            for id, versions in facts(full).items()
            for version, _ in versions
        ]
        assert sorted(seen) == sorted(commits)
        assert elsewhere.list() == other.list() == full.list()
        tree = list(full.tree("turned"))
        assert "forked" in repr(tree) and repr(list(other.tree("turned"))) == repr(tree)
        deleted = [session.id for session in elsewhere.sessions(deleted=True).items]
        assert deleted == ["gone"]


def test_only_what_is_lacking_is_sent(full: EventStore, other: EventStore) -> None:
    """One new version is one version sent, in either direction."""
    push(full, other)
    grow(full, "grown", 1, start=5)
    assert push(full, other).sent == [Sent("grown", 5, 6)]
    grow(other, "grown", 2, start=6)
    other.delete("keyed")
    assert push(full, other).ahead == ["grown", "keyed"]
    assert pull(full, other).sent == [Sent("grown", 6, 8), Sent("keyed", 2, 3)]
    assert facts(other) == facts(full)


def test_some_sessions_only(full: EventStore, other: EventStore) -> None:
    """Those that are named; one that is not there is a problem that stops no other."""
    report = push(full, other, ["keyed", "nobody"])
    assert [sent.session for sent in report.sent] == ["keyed"] and not report.ok
    assert "nobody" in report.problems[0] and list(facts(other)) == ["keyed"]


def test_a_dry_run_sends_nothing(full: EventStore, other: EventStore) -> None:
    """It says what would be sent."""
    report = push(full, other, dry_run=True)
    assert report.versions == full.stats().versions and facts(other) == {}


@pytest.mark.parametrize("shared", [1, 2, 3, 7])
def test_histories_that_differ_are_reported_with_the_place(other: EventStore, shared: int) -> None:
    """The first version that is not the same, however long both go on; nothing is changed."""
    with dicts() as one:
        grow(one, "s", shared)
        grow(one, "fine", 1)
        push(one, other)
        grow(one, "s", 9, start=shared + 1)
        grow(one, "fine", 1, start=1)
        grow(other, "s", 4, start=shared + 20)
        before = facts(other)["s"]
        report = push(one, other)
        assert report.diverged == [Divergence("s", shared + 1, shared + 9, shared + 4)]
        assert facts(other)["s"] == before and report.sent == [Sent("fine", 1, 2)]
        assert pull(one, other).diverged[0].at == shared + 1


def test_sessions_that_only_share_their_id_are_told_apart(other: EventStore) -> None:
    """Even where the states are the same."""
    with dicts() as one:
        grow(one, "s", 2)
        grow(other, "s", 2)
        report = push(one, other)
        assert report.diverged == [Divergence("s", 1, 2, 2)]
        assert "begun twice" in str(report.diverged[0])


def test_a_transfer_that_was_interrupted_goes_on_where_it_was(
    full: EventStore, other: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At any version; what arrived is whole and readable meanwhile."""
    receive = Carrier.receive
    total = full.stats().versions
    for stop in range(1, total, 4):
        left = [stop]

        def failing(self: Carrier, parcel: Parcel, origin: Origin, left: list[int] = left) -> Tip:
            if not left[0]:
                raise BackendError("the line went dead")
            left[0] -= 1
            return receive(self, parcel, origin)

        with dicts() as fresh:
            monkeypatch.setattr(Carrier, "receive", failing)
            with pytest.raises(BackendError):
                push(full, fresh)
            monkeypatch.setattr(Carrier, "receive", receive)
            assert fresh.stats().versions == stop
            whole = facts(full)
            assert all(whole[id][-len(v) :] == v for id, v in facts(fresh).items())
            assert push(full, fresh).versions == total - stop
            assert facts(fresh) == whole


def test_both_are_written_meanwhile(tmp_path: Path) -> None:
    """What is saved on either side during a push is lost on neither."""
    with dicts(tmp_path / "a") as one, dicts(tmp_path / "b") as two:
        grow(one, "s", 1)
        push(one, two)
        stop = threading.Event()

        def write() -> None:
            for turn in range(1, 150):
                if stop.is_set():
                    return
                grow(one, "s", 1, start=turn)
                grow(two, "t", 1, start=turn)

        writer = threading.Thread(target=write)
        writer.start()
        try:
            reports = [push(one, two) for _ in range(15)]
        finally:
            stop.set()
            writer.join()
        assert all(report.ok for report in reports)
        push(one, two)
        assert facts(two)["s"] == facts(one)["s"] and len(facts(two)["s"]) > 1
        assert two.list() == ["s", "t"]


def test_a_save_in_between_is_seen_before_anything_is_added(
    full: EventStore, other: EventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The receiver's own version wins; the transfer finds that the two differ now."""
    push(full, other, ["grown"])
    grow(full, "grown", 1, start=5)
    receive = Carrier.receive

    def late(self: Carrier, parcel: Parcel, origin: Origin) -> Tip:
        if len(facts(other)["grown"]) == 5:
            other.save({"id": "grown", "went": "another way"})
        return receive(self, parcel, origin)

    monkeypatch.setattr(Carrier, "receive", late)
    report = push(full, other, ["grown"])
    assert report.diverged == [Divergence("grown", 6, 6, 6)] and report.sent == []
    assert other.load("grown") == {"id": "grown", "went": "another way"}


def test_damage_at_the_sender_stops_at_the_damage(tmp_path: Path, other: EventStore) -> None:
    """The versions before it and the other sessions arrive; the damaged one is named."""
    with dicts(tmp_path / "a") as store:
        grow(store, "fine", 2)
        grow(store, "hurt", 3)
        stops = [version.stored for version in store.history("hurt")][::-1]
    (log,) = (tmp_path / "a").rglob("hurt.log")
    data = bytearray(log.read_bytes())
    data[stops[0] + 300] ^= 1
    log.write_bytes(data)
    with dicts(tmp_path / "a") as store:
        report = push(store, other)
        assert [sent.session for sent in report.sent] == ["fine", "hurt"]
        assert "'hurt' version 2" in report.problems[0] and not report.ok
        assert len(facts(other)["hurt"]) == 1
        assert "'hurt' version 2" in push(store, other).problems[0]
    log.unlink()


def test_a_parcel_for_another_place_is_refused(full: EventStore, other: EventStore) -> None:
    """A repeated one and one that skips are conflicts; one of another salt is corrupt."""
    sender, receiver = Carrier(full), Carrier(other)
    origin = sender.origin("grown")
    assert origin is not None
    parcels = list(sender.parcels("grown", Tip(), 5))
    for parcel in parcels[:2]:
        receiver.receive(parcel, origin)
    for parcel in (parcels[0], parcels[1], parcels[3]):
        with pytest.raises(ConflictError):
            receiver.receive(parcel, origin)
    with pytest.raises(CorruptError):
        receiver.receive(parcels[2], Origin("grown", origin.log, b"\1" * 32))
    with pytest.raises(ConflictError, match="another session"):
        receiver.receive(parcels[2], Origin("grown", "f" * 32, origin.salt))
    assert receiver.receive(parcels[2], origin) == Tip(3, parcels[2].id)
    assert len(facts(other)["grown"]) == 3


def test_a_salt_is_held_against_that_of_the_log(full: EventStore, other: EventStore) -> None:
    """Even by a delete, whose commit commits to nothing."""
    sender, receiver = Carrier(full), Carrier(other)
    origin = sender.origin("gone")
    assert origin is not None
    *saves, delete = sender.parcels("gone", Tip(), 3)
    for parcel in saves:
        receiver.receive(parcel, origin)
    with pytest.raises(CorruptError, match="salt"):
        receiver.receive(delete, Origin("gone", origin.log, b"\1" * 32))
    assert receiver.receive(delete, origin).seq == 3


def test_versions_follow_the_one_they_are_asked_to_follow(full: EventStore) -> None:
    """Nothing is read out behind a version that is not in the log."""
    with pytest.raises(CorruptError, match="does not follow") as caught:
        next(Carrier(full).parcels("grown", Tip(2, "0" * 64), 5))
    assert (caught.value.session, caught.value.version) == ("grown", 3)


@pytest.mark.parametrize(
    ("state", "kept", "error"),
    [
        (b'{"id":"x"}', (), None),
        (b'{"id": "x"}', (), InvalidInputError),
        (b'{"id":NaN}', (), InvalidInputError),
        (b"\xff", (), InvalidInputError),
        (b"[" * 600 + b"]" * 600, (), InvalidInputError),
        (b'{"id":"' + b"x" * 1000 + b'"}', (), InvalidInputError),
        (b'{"id":"x"}', ("notes",), CorruptError),
    ],
)
def test_a_proven_version_holds_only_what_could_have_been_saved(
    state: bytes, kept: tuple[str, ...], error: type[Exception] | None
) -> None:
    """A stranger's commit may fit its states and its salt, and the states be none."""
    origin = Origin("x", "a" * 32, b"\2" * 32)
    address = address_of(state)
    said = Commitment(commitment_to(address, origin.salt), len(state))
    commit = Commit(origin.log, 1, None, "save", 5, {"session": said})
    parcel = Parcel(commit.encoded, {"session": Cargo(address, state)}, frozenset(kept))
    with dicts("memory://", state_size_max=900) as store:
        if error is None:
            assert Carrier(store).receive(parcel, origin) == Tip(1, commit.id)
            assert store.load_bytes("x") == state
            return
        with pytest.raises(error) as caught:
            Carrier(store).receive(parcel, origin)
        assert caught.value.session == "x" and facts(store) == {}  # type: ignore[attr-defined]


def test_what_was_received_is_stored_as_changes(other: EventStore) -> None:
    """Frames are made anew, as compactly as those of any save; an undelete stores no state."""
    with dicts() as one:
        grow(one, "s", 40)
        one.delete("s")
        one.undelete("s")
        push(one, other)
        sent = {version.version: version.stored for version in one.history("s")}
        got = {version.version: version.stored for version in other.history("s")}
        assert sum(got.values()) < 1.2 * sum(sent.values())
        assert got[42] < 2 * sent[42]


def test_a_compacted_and_thinned_history_travels(other: EventStore, tmp_path: Path) -> None:
    """Dropped states stay dropped, all commits arrive, and what follows is stored on top."""
    with dicts(tmp_path / "thin") as one:
        grow(one, "s", 60)
        one.delete("s")
        one.undelete("s")
        grow(one, "late", 2)
        push(one, other, ["late"])
        report = one.compact(keep_last=3)
        assert any(log.dropped for log in report.logs)
        grow(one, "s", 2, start=60)
        commits = [version.commit for version in one.history("s")]
        export_bundle(one, None, tmp_path / "thin.esb")
        assert push(one, other).ok
        with dicts() as third:
            assert import_paths(third, [tmp_path / "thin.esb"]).ok
            for store in (other, third):
                assert [version.commit for version in store.history("s")] == commits
                for version in one.history("s"):
                    for part in version.parts:
                        assert tried(store, part, version) == tried(one, part, version)
        assert isinstance(tried(other, "session", one.version("s", 2)), str)
        assert other.load("s") == one.load("s") and push(one, other).sent == []
        out = io.BytesIO()
        report_of = export_history(one, ["s"], out)
        assert report_of.warnings and out.getvalue().count(b'"dropped":["session"') > 3


def tried(store: EventStore, part: str, version: Version | None) -> bytes | str | None:
    """Return a state, or that it was dropped."""
    assert version is not None
    try:
        return store.load_bytes("s", part, at=version.version)
    except ErasedError:
        return "dropped"


@given(plan=st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab")), max_size=14))
def test_any_order_of_saves_and_transfers_keeps_every_version(
    plan: list[tuple[int, str]],
) -> None:
    """Whatever two stores do, a transfer makes the receiver's history longer or leaves it."""
    with dicts() as one, dicts() as two:
        for step, (action, id) in enumerate(plan):
            before = facts(one), facts(two)
            if action == 0:
                one.save({"id": id, "step": step})
            elif action == 1:
                two.save({"id": id, "step": step})
            else:
                push(one, two) if action == 2 else pull(one, two)
            for old, new in zip(before, (facts(one), facts(two)), strict=True):
                assert all(new[s][-len(versions) :] == versions for s, versions in old.items())
