"""Saving: sessions and their other parts, each save one version."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import BaseModel

from eventstore.catalog import Summarise
from eventstore.commit import SESSION, Version, check_part_name
from eventstore.content import Content
from eventstore.desk.base import StoreBase
from eventstore.desk.waiting import AsyncBase
from eventstore.draft import Change
from eventstore.errors import InvalidInputError
from eventstore.input import (
    Remarks,
    check_id,
    id_of,
    own_parts,
    refuse_secrets,
    remarks,
    version_number,
)
from eventstore.models.a3s import (
    ArtifactStore,
    RunRecord,
    TraceEvent,
    VerificationReport,
)
from eventstore.models.record import Record
from eventstore.parts import (
    ARTIFACTS,
    PART_TYPES,
    RUN_RECORDS,
    TRACE_EVENTS,
    VERIFICATION_REPORTS,
)
from eventstore.state import check_bytes, dumped, plain
from eventstore.views import shortened, summary_of


class Saves(StoreBase):
    """What adds a version with new states."""

    def save(
        self,
        session: BaseModel | Mapping[str, Any],
        *,
        id: str | None = None,
        artifacts: ArtifactStore | Mapping[str, Any] | None = None,
        trace_events: Sequence[TraceEvent | Mapping[str, Any]] | None = None,
        run_records: Sequence[RunRecord | Mapping[str, Any]] | None = None,
        verification_reports: Sequence[VerificationReport | Mapping[str, Any]] | None = None,
        parts: Mapping[str, Any] | None = None,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
        key: str | None = None,
    ) -> Version:
        """Save a session and any of its other parts as one version; durable once this returns.

        *parts* are plain JSON under names of the caller's own. *expected* is the version this
        save builds on (0: none yet); *key* makes repeating the very same save return the version
        it got. Equal bytes write nothing and return the current version.
        Raises `InvalidInputError`, `ConflictError`, `DurabilityError`.
        """
        document = self._document(session)
        contents = {SESSION: self._content(SESSION, document)}
        given: dict[str, Any] = {}
        for name, value in (
            (ARTIFACTS, artifacts),
            (TRACE_EVENTS, trace_events),
            (RUN_RECORDS, run_records),
            (VERIFICATION_REPORTS, verification_reports),
        ):
            if value is not None:
                given[name] = value
        if given or parts is not None:
            contents |= self._contents(given | own_parts(parts, taken={SESSION, *given}))
        return self._commit(
            check_id(id_of(session, document) if id is None else id),
            contents,
            remarks(actor, note, key),
            expected,
            _summarise(document),
        )

    def save_artifacts(
        self, /, id: str, artifacts: ArtifactStore | Mapping[str, Any], **options: Any
    ) -> Version:
        """Save the artifacts of a session; *options* as for `save`."""
        return self._save_part(id, ARTIFACTS, artifacts, **options)

    def save_trace_events(
        self, /, id: str, events: Sequence[TraceEvent | Mapping[str, Any]], **options: Any
    ) -> Version:
        """Save the trace events of a session; *options* as for `save`."""
        return self._save_part(id, TRACE_EVENTS, events, **options)

    def save_run_records(
        self, /, id: str, records: Sequence[RunRecord | Mapping[str, Any]], **options: Any
    ) -> Version:
        """Save the runs of a session with their events; *options* as for `save`."""
        return self._save_part(id, RUN_RECORDS, records, **options)

    def save_verification_reports(
        self, /, id: str, reports: Sequence[VerificationReport | Mapping[str, Any]], **options: Any
    ) -> Version:
        """Save the verification reports of a session; *options* as for `save`."""
        return self._save_part(id, VERIFICATION_REPORTS, reports, **options)

    def save_states(
        self,
        id: str,
        states: Mapping[str, bytes],
        *,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
        key: str | None = None,
    ) -> Version:
        """Save states given as exact bytes, by part: UTF-8 JSON without insignificant white space.

        For importers: the bytes are checked to be JSON that `save` could have written, and kept.
        """
        values = {
            name: check_bytes(state, part=check_part_name(name), size_max=self._state_size_max)
            for name, state in states.items()
        }
        if not values:
            raise InvalidInputError("there is nothing to save", field="states")
        if self._model is not dict:
            refuse_secrets(values.get(SESSION))
        summary = _summarise(values[SESSION]) if SESSION in values else None
        exact = {
            name: self._content(name, value, bytes(states[name])) for name, value in values.items()
        }
        return self._commit(check_id(id), exact, remarks(actor, note, key), expected, summary)

    def _document(self, session: BaseModel | Mapping[str, Any]) -> Any:
        """Return a session as plain JSON values, refusing what is not of the store's model."""
        if isinstance(session, BaseModel) and (
            self._type is None or isinstance(session, self._model)
        ):
            return plain(session, part=SESSION)
        if not isinstance(session, Mapping):
            raise InvalidInputError(
                f"is {type(session).__name__}, not {self._model.__name__}",
                field=SESSION,
                hint="open the store with model= the type of its sessions",
            )
        value = plain(session, part=SESSION)
        return value if self._type is None else dumped(self._type, value, part=SESSION)

    def _contents(self, values: Mapping[str, Any]) -> dict[str, Content]:
        """Return the contents of parts other than the session."""
        contents = {}
        for name, value in values.items():
            kind = PART_TYPES.get(check_part_name(name))
            checked = plain(value, part=name) if kind is None else dumped(kind, value, part=name)
            contents[name] = self._content(name, checked)
        return contents

    def _content(self, part: str, value: Any, exact: bytes | None = None) -> Content:
        """Return what a part is to hold."""
        return Content(part, value, size_max=self._state_size_max, exact=exact)

    def _save_part(
        self,
        id: str,
        part: str,
        value: Any,
        *,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
        key: str | None = None,
    ) -> Version:
        """Save one part other than the session."""
        contents = self._contents({part: value})
        return self._commit(check_id(id), contents, remarks(actor, note, key), expected, None)

    def _commit(
        self,
        id: str,
        contents: dict[str, Content],
        notes: Remarks,
        expected: int | Version | None,
        summary: Summarise | None,
    ) -> Version:
        """Commit contents as one version."""
        wanted = None if expected is None else version_number(expected, id)
        change = Change("save", time.time_ns(), contents, **notes)
        log = self._open_catalog().log(id)
        version = self._apply(log, log.saving(change, wanted), summary)
        assert version is not None, "a save always has a version"
        return version


