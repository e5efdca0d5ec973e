"""What an entry needs from other frames: the salt in the first, the states it left unchanged."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress

from eventstore.errors import CorruptError
from eventstore.gap import UNKNOWN
from eventstore.log_frames import Entry, LogFrames, check_commitments, follows
from eventstore.payload import Encoding, Genesis, PartEntry

_ROWS_MAX = 4096


class Rows(Mapping[str, PartEntry]):
    """The live parts of an entry, each with the row of the frame that holds its state.

    A part that the entry left unchanged is looked up when it is asked for, so that damage to one
    part hides no other. Asking for a damaged one raises `CorruptError`.
    """

    def __init__(
        self, rows: Mapping[str, PartEntry], find: Callable[[int, str], PartEntry]
    ) -> None:
        """Serve *rows*; *find* gives the row of a part in the frame at an offset."""
        self._rows = rows
        self._find = find

    def __getitem__(self, part: str) -> PartEntry:
        """Return the row of *part*."""
        row = self._rows[part]
        return self._find(row.holder, part) if row.encoding is Encoding.UNCHANGED else row

    def __contains__(self, part: object) -> bool:
        """Whether there is such a part, damaged or not."""
        return part in self._rows

    def __iter__(self) -> Iterator[str]:
        """Yield the names."""
        return iter(self._rows)

    def __len__(self) -> int:
        """Count the parts."""
        return len(self._rows)


class LogParts:
    """Resolves what an entry leaves to other frames; remembers what it looked up."""

    def __init__(self, frames: LogFrames, session: str) -> None:
        """Look up in the frames of the log of *session*."""
        self._frames = frames
        self._session = session
        self._rows: dict[tuple[int, str], PartEntry] = {}

    def of(self, entry: Entry, genesis: Genesis | None) -> Mapping[str, PartEntry]:
        """Return every live part of *entry*."""
        return Rows(entry.parts, lambda position, part: self._row(position, part, genesis))

    def clear(self) -> None:
        """Forget what was looked up."""
        self._rows.clear()

    def genesis(self, entry: Entry) -> Genesis:
        """Return what the first frame of the log says; an empty salt where it is damaged.

        Raises `CorruptError` where the log of *entry*, a frame that is sound, is not ours.
        """
        if entry.genesis is not None:
            return self._own(entry, entry)
        with suppress(CorruptError):
            genesis = self._own(self._frames.outline(0, None), entry)
            if entry.commit.parts:  # A commitment that fits proves the salt.
                return genesis
        try:
            first = self._frames.entry(0)
        except CorruptError:
            gap = self._frames.gap(0)
            if gap is not None and gap.genesis is not None:
                return self._proven(gap.genesis, entry)
            return Genesis(b"", self._session)
        return self._own(first, entry)

    def before(self, entry: Entry, genesis: Genesis) -> Entry | None:
        """Return the entry that *entry* names as the one before it; None if all before are lost."""
        position = self._frames.position_before(entry.header.position)
        try:
            older = self._frames.outline(position, genesis)
        except CorruptError:
            gap = self._frames.gap(position)
            if gap is None or gap.next not in (entry.commit.prev, UNKNOWN):
                raise
            return self._before_gaps(position)
        if not follows(entry.commit, older.commit.id, older.commit.seq):
            raise CorruptError("its commit is not the one the next commit names")
        # Its commitments prove the parts it changed; the others are proven by what the next one
        # says of them, or else by its digest.
        return older if genesis.salt and _agree(older, entry) else self._frames.entry(position)

    def _before_gaps(self, position: int) -> Entry | None:
        """Return the entry before the gap at *position*, and before those before it."""
        while self._frames.gap(position) is not None:
            if position == 0:
                return None
            position = self._frames.position_before(position)
        return self._frames.entry(position)

    def _own(self, first: Entry, entry: Entry) -> Genesis:
        """Return the genesis in *first* if it is of this session and of the log of *entry*."""
        genesis = first.genesis
        if genesis is None or first.commit.log != entry.commit.log:
            raise CorruptError("the log's frames are of different logs", session=self._session)
        return self._proven(genesis, entry)

    def _proven(self, genesis: Genesis, entry: Entry) -> Genesis:
        """Return *genesis* if it is of this session and the commitments of *entry* fit it."""
        if genesis.session != self._session:
            raise CorruptError(
                f"the log is that of session {genesis.session!r}",
                session=self._session,
                hint="files were swapped or renamed; give each its own name back",
            )
        try:
            check_commitments(entry, genesis.salt)
        except CorruptError as error:
            raise CorruptError(
                error.message, session=self._session, version=entry.commit.seq
            ) from error
        return genesis

    def _holder(self, position: int, genesis: Genesis | None) -> Entry:
        """Return the entry that holds a state."""
        if genesis is not None and genesis.salt:
            return self._frames.outline(position, genesis)
        return self._frames.entry(position)

    def _row(self, position: int, part: str, genesis: Genesis | None) -> PartEntry:
        """Return the row for *part* of the frame at *position*.

        What a repair gave up has a row without an address.
        """
        row = self._rows.get((position, part))
        if row is None:
            try:
                entry = self._holder(position, genesis)
            except CorruptError:
                if self._frames.is_given_up(position):
                    return PartEntry(Encoding.DROPPED, position)
                raise
            found = entry.parts.get(part)
            if found is None or found.encoding is Encoding.UNCHANGED:
                raise CorruptError(
                    f"part {part!r} is not where the log says",
                    session=self._session,
                    where=f"byte {position}",
                )
            if len(self._rows) >= _ROWS_MAX:
                self._rows.clear()
            row = self._rows[position, part] = found
        return row


def _agree(older: Entry, newer: Entry) -> bool:
    """Whether the newer entry has the same frames hold what the older left unchanged."""
    for name, row in older.parts.items():
        if row.encoding is Encoding.UNCHANGED:
            said = newer.parts.get(name)
            if said is None or said.encoding is Encoding.REFERENCE:
                return False
            if row.holder != (
                said.holder if said.encoding is Encoding.UNCHANGED else said.previous
            ):
                return False
    return True
