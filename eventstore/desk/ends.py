"""Deleting, and taking that back."""

from __future__ import annotations

import time

from eventstore.commit import Version
from eventstore.desk.base import StoreBase
from eventstore.desk.waiting import AsyncBase
from eventstore.draft import Change, Head
from eventstore.errors import InvalidInputError
from eventstore.input import (
    remarks,
    version_number,
)
from eventstore.log import Decision


class Ends(StoreBase):
    """What ends a session and brings it back."""

    def delete(
        self,
        id: str,
        *,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
    ) -> bool:
        """Delete a session with all its parts; its history stays. False if there was none."""
        notes = remarks(actor, note, None)
        wanted = version_number(expected, id)
        log = self._log(id)

        def decide(head: Head | None) -> Decision:
            if wanted is not None:
                log.check_expected(wanted, head)
            if head is None or not head.parts:
                return None
            return Change("delete", time.time_ns(), drop=True, **notes)

        return self._apply(log, decide) is not None

    def undelete(self, id: str, *, actor: str | None = None, note: str | None = None) -> Version:
        """Make a deleted session current again, with all the parts it had.

        A session that is not deleted stays as it is. Raises `InvalidInputError` for an id that was
        never saved, and where a repair gave up everything there was.
        """
        notes = remarks(actor, note, None)
        log = self._log(id)

        def decide(head: Head | None) -> Decision:
            if head is None:
                raise InvalidInputError("there is no such session", session=id, field="id")
            if head.parts:
                return log.version_of(head.entry)
            revived = log.parts_at(log.newest_live())
            if not any(row.address for row in revived.values()):
                raise InvalidInputError(
                    "nothing is left to bring back: it was lost to damage", session=id, field="id"
                )
            return Change("undelete", time.time_ns(), revived=revived, **notes)

        version = self._apply(log, decide)
        assert version is not None, "undelete has a version or raises"
        return version


class AsyncEnds(AsyncBase):
    """The same as coroutines."""

    async def delete(
        self,
        id: str,
        *,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
    ) -> bool:
        """Delete a session with all its parts; its history stays."""
        return await self._wait(Ends.delete, id, actor=actor, note=note, expected=expected)

    async def undelete(
        self, id: str, *, actor: str | None = None, note: str | None = None
    ) -> Version:
        """Make a deleted session current again."""
        return await self._wait(Ends.undelete, id, actor=actor, note=note)
