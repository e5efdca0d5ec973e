"""The store: every call a user makes, in the order its steps must happen."""

from __future__ import annotations

import builtins
import os
import time
import weakref
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self

from pydantic import BaseModel, TypeAdapter

from eventstore.at import At, resolve
from eventstore.backend import Backend
from eventstore.backends.registry import open_backend
from eventstore.catalog import Catalog
from eventstore.commit import SESSION, Version, check_part_name
from eventstore.content import Content
from eventstore.draft import Change, Head
from eventstore.errors import BackendError, ConflictError, InvalidInputError
from eventstore.index_rows import Page, Query, StoreStats
from eventstore.input import (
    Remarks,
    check_id,
    id_of,
    nanoseconds,
    own_parts,
    refuse_secrets,
    remarks,
    version_number,
)
from eventstore.log import Decision, Log
from eventstore.models.a3s import (
    ArtifactStore,
    RunRecord,
    SessionData,
    TraceEvent,
    VerificationReport,
)
from eventstore.parts import (
    ARTIFACTS,
    PART_TYPES,
    RUN_RECORDS,
    TRACE_EVENTS,
    VERIFICATION_REPORTS,
)
from eventstore.state import STATE_SIZE_MAX, check_bytes, decode, decode_as, dumped, plain
from eventstore.views import Summary, summary_of

Durability = Literal["sync", "unsafe_os"]
Model = type[BaseModel] | type[dict[str, Any]]

CACHE_SIZE = 64 * 1024 * 1024
"""Bytes of memory that newest states may take to make saves cheap, unless told otherwise."""

_DURABILITIES = ("sync", "unsafe_os")


