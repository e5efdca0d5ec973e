"""The second reader against the worked example of docs/format.md."""

import importlib.util
import json
import re
import struct
import subprocess
import sys
from pathlib import Path

import pytest
import zstandard
from blake3 import blake3

ROOT = Path(__file__).parents[2]
READER = ROOT / "tests" / "second_reader.py"
SPEC = importlib.util.spec_from_file_location("second_reader", READER)
second_reader = importlib.util.module_from_spec(SPEC)
sys.modules["second_reader"] = second_reader
SPEC.loader.exec_module(second_reader)

PAGE = (ROOT / "docs" / "format.md").read_text(encoding="utf-8")
EXAMPLE = PAGE.split("<!-- example -->")[1].split("<!-- /example -->")[0]
LINES = re.findall(r"^([0-9a-f]{4})  ((?:[0-9a-f]{2} ?)+)$", EXAMPLE, re.MULTILINE)
LOG = bytes.fromhex("".join(line for _, line in LINES))
COMMIT_ID = re.search(r"^its id: ([0-9a-f]{64})$", EXAMPLE, re.MULTILINE)[1]
COMMIT = re.search(r"^commit: (.*)$", EXAMPLE, re.MULTILINE)[1].encode()
TABLE = 40 + int.from_bytes(LOG[8:10], "little")
BODIES = TABLE + 0x57
KINDS = ["save", "delete", "undelete", "restore", "fork", "erase", "hold", "release"]
KINDS += ["compact", "note"]
STATE = b'{"id":"demo"}'
SALT = bytes(range(0x20, 0x40))
SEALED = {"version": 1, "required": 0, "durable": 0}


def leb(value: int) -> bytes:
    """Spell a number in LEB128."""
    return bytes([value]) if value < 128 else bytes([value & 127 | 128]) + leb(value >> 7)


def packed(line: bytes) -> bytes:
    """Pack a commit given as JSON."""
    commit = json.loads(line)
    texts = [commit.get(name) for name in ("actor", "note", "key")]
    ref = commit.get("ref")
    texts.append(
        None if ref is None else json.dumps(ref, ensure_ascii=False, separators=(",", ":"))
    )
    flags = (commit["prev"] is not None) + sum(
        2 << bit for bit, text in enumerate(texts) if text is not None
    )
    out = bytes.fromhex(commit["log"]) + bytes([flags]) + bytes.fromhex(commit["prev"] or "")
    out += (
        bytes([KINDS.index(commit["kind"])]) + leb(commit["time"]) + bytes([len(commit["parts"])])
    )
    for name, part in commit["parts"].items():
        out += bytes([len(name)]) + name.encode() + bytes.fromhex(part["c"]) + leb(part["size"])
    for text in texts:
        out += b"" if text is None else leb(len(text.encode())) + text.encode()
    return out


def seal(at: int, seq: int, commit: bytes, table: bytes, bodies: bytes = b"", **head: int) -> bytes:
    """Build a frame whose checksums hold, whatever it says."""
    commit = packed(commit) if commit.startswith(b"{") else commit
    sizes = (len(commit), len(table), len(bodies))
    version, required, durable = (head.get(name, d) for name, d in SEALED.items())
    frame = struct.pack("<4sBB2xHHIQQ", b"\x89ESL", version, required, *sizes, seq, durable)
    frame += blake3(frame + struct.pack("<Q", at)).digest()[:8] + commit + table + bodies
    return frame + blake3(frame).digest() + struct.pack("<I", len(frame) + 40) + b"LSE\x89"


def first(
    commit: bytes = COMMIT, table: bytes = LOG[TABLE:BODIES], body: bytes | None = None
) -> bytes:
    """Build the example's frame with some of it replaced."""
    return seal(0, 1, commit, table, LOG[BODIES:-40] if body is None else body)


def commit_after(log: second_reader.Log, /, **members: object) -> bytes:
    """Build a commit that follows a log's last one."""
    last = log.versions[-1]
    commit = last.commit | {"seq": last.seq + 1, "prev": last.id, "parts": {}} | members
    return json.dumps(commit, ensure_ascii=False, separators=(",", ":")).encode()


