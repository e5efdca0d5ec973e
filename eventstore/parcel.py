"""A parcel: one version on its way from one store to another, with what proves it.

A commit is logical and travels byte for byte; a frame is physical and is made anew where the
parcel arrives. What `checked` lets through fits its log: form, place in the chain, commitments,
addresses, and states that `save` could have written.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from eventstore.address import address_of, commitment_to
from eventstore.commit import COMMIT_SIZE_MAX, Commit, parse_commit
from eventstore.errors import CorruptError, EventStoreError, InvalidInputError
from eventstore.payload import PARTS_MAX
from eventstore.state import check_bytes


@dataclass(frozen=True, slots=True)
class Origin:
    """What only the beginning of a log says, which travels beside its versions."""

    session: str
    log: str
    salt: bytes


@dataclass(frozen=True, slots=True)
class Tip:
    """How far a log goes: the number and the commit id of a version; 0 and None before any."""

    seq: int = 0
    commit: str | None = None


@dataclass(frozen=True, slots=True)
class Cargo:
    """One part that a version set: its address, and its state unless that was dropped."""

    address: str
    state: bytes | None


@dataclass(frozen=True, slots=True)
class Parcel:
    """One version: its commit's bytes, the parts it set, the parts it left as they were."""

    commit: bytes
    parts: Mapping[str, Cargo]
    kept: frozenset[str]

    @property
    def id(self) -> str:
        """The id of the commit."""
        return address_of(self.commit)

    @property
    def live(self) -> frozenset[str]:
        """Every part that there is at this version."""
        return self.kept | self.parts.keys()


class Checker:
    """Holds the parcels of one log against each other, in order."""

    def __init__(self, origin: Origin, tip: Tip, live: Iterable[str], *, size_max: int) -> None:
        """Expect what comes behind *tip*, where the parts in *live* were there."""
        self._origin = origin
        self.tip = tip
        self._live = frozenset(live)
        self._size_max = size_max

    def checked(self, parcel: Parcel) -> Commit:
        """Return the commit of the next parcel; raise `CorruptError` if it is not what it says.

        `InvalidInputError` is raised for states that this store's limits do not allow.
        """
        try:
            commit = self._commit(parcel)
            for name, cargo in parcel.parts.items():
                self._check_part(commit, name, cargo)
        except (CorruptError, InvalidInputError) as error:
            raise self._about(error) from error
        self.tip = Tip(commit.seq, commit.id)
        self._live = parcel.live
        return commit

    def _commit(self, parcel: Parcel) -> Commit:
        """Return the commit if it is the next of its log."""
        if len(parcel.commit) > COMMIT_SIZE_MAX:
            raise CorruptError("a commit is too large")
        commit = parse_commit(parcel.commit)
        if commit.log != self._origin.log:
            raise CorruptError("a commit is of another log")
        if (commit.seq, commit.prev) != (self.tip.seq + 1, self.tip.commit):
            raise CorruptError("a commit does not follow the one before it")
        if commit.parts.keys() != parcel.parts.keys() or parcel.kept & parcel.parts.keys():
            raise CorruptError("a commit does not set the parts that come with it")
        if len(parcel.live) > PARTS_MAX:
            raise CorruptError(f"a version has more than {PARTS_MAX} parts")
        if not parcel.kept <= self._live:
            raise CorruptError("a version keeps a part that was not there")
        return commit

    def _check_part(self, commit: Commit, name: str, cargo: Cargo) -> None:
        """Hold a state against its address, and that against the commit."""
        said = commit.parts[name]
        if commitment_to(cargo.address, self._origin.salt) != said.c:
            raise CorruptError(f"the address of part {name!r} contradicts its commit")
        if cargo.state is None:
            return
        if len(cargo.state) != said.size or address_of(cargo.state) != cargo.address:
            raise CorruptError(f"part {name!r} does not hash to its address")
        check_bytes(cargo.state, part=name, size_max=self._size_max)

    def _about(self, error: EventStoreError) -> EventStoreError:
        """Return *error* with the version it is about."""
        return type(error)(
            error.message,
            session=self._origin.session,
            version=self.tip.seq + 1,
            field=error.field,
            hint=error.hint,
        )
