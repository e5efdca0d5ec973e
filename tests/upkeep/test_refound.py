"""A store whose `format.json` is lost: it says so, and is written anew only where logs are."""

from __future__ import annotations

import asyncio
import errno
import json
import os
import re
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from eventstore import (
    AsyncEventStore,
    CorruptError,
    EventStore,
    EventStoreError,
    InvalidInputError,
    UnsupportedError,
)
from eventstore.backends.file import FileBackend
from eventstore.cli.app import app
from eventstore.fs import OsFileSystem
from eventstore.refound import refound
from tests.crash.stores import Known, log_path, make

NEW_ID = re.compile(r"[0-9a-f]{32}")


@pytest.fixture
def known(tmp_path: Path) -> Known:
    """A store with a session that has a history, watched once."""
    return make(tmp_path / "store")


def format_of(known: Known) -> Path:
    """Return where the store says that it is one."""
    return known.directory / "format.json"


def id_of(known: Known) -> str:
    """Return the id of the store."""
    return str(json.loads(format_of(known).read_bytes())["store"])


def watched(known: Known) -> str:
    """Let somebody watch the store; return the cursor behind everything."""
    with EventStore.open(known.directory, model=dict) as store:
        watch = store.watch(after=0, wait=0)
        assert len(list(watch)) == 6
        return watch.cursor


def run(known: Known, *arguments: str) -> Result:
    """Run the command on the store."""
    return CliRunner().invoke(app, ["-s", str(known.directory), *arguments])


def cut_short(path: Path) -> None:
    """Leave the beginning of a file."""
    path.write_bytes(path.read_bytes()[:30])


def as_link(path: Path) -> None:
    """Put a symbolic link into the place of a file."""
    path.unlink()
    path.symlink_to("/dev/null")


def as_directory(path: Path) -> None:
    """Put a directory into the place of a file."""
    path.unlink()
    path.mkdir()


HARM: dict[str, Callable[[Path], object]] = {
    "missing": Path.unlink,
    "empty": lambda path: path.write_bytes(b""),
    "zeros": lambda path: path.write_bytes(bytes(90)),
    "cut-short": cut_short,
    "noise": lambda path: path.write_bytes(bytes(range(256))),
    "another-id": lambda path: path.write_text(
        '{"format": "eventstore", "version": 1, "store": "mine"}'
    ),
    "link": as_link,
    "directory": as_directory,
}


@pytest.mark.parametrize("feed", ["with-feed", "without-feed"])
@pytest.mark.parametrize("harm", HARM.values(), ids=HARM.keys())
def test_doing_what_the_messages_say_brings_the_store_back(
    known: Known, harm: Callable[[Path], object], feed: str
) -> None:
    """However it was lost: the error names the command, which names the next, which helps."""
    store_id = id_of(known)
    cursor = watched(known)
    if feed == "without-feed":
        (known.directory / "feed.db").unlink()
    harm(format_of(known))
    damaged = format_of(known).read_bytes() if format_of(known).is_file() else b""
    before = sorted(known.directory.rglob("*"))
    for create in (True, False):
        with pytest.raises(CorruptError) as caught:
            EventStore.open(known.directory, create=create)
        assert str(caught.value).endswith("; next: eventstore repair")
    for name in ("ls", "verify"):
        told = run(known, name)
        assert told.exit_code == 2
        assert told.output.rstrip().endswith("next: eventstore repair")
    planned = run(known, *shlex.split(told.output.rstrip().rpartition("eventstore ")[2]))
    assert planned.exit_code == 1
    assert planned.output.rstrip().endswith("next: eventstore repair --apply")
    assert sorted(known.directory.rglob("*")) == before

    done = run(known, *shlex.split(planned.output.rstrip().rpartition("eventstore ")[2]))
    assert done.exit_code == 0, done.output
    assert "2 sessions looked at, 0 to repair" in done.output
    assert run(known, "verify", "--deep").exit_code == 0
    assert "format.json" not in run(known, "repair").output
    kept = [p for p in known.directory.glob("lost+found/format.json.*") if p.is_file()]
    if damaged:
        assert [path.read_bytes() for path in kept] == [damaged]
    with EventStore.open(known.directory, model=dict) as store:
        for version in range(1, known.newest + 1):
            for part, state in known.states[version].items():
                assert store.load_bytes("a", part, at=version) == state
        assert store.list() == ["a", "b"]
        assert store.save({"id": "a", "n": 6}).version == 6
        if feed == "with-feed":
            assert id_of(known) == store_id
            assert [v.version for v in store.watch(after=cursor, wait=0)] == [6]
        else:
            assert NEW_ID.fullmatch(id_of(known)) and id_of(known) != store_id
            with pytest.raises(InvalidInputError):
                store.watch(after=cursor, wait=0)
            assert len(list(store.watch(after=0, wait=0))) == 7


def test_what_is_left_of_the_file_may_have_the_id(known: Known) -> None:
    """A file that no longer parses but still has the store's id keeps it."""
    store_id = id_of(known)
    format_of(known).write_bytes(format_of(known).read_bytes()[1:])
    found = EventStore.repair_format(known.directory, apply=True)
    assert found is not None
    assert (found.store, found.source, id_of(known)) == (store_id, "format.json", store_id)
    assert EventStore.repair_format(known.directory) is None


