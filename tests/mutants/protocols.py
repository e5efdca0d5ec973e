"""Protocols broken on purpose: each leaves out, or does wrongly, one thing that keeps a promise.

Some are broken in the library, some in the file-system calls that it makes. They live beside the
tests; a test of crashes counts only if every one of them is found.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from eventstore import log_frames, log_states
from eventstore.backends.file import FileBackend
from eventstore.backends.layout import FileLayout
from eventstore.draft import Draft
from eventstore.frame import HEADER_SIZE, TRAILER_SIZE, Frame, decode_header
from eventstore.index import Index
from eventstore.log import Log
from eventstore.log_frames import LogFrames, Survey
from eventstore.marks import Marks
from eventstore.testing import SimFs
from tests.crash.explorer import Plan
from tests.crash.workload import save, save_again, save_expecting

_FAILING = Plan(images=48, failing=("sync_data",))
_CROWDED = Plan(images=24, flips=0, failing=(), favourite=save, sessions=1, kills=0.1)
_YOUNG = Plan(flips=0, failing=(), favourite=save, kills=0.3)


@dataclass(frozen=True)
class Mutant:
    """A broken protocol: what is put in whose place, and where it is to be found."""

    name: str
    patches: tuple[tuple[Any, str, Any], ...]
    of_index: bool = False
    plan: Plan | None = None

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Break the library meanwhile."""
        with ExitStack() as stack:
            for place, name, broken in self.patches:
                assert hasattr(place, name), f"{place} has no {name!r} to break"
                stack.enter_context(mock.patch.object(place, name, broken))
            yield


def _nothing(*_: Any, **__: Any) -> None:
    """Do nothing."""


def _not_cut(self: FileBackend, log: str, position: int) -> str:
    """Leave a torn tail where it is, and go on behind it."""
    return ""


_honest_append = FileBackend.append
_honest_sync = SimFs.sync_data
_honest_write = SimFs.write_at
_honest_survey = LogFrames.survey
_honest_check_shard = FileLayout.check_shard


def _append_behind(self: FileBackend, log: str, position: int, frame: bytes) -> None:
    """Append at the end of the file, whatever the log says."""
    with self._files.held(log) as file:
        assert file is not None
        _honest_append(self, log, file.end, frame)


def _synced_twice(self: SimFs, fd: int) -> None:
    """Repeat a sync that failed."""
    try:
        _honest_sync(self, fd)
    except OSError:
        _honest_sync(self, fd)


def _written_late(self: SimFs, fd: int, data: bytes, offset: int) -> None:
    """Keep what is to be written for later, and write what was kept before."""
    late = self.__dict__.setdefault("late", [])
    for arguments in [late.pop() for _ in [*late]]:
        if arguments[0] in self._files:
            _honest_write(self, *arguments)
    if self._opened(fd).path.endswith(".log"):
        late.append((fd, data, offset))
    else:
        _honest_write(self, fd, data, offset)


