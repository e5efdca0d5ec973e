"""The commands that delete and bring back: `rm`, `undelete`. Both leave a commit."""

from __future__ import annotations

import getpass

import click

from eventstore.cli import words
from eventstore.cli.output import print_record
from eventstore.cli.run import Command, Run, example, json_option, store_option


def _default_actor() -> str | None:
    """Return the login name, where there is one."""
    try:
        return getpass.getuser()
    except (KeyError, OSError, ImportError):
        return None


def why(command: Command) -> Command:
    """Declare the options that say who changes something, and why."""
    command = click.option("--note", metavar="TEXT", help="Why; kept in the log.")(command)
    return click.option(
        "--actor",
        metavar="NAME",
        envvar="EVENTSTORE_ACTOR",
        show_envvar=True,
        default=_default_actor,
        show_default="your login name",
        help="Who; kept in the log.",
    )(command)


@click.command(
    short_help="Delete sessions; their history stays.",
    epilog=example('eventstore -s sessions/ rm fix-login --note "merged"'),
)
@store_option()
@click.argument("sessions", metavar="ID...", nargs=-1, required=True)
@why
@json_option
@click.pass_obj
def rm(
    run: Run, sessions: tuple[str, ...], actor: str | None, note: str | None, as_json: bool
) -> None:
    """Delete sessions: they are no longer listed or loaded, and `undelete` brings them back.

    Nothing is destroyed; every earlier version can still be named and read.
    """
    deleted, missing = [], []
    with run.store() as store:
        for session in sessions:
            if store.delete(session, actor=actor, note=note):
                deleted.append(session)
                _tell(as_json, f"deleted {words.shown_id(session)}")
            else:
                missing.append(session)
                run.fail(f"no session {words.shown_id(session)} in this store")
    if as_json:
        print_record({"deleted": deleted, "missing": missing})


@click.command(
    short_help="Bring deleted sessions back.",
    epilog=example("eventstore -s sessions/ undelete fix-login"),
)
@store_option()
@click.argument("sessions", metavar="ID...", nargs=-1, required=True)
@why
@json_option
@click.pass_obj
def undelete(
    run: Run, sessions: tuple[str, ...], actor: str | None, note: str | None, as_json: bool
) -> None:
    """Bring deleted sessions back as they were; a session that is not deleted stays as it is."""
    undeleted, missing = [], []
    with run.store() as store:
        for session in sessions:
            if store.version(session) is None:
                missing.append(session)
                run.fail(f"no session {words.shown_id(session)} in this store")
                continue
            version = store.undelete(session, actor=actor, note=note)
            undeleted.append({"session": session, "version": version.version})
            _tell(as_json, f"{words.shown_id(session)} is at version {version.version}")
    if as_json:
        print_record({"undeleted": undeleted, "missing": missing})


def _tell(as_json: bool, text: str) -> None:
    """Print what was done as soon as it is, for people; programs get it at the end."""
    if not as_json:
        click.echo(text)
