"""Twenty-odd ways to damage a store by hand: each is named, repaired as far as can be, and told."""

from __future__ import annotations

import json
import os
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from eventstore import EventStore
from eventstore.cli.app import app
from tests.crash.stores import PARTS, Known, drop_index, log_path, make, opened, overwrite
from tests.upkeep.second_look import check_alike

pytestmark = pytest.mark.damage

SIXTH = b'{"id":"a","n":6}'


@dataclass(frozen=True)
class Way:
    """One way to damage a store, and what is to be made of it.

    `said` must be in what `verify` prints, `state` is what it calls session `a`. `lost` are the
    versions that are gone after the repair, `next` the number of the save that follows it.
    """

    name: str
    damage: Callable[[Known], object]
    said: str
    state: str = "damaged"
    lost: frozenset[int] = frozenset()
    next: int = 7
    code: int = 1


def flip(known: Known, version: int, offset: int, size: int = 1) -> None:
    """Change some bytes of the frame of a version; an offset below 0 counts from its end."""
    place = known.ends[version - 1] if offset >= 0 else known.ends[version]
    data = bytearray(known.log.read_bytes())
    for at in range(place + offset, place + offset + size):
        data[at] ^= 0x10 if size == 1 else 0xFF
    overwrite(known.log, bytes(data))


def swap(known: Known) -> None:
    """Give each of two logs the other's name."""
    other, between = log_path(known.directory, "b"), known.directory / "between"
    known.log.rename(between)
    other.rename(known.log)
    between.rename(other)


def replace(known: Known, make_instead: Callable[[Path], object]) -> None:
    """Put something else into the place of the log."""
    known.log.unlink()
    make_instead(known.log)


def older(known: Known) -> None:
    """Put an older copy of the log into its place."""
    overwrite(known.log, known.bytes[: known.ends[3]])


WAYS = (
    Way("a-bit-in-a-middle-frame", lambda k: flip(k, 3, 60), "version 3 is lost"),
    Way("a-bit-in-a-header", lambda k: flip(k, 2, 9), "version 2 is lost"),
    Way("a-bit-in-a-checksum", lambda k: flip(k, 2, 35), "version 2 is lost"),
    Way("a-bit-in-a-digest", lambda k: flip(k, 4, -20), "version 4 is lost"),
    Way("a-bit-in-an-end-mark", lambda k: flip(k, 4, -1), "version 4 is lost"),
    Way("a-bit-in-the-keyframe", lambda k: flip(k, 1, -60), "version 1 is lost"),
    Way("a-bit-in-the-newest-frame", lambda k: flip(k, 5, 60), "version 5 is lost", lost={5}),
    Way("a-keyframe-overwritten", lambda k: flip(k, 1, -52, 8), "version 1 is lost"),
    Way("a-commit-overwritten", lambda k: flip(k, 3, 44, 30), "version 3 is lost", lost={3}),
    Way("a-header-overwritten", lambda k: flip(k, 3, 0, 40), "version 3 is lost", lost={3}),
    Way("two-frames-overwritten", lambda k: (flip(k, 2, 0, 90), flip(k, 3, 0, 90)), "versions 2-3",
        lost={2, 3}),
    Way("two-places-overwritten", lambda k: (flip(k, 2, 44, 30), flip(k, 4, 44, 30)), "version 4",
        lost={2, 4}),
    Way("truncated-in-a-frame", lambda k: overwrite(k.log, k.bytes[: k.ends[3] + 50]),
        "versions 4-5 are lost", lost={4, 5}),
    Way("an-older-copy", older, "an older copy was put in its place", lost={4, 5}),
    Way("emptied", lambda k: overwrite(k.log, b""), "there is no log", "missing", {1, 2, 3, 4, 5}),
    Way("filled-with-zeros", lambda k: overwrite(k.log, bytes(len(k.bytes))), "there is no log",
        "missing", {1, 2, 3, 4, 5}),
    Way("filled-with-noise", lambda k: overwrite(k.log, os.urandom(2000) + b"x"),
        "versions 1-5 are lost", lost={1, 2, 3, 4, 5}),
    Way("garbage-behind-the-end", lambda k: overwrite(k.log, k.bytes + b"garbage"),
        "what a crash left", "torn", next=6, code=0),
    Way("removed", lambda k: k.log.unlink(), "there is no log", "missing", {1, 2, 3, 4, 5}),
    Way("renamed", lambda k: k.log.rename(k.log.with_name("c.log")), "holds that of session 'a'",
        "missing", next=6),
    Way("swapped", swap, "holds the log of session 'b'", next=6),
    Way("a-directory", lambda k: replace(k, Path.mkdir), "directory", lost={1, 2, 3, 4, 5}),
    Way("a-symbolic-link", lambda k: replace(k, lambda p: p.symlink_to("/dev/null")),
        "symbolic link", lost={1, 2, 3, 4, 5}),
    Way("a-fifo", lambda k: replace(k, os.mkfifo), "not a regular file", lost={1, 2, 3, 4, 5}),
    Way("a-deleted-index", lambda k: drop_index(k.directory), "the index is missing", "", next=6,
        code=0),
    Way("a-damaged-index", lambda k: (k.directory / "index.db").write_bytes(b"no database" * 999),
        "the index is damaged", "", next=6),
)  # fmt: skip


