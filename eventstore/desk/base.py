"""An open store: its backend, its catalog, and what every call on it begins and ends with."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable
from functools import partial
from types import TracebackType
from typing import Any, Literal, Self

from pydantic import BaseModel, TypeAdapter

from eventstore.at import At, resolve
from eventstore.backend import Backend
from eventstore.backends.registry import open_backend
from eventstore.catalog import Catalog, Summarise
from eventstore.commit import Version
from eventstore.errors import BackendError, ConflictError, EventStoreError, InvalidInputError
from eventstore.input import (
    check_id,
)
from eventstore.log import Log
from eventstore.models.a3s import (
    SessionData,
)
from eventstore.session_info import Row
from eventstore.state import STATE_SIZE_MAX

Durability = Literal["sync", "group", "unsafe_os"]
Model = type[BaseModel] | type[dict[str, Any]]

CACHE_SIZE = 64 * 1024 * 1024
"""Bytes of memory that newest states may take to make saves cheap, unless told otherwise."""

_DURABILITIES = ("sync", "group", "unsafe_os")


class StoreBase:
    """A store to be opened, closed, pickled and forked; what it serves is in the other rooms."""

    def __init__(
        self,
        backend: Backend,
        *,
        model: Model = SessionData,
        state_size_max: int = STATE_SIZE_MAX,
        cache_size: int = CACHE_SIZE,
        search: bool = False,
        reopen: tuple[Any, ...] | None = None,
    ) -> None:
        """Serve *backend*; most callers want `EventStore.open`."""
        self._backend = backend
        self._model: Model = model
        self._type: TypeAdapter[Any] | None = None if model is dict else TypeAdapter(model)
        self._state_size_max = state_size_max
        self._reopen = reopen
        self._cache_size = cache_size
        self._search = search
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
        search: bool = False,
    ) -> Self:
        """Open the store at *location*: a directory, `file://…`, or `memory://`.

        A directory that is missing or empty becomes a store if *create* allows; its parent must be
        there. *model* is what sessions are: any pydantic model with an `id`, or `dict` for plain
        JSON. With *durability* `sync` a save is durable when it returns; with `group` too, and
        threads that save different sessions at the same time share a sync; with `unsafe_os` only
        after `sync()`. *cache_size* is about how many bytes of memory may hold newest states, to
        make saves cheap. *search* allows `search`, which keeps texts in a file of its own.
        Raises `InvalidInputError`, `BackendError`, `UnsupportedError`.
        """
        if durability not in _DURABILITIES:
            raise InvalidInputError(
                f"{durability!r} is not one of {', '.join(_DURABILITIES)}", field="durability"
            )
        if not (model is dict or (isinstance(model, type) and issubclass(model, BaseModel))):
            raise InvalidInputError("is neither dict nor a pydantic model", field="model")
        backend = open_backend(location, create=create, durability=durability)
        options = {
            "state_size_max": state_size_max,
            "cache_size": cache_size,
            "search": search,
        }
        reopen = (str(backend.directory), model, durability, options)
        return cls(
            backend,
            model=model,
            state_size_max=state_size_max,
            cache_size=cache_size,
            search=search,
            reopen=None if backend.directory is None else reopen,
        )

    def close(self) -> None:
        """Close the store; what was acknowledged is durable already.

        Repeating it does nothing, or what an interrupt kept the first call from.
        """
        self._closed = True
        try:
            self._catalog.close()
        finally:
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

    @property
    def state_size_max(self) -> int:
        """How many bytes a state may take."""
        return self._state_size_max

    def sync(self) -> None:
        """Make everything saved so far durable; with durability `sync` it is already."""
        self._open_catalog().sync()

    def health_check(self) -> None:
        """Prove that a write, a sync and a read-back work; raise `BackendError` naming the step."""
        self._open_catalog()
        self._backend.check()

    def backend_name(self) -> str:
        """Return the backend's name: `file` or `memory`."""
        return self._backend.name

    def _apply(self, log: Log, decide: Any, summary: Summarise | None = None) -> Version | None:
        """Commit, with the index told before and after."""
        return self._changed(log, partial(log.commit, decide), summary)

    def _changed(
        self, log: Log, work: Callable[[], Version | None], summary: Summarise | None = None
    ) -> Version | None:
        """Do what may change a log, with the index told before and after."""
        index = self._catalog.index
        index.mark(log.session)
        row, unclear = None, True
        try:
            before = log.known
            version = work()
            if version is None or log.known is before:
                unclear = False
            else:
                self._catalog.account(log)
                row = self._row(log, version, summary)
                unclear = row is None
            return version
        except (ConflictError, InvalidInputError):
            unclear = False
            raise
        finally:
            index.tell(log.session, row, unclear=unclear)

    def _row(
        self, log: Log, version: Version, summary: Summarise | None
    ) -> tuple[int, Callable[[], Row]] | None:
        """Return what the index is told of a version, None where only the log can say it.

        What was committed is not refused because the state that lists would show is damaged.
        """
        try:
            return version.version, self._catalog.row_maker(log, version, summary)
        except EventStoreError:
            return None

    def _seq(self, log: Log, at: At | None) -> int | None:
        """Return the version that *at* means; None for the newest and for no session at all."""
        if at is None:
            return None
        newest = log.newest_sound()
        return None if newest is None else resolve(log, at, newest)

    def _version(self, id: str, at: At | None, field: str = "id") -> Version:
        """Return the version that *at* means (default: the newest) of a session that must be."""
        log = self._log(id)
        seq = self._seq(log, at)
        found = log.current() if seq is None else log.version(seq)
        if found is None:
            raise InvalidInputError("there is no such session", session=id, field=field)
        return found

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


_open_stores: weakref.WeakSet[StoreBase] = weakref.WeakSet()


def _renew_stores() -> None:
    """Renew every store of a forked child."""
    for store in list(_open_stores):
        if not store._closed:
            store._after_fork()


os.register_at_fork(after_in_child=_renew_stores)


def _reopened(
    kind: type[StoreBase],
    location: str,
    model: Model,
    durability: Durability,
    options: dict[str, Any],
) -> StoreBase:
    """Open a store again from what `__reduce__` gave."""
    return kind.open(location, model=model, durability=durability, create=False, **options)
