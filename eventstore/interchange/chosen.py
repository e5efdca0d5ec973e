"""Which sessions to export, each at which version."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from eventstore.at import At
from eventstore.commit import Version
from eventstore.errors import CorruptError, InvalidInputError
from eventstore.interchange.report import ExportReport
from eventstore.store import EventStore

Wanted = Iterable[str] | Mapping[str, At | None] | None
"""Ids, or versions by id; None for every session that is not deleted."""


def chosen(store: EventStore, wanted: Wanted) -> dict[str, At | None]:
    """Return the version that is wanted of each session, None being the newest."""
    if isinstance(wanted, Mapping):
        return dict(wanted)
    return dict.fromkeys(store.list() if wanted is None else wanted)


def version_of(store: EventStore, id: str, at: At | None) -> Version:
    """Return a version; raise `InvalidInputError` where there is none."""
    version = store.version(id, at)
    if version is None:
        raise InvalidInputError("there is no such session", session=id, field="id")
    return version


def readable(store: EventStore, wanted: Wanted, report: ExportReport) -> dict[str, Version]:
    """Return the version that is wanted of each session; report those that are damaged."""
    found = {}
    for id, at in chosen(store, wanted).items():
        try:
            found[id] = version_of(store, id, at)
        except CorruptError as error:
            report.problem(id, error)
    return found
