"""The commands that keep a store in good order: `verify`, `repair`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import timedelta

import click

from eventstore.cli import words
from eventstore.cli.change import why
from eventstore.cli.output import print_record, progress, remark
from eventstore.cli.run import (
    FAILED,
    INTERRUPTED,
    USAGE,
    ExitError,
    Run,
    example,
    json_option,
    store_option,
)
from eventstore.errors import EventStoreError
from eventstore.ranges import Ranges
from eventstore.repaired import RepairedFormat, RepairedLog, RepairReport
from eventstore.store import EventStore
from eventstore.verdict import DAMAGED, MISSING, SOUND, UNREADABLE, LogReport
from eventstore.verify import VerifyReport

_AGE = re.compile(r"([0-9]{1,6})(s|m|h|d|w)\Z")
_PERCENT = re.compile(r"([0-9]{1,3}(?:\.[0-9]{1,6})?)%\Z")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


class Age(click.ParamType[timedelta]):
    """A span of time such as 30d."""

    name = "age"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> timedelta:
        """Return the span that a text means."""
        if isinstance(value, timedelta):
            return value
        match = _AGE.match(str(value))
        if match is None:
            self.fail("write a number and s, m, h, d or w, such as 30d", param, ctx)
        return timedelta(**{_UNITS[match[2]]: int(match[1])})


class Percent(click.ParamType[float]):
    """A part of a whole, such as 5%."""

    name = "percent"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the part that a text means."""
        if isinstance(value, float):
            return value
        match = _PERCENT.match(str(value))
        share = float(match[1]) / 100 if match else 0
        if not 0 < share <= 1:
            self.fail("write a percentage, such as 5%", param, ctx)
        return share


@click.command(
    short_help="Check that sessions are sound.",
    epilog=example(
        "eventstore -s sessions/ verify",
        "eventstore -s sessions/ verify --deep --older-than 30d --sample 5%",
    ),
)
@store_option()
@click.argument("sessions", metavar="[ID]...", nargs=-1)
@click.option("--deep", is_flag=True, help="Rebuild and hash every state of every version too.")
@click.option(
    "--sample", type=Percent(), metavar="N%", help="Look at a part of them, the longest due first."
)
@click.option(
    "--older-than", type=Age(), metavar="AGE", help="Only those not found sound for so long: 30d."
)
@click.option("--resume", is_flag=True, help="Go on where an interrupted run stopped.")
@json_option
@click.pass_obj
def verify(
    run: Run,
    *,
    sessions: tuple[str, ...],
    deep: bool,
    sample: float | None,
    older_than: timedelta | None,
    resume: bool,
    as_json: bool,
) -> None:
    """Read logs from their first byte to their last, and say what is wrong and what to do.

    All sessions if none is named. Checked are the digest of every frame, the chain of commits,
    their commitments to states, and what the index knows. Nothing is changed. When a log was last
    found sound is remembered; `stats` shows the oldest.

    Exit codes: 0 all that was looked at is sound; 1 damage was found; 2 something could not be
    looked at.
    """
    with run.store() as store:
        report = _verified(
            store,
            sessions or None,
            {"deep": deep, "sample": sample, "older_than": older_than, "resume": resume},
        )
    run.code = report.exit_code
    if as_json:
        print_record(report.as_dict())
        return
    _tell(report)


def _verified(
    store: EventStore, sessions: tuple[str, ...] | None, options: dict[str, object]
) -> VerifyReport:
    """Verify, showing progress; a store that cannot be looked at exits with `USAGE`."""
    try:
        with progress("verifying") as drawn:
            return store.verify(sessions, progress=drawn, **options)  # type: ignore[arg-type]
    except KeyboardInterrupt:
        again = "eventstore verify --resume" + (" --deep" if options["deep"] else "")
        raise ExitError(INTERRUPTED, f"interrupted; next: {again}") from None
    except EventStoreError as error:
        raise ExitError(USAGE, words.clean(str(error))) from error


def _tell(report: VerifyReport) -> None:
    """Print what a person reads: each log that is not simply sound, and a summary."""
    for log in report.logs:
        for line in _log_lines(log):
            click.echo(line)
    for stray in report.strays:
        click.echo(f"stray: {words.clean(stray.text)}")
    if report.strays:
        click.echo("  next: eventstore repair")
    for name, value in _rows(report):
        click.echo(f"{name:<19} {value}")
    if report.index:
        remark(f"note: the index {report.index}; it is made anew from the logs by itself")