def keyframe(state: bytes, body: bytes | None = None) -> tuple[bytes, bytes, bytes]:
    """Build the commit, table and body of a first save of any state."""
    address = blake3(state).digest()
    part = {"c": blake3(address, key=SALT).hexdigest(), "size": len(state)}
    commit = json.loads(COMMIT) | {"parts": {"session": part}}
    body = zstandard.compress(state) if body is None else body
    table = LOG[TABLE : TABLE + 50] + address + bytes(3) + leb(len(body)) + leb(len(state))
    return json.dumps(commit, ensure_ascii=False, separators=(",", ":")).encode(), table, body


def noticed(data: bytes) -> bool:
    """Tell whether the reader refuses a log or finds a torn end."""
    try:
        return second_reader.read_log(data).torn is not None
    except second_reader.Unreadable:
        return True


def test_example_verifies() -> None:
    """The example reads as what the page says it is."""
    offset = 0
    for label, line in LINES:
        assert int(label, 16) == offset
        offset += len(bytes.fromhex(line))
    log = second_reader.read_log(LOG)
    assert (log.session, log.id, log.salt) == ("demo", bytes(range(16)).hex(), SALT)
    assert log.torn is None
    assert LOG[40:TABLE] == packed(COMMIT)
    assert first() == LOG
    assert log.versions == [(1, COMMIT_ID, json.loads(COMMIT), {"session": STATE})]
    assert log.versions[0].commit["time"] == 1_700_000_000_000_000_000


def test_every_flip_is_noticed() -> None:
    """No changed byte of the example goes unnoticed."""
    for at in range(len(LOG)):
        for mask in (*(1 << bit for bit in range(8)), 0xFF):
            assert noticed(LOG[:at] + bytes([LOG[at] ^ mask]) + LOG[at + 1 :]), at


def test_every_truncation_is_noticed() -> None:
    """No shortened example goes unnoticed."""
    for size in range(len(LOG)):
        assert noticed(LOG[:size]), size
    assert second_reader.read_log(LOG + LOG[:100]).torn == len(LOG)


def test_flips_behind_good_checksums_are_refused() -> None:
    """The table and the bodies are checked beyond the frame's own digest."""
    free = range(TABLE + 35, TABLE + 39)  # the session id
    for at in range(TABLE, len(LOG) - 40):
        data = LOG[:at] + bytes([LOG[at] ^ 1]) + LOG[at + 1 :]
        data = first(COMMIT, data[TABLE:BODIES], data[BODIES:-40])
        if at in free:
            assert second_reader.read_log(data).session != "demo"
        else:
            with pytest.raises(second_reader.Unreadable):
                second_reader.read_log(data)


RAW = LOG[40:TABLE]
FLAGS, KIND, COUNT, NAME = 16, 17, 27, 28


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        RAW[:-1],
        RAW + b"\0",
        RAW[:FLAGS] + b"\x20" + RAW[KIND:],
        RAW[:FLAGS] + b"\1" + bytes(32) + RAW[KIND:],
        RAW[:KIND] + b"\x0a" + RAW[KIND + 1 :],
        RAW[: KIND + 1] + b"\xff" * 9 + b"\1" + RAW[COUNT:],
        RAW[:COUNT] + b"\0",
        RAW[:COUNT] + b"\2" + RAW[NAME:] * 2,
        RAW[: NAME + 1] + b"S" + RAW[NAME + 2 :],
        RAW[: NAME + 1] + b"\xff" + RAW[NAME + 2 :],
        RAW[:-1] + b"\x0e",
        RAW[:FLAGS] + b"\2" + RAW[KIND:],
        RAW[:FLAGS] + b"\2" + RAW[KIND:] + b"\2a",
        RAW[:FLAGS] + b"\2" + RAW[KIND:] + b"\1\xff",
        RAW[:FLAGS] + b"\x10" + RAW[KIND:] + b"\2[]",
        RAW[:FLAGS] + b"\x10" + RAW[KIND:] + b"\3{ }",
        RAW[:FLAGS] + b"\x10" + RAW[KIND:] + b"\1{",
        RAW[:FLAGS] + b"\4" + RAW[KIND:] + leb(65_535) + b"n" * 65_535,
    ],
)
def test_other_commits_are_refused(raw: bytes) -> None:
    """A packed commit in another form is refused."""
    assert second_reader.read_log(first(RAW)).versions
    with pytest.raises(second_reader.Unreadable):
        second_reader.read_log(first(raw[:65_535]))


