"""The command `demo`: the main job from end to end, on a sample or on a transcript of yours."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any

import click

from eventstore.address import address_of
from eventstore.cli import words
from eventstore.cli.exchange import import_into
from eventstore.cli.messages import Spoken, spoken
from eventstore.cli.output import print_record
from eventstore.cli.run import FAILED, USAGE, ExitError, Run, example, json_option, open_store
from eventstore.cli.sample import MISTAKE, SAMPLE_ID, SUBJECT, sample_turns
from eventstore.cli.table import NOTHING, Column, print_table
from eventstore.commit import SESSION, Version
from eventstore.store import EventStore

_LOG = (
    Column("version", right=True, style="cyan"),
    Column("size", right=True),
    Column("address"),
    Column("what was saved", least=20),
)
_LINE = 60
_ROWS_MAX = 16


@click.command(
    short_help="Watch the main job done on a sample session.",
    epilog=example("eventstore demo --keep tour/", "eventstore -s tour/ log tidy-project"),
)
@click.argument("transcript", required=False, type=click.Path(exists=True))
@click.option("--keep", metavar="DIR", help="Make the store in DIR and keep it.")
@json_option
@click.pass_obj
def demo(run: Run, transcript: str | None, keep: str | None, as_json: bool) -> None:
    """Save an agent session turn by turn, then ask it what the agent knew at an earlier step.

    Uses a sample session, or a Claude Code transcript (a .jsonl file) of yours, and a temporary
    store that is gone afterwards unless you --keep it.
    """
    with _place(keep) as location, open_store(location, create=True) as store:
        if store.stats().versions:
            raise ExitError(
                USAGE, f"{words.clean(location)} holds sessions already; keep it elsewhere"
            )
        session = _save_sample(store) if transcript is None else _import(run, store, transcript)
        earlier = _earlier(store, session, sample=transcript is None)
        state = store.load_bytes(session, at=earlier.version) or b""
        proven = address_of(state) == earlier.address
        if as_json:
            print_record(_record(store, earlier, proven, keep))
            return
        _tell_log(store, session, transcript)
        _tell_earlier(earlier, spoken(json.loads(state)), sample=transcript is None)
        _tell_proof(earlier, proven)
        _tell_bytes(store)
        _tell_next(earlier, transcript, keep)


@contextmanager
def _place(keep: str | None) -> Iterator[str]:
    """Give the directory for the store: the one to keep, or one that is removed afterwards."""
    if keep is not None:
        yield keep
        return
    with tempfile.TemporaryDirectory(prefix="eventstore-demo-") as directory:
        yield directory


def _save_sample(store: EventStore) -> str:
    """Save the sample session, one version a message."""
    for state in sample_turns(int(time.time())):
        store.save(state, actor="demo")
    return SAMPLE_ID


def _import(run: Run, store: EventStore, transcript: str) -> str:
    """Import a transcript and return its longest session."""
    import_into(run, store, (transcript,))
    versions = [version for version in map(store.version, store.list()) if version]
    if not versions:
        raise ExitError(FAILED, f"no session could be read from {words.clean(transcript)}")
    return max(versions, key=lambda version: version.version).session


def _earlier(store: EventStore, session: str, *, sample: bool) -> Version:
    """Return the version to look back at: before the sample's mistake, or half-way."""
    newest = store.version(session)
    count = newest.version if newest else 1
    version = store.version(session, MISTAKE - 1 if sample else (count + 1) // 2)
    if version is None:
        raise ExitError(FAILED, f"session {words.shown_id(session)} cannot be read back")
    return version


def _tell_log(store: EventStore, session: str, transcript: str | None) -> None:
    """Show the history, oldest first, without its middle where it is long."""
    if transcript is None:
        click.echo("An agent was asked to tidy a project. Each of its turns was saved:\n")
    else:
        click.echo(f"Session {words.shown_id(session)}, saved turn by turn:\n")
    versions = list(islice(store.history(session), _ROWS_MAX + 1))[::-1]
    if len(versions) > _ROWS_MAX:
        versions = versions[-_ROWS_MAX // 2 :]
    print_table(_LOG, (_log_row(store, version) for version in versions))
    left = versions[0].version - 1
    if left:
        click.echo(f"({words.plural(left, 'earlier version')} not shown)")


def _log_row(store: EventStore, version: Version) -> tuple[str, ...]:
    """Return what the demo shows of a version; `log` shows the whole address."""
    address = f"b3:{version.address[:12]}…" if version.address else NOTHING
    messages = spoken(store.load_part(version.session, SESSION, at=version.version))
    said = f"{messages[-1].role}: {messages[-1].line(_LINE)}" if messages else NOTHING
    return str(version.version), words.size(version.parts[SESSION].size), address, said


def _tell_earlier(earlier: Version, messages: list[Spoken], *, sample: bool) -> None:
    """Show what the agent knew at the earlier version."""
    number = earlier.version
    if not sample:
        click.echo(
            f"\nWhat did the agent know at version {number}? "
            f"{words.plural(len(messages), 'message')}, the last of them:"
        )
        for message in messages[-3:]:
            click.echo(f"  {words.clean(message.role)}: {message.line(_LINE)}")
        return
    click.echo(
        f"\nVersion {MISTAKE} deletes {SUBJECT}/ for good, and the agent says it had verified "
        f"that.\nHad it? All that version {number} knows of {SUBJECT}/:"
    )
    for message in messages:
        for line in message.text.splitlines():
            if f"{SUBJECT}/" in line:
                click.echo(f"  message {message.number}: {words.clean(line)}")
    click.echo(
        "One line of a README, and a date that did not fit. It never looked at the Makefile."
    )


def _tell_proof(earlier: Version, proven: bool) -> None:
    """Show that what was loaded is what was saved."""
    verdict = "as the log says" if proven else "NOT what the log says"
    click.echo(
        f"\nVersion {earlier.version} loaded back: its bytes hash to\n"
        f"  b3:{earlier.address}, {verdict}."
    )


def _tell_bytes(store: EventStore) -> None:
    """Compare with a store that writes one whole file each time."""
    found = store.stats()
    click.echo(
        f"\n{words.plural(found.versions, 'version')}: {words.size(found.stored_bytes)} here, "
        f"{words.size(found.state_bytes)} as a file per snapshot "
        f"({words.ratio(found.state_bytes, found.stored_bytes)} as much)."
    )


def _tell_next(earlier: Version, transcript: str | None, keep: str | None) -> None:
    """Suggest what to type next."""
    store = words.shell(keep or "tour/")
    name = words.shell(earlier.session)
    click.echo("\nNext:")
    if keep is None:
        again = f" {words.shell(transcript)}" if transcript else ""
        click.echo(f"  eventstore demo --keep {store}{again}     (this store is gone now)")
    click.echo(f"  eventstore -s {store} log {name}")
    click.echo(f"  eventstore -s {store} show {name}@{earlier.version} --messages 2")
    click.echo(f"  eventstore -s {store} cat {name}@{earlier.version} | b3sum")
    click.echo("  eventstore -s sessions/ import ~/.claude/projects")


def _record(store: EventStore, earlier: Version, proven: bool, keep: str | None) -> dict[str, Any]:
    """Return what `demo --json` prints."""
    found = store.stats()
    return {
        "session": earlier.session,
        "store": keep,
        "versions": found.versions,
        "stored_bytes": found.stored_bytes,
        "state_bytes": found.state_bytes,
        "earlier": {
            "version": earlier.version,
            "address": earlier.address,
            "size": earlier.parts[SESSION].size,
            "proven": proven,
        },
    }
