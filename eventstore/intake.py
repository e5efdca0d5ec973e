"""The intake of a log: versions that were committed elsewhere, added here as they are.

Commits keep their bytes; the frames around them are made as those of any other save.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from eventstore.commit import Commit, parse_commit
from eventstore.content import Content
from eventstore.draft import Change, Draft, Head, framed, revived, row_of
from eventstore.errors import ConflictError, CorruptError, UnsupportedError
from eventstore.log import Log
from eventstore.parcel import Checker, Origin, Parcel, Tip
from eventstore.payload import Encoding, Genesis, PartEntry
from eventstore.state import decode

_HOLDING = (Encoding.KEYFRAME, Encoding.DELTA, Encoding.REFERENCE)
"""Encodings of rows that lead to a state."""


class Intake(Log):
    """The log of one session, taking in what another log of the same id of log holds."""

    def receive(self, parcel: Parcel, origin: Origin) -> Tip:
        """Add the version behind the newest one, and return where the log now ends.

        All of it is checked before any of it is written. Raises `ConflictError` where another
        version stands there by now, `CorruptError` for a parcel that is not what it says.
        """
        arrived = _Arrived(parcel, origin)
        version = self.commit(arrived)
        assert version is not None, "what arrives is committed or raises"
        return Tip(version.version, version.commit)

    def _made(self, head: Head | None, decide: Callable[[Head | None], Any]) -> Any:
        """Return the draft of what arrived."""
        assert isinstance(decide, _Arrived), "an intake adds nothing of its own"
        commit = self._accepted(head, decide.parcel, decide.origin)
        try:
            return self._framed(head, commit, decide.parcel, decide.origin)
        except BaseException:
            # The writers may have moved on to states that will not be stored.
            self._states.clear()
            raise

    def _accepted(self, head: Head | None, parcel: Parcel, origin: Origin) -> Commit:
        """Return the parcel's commit if it belongs on *head*."""
        tip, live = Tip(), frozenset[str]()
        if head is not None:
            known = head.entry.commit
            tip, live = Tip(known.seq, known.id), frozenset(head.parts)
            if known.log != origin.log:
                raise ConflictError(
                    "another session of this id was begun here",
                    session=self.session,
                    actual=known.seq,
                )
        if parse_commit(parcel.commit).prev != tip.commit:
            raise ConflictError(
                f"the newest version here is {tip.seq}, which the one that came does not follow",
                session=self.session,
                actual=tip.seq,
            )
        checker = Checker(origin, tip, live, size_max=self.state_size_max)
        return checker.checked(parcel)

    def _framed(self, head: Head | None, commit: Commit, parcel: Parcel, origin: Origin) -> Draft:
        """Draft the frame."""
        genesis = Genesis(origin.salt, origin.session)
        if head is not None and head.genesis != genesis:
            raise CorruptError("the salt is not that of the log", session=self.session)
        if head is not None and head.entry.header.flags[1]:
            raise UnsupportedError(
                "the log has a feature that this library can read but not write",
                session=self.session,
                hint="receive with a newer version of this library",
            )
        position = 0 if head is None else head.end
        before = {} if head is None else head.parts
        again = self._again(head, commit, parcel)
        contents = {
            name: self._content(name, cargo.state)
            for name, cargo in parcel.parts.items()
            if name not in again and cargo.state is not None
        }
        written = self._written(head, Change(commit.kind, commit.time, contents))
        rows = {name: before[name] for name in parcel.kept}
        rows |= {name: revived(row) for name, row in again.items()}
        rows |= {n: row_of(item, before.get(n), position) for n, item in written.items()}
        for name, cargo in parcel.parts.items():
            if name not in rows:
                size = commit.parts[name].size
                rows[name] = _dropped(cargo.address, size, before.get(name), position)
        return framed(head, commit, rows, written, genesis, upto=self.settled)

    def _again(self, head: Head | None, commit: Commit, parcel: Parcel) -> Mapping[str, PartEntry]:
        """Return the rows of states that the log holds already, which are referred to.

        Looked for where such a commit has them from: the newest version, the newest that was not
        deleted, the one that was restored.
        """
        found: dict[str, PartEntry] = {}
        if head is None:
            return found
        restored = (commit.ref or {}).get("seq")
        seqs = [head.version, self.newest_live() if commit.kind == "undelete" else 0]
        seqs += [restored] if type(restored) is int and commit.kind == "restore" else []
        for seq in seqs:
            if 0 < seq <= head.version and found.keys() != parcel.parts.keys():
                found |= self._same(self.parts_at(seq), parcel)
        return found

    def _same(self, rows: Mapping[str, PartEntry], parcel: Parcel) -> dict[str, PartEntry]:
        """Return those rows whose states a parcel brings again."""
        return {
            name: rows[name]
            for name, cargo in parcel.parts.items()
            if name in rows
            and rows[name].address == cargo.address
            and rows[name].encoding in _HOLDING
        }

    def _content(self, part: str, state: bytes) -> Content:
        """Return a state, spelled as it is."""
        value = decode(state, session=self.session, part=part)
        return Content(part, value, size_max=self.state_size_max, exact=state)


class _Arrived:
    """What is to be committed, whatever the head is."""

    def __init__(self, parcel: Parcel, origin: Origin) -> None:
        """Take what came, and where from."""
        self.parcel = parcel
        self.origin = origin

    def __call__(self, head: Head | None) -> None:
        """Decide nothing: the intake drafts the frame itself."""


def _dropped(address: str, size: int, before: PartEntry | None, position: int) -> PartEntry:
    """Return the row of a state that was dropped at its origin."""
    previous = position if before is None else before.holder
    return PartEntry(Encoding.DROPPED, position, address, size, base=position, previous=previous)
