"""Which frame of a log holds the state of each part."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from eventstore.errors import CorruptError
from eventstore.log_frames import Entry, LogFrames
from eventstore.payload import Encoding, Genesis, PartEntry

_ROWS_MAX = 4096


class LogParts:
    """Resolves the parts that an entry did not change; remembers what it looked up."""

    def __init__(self, frames: LogFrames, session: str) -> None:
        """Look up in the frames of the log of *session*."""
        self._frames = frames
        self._session = session
        self._rows: dict[tuple[int, str], PartEntry] = {}

    def resolved(self, entry: Entry, genesis: Genesis | None) -> Mapping[str, PartEntry]:
        """Return every live part of *entry* with the row of the frame that holds its state."""
        return MappingProxyType(
            {
                name: self._row(row.holder, name, genesis)
                if row.encoding is Encoding.UNCHANGED
                else row
                for name, row in entry.parts.items()
            }
        )

    def clear(self) -> None:
        """Forget what was looked up."""
        self._rows.clear()

    def _row(self, position: int, part: str, genesis: Genesis | None) -> PartEntry:
        """Return the row for *part* of the frame at *position*."""
        row = self._rows.get((position, part))
        if row is None:
            found = self._frames.outline(position, genesis).parts.get(part)
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
