"""A second reader of stores, written from docs/format.md alone and sharing no code."""

import json
import re
import struct
import sys
from collections import namedtuple
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace as Log

import zstandard
from blake3 import blake3

MAGIC, END_MARK, LIMIT = b"\x89ESL", b"LSE\x89", 1 << 30  # of what this reader decodes
CODECS, TEXTS = ((1, 1), (2, 2), (2, 3), (3, 0), (4, 0)), ("actor", "note", "key", "ref")
HEX32, NAME = '"[0-9a-f]{32}"', "[a-z][a-z0-9_.-]{0,63}"
KINDS = ["save", "delete", "undelete", "restore", "fork", "erase", "hold", "release"]
KINDS += ["compact", "note"]
DEVICE = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")
Version = namedtuple("Version", "seq id commit parts")  # parts: each live state, None if dropped
Held = namedtuple("Held", "state base chain total text context pieces")  # under encoding 1 or 2


class Unreadable(ValueError):  # noqa: N818
    """The bytes are damaged, or are something that the format forbids."""


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
    if durable > at or end + 40 - at >= 1 << 32 or data[end : end + 40] != tail:
        return None
    commit, commit_id = unpack(data[at + 40 : table], seq)
    return (
        commit,
        commit_id,
        BytesIO(data[table:bodies]),
        BytesIO(data[bodies:end]),
        end + 40,
        durable,
    )


def unpack(raw: bytes, seq: int) -> tuple[dict, str]:
    """Return the commit that a frame packs (section 3), and its id."""
    source = BytesIO(raw)
    log, flags = take(source, 16).hex(), take(source, 1)[0]
    need(flags < 32 and (flags & 1) == (seq > 1), "flags of a commit")
    prev, kind = take(source, 32).hex() if flags & 1 else None, take(source, 1)[0]
    need(kind < len(KINDS), "a kind")
    commit = {"v": 1, "log": log, "seq": seq, "prev": prev, "kind": KINDS[kind]}
    commit |= {"time": leb(source), "parts": (parts := {})}
    for _ in range(take(source, 1)[0]):
        name = take(source, take(source, 1)[0]).decode()
        need(re.fullmatch(NAME, name) and name not in parts, "a part's name")
        parts[name] = {"c": take(source, 32).hex(), "size": leb(source)}
    commit |= {t: take(source, leb(source)).decode() for n, t in enumerate(TEXTS) if flags & 2 << n}
    if "ref" in commit:
        text, commit["ref"] = commit["ref"], json.loads(commit["ref"])
        need(isinstance(commit["ref"], dict) and canonical(commit["ref"]) == text, "a ref")
    line = canonical(commit).encode()
    need(not source.read() and len(line) < 65536, "the end of a commit")
    return commit, blake3(line).hexdigest()


