"""Export as events: what happened in sessions, one event per line, its values as they were spelled.

A line says what `eventstore replay --json` prints of the event.
"""

from __future__ import annotations

import json
from typing import Any

from eventstore.errors import CorruptError
from eventstore.events import Event
from eventstore.interchange.chosen import Wanted, readable
from eventstore.interchange.exports import Export, ExportOptions
from eventstore.interchange.outfile import Target, name_of, writing
from eventstore.interchange.report import ExportReport
from eventstore.interchange.sink import Progress
from eventstore.patch import pointer
from eventstore.store import EventStore


def export_events(
    store: EventStore, wanted: Wanted, target: Target, *, progress: Progress | None = None
) -> ExportReport:
    """Write all that happened in sessions, from the first version to the one that is wanted.

    Deleted sessions are written if they are named. Of one that is damaged, what happened before the
    damage is written, and it is reported. *progress* counts versions.
    """
    report = ExportReport(name_of(target), files=1)
    ends = readable(store, wanted, report)
    done, total = 0, sum(end.version for end in ends.values())
    with writing(target) as file:
        for id, end in ends.items():
            try:
                for event in store.replay(id, None, end.version):
                    line = event_line(event)
                    file.write(line)
                    report.size += len(line)
                    if progress is not None:
                        progress(id, done + event.version, total)
                report.sessions.append(id)
            except CorruptError as error:
                report.problem(id, error)
            done += end.version
    return report


def event_line(event: Event) -> bytes:
    """Return an event as one JSON document on a line."""
    record: dict[str, Any] = {
        "session": event.session,
        "version": event.version,
        "time": event.time,
        "at": event.at.isoformat(),
        "actor": event.actor,
        "kind": event.kind,
        "part": event.part,
        "path": pointer(event.path),
        "index": event.index,
        "run": event.run,
    }
    text = json.dumps(record, separators=(",", ":"))[:-1].encode()
    for name, value in (("before", event.before), ("after", event.after)):
        text += b"" if value is None else f',"{name}":{value}'.encode()
    return text + b"}\n"


def _export(
    store: EventStore, wanted: Wanted, target: Target, options: ExportOptions
) -> ExportReport:
    """Export as the command line asks."""
    return export_events(store, wanted, target, progress=options.progress)


EXPORTS = (Export("events", "all that happened, one event per line", _export),)
