"""Branches: an older version made the newest, or the beginning of another session."""

from __future__ import annotations

import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator

from eventstore.at import At, resolve
from eventstore.catalog import Summarise
from eventstore.commit import SESSION, Version
from eventstore.content import Content
from eventstore.desk.base import StoreBase
from eventstore.desk.waiting import AsyncBase
from eventstore.draft import Change, Head
from eventstore.errors import ConflictError, CorruptError, EventStoreError, InvalidInputError
from eventstore.input import check_id, remarks, version_number
from eventstore.lineage import TreeNode, tree
from eventstore.log import Decision, Log
from eventstore.payload import PartEntry
from eventstore.rewrite import rewritten
from eventstore.state import decode
from eventstore.views import summary_of

_logger = logging.getLogger("eventstore")


class Branches(StoreBase):
    """What goes on from an earlier version."""

    def restore(
        self,
        id: str,
        *,
        at: At,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
    ) -> Version:
        """Make an older version the newest, with exactly the parts it had; all history stays.

        No state is stored again. A version that is what is current already is returned as it is.
        Raises `InvalidInputError` for a version that is not there or is a delete, `CorruptError`
        and `ErasedError` for one that cannot be read.
        """
        notes = remarks(actor, note, None)
        wanted = version_number(expected, id)
        log = self._log(id)
        seq = _numbered(log, at)
        states = _states(log, seq)

        def decide(head: Head | None) -> Decision:
            # Asked for here, because a compaction may have moved the states meanwhile.
            rows = dict(log.parts_at(seq))
            if wanted is not None:
                log.check_expected(wanted, head)
            if head is not None and _is_same(head, rows):
                return log.version_of(head.entry)
            ref = {"seq": seq}
            return Change("restore", time.time_ns(), revived=rows, drop=True, ref=ref, **notes)

        version = self._apply(log, decide, _summarised(states, id))
        assert version is not None, "a restore always has a version"
        return version

    def fork(
        self,
        id: str,
        new_id: str,
        *,
        at: At | None = None,
        rewrite_ids: bool = False,
        actor: str | None = None,
        note: str | None = None,
        key: str | None = None,
    ) -> Version:
        """Begin session *new_id* with the states of a version of *id* (default: the newest).

        The new session is whole in itself: nothing that happens to *id* later touches it. Both
        logs say where the fork was. With *rewrite_ids* the new session's own id and its
        `parent_id` are written into its documents; without, they are copied byte for byte.
        Raises `ConflictError` if *new_id* was ever saved, unless by a fork under the same *key*.
        """
        notes = remarks(actor, note, key)
        target = self._log(check_id(new_id))
        log = self._log(id)
        origin = log.version(_numbered(log, at))
        states = _states(log, origin.version)
        if rewrite_ids:
            states = rewritten(states, id, new_id)
        contents = {
            name: Content(
                name,
                decode(state, session=id, part=name),
                size_max=self._state_size_max,
                exact=state,
            )
            for name, state in states.items()
        }
        ref = {"log": log.id, "seq": origin.version, "commit": origin.commit}
        change = Change("fork", time.time_ns(), contents, ref=ref, **notes)
        version = self._apply(target, _only_first(target, change), _summarised(states, new_id))
        assert version is not None, "a fork always has a version"
        self._tell_origin(log, version, target, notes["actor"])
        return version

    def tree(self, id: str | None = None) -> Iterator[TreeNode]:
        """Yield the sessions below *id*, or all, each behind its parent, with its depth.

        A session's parent is the one it was forked from, or else the one its `parent_id` names.
        Deleted sessions are there too. Raises `InvalidInputError` for an id that was never saved.
        """
        index = self._open_catalog().index
        return tree(index, None if id is None else check_id(id))

    def _tell_origin(self, log: Log, fork: Version, target: Log, actor: str | None) -> None:
        """Note the fork in the log it came from, unless that is done already.

        The fork is durable by now and says where it came from, so a failure here is no failure of
        it: the tree is complete all the same.
        """
        ref = {"log": target.id, "seq": fork.version, "commit": fork.commit}

        def decide(head: Head | None) -> Decision:
            # Asked for the first time, this is one look at the newest versions.
            for version in log.versions():
                if version.ref == ref:
                    return version
                if version.time < fork.time:
                    break
            return Change("note", time.time_ns(), actor=actor, ref=ref)

        try:
            self._apply(log, decide)
        except EventStoreError as error:
            _logger.warning("a fork is not noted in its origin: %s", type(error).__name__)


def _numbered(log: Log, at: At | None) -> int:
    """Return the number of a version (default: the newest) that has something to go on from."""
    last = log.newest_sound()
    if last is None:
        raise InvalidInputError("there is no such session", session=log.session, field="id")
    if at is None and log.damage is not None:
        raise log.damage
    seq = last if at is None else resolve(log, at, last)
    if not log.version(seq).parts:
        alive = log.newest_live()
        raise InvalidInputError(
            f"the session is deleted at version {seq}, so there is nothing to go on from",
            session=log.session,
            version=seq,
            field="at",
            hint=f"version {alive} is the newest that has any part",
        )
    return seq


def _states(log: Log, seq: int) -> dict[str, bytes]:
    """Return every state of a version, each proven."""
    states = {}
    for part in log.version(seq).parts:
        state = log.state(part, seq)
        assert state is not None, "a part of a version has a state"
        states[part] = state
    return states


def _summarised(states: dict[str, bytes], session: str) -> Summarise:
    """Return what says what lists are to say of a session with these states."""
    state = states.get(SESSION)
    document = None if state is None else decode(state, session=session, part=SESSION)
    summary = summary_of(document)
    return lambda: summary


def _is_same(head: Head, rows: dict[str, PartEntry]) -> bool:
    """Whether the newest version has just these states."""
    try:
        return {name: row.address for name, row in head.parts.items()} == {
            name: row.address for name, row in rows.items()
        }
    except CorruptError:
        return False  # What is current cannot be read, which is a reason to restore.


def _only_first(log: Log, change: Change) -> Callable[[Head | None], Decision]:
    """Return what `commit` asks to begin a log with *change*, and never to go on with it."""
    saving = log.saving(change, None)

    def decide(head: Head | None) -> Decision:
        decision = saving(head)
        if decision is change and head is not None:
            gone = "" if head.parts else ", though it is deleted now"
            raise ConflictError(
                f"the session is there already{gone}",
                session=log.session,
                expected=0,
                actual=head.version,
                hint="fork to an id that was never saved",
            )
        return decision

    return decide


class AsyncBranches(AsyncBase):
    """The same as coroutines."""

    async def restore(
        self,
        id: str,
        *,
        at: At,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
    ) -> Version:
        """Make an older version the newest; all history stays."""
        return await self._wait(
            Branches.restore, id, at=at, actor=actor, note=note, expected=expected
        )

    async def fork(
        self,
        id: str,
        new_id: str,
        *,
        at: At | None = None,
        rewrite_ids: bool = False,
        actor: str | None = None,
        note: str | None = None,
        key: str | None = None,
    ) -> Version:
        """Begin session *new_id* with the states of a version of *id*."""
        return await self._wait(
            Branches.fork,
            id,
            new_id,
            at=at,
            rewrite_ids=rewrite_ids,
            actor=actor,
            note=note,
            key=key,
        )

    async def tree(self, id: str | None = None) -> AsyncIterator[TreeNode]:
        """Yield the sessions below *id*, or all, each behind its parent, with its depth."""
        nodes = await self._wait(Branches.tree, id)
        async for node in self._items(nodes):
            yield node
