"""The versions of one log from any place on, in either direction, without looking at the others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

from eventstore.commit import Version
from eventstore.draft import Head
from eventstore.errors import CorruptError
from eventstore.log_frames import Entry
from eventstore.log_reader import LogReader, Walked
from eventstore.place import about


@dataclass(frozen=True, slots=True)
class Place:
    """A version and the offset of its frame, which is a hint: a rewritten log has moved it."""

    version: int
    position: int | None = None


class LogHistory(LogReader):
    """A log whose versions can be asked for in pages."""

    def back(self, start: Place | None = None) -> Iterator[tuple[Version, Place]]:
        """Yield the versions from *start* (default: the newest) to the first, with their places.

        Where the newest are damaged, the sound ones are yielded before `CorruptError` is raised.
        """
        walked = self._steadily(partial(self._first, start))
        damage = self.damage if start is None else None
        while walked is not None:
            yield walked.version, _place_of(walked)
            walked = self._steadily(partial(self._before, walked))
        if damage is not None:
            raise damage

    def onward(self, start: Place | None = None) -> Iterator[tuple[Version, Place]]:
        """Yield the versions from *start* (default: the first) to the newest, with their places.

        Where a version is damaged, `CorruptError` is raised and those after it are not yielded.
        """
        walked = self._steadily(partial(self._first, start or Place(1, 0)))
        damage, last = self.damage, self.newest_sound() or 0
        while walked is not None:
            yield walked.version, _place_of(walked)
            if walked.version.version >= last:
                break
            walked = self._steadily(partial(self._after, walked))
        if damage is not None:
            raise damage

    def _first(self, place: Place | None, epoch: int) -> Walked | None:
        """Return the version at a place, the newest without one; None for an empty log."""
        with self._guard:
            head = self._sound_head()
            if head is None:
                return None
            entry = head.entry if place is None else self._at(head, place)
            return Walked(epoch, entry, head.genesis, self.version_of(entry))

    def _after(self, older: Walked, epoch: int) -> Walked:
        """Return the version after one that may have been read from a log since replaced."""
        seq = older.version.version + 1
        with about(self.session, seq):
            same = epoch == older.epoch
            entry = self._frames.entry(older.entry.stop) if same else self._entry(seq)
            if entry.commit.prev != older.version.commit:
                raise CorruptError("its commit does not name the one before it")
        return Walked(epoch, entry, older.genesis, self.version_of(entry))

    def _at(self, head: Head, place: Place) -> Entry:
        """Return the entry at a place, by its offset if it is still there."""
        if place.position is not None and place.position < head.end:
            try:
                entry = self._frames.entry(place.position)
            except CorruptError:
                return self._entry(place.version)
            commit = entry.commit
            if commit.seq == place.version and commit.log == head.entry.commit.log:
                return entry
        return self._entry(place.version)


def _place_of(walked: Walked) -> Place:
    """Return where a version stands."""
    return Place(walked.version.version, walked.entry.header.position)