@pytest.mark.parametrize(
    ("kind", "ref"),
    [
        ("restore", {}),
        ("restore", {"seq": 1}),
        ("restore", {"seq": True}),
        ("fork", {"seq": 1}),
        ("fork", {"log": "0" * 32, "seq": 0, "commit": "0" * 64}),
        ("note", {"log": "0" * 32, "seq": 1, "commit": "0" * 64}),
    ],
)
def test_refs_that_lead_nowhere_are_refused(kind: str, ref: dict[str, object]) -> None:
    """A first commit restores nothing, a fork names its origin, and a note sets no part."""
    said = f',"ref":{json.dumps(ref, separators=(",", ":"))}}}'.encode()
    commit = COMMIT.replace(b'"save"', f'"{kind}"'.encode())[:-1] + said
    with pytest.raises(second_reader.Unreadable):
        second_reader.read_log(first(commit))


def test_reserved_kinds_and_their_refs_are_not_judged() -> None:
    """A reader treats the reserved kinds like a save and keeps a ref that it does not know."""
    for kind in ("erase", "hold", "release", "compact"):
        commit = (
            COMMIT.replace(b'"save"', f'"{kind}"'.encode())[:-1] + b',"ref":{"x":[9,"\xc3\xa9"]}}'
        )
        version = second_reader.read_log(first(commit)).versions[0]
        assert (version.commit["kind"], version.commit["ref"]) == (kind, {"x": [9, "\u00e9"]})


def test_states_are_bytes() -> None:
    """A state is what hashes to its address, whatever it holds."""
    for state in (b'{"a": 1}', b"NaN", b'"\xff"', b"["):
        log = second_reader.read_log(first(*keyframe(state)))
        assert log.versions[0].parts == {"session": state}


def test_other_bodies_are_refused() -> None:
    """A body is one zstd frame that states its size."""
    assert second_reader.read_log(first(*keyframe(STATE))).versions[0].parts == {"session": STATE}
    whole = zstandard.compress(STATE)
    sizeless = zstandard.ZstdCompressor(write_content_size=False).compress(STATE)
    for body in (whole + b"\0", whole + whole, sizeless, STATE):
        with pytest.raises(second_reader.Unreadable):
            second_reader.read_log(first(*keyframe(STATE, body)))


def test_later_frames() -> None:
    """Unchanged, deleted and referenced parts are followed, and bad frames refused."""
    log, at = second_reader.read_log(LOG), len(LOG)
    unchanged = b"\0\1\7session\0" + bytes([0x80 | at & 127, at >> 7])
    note = commit_after(log, kind="note", note="\u007f \n\u0001")
    assert second_reader.read_log(LOG + seal(at, 2, note, unchanged)).versions[1].parts == {
        "session": STATE
    }
    delete = LOG + seal(at, 2, commit_after(log, kind="delete"), b"\0\0")
    deleted = second_reader.read_log(delete)
    assert deleted.versions[1].parts == {}
    number = struct.pack("BB", 0x80 | len(delete) & 127, len(delete) >> 7)
    reference = b"\0\1\7session\3\0" + blake3(STATE).digest() + number * 2 + bytes(3)
    again = commit_after(deleted, kind="undelete", parts=log.versions[0].commit["parts"])
    undelete = delete + seal(len(delete), 3, again, reference)
    assert second_reader.read_log(undelete).versions[2].parts == {"session": STATE}
    for refused in (
        seal(at, 2, note, unchanged[:-2] + b"\0"),
        seal(at, 2, note, unchanged[:-2] + b"\1"),
        seal(at, 2, note, b"\1" + unchanged[1:]),
        seal(at, 2, note, unchanged + b"\0"),
        seal(at, 2, note, unchanged, b"\0"),
        seal(at, 2, note, unchanged, version=2),
        seal(at, 2, note, unchanged, required=1),
        seal(at, 3, note, unchanged),
        seal(at, 2, commit_after(log, kind="note", log="f" * 32), unchanged),
        seal(at, 2, commit_after(log, kind="delete"), unchanged),
        seal(at, 2, commit_after(log, kind="undelete"), unchanged + b"\0"),
        seal(at, 2, note, unchanged, durable=1),
        seal(at, 2, commit_after(log, kind="note", prev="f" * 64), unchanged),
    ):
        with pytest.raises(second_reader.Unreadable):
            second_reader.read_log(LOG + refused)
    for torn in (
        seal(at + 1, 2, note, unchanged),
        seal(at, 2, note, unchanged, durable=at + 1),
        seal(at, 2, commit_after(log, kind="note", prev="f" * 64), unchanged) + b"?",
    ):
        assert second_reader.read_log(LOG + torn).torn == at


