"""Export line by line: the loop over sessions that every format of lines goes through."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from eventstore.commit import Version
from eventstore.errors import CorruptError
from eventstore.interchange.chosen import Wanted, readable
from eventstore.interchange.outfile import Target, name_of, writing
from eventstore.interchange.report import ExportReport
from eventstore.interchange.sink import Progress
from eventstore.store import EventStore

LinesOf = Callable[[str, Version, ExportReport], Iterator[tuple[int, bytes]]]
"""Yields the lines of a session up to a version, each with the number of the version it is of."""


def export_lines(
    store: EventStore,
    wanted: Wanted,
    target: Target,
    lines_of: LinesOf,
    *,
    progress: Progress | None = None,
) -> ExportReport:
    """Write the lines of sessions, from the first version to the one that is wanted.

    Deleted sessions are written if they are named. Of one that is damaged, what is before the
    damage is written, and it is reported. *progress* counts versions.
    """
    report = ExportReport(name_of(target), files=1)
    ends = readable(store, wanted, report)
    done, total = 0, sum(end.version for end in ends.values())
    with writing(target) as file:
        for id, end in ends.items():
            try:
                for number, line in lines_of(id, end, report):
                    file.write(line)
                    report.size += len(line)
                    if progress is not None:
                        progress(id, done + number, total)
                report.sessions.append(id)
            except CorruptError as error:
                report.problem(id, error)
            done += end.version
    return report
