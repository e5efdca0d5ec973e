"""Bundles: what goes in comes out commit for commit, or is refused saying what is missing."""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from eventstore import EventStore
from eventstore.errors import (
    CorruptError,
    EventStoreError,
    InvalidInputError,
    UnsupportedError,
)
from eventstore.interchange.bundle import verify_bundle
from eventstore.interchange.bundle_blocks import HEADER, MAGIC, VERSIONS, BlockWriter, read_blocks
from eventstore.interchange.bundle_contents import Held, decode_contents
from eventstore.interchange.bundle_export import export_bundle
from eventstore.interchange.bundle_items import ItemReader
from eventstore.interchange.exports import ExportOptions, known_exports
from eventstore.interchange.importer import import_paths
from tests.street.histories import branch, dicts, facts, fill, grow


def bundle_of(store: EventStore, **options: Any) -> bytes:
    """Return a bundle of everything."""
    out = io.BytesIO()
    export_bundle(store, None, out, **options)
    return out.getvalue()


@pytest.fixture
def full() -> EventStore:
    """A store with sessions of every fate."""
    store = dicts()
    fill(store)
    branch(store)
    return store


@pytest.fixture
def path(full: EventStore, tmp_path: Path) -> Path:
    """A bundle of it."""
    export_bundle(full, None, tmp_path / "all.esb")
    return tmp_path / "all.esb"


@pytest.fixture(params=[slice(4, 5), slice(4, 7)], ids=["within", "up to the head"])
def spoiled(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Path]:
    """A store of three sessions, of which `b` is damaged in some eighths of its log."""
    place = tmp_path / "store"
    with dicts(place) as store:
        for id in ("a", "b", "c"):
            grow(store, id, 9)
    (log,) = place.glob("logs/*/b.log")
    data = bytearray(log.read_bytes())
    eighth = len(data.rstrip(b"\0")) // 8
    for byte in range(request.param.start * eighth, request.param.stop * eighth, 20):
        data[byte] ^= 0xFF
    log.write_bytes(data)
    yield place
    log.unlink()


def reasons(store: EventStore, path: Path) -> list[str]:
    """Import, and return what is reported as a problem."""
    return [remark.reason for remark in import_paths(store, [path]).problems]


@pytest.mark.parametrize("place", ["memory", "file"])
def test_a_bundle_restores_every_commit(
    full: EventStore, path: Path, tmp_path: Path, place: str
) -> None:
    """Commits, addresses, states, remarks and times are the same, and what follows can be saved."""
    location = "memory://" if place == "memory" else tmp_path / "other"
    with dicts(location) as other:
        report = import_paths(other, [path])
        assert report.ok and report.versions_added == full.stats().versions
        assert facts(other) == facts(full)
        assert other.list() == full.list()
        assert other.stats().versions == full.stats().versions
        again = import_paths(other, [path])
        assert again.ok and again.versions_added == 0
        grow(other, "grown", 1, start=5)
        other.undelete("gone")
        assert other.load("gone")["at"] == 1.5
        assert other.save({"id": "keyed", "x": 1}, key="once").version == 1
    if place == "file":
        with dicts(location) as reopened:
            assert len(list(reopened.history("grown"))) == 6


def test_a_dry_run_proves_and_counts_and_adds_nothing(full: EventStore, path: Path) -> None:
    """It says what would be added."""
    with dicts() as other:
        report = import_paths(other, [path], dry_run=True)
        assert report.ok and report.versions_added == full.stats().versions
        assert facts(other) == {}


def test_a_bundle_is_proven_without_any_store(full: EventStore, path: Path) -> None:
    """Its contents are returned, once all of it is proven."""
    contents = verify_bundle(path)
    assert {c.session: c.last for c in contents} == {
        id: len(versions) for id, versions in facts(full).items()
    }


def test_some_sessions_up_to_some_version(full: EventStore, tmp_path: Path) -> None:
    """What is not wanted is not in it."""
    export_bundle(full, {"grown": 3, "keyed": None}, tmp_path / "some.esb")
    with dicts() as other:
        import_paths(other, [tmp_path / "some.esb"])
        found = facts(other)
    whole = facts(full)
    assert found == {"grown": whole["grown"][2:], "keyed": whole["keyed"]}
    with pytest.raises(InvalidInputError, match="no such session"):
        export_bundle(full, ["nobody"], tmp_path / "none.esb")
    assert not list(tmp_path.glob("none*"))