def test_session_ids() -> None:
    """An id has 1 to 1,024 bytes and any character."""
    for session in ("\0", "\U0001f600\n", "a" * 1024):
        raw = session.encode()
        table = LOG[TABLE : TABLE + 33] + struct.pack("<H", len(raw)) + raw
        log = second_reader.read_log(first(COMMIT, table + LOG[TABLE + 39 : BODIES]))
        assert log.session == session
    for raw in (b"", b"a" * 1025, b"\xff"):
        table = LOG[TABLE : TABLE + 33] + struct.pack("<H", len(raw)) + raw
        with pytest.raises(second_reader.Unreadable):
            second_reader.read_log(first(COMMIT, table + LOG[TABLE + 39 : BODIES]))


def spell(*splices: tuple[int, int, bytes]) -> bytes:
    """Spell a delta; each splice is how far to move, how much to copy and what to insert."""
    numbers = b"".join(
        leb(2 * move if move >= 0 else -2 * move - 1) + leb(copied) + leb(len(text))
        for move, copied, text in splices
    )
    return leb(len(splices)) + numbers + b"".join(text for _, _, text in splices)


class Chain:
    """A log that is built by hand, one delta of the part `session` behind the other."""

    def __init__(self, state: bytes) -> None:
        """Begin with a keyframe of a state."""
        self.data, self.states = first(*keyframe(state)), [state]
        self.log = second_reader.read_log(self.data)
        self.base = self.previous = self.chain = 0
        self.text, self.stream = state, None

    def piece(self, delta: bytes, *, restart: bool, context: bytes | None = None) -> bytes:
        """Compress a delta as the next piece, or as the first one of another zstd frame."""
        if restart:
            text = self.text[-131072:] if context is None else context
            raw = zstandard.DICT_TYPE_RAWCONTENT
            words = zstandard.ZstdCompressionDict(text, dict_type=raw)
            self.stream = zstandard.ZstdCompressor(dict_data=words).compressobj()
        body = self.stream.compress(delta)
        return body + self.stream.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def frame(self, state: bytes, delta: bytes, body: bytes, codec: int, **other: int) -> bytes:
        """Build a frame with a delta, some of its entry replaced."""
        at, seq, address = len(self.data), self.log.versions[-1].seq + 1, blake3(state).digest()
        commitment = blake3(address, key=SALT).hexdigest()
        parts = {"session": {"c": commitment, "size": other.pop("size", len(state))}}
        entry = {"base": at - self.base, "previous": at - self.previous, "chain": self.chain + 1}
        entry |= {"stored": len(body), "decoded": len(delta)} | other
        table = b"\0\1\7session\2" + bytes([codec]) + address + b"".join(map(leb, entry.values()))
        return seal(at, seq, commit_after(self.log, kind="save", parts=parts), table, body)

    def append(self, frame: bytes) -> None:
        """Append any frame."""
        raw = frame[40 : 40 + int.from_bytes(frame[8:10], "little")]
        value, digest = second_reader.unpack(raw, int.from_bytes(frame[16:24], "little"))
        self.log.versions.append(second_reader.Version(value["seq"], digest, value, {}))
        self.data += frame

    def add(self, state: bytes, delta: bytes, *, restart: bool = False) -> None:
        """Append a delta."""
        body = self.piece(delta, restart=restart)
        frame, self.previous = self.frame(state, delta, body, 3 - restart), len(self.data)
        self.append(frame)
        self.chain, self.text = self.chain + 1, self.text + delta
        self.states.append(state)

    def reads(self, frame: bytes = b"") -> None:
        """Check that the reader makes every state, the last one also of a frame at the end."""
        log = second_reader.read_log(self.data + frame)
        assert log.torn is None
        states = [version.parts.get("session") for version in log.versions]
        assert states == self.states + self.states[-1:] * bool(frame)

    def reads_last(self, state: bytes, frame: bytes) -> None:
        """Check that the reader makes a state of a frame at the end."""
        log = second_reader.read_log(self.data + frame)
        assert log.torn is None and log.versions[-1].parts == {"session": state}

    def refuses(self, frame: bytes) -> None:
        """Check that the reader refuses a frame at the end."""
        with pytest.raises(second_reader.Unreadable):
            second_reader.read_log(self.data + frame)


