"""Export as a bundle: all history of some or all sessions, or what was committed since."""

from __future__ import annotations

from datetime import datetime
from typing import BinaryIO

from eventstore.desk.carrier import Carrier
from eventstore.errors import CorruptError, InvalidInputError
from eventstore.input import nanoseconds
from eventstore.interchange.bundle import BundleWriter, held_by
from eventstore.interchange.bundle_contents import Content, Held
from eventstore.interchange.chosen import Wanted, chosen, version_of
from eventstore.interchange.exports import Export, ExportOptions, Since
from eventstore.interchange.outfile import Target, name_of, writing
from eventstore.interchange.report import ExportReport
from eventstore.interchange.sink import Progress
from eventstore.store import EventStore


def export_bundle(
    store: EventStore,
    wanted: Wanted,
    target: Target,
    *,
    since: Since | None = None,
    progress: Progress | None = None,
) -> ExportReport:
    """Write sessions, all there are if *wanted* is None, deleted ones too, with their history.

    *wanted* may say at which version each session is to end. With *since*, only versions that
    were committed at that time or later, or that neither the bundle of that path holds nor those
    before it: whoever receives them must have the ones before. A session that is damaged,
    or has lost versions to damage, is left out and reported; onto a stream that cannot be wound
    back, damage that shows only while writing ends the export. *progress* counts versions.
    """
    report = ExportReport(name_of(target), files=1)
    plan = _Plan(store, report, since)
    plan.take(wanted)
    with writing(target) as file:
        start = file.tell() if file.seekable() else None
        while (damaged := plan.write(file, progress)) is not None:
            if start is None:
                raise damaged
            file.seek(start)
            file.truncate()
    return report


class _Plan:
    """What goes into a bundle: `contents`, and what it builds on."""

    def __init__(self, store: EventStore, report: ExportReport, since: Since | None) -> None:
        """Plan a bundle of what came after *since*."""
        self._store = store
        self._carrier = Carrier(store)
        self._report = report
        self._moment = nanoseconds("since", since) if isinstance(since, datetime) else None
        self._behind: dict[str, Held] = {}
        if since is not None and not isinstance(since, datetime):
            self._behind = {held.session: held for held in held_by(since)}
        self._contents: dict[str, Content] = {}

    def take(self, wanted: Wanted) -> None:
        """Find out which versions of which sessions there are to write."""
        ends = dict.fromkeys(sorted(self._carrier.sessions())) if wanted is None else None
        for id, at in (chosen(self._store, wanted) if ends is None else ends).items():
            try:
                if wanted is None:
                    self._check_whole(id)
                    last = self._carrier.tip(id).seq
                else:
                    last = version_of(self._store, id, at).version
                self._take(id, last)
            except CorruptError as error:
                self._report.problem(id, error)

    def write(self, file: BinaryIO, progress: Progress | None) -> CorruptError | None:
        """Write it all; return what is wrong with a session, which is then left out from now on."""
        contents = list(self._contents.values())
        behind = [held for id, held in self._behind.items() if id not in self._contents]
        done, total = 0, sum(content.count for content in contents)
        writer = BundleWriter(file, contents, behind)
        for place, content in enumerate(contents):
            id = content.session
            try:
                for _ in writer.add(place, self._carrier.parcels(id, content.before, content.last)):
                    done += 1
                    if progress is not None:
                        progress(id, done, total)
            except CorruptError as error:
                self._report.problem(id, error)
                del self._contents[id]
                return error
        writer.end()
        self._report.sessions += self._contents
        self._report.size = writer.size
        return None

    def _check_whole(self, id: str) -> None:
        """Raise `CorruptError` for a session of which versions are lost."""
        if not self._carrier.is_whole(id):
            raise CorruptError("has lost versions", session=id, hint="a fork of it can be exported")

    def _take(self, id: str, last: int) -> None:
        """Take the versions of one session that are new."""
        first = self._first(id, last)
        if first <= last:
            self._contents[id] = self._content(id, first, last)
        elif id not in self._behind:
            self._behind[id] = self._content(id, last, last).held

    def _first(self, id: str, last: int) -> int:
        """Return the first version to write of a session."""
        if self._moment is not None:
            return _first_since(self._store, id, last, self._moment)
        return _first_behind(self._carrier, self._behind.get(id), id, last)

    def _content(self, id: str, first: int, last: int) -> Content:
        """Return the entry of one session in the contents."""
        origin = self._carrier.origin(id)
        assert origin is not None, "a session that is exported has a log"
        before = None if first == 1 else self._store.version(id, first - 1)
        return Content(
            session=id,
            log=origin.log,
            salt=origin.salt.hex(),
            first=first,
            last=last,
            prev=None if before is None else before.commit,
            head=self._carrier.commit_at(id, last),
            live=() if before is None else tuple(before.parts),
        )


def _first_since(store: EventStore, id: str, last: int, moment: int) -> int:
    """Return the first version after the newest one that is older than a moment."""
    for version in store.history(id):
        if version.version <= last and version.time < moment:
            return version.version + 1
    return 1


def _first_behind(carrier: Carrier, held: Held | None, id: str, last: int) -> int:
    """Return the first version that an earlier bundle does not hold."""
    if held is None:
        return 1
    if held.last <= last and carrier.commit_at(id, held.last) == held.head:
        return held.last + 1
    if held.last > last and held.log == _log_of(carrier, id):
        return last + 1
    raise InvalidInputError(
        "the history in the earlier bundle is not that of the store",
        session=id,
        field="since",
        hint="export all of it, without since",
    )


def _log_of(carrier: Carrier, id: str) -> str | None:
    """Return the id of a session's log."""
    origin = carrier.origin(id)
    return None if origin is None else origin.log


def _export(
    store: EventStore, wanted: Wanted, target: Target, options: ExportOptions
) -> ExportReport:
    """Export as the command line asks."""
    return export_bundle(store, wanted, target, since=options.since, progress=options.progress)


EXPORTS = (Export("bundle", "one file with all history, to be imported by another store", _export),)