def _summarise(document: Any) -> Summarise:
    """Return what summarises a document as it is now."""
    if isinstance(document, Record):
        return partial(summary_of, shortened(document))
    summary = summary_of(document)
    return lambda: summary


class AsyncSaves(AsyncBase):
    """The same as coroutines."""

    async def save(
        self,
        session: BaseModel | Mapping[str, Any],
        *,
        id: str | None = None,
        artifacts: ArtifactStore | Mapping[str, Any] | None = None,
        trace_events: Sequence[TraceEvent | Mapping[str, Any]] | None = None,
        run_records: Sequence[RunRecord | Mapping[str, Any]] | None = None,
        verification_reports: Sequence[VerificationReport | Mapping[str, Any]] | None = None,
        parts: Mapping[str, Any] | None = None,
        actor: str | None = None,
        note: str | None = None,
        expected: int | Version | None = None,
        key: str | None = None,
    ) -> Version:
        """Save a session and any of its other parts as one version."""
        return await self._wait(
            Saves.save,
            session,
            id=id,
            artifacts=artifacts,
            trace_events=trace_events,
            run_records=run_records,
            verification_reports=verification_reports,
            parts=parts,
            actor=actor,
            note=note,
            expected=expected,
            key=key,
        )

    async def save_artifacts(
        self, id: str, artifacts: ArtifactStore | Mapping[str, Any], **options: Any
    ) -> Version:
        """Save the artifacts of a session."""
        return await self._wait(Saves.save_artifacts, id, artifacts, **options)

    async def save_trace_events(
        self, id: str, events: Sequence[TraceEvent | Mapping[str, Any]], **options: Any
    ) -> Version:
        """Save the trace events of a session."""
        return await self._wait(Saves.save_trace_events, id, events, **options)

    async def save_run_records(
        self, id: str, records: Sequence[RunRecord | Mapping[str, Any]], **options: Any
    ) -> Version:
        """Save the runs of a session with their events."""
        return await self._wait(Saves.save_run_records, id, records, **options)

    async def save_verification_reports(
        self, id: str, reports: Sequence[VerificationReport | Mapping[str, Any]], **options: Any
    ) -> Version:
        """Save the verification reports of a session."""
        return await self._wait(Saves.save_verification_reports, id, reports, **options)

    async def save_states(self, id: str, states: Mapping[str, bytes], **options: Any) -> Version:
        """Save states given as exact bytes, by part."""
        return await self._wait(Saves.save_states, id, states, **options)
