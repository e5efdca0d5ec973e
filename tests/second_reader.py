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
KINDS += ["compact", "note", "repair"]
ANY = "any"  # the id of a commit that is lost, and that nobody names
DEVICE = re.compile(r"con|prn|aux|nul|com[0-9]|lpt[0-9]")
Version = namedtuple("Version", "seq id commit parts")  # parts: a live state, None if dropped, LOST
Held = namedtuple("Held", "state base chain total text context pieces proven")  # encoding 1, 2, 4
LOST = Held(None, 0, -1, 0, b"", None, (), proven=False)  # nothing is left of it
ERRORS = (ValueError, LookupError, RecursionError, zstandard.ZstdError)


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
    need(version == 1 and required < 2, "a format version or a required feature is not known")
    table, bodies, end = at + 40 + c, at + 40 + c + t, at + 40 + c + t + b
    tail = blake3(data[at:end]).digest() + struct.pack("<Q", end + 40 - at)[:4] + END_MARK
    if durable > at or end + 40 - at >= 1 << 32 or data[end : end + 40] != tail:
        return None
    need(not required or durable == at, "a gap's durable_upto")
    commit, commit_id = (unpack_gap if required else unpack)(data[at + 40 : table], seq)
    return (
        commit,
        commit_id,
        BytesIO(data[table:bodies]),
        BytesIO(data[bodies:end]),
        end + 40,
        durable,
    )


def unpack_gap(raw: bytes, seq: int) -> tuple[dict, str]:
    """Return what a gap has instead of a commit (section 6), and the id that is to follow it."""
    last, named = int.from_bytes(raw[:8], "little"), raw[8:40]
    need(len(raw) >= 40 and not raw[40:].strip(b"\0") and last >= seq, "what a gap says is lost")
    commit = {"kind": "gap", "seq": seq, "last": last, "prev": ANY}
    return commit, named.hex() if named.strip(b"\0") else ANY


def unpack(raw: bytes, seq: int) -> tuple[dict, str]:
    """Return the commit that a frame packs (section 3), and its id."""
    source = BytesIO(raw)
    log, flags = take(source, 16).hex(), take(source, 1)[0]
    prev, kind = take(source, 32).hex() if flags & 1 else None, take(source, 1)[0]
    need(kind < len(KINDS), "a kind")
    alone = KINDS[kind] == "repair" and prev is None
    need(flags < 32 and (flags & 1) == (seq > 1 and not alone), "flags of a commit")
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
    """Return what a decoded delta makes of the previous state; -1 is any size."""
    source, new, at = BytesIO(delta), bytearray(), 0
    for skip, copied, inserted in [[leb(source) for _ in "123"] for _ in range(leb(source))]:
        at += -(skip + 1 >> 1) if skip & 1 else skip >> 1
        need(0 <= at <= at + copied <= len(old), "a copy from outside the previous state")
        most = LIMIT if size < 0 else min(size, LIMIT)
        need(len(new) + copied + inserted <= most, "a delta that makes too much")
        new += old[at : at + copied] + take(source, inserted)
        at += copied
    need(size in (-1, len(new)) and not source.read(), "a delta that makes too little")
    return bytes(new)


def holder(log: Log, at: int, name: str) -> Held | None:
    """Return the state that a frame holds of a part, what is left of it if that was lost."""
    held = log.held.get(at, {}).get(name)
    return held or (LOST if any(start <= at < end for start, end in log.gaps) else None)


