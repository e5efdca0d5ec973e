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
COMMIT_ID = re.search(r"^commit id ([0-9a-f]{64})$", EXAMPLE, re.MULTILINE)[1]
COMMIT = re.search(r"^commit: (.*)$", EXAMPLE, re.MULTILINE)[1].encode()
TABLE, BODIES = 40 + len(COMMIT), 40 + len(COMMIT) + 0x57
STATE = b'{"id":"demo"}'
SALT = bytes(range(0x20, 0x40))
SEALED = {"version": 1, "required": 0, "durable": 0}


def seal(at: int, seq: int, commit: bytes, table: bytes, bodies: bytes = b"", **head: int) -> bytes:
    """Build a frame whose checksums hold, whatever it says."""
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
    table = LOG[TABLE : TABLE + 50] + address + bytes([0, 0, 0, len(body), len(state)])
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
    assert LOG[40:TABLE] == COMMIT
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


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"v":1', '"v":2'),
        ('"v":1', '"v":true'),
        ('"v":1,', '"v":1, '),
        ('"prev":null,"kind":"save"', '"kind":"save","prev":null'),
        ('"kind":"save"', '"kind":"keep"'),
        ('"kind":"save"', '"kind":"fork"'),
        ('"size":13}}}', '"size":14}}}'),
        ('"size":13}}}', '"size":13.0}}}'),
        ('"size":13}}}', '"size":13}},"note":null}'),
        ('"size":13}}}', '"size":13}},"note":"\\u00e9"}'),
        ('"size":13}}}', '"size":13}},"note":"\\ud800"}'),
        ('"size":13}}}', '"size":13}},"key":"k","note":"n"}'),
        ('"size":13}}}', '"size":13}},"other":1}'),
        ('"session"', '"Session"'),
    ],
)
def test_other_commits_are_refused(old: str, new: str) -> None:
    """A commit in another form is refused."""
    assert old in COMMIT.decode()
    with pytest.raises(second_reader.Unreadable):
        second_reader.read_log(first(COMMIT.decode().replace(old, new).encode()))


@pytest.mark.parametrize(
    "state", [b'{"a": 1}', b"NaN", b"-Infinity", b'"\\ud800"', b'"\xff"', b"{", b""]
)
def test_other_states_are_refused(state: bytes) -> None:
    """What is not a state is refused though its address holds."""
    with pytest.raises(second_reader.Unreadable):
        second_reader.read_log(first(*keyframe(state)))


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
    reference = b"\0\1\7session\3\0" + blake3(STATE).digest() + number * 2 + b"\0\0\x0d"
    again = commit_after(deleted, kind="undelete", parts=log.versions[0].commit["parts"])
    undelete = delete + seal(len(delete), 3, again, reference)
    assert second_reader.read_log(undelete).versions[2].parts == {"session": STATE}
    for refused in (
        seal(at, 2, note, b"\0\0"),  # the part is gone without a delete
        seal(at, 2, note, unchanged[:-2] + b"\0"),
        seal(at, 2, note, unchanged[:-2] + b"\1"),
        seal(at, 2, note, b"\1" + unchanged[1:]),
        seal(at, 2, note, unchanged + b"\0"),
        seal(at, 2, note, unchanged, b"\0"),
        seal(at, 2, note, unchanged, version=2),
        seal(at, 2, note, unchanged, required=1),
        seal(at, 3, commit_after(log, kind="note", seq=3), unchanged),
        seal(at, 2, commit_after(log, kind="note", log="f" * 32), unchanged),
        seal(at, 2, commit_after(log, kind="delete"), unchanged),
    ):
        with pytest.raises(second_reader.Unreadable):
            second_reader.read_log(LOG + refused)
    for torn in (
        seal(at, 3, note, unchanged),
        seal(at + 1, 2, note, unchanged),
        seal(at, 2, note, unchanged, durable=at + 1),
        seal(at, 2, commit_after(log, kind="note", prev="f" * 64), unchanged),
    ):
        assert second_reader.read_log(LOG + torn).torn == at


def test_damage_and_torn_ends_differ() -> None:
    """A later frame proves damage only if the bytes were durable."""
    log, at = second_reader.read_log(LOG), len(LOG)
    unchanged = b"\0\1\7session\0" + bytes([0x80 | at & 127, at >> 7])
    damaged = LOG[:100] + b"?" + LOG[101:]
    later = seal(at, 2, commit_after(log, kind="note"), unchanged)
    assert second_reader.read_log(damaged + later).torn == 0
    later = seal(at, 2, commit_after(log, kind="note"), unchanged, durable=at)
    assert second_reader.read_log(LOG + later).torn is None
    with pytest.raises(second_reader.Unreadable, match="durable"):
        second_reader.read_log(damaged + later)


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
    file.rename(file.with_name("other.log"))
    assert run().returncode == 1