def test_a_bundle_since_another_holds_what_came_later(
    full: EventStore, path: Path, tmp_path: Path
) -> None:
    """The first and then the second restore all; the second alone is refused."""
    grow(full, "grown", 2, start=5)
    grow(full, "new", 1)
    report = export_bundle(full, None, tmp_path / "later.esb", since=path)
    assert report.sessions == ["grown", "new"] and report.size < path.stat().st_size
    assert [content.first for content in verify_bundle(tmp_path / "later.esb")] == [6, 1]
    with dicts() as other:
        (reason,) = reasons(other, tmp_path / "later.esb")
        assert "needs versions 1 to 5 of session 'grown'" in reason
        assert other.list() == ["new"]
        assert reasons(other, path) == reasons(other, tmp_path / "later.esb") == []
        assert facts(other) == facts(full)


def test_bundles_since_one_another_are_a_chain(
    full: EventStore, path: Path, tmp_path: Path
) -> None:
    """Each holds only what none before it does, even of sessions that one in between leaves out."""
    before = path
    for number, id in enumerate(("grown", "new", "keyed")):
        full.save({"id": id, "link": number})
        link = tmp_path / f"{number}.esb"
        assert export_bundle(full, None, link, since=before).sessions == [id]
        before = link
    full.save({"id": "grown", "link": 3})
    since = full.history_page("grown", limit=1).items[0].saved_at
    timed = tmp_path / "timed.esb"
    assert "grown" in export_bundle(full, None, timed, since=since).sessions
    assert export_bundle(full, None, tmp_path / "last.esb", since=timed).sessions == []
    with dicts() as other:
        for bundle in (path, *sorted(tmp_path.glob("[0-9].esb")), timed):
            assert reasons(other, bundle) == []
        assert facts(other) == facts(full)


@pytest.mark.parametrize("what", ["head", "last", "log", "session", "member"])
def test_what_is_behind_a_bundle_must_have_its_form(what: str) -> None:
    """A history that an earlier bundle cannot hold is not believed."""
    held: dict[str, Any] = {"session": "s", "log": "0" * 32, "last": 1, "head": "0" * 64}
    value = {"format": "eventstore-bundle", "sessions": [], "behind": [held]}
    assert decode_contents(json.dumps(value).encode())[1] == [Held(**held)]
    held[what] = {"head": "x", "last": 0, "log": "", "session": "", "member": 1}[what]
    with pytest.raises(CorruptError):
        decode_contents(json.dumps(value).encode())
    held.pop("member", None)
    value["behind"] = [held, held]
    with pytest.raises(CorruptError):
        decode_contents(json.dumps(value).encode())


@pytest.mark.parametrize("format", ["bundle", "jsonl", "events", "markdown"])
def test_a_damaged_session_is_named_and_the_others_are_exported(
    spoiled: Path, tmp_path: Path, format: str
) -> None:
    """What is written can be read, and holds every other session whole."""
    with dicts(spoiled) as store, dicts() as other:
        report = known_exports()[format].run(store, None, tmp_path / "out", ExportOptions())
        names = [problem.path for problem in report.problems]
        if format == "markdown" and not names:
            assert report.sessions == ["a", "b", "c"]  # The newest state does not need the others.
        else:
            assert names == ["b"] and report.sessions == ["a", "c"] and not report.ok
        assert report.size == (tmp_path / "out").stat().st_size
        if format in ("bundle", "jsonl"):
            assert import_paths(other, [tmp_path / "out"]).ok
            assert [len(list(other.history(id))) for id in ("a", "c")] == [9, 9]


@pytest.mark.parametrize("spoiled", [slice(4, 5)], ids=["within"], indirect=True)
def test_damage_ends_a_bundle_that_cannot_be_begun_again(spoiled: Path, tmp_path: Path) -> None:
    """What went down a pipe is out: the export fails and the bundle has no end."""
    read, write = os.pipe()
    with dicts(spoiled) as store, open(read, "rb") as out, open(write, "wb") as pipe:
        with pytest.raises(CorruptError, match="'b'"):
            export_bundle(store, ["a", "b"], pipe)
        pipe.close()
        (tmp_path / "cut.esb").write_bytes(out.read())
    with pytest.raises(CorruptError, match=r"missing: .* session 'b'"):
        verify_bundle(tmp_path / "cut.esb")


