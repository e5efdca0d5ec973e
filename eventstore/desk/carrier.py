"""The carrier: takes versions out of one store and into another, as they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from eventstore.commit import Version
from eventstore.desk.base import StoreBase
from eventstore.errors import CorruptError, ErasedError
from eventstore.intake import Intake
from eventstore.log import Log
from eventstore.parcel import Cargo, Origin, Parcel, Tip


class Carrier:
    """Carries versions to or from one store; safe beside everybody who uses it."""

    def __init__(self, store: StoreBase) -> None:
        """Serve *store*."""
        self._store = store
        self._intake: Intake | None = None

    @property
    def size_max(self) -> int:
        """How many bytes the store allows a state."""
        return self._store.state_size_max

    def sessions(self) -> Iterator[str]:
        """Yield the id of every session that has a log, deleted ones too."""
        return self._store._open_catalog().sessions()

    def origin(self, id: str) -> Origin | None:
        """Return what the log of a session begins with; None if there is no such log."""
        head = self._log(id).head()
        if head is None:
            return None
        if not head.genesis.salt:
            raise CorruptError("the first frame of the log is damaged", session=id, version=1)
        return Origin(id, head.entry.commit.log, head.genesis.salt)

    def is_whole(self, id: str) -> bool:
        """Whether the log has all its versions, so that all of them can be carried."""
        return self._log(id).is_whole()

    def tip(self, id: str) -> Tip:
        """Return the newest version of a session."""
        head = self._log(id).head()
        return Tip() if head is None else Tip(head.version, head.entry.commit.id)

    def commit_at(self, id: str, seq: int) -> str:
        """Return the commit id of a version that is there."""
        return self._log(id).version(seq).commit

    def parcels(self, id: str, after: Tip, last: int) -> Iterator[Parcel]:
        """Yield the versions behind *after* up to number *last*, each following the one before.

        Raises `CorruptError` where one is damaged, once those before it were yielded.
        """
        log = self._log(id)
        before = after.commit
        for seq in range(after.seq + 1, last + 1):
            version = log.version(seq)
            if version.prev != before:
                raise CorruptError(
                    "its commit does not follow the one before", session=id, version=seq
                )
            before = version.commit
            yield _parcel(log, version)

    def receive(self, parcel: Parcel, origin: Origin) -> Tip:
        """Add one version to its log; the index is told."""
        catalog = self._store._open_catalog()
        if self._intake is None or self._intake.session != origin.session:
            self._intake = catalog.intake(origin.session)
        index = catalog.index
        index.mark(origin.session)
        try:
            return self._intake.receive(parcel, origin)
        finally:
            index.tell(origin.session, None, unclear=True)

    def _log(self, id: str) -> Log:
        """Return the log of a session."""
        return self._store._log(id)


def _parcel(log: Log, version: Version) -> Parcel:
    """Return one version with the states it set."""
    parts = {}
    for name, part in version.parts.items():
        if part.changed:
            state = None
            with suppress(ErasedError):  # It was dropped on purpose; the commit travels alone.
                state = log.state(name, version.version)
            parts[name] = Cargo(part.address, state)
    kept = frozenset(name for name, part in version.parts.items() if not part.changed)
    return Parcel(log.commit_bytes(version.version), parts, kept)