def test_a_search_index_has_the_id_too(known: Known) -> None:
    """Without a feed, the id is taken from what was searched."""
    store_id = id_of(known)
    with EventStore.open(known.directory, model=dict, search=True) as store:
        assert list(store.search("word")) == []
    (known.directory / "feed.db").unlink()
    format_of(known).unlink()
    found = EventStore.repair_format(known.directory.as_uri())
    assert found is not None
    assert (found.store, found.source, found.applied) == (store_id, "search.db", False)


@pytest.mark.parametrize("left", ["nothing", "no-logs", "an-empty-log", "noise", "another-name"])
def test_no_store_is_invented(known: Known, left: str) -> None:
    """Where no log begins as a log of its place does, nothing is written."""
    format_of(known).write_bytes(b"{")
    if left in ("nothing", "no-logs"):
        shutil.rmtree(known.directory / "logs")
    if left == "no-logs":
        (known.directory / "logs" / "ab").mkdir(parents=True)
    if left in ("an-empty-log", "noise"):
        for session in "ab":
            path = log_path(known.directory, session)
            path.write_bytes(b"" if left == "an-empty-log" else bytes(range(256)) * 4)
    if left == "another-name":
        for session in "ab":
            path = log_path(known.directory, session)
            path.rename(path.with_name("c.log"))
    before = sorted(known.directory.rglob("*"))
    for apply in (False, True):
        with pytest.raises(InvalidInputError) as caught:
            EventStore.repair_format(known.directory, apply=apply)
        assert caught.value.field == "location"
    assert sorted(known.directory.rglob("*")) == before
    assert format_of(known).read_bytes() == b"{"


def test_a_later_format_is_left_alone(known: Known) -> None:
    """What a newer version of the library wrote is not damage."""
    text = '{"format": "eventstore", "version": 2, "store": "x"}'
    format_of(known).write_text(text)
    with pytest.raises(UnsupportedError):
        EventStore.repair_format(known.directory, apply=True)
    assert format_of(known).read_text() == text


def test_nothing_is_wrong_where_nothing_is(tmp_path: Path) -> None:
    """A sound store, one in memory, and none at all need no repair, and get none."""
    EventStore.open(tmp_path / "store").close()
    for place in (tmp_path / "store", "memory://", tmp_path / "missing"):
        assert EventStore.repair_format(place, apply=True) is None
    assert not (tmp_path / "missing").exists()


async def found_async(directory: Path) -> str:
    """Ask with a coroutine; return what is wrong."""
    found = await AsyncEventStore.repair_format(directory)
    return "" if found is None else found.wrong


def test_the_report_for_programs(known: Known) -> None:
    """The command prints one document, before and after, and coroutines say the same."""
    store_id = id_of(known)
    watched(known)
    format_of(known).unlink()
    assert asyncio.run(found_async(known.directory)) == "is missing"
    planned = json.loads(run(known, "repair", "--json").output)
    assert (planned["applied"], planned["looked_at"]) == (False, 0)
    done = json.loads(run(known, "repair", "--apply", "--json").output)
    assert (done["applied"], done["looked_at"]) == (True, 2)
    for told in (planned, done):
        about = told["format"]
        assert (about["wrong"], about["store"]) == ("is missing", store_id)
        assert (about["source"], about["applied"]) == ("feed.db", told["applied"])


class LateFileSystem(OsFileSystem):
    """A disk on which `format.json` is there only when it is looked for again."""

    def __init__(self) -> None:
        """Do not have it yet."""
        super().__init__()
        self.looked = 0

    def status_at(self, path: Path | str) -> os.stat_result | None:
        """Look."""
        is_format = Path(path).name == "format.json"
        self.looked += is_format
        return None if is_format and self.looked == 1 else super().status_at(path)


@pytest.mark.parametrize("create", [True, False])
@pytest.mark.parametrize("logs", [True, False], ids=["logs", "no-logs"])
def test_a_store_that_is_founded_just_now_is_not_lost(
    known: Known, create: bool, logs: bool
) -> None:
    """Who looks for a store just before another founds and uses it opens that."""
    if not logs:
        shutil.rmtree(known.directory / "logs")
    backend = FileBackend(known.directory, create=create, fs=LateFileSystem())
    assert backend.store_id == id_of(known)
    backend.close()


class FailingFileSystem(OsFileSystem):
    """A disk that fails at the nth change, and at every later one."""

    def __init__(self, nth: int) -> None:
        """Count down from *nth*."""
        super().__init__()
        self.left = nth

    def __getattribute__(self, name: str) -> Any:
        """Count a call when its method is looked up."""
        found = super().__getattribute__(name)
        if name not in ("write_at", "truncate", "rename", "sync_data", "sync_directory"):
            return found
        self.left -= 1
        if self.left > 0:
            return found

        def fail(*_: Any) -> None:
            raise OSError(errno.EIO, "Input/output error")

        return fail


def test_a_repair_that_is_cut_off_is_simply_repeated(known: Known) -> None:
    """Wherever the disk fails, the next repair finds the id that the first would have found."""
    store_id = id_of(known)
    text = format_of(known).read_bytes()[1:]
    for nth in range(1, 30):
        format_of(known).write_bytes(text)
        try:
            refound(known.directory, apply=True, fs=FailingFileSystem(nth))
        except EventStoreError:
            EventStore.repair_format(known.directory, apply=True)
            assert id_of(known) == store_id
            continue
        assert nth > 5
        return
    pytest.fail("the repair never came to its end")