def test_deltas() -> None:
    """Deltas move forward, back and repeat, and their contexts begin anew."""
    chain = Chain(b'["abcdefgh"]')
    chain.add(b'["abXdefgh"]', spell((0, 4, b"X"), (1, 7, b"")), restart=True)
    chain.add(b'["efghabXd"]', spell((0, 2, b""), (4, 4, b""), (-8, 4, b""), (4, 2, b"")))
    chain.add(b'["eeefgh"]', spell((0, 3, b""), (-1, 1, b""), (-1, 4, b'"]')))
    chain.add(b'["new"]', spell((0, 0, b'["new"]')), restart=True)
    chain.add(b'["newnewnew"]', spell((0, 5, b""), (-3, 3, b""), (-3, 5, b"")))
    chain.add(b'["newnewnew"]', spell((0, 13, b"")), restart=True)
    chain.add(b"[]", spell((0, 1, b""), (11, 1, b"")))
    chain.add(b"[][]", spell((0, 2, b""), (-2, 2, b"")))
    chain.reads()


def test_delta_as_bytes() -> None:
    """A delta's bytes are those of the page."""
    assert spell((0, 4, b"X"), (-3, 3, b"yz")) == b"\2" + b"\0\4\1" + b"\5\3\2" + b"Xyz"
    assert spell((3, 200, b"")) == b"\1" + b"\6\xc8\1\0"


def test_contexts_are_bounded() -> None:
    """A context is the last 131,072 bytes of what the chain decodes to, deltas too."""
    state = b"".join(blake3(b"%d" % n).hexdigest().encode() for n in range(2500))
    chain = Chain(state)
    for n in range(4):
        added = blake3(b"%d" % -n).hexdigest().encode() * 3
        delta = spell((0, 0, added + state[29000:29100]), (0, len(state), b""))
        state = added + state[29000:29100] + state
        chain.add(state, delta, restart=n % 2 == 0)
    text, last = chain.text, state
    for context in (text[-131100:], text[-131073:-1], text[:131072], text[-131072:]):
        state, delta = context[:200] + last, spell((0, 0, context[:200]), (0, len(last), b""))
        frame = chain.frame(state, delta, chain.piece(delta, restart=True, context=context), 2)
        assert noticed(chain.data + frame) is (context != text[-131072:])
    chain.add(state, delta, restart=True)
    chain.reads()


def test_deltas_behind_a_reference() -> None:
    """An undelete leads back to a delta, and the next delta goes on from there."""
    chain = Chain(b'["a"]')
    chain.add(b'["ab"]', spell((0, 3, b"b"), (0, 2, b"")), restart=True)
    parts, address = chain.log.versions[-1].commit["parts"], blake3(b'["ab"]').digest()
    chain.append(seal(len(chain.data), 3, commit_after(chain.log, kind="delete"), b"\0\0"))
    chain.states.append(None)
    at, commit = len(chain.data), commit_after(chain.log, kind="undelete", parts=parts)
    previous = at - chain.previous

    def undelete(*numbers: int) -> bytes:
        rest = address + b"".join(map(leb, numbers))
        return seal(at, 4, commit, b"\0\1\7session\3\0" + rest)

    for wrong in (
        (previous, previous, 1, 0, 0),
        (0, previous, 1, 0, 0),
        (at, at, 1, 0, 0),
        (at, previous, 0, 0, 0),
        (at, previous, 1, 0, 6),
    ):
        chain.refuses(undelete(*wrong))
    chain.append(undelete(at, previous, 1, 0, 0))
    chain.states.append(b'["ab"]')
    chain.reads()
    same = spell((0, 6, b""))
    chain.reads(chain.frame(b'["ab"]', same, chain.piece(same, restart=False), 3))
    chain.reads(chain.frame(b'["ab"]', same, chain.piece(same, restart=True), 2))
    wrong = chain.frame(
        b'["ab"]', same, chain.piece(same, restart=True), 2, previous=len(chain.data) - at
    )
    chain.refuses(wrong)


