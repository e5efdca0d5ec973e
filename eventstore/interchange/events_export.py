"""Export as events: what happened in sessions, one event per line, its values as they were spelled.

A line says what `eventstore replay --json` prints of the event.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from eventstore.commit import Version
from eventstore.events import Event
from eventstore.interchange.chosen import Wanted
from eventstore.interchange.exports import Export, ExportOptions
from eventstore.interchange.line_export import export_lines
from eventstore.interchange.outfile import Target
from eventstore.interchange.report import ExportReport
from eventstore.interchange.sink import Progress
from eventstore.patch import pointer
from eventstore.store import EventStore


def export_events(
    store: EventStore, wanted: Wanted, target: Target, *, progress: Progress | None = None
) -> ExportReport:
    """Write all that happened in sessions; see `export_lines`."""

    def lines_of(id: str, end: Version, _: ExportReport) -> Iterator[tuple[int, bytes]]:
        """Yield a line for each event."""
        for event in store.replay(id, None, end.version):
            yield event.version, event_line(event)

    return export_lines(store, wanted, target, lines_of, progress=progress)


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