def read_entry(log: Log, at: int, name: str, claim: dict, table: BytesIO, bodies: BytesIO) -> Held:
    """Read an entry of encoding 1 to 4 from behind its name and check the state it sets.

    In a gap there is no claim, and nothing is proven. In a frame whose digest a repair made anew
    only the claim is, so whether the rest is `odd` is judged at the end.
    """
    encoding, codec, address = *take(table, 2), take(table, 32)
    base, previous, chain, stored, size = (leb(table) for _ in range(5))
    body, up = take(bodies, stored), holder(log, at - previous, name)
    before = up if log.live is None else log.live.get(name)
    while encoding == 2 and before and before.state is None and before is not LOST:
        before = before.pieces  # dropped: the one kept before it
    odd = not (up or (encoding in (1, 4) and not previous))  # a previous that leads nowhere
    odd |= encoding != 3 and up is not before  # a previous that is not the version before
    up = up or LOST
    known = (encoding, codec) in CODECS and (codec != 3 or up is LOST or up.context is not None)
    odd |= not known or (encoding > 2 and (stored or size))  # a codec, a reference
    if claim:
        committed = blake3(address, key=log.salt).hexdigest()
        need(claim == {"c": committed, "size": claim["size"]}, "a claim")
    if encoding == 4:
        log.odd |= bool(claim and (odd or base or chain))  # a dropped state that builds on another
        log.held[at][name] = Held(None, at, -1, 0, b"", None, up, proven=True)
        return log.held[at][name]
    part = up if encoding > 1 else Held(b"", at, -1, 0, b"", None, (), proven=True)
    odd |= encoding > 1 and up is not LOST and up.state is None  # a state that was dropped
    links = part.base, part.chain + (encoding != 3)
    odd |= part is not LOST and ((at - base, chain) != links or chain > 1024)
    log.odd |= bool(claim) and bool(odd)
    if encoding == 3:
        good = not part.proven or part.state is None or blake3(part.state).digest() == address
        need(
            good and (part.state is None or len(part.state) == claim["size"]), "what is referred to"
        )
        return part
    try:
        need(part.state is not None, "what the state is made from was lost")
        context, pieces = {1: (None, ()), 2: (part.text, ()), 3: part[5:7]}[codec]
        out = decode(body, size, context, pieces)
        whole = claim["size"] if claim else -1
        state = patch(out, up.state, whole) if encoding == 2 else out
        total, text = part.total + len(out), (part.text + out)[-131072:]
        need(len(out) == size and total <= 4 * len(state) + 65536, "what a chain decodes to")
        proven = blake3(state).digest() == address and whole == len(state)  # never in a gap
        part = Held(state, *links, total, text, context, (*pieces, body), proven=proven)
    except ERRORS:
        part = LOST
    if claim and not part.proven:
        log.broken.append((name, log.seq))
    log.held[at][name] = part
    return part


def read_genesis(log: Log, at: int, table: BytesIO) -> None:
    """Read salt and session id, which are in the first frame."""
    need(take(table, 1)[0] == (at == 0), "the genesis of the table")
    if at == 0:
        log.salt = take(table, 32)
        need(1 <= (size := int.from_bytes(take(table, 2), "little")) <= 1024, "the id's size")
        log.session = take(table, size).decode()


def read_gap(log: Log, at: int, frame: tuple) -> None:
    """Add to a log what is left where versions were lost: perhaps states to build on."""
    gap, _, table, bodies, end = frame[:5]
    need(gap["seq"] == log.seq + 1, "the seq of a gap")
    log.lost.append((gap["seq"], gap["last"]))
    log.seq, log.live, log.gone, log.held[at] = gap["last"], None, None, {}
    if at == 0:
        read_genesis(log, at, table)
    try:
        if at:
            read_genesis(log, at, table)
        for _ in range(take(table, 1)[0]):
            name = take(table, take(table, 1)[0]).decode()
            if take(table, 1)[0]:
                table.seek(-1, 1)
                read_entry(log, at, name, {}, table, bodies)
            else:
                leb(table)
    except ERRORS:
        pass  # Whatever is there is proven by nothing.
    log.gaps.append((at, end))


def read_frame(log: Log, at: int, frame: tuple) -> None:
    """Add the version of a sound frame to a log."""
    commit, commit_id, table, bodies = frame[:4]
    read_genesis(log, at, table)
    log.id = log.id or commit["log"]
    skips = commit["kind"] == "repair" and commit["seq"] > log.seq + 1
    need(commit["log"] == log.id and (skips or commit["seq"] == log.seq + 1), "the log or the seq")
    if skips:
        log.lost.append((log.seq + 1, commit["seq"] - 1))
    log.seq, log.held[at] = commit["seq"], {}
    now, claims = {}, dict(commit["parts"])
    for _ in range(take(table, 1)[0]):
        name = take(table, take(table, 1)[0]).decode()
        need(re.fullmatch(NAME, name) and name not in now, "a part's name, or it comes twice")
        if claim := claims.pop(name, None):
            now[name] = read_entry(log, at, name, claim, table, bodies)
        else:
            need(take(table, 1) == b"\0", "a part that the commit does not set")
            now[name] = part = holder(log, at - leb(table), name)
            need(part and (log.live is None or part is log.live.get(name)), "a change")
    need(len(now) <= 64 and not (claims or table.read() or bodies.read()), "too much")
    check_parts(log, commit["kind"], now)
    parts = {name: part.state if part.proven else LOST for name, part in now.items()}
    read_ref(log, commit, parts)
    log.live = now
    log.versions.append(Version(commit["seq"], commit_id, commit, parts))