def test_dropped_states() -> None:
    """A dropped state has an address and no bytes, and the next delta leads over it."""
    chain = Chain(b'["abcd"]')
    at, state = len(chain.data), b'["abcd!"]'
    address = blake3(state).digest()
    part = {"c": blake3(address, key=SALT).hexdigest(), "size": len(state)}
    commit = commit_after(chain.log, kind="save", parts={"session": part})

    def dropped(*numbers: int, codec: int = 0, address: bytes = address) -> bytes:
        rest = bytes([4, codec]) + address + b"".join(map(leb, numbers))
        return seal(at, 2, commit, b"\0\1\7session" + rest)

    for wrong in (
        dropped(at, at, 0, 0, 0),
        dropped(0, 0, 0, 0, 0),
        dropped(0, at, 1, 0, 0),
        dropped(0, at, 0, 0, 9),
        dropped(0, at, 0, 0, 0, codec=1),
        dropped(0, at, 0, 0, 0, address=blake3(b"[]").digest()),
    ):
        chain.refuses(wrong)
    chain.append(dropped(0, at, 0, 0, 0))
    chain.states.append(None)
    chain.reads()
    delta = spell((0, 6, b"?"), (0, 2, b""))
    body = chain.piece(delta, restart=True)
    chain.reads_last(b'["abcd?"]', chain.frame(b'["abcd?"]', delta, body, 2))
    over = chain.frame(b'["abcd?"]', delta, body, 2, previous=len(chain.data) - at)
    chain.refuses(over)


def test_wrong_deltas_are_refused() -> None:
    """No mistake in a delta goes unnoticed."""
    chain = Chain(b'["abcd"]')
    state, delta = b'["abcd!"]', spell((0, 6, b"!"), (0, 2, b""))
    body = chain.piece(delta, restart=True)
    chain.refuses(chain.frame(state, delta, body, 3))  # nothing to go on with
    chain.refuses(chain.frame(state, delta, body, 1))
    chain.refuses(chain.frame(state, delta, body + chain.stream.flush(), 2))  # ended
    chain.refuses(chain.frame(state, delta, body[:-1], 2))  # not flushed
    chain.refuses(chain.frame(state, delta, zstandard.compress(delta), 2))
    chain.refuses(chain.frame(state, delta, zstandard.compress(delta), 3))
    chain.refuses(chain.frame(state, delta, b"", 2))
    for other in (
        {"base": 0},
        {"previous": 0},
        {"previous": len(chain.data) - 1},
        {"chain": 0},
        {"chain": 2},
        {"stored": len(body) - 1},
        {"stored": len(body) + 1},
        {"decoded": len(delta) - 1},
        {"decoded": len(delta) + 1},
        {"size": len(state) + 1},
        {"size": len(state) - 1},
    ):
        chain.refuses(chain.frame(state, delta, body, 2, **other))
    for wrong in (
        delta + b"!",  # more than what is inserted
        delta[:-1],  # less
        b"\3" + delta[1:],  # more splices than there are
        spell((0, 6, b"?"), (0, 2, b"")),  # another state
        spell((0, 6, b"!"), (1, 2, b"")),  # a copy behind the end
        spell((0, 6, b"!"), (0, 3, b"")),
        spell((-1, 6, b"!"), (0, 2, b"")),  # a copy before the start
        spell((0, 6, b"!"), (-7, 2, b"")),
        spell((0, 6, b"!"), (-8, 1, b"]")),
        spell((0, 6, b"!"), (0, 2, b"x")),  # a longer state
        spell((0, 6, b"!"), (0, 1, b"")),  # a shorter one
    ):
        chain.refuses(chain.frame(state, wrong, chain.piece(wrong, restart=True), 2))
    chain.add(state, delta, restart=True)
    delta = spell((0, 9, b""))
    body = chain.piece(delta, restart=False)
    chain.refuses(chain.frame(state, delta, body, 2))  # not a first piece
    at = len(chain.data)
    chain.refuses(chain.frame(state, delta, body, 3, previous=at))  # not the version before
    chain.refuses(chain.frame(state, delta, body, 3, base=at - chain.previous))
    chain.reads(chain.frame(state, delta, body, 3))
    delta = spell((0, 6, b"!"), (0, 2, b""))
    body = chain.piece(delta, restart=True, context=chain.states[0])
    chain.refuses(chain.frame(state, delta, body, 2, previous=at, chain=1))  # of the first state


