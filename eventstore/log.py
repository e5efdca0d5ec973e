"""One session's log, and the one way to add to it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial

from eventstore.backend import Rewriting
from eventstore.commit import Version
from eventstore.draft import Change, Draft, Head, draft
from eventstore.errors import ConflictError, CorruptError, EventStoreError, UnsupportedError
from eventstore.image import CHANGEABLE, Leaf
from eventstore.log_standing import LogStanding
from eventstore.part_writer import PartWriter, Written
from eventstore.payload import SALT_SIZE, Genesis, PartEntry

_LOG_ID_SIZE = 16

Decision = Change | Version | None
"""What to do on a head: commit a change, or nothing, because a version is already it."""


class Log(LogStanding):
    """The log of one session, to be read and added to; safe to use from several threads."""

    _is_alone = False  # Whether nobody else was seen to add to the log since this did.

    def commit(self, decide: Callable[[Head | None], Decision]) -> Version | None:
        """Commit what *decide* returns for the head; durable once this returns.

        *decide* is asked again when somebody else saved meanwhile. What it returns instead of a
        change is returned as it is; a change that changes nothing gives the newest version.
        """
        with self._guard:
            foreseen = self._foreseen(decide) or self._begun(decide)
            epoch, head, made = foreseen or self._steadily(lambda e: self._drafted(e, decide))
            if not isinstance(made, Draft):
                return made
            with self._backend.writing(self.session) as size:
                # Nobody can replace the log from here on; before, somebody may have.
                is_same = self._meet() == epoch or head is None
                if not is_same or size != (0 if head is None else head.end):
                    self._is_alone = False
                    head = self._refreshed_to_write(size)
                    made = self._made(head, decide)
                    if not isinstance(made, Draft):
                        if head is not None:
                            self._settle(head)
                        return made
                return self._append(made)

    @contextmanager
    def replacing(self) -> Iterator[Head]:
        """Hold the sole right to add to the log, and give its newest entry."""
        with self._guard, self._backend.writing(self.session) as size:
            self._meet()
            head = self._refreshed_to_write(size)
            assert head is not None, "a log that is replaced has an entry"
            self._settle(head)
            yield head

    def replace(self, rewriting: Rewriting, end: int) -> Version:
        """Make *rewriting* the log, which ends at *end*; return its newest version.

        Call inside `replacing`. Whatever becomes of it, nothing of the old log is remembered.
        """
        try:
            self._backend.replace(self.session, rewriting, end)
        finally:
            self._meet()
        version = self.current()
        assert version is not None, "a rewriting has all versions"
        return version

    def saving(self, change: Change, expected: int | None) -> Callable[[Head | None], Decision]:
        """Return what `commit` asks to save *change* on *expected* (0: no session yet; None: any).

        It decides on the version that was committed under the change's key, if one was.
        """

        def decide(head: Head | None) -> Decision:
            repeated = None if change.key is None else self._repeated(change)
            if repeated is not None:
                return repeated
            if expected is not None:
                self.check_expected(expected, head)
            return change

        return decide

    def version_with(self, key: str) -> int | None:
        """Return the number of the version that was committed under *key*, None if none was."""
        if self._keys is None:
            self._keys = {v.key: v.version for v in self.versions() if v.key is not None}
        return self._keys.get(key)

    def check_expected(self, expected: int, head: Head | None) -> None:
        """Raise `ConflictError` unless *head* is version *expected*, or 0 and there is none."""
        actual = 0 if head is None else head.version
        gone = head is None or not head.parts
        if expected == actual or (expected == 0 and gone):
            return
        if not 0 < expected < actual or not self._only_notes_since(expected):
            raise ConflictError(
                f"expected version {expected}, but the newest is {actual}",
                session=self.session,
                expected=expected,
                actual=actual,
                hint="load the session, apply the change again and save with expected= its version",
            )

    def _only_notes_since(self, seq: int) -> bool:
        """Whether nothing was committed after version *seq* that changed a state."""
        for version in self.versions():
            if version.version == seq:
                return True
            if version.kind not in ("note", "compact"):
                return False
        return False

    def _repeated(self, change: Change) -> Version | None:
        """Return the version that was committed under the key of *change*, if one was."""
        assert change.key is not None, "only a change with a key can be a repeat"
        seq = self.version_with(change.key)
        if seq is None:
            return None
        version = self.version(seq)
        parts = version.parts
        changed = {name for name, part in parts.items() if part.changed}
        same = {n for n, a in change.addresses.items() if n in parts and parts[n].address == a}
        if same != change.addresses.keys() or not changed <= same:
            raise ConflictError(
                f"key {change.key!r} was used for another save",
                session=self.session,
                version=seq,
                actual=seq,
                hint="use a new key for every save, and the same one only to repeat it",
            )
        return version

    def _foreseen(
        self, decide: Callable[[Head | None], Decision]
    ) -> tuple[int, Head | None, Draft | Version | None] | None:
        """Do what `_drafted` does on the entry that was added last; None if it may not be newest.

        The medium is not asked about a draft, which is checked once more under the lock.
        """
        head = self._head
        if head is None or not self._is_alone:
            return None
        epoch = self._meet()
        if self._head is not head or self._damage is not None:
            return None
        try:
            made = self._made(head, decide)
        except EventStoreError:
            return None  # The newest entry may be another, which is right for it.
        if isinstance(made, Draft):
            return epoch, head, made
        is_newest = self._whole_head() is head and self._backend.epoch(self.session) == epoch
        return (epoch, head, made) if is_newest else None

    def _begun(self, decide: Callable[[Head | None], Decision]) -> tuple[int, None, Draft] | None:
        """Draft the first version of a log that nobody knows of; None if it may be there already.

        The medium is not asked about that either.
        """
        is_known = self._head is not None or self._damage is not None or self.settled
        is_known = is_known or any(known.version or known.settled for known in self._known())
        if is_known or self._backend.epoch(self.session):
            return None
        try:
            decision = decide(None)
        except EventStoreError:
            return None  # There may be a head that is right for it.
        made = self._made(None, lambda _: decision) if isinstance(decision, Change) else None
        return (0, None, made) if isinstance(made, Draft) else None

    def _drafted(
        self, epoch: int, decide: Callable[[Head | None], Decision]
    ) -> tuple[int, Head | None, Draft | Version | None]:
        """Return the epoch, the newest entry in it, and what is to be made of that."""
        head = self._whole_head(is_there=epoch != 0)
        return epoch, head, self._made(head, decide)

    def _made(
        self, head: Head | None, decide: Callable[[Head | None], Decision]
    ) -> Draft | Version | None:
        """Return the draft of what *decide* wants, or what there is instead."""
        decision = decide(head)
        if not isinstance(decision, Change):
            return decision
        try:
            written = self._written(head, decision)
            if head is not None and decision.contents and not written and not decision.revived:
                return self.version_of(head.entry)
            return self._draft(head, decision, written)
        except BaseException:
            # The writers may have moved on to states that will not be stored.
            self._states.clear()
            raise

    def _written(self, head: Head | None, change: Change) -> dict[str, Written]:
        """Return how to store those contents of a change that are not current already."""
        written: dict[str, Written] = {}
        for part, content in change.contents.items():
            row = None if head is None else head.parts.get(part)
            writer = None if row is None or head is None else self._writer(part, row, head.version)
            if writer is None:
                self._states.writers[part] = writer = PartWriter(content.begun())
                item: Written | None = writer.first()
            else:
                item = writer.write(content)
            if item is not None and (row is None or item.address != row.address):
                written[part] = item
        return written

    def _writer(self, part: str, row: PartEntry, seq: int) -> PartWriter | None:
        """Return the writer whose state is that of *row*, or None if that cannot be read."""
        writer = self._states.writers.get(part)
        if writer is not None and writer.is_stored and writer.holder == row.holder:
            return writer
        try:
            state, chain = self._rebuilt(part, row, seq)
        except CorruptError:
            return None  # The new state is stored whole, which needs no old one.
        # Its text is enough to find what changed, and takes less memory than its values.
        self._states.writers[part] = writer = PartWriter(Leaf(state, CHANGEABLE), chain)
        return writer

    def _draft(self, head: Head | None, change: Change, written: dict[str, Written]) -> Draft:
        """Draft the frame, starting a log where there is none."""
        if head is None:
            log = os.urandom(_LOG_ID_SIZE).hex()
            genesis = Genesis(os.urandom(SALT_SIZE), self.session)
        else:
            log, genesis = head.entry.commit.log, head.genesis
        if not genesis.salt:  # See `_genesis`.
            raise CorruptError(
                "the first frame of the log is damaged, so the log can be read but not added to",
                session=self.session,
                version=1,
                where="byte 0",
            )
        if head is not None and head.entry.header.flags[1]:
            raise UnsupportedError(
                "the log has a feature that this library can read but not write",
                session=self.session,
                hint="save with a newer version of this library",
            )
        return draft(head, change, written, genesis, log=log, upto=self.settled)

    def _append(self, made: Draft) -> Version:
        """Append the draft and move the head on, or forget the head when the outcome is unclear."""
        noted: list[tuple[Head, Version]] = []
        try:
            if self._head is not None and not self.settled:
                self._settle(self._head)
            self._backend.append(
                self.session, made.position, made.frame, partial(self._note, made, noted)
            )
        except BaseException:
            self._forget()
            raise
        head, version = noted[0]
        if self._backend.durable:
            self.settled = head.end
        self._move_to(head)
        self._is_alone = True
        return version

    def _note(self, made: Draft, noted: list[tuple[Head, Version]]) -> None:
        """Note how states are about to be stored, and the head and the version there will be."""
        for part, item in made.written.items():
            self._states.writers[part].stored(item, made.parts[part])
            self._states.forget(part)
        head = made.head()
        noted.append((head, self._seen(head.entry, head.parts)))

    def _refreshed_to_write(self, size: int) -> Head | None:
        """Return the head while the log's lock is held, cutting a torn tail off first."""
        head = self._refreshed(size)
        if self.damage is not None:
            raise self.damage
        end = 0 if head is None else head.end
        if end < size:
            self._backend.cut(self.session, end)
        if head is not None:
            # A sound frame at the end of a log is taken to prove that all before it is durable.
            self._settle(head)
        return head
