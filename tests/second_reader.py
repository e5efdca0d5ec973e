"""A second reader of stores, written from docs/format.md alone and sharing no code."""

import json
import re
import struct
import sys
from collections import namedtuple
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path

import zstandard
from blake3 import blake3

LIMIT = 1 << 30  # the largest state that this reader decodes
MAGIC, END_MARK, ZSTD = b"\x89ESL", b"LSE\x89", b"\x28\xb5\x2f\xfd"
HEX32, HEX64, INT, NAME = '"[0-9a-f]{32}"', '"[0-9a-f]{64}"', "[0-9]+", "[a-z][a-z0-9_.-]{0,63}"
KIND = "save|delete|undelete|restore|fork|erase|hold|release|compact|note"
TEXT, PART = r'"(?:[^"\\]|\\.)*"', rf'"{NAME}":\{{"c":{HEX64},"size":{INT}\}}'
COMMIT = re.compile(
    rf'\{{"v":1,"log":{HEX32},"seq":{INT},"prev":(?:null|{HEX64}),"kind":"(?:{KIND})",'
    rf'"time":{INT},"parts":\{{(?:{PART}(?:,{PART})*)?\}}'
    rf'(?:,"actor":{TEXT})?(?:,"note":{TEXT})?(?:,"key":{TEXT})?(?:,"ref":(?P<ref>\{{.*\}}))?\}}'
)
ORIGIN = rf'\{{"log":{HEX32},"seq":{INT},"commit":{HEX64}\}}'
REF = {"fork": ORIGIN, "restore": rf'\{{"seq":{INT}\}}'}
NO_SPACE = re.compile(rb'(?:[^\s"]++|"(?:[^"\\]++|\\.)*+")*+')
DEVICE = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")
Version = namedtuple("Version", "seq id commit parts")  # parts: the state of every live part


class Unreadable(Exception):  # noqa: N818
    """The bytes are damaged, or are something that the format forbids."""


@dataclass
class Log:
    """A log's identity, its versions, and where its torn tail begins, if it has one."""

    session: str = ""
    id: str = ""
    salt: bytes = b""
    versions: list[Version] = field(default_factory=list)
    torn: int | None = None


def need(holds: object, reason: str) -> None:
    """Raise `Unreadable` unless the condition holds."""
    if not holds:
        raise Unreadable(reason)


def take(source: BytesIO, size: int) -> bytes:
    """Take so many bytes."""
    need(len(taken := source.read(size)) == size, "a field runs over the end")
    return taken


def leb(source: BytesIO) -> int:
    """Take a number in LEB128."""
    value = shift = 0
    while (byte := take(source, 1)[0]) > 127:
        value, shift = value | (byte & 127) << shift, shift + 7
        need(shift < 63, "a LEB128 number of more than 63 bits")
    return value | byte << shift


def sound_frame(data: bytes, at: int) -> tuple[dict, str, BytesIO, BytesIO, int, int] | None:
    """Return commit, id, table, bodies, end, durable_upto if section 3 and the form hold."""
    head = data[at : at + 40].ljust(40, b"\0")
    magic, version, required, c, t, b, seq, durable, check = struct.unpack("<4sBB2xHHIQQ8s", head)
    if magic != MAGIC or check != blake3(head[:32] + struct.pack("<Q", at)).digest()[:8]:
        return None
    need(version == 1 and not required, "a format version or a required feature is not known")
    table, bodies, end = at + 40 + c, at + 40 + c + t, at + 40 + c + t + b
    tail = blake3(data[at:end]).digest() + struct.pack("<Q", end + 40 - at)[:4] + END_MARK
    if durable > at or data[end : end + 40] != tail:
        return None
    raw, streams = data[at + 40 : table], (BytesIO(data[table:bodies]), BytesIO(data[bodies:end]))
    form, commit = COMMIT.fullmatch(raw.decode()), json.loads(raw)
    again = json.dumps(commit, ensure_ascii=False, separators=(",", ":")).encode()
    need(form and again == raw, "the commit is not in canonical form")
    need(re.fullmatch(REF.get(commit["kind"], ".*"), form["ref"] or ""), "the commit's ref")
    frame = (commit, blake3(raw).hexdigest(), *streams, end + 40, durable)
    return frame if commit["seq"] == seq else None


def decode(body: bytes, size: int) -> bytes:
    """Decode the body of a keyframe and check that it is a state (sections 1 and 4)."""
    about = zstandard.get_frame_parameters(body)
    need(body[:4] == ZSTD and about.dict_id == 0 and about.content_size == size <= LIMIT, "a body")
    state = zstandard.ZstdDecompressor().decompress(body, size, allow_extra_data=False)
    value = json.loads(state.decode(), parse_int=str, parse_constant=int)  # int("NaN") raises
    json.dumps(value, ensure_ascii=False).encode()  # raises for lone surrogates
    need(NO_SPACE.fullmatch(state), "white space in a state")
    return state