class EventStore:
    """Sessions with all their history; safe to share between threads, and the directory between
    processes. Every method may raise `BackendError`, and every one that reads, `CorruptError`.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        model: Model = SessionData,
        state_size_max: int = STATE_SIZE_MAX,
        cache_size: int = CACHE_SIZE,
        reopen: tuple[Any, ...] | None = None,
    ) -> None:
        """Serve *backend*; most callers want `EventStore.open`."""
        self._backend = backend
        self._model: Model = model
        self._type: TypeAdapter[Any] | None = None if model is dict else TypeAdapter(model)
        self._state_size_max = state_size_max
        self._reopen = reopen
        self._cache_size = cache_size
        self._catalog = self._new_catalog()
        self._closed = False
        _open_stores.add(self)

    @classmethod
    def open(
        cls,
        location: str | os.PathLike[str],
        *,
        model: Model = SessionData,
        durability: Durability = "sync",
        create: bool = True,
        state_size_max: int = STATE_SIZE_MAX,
        cache_size: int = CACHE_SIZE,
    ) -> Self:
        """Open the store at *location*: a directory, `file://…`, or `memory://`.

        A directory that is missing or empty becomes a store if *create* allows; its parent must be
        there. *model* is what sessions are: any pydantic model with an `id`, or `dict` for plain
        JSON. With *durability* `sync` a save is durable when it returns, with `unsafe_os` only
        after `sync()`. *cache_size* is about how many bytes of memory may hold newest states, to
        make saves cheap. Raises `InvalidInputError`, `BackendError`, `UnsupportedError`.
        """
        if durability not in _DURABILITIES:
            raise InvalidInputError(
                f"{durability!r} is not one of {', '.join(_DURABILITIES)}", field="durability"
            )
        if not (model is dict or (isinstance(model, type) and issubclass(model, BaseModel))):
            raise InvalidInputError("is neither dict nor a pydantic model", field="model")
        backend = open_backend(location, create=create, durable=durability == "sync")
        sizes = {"state_size_max": state_size_max, "cache_size": cache_size}
        reopen = (str(backend.directory), model, durability, sizes)
        return cls(
            backend,
            model=model,
            state_size_max=state_size_max,
            cache_size=cache_size,
            reopen=None if backend.directory is None else reopen,
        )

    def close(self) -> None:
        """Close the store; what was acknowledged is durable already. Repeating it does nothing."""
        if not self._closed:
            self._closed = True
            self._catalog.index.close()
            self._backend.close()

    def __enter__(self) -> Self:
        """Return the store."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Close."""
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as where the store is, so that another process opens its own."""
        if self._reopen is None:
            raise TypeError("a store that lives in this process's memory cannot be pickled")
        return _reopened, (type(self), *self._reopen)

    def __repr__(self) -> str:
        """Say which backend and where."""
        where = "" if self._backend.directory is None else f" at {str(self._backend.directory)!r}"
        return f"<{type(self).__name__} {self._backend.name}{where}>"

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
        values: dict[str, Any] = {
            ARTIFACTS: artifacts,
            TRACE_EVENTS: trace_events,
            RUN_RECORDS: run_records,
            VERIFICATION_REPORTS: verification_reports,
        }
        contents = {SESSION: self._content(SESSION, document)}
        given = {name: value for name, value in values.items() if value is not None}
        contents |= self._contents(given | own_parts(parts, taken={SESSION, *given}))
        return self._commit(
            check_id(id_of(session, document) if id is None else id),
            contents,
            remarks(actor, note, key),
            expected,
            summary_of(document),
        )

    def save_artifacts(
        self, id: str, artifacts: ArtifactStore | Mapping[str, Any], **options: Any
    ) -> Version:
        """Save the artifacts of a session; *options* as for `save`."""
        return self._save_part(id, ARTIFACTS, artifacts, **options)

    def save_trace_events(
        self, id: str, events: Sequence[TraceEvent | Mapping[str, Any]], **options: Any
    ) -> Version:
        """Save the trace events of a session; *options* as for `save`."""
        return self._save_part(id, TRACE_EVENTS, events, **options)

    def save_run_records(
        self, id: str, records: Sequence[RunRecord | Mapping[str, Any]], **options: Any
    ) -> Version:
        """Save the runs of a session with their events; *options* as for `save`."""
        return self._save_part(id, RUN_RECORDS, records, **options)

    def save_verification_reports(
        self, id: str, reports: Sequence[VerificationReport | Mapping[str, Any]], **options: Any
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
        summary = summary_of(values[SESSION]) if SESSION in values else None
        exact = {
            name: self._content(name, value, bytes(states[name])) for name, value in values.items()
        }
        return self._commit(check_id(id), exact, remarks(actor, note, key), expected, summary)

    def load(self, id: str, *, at: At | None = None, model: Model | None = None) -> Any:
        """Return the session's newest state, or that at an earlier version; None if there is none.

        The state is of the store's model, or of *model*. *at* is a version number (negative: that
        many before the newest), a time, an address `b3:…` or a `Version`.
        """
        state = self.load_bytes(id, at=at)
        if state is None:
            return None
        kind = self._type if model is None else None if model is dict else TypeAdapter(model)
        if kind is None:
            return decode(state, session=id, part=SESSION)
        return decode_as(kind, state, session=id, part=SESSION)

    def load_artifacts(self, id: str, *, at: At | None = None) -> ArtifactStore | None:
        """Return the artifacts of a session."""
        loaded: ArtifactStore | None = self._load_typed(id, ARTIFACTS, at)
        return loaded

    def load_trace_events(self, id: str, *, at: At | None = None) -> tuple[TraceEvent, ...] | None:
        """Return the trace events of a session."""
        loaded: tuple[TraceEvent, ...] | None = self._load_typed(id, TRACE_EVENTS, at)
        return loaded

    def load_run_records(self, id: str, *, at: At | None = None) -> tuple[RunRecord, ...] | None:
        """Return the runs of a session with their events."""
        loaded: tuple[RunRecord, ...] | None = self._load_typed(id, RUN_RECORDS, at)
        return loaded

    def load_verification_reports(
        self, id: str, *, at: At | None = None
    ) -> tuple[VerificationReport, ...] | None:
        """Return the verification reports of a session."""
        loaded: tuple[VerificationReport, ...] | None = self._load_typed(
            id, VERIFICATION_REPORTS, at
        )
        return loaded

    def load_part(self, id: str, part: str, *, at: At | None = None) -> Any:
        """Return any part as plain JSON values, or None if there is none."""
        state = self.load_bytes(id, part, at=at)
        return None if state is None else decode(state, session=id, part=part)

    def load_bytes(self, id: str, part: str = SESSION, *, at: At | None = None) -> bytes | None:
        """Return the exact bytes of a state, proven by their address; None if there is none."""
        log = self._log(id)
        return log.state(part, self._seq(log, at))

    def list(self) -> builtins.list[str]:
        """Return the ids of all sessions that are not deleted, sorted."""
        return self._open_catalog().index.ids()

    def exists(self, id: str) -> bool:
        """Whether there is a session of that id that is not deleted."""
        head = self._log(id).head()
        return head is not None and SESSION in head.parts

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
        never saved.
        """
        notes = remarks(actor, note, None)
        log = self._log(id)

        def decide(head: Head | None) -> Decision:
            if head is None:
                raise InvalidInputError("there is no such session", session=id, field="id")
            if head.parts:
                return log.version_of(head.entry)
            return Change(
                "undelete", time.time_ns(), revived=log.parts_at(head.version - 1), **notes
            )

        version = self._apply(log, decide)
        assert version is not None, "undelete has a version or raises"
        return version

    def sessions(
        self,
        *,
        order_by: str = "updated_at",
        limit: int = 50,
        after: str | None = None,
        parent: str | None = None,
        state: str | None = None,
        updated_since: datetime | None = None,
        deleted: bool = False,
    ) -> Page:
        """Return a page of sessions from the index: newest first, or ascending by id or name.

        *order_by* is `updated_at`, `created_at`, `saved_at`, `id` or `name`; *after* is the `next`
        of the page before. With *deleted*, the deleted sessions instead.
        """
        since = None if updated_since is None else nanoseconds("updated_since", updated_since)
        query = Query(order_by, limit, after, parent, state, since, deleted)
        return self._open_catalog().index.page(query)

    def history(self, id: str, part: str | None = None) -> Iterator[Version]:
        """Yield the versions of a session, newest first; with *part*, those that changed it."""
        for version in self._log(id).versions():
            if part is None or (part in version.parts and version.parts[part].changed):
                yield version

    def version(self, id: str, at: At | None = None) -> Version | None:
        """Return the version that *at* means (default: the newest), or None if there is none."""
        log = self._log(id)
        seq = self._seq(log, at)
        return log.current() if seq is None else log.version(seq)

    def stats(self) -> StoreStats:
        """Count what the store holds; reads the commits of every log."""
        catalog = self._open_catalog()
        state_bytes = sum(
            part.size
            for session in catalog.sessions()
            for version in catalog.log(session).versions()
            if version.kind == "save"
            for part in version.parts.values()
            if part.changed
        )
        return StoreStats(*catalog.index.totals(), state_bytes)

    def sync(self) -> None:
        """Make everything saved so far durable; with durability `sync` it is already."""
        self._open_catalog()
        self._backend.sync()

    def health_check(self) -> None:
        """Prove that a write, a sync and a read-back work; raise `BackendError` naming the step."""
        self._open_catalog()
        self._backend.check()

    def backend_name(self) -> str:
        """Return the backend's name: `file` or `memory`."""
        return self._backend.name

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
        summary: Summary | None,
    ) -> Version:
        """Commit contents as one version."""
        wanted = version_number(expected, id)
        change = Change("save", time.time_ns(), contents, **notes)
        log = self._log(id)
        version = self._apply(log, log.saving(change, wanted), summary)
        assert version is not None, "a save always has a version"
        return version

    def _apply(self, log: Log, decide: Any, summary: Summary | None = None) -> Version | None:
        """Commit, with the index told before and after."""
        index = self._catalog.index
        index.mark(log.session)
        row, unclear = None, True
        try:
            before = log.end
            version = log.commit(decide)
            if version is not None and log.end != before:
                row = self._catalog.row(log, version, summary)
                self._catalog.account(log)
            unclear = False
            return version
        except (ConflictError, InvalidInputError):
            unclear = False
            raise
        finally:
            index.tell(log.session, row, unclear=unclear)

    def _load_typed(self, id: str, part: str, at: At | None) -> Any:
        """Return a part as its own type."""
        state = self.load_bytes(id, part, at=at)
        if state is None:
            return None
        return decode_as(PART_TYPES[part], state, session=id, part=part)

    def _seq(self, log: Log, at: At | None) -> int | None:
        """Return the version that *at* means; None for the newest and for no session at all."""
        if at is None:
            return None
        newest = log.newest_sound()
        return None if newest is None else resolve(log, at, newest)

    def _log(self, id: str) -> Log:
        """Return the log of a session, checking the id first."""
        return self._open_catalog().log(check_id(id))

    def _open_catalog(self) -> Catalog:
        """Return the catalog of a store that is open."""
        if self._closed:
            raise BackendError("the store is closed", hint="open it again")
        return self._catalog

    def _after_fork(self) -> None:
        """Start afresh in a forked child, which shares the parent's open files."""
        self._catalog.abandon()
        self._backend.abandon()
        self._catalog = self._new_catalog()

    def _new_catalog(self) -> Catalog:
        """Return a catalog that knows nothing yet."""
        return Catalog(
            self._backend, state_size_max=self._state_size_max, cache_size=self._cache_size
        )


_open_stores: weakref.WeakSet[EventStore] = weakref.WeakSet()


def _renew_stores() -> None:
    """Renew every store of a forked child."""
    for store in list(_open_stores):
        if not store._closed:
            store._after_fork()


os.register_at_fork(after_in_child=_renew_stores)


def _reopened(
    kind: type[EventStore],
    location: str,
    model: Model,
    durability: Durability,
    sizes: dict[str, int],
) -> EventStore:
    """Open a store again from what `__reduce__` gave."""
    return kind.open(location, model=model, durability=durability, create=False, **sizes)
