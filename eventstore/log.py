"""One session's log, and the one way to add to it."""

from __future__ import annotations

import os
from collections.abc import Callable

from eventstore.commit import Version
from eventstore.draft import Change, Draft, Head, draft
from eventstore.errors import ConflictError, CorruptError, UnsupportedError
from eventstore.log_reader import LogReader
from eventstore.payload import SALT_SIZE, Genesis

_LOG_ID_SIZE = 16

Decision = Change | Version | None
"""What to do on a head: commit a change, or nothing, because a version is already it."""


class Log(LogReader):
    """The log of one session, to be read and added to; safe to use from several threads."""

    def commit(self, decide: Callable[[Head | None], Decision]) -> Version | None:
        """Commit what *decide* returns for the head; durable once this returns.

        *decide* is asked again when somebody else saved meanwhile. What it returns instead of a
        change is returned as it is.
        """
        with self._guard:
            head = self.head()
            decision = decide(head)
            if not isinstance(decision, Change):
                return decision
            made = self._draft(head, decision)
            with self._backend.writing(self.session) as size:
                if size != (0 if head is None else head.end):
                    head = self._refreshed_to_write(size)
                    decision = decide(head)
                    if not isinstance(decision, Change):
                        if head is not None:
                            self._settle(head)
                        return decision
                    made = self._draft(head, decision)
                self._append(made)
            return self.version_of(made.head.entry)

    def saving(self, change: Change, expected: int | None) -> Callable[[Head | None], Decision]:
        """Return what `commit` asks to save *change* on *expected* (0: no session yet; None: any).

        It decides on an earlier version where there is nothing to add: the change equals what is
        current, or its key was committed before.
        """

        def decide(head: Head | None) -> Decision:
            repeated = None if change.key is None else self._repeated(change)
            if repeated is not None:
                return repeated
            if expected is not None:
                self.check_expected(expected, head)
            if head is not None and change.equals(head.parts):
                return self.version_of(head.entry)
            return change

        return decide

    def check_expected(self, expected: int, head: Head | None) -> None:
        """Raise `ConflictError` unless *head* is version *expected*, or 0 and there is none."""
        actual = 0 if head is None else head.version
        gone = head is None or not head.parts
        if expected != actual and not (expected == 0 and gone):
            raise ConflictError(
                f"expected version {expected}, but the newest is {actual}",
                session=self.session,
                expected=expected,
                actual=actual,
                hint="load the session, apply the change again and save with expected= its version",
            )

    def _repeated(self, change: Change) -> Version | None:
        """Return the version that was committed under the key of *change*, if one was."""
        assert change.key is not None, "only a change with a key can be a repeat"
        if self._keys is None:
            self._keys = {v.key: v.version for v in self.versions() if v.key is not None}
        seq = self._keys.get(change.key)
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

    def _draft(self, head: Head | None, change: Change) -> Draft:
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
        return draft(head, change, genesis, log=log, upto=self.settled)

    def _append(self, made: Draft) -> None:
        """Append the draft and move the head on, or forget the head when the outcome is unclear."""
        position = made.head.entry.header.position
        try:
            if self._head is not None and not self.settled:
                self._settle(self._head)
            self._backend.append(self.session, position, made.frame)
        except BaseException:
            self._forget()
            raise
        if self._backend.durable:
            self.settled = made.head.end
        self._move_to(made.head)

    def _refreshed_to_write(self, size: int) -> Head | None:
        """Return the head while the log's lock is held, cutting a torn tail off first."""
        head = self._refreshed(size)
        if self.damage is not None:
            raise self.damage
        end = 0 if head is None else head.end
        if end < size:
            self._backend.cut(self.session, end)
        return head