def test_a_bundle_since_a_time_holds_what_was_committed_then_or_later(
    full: EventStore, path: Path, tmp_path: Path
) -> None:
    """Whole histories where all is later, nothing where nothing is."""
    time = full.version("grown", 3)
    assert time is not None
    moment = time.saved_at
    # To the microsecond: a version committed within the same one may be in it or not.
    export_bundle(full, ["grown"], tmp_path / "later.esb", since=moment)
    (content,) = verify_bundle(tmp_path / "later.esb")
    assert content.first in (2, 3) and content.last == 5
    future = datetime(2100, 1, 1, tzinfo=UTC)
    export_bundle(full, None, tmp_path / "none.esb", since=future)
    assert verify_bundle(tmp_path / "none.esb") == []
    assert import_paths(full, [tmp_path / "none.esb"]).ok


def test_a_bundle_since_one_of_another_history_is_refused(
    full: EventStore, path: Path, tmp_path: Path
) -> None:
    """Nobody could put the two together."""
    with dicts() as other:
        grow(other, "grown", 7)
        with pytest.raises(InvalidInputError, match="not that of the store"):
            export_bundle(other, None, tmp_path / "x.esb", since=path)


def test_histories_that_differ_are_left_as_they_are(full: EventStore, path: Path) -> None:
    """The session is reported with the place, the others are restored."""
    with dicts() as other:
        grow(other, "keyed", 1)
        import_paths(other, [path])
        mine = facts(other)["keyed"]
        assert len(mine) == 1 and "grown" in facts(other)
        assert reasons(other, path) == [
            "the store has another session 'keyed'; left as it is",
        ]
        other.save({"id": "grown", "went": "another way"})
        grow(full, "grown", 1, start=5)
        path.write_bytes(bundle_of(full))
        assert any("has another version 6" in reason for reason in reasons(other, path))
        assert len(facts(other)["grown"]) == 6


def test_a_store_that_is_ahead_stays_so(full: EventStore, path: Path) -> None:
    """An older bundle adds nothing and is no problem."""
    before = facts(full)
    grow(full, "grown", 1, start=5)
    assert reasons(full, path) == []
    assert len(facts(full)["grown"]) == len(before["grown"]) + 1


