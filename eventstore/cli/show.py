"""The command `show`: one session at one version, summed up for a reader."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import click

from eventstore.cli import words
from eventstore.cli.find import find_part, find_version
from eventstore.cli.history import version_record
from eventstore.cli.messages import Spoken, spoken
from eventstore.cli.output import print_record
from eventstore.cli.run import Run, example, json_option, store_option
from eventstore.cli.table import Column, print_table
from eventstore.commit import SESSION, PartVersion, Version
from eventstore.views import summary_of

_PARTS = (
    Column("part", style="cyan"),
    Column("size", right=True),
    Column("address", style="dim", folds=True),
)


@click.command(
    short_help="Sum up one session at one version.",
    epilog=example("eventstore -s sessions/ show fix-login@17 --messages 3"),
)
@store_option()
@click.argument("session", metavar="ID[@V]")
@click.option(
    "--messages",
    "count",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Print the last N messages too.",
)
@json_option
@click.pass_obj
def show(run: Run, session: str, count: int, as_json: bool) -> None:
    """Sum up a session as it was at a version: what it is, its parts, where it stood.

    Long texts of messages are cut; `cat` has every byte.
    """
    with run.store() as store:
        version = find_version(store, session)
        find_part(version, SESSION)
        newest = store.version(version.session) or version
        document = store.load_part(version.session, SESSION, at=version.version)
    messages = spoken(document)
    last = messages[-count:] if count else []
    if as_json:
        record = {**version_record(version), "newest": newest.version, **_facts(document, messages)}
        record["last_messages"] = [message.record(whole=True) for message in last]
        print_record(record)
        return
    for line in _summary(version, newest, document, messages):
        click.echo(line)
    print_table(_PARTS, [(n, words.size(p.size), f"b3:{p.address}") for n, p in _sorted(version)])
    for message in last:
        click.echo(f"\n--- {message.number} {words.clean(message.role)} ---\n{message.cut()}")


def _facts(document: Any, messages: list[Spoken]) -> dict[str, Any]:
    """Return what a session's own document says of it; None where it says nothing."""
    summary = summary_of(document)
    return {
        "name": summary.name or None,
        "state": summary.state or None,
        "model": _text(document, "model_name") or _text(document, "llm_config", "model"),
        "parent_id": summary.parent_id or None,
        "messages": len(messages),
        "first_message": messages[0].record() if messages else None,
        "last_message": messages[-1].record() if messages else None,
    }


def _text(document: Any, *path: str) -> str | None:
    """Return the text at a path of keys, or None if there is none."""
    for key in path:
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, str) and document else None


def _summary(
    version: Version, newest: Version, document: Any, messages: list[Spoken]
) -> Iterator[str]:
    """Yield the lines of the summary."""
    facts = _facts(document, messages)
    yield _row("session", words.shown_id(version.session))
    yield _row("version", _version_text(version, newest))
    for name in ("actor", "note"):
        value = getattr(version, name)
        if value:
            yield _row(name, words.clean(value))
    for name in ("name", "state", "model", "parent_id"):
        if facts[name]:
            yield _row(name.removesuffix("_id"), words.clean(facts[name]))
    yield _row("messages", _count_text(messages))
    if messages:
        yield _row("first", _message_text(messages[0]))
        yield _row("last", _message_text(messages[-1]))
    yield ""


def _sorted(version: Version) -> list[tuple[str, PartVersion]]:
    """Return the parts of a version, the session first."""
    return sorted(version.parts.items(), key=lambda item: (item[0] != SESSION, item[0]))


def _row(name: str, value: str) -> str:
    """Return one line of the summary."""
    return f"{name:<9} {value}"


def _version_text(version: Version, newest: Version) -> str:
    """Say which version this is, and when and how it came about."""
    deleted = ", deleted since" if not newest.parts else ""
    return (
        f"{version.version} of {newest.version}{deleted}, "
        f"{version.kind} at {words.iso(version.saved_at)}"
    )


def _count_text(messages: list[Spoken]) -> str:
    """Say how many messages there are, and of which roles."""
    roles = Counter(words.clean(message.role) for message in messages)
    by_role = ", ".join(f"{count:,} {role}" for role, count in roles.items())
    return f"{len(messages):,} ({by_role})" if messages else "0"


def _message_text(message: Spoken) -> str:
    """Say who spoke and how much."""
    return f"{words.clean(message.role)}, {words.plural(len(message.text), 'character')}"
