"""One run of the command: its store, how errors become messages, what the exit codes mean."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click

from eventstore.cli.output import remark
from eventstore.cli.words import clean
from eventstore.errors import EventStoreError, InvalidInputError
from eventstore.store import Durability, EventStore

FAILED = 1
"""Exit code: what was asked for was not found, or not all of it could be done."""
USAGE = 2
"""Exit code: the command was not understood, or the store could not be looked at."""
INTERRUPTED = 130
"""Exit code: Ctrl-C, as shells report it."""

Command = Callable[..., None]


@dataclass
class Run:
    """One run of the command: the store it was pointed at, and the exit code so far."""

    location: str | None = None
    code: int = 0

    def fail(self, text: str) -> None:
        """Tell what failed and go on; the run will exit with `FAILED`."""
        remark(text)
        self.code = FAILED

    @contextmanager
    def store(
        self,
        *,
        create: bool = False,
        dry_run: bool = False,
        durability: Durability = "sync",
        search: bool = False,
    ) -> Iterator[EventStore]:
        """Open the store for the duration of a command; only *create* may make a new one.

        With *dry_run* a store that is not there is stood in for by an empty one in memory.
        """
        if not self.location:
            message = "which store? say --store PATH_OR_URL or set EVENTSTORE_STORE"
            raise click.UsageError(message, click.get_current_context())
        location = self.location
        if dry_run and "://" not in location and not Path(location).exists():
            location = "memory://"
        create = create and not dry_run
        with open_store(location, create=create, durability=durability, search=search) as store:
            yield store


@contextmanager
def open_store(
    location: str, *, create: bool, durability: Durability = "sync", search: bool = False
) -> Iterator[EventStore]:
    """Open a store; a store that cannot be opened exits with `USAGE`."""
    try:
        store = EventStore.open(location, durability=durability, create=create, search=search)
    except EventStoreError as error:
        raise ExitError(USAGE, clean(str(error))) from error
    with store:
        yield store


class ExitError(Exception):
    """End the run with an exit code, and a message unless there is nothing to say."""

    def __init__(self, code: int, text: str = "") -> None:
        """Take the code to exit with and the message for standard error."""
        super().__init__(text)
        self.code = code
        self.text = text


class App(click.Group):
    """A group that answers every failure with one line and the right exit code."""

    def main(
        self, args: Sequence[str] | None = None, prog_name: str | None = None, *_: Any, **extra: Any
    ) -> Any:
        """Run the command line and exit."""
        run = Run()
        extra["standalone_mode"] = False
        extra["obj"] = run
        try:
            code = super().main(args, prog_name, **extra)
        except click.UsageError as error:
            code = _show_usage_error(error)
        except click.ClickException as error:
            remark(error.format_message())
            code = FAILED
        except ExitError as stop:
            if stop.text:
                remark(stop.text)
            code = stop.code
        sys.exit(code if isinstance(code, int) and code else run.code)

    def list_commands(self, ctx: click.Context) -> list[str]:
        """List the commands in the order they were added, which is that of a first visit."""
        return list(self.commands)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the chosen command; turn what stops it into `ExitError`."""
        try:
            super().invoke(ctx)
            sys.stdout.flush()
        except (KeyboardInterrupt, click.Abort) as error:
            raise _interrupted() from error
        except EventStoreError as error:
            code = USAGE if isinstance(error, InvalidInputError) else FAILED
            raise ExitError(code, clean(str(error))) from error
        except OSError as error:
            raise _output_failed(error, ctx.find_object(Run) or Run()) from error


def _show_usage_error(error: click.UsageError) -> int:
    """Print the help where nothing was asked, else one line that says what to type."""
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        error.show()
    else:
        path = error.ctx.command_path if error.ctx else "eventstore"
        message = " ".join(error.format_message().split())
        remark(f"{message.rstrip('.')} (see: {path} --help)")
    return USAGE


def _interrupted() -> ExitError:
    """Say that the person stopped the command."""
    click.echo("interrupted", err=True)
    return ExitError(INTERRUPTED)


def _output_failed(error: OSError, run: Run) -> ExitError:
    """Let a reader that went away end the command in silence; name any other failure."""
    # What is still buffered has nowhere to go; the interpreter would complain at its exit.
    sys.stdout = io.StringIO()
    if isinstance(error, BrokenPipeError):
        return ExitError(run.code)
    where = f" ({error.filename})" if error.filename else ""
    return ExitError(FAILED, f"{error.strerror or error}{where}")


def _set_store(ctx: click.Context, _: click.Parameter, location: str | None) -> None:
    """Remember the store; the one said last, after the command, counts."""
    if location:
        ctx.ensure_object(Run).location = location


def store_option(*, env: bool = False) -> Callable[[Command], Command]:
    """Declare `--store`; with *env* the environment may say it too."""
    return click.option(
        "-s",
        "--store",
        metavar="PATH_OR_URL",
        envvar="EVENTSTORE_STORE" if env else None,
        show_envvar=env,
        expose_value=False,
        callback=_set_store,
        help="The store: a directory or a URL.",
    )


def example(*lines: str) -> str:
    """Return the end of a help text: an example that no terminal width reflows."""
    return "\n".join(("\b", "Example:", *(f"  {line}" for line in lines)))


json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
part_option = click.option(
    "--part", default="session", show_default=True, metavar="NAME", help="The part of the session."
)