def _half_written(self: SimFs, fd: int, data: bytes, offset: int) -> None:
    """Take a short write for a whole one, now and then."""
    if self._opened(fd).path.endswith(".log") and len(data) % 5 == 0:
        data = data[: len(data) // 2]
    _honest_write(self, fd, data, offset)


def _commit_on_old_head(self: Log, decide: Any) -> Any:
    """Commit on the head that was there before the lock was taken."""
    with self._guard:
        made = self._made(self.head(), decide)
        if not isinstance(made, Draft):
            return made
        with self._backend.writing(self.session):
            return self._append(made)


def _refreshed_unsettled(self: Log, size: int) -> Any:
    """Go on behind a head that may not be durable."""
    head = self._refreshed(size)
    if self.damage is not None:
        raise self.damage
    end = 0 if head is None else head.end
    if end < size:
        self._backend.cut(self.session, end)
    return head


def _survey_without_witness(self: LogFrames, *arguments: Any) -> Survey:
    """Ignore what later frames say was durable."""
    survey = _honest_survey(self, *arguments)
    return Survey(survey.positions, survey.end, 0)


class _Equal(str):
    """A digest that is equal to every other."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, _: object) -> bool:
        """Agree."""
        return True

    def __ne__(self, _: object) -> bool:
        """Agree."""
        return False


def _frame_unchecked(data: bytes, position: int) -> Frame:
    """Take a frame whose header is sound for a sound frame."""
    header = decode_header(data, position)
    checked = header.size - TRAILER_SIZE
    table = HEADER_SIZE + header.commit_size
    return Frame(
        header,
        data[HEADER_SIZE:table],
        data[table : header.head_size],
        data[header.head_size : checked].ljust(header.body_size, b"\0"),
    )


def _index_trusted(self: Index) -> Any:
    """Answer from the index as it is, with what is pending here."""
    connection = self._write([*self._pending.values()])
    self._clear_pending()
    return connection


def _shard_first(self: FileLayout, path: Path, *, create: bool) -> None:
    """Make a directory of logs before the store is known to be one after a power cut."""
    with mock.patch.object(self, "_sync_root", _nothing):
        _honest_check_shard(self, path, create=create)


def _kept_nowhere(self: FileLayout, name: str, data: bytes) -> str:
    """Throw a torn tail away."""
    return f"lost+found/{name}"


def _locked(self: SimFs, fd: int, *, wait: bool = True) -> bool:
    """Take no lock, but among those that are tried when a store is opened."""
    return Path(self._opened(fd).path).name != "format.json" or wait


MUTANTS = (
    Mutant("nothing is synced", ((SimFs, "sync_data", _nothing),)),
    Mutant("directories are not synced", ((SimFs, "sync_directory", _nothing),)),
    Mutant("the store's own names are not synced", ((FileLayout, "_sync_root", _nothing),)),
    Mutant("logs come before the store", ((FileLayout, "check_shard", _shard_first),), plan=_YOUNG),
    Mutant(
        "a torn tail is not cut",
        ((FileBackend, "cut", _not_cut), (FileBackend, "append", _append_behind)),
    ),
    Mutant("a torn tail is thrown away", ((FileLayout, "keep", _kept_nowhere),)),
    Mutant("nothing is synced again after a kill", ((FileBackend, "settle", _nothing),)),
    Mutant(
        "a frame is written behind one that is not durable",
        ((Log, "_refreshed_to_write", _refreshed_unsettled),),
        plan=_CROWDED,
    ),
    Mutant("durable_upto is ignored", ((LogFrames, "survey", _survey_without_witness),)),
    Mutant("a failed sync is repeated", ((SimFs, "sync_data", _synced_twice),), plan=_FAILING),
    Mutant(
        "pages are kept after a failed sync", ((SimFs, "forget_pages", _nothing),), plan=_FAILING
    ),
    Mutant("a save is acknowledged before it is written", ((SimFs, "write_at", _written_late),)),
    Mutant("a short write passes for a whole one", ((SimFs, "write_at", _half_written),)),
    Mutant("the head is not checked again under the lock", ((Log, "commit", _commit_on_old_head),)),
    Mutant("no lock is taken", ((SimFs, "lock", _locked),)),
    Mutant(
        "expected= is not checked",
        ((Log, "check_expected", _nothing),),
        plan=Plan(images=8, failing=(), favourite=save_expecting),
    ),
    Mutant(
        "key= is not looked up",
        ((Log, "_repeated", _nothing),),
        plan=Plan(images=8, failing=(), favourite=save_again),
    ),
    Mutant(
        "what splices give is not checked",
        ((log_states, "address_of", lambda _: _Equal()),),
    ),
    Mutant("a frame's digest is not checked", ((log_frames, "decode_frame", _frame_unchecked),)),
    Mutant("the index is trusted", ((Index, "_catch_up", _index_trusted),), of_index=True),
    Mutant("saves are not marked for the index", ((Marks, "add", _nothing),), of_index=True),
)