def _log_lines(log: LogReport) -> Iterator[str]:
    """Yield what is said of one log."""
    yield f"{words.shown_id(log.session)}: {log.state}"
    for finding in log.findings:
        yield f"  {words.clean(finding.text)}"
    if log.state not in ("missing", "unreadable"):
        yield f"  {words.plural(log.versions, 'version')} can be proven, up to {log.newest}"
    if log.next is not None:
        yield f"  next: {words.clean(log.next)}"


def _rows(report: VerifyReport) -> Iterator[tuple[str, str]]:
    """Yield the lines of the summary."""
    yield "sessions", words.number(report.sessions)
    yield "verified" + (" deeply" if report.deep else ""), words.number(report.checked)
    yield "versions", words.number(report.versions)
    yield "read", words.size(report.size)
    for state in sorted(report.states.keys() - {SOUND}):
        yield state, words.number(report.states[state])
    hurt = {0: "sound", 1: "damaged", 2: "could not be looked at"}
    yield "result", hurt[report.exit_code]


@click.command(
    short_help="Repair damaged sessions.",
    epilog=example(
        "eventstore -s sessions/ repair",
        "eventstore -s sessions/ repair --apply",
    ),
)
@store_option()
@click.argument("sessions", metavar="[ID]...", nargs=-1)
@click.option("--apply", is_flag=True, help="Do it; without this, only say what would be done.")
@why
@json_option
@click.pass_obj
def repair(
    run: Run,
    *,
    sessions: tuple[str, ...],
    apply: bool,
    actor: str | None,
    note: str | None,
    as_json: bool,
) -> None:
    """Say how damaged sessions would be repaired, or with --apply repair them.

    All sessions if none is named. Every version that still proves itself keeps its number, its
    commit and its address; what is lost is said in a commit of the log. The originals are kept in
    lost+found/. What crashes left at the ends of logs goes there too.

    A store that does not open because its format.json is missing, empty or damaged gets a new one,
    if there are logs in it.

    Exits 1 if something is damaged and was not repaired.
    """
    mended = EventStore.repair_format(run.location, apply=apply) if run.location else None
    if mended is not None and not apply:
        run.code = FAILED  # Nothing else can be looked at before.
        _tell_repair(RepairReport((), applied=False), mended, as_json=as_json)
        return
    with run.store() as store, progress("repairing") as drawn:
        report = store.repair(sessions or None, apply=apply, actor=actor, note=note, progress=drawn)
    if any(log.error or log.after in (DAMAGED, MISSING, UNREADABLE) for log in report.logs):
        run.code = FAILED
    _tell_repair(report, mended, as_json=as_json)


def _tell_repair(report: RepairReport, mended: RepairedFormat | None, *, as_json: bool) -> None:
    """Print what was done, or would be."""
    if as_json:
        about = {} if mended is None else {"format": mended.as_dict()}
        print_record(report.as_dict() | about)
        return
    for line in () if mended is None else _format_lines(mended):
        click.echo(line)
    for log in report.hurt:
        for line in _repair_lines(log, applied=report.applied):
            click.echo(line)
    if mended is None or mended.applied:
        looked = words.plural(len(report.logs), "session")
        click.echo(f"{looked} looked at, {len(report.hurt)} to repair")
    if report.index:
        remark(f"note: the index {report.index}; it is made anew from the logs by itself")
    if (report.hurt or mended is not None) and not report.applied:
        click.echo("nothing was changed; next: eventstore repair --apply")


def _format_lines(found: RepairedFormat) -> Iterator[str]:
    """Yield what is said of a store's `format.json`."""
    yield f"format.json {found.wrong}"
    whose = f"the store's own id, found in {found.source}" if found.source else "a new id"
    yield f"  it {'is' if found.applied else 'would be'} written anew with {whose}"
    if not found.source:
        yield "  cursors of watches begin anew; sessions and versions stay as they are"
    if found.kept:
        yield f"  the original is kept in {found.kept}"


def _repair_lines(log: RepairedLog, *, applied: bool) -> Iterator[str]:
    """Yield what is said of one log."""
    became = f", now {log.after}" if applied else ""
    yield f"{words.shown_id(log.session)}: {log.before}{became}"
    for step in log.done:
        yield f"  {words.clean(step)}"
    for part, runs in log.states:
        yield f"  part {words.clean(part)} of versions {Ranges.of(runs)} cannot be rebuilt"
    if log.kept:
        yield f"  the original is kept in {log.kept}"
    if log.error:
        yield f"  not repaired: {words.clean(log.error)}"
    if log.next and (applied or log.error):
        yield f"  next: {words.clean(log.next.removeprefix('next: '))}"