def test_chains_are_bounded() -> None:
    """A chain has at most 1,024 deltas, and decodes to at most 4 times the state and 65,536."""
    same = spell((0, 2, b""))
    chain = Chain(b"[]")
    for n in range(1024):
        chain.add(b"[]", same, restart=n % 100 == 0)
    chain.reads()
    chain.refuses(chain.frame(b"[]", same, chain.piece(same, restart=False), 3))
    delta = spell((0, 0, b"[]"))
    for size, fits in ((65538, True), (65539, False)):  # and 6 for the delta, and 4 times 2
        chain = Chain(b"[" * size)
        frame = chain.frame(b"[]", delta, chain.piece(delta, restart=True), 2)
        assert noticed(chain.data + frame) is not fits


def test_damage_and_torn_ends_differ() -> None:
    """A later frame proves damage if the bytes were durable or if it ends the file."""
    log, at = second_reader.read_log(LOG), len(LOG)
    unchanged = b"\0\1\7session\0" + bytes([0x80 | at & 127, at >> 7])
    damaged = LOG[:100] + b"?" + LOG[101:]
    later = seal(at, 2, commit_after(log, kind="note"), unchanged)
    assert second_reader.read_log(damaged + later + b"?").torn == 0
    with pytest.raises(second_reader.Unreadable, match="damaged"):
        second_reader.read_log(damaged + later)
    later = seal(at, 2, commit_after(log, kind="note"), unchanged, durable=at)
    assert second_reader.read_log(LOG + later).torn is None
    with pytest.raises(second_reader.Unreadable, match="damaged"):
        second_reader.read_log(damaged + later + b"?")


def test_log_path() -> None:
    """A log's path is the encoding of the session's id."""
    for session, name in {
        "demo": "demo",
        "A.b é": "%41%2eb%20%c3%a9",
        "con": "%63on",
        "lpt0": "%6cpt0",
        "con1": "con1",
        "a" * 180: "a" * 180,
        "a" * 181: "a" * 96 + "~" + blake3(b"a" * 181).hexdigest(),
    }.items():
        digest = blake3(session.encode()).hexdigest()
        assert second_reader.log_path(session) == f"logs/{digest[:2]}/{name}.log"


def test_store(tmp_path: Path) -> None:
    """A store is listed, and refused if its format.json or a name is wrong."""

    def run() -> subprocess.CompletedProcess:
        command = [sys.executable, READER, tmp_path]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    assert run().returncode == 1
    about = {"format": "eventstore", "version": 1, "store": "0" * 32}
    (tmp_path / "format.json").write_text(json.dumps(about))
    file = tmp_path / second_reader.log_path("demo")
    file.parent.mkdir(parents=True)
    file.write_bytes(LOG)
    (file.parent / "empty.log").touch()
    assert list(second_reader.read_store(tmp_path)) == ["demo"]
    done = run()
    assert (done.returncode, done.stdout) == (0, f"demo 1 {COMMIT_ID}\n")
    for other in ({"version": 2}, {"version": True}, {"store": "x"}, {"required": ["new"]}):
        (tmp_path / "format.json").write_text(json.dumps(about | other))
        assert run().returncode == 1
    (tmp_path / "format.json").write_text(json.dumps(about | {"required": []}))
    assert run().returncode == 0
    link = tmp_path / "logs" / "00" / "linked.log"
    link.parent.mkdir()
    link.symlink_to(file)
    (tmp_path / "logs" / "01").symlink_to(file.parent)
    assert run().stdout == f"demo 1 {COMMIT_ID}\n"
    file.rename(file.with_name("other.log"))
    assert run().returncode == 1
