"""Export as JSON: one state exactly, or all versions of sessions line by line.

A line is an object that says what the commit says and holds the states that it set, each byte
for byte:

    {"eventstore":1,"session":…,"version":…,"commit":…,"prev":…,"kind":…,"time":…,"states":{…}}
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from eventstore.at import At
from eventstore.commit import SESSION, Version
from eventstore.errors import ErasedError, InvalidInputError
from eventstore.interchange.chosen import Wanted, chosen, version_of
from eventstore.interchange.exports import Export, ExportOptions
from eventstore.interchange.history_format import MARK, VERSION
from eventstore.interchange.line_export import export_lines
from eventstore.interchange.outfile import Target, name_of, writing
from eventstore.interchange.report import ExportReport, Remark
from eventstore.interchange.sink import Progress
from eventstore.store import EventStore


def export_json(
    store: EventStore, id: str, target: Target, *, at: At | None = None, part: str = SESSION
) -> ExportReport:
    """Write the exact bytes of one state, nothing before or behind them."""
    state = store.load_bytes(id, part, at=version_of(store, id, at))
    if state is None:
        raise InvalidInputError(f"has no part {part!r}, or is deleted", session=id)
    report = ExportReport(name_of(target), [id], files=1, size=len(state))
    with writing(target) as file:
        file.write(state)
    return report


def export_history(
    store: EventStore, wanted: Wanted, target: Target, *, progress: Progress | None = None
) -> ExportReport:
    """Write all versions of sessions, the oldest first; see `export_lines`."""

    def lines_of(id: str, end: Version, report: ExportReport) -> Iterator[tuple[int, bytes]]:
        """Yield a line for each version."""
        for number in range(1, end.version + 1):
            yield number, _line(store, version_of(store, id, number), report)

    return export_lines(store, wanted, target, lines_of, progress=progress)


def _line(store: EventStore, version: Version, report: ExportReport) -> bytes:
    """Return the line of one version."""
    said = {
        MARK: VERSION,
        "session": version.session,
        "version": version.version,
        "commit": version.commit,
        "prev": version.prev,
        "kind": version.kind,
        "time": version.time,
        "actor": version.actor,
        "note": version.note,
        "key": version.key,
    }
    states: list[bytes] = []
    for name in [name for name, part in version.parts.items() if part.changed]:
        try:
            state = store.load_bytes(version.session, name, at=version)
        except ErasedError:
            said["dropped"] = [*said.get("dropped", []), name]  # type: ignore[misc]
            reason = f"part {name!r} of version {version.version} was dropped; left out"
            report.notes.append(Remark(version.session, reason, "warning"))
        else:
            assert state is not None, "a part that a version has set is there"
            states.append(_text(name) + b":" + state)
    known = {name: value for name, value in said.items() if value is not None or name == "prev"}
    head = _text(known)[:-1]
    return b"".join((head, b',"states":{', b",".join(states), b"}}\n"))


def _text(value: object) -> bytes:
    """Return a value in one line of JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _export_json(
    store: EventStore, wanted: Wanted, target: Target, options: ExportOptions
) -> ExportReport:
    """Export the one session that is wanted."""
    versions = chosen(store, wanted)
    if len(versions) != 1:
        raise InvalidInputError(f"takes one session, not {len(versions)}", field="json")
    ((id, at),) = versions.items()
    return export_json(store, id, target, at=at, part=options.part)


def _export_history(
    store: EventStore, wanted: Wanted, target: Target, options: ExportOptions
) -> ExportReport:
    """Export as the command line asks."""
    return export_history(store, wanted, target, progress=options.progress)


EXPORTS = (
    Export("json", "the exact bytes of one state", _export_json),
    Export("jsonl", "all versions, one per line", _export_history),
)
