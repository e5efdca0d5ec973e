"""The verdict on one log: what an examination found, as a person and a program read it."""

from __future__ import annotations

import errno
import shlex
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from eventstore.errors import BackendError, EventStoreError
from eventstore.examination import Examination, Region
from eventstore.log_tail import Evidence
from eventstore.ranges import Ranges

SOUND, TORN, REPAIRED = "sound", "torn", "repaired"
DAMAGED, MISSING, UNREADABLE = "damaged", "missing", "unreadable"

# What stands in the place of the log is no file.
_NO_FILE = {errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.ENXIO, None}


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was found: its kind for programs, its text for people.

    `versions` are runs of version numbers, `part` is the part they are about, or None for all;
    `start` and `stop` are offsets in the log, -1 where they do not apply.
    """

    kind: str
    text: str
    versions: tuple[tuple[int, int], ...] = ()
    part: str | None = None
    start: int = -1
    stop: int = -1


@dataclass(frozen=True, slots=True)
class LogReport:
    """What was found in the log of one session.

    `state` is `sound`, `torn` (a crash left bytes at the end that nobody was promised), `repaired`
    (what is lost is told of in the log), `damaged`, `missing`, or `unreadable` (could not look).
    `newest` is the newest version there, `versions` how many are sound, `size` the bytes read.
    """

    session: str
    state: str
    newest: int
    versions: int
    size: int
    findings: tuple[Finding, ...] = ()
    next: str | None = None

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong that is not known already."""
        return self.state in (SOUND, TORN, REPAIRED)

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON has it."""
        return asdict(self)


def judge(found: Examination, evidence: Evidence) -> LogReport:
    """Return the verdict on a log, given what the index remembers of it."""
    findings = [*_on_identity(found), *_on_regions(found, evidence), *_on_end(found, evidence)]
    findings += _on_states(found)
    if found.untold:
        findings.append(_untold(found.untold))
    known = found.given_up or found.broken or found.told_states
    state = DAMAGED if findings else REPAIRED if known else SOUND
    torn = torn_tail(found, evidence)
    if torn is not None:
        size = torn.stop - torn.start
        text = f"{size} bytes behind version {found.newest} are what a crash left; not a save"
        findings.append(Finding("torn", text, start=torn.start, stop=torn.stop))
        state = TORN if state == SOUND else state
    command = None
    if state in (DAMAGED, TORN):
        command = f"eventstore repair {shlex.quote(found.session)}"
    return LogReport(
        found.session, state, found.newest, found.versions, found.size, tuple(findings), command
    )


def torn_tail(found: Examination, evidence: Evidence) -> Region | None:
    """Return the bytes at the end that a crash left there, if there are any."""
    if not found.regions:
        return None
    last = found.regions[-1]
    at_end = last.stop == found.size and found.foreign is None
    if not at_end or found.ambiguous:
        return None
    promised = settled(found, evidence) > last.start or evidence.version >= last.first
    return None if promised else last


def settled(found: Examination, evidence: Evidence) -> int:
    """Return up to which offset the index knows a log to have been durable.

    Nothing of that is left to know where the log has the version that the index knows: a log that
    was compacted is shorter.
    """
    return 0 if evidence.version and found.watched == evidence.commit else evidence.settled


def lost_at_end(found: Examination, evidence: Evidence) -> Ranges:
    """Return the versions that are missing at the end of a log, as far as anybody knows."""
    newest = max([found.newest, *(gap.last for gap in found.gaps)])
    tail = found.regions[-1] if found.regions else None
    ends_damaged = tail is not None and tail.stop == found.size
    last = max(evidence.version, tail.last if tail and ends_damaged else 0)
    if torn_tail(found, evidence) is not None:
        return Ranges()
    if last <= newest and settled(found, evidence) > found.size:
        last = newest + 1
    return Ranges.of([(newest + 1, last)] if last > newest else [])


def _on_identity(found: Examination) -> Iterator[Finding]:
    """Yield what is wrong with whose log it is."""
    if found.foreign is not None:
        text = f"the file holds the log of session {found.foreign!r}: it was swapped or renamed"
        yield Finding("foreign", text)


def _on_regions(found: Examination, evidence: Evidence) -> Iterator[Finding]:
    """Yield the damaged places before the end."""
    torn = torn_tail(found, evidence)
    for region in found.regions:
        if region is torn or found.foreign is not None:
            continue
        lost = Ranges.of([(region.first, region.last)] if region.first <= region.last else [])
        if region.stop == found.size:
            lost = lost_at_end(found, evidence)
        what = f"; version {lost} is lost" if len(lost) == 1 else f"; versions {lost} are lost"
        text = f"bytes {region.start} to {region.stop}: {region.reason}{what if lost else ''}"
        if region.stop == found.size and found.ambiguous:
            text += " (or the one before it is forged: nothing here says which)"
        yield Finding("bytes", text, tuple(lost), start=region.start, stop=region.stop)


def _on_end(found: Examination, evidence: Evidence) -> Iterator[Finding]:
    """Yield where log and index contradict each other."""
    ends_damaged = bool(found.regions) and found.regions[-1].stop == found.size
    if found.foreign is not None:
        return
    lost = Ranges() if ends_damaged else lost_at_end(found, evidence)
    if lost:
        said = f"version {evidence.version}" if evidence.version else f"{evidence.settled} bytes"
        text = (
            f"the log ends after version {found.newest}, but the index knows of {said}: "
            f"it was cut, or an older copy was put in its place"
        )
        yield Finding("short", text, tuple(lost), start=found.size)
    elif found.watched is not None and found.watched != evidence.commit and evidence.commit:
        text = (
            f"the index knows version {evidence.version} as another commit "
            f"({evidence.commit[:16]}…) than the log has ({found.watched[:16]}…)"
        )
        yield Finding("index", text, ((evidence.version, evidence.version),))


def _on_states(found: Examination) -> Iterator[Finding]:
    """Yield the states that cannot be rebuilt, part by part."""
    for part, broken in found.untold_states.items():
        runs = found.unreadable.get(part, broken)
        reasons = [text for (name, _), text in found.failed.items() if name == part]
        why = reasons[0] if reasons else "it was stored as changes to what is lost"
        noun = "version" if len(runs) == 1 else "versions"
        yield Finding("state", f"part {part} of {noun} {runs}: {why}", tuple(runs), part)
    direct = {p: r for p, r in found.unreadable.items() if p not in found.broken}
    for part, runs in direct.items():
        if found.regions:
            text = f"part {part} of versions {runs}: its state was in what is lost"
            yield Finding("state", text, tuple(runs), part)


def _untold(lost: Ranges) -> Finding:
    """Return what a repair left undone."""
    text = f"versions {lost} were given up by a repair that did not finish"
    return Finding("untold", text, tuple(lost))


def missing(session: str, evidence: Evidence) -> LogReport:
    """Return the verdict on a log that is not there."""
    text = f"there is no log, but the index knows of version {evidence.version}"
    finding = Finding("missing", text, ((1, evidence.version),) if evidence.version else ())
    command = f"eventstore repair {shlex.quote(session)}"
    return LogReport(session, MISSING, 0, 0, 0, (finding,), command)


def unreadable(session: str, error: EventStoreError) -> LogReport:
    """Return the verdict on a log that cannot be looked at, or in whose place is something else."""
    cause = error.__cause__
    quoted = shlex.quote(session)
    if isinstance(error, BackendError) and getattr(cause, "errno", 0) in _NO_FILE:
        finding = Finding("no-file", f"{error.message}; {error.hint or 'it is no file'}")
        return LogReport(session, DAMAGED, 0, 0, 0, (finding,), f"eventstore repair {quoted}")
    text = error.message if error.hint is None else f"{error.message}; {error.hint}"
    finding = Finding("unreadable", text)
    return LogReport(session, UNREADABLE, 0, 0, 0, (finding,), f"eventstore verify {quoted}")


def unlisted(report: LogReport) -> LogReport:
    """Return the verdict on a log that the index does not know."""
    finding = Finding("index", "the index does not know the session")
    return LogReport(
        report.session,
        DAMAGED,
        report.newest,
        report.versions,
        report.size,
        (*report.findings, finding),
        "eventstore repair",
    )
