"""Bundles: exported by this package, restored commit for commit.

All of a bundle is proven before any of it is added. What the store has already is left; where it
has another history, the session is left as it is and reported.
"""

from __future__ import annotations

from eventstore.desk.carrier import Carrier
from eventstore.errors import (
    BackendError,
    ConflictError,
    DurabilityError,
    EventStoreError,
)
from eventstore.interchange.bundle import open_bundle, verify_bundle
from eventstore.interchange.bundle_blocks import MAGIC
from eventstore.interchange.bundle_contents import Content
from eventstore.interchange.formats import Format, Options
from eventstore.interchange.report import FileOutcome
from eventstore.interchange.sample import Sample
from eventstore.interchange.sink import Advance, Sink
from eventstore.parcel import Parcel, Tip

NAME = "bundle"


def _recognises(sample: Sample, _options: Options) -> bool:
    """Whether the file begins like a bundle."""
    return sample.head.startswith(MAGIC[:4])


def _read(sample: Sample, sink: Sink, advance: Advance, _options: Options) -> list[FileOutcome]:
    """Prove the bundle, then add what is new."""
    outcome = FileOutcome(str(sample.path), NAME, size=sample.size)
    carrier = Carrier(sink.store)
    receiving = _Receiving(carrier, outcome, dry_run=sink.dry_run)
    try:
        contents = verify_bundle(sample.path, size_max=carrier.size_max)
        outcome.sessions += [content.session for content in contents]
        with open_bundle(sample.path, size_max=carrier.size_max) as bundle:
            for content, parcel in bundle.parcels():
                receiving.take(content, parcel)
    except (BackendError, DurabilityError):
        raise  # No other file would fare better.
    except EventStoreError as error:
        outcome.problem(error)
    advance(sample.path, sample.size)
    return [outcome]


class _Receiving:
    """One bundle being received."""

    def __init__(self, carrier: Carrier, outcome: FileOutcome, *, dry_run: bool) -> None:
        """Receive through *carrier*."""
        self._carrier = carrier
        self._outcome = outcome
        self._dry_run = dry_run
        self._session: str | None = None
        self._refused = False
        self._tip = Tip()
        self._seq = 0

    def take(self, content: Content, parcel: Parcel) -> None:
        """Take the next version of the bundle."""
        if content.session != self._session:
            self._begin(content)
        self._seq += 1
        self._outcome.counts["version"] += 1
        if self._refused:
            return
        try:
            self._add(content, parcel)
        except (BackendError, DurabilityError):
            raise  # No other session would fare better.
        except EventStoreError as error:
            self._refuse(str(error))

    def _begin(self, content: Content) -> None:
        """See how the store stands to the next session."""
        self._session, self._refused = content.session, False
        self._seq = content.first - 1
        try:
            origin = self._carrier.origin(content.session)
            self._tip = self._carrier.tip(content.session)
        except EventStoreError as error:
            self._refuse(str(error))
            return
        if origin is not None and origin.log != content.log:
            self._refuse(f"the store has another session {content.session!r}; left as it is")
        elif self._tip.seq < content.first - 1:
            first = self._tip.seq + 1
            span = f"version {first}" if first == self._seq else f"versions {first} to {self._seq}"
            self._refuse(
                f"needs {span} of session {content.session!r}, which the store does not have; "
                "import the bundle before this one first"
            )
        elif self._seq and self._carrier.commit_at(content.session, self._seq) != content.prev:
            self._diverged(content.session, self._seq)

    def _add(self, content: Content, parcel: Parcel) -> None:
        """Add a version, or see that it is there."""
        if self._seq <= self._tip.seq:
            if self._carrier.commit_at(content.session, self._seq) != parcel.id:
                self._diverged(content.session, self._seq)
        elif self._dry_run:
            self._outcome.add(content.session, 1)
        else:
            try:
                self._tip = self._carrier.receive(parcel, content.origin)
            except ConflictError:
                self._refuse(f"somebody saved session {content.session!r} meanwhile; import again")
            else:
                self._outcome.add(content.session, 1)

    def _diverged(self, session: str, seq: int) -> None:
        """Report that the store went another way."""
        self._refuse(
            f"session {session!r} has another version {seq} in the store; left as it is, nothing "
            "is merged"
        )

    def _refuse(self, reason: str) -> None:
        """Leave the rest of the session."""
        self._refused = True
        self._outcome.problem(reason)


FORMAT = Format(NAME, "a bundle", _recognises, _read, rank=0)
