"""Push and pull: bring one store's sessions up to another's, sending only what it lacks.

Sessions are told apart by the id of their log, versions by their commits. Where one history is
the beginning of the other, the rest of it is sent; where they differ, nothing is, and the place is
reported. Every version is added whole, so a transfer that was interrupted goes on where it was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from eventstore.desk.carrier import Carrier
from eventstore.errors import (
    BackendError,
    ConflictError,
    DurabilityError,
    EventStoreError,
    InvalidInputError,
)
from eventstore.interchange.sink import Progress
from eventstore.parcel import Origin, Tip
from eventstore.store import EventStore

_TRIES = 8


@dataclass(frozen=True, slots=True)
class Sent:
    """Versions that were sent, or with a dry run would be: those behind *after* up to *last*."""

    session: str
    after: int
    last: int


@dataclass(frozen=True, slots=True)
class Divergence:
    """Two histories of one session: version *at* is the first that differs.

    `sender` and `receiver` are the newest versions of the two; *at* is 1 where they were begun
    apart and only share their id.
    """

    session: str
    at: int
    sender: int
    receiver: int

    def __str__(self) -> str:
        """Return what a person should know."""
        if self.at == 1:
            return f"session {self.session!r}: begun twice; the two share nothing but their id"
        return (
            f"session {self.session!r}: differs from version {self.at} on; the sender has "
            f"{self.sender} versions, the receiver {self.receiver}"
        )


@dataclass(slots=True)
class SyncReport:
    """What a push or a pull did, session by session.

    `ahead` are sessions of which the receiver has later versions; nothing is to be sent of them.
    """

    sent: list[Sent] = field(default_factory=list)
    unchanged: int = 0
    ahead: list[str] = field(default_factory=list)
    diverged: list[Divergence] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    dry_run: bool = False

    @property
    def ok(self) -> bool:
        """Whether the receiver has everything that the sender has."""
        return not self.diverged and not self.problems

    @property
    def versions(self) -> int:
        """How many versions were sent."""
        return sum(sent.last - sent.after for sent in self.sent)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as plain JSON values."""
        return {"ok": self.ok, "versions": self.versions, **asdict(self)}


def push(
    source: EventStore,
    target: EventStore,
    ids: Iterable[str] | None = None,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> SyncReport:
    """Send *target* what it lacks of sessions of *source*; all there are, unless *ids* names some.

    Safe while both are written: what is committed meanwhile is sent the next time. Raises
    `BackendError` and `DurabilityError` when a store itself fails; *progress* counts sessions.
    """
    report = SyncReport(dry_run=dry_run)
    sender, receiver = Carrier(source), Carrier(target)
    wanted = sorted(sender.sessions()) if ids is None else list(ids)
    for done, id in enumerate(wanted, start=1):
        try:
            _Transfer(sender, receiver, id, report).run()
        except (BackendError, DurabilityError):
            raise  # No other session would fare better.
        except EventStoreError as error:
            report.problems.append(str(error))
        if progress is not None:
            progress(id, done, len(wanted))
    return report


def pull(
    target: EventStore,
    source: EventStore,
    ids: Iterable[str] | None = None,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> SyncReport:
    """Bring *target* what it lacks of *source*: a push the other way round."""
    return push(source, target, ids, dry_run=dry_run, progress=progress)


class _Transfer:
    """The transfer of one session."""

    def __init__(
        self, sender: Carrier, receiver: Carrier, session: str, report: SyncReport
    ) -> None:
        """Prepare to bring *receiver* up to *sender*."""
        self._sender = sender
        self._receiver = receiver
        self._session = session
        self._report = report

    def run(self) -> None:
        """Send what is missing; again, where somebody saved in between."""
        origin = self._sender.origin(self._session)
        if origin is None:
            raise InvalidInputError("there is no such session", session=self._session, field="id")
        last = self._sender.tip(self._session)
        for _ in range(_TRIES):
            behind = self._behind(origin, last)
            if behind is None:
                return
            try:
                self._send(origin, behind, last)
            except ConflictError:
                continue  # Somebody saved there: whether histories differ now is asked again.
            return
        raise ConflictError("is saved too often to be sent", session=self._session)

    def _behind(self, origin: Origin, last: Tip) -> Tip | None:
        """Return the newest version that the receiver has, or None if nothing is to be sent."""
        theirs = self._receiver.origin(self._session)
        tip = self._receiver.tip(self._session)
        if theirs is None:
            return Tip()
        at = 1 if theirs.log != origin.log else self._difference(min(tip.seq, last.seq))
        if at is not None:
            self._report.diverged.append(Divergence(self._session, at, last.seq, tip.seq))
        elif tip.seq < last.seq:
            return tip
        elif tip.seq == last.seq:
            self._report.unchanged += 1
        else:
            self._report.ahead.append(self._session)
        return None

    def _difference(self, shared: int) -> int | None:
        """Return the first version up to *shared* that differs; None if none does.

        A commit names the one before it, so versions that agree agree in all before them.
        """
        if self._agree(shared):
            return None
        low, high = 0, shared
        while high - low > 1:
            middle = (low + high) // 2
            if self._agree(middle):
                low = middle
            else:
                high = middle
        return high

    def _agree(self, seq: int) -> bool:
        """Whether both have the same version of that number."""
        one = self._sender.commit_at(self._session, seq)
        return one == self._receiver.commit_at(self._session, seq)

    def _send(self, origin: Origin, behind: Tip, last: Tip) -> None:
        """Send the versions behind *behind*; what was sent counts even where sending ends early."""
        tip = behind
        if self._report.dry_run:
            tip = last
        else:
            try:
                for parcel in self._sender.parcels(self._session, behind, last.seq):
                    tip = self._receiver.receive(parcel, origin)
            except EventStoreError:
                self._note(behind, tip)
                raise
        self._note(behind, tip)

    def _note(self, behind: Tip, tip: Tip) -> None:
        """Report what was sent."""
        if tip.seq > behind.seq:
            self._report.sent.append(Sent(self._session, behind.seq, tip.seq))
