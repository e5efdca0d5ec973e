"""The command `eventstore`: the group that all commands hang from."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

import click

from eventstore.cli.backup import backup
from eventstore.cli.branch import fork, restore, tree
from eventstore.cli.change import rm, undelete
from eventstore.cli.compact import compact
from eventstore.cli.compare import diff
from eventstore.cli.demo import demo
from eventstore.cli.exchange import export, import_
from eventstore.cli.history import cat, log
from eventstore.cli.listing import ls, stats
from eventstore.cli.replay import replay
from eventstore.cli.run import App, example, store_option
from eventstore.cli.search import search
from eventstore.cli.show import show
from eventstore.cli.sync import pull, push
from eventstore.cli.tail import tail
from eventstore.cli.upkeep import repair, verify


def _version(ctx: click.Context, _: click.Parameter, wanted: bool) -> None:
    """Print the version of the package and exit."""
    if not wanted or ctx.resilient_parsing:
        return
    try:
        click.echo(f"eventstore {version('session-eventstore')}")
    except PackageNotFoundError:
        click.echo("eventstore (not installed)")
    ctx.exit()


@click.group(
    "eventstore",
    cls=App,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=example(
        "eventstore demo",
        "eventstore -s sessions/ import ~/.claude/projects",
        "eventstore -s sessions/ ls",
    ),
)
@store_option(env=True)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_version,
    help="Print the version and exit.",
)
def app() -> None:
    """The flight recorder for AI-agent sessions.

    Every save of a session is kept, addressed and chained. A version of a session is written
    ID@17, ID@-1 (the one before the newest), ID@b3:9f2c… (by address or commit id),
    ID@2026-01-31T10:00 or "ID@2 hours ago" (the newest saved by then); ID alone is the newest.
    An ID that begins with - goes after --.

    Exit codes: 0 done; 1 not found, or not all of it could be done; 2 not understood, or the
    store could not be looked at; 130 interrupted.
    """


COMMANDS = (
    *(demo, import_, export, push, pull),
    *(
        ls,
        show,
        log,
        diff,
        replay,
        cat,
        rm,
        undelete,
        restore,
        fork,
        tree,
        tail,
        search,
        compact,
        stats,
    ),
    *(verify, repair, backup),
)

for command in COMMANDS:
    app.add_command(command)