def read_frame(log: Log, at: int, frame: tuple, held: dict[int, dict[str, bytes | None]]) -> None:
    """Add a sound frame's version; `held` has the parts of each frame, with keyframes' states."""
    commit, commit_id, table, bodies = frame[:4]
    before = log.versions[-1].parts if log.versions else {}
    need(take(table, 1)[0] == (not log.versions), "the genesis of the table")
    if not log.versions:
        log.id, log.salt = commit["log"], take(table, 32)
        log.session = take(table, int.from_bytes(take(table, 2), "little")).decode()
    need((commit["log"], commit["seq"]) == (log.id, len(log.versions) + 1), "the log or the seq")
    parts, unchanged, held[at] = {}, {}, {}
    need((count := take(table, 1)[0]) <= 64, "more than 64 entries")
    for _ in range(count):
        name = take(table, take(table, 1)[0]).decode()
        need(re.fullmatch(NAME, name) and name not in parts, "a part's name, or it comes twice")
        encoding = take(table, 1)[0]
        if encoding == 0:
            state = unchanged[name] = held.get(at - leb(table), {}).get(name)
            need(state, "an unchanged part that leads nowhere")
        else:
            codec, address = take(table, 1)[0], take(table, 32)
            base, previous, chain, stored, size = (leb(table) for _ in range(5))
            source, body = held.get(at - previous, {}), take(bodies, stored)
            known = (1, 1, 0, 0), (3, 0, 0, 0), (3, 0, 0, previous)
            need((encoding, codec, chain, base) in known, "an encoding, codec, chain or base")
            need(name in (source if previous else {name} - before.keys()), "a previous")
            state = decode(body, size) if encoding == 1 else source.get(name)
            need(state and size in (len(state), 0) and (encoding == 1 or not body), "a reference")
            need(blake3(state).digest() == address, "a state's address")
            commitment = {"c": blake3(address, key=log.salt).hexdigest(), "size": len(state)}
            need(commit["parts"].get(name) == commitment, "a commitment or a size")
        parts[name], held[at][name] = state, state if encoding == 1 else None
    need(not table.read() + bodies.read(), "bytes that are left over")
    need(parts.keys() - unchanged.keys() == commit["parts"].keys(), "the parts that are set")
    if commit["kind"] in ("undelete", "restore"):
        for name, state in parts.items():
            need(any(v.parts.get(name) == state for v in log.versions), "a state that never was")
    else:
        stay = {name: before[name] for name in before.keys() - commit["parts"].keys()}
        need(parts == {} if commit["kind"] == "delete" else unchanged == stay, "what stays")
    log.versions.append(Version(commit["seq"], commit_id, commit, parts))


def read_log(data: bytes) -> Log:
    """Read a log and check all of it."""
    need(data, "an empty file is no log")
    log, at, last, held = Log(), 0, None, {}
    try:
        while (frame := sound_frame(data, at)) and frame[0]["prev"] == last:
            read_frame(log, at, frame, held)
            at, last = frame[4], frame[1]
        log.torn, later = at if at < len(data) else None, at
        while (later := data.find(MAGIC, later + 1)) >= 0:
            frame = sound_frame(data, later)
            need(not frame or frame[5] <= at, f"damaged at {at}, which was durable")
    except (ValueError, RecursionError, zstandard.ZstdError) as error:
        raise Unreadable(str(error)) from error
    return log


def log_path(session: str) -> str:
    """Return where in a store the log of a session is (section 5)."""
    raw, digest = session.encode(), blake3(session.encode()).hexdigest()
    name = re.sub(rb"[^a-z0-9_-]", lambda byte: b"%%%02x" % ord(byte[0]), raw).decode()
    name = f"%{ord(name[0]):02x}{name[1:]}" if DEVICE.fullmatch(name) else name
    name = f"{name[:96]}~{digest}" if len(name) > 180 else name
    return f"logs/{digest[:2]}/{name}.log"


def read_store(path: str | Path) -> dict[str, Log]:
    """Read all logs of a store that have a version, by session id."""
    try:
        about = json.loads((Path(path) / "format.json").read_bytes())
        form = [about["format"], about["version"], about["store"], about.get("required", [])]
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise Unreadable("format.json") from error
    known = rf'\["eventstore", 1, {HEX32}, \[\]\]'
    need(re.fullmatch(known, json.dumps(form)), "format.json: its members, or a required feature")
    logs = {}
    for file in sorted(Path(path).glob("logs/*/*.log")):
        try:
            log = read_log(data) if (data := file.read_bytes()) else Log()
            here = file == Path(path) / log_path(log.session)
            need(here or not log.versions, f"the name of the log of {log.session}")
        except Unreadable as error:
            raise Unreadable(f"{file}: {error}") from error
        logs |= {log.session: log} if log.versions else {}
    return logs


def main() -> None:
    """Print a line for each session of a store: its id, its versions, its last commit's id."""
    try:
        logs = read_store(sys.argv[1])
    except Unreadable as error:
        sys.exit(f"{sys.argv[1]}: {error}")
    for session, log in logs.items():
        torn = f" torn at {log.torn}" * (log.torn is not None)
        sys.stdout.write(f"{session} {len(log.versions)} {log.versions[-1].id}{torn}\n")


if __name__ == "__main__":
    main()
