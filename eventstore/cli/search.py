"""The command `search`: where something was said."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import click

from eventstore.cli import words
from eventstore.cli.output import print_record
from eventstore.cli.run import Run, example, json_option, store_option
from eventstore.cli.selectors import parse_at
from eventstore.search_query import LIMIT_MAX, Hit


class Moment(click.ParamType[datetime]):
    """A time as `ID@…` takes it."""

    name = "time"

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> datetime:
        """Return the moment that ISO 8601 text names."""
        moment = value if isinstance(value, datetime) else parse_at(value)
        if not isinstance(moment, datetime):
            self.fail(f"{value!r} is not a time such as 2026-01-31T10:00", param, ctx)
        return moment


@click.command(
    short_help="Find what was said.",
    epilog=example("eventstore -s sessions/ search 'turn 7' --role user"),
)
@store_option()
@click.argument("query", metavar="WORDS...", nargs=-1, required=True)
@click.option("--role", metavar="ROLE", help="Only what a role said, such as user.")
@click.option("--tool", metavar="NAME", help="Only calls of a tool, and what it gave back.")
@click.option("--session", metavar="ID", help="Only one session.")
@click.option("--since", type=Moment(), help="Only what was saved since.")
@click.option("--until", type=Moment(), help="Only what was saved by then.")
@click.option("--all-versions", is_flag=True, help="What was ever said, not only what still is.")
@click.option(
    "--limit",
    type=click.IntRange(1, LIMIT_MAX),
    default=20,
    show_default=True,
    metavar="N",
    help="The best N hits.",
)
@json_option
@click.pass_obj
def search(run: Run, /, *, query: tuple[str, ...], as_json: bool, **asked: Any) -> None:
    """Find messages and tool calls that say all the words, the best first.

    "A phrase" stands in double quotes, begin* is how a word begins; nothing else means anything.
    The first search takes in the whole store. With --json: one JSON document a line.
    """
    hits = 0
    with run.store(search=True) as store:
        for hit in store.search(" ".join(query), **asked):
            hits += 1
            if as_json:
                print_record(_record(hit))
            else:
                _print(hit)
    if not hits:
        run.fail("nothing says that")


def _record(hit: Hit) -> dict[str, Any]:
    """Return what `--json` prints of a hit."""
    names = "session version first message role tool saved_at snippet marks"
    return {name: getattr(hit, name) for name in names.split()}


def _print(hit: Hit) -> None:
    """Print a hit for people: where it is, and what is said there."""
    since = "" if hit.first in (None, hit.version) else f" (since {hit.first})"
    tool = f" {words.clean(hit.tool)}" if hit.tool else ""
    where = click.style(f"{words.shown_id(hit.session)}@{hit.version}", fg="cyan")
    click.echo(f"{where}{since} message {hit.message}, {words.clean(hit.role)}{tool}")
    shown, end = "", 0
    for start, stop in hit.marks:
        shown += _line(hit.snippet[end:start])
        shown += click.style(_line(hit.snippet[start:stop]), bold=True)
        end = stop
    click.echo(f"  {shown}{_line(hit.snippet[end:])}")


def _line(text: str) -> str:
    """Return text on one line, with nothing that a terminal would obey."""
    return words.clean(" ".join(text.splitlines()))
