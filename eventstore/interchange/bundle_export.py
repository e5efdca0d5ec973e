"""Export as a bundle: all history of some or all sessions, or what was committed since."""

from __future__ import annotations

from datetime import datetime

from eventstore.desk.carrier import Carrier
from eventstore.errors import InvalidInputError
from eventstore.input import nanoseconds
from eventstore.interchange.bundle import BundleWriter, verify_bundle
from eventstore.interchange.bundle_contents import Content
from eventstore.interchange.chosen import Wanted, chosen, version_of
from eventstore.interchange.exports import Export, ExportOptions, Since
from eventstore.interchange.outfile import Target, name_of, writing
from eventstore.interchange.report import ExportReport, Remark
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

    Of those, sessions that have lost versions to damage are left out, and are problems of the
    report; a lost version of a session that is named raises `CorruptError`.

    *wanted* may say at which version each session is to end. With *since*, only versions that
    were committed at that time or later, or that the bundle of that path does not hold: whoever
    receives them must have the ones before. *progress* counts versions.
    """
    carrier = Carrier(store)
    report = ExportReport(name_of(target), files=1)
    ends = _ends(store, carrier, wanted)
    if wanted is None:
        _leave_out(carrier, ends, report)
    starts = _starts(store, carrier, ends, since)
    contents = [
        _content(carrier, store, id, starts[id], last)
        for id, last in ends.items()
        if starts[id] <= last
    ]
    done, total = 0, sum(content.count for content in contents)
    with writing(target) as file:
        writer = BundleWriter(file, contents)
        for place, content in enumerate(contents):
            parcels = carrier.parcels(content.session, content.before, content.last)
            for _ in writer.add(place, parcels):
                done += 1
                if progress is not None:
                    progress(content.session, done, total)
            report.sessions.append(content.session)
        writer.end()
        report.size = writer.size
    return report


def _ends(store: EventStore, carrier: Carrier, wanted: Wanted) -> dict[str, int]:
    """Return the last version wanted of each session."""
    if wanted is None:
        return {id: carrier.tip(id).seq for id in sorted(carrier.sessions())}
    return {id: version_of(store, id, at).version for id, at in chosen(store, wanted).items()}


def _leave_out(carrier: Carrier, ends: dict[str, int], report: ExportReport) -> None:
    """Leave out, and name, the sessions of which versions are lost: others are not to suffer."""
    for id in [id for id in ends if not carrier.is_whole(id)]:
        del ends[id]
        report.notes.append(Remark(repr(id), "has lost versions; a fork of it can be exported"))


def _starts(
    store: EventStore, carrier: Carrier, ends: dict[str, int], since: Since | None
) -> dict[str, int]:
    """Return the first version to write of each session."""
    if since is None:
        return dict.fromkeys(ends, 1)
    if isinstance(since, datetime):
        moment = nanoseconds("since", since)
        return {id: _first_since(store, id, last, moment) for id, last in ends.items()}
    held = {content.session: content for content in verify_bundle(since)}
    return {id: _first_behind(carrier, held.get(id), id, last) for id, last in ends.items()}


def _first_since(store: EventStore, id: str, last: int, moment: int) -> int:
    """Return the first version after the newest one that is older than a moment."""
    for version in store.history(id):
        if version.version <= last and version.time < moment:
            return version.version + 1
    return 1


def _first_behind(carrier: Carrier, held: Content | None, id: str, last: int) -> int:
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


def _content(carrier: Carrier, store: EventStore, id: str, first: int, last: int) -> Content:
    """Return the entry of one session in the contents."""
    origin = carrier.origin(id)
    assert origin is not None, "a session that is exported has a log"
    before = None if first == 1 else store.version(id, first - 1)
    return Content(
        session=id,
        log=origin.log,
        salt=origin.salt.hex(),
        first=first,
        last=last,
        prev=None if before is None else before.commit,
        head=carrier.commit_at(id, last),
        live=() if before is None else tuple(before.parts),
    )


def _export(
    store: EventStore, wanted: Wanted, target: Target, options: ExportOptions
) -> ExportReport:
    """Export as the command line asks."""
    return export_bundle(store, wanted, target, since=options.since, progress=options.progress)


EXPORTS = (Export("bundle", "one file with all history, to be imported by another store", _export),)