def canonical(value: dict) -> str:
    """Return JSON in the form of section 2."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def decode(body: bytes, size: int, context: bytes | None, pieces: tuple) -> bytes:
    """Decode a keyframe's body, or a delta's, which comes behind other pieces of a zstd frame."""
    if context is None:
        need(zstandard.frame_content_size(body) == size <= LIMIT, "a keyframe's size")
        return zstandard.ZstdDecompressor().decompress(body, size, allow_extra_data=False)
    text = zstandard.ZstdCompressionDict(context, dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    stream, out = zstandard.ZstdDecompressor(dict_data=text).decompressobj(), b""
    stream.decompress(b"".join(pieces))
    for at in range(0, len(body), 64):  # few blocks at a time, each of at most 128 KiB
        out += stream.decompress(body[at : at + 64])
        need(len(out) <= size <= LIMIT and not stream.eof, "a delta's size, or its zstd frame ends")
    return out


def patch(delta: bytes, old: bytes, size: int) -> bytes:
    """Return what a decoded delta makes of the previous state."""
    source, new, at = BytesIO(delta), bytearray(), 0
    for skip, copied, inserted in [[leb(source) for _ in "123"] for _ in range(leb(source))]:
        at += -(skip + 1 >> 1) if skip & 1 else skip >> 1
        need(0 <= at <= at + copied <= len(old), "a copy from outside the previous state")
        need(len(new) + copied + inserted <= min(size, LIMIT), "a delta that makes too much")
        new += old[at : at + copied] + take(source, inserted)
        at += copied
    need(len(new) == size and not source.read(), "a delta that makes too little")
    return bytes(new)


def read_entry(log: Log, at: int, name: str, claim: dict, table: BytesIO, bodies: BytesIO) -> Held:
    """Read an entry of encoding 1, 2 or 3 from behind its name and check the state it sets."""
    encoding, codec, address = *take(table, 2), take(table, 32)
    base, previous, chain, stored, size = (leb(table) for _ in range(5))
    body, up = take(bodies, stored), log.held.get(at - previous, {}).get(name)
    before = log.live.get(name)
    while encoding == 2 and before and before.state is None:  # dropped: the one kept before it
        before = before.pieces
    need(up or (encoding in (1, 4) and not previous), "a previous that leads nowhere")
    need(encoding == 3 or up is before, "a previous that is not the version before")
    known = (encoding, codec) in CODECS and (codec != 3 or up.context is not None)
    need(known and (encoding < 3 or stored == size == 0), "an encoding, a codec, a reference")
    if encoding == 4:
        need(base == chain == 0, "a dropped state that builds on another")
        claimed = {"c": blake3(address, key=log.salt).hexdigest(), "size": claim["size"]}
        need(claim == claimed, "a claim")
        log.held[at][name] = Held(None, at, -1, 0, b"", None, up)
        return log.held[at][name]
    need(encoding == 1 or up.state is not None, "a state that was dropped")
    part = up if encoding > 1 else Held(b"", at, -1, 0, b"", None, ())
    links = part.base, part.chain + (encoding != 3)
    need((at - base, chain) == links and chain <= 1024, "a base or a chain")
    if encoding < 3:
        context, pieces = {1: (None, ()), 2: (part.text, ()), 3: part[5:]}[codec]
        out = decode(body, size, context, pieces)
        state = patch(out, up.state, claim["size"]) if encoding == 2 else out
        total, text = part.total + len(out), (part.text + out)[-131072:]
        need(len(out) == size and total <= 4 * len(state) + 65536, "what a chain decodes to")
        part = log.held[at][name] = Held(state, *links, total, text, context, (*pieces, body))
    commitment = {"c": blake3(address, key=log.salt).hexdigest(), "size": len(part.state)}
    need(blake3(part.state).digest() == address and claim == commitment, "an address, a claim")
    return part


def read_frame(log: Log, at: int, frame: tuple) -> None:
    """Add the version of a sound frame to a log."""
    commit, commit_id, table, bodies = frame[:4]
    need(take(table, 1)[0] == (not log.versions), "the genesis of the table")
    if not log.versions:
        log.id, log.salt = commit["log"], take(table, 32)
        need(1 <= (size := int.from_bytes(take(table, 2), "little")) <= 1024, "the id's size")
        log.session = take(table, size).decode()
    need((commit["log"], commit["seq"]) == (log.id, len(log.versions) + 1), "the log or the seq")
    now, claims, log.held[at] = {}, dict(commit["parts"]), {}
    for _ in range(take(table, 1)[0]):
        name = take(table, take(table, 1)[0]).decode()
        need(re.fullmatch(NAME, name) and name not in now, "a part's name, or it comes twice")
        if claim := claims.pop(name, None):
            now[name] = read_entry(log, at, name, claim, table, bodies)
        else:
            need(take(table, 1) == b"\0", "a part that the commit does not set")
            now[name] = part = log.held.get(at - leb(table), {}).get(name)
            need(part and part.state == getattr(log.live.get(name), "state", 0), "a change")
    need(len(now) <= 64 and not (claims or table.read() or bodies.read()), "too much")
    log.gone = log.live if commit["kind"] == "delete" else log.gone
    due = {"delete": {}, "undelete": log.gone}.get(commit["kind"], now)
    need(now == due, "the parts of a delete or an undelete")
    read_ref(log, commit, {name: part.state for name, part in now.items()})
    log.live, parts = now, {name: part.state for name, part in now.items()}
    log.versions.append(Version(commit["seq"], commit_id, commit, parts))


def read_ref(log: Log, commit: dict, states: dict) -> None:
    """Check what a commit refers to (section 2)."""
    kind, ref = commit["kind"], commit.get("ref") or {}
    seq = ref.get("seq") if type(ref.get("seq")) is int else 0
    if kind == "restore":
        need(1 <= seq <= len(log.versions), "the version that is restored")
        before = log.versions[seq - 1].parts
        need(before.keys() == states.keys(), "the parts that are restored")
        same = all(states[name] == state for name, state in before.items() if state is not None)
        need(same, "the states that are restored")
        need(commit["parts"].keys() == states.keys(), "the parts of a restore")
    if kind == "fork" or (kind == "note" and ref):
        named = re.fullmatch("[0-9a-f]{32} [0-9a-f]{64}", f"{ref.get('log')} {ref.get('commit')}")
        need(seq and named, "the other log")
    need(kind != "fork" or commit["seq"] == 1, "a fork that is not the first")
    need(kind != "note" or not commit["parts"], "a note that sets a part")


def read_log(data: bytes) -> Log:
    """Read a log and check all of it."""
    need(data := data.rstrip(b"\0"), "an empty file is no log")
    log, at = Log(session="", id="", salt=b"", versions=[], held={}, live={}, gone=0, last=None), 0
    try:
        while (frame := sound_frame(data, at)) and frame[0]["prev"] == log.last:
            need(frame[5] == at or frame[5] in log.held, "a durable_upto inside a frame")
            read_frame(log, at, frame)
            at, log.last = frame[4], frame[1]
        log.torn, later = at if at < len(data) else None, at - 1
        while (later := data.find(MAGIC, later + 1)) >= 0:
            frame = sound_frame(data, later)
            need(not frame or (frame[5] <= at and frame[4] < len(data)), f"damaged at {at}")
    except (ValueError, IndexError, RecursionError, zstandard.ZstdError) as error:
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
    logs, file, files = {}, Path(path) / "format.json", "logs/[0-9a-f][0-9a-f]/*.log"
    try:
        about = {} if file.is_symlink() else json.loads(file.read_bytes())
        form = [about.get(name, []) for name in ("format", "version", "store", "required")]
        need(re.fullmatch(rf'\["eventstore", 1, {HEX32}, \[\]\]', json.dumps(form)), "its form")
        for file in sorted(Path(path).glob(files)):
            own = file.is_file() and not any(p.is_symlink() for p in [file, *file.parents][:3])
            if (
                own
                and (data := file.read_bytes().rstrip(b"\0"))
                and (log := read_log(data)).versions
            ):
                need(file == Path(path) / log_path(log.session), f"the name of {log.session}")
                logs[log.session] = log
    except (OSError, ValueError, AttributeError, RecursionError) as error:
        raise Unreadable(f"{file}: {error}") from error
    return logs


if __name__ == "__main__":
    for session, log in read_store(sys.argv[1]).items():
        torn = f" torn at {log.torn}" * (log.torn is not None)
        sys.stdout.write(f"{session} {len(log.versions)} {log.versions[-1].id}{torn}\n")
