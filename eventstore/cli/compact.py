"""The command `compact`: the same history in fewer bytes, and less of it where asked for."""

from __future__ import annotations

from collections.abc import Iterator

import click

from eventstore.cli import words
from eventstore.cli.change import why
from eventstore.cli.output import print_record, progress
from eventstore.cli.run import Run, example, json_option, store_option
from eventstore.desk.compacts import CompactReport
from eventstore.thinning import Then


@click.command(
    short_help="Store the same history in fewer bytes.",
    epilog=example(
        "eventstore -s sessions/ compact --dry-run",
        "eventstore -s sessions/ compact fix-login",
        "eventstore -s sessions/ compact --keep-last 100 --keep-days 30 --then day",
    ),
)
@store_option()
@click.argument("sessions", metavar="[ID]...", nargs=-1)
@click.option("--dry-run", is_flag=True, help="Say what would be gained; write nothing.")
@click.option(
    "--keep-last", type=click.IntRange(1), metavar="N", help="Drop states; keep the last N."
)
@click.option(
    "--keep-days", type=click.IntRange(1), metavar="N", help="Drop states; keep those of N days."
)
@click.option(
    "--then",
    type=click.Choice(("hour", "day")),
    help="Drop states; of older ones keep the last of each hour or day.",
)
@why
@json_option
@click.pass_obj
def compact(
    run: Run,
    *,
    sessions: tuple[str, ...],
    dry_run: bool,
    keep_last: int | None,
    keep_days: int | None,
    then: Then | None,
    actor: str | None,
    note: str | None,
    as_json: bool,
) -> None:
    """Store the history of sessions, or of all, in fewer bytes. Others may use the store meanwhile.

    Every version stays and loads as before. Only with --keep-last, --keep-days or --then are old
    states dropped: what any of the three names is kept, and so is the newest state. Versions whose
    states are dropped stay in the log and say so when they are loaded.
    """
    with run.store() as store, progress("compacting") as drawn:
        report = store.compact(
            sessions or None,
            dry_run=dry_run,
            keep_last=keep_last,
            keep_days=keep_days,
            then=then,
            actor=actor,
            note=note,
            progress=drawn,
        )
    for log in report.logs:
        if log.error is not None:
            run.fail(words.clean(f"left alone: {log.error}"))
    if as_json:
        print_record(_record(report))
        return
    for name, value in _rows(report):
        click.echo(f"{name:<16} {value}")


def _rows(report: CompactReport) -> Iterator[tuple[str, str]]:
    """Yield the lines of the summary."""
    changed = sum(log.is_changed for log in report.logs)
    yield "sessions", words.number(len(report.logs))
    yield "would compact" if report.dry_run else "compacted", words.number(changed)
    yield "before", words.size(report.before)
    yield "after", words.size(report.after)
    if report.dropped:
        name = "would drop" if report.dry_run else "dropped"
        yield name, words.plural(report.dropped, "state")


def _record(report: CompactReport) -> dict[str, object]:
    """Return the report for programs."""
    logs = [
        {
            "session": log.session,
            "before": log.before,
            "after": log.after,
            "versions": log.versions,
            "dropped": log.dropped,
            "error": None if log.error is None else str(log.error),
        }
        for log in report.logs
    ]
    totals = {"before": report.before, "after": report.after, "dropped": report.dropped}
    return {"dry_run": report.dry_run, **totals, "logs": logs}
