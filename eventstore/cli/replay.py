"""The command `replay`: a session played in the terminal as it happened."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Iterator
from itertools import groupby
from typing import Any

import click
from rich.text import Text

from eventstore.cli import words
from eventstore.cli.find import find_version
from eventstore.cli.happenings import event_line, print_event, print_lines
from eventstore.cli.run import Run, example, json_option, store_option
from eventstore.commit import instant
from eventstore.events import Event

_WAIT_MAX = 5.0
"""Seconds that a replay waits at most for the next version, however long it took."""

_SPEED = re.compile(r"([0-9]+(?:\.[0-9]+)?)x?\Z")


class Speed(click.ParamType[float]):
    """How many times faster than it happened: `10x`."""

    name = "speed"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        """Return the factor."""
        match = _SPEED.match(str(value))
        factor = float(match[1]) if match else 0.0
        if not factor:
            self.fail(f"{value!r} is not a speed such as 10x", param, ctx)
        return factor


@click.command(
    short_help="Play a session as it happened, event by event.",
    epilog=example(
        "eventstore -s sessions/ replay fix-login",
        "eventstore -s sessions/ replay fix-login --start 12 --stop 17 --speed 1000x",
    ),
)
@store_option()
@click.argument("session", metavar="ID[@V]")
@click.option("--start", metavar="V", help="Begin at this version.")
@click.option("--stop", metavar="V", help="End with this version; ID@V says the same.")
@click.option("--speed", type=Speed(), metavar="10x", help="Wait between versions, so much faster.")
@click.option("--step", is_flag=True, help="Wait for a key before each version.")
@json_option
@click.pass_obj
def replay(
    run: Run,
    *,
    session: str,
    start: str | None,
    stop: str | None,
    speed: float | None,
    step: bool,
    as_json: bool,
) -> None:
    """Play a session event by event: messages, fields, tasks, run events, deletes, in their order.

    Without --speed or --step nothing is waited for. No wait is longer than five seconds. With
    --json: one JSON document an event, with the exact texts before and after it.
    """
    if step and not _is_terminal():
        raise click.UsageError("--step needs a terminal to read keys from")
    with run.store() as store:
        last = find_version(store, session)
        events = store.replay(last.session, start, last if stop is None else stop)
        before: int | None = None
        for (version, moment), happened in groupby(events, key=lambda e: (e.version, e.time)):
            if before is not None:
                _wait(moment - before, speed, step)
            before = moment
            if as_json:
                for event in happened:
                    print_event(event)
            else:
                print_lines(_lines(version, happened))
                sys.stdout.flush()


def _lines(version: int, events: Iterator[Event]) -> Iterator[Text]:
    """Yield what happened at a version, under a heading."""
    for place, event in enumerate(events):
        if not place:
            actor = f", {words.clean(event.actor)}" if event.actor else ""
            heading = f"version {version}, {words.iso(instant(event.time))}{actor}"
            yield Text(heading, "bold cyan")
        yield Text("  ").append_text(event_line(event))


def _is_terminal() -> bool:
    """Whether there are keys to read."""
    return sys.stdin.isatty()


def _wait(nanoseconds: int, speed: float | None, step: bool) -> None:
    """Wait for a key, or as long as it took, so much faster."""
    if step:
        click.pause("", err=True)
    elif speed is not None:
        time.sleep(min(_WAIT_MAX, max(0.0, nanoseconds / 10**9 / speed)))
