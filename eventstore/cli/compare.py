"""The command `diff`: what lies between two versions."""

from __future__ import annotations

import json
from typing import Any

import click
from rich.text import Text

from eventstore.cli import words
from eventstore.cli.find import find_version
from eventstore.cli.happenings import event_line, event_lines, print_event, print_lines
from eventstore.cli.output import print_bytes, print_record
from eventstore.cli.run import FAILED, ExitError, Run, example, json_option, store_option
from eventstore.commit import SESSION, Version
from eventstore.difference import Difference, Divergence
from eventstore.events import Event
from eventstore.patch import pointer
from eventstore.store import EventStore


@click.command(
    short_help="Show what lies between two versions.",
    epilog=example(
        "eventstore -s sessions/ diff fix-login@12 fix-login@17",
        "eventstore -s sessions/ diff fix-login@12 fix-login@17 --first",
    ),
)
@store_option()
@click.argument("a", metavar="ID[@V]")
@click.argument("b", metavar="[ID[@V]]", required=False)
@click.option("--first", is_flag=True, help="Only the first message or event that differs.")
@click.option("--patch", is_flag=True, help="Print the RFC 6902 patch from the one to the other.")
@click.option("--summary", is_flag=True, help="Print what changed, as RFC 7386 would; JSON.")
@click.option("--part", metavar="NAME", help="Only one part of the sessions.")
@json_option
@click.pass_obj
def diff(
    run: Run,
    *,
    a: str,
    b: str | None,
    first: bool,
    patch: bool,
    summary: bool,
    part: str | None,
    as_json: bool,
) -> None:
    """Show what lies between two versions, of one session or of two; of one, since the one before.

    Messages by number from 1; in texts, [-what was removed-] and {+what was added+}. A patch and a
    summary are of the part `session` unless --part says another. With --json: one JSON document
    an event.
    """
    if first + patch + summary > 1:
        raise click.UsageError("--first, --patch and --summary are three different things")
    with run.store() as store:
        before, after = _versions(store, a, b)
        found = store.diff(before.session, before, other=(after.session, after), part=part)
        if patch:
            print_bytes(found.patch_text(part or SESSION).encode() + b"\n")
        elif summary:
            click.echo(json.dumps(found.summary(part or SESSION)))
        elif first:
            _show_first(found, as_json)
        elif as_json:
            for event in found.events():
                print_event(event)
        else:
            click.echo(f"{_name(before)} to {_name(after)}: {words.clean(found.in_few_words())}")
            print_lines(event_lines(found.events()))


def _versions(store: EventStore, a: str, b: str | None) -> tuple[Version, Version]:
    """Return the two versions to compare."""
    one = find_version(store, a)
    if b is not None:
        return one, find_version(store, b)
    if one.version == 1:
        shown = words.shown_id(one.session)
        raise ExitError(FAILED, f"{shown}@1 is the first version; name another to compare it with")
    before = store.version(one.session, one.version - 1)
    assert before is not None, "a version has the one before it"
    return before, one


def _name(version: Version) -> str:
    """Return a version as it is written on the command line."""
    return f"{words.shown_id(version.session)}@{version.version}"


def _show_first(found: Difference, as_json: bool) -> None:
    """Print the first divergence, with what each side has there."""
    divergence = found.first_divergence()
    if as_json:
        print_record(_record(divergence))
        return
    if divergence is None:
        click.echo(f"{_name(found.before)} and {_name(found.after)} do not diverge")
        return
    where = words.clean(pointer(divergence.path))
    click.echo(f"first divergence: {divergence.subject} at {where} of part {divergence.part}")
    sides = ((found.before, divergence.before), (found.after, divergence.after))
    print_lines(Text(f"{_name(v)}: ").append_text(_side(v, divergence, t)) for v, t in sides)


def _side(version: Version, divergence: Divergence, text: str | None) -> Text:
    """Return what one side has where the two diverge."""
    if text is None:
        return Text("ends here")
    event = Event(
        version.session,
        version.version,
        version.time,
        version.actor,
        divergence.subject,
        "there",
        divergence.part,
        divergence.path,
        after=text,
    )
    return event_line(event)


def _record(divergence: Divergence | None) -> dict[str, Any]:
    """Return what `--first --json` prints."""
    if divergence is None:
        return {"diverges": False}
    return {
        "diverges": True,
        "part": divergence.part,
        "subject": divergence.subject,
        "path": pointer(divergence.path),
        "before": None if divergence.before is None else json.loads(divergence.before),
        "after": None if divergence.after is None else json.loads(divergence.after),
    }
