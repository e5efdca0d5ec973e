"""Bytes that nobody honest wrote, given to all that decodes: typed errors or sound values."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eventstore import CorruptError, EventStore, EventStoreError, InvalidInputError
from eventstore.backends.log_names import log_name, session_of
from eventstore.backends.memory import MemoryBackend
from eventstore.commit import KINDS, Commit, Commitment, parse_commit
from eventstore.errors import UnsupportedError
from eventstore.frame import (
    HEADER_SIZE,
    TRAILER_SIZE,
    decode_frame,
    decode_header,
    encode_frame,
    find_frame,
    last_frame_size,
)
from eventstore.packed import pack, unpack
from eventstore.payload import bodies_of, decode_table
from eventstore.stream import compress, decompress
from tests.crash.forge import SALT, claiming, sealed, sound_log, with_members, with_pieces
from tests.crash.stores import drop_index, make, opened

many = settings(max_examples=300, derandomize=True)
some = settings(
    max_examples=80, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)

FRAMES = sound_log(b'{"id":"a"}', b'{"id":"a","n":[1,2,3]}')
FIRST = decode_frame(FRAMES[0], 0)
COMMIT = unpack(FIRST.commit, 1).encoded
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=70)
    | st.sampled_from(["", "0" * 32, "0" * 64, "f" * 64, "save", "delete", "\ud800", "\0"])
)
VALUES = st.recursive(
    LEAVES, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=9), v, max_size=3)
)


@st.composite
def mutated(draw: st.DrawFn, data: bytes) -> bytes:
    """Change, drop, repeat or add a few bytes of something sound."""
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(len(data), start + 8)))
        data = data[:start] + draw(st.binary(max_size=8)) + data[stop:]
    return data


def decoded(decode: Callable[..., Any], *arguments: Any) -> Any:
    """Return what *decode* gives, or None where it raises what it may raise."""
    try:
        return decode(*arguments)
    except (CorruptError, UnsupportedError):
        return None


def read_all(store: EventStore) -> None:
    """Ask everything about session `a`; whatever is wrong must be said with a typed error."""
    questions: list[Callable[[], Any]] = [
        lambda: store.load("a"),
        lambda: store.load("a", at=1),
        lambda: store.load("a", at=-1),
        lambda: store.load("a", at="b3:0"),
        lambda: store.load_artifacts("a"),
        lambda: list(store.history("a")),
        lambda: store.version("a"),
        lambda: store.exists("a"),
        store.stats,
        lambda: store.delete("a"),
        lambda: store.undelete("a"),
        lambda: store.save({"id": "a", "n": 0}),
    ]
    for question in questions:
        try:
            question()
        except EventStoreError as error:
            assert str(error)
    assert store.list() in ([], ["a"])
    assert len(store.sessions()) in (0, 1)


def read_log(log: bytes) -> None:
    """Ask everything about a store whose only log is *log*."""
    backend = MemoryBackend()
    backend.append("a", 0, log)
    with EventStore(backend, model=dict, state_size_max=2**20) as store:
        read_all(store)


@many
@given(st.binary(max_size=100) | mutated(FRAMES[0][:HEADER_SIZE]), st.integers(0, 2**63))
def test_any_header_decodes_or_is_refused(data: bytes, position: int) -> None:
    """A header is sound, corrupt or unsupported, whatever the bytes."""
    header = decoded(decode_header, data, position)
    assert header is None or header.durable_upto <= header.position


@many
@given(st.binary(min_size=32, max_size=32), st.booleans(), st.integers(0, 2**40))
def test_any_sealed_header_decodes_or_is_refused(
    fields: bytes, has_magic: bool, position: int
) -> None:
    """A header with a right checksum over arbitrary fields is sound, corrupt or unsupported."""
    fields = FRAMES[0][:8] + fields[8:] if has_magic else fields
    frame = sealed(fields + FRAMES[0][32:], position)
    header = decoded(decode_header, frame, position)
    assert header is None or header.seq > 0
    decoded(decode_frame, frame, position)


@many
@given(st.binary(max_size=200) | mutated(FRAMES[0]))
def test_any_frame_is_refused_unless_it_is_exactly_what_was_written(data: bytes) -> None:
    """A frame decodes only from its own bytes, and searching for one never fails."""
    frame = decoded(decode_frame, data, 0)
    assert frame is None or data.startswith(FRAMES[0])
    decoded(find_frame, data, 0)
    size = last_frame_size(data)
    assert size is None or size >= HEADER_SIZE + TRAILER_SIZE


@many
@given(st.binary(max_size=120) | mutated(FIRST.table), st.integers(0, 2**40))
def test_any_table_points_into_its_log_or_is_refused(data: bytes, position: int) -> None:
    """No table, however made, leads outside its log or to bodies that are not there."""
    table = decoded(decode_table, data, position)
    if table is None:
        return
    for row in table.entries.values():
        assert 0 <= row.holder <= position
        assert 0 <= row.base <= position
        assert 0 <= row.previous <= position
    decoded(bodies_of, table, data)
    assert table.genesis is None or len(table.genesis.session.encode()) <= 1024


@many
@given(st.binary(max_size=200) | mutated(COMMIT) | st.text().map(str.encode))
def test_any_commit_is_canonical_or_refused(data: bytes) -> None:
    """Bytes that parse as a commit are exactly the bytes that the commit encodes to."""
    commit = decoded(parse_commit, data)
    assert commit is None or commit.encoded == data


@many
@given(st.binary(max_size=200) | mutated(FIRST.commit), st.sampled_from([1, 2, 2**40]))
def test_any_packed_commit_is_sound_or_refused(data: bytes, seq: int) -> None:
    """Bytes that unpack give a commit whose canonical form parses, and which packs as it came."""
    commit = decoded(unpack, data, seq)
    if commit is not None:
        assert parse_commit(commit.encoded) == commit
        assert unpack(pack(commit), seq) == commit


TEXTS = st.none() | st.text(max_size=20)


@many
@given(
    st.sampled_from(KINDS),
    st.integers(0, 2**63 - 1),
    st.dictionaries(st.sampled_from(["session", "a", "x.y-z_0"]), st.integers(0, 2**63 - 1)),
    st.tuples(TEXTS, TEXTS, TEXTS),
    st.none() | st.dictionaries(st.text(max_size=5), st.integers() | st.text(max_size=5)),
)
def test_every_commit_packs_and_unpacks(
    kind: str, time: int, sizes: dict[str, int], texts: Any, ref: Any
) -> None:
    """What is packed comes back, with the same id."""
    parts = {name: Commitment(f"{size:064x}", size) for name, size in sizes.items()}
    for seq, prev in ((1, None), (7, "ab" * 32)):
        commit = Commit("0f" * 16, seq, prev, kind, time, parts, *texts, ref=ref)
        again = unpack(pack(commit), seq)
        assert (again, again.id) == (commit, commit.id)
        assert len(pack(commit)) <= len(commit.encoded)


@many
@given(st.sampled_from([*json.loads(COMMIT), "actor", "note", "key", "ref", "x"]), VALUES)
def test_a_commit_with_any_member_is_canonical_or_refused(member: str, value: Any) -> None:
    """A commit of which one member is arbitrary JSON parses to itself, or is refused."""
    data = json.dumps(json.loads(COMMIT) | {member: value}, separators=(",", ":")).encode()
    commit = decoded(parse_commit, data)
    assert commit is None or commit.encoded == data


@pytest.mark.parametrize(
    "text",
    [
        "[" * 100_000,
        '{"v":1,"parts":[]}',
        '{"v":1e999}',
        '{"v":' + "9" * 5000 + "}",
        '{"v":true}',
        "null",
        '"' + "\\ud800" + '"',
    ],
)
def test_known_traps_in_a_commit_are_refused(text: str) -> None:
    """What is known to make JSON readers fail in their own ways is refused in ours."""
    with pytest.raises(CorruptError):
        parse_commit(text.encode())


@many
@given(
    st.binary(max_size=60) | mutated(compress(b'{"id":"a"}' * 9)),
    st.sampled_from([0, 1, 90, 2**62]),
)
def test_any_body_decodes_to_its_size_or_is_refused(body: bytes, size: int) -> None:
    """A body gives exactly the bytes that were declared, or a typed error."""
    state = decoded(decompress, body, size, 2**20)
    assert state is None or len(state) == size


@some
@given(st.data())
def test_a_sealed_frame_of_anything_gives_typed_errors(data: st.DataObject) -> None:
    """A store whose log is forged with right checksums answers everything or says what is wrong."""
    table = data.draw(st.none() | mutated(FIRST.table) | st.binary(max_size=60))
    commit = data.draw(st.none() | mutated(FIRST.commit))
    bodies = data.draw(st.none() | mutated(FIRST.bodies))
    read_log(with_pieces(FRAMES[0], commit=commit, table=table, bodies=bodies))


@some
@given(
    st.sampled_from(["log", "seq", "prev", "kind", "time", "parts", "actor", "key", "ref"]),
    VALUES | st.just(2**63 - 1),
    st.booleans(),
)
def test_a_sealed_commit_of_anything_gives_typed_errors(
    member: str, value: Any, is_second: bool
) -> None:
    """Arbitrary members in a commit, first or second of its log, never escape as other errors."""
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return
    position = len(FRAMES[0]) if is_second else 0
    forged = with_members(FRAMES[is_second], position, **{member: value})
    read_log((FRAMES[0] if is_second else b"") + forged)


def test_sizes_too_large_for_the_index_are_typed_errors() -> None:
    """Commits that claim the largest sizes and times are listed without an overflow."""
    frame = sound_log(b'{"id":"a"}', artifacts=b"[]")[0]
    parts = json.loads(unpack(decode_frame(frame, 0).commit, 1).encoded)["parts"]
    for part in parts.values():
        part["size"] = 2**63 - 1
    read_log(with_members(frame, parts=parts, time=2**63 - 1))


def test_an_id_in_a_table_that_is_too_long_is_refused() -> None:
    """The session id in a first frame is at most as long as an id may be."""
    table = b"\1" + SALT + (65535).to_bytes(2, "little") + b"a" * 65535 + b"\0"
    with pytest.raises(CorruptError):
        decode_table(table, 0)


@pytest.mark.parametrize("number", [b"\xff" * 9 + b"\x01", b"\x80" * 9 + b"\x01", b"\xff" * 200])
def test_a_number_beyond_63_bits_is_refused(number: bytes) -> None:
    """A LEB128 number that is too long for an offset is refused wherever it stands."""
    for encoding in (b"\0", b"\1\1" + bytes(32), b"\3\0" + bytes(32) + b"\0"):
        with pytest.raises(CorruptError):
            decode_table(b"\0\1\1a" + encoding + number + bytes(5), 2**40)


@some
@given(
    st.text(max_size=40)
    | VALUES.map(lambda v: base64.urlsafe_b64encode(json.dumps(v).encode()).decode())
    | st.tuples(st.sampled_from(["updated_at", "id", "name"]), LEAVES, LEAVES).map(
        lambda v: base64.urlsafe_b64encode(json.dumps(v).encode()).decode()
    ),
    st.sampled_from(["updated_at", "id", "name"]),
)
def test_any_cursor_is_a_place_or_refused(after: str, order: str) -> None:
    """Whatever is passed as `after=` continues the list or is refused, and harms no index."""
    with EventStore.open("memory://", model=dict) as store:
        store.save({"id": "a"})
        try:
            assert len(store.sessions(after=after, order_by=order)) <= 1
        except InvalidInputError as error:
            assert error.field == "after"
        assert store.list() == ["a"]


@many
@given(
    st.text(max_size=40)
    | st.text(alphabet="%~0123456789abcdefA_-.", max_size=30)
    | st.binary(max_size=20).map(lambda b: "".join(f"%{c:02x}" for c in b))
)
def test_a_file_name_is_that_of_one_session_or_of_none(name: str) -> None:
    """A name that spells an id is exactly the name which that id gets."""
    session = session_of(name)
    assert session is None or log_name(session) == name


@some
@given(content=st.binary(max_size=80) | VALUES.map(lambda v: json.dumps(v).encode()))
def test_any_format_file_is_a_store_or_refused(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A `format.json` of anything opens or gives a typed error; only zeros are overwritten."""
    directory = tmp_path_factory.mktemp("store")
    path = directory / "format.json"
    path.write_bytes(content)
    try:
        EventStore.open(directory).close()
    except EventStoreError as error:
        assert str(error)
        assert path.read_bytes() == content
    else:
        assert not content.strip(b"\0") or path.read_bytes() == content