def run(known: Known, *arguments: str) -> Result:
    """Run the command on the store."""
    place = str(known.directory)
    return CliRunner().invoke(app, ["-s", place, *arguments], env={"EVENTSTORE_ACTOR": "somebody"})


def commands(text: str) -> list[list[str]]:
    """Return the commands that messages name as the next."""
    found = re.findall(r"next: eventstore (.+)$", text, re.M)
    return [shlex.split(command) for command in found]


def loaded(store: EventStore, known: Known) -> dict[tuple[int, str], bytes]:
    """Return every state of session `a` that can be loaded."""
    found = {}
    for version in range(1, known.newest + 1):
        for part in PARTS:
            state = known.read(store, part, version)
            if isinstance(state, bytes):
                found[version, part] = state
    return found


@pytest.mark.parametrize("way", WAYS, ids=lambda way: way.name)
def test_a_way_is_named_and_repaired(tmp_path: Path, way: Way) -> None:
    """Doing only what the messages say leads from the damage to a store that is in order."""
    known = make(tmp_path / "store")
    way.damage(known)
    with opened(known.directory) as store:
        before = loaded(store, known)
        if way.name != "swapped":
            assert store.load("b") == {"id": "b", "n": 1}
    if way.state == "":
        way.damage(known)  # Opening the store mended the index.

    told = run(known, "verify")
    assert way.said in told.output, told.output
    assert told.exit_code == way.code, told.output
    if way.state:
        assert f"a: {way.state}" in told.output
        assert ["repair", "a"] in commands(told.output)

    bytes_before = known.log.read_bytes() if known.log.is_file() else b""
    planned = run(known, "repair")
    assert "lost" not in planned.output or way.lost or "lost+found" in planned.output
    if way.state:
        assert "nothing was changed" in planned.output
        assert ["repair", "--apply"] in commands(planned.output)
        assert bytes_before == (known.log.read_bytes() if known.log.is_file() else b"")

    done = run(known, "repair", "--apply")
    assert done.exit_code == 0, done.output
    again = run(known, "verify", "--deep")
    assert again.exit_code == 0, again.output
    assert "to repair" in run(known, "repair").output

    with opened(known.directory) as store:
        after = loaded(store, known)
        assert before.items() <= after.items()
        for (version, part), state in after.items():
            assert state == known.states[version][part]
        numbers = {version.version for version in store.history("a")} if way.next != 6 else set()
        assert not numbers & way.lost
        for version in set(range(1, known.newest + 1)) - way.lost:
            assert store.version("a", version).commit == known.saved[version].commit
        saved = store.save_states("a", {"session": SIXTH}, actor="me")
        assert saved.version == way.next
        assert store.load("a") == {"id": "a", "n": 6}
        assert store.load("b") == {"id": "b", "n": 1}
        assert store.list() == ["a", "b"]
        assert store.verify(deep=True).is_sound
        if way.next == 7:
            told_of = store.version("a", 6)
            assert (told_of.kind, told_of.actor) == ("repair", "somebody")
    lost, _ = check_alike(known.directory)
    assert lost == len(way.lost)


def test_originals_are_kept(tmp_path: Path) -> None:
    """Before anything is mended or cut, the damaged bytes are in `lost+found/`, all of them."""
    for way in WAYS:
        if not way.state or way.name in ("emptied", "filled-with-zeros", "removed", "renamed"):
            continue
        known = make(tmp_path / way.name)
        way.damage(known)
        damaged = known.log.read_bytes() if known.log.is_file() else b""
        run(known, "repair", "--apply")
        kept = [p.read_bytes() for p in (known.directory / "lost+found").glob("*") if p.is_file()]
        now = known.log.read_bytes()
        whole = damaged.startswith(now[:0]) and any(
            data in (damaged, damaged[known.ends[3] :], damaged[len(known.bytes) :])
            or damaged.endswith(data)
            for data in kept
        )
        moved = any(p.is_dir() or p.is_symlink() or p.is_fifo() for p in
                    (known.directory / "lost+found").glob("*"))  # fmt: skip
        assert way.name == "an-older-copy" or way.name == "swapped" or whole or moved, way.name


def test_the_report_for_programs(tmp_path: Path) -> None:
    """Both commands print one JSON document that says the same."""
    known = make(tmp_path / "store")
    flip(known, 3, 44, 30)
    verified = json.loads(run(known, "verify", "--json").output)
    (log,) = verified["logs"]
    assert (log["session"], log["state"], verified["exit_code"]) == ("a", "damaged", 1)
    assert log["findings"][0]["versions"] == [[3, 3]]
    repaired = json.loads(run(known, "repair", "--apply", "--json").output)
    (log,) = repaired["logs"]
    assert (repaired["applied"], log["after"], log["lost"]) == (True, "repaired", [[3, 3]])


def test_a_read_only_directory_says_what_to_do(tmp_path: Path) -> None:
    """A store that cannot be written can be verified, and a repair says why it cannot be done."""
    if os.geteuid() == 0:
        pytest.skip("root may write everywhere")
    known = make(tmp_path / "store")
    flip(known, 3, 44, 30)
    for path in (known.log.parent, known.directory):
        path.chmod(0o500)
    try:
        assert run(known, "verify").exit_code == 1
        told = run(known, "repair", "--apply")
        assert told.exit_code == 1
        assert "permission" in told.output.lower()
    finally:
        for path in (known.log.parent, known.directory):
            path.chmod(0o700)