def check_parts(log: Log, kind: str, now: dict) -> None:
    """Check which parts a delete leaves, and which an undelete brings back."""
    log.gone = log.live if kind == "delete" else log.gone
    need(kind != "delete" or not now, "the parts of a delete")
    need(kind != "undelete" or log.gone != 0, "an undelete without a delete")
    if kind == "undelete" and log.gone is not None:
        whole = {name for name, part in log.gone.items() if part.proven}
        same = all(part is log.gone.get(name) for name, part in now.items())
        need(whole <= now.keys() and same, "the parts of an undelete")


def read_ref(log: Log, commit: dict, states: dict) -> None:
    """Check what a commit refers to (section 2)."""
    kind, ref = commit["kind"], commit.get("ref") or {}
    seq = ref.get("seq") if type(ref.get("seq")) is int else 0
    if kind == "restore":
        (before,) = [v.parts for v in log.versions if v.seq == seq] or [None]
        need(before is not None, "the version that is restored")
        whole = {name: state for name, state in before.items() if state is not LOST}
        need(whole.keys() <= states.keys() <= before.keys(), "the parts that are restored")
        same = all(states[name] == state for name, state in whole.items() if state is not None)
        need(same, "the states that are restored")
        need(commit["parts"].keys() == states.keys(), "the parts of a restore")
    if kind == "fork" or (kind == "note" and ref):
        named = re.fullmatch("[0-9a-f]{32} [0-9a-f]{64}", f"{ref.get('log')} {ref.get('commit')}")
        need(seq and named, "the other log")
    need(kind != "fork" or commit["seq"] == 1, "a fork that is not the first")
    need(kind != "note" or not commit["parts"], "a note that sets a part")
    if kind == "repair":
        log.repairs += 1
        states = ref.get("states")
        need(not commit["parts"] and isinstance(states, dict), "what a repair tells")
        for part, runs in [("", ref.get("lost")), *states.items()]:
            pairs = json.dumps(runs, separators=(",", ":"))
            need(re.fullmatch(r"\[(\[\d+,\d+\](,(?=\[))?)*\]", pairs), "runs of versions")
            log.told += [(part, first, last) for first, last in runs]


def check_told(log: Log) -> None:
    """Check that repairs told of whatever is lost."""
    need(log.repairs or not log.odd, "an encoding, a codec, a previous, a base or a chain")
    lost = [("", *run) for run in log.lost] + [(part, seq, seq) for part, seq in log.broken]
    for part, first, last in lost:
        told = any(p == part and a <= first and last <= b for p, a, b in log.told)
        need(told, f"{part or 'version'} is lost at {first}, and no repair told of it")


def follows(log: Log, commit: dict) -> bool:
    """Tell whether a commit names the one before it, as far as that is known."""
    return ANY in (log.last, commit["prev"]) or commit["prev"] == log.last


def read_log(data: bytes) -> Log:
    """Read a log and check all of it."""
    need(data := data.rstrip(b"\0"), "an empty file is no log")
    log, at = Log(session="", id="", salt=b"", versions=[], held={}, live={}, gone=0, last=None), 0
    vars(log).update(seq=0, gaps=[], lost=[], broken=[], told=[], odd=False, repairs=0)
    try:
        while (frame := sound_frame(data, at)) and follows(log, frame[0]):
            inside = any(start < frame[5] < end for start, end in log.gaps)
            need(frame[5] == at or frame[5] in log.held or inside, "a durable_upto inside a frame")
            (read_gap if frame[0]["kind"] == "gap" else read_frame)(log, at, frame)
            at, log.last = frame[4], frame[1]
        log.torn, later = at if at < len(data) else None, at - 1
        while (later := data.find(MAGIC, later + 1)) >= 0:
            frame = sound_frame(data, later)
            need(not frame or (frame[5] <= at and frame[4] < len(data)), f"damaged at {at}")
        check_told(log)
    except ERRORS as error:
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