@some
@given(
    content=st.binary(max_size=60)
    | st.lists(VALUES, max_size=3).map(
        lambda v: b"".join(json.dumps(x).encode() + b"\n" for x in v)
    )
)
def test_any_marks_are_taken_as_a_hint(
    content: bytes, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """A file of marks with anything in it leaves lists right, and goes away."""
    directory = tmp_path_factory.mktemp("marked") / "store"
    make(directory, 1)
    with opened(directory) as store:
        assert store.list() == ["a", "b"]
    (directory / "marks").mkdir(exist_ok=True)
    path = directory / "marks" / "1-f"
    path.write_bytes(content)
    with opened(directory) as store:
        assert store.list() == ["a", "b"]
        assert len(store.sessions()) == 2
    assert not path.exists()
    drop_index(directory)


def test_the_forged_log_is_otherwise_sound() -> None:
    """The log that the forgeries start from loads, so that what fails is what was forged."""
    backend = MemoryBackend()
    backend.append("a", 0, b"".join(FRAMES))
    with EventStore(backend, model=dict) as store:
        assert store.load("a") == {"id": "a", "n": [1, 2, 3]}
        assert store.load("a", at=1) == {"id": "a"}
        assert store.list() == ["a"]
    assert FIRST.table[1:33] == SALT


def test_a_body_that_is_another_state_is_refused() -> None:
    """A state is given only if it hashes to its address, whatever else about its frame is right."""
    state, other = b'{"id":"a","n":1}', b'{"id":"a","n":2}'
    for body, is_sound in ((state, True), (other, False)):
        backend = MemoryBackend()
        backend.append("a", 0, claiming(compress(body), len(state), state))
        with EventStore(backend, model=dict) as store:
            if is_sound:
                assert store.load_bytes("a") == state
                continue
            with pytest.raises(CorruptError) as caught:
                store.load_bytes("a")
            assert caught.value.session == "a"
            assert caught.value.version == 1


def test_a_frame_that_names_another_before_it_is_no_next_version() -> None:
    """Before a torn end, a frame whose `prev` is not the commit before it belongs to the tail."""
    forged = with_members(FRAMES[1], len(FRAMES[0]), prev="0" * 64)
    backend = MemoryBackend()
    backend.append("a", 0, FRAMES[0] + forged + b"torn")
    with EventStore(backend, model=dict) as store:
        assert store.load("a") == {"id": "a"}
        assert store.save({"id": "a", "n": 9}).version == 2
        assert [v.version for v in store.history("a")] == [2, 1]


def test_nothing_outside_the_store_is_touched(tmp_path: Path) -> None:
    """Reading forged logs writes nothing beside the store's own directory."""
    directory = tmp_path / "store"
    known = make(directory, 1)
    known.log.write_bytes(with_members(FRAMES[0], log="0" * 32))
    with opened(directory) as store:
        read_all_files = store.list()
    assert read_all_files == ["a", "b"]
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_frame_that_skips_a_number_is_no_next_version() -> None:
    """A frame sealed with a number beyond the next belongs to the tail, whatever its `prev`."""
    second = decode_frame(FRAMES[1], len(FRAMES[0]))
    forged = encode_frame(
        second.commit,
        second.table,
        second.bodies,
        seq=3,
        position=len(FRAMES[0]),
        durable_upto=0,
    )
    backend = MemoryBackend()
    backend.append("a", 0, FRAMES[0] + forged + b"torn")
    with EventStore(backend, model=dict) as store:
        assert store.load("a") == {"id": "a"}
        assert store.save({"id": "a", "n": 9}).version == 2