def test_a_bundle_that_is_cut_anywhere_is_refused(path: Path, tmp_path: Path) -> None:
    """Nothing is added, and what is missing is named."""
    whole = path.read_bytes()
    cut = tmp_path / "cut.esb"
    for size in range(len(MAGIC), len(whole), max(1, len(whole) // 97)):
        cut.write_bytes(whole[:size])
        with dicts() as other:
            (reason,) = reasons(other, cut)
            assert "is cut off" in reason and "missing" in reason, reason
            assert facts(other) == {}
    cut.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CorruptError, match=r"missing: .*of session") as caught:
        verify_bundle(cut)
    assert "session 'keyed'" in str(caught.value)


def test_a_bundle_with_a_bad_byte_anywhere_is_refused(path: Path, tmp_path: Path) -> None:
    """Every byte counts, and nothing is added."""
    whole = path.read_bytes()
    bad = tmp_path / "bad.esb"
    for at in range(0, len(whole), max(1, len(whole) // 211)):
        bad.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        with pytest.raises((CorruptError, UnsupportedError)) as caught:
            verify_bundle(bad)
        named = re.search(r"damaged|claims|cut off|no bundle|not known here", str(caught.value))
        assert named, caught.value
    with dicts() as other:
        bad.write_bytes(whole + b"\0")
        assert "something stands behind the end" in reasons(other, bad)[0]
        assert facts(other) == {}


def test_blocks_stand_in_their_order_and_the_end_proves_them_all() -> None:
    """A block in the place of another is damage, and so is the end of another bundle."""
    out = io.BytesIO()
    writer = BlockWriter(out)
    ends = [writer.size]
    for payload in (b"one", b"two"):
        writer.add(VERSIONS, payload)
        ends.append(writer.size)
    whole = out.getvalue()
    first, second = whole[ends[0] : ends[1]], whole[ends[1] : ends[2]]
    writer.end()
    blocks = list(read_blocks(io.BytesIO(out.getvalue()), size_max=100))
    assert blocks == [(VERSIONS, b"one"), (VERSIONS, b"two")]
    end = out.getvalue()[ends[2] :]
    with pytest.raises(CorruptError, match="block 0 is damaged"):
        list(read_blocks(io.BytesIO(whole[: ends[0]] + second + first + end), size_max=100))
    other = io.BytesIO(whole)
    writer = BlockWriter(other)
    writer.add(VERSIONS, b"one")
    writer.add(VERSIONS, b"owt")
    writer.end()
    foreign = other.getvalue()[ends[2] :]
    with pytest.raises(CorruptError, match="the end does not prove"):
        list(read_blocks(io.BytesIO(whole + foreign), size_max=100))
    with pytest.raises(CorruptError, match="claims"):
        list(read_blocks(io.BytesIO(out.getvalue()), size_max=2))


def test_a_bundle_of_a_later_version_says_so(path: Path) -> None:
    """It is not taken for damage."""
    whole = path.read_bytes()
    path.write_bytes(MAGIC + b"\x02" + whole[len(MAGIC) + 1 :])
    with dicts() as other:
        assert "newer version of this library" in reasons(other, path)[0]


def forged(header: dict[str, Any], *blocks: bytes) -> bytes:
    """Return a bundle whose checks are right, whatever it says."""
    out = io.BytesIO()
    writer = BlockWriter(out)
    writer.add(HEADER, json.dumps(header).encode())
    for block in blocks:
        writer.add(VERSIONS, block)
    writer.end()
    return out.getvalue()


ENTRY = {
    "session": "x",
    "log": "0" * 32,
    "salt": "0" * 64,
    "first": 1,
    "last": 1,
    "prev": None,
    "head": "0" * 64,
    "live": [],
}


@pytest.mark.parametrize(
    "change",
    [
        {"session": ""},
        {"session": "x" * 2000},
        {"log": "zz"},
        {"salt": "0"},
        {"first": 0},
        {"first": 2},
        {"last": 0},
        {"first": True},
        {"prev": "0" * 64},
        {"head": None},
        {"live": [1]},
        {"live": None},
        {"more": 1},
        {},
    ],
)
def test_a_forged_bundle_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    """Right checks prove nothing about what stands in the blocks."""
    path = tmp_path / "forged.esb"
    header = {"format": "eventstore-bundle", "sessions": [ENTRY | change], "behind": []}
    path.write_bytes(forged(header))
    with pytest.raises(CorruptError):
        verify_bundle(path)


@pytest.mark.parametrize("sessions", [[], [ENTRY], [ENTRY, ENTRY | {"session": "y"}]])
def test_blocks_of_sessions_that_are_not_in_turn_are_refused(
    tmp_path: Path, sessions: list[Any]
) -> None:
    """Of one behind the next, and of one that is not in the contents."""
    path = tmp_path / "forged.esb"
    items = zstandard.ZstdCompressor().compress(b"\1\0\0\0")
    for place in {len(sessions), 1}:
        header = {"format": "eventstore-bundle", "sessions": sessions, "behind": []}
        path.write_bytes(forged(header, bytes([place]) + items))
        with pytest.raises(CorruptError, match="of another session"):
            verify_bundle(path)


def test_a_block_that_claims_too_much_is_not_decompressed(tmp_path: Path) -> None:
    """What a frame states is held against the limit before room is made for it."""
    path = tmp_path / "forged.esb"
    stream = zstandard.ZstdCompressor().compressobj(size=2**40)
    frame = stream.compress(b"x") + stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)
    header = {"format": "eventstore-bundle", "sessions": [ENTRY], "behind": []}
    path.write_bytes(forged(header, b"\0" + frame))
    with pytest.raises(CorruptError, match="claims to hold"):
        verify_bundle(path)


@pytest.mark.parametrize(("head", "tail", "between"), [(3, 4, b""), (9, 0, b""), (6, 0, b"x" * 9)])
def test_splices_stay_within_their_bounds(head: int, tail: int, between: bytes) -> None:
    """Not more than there is, not twice the same, not beyond what a state may take."""
    reader = ItemReader(size_max=12)
    name = b"\7session" + bytes(32)
    whole = b"\1\1c\0\1" + b"\2" + name + b"\1\6abcdef"
    (parcel,) = reader.read(whole)
    assert parcel.parts["session"].state == b"abcdef"
    spliced = bytes([2, head, tail, len(between)]) + between
    with pytest.raises(CorruptError, match="beyond its bounds"):
        list(reader.read(b"\1\1c\0\1" + b"\2" + name + spliced))


@given(data=st.binary(max_size=200), place=st.integers(0, 3))
def test_whatever_a_block_holds_is_refused_with_a_typed_error(
    data: bytes, place: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Bytes that pass every check of the file are read as what they are: hostile."""
    path = tmp_path_factory.mktemp("forged") / "x.esb"
    header = {"format": "eventstore-bundle", "sessions": [ENTRY], "behind": []}
    compressed = zstandard.ZstdCompressor().compress(data)
    for block in (data, bytes([place]) + compressed):
        path.write_bytes(forged(header, block))
        with pytest.raises(EventStoreError):
            verify_bundle(path)


@pytest.mark.parametrize(
    "victim", ["commit", "state", "address", "order", "salt", "drop", "kept", "head"]
)
def test_a_version_that_is_not_what_it_says_is_refused(
    full: EventStore, tmp_path: Path, victim: str
) -> None:
    """Chain, commitments and addresses are checked before anything is added."""
    from dataclasses import replace

    from eventstore.desk.carrier import Carrier
    from eventstore.interchange.bundle import BundleWriter
    from eventstore.parcel import Cargo, Tip

    contents = verify_bundle_of(full, tmp_path)
    parcels = list(Carrier(full).parcels("grown", Tip(), 5))
    second = parcels[1]
    session = second.parts["session"]
    assert session.state is not None
    other = session.state.replace(b"1.5", b"2.5")
    changed = {
        "commit": replace(second, commit=second.commit.replace(b'"seq":2', b'"seq":3')),
        "state": replace(second, parts={**second.parts, "session": replace(session, state=other)}),
        "address": replace(
            second, parts={**second.parts, "session": Cargo("0" * 64, session.state)}
        ),
        "drop": replace(second, parts={"notes": second.parts["notes"]}),
        "kept": replace(second, kept=frozenset({"nothing"})),
    }
    parcels[1] = changed.get(victim, second)
    if victim == "order":
        parcels[2], parcels[1] = parcels[1], parcels[2]
    if victim == "salt":
        contents = [replace(contents[0], salt="1" * 64)]
    if victim == "head":
        contents = [replace(contents[0], head="1" * 64)]
    path = tmp_path / "forged.esb"
    with path.open("wb") as file:
        writer = BundleWriter(file, contents)
        list(writer.add(0, iter(parcels)))
        writer.end()
    with dicts() as store:
        (reason,) = reasons(store, path)
        assert "'grown'" in reason and facts(store) == {}


def verify_bundle_of(store: EventStore, folder: Path) -> list[Any]:
    """Return the contents of a bundle of one session."""
    export_bundle(store, ["grown"], folder / "one.esb")
    return verify_bundle(folder / "one.esb")


def test_states_larger_than_a_store_allows_are_refused(path: Path) -> None:
    """The limit is that of whoever receives."""
    with dicts("memory://", state_size_max=1000) as other:
        assert reasons(other, path) and facts(other) == {}


def test_an_export_does_not_overwrite(full: EventStore, path: Path) -> None:
    """A path that is taken is refused, and what stands there stays."""
    before = path.read_bytes()
    with pytest.raises(InvalidInputError, match="there already"):
        export_bundle(full, None, path)
    assert path.read_bytes() == before and len(list(path.parent.glob("*.tmp"))) == 0


def test_a_bundle_never_holds_what_is_damaged(tmp_path: Path) -> None:
    """A session that cannot be proven is left out whole."""
    with dicts(tmp_path / "a") as store:
        grow(store, "grown", 3)
    (log,) = (tmp_path / "a").rglob("*.log")
    data = bytearray(log.read_bytes())
    data[500] ^= 1
    log.write_bytes(data)
    with dicts(tmp_path / "a") as store:
        report = export_bundle(store, None, tmp_path / "x.esb")
    assert "grown" in report.problems[0].reason and report.sessions == []
    assert verify_bundle(tmp_path / "x.esb") == []
    log.unlink()
