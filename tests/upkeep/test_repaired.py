"""Logs that were repaired: what is lost is known, everything else goes on as in any log."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from eventstore import CorruptError, EventStore, InvalidInputError, UnsupportedError
from eventstore.cli.app import app
from eventstore.interchange.importer import import_paths
from eventstore.interchange.sync import push
from tests.crash.stores import Known, drop_index, make, opened, overwrite
from tests.second_reader import LOST, Unreadable, read_log
from tests.upkeep.second_look import check_alike

SIXTH = b'{"id":"a","n":6}'


def zero(known: Known, version: int, offset: int, size: int) -> None:
    """Overwrite bytes of a frame with zeros."""
    data = bytearray(known.log.read_bytes())
    start = known.ends[version - 1] + offset
    data[start : start + size] = bytes(size)
    overwrite(known.log, bytes(data))


def spoil(known: Known, version: int) -> None:
    """Change the last bytes of the bodies of a frame, and nothing else."""
    data = bytearray(known.log.read_bytes())
    end = known.ends[version] - 40
    data[end - 3 : end] = bytes(byte ^ 0xFF for byte in data[end - 3 : end])
    overwrite(known.log, bytes(data))


@dataclass(frozen=True)
class Harm:
    """What was done to a log before it was repaired, and which versions are lost."""

    name: str
    do: Callable[[Known], object]
    lost: frozenset[int]

    @property
    def whole(self) -> int:
        """A version before the newest that lost nothing, or 0."""
        return {"all": 0, "first": 4}.get(self.name, 2)


HARMS = (
    Harm("middle", lambda known: zero(known, 3, 44, 40), frozenset({3})),
    Harm("end", lambda known: zero(known, 5, 44, 40), frozenset({5})),
    Harm("first", lambda known: zero(known, 1, 40, 60), frozenset({1})),
    Harm("state", lambda known: spoil(known, 3), frozenset()),
    Harm("all", lambda known: known.log.unlink(), frozenset({1, 2, 3, 4, 5})),
)


@pytest.fixture(params=HARMS, ids=lambda harm: harm.name)
def harm(request: pytest.FixtureRequest) -> Harm:
    """Each way in which a log may have been harmed."""
    found: Harm = request.param
    return found


@pytest.fixture
def known(tmp_path: Path, harm: Harm) -> Known:
    """A store with a log that was harmed and repaired."""
    made = make(tmp_path / "store")
    harm.do(made)
    with opened(made.directory) as store:
        (log,) = (log for log in store.repair(apply=True).logs if log.session == "a")
        assert (log.after, log.error) == ("repaired", "")
        assert {n for first, last in log.lost for n in range(first, last + 1)} == harm.lost
    return made


@pytest.fixture
def store(known: Known) -> Iterator[EventStore]:
    """The store, open."""
    with opened(known.directory) as found:
        yield found


def run(known: Known, *arguments: str) -> Result:
    """Run the command on the store."""
    return CliRunner().invoke(app, ["-s", str(known.directory), *arguments])


@pytest.mark.parametrize("deep", [False, True], ids=["quick", "deep"])
def test_what_is_known_to_be_lost_is_no_new_damage(
    store: EventStore, known: Known, deep: bool
) -> None:
    """Looked at in either way, the log is called repaired, and there is nothing to do."""
    report = store.verify(deep=deep)
    assert (report.exit_code, [(log.session, log.state, log.findings) for log in report.logs]) == (
        0,
        [("a", "repaired", ())],
    )
    told = run(known, "verify", *(["--deep"] if deep else []))
    assert (told.exit_code, "a: repaired" in told.output) == (0, True)
    assert store.repair(apply=True).hurt == ()
    store.save_states("a", {"session": SIXTH})
    assert store.verify(deep=deep).exit_code == 0


def test_new_damage_is_told_from_what_is_known(store: EventStore, known: Known) -> None:
    """A quick look finds the state that is stored as changes to newly damaged bytes."""
    for number in range(10, 14):
        store.save_states("a", {"session": b'{"id":"a","n":%d,"text":"%s"}' % (number, b"x" * 99)})
    place = store._catalog.log("a")._entry(8).header.position
    data = bytearray(known.log.read_bytes())
    data[place + 44 : place + 80] = bytes(36)
    overwrite(known.log, bytes(data))
    with opened(known.directory) as again:
        report = again.verify(["a"])
        assert report.exit_code == 1
        assert report.logs[0].findings[0].versions == ((8, 8),)
        assert again.repair(["a"], apply=True).hurt[0].lost == ((8, 8),)
        assert again.verify(deep=True).exit_code == 0


@pytest.mark.damage
def test_a_loss_that_nobody_tells_of_is_damage(known: Known, harm: Harm) -> None:
    """Without the commit that tells of it, both readers call what a repair left a damaged log."""
    with opened(known.directory) as store:
        end = store._catalog.log("a")._entry(6).header.position
    overwrite(known.log, known.log.read_bytes()[:end])
    drop_index(known.directory)
    if harm.name in ("middle", "first", "state"):
        with pytest.raises(Unreadable, match=r"no repair told of it|an encoding"):
            read_log(known.log.read_bytes())
        with opened(known.directory) as store:
            assert not store.verify(["a"], deep=True).is_sound


@pytest.mark.damage
def test_new_damage_before_what_is_known_is_seen_as_far_as_it_goes(tmp_path: Path) -> None:
    """A quick look at a repaired log names the states that rest on bytes damaged since."""
    known = make(tmp_path / "store")
    zero(known, 5, 44, 40)
    with opened(known.directory) as store:
        store.repair(apply=True)
    zero(known, 2, 44, 40)
    with opened(known.directory) as store:
        findings = store.verify(["a"]).logs[0].findings
    assert {finding.kind for finding in findings} == {"bytes", "state"}


def test_lists_and_histories_go_on(store: EventStore, known: Known, harm: Harm) -> None:
    """A history has every version but the lost ones, which are named as lost when asked for."""
    left = [n for n in range(6, 0, -1) if n not in harm.lost]
    assert [version.version for version in store.history("a")] == left
    assert [version.version for version in store.history_page("a").items] == left
    assert run(known, "log", "a").exit_code == 0
    assert store.stats().versions >= len(left)
    for number in harm.lost:
        with pytest.raises(CorruptError, match="a repair gave it up"):
            store.version("a", number)
    assert [*store.history("b")]


def test_a_watch_gets_beyond_what_is_lost(store: EventStore, harm: Harm) -> None:
    """Who watches all sessions is told of each lost version once, and then of the others."""
    watch, seen, lost = store.watch(after=0, wait=0), set(), 0
    while True:
        try:
            version = next(watch)
        except CorruptError:
            lost += 1
            continue
        except StopIteration:
            break
        seen.add((version.session, version.version))
    assert {number for id, number in seen if id == "a"} == set(range(1, 7)) - harm.lost
    assert ("b", 1) in seen
    assert lost == len(harm.lost)


def test_what_is_whole_can_be_gone_on_from(store: EventStore, known: Known, harm: Harm) -> None:
    """A sound version can be restored and forked, a lost one cannot, and nothing is undone."""
    for number in harm.lost:
        with pytest.raises(CorruptError):
            store.restore("a", at=number)
        with pytest.raises(CorruptError):
            store.fork("a", f"fork {number}", at=number)
    if harm.whole:
        assert store.fork("a", "fork", at=harm.whole).version == 1
        assert store.load_bytes("fork") == known.states[harm.whole]["session"]
        assert store.restore("a", at=harm.whole).kind == "restore"
        assert store.delete("a")
        assert store.undelete("a").parts
        assert store.load_bytes("a") == known.states[harm.whole]["session"]
    else:
        with pytest.raises(InvalidInputError, match="nothing is left"):
            store.undelete("a")
    assert store.verify(deep=True).exit_code == 0
    check_alike(known.directory)


@pytest.mark.parametrize("deep", [False, True], ids=["quick", "deep"])
def test_a_backup_has_all_that_is_left(
    store: EventStore, known: Known, tmp_path: Path, deep: bool
) -> None:
    """A repaired log is backed up and added to like any other, and is the same where it arrives."""
    for expected in ({"added": 2}, {"same": 2}):
        told = store.backup(tmp_path / "backup", deep=deep).as_dict()
        assert told | expected == told, told
    store.save_states("a", {"session": SIXTH})
    assert store.backup(tmp_path / "backup", deep=deep).as_dict()["added"] == 1
    with opened(tmp_path / "backup") as there:
        assert there.verify(deep=True).exit_code == 0
        assert there.backup(tmp_path / "again").refused == ()
    assert check_alike(tmp_path / "again") == check_alike(known.directory)


@pytest.mark.parametrize("place", HARMS, ids=lambda harm: harm.name)
def test_a_backup_of_what_was_lost_since_is_kept(tmp_path: Path, place: Harm) -> None:
    """A repaired log never takes the place of a backup that still has what it lacks."""
    known = make(tmp_path / "store")
    with opened(known.directory) as store:
        store.backup(tmp_path / "backup")
    place.do(known)
    with opened(known.directory) as store:
        store.repair(apply=True)
        (refused,) = store.backup(tmp_path / "backup").refused
        assert refused.session == "a"
    with opened(tmp_path / "backup") as there:
        for version in range(1, known.newest + 1):
            for part, state in known.states[version].items():
                assert there.load_bytes("a", part, at=version) == state


def test_what_cannot_travel_keeps_no_other_session_at_home(
    store: EventStore, known: Known, harm: Harm, tmp_path: Path
) -> None:
    """A bundle of the whole store, and a push, take all other sessions, and name this one."""
    bundle = ["export", "--format", "bundle", "--to", str(tmp_path / "bundle")]
    if harm.lost:
        told = run(known, *bundle)
        assert (told.exit_code, "a: has lost versions" in told.output) == (1, True)
        named = run(known, *bundle[:-1], str(tmp_path / "named"), "a")
        assert (named.exit_code, "a repair gave it up" in named.output) == (1, True)
        with EventStore.open(tmp_path / "there", model=dict) as there:
            assert import_paths(there, [tmp_path / "bundle"]).ok
            assert there.list() == ["b"]
    with EventStore.open(tmp_path / "pushed", model=dict) as there:
        report = push(store, there)
        assert [sent.session for sent in report.sent if sent.session == "b"] == ["b"]
        assert len(report.problems) == 1
        assert "'a'" in report.problems[0]
        assert there.verify(deep=True).exit_code == 0


def test_a_compaction_leaves_a_gap_alone(store: EventStore, known: Known, harm: Harm) -> None:
    """A log with a gap is not compacted, says why, and stays byte for byte; others are."""
    text = b"".join(b"%d " % number for number in range(300))
    for session in ("a", "b"):
        for number in range(40):
            with opened(known.directory) as other:
                state = b'{"id":"%s","n":%d,"t":"%s"}' % (session.encode(), number, text)
                other.save_states(session, {"session": state})
    before = known.log.read_bytes()
    has_gap = harm.name in ("middle", "first")
    for options in ({"dry_run": True}, {}, {"keep_last": 3}):
        report = {log.session: log for log in store.compact(**options).logs}
        assert report["b"].error is None
        error = report["a"].error
        if has_gap:
            assert isinstance(error, UnsupportedError)
            assert error.session == "a"
            assert known.log.read_bytes() == before
        elif error is not None:
            assert isinstance(error, CorruptError)
            assert error.session == "a"
    if not has_gap and harm.name != "state":
        assert known.log.stat().st_size < len(before)
    assert store.verify(deep=True).exit_code == 0
    log = read_log(known.log.read_bytes())
    assert log.versions[-1].parts["session"] is not LOST
    check_alike(known.directory)
