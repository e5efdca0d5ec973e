"""Upkeep: looking whether a store is sound, repairing it, backing it up."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from datetime import timedelta

from eventstore.backends.registry import directory_of
from eventstore.backup import Backup, BackupReport
from eventstore.desk.base import StoreBase
from eventstore.desk.waiting import AsyncBase
from eventstore.errors import InvalidInputError
from eventstore.index_database import Database
from eventstore.input import check_id, remarks
from eventstore.refound import refound
from eventstore.repair import INDEX_RENEWED, Repairer
from eventstore.repaired import RepairedFormat, RepairReport
from eventstore.verdict import REPAIRED, SOUND, TORN
from eventstore.verify import Choice, Told, Verifier, VerifyReport, restrict


class Upkeep(StoreBase):
    """What keeps a store in good order."""

    def verify(
        self,
        ids: Iterable[str] | None = None,
        *,
        deep: bool = False,
        sample: float | None = None,
        older_than: timedelta | None = None,
        resume: bool = False,
        progress: Told | None = None,
    ) -> VerifyReport:
        """Read the logs of some sessions, or of all, and report whether they are sound.

        Every frame's digest, the chain of commits, their commitments and what the index knows are
        checked; *deep*, every state of every version is rebuilt and hashed too. With *older_than*,
        only logs that were not found sound for so long; with *sample*, only that part of them (0.05
        is 5%), those first that were not looked at for longest; with *resume*, what an interrupted
        verification of the whole store did not come to. Damage is in the report, not raised.
        """
        catalog = self._open_catalog()
        if sample is not None and not 0 < sample <= 1:
            raise InvalidInputError(f"is {sample!r}, not between 0 and 1", field="sample")
        before = None
        if older_than is not None:
            before = time.time_ns() - older_than // timedelta(microseconds=1) * 1000
        chosen = None if ids is None else [check_id(id) for id in ids]
        verifier = Verifier(self._backend, catalog.index, state_size_max=self._state_size_max)
        return verifier.run(
            Choice(restrict(chosen), sample, before, resume), deep=deep, told=progress
        )

    def repair(
        self,
        ids: Iterable[str] | None = None,
        *,
        apply: bool = False,
        actor: str | None = None,
        note: str | None = None,
        progress: Told | None = None,
    ) -> RepairReport:
        """Say how the damaged logs among some sessions, or all, would be repaired; *apply* does it.

        Every version that still proves itself keeps its number, its commit and its address. What
        is lost is said in a commit of the log, with *actor* and *note*, and the original is kept in
        `lost+found/`. Torn ends are moved there. A log that cannot be repaired is left as it is.
        """
        catalog = self._open_catalog()
        chosen = None if ids is None else restrict(check_id(id) for id in ids)
        verifier = Verifier(self._backend, catalog.index, state_size_max=self._state_size_max)
        repairer = Repairer(
            self._backend,
            verifier,
            state_size_max=self._state_size_max,
            remarks=remarks(actor, note, None),
        )
        condition = catalog.index.apart(Database.condition)
        steps = verifier.steps(chosen, progress)
        logs = []
        for session, told in steps:
            logs.append(repairer.repair(session, apply=apply, told=told))
            if session in repairer.versions:
                catalog.repaired(*repairer.versions[session])
            elif apply:
                catalog.forget(session)
        hurt = any(log.after not in (SOUND, TORN, REPAIRED) for log in logs)
        wrong = any(INDEX_RENEWED in log.done for log in logs)
        if apply and wrong and not hurt:
            catalog.index.apart(Database.remove)
        return RepairReport(tuple(logs), apply, condition)

    @staticmethod
    def repair_format(
        location: str | os.PathLike[str], *, apply: bool = False
    ) -> RepairedFormat | None:
        """Say what is wrong with the `format.json` of the store at *location*; *apply* mends it.

        None if nothing is. A store whose `format.json` is missing, empty or damaged does not open.
        It is written anew where `logs/` holds a log, and nowhere else, with the store's own id if
        anything still says it, and a new one otherwise; the original is kept in `lost+found/`.
        Nobody may have the store open meanwhile.
        """
        directory = directory_of(location)
        return None if directory is None else refound(directory, apply=apply)

    def backup(
        self,
        target: str | os.PathLike[str],
        ids: Iterable[str] | None = None,
        *,
        deep: bool = False,
        progress: Told | None = None,
    ) -> BackupReport:
        """Bring the logs of some sessions, or of all, into the store at *target*, and verify them.

        *target* is made if it is missing. It is a store like any other: it can be opened, and to
        restore is to back it up to where it shall be. What it has already is not written again, and
        what it has that is not in this store is never overwritten, but reported. Everything is
        durable once this returns. *deep*, every state that arrived is rebuilt and hashed.
        """
        catalog = self._open_catalog()
        chosen = None if ids is None else restrict(check_id(id) for id in ids)
        verifier = Verifier(self._backend, catalog.index, state_size_max=self._state_size_max)
        with type(self).open(target, model=dict, durability="unsafe_os") as there:
            if there._backend.directory in (None, self._backend.directory):
                raise InvalidInputError("is the store itself, or memory", field="target")
            copying = Backup(
                self._backend, there._backend, state_size_max=self._state_size_max, deep=deep
            )
            logs = []
            index = there._catalog.index
            for id, told in verifier.steps(chosen, progress):
                index.mark(id)
                logs.append(copying.copy(id, told))
                index.tell(id, None, unclear=True)
            there.sync()
        return BackupReport(tuple(logs))


class AsyncUpkeep(AsyncBase):
    """The same as coroutines."""

    async def verify(
        self,
        ids: Iterable[str] | None = None,
        *,
        deep: bool = False,
        sample: float | None = None,
        older_than: timedelta | None = None,
        resume: bool = False,
        progress: Told | None = None,
    ) -> VerifyReport:
        """Read the logs of some sessions, or of all, and report whether they are sound."""
        return await self._wait(
            Upkeep.verify,
            ids,
            deep=deep,
            sample=sample,
            older_than=older_than,
            resume=resume,
            progress=progress,
        )

    async def repair(
        self,
        ids: Iterable[str] | None = None,
        *,
        apply: bool = False,
        actor: str | None = None,
        note: str | None = None,
        progress: Told | None = None,
    ) -> RepairReport:
        """Say how damaged logs would be repaired, or repair them."""
        return await self._wait(
            Upkeep.repair, ids, apply=apply, actor=actor, note=note, progress=progress
        )

    @staticmethod
    async def repair_format(
        location: str | os.PathLike[str], *, apply: bool = False
    ) -> RepairedFormat | None:
        """Say what is wrong with the `format.json` of the store at *location*, or mend it."""
        return await asyncio.to_thread(Upkeep.repair_format, location, apply=apply)

    async def backup(
        self,
        target: str | os.PathLike[str],
        ids: Iterable[str] | None = None,
        *,
        deep: bool = False,
        progress: Told | None = None,
    ) -> BackupReport:
        """Bring the logs of some sessions, or of all, into the store at *target*."""
        return await self._wait(Upkeep.backup, target, ids, deep=deep, progress=progress)
