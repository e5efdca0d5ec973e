"""What every command prints through: records for programs, remarks and progress for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import click
from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn


def print_record(record: Mapping[str, Any], *, state: bytes | None = None) -> None:
    """Print one JSON document on one line, in ASCII, so that no terminal or locale spoils it.

    A *state* goes in as its last member, byte for byte, so that its numbers stay as spelled.
    """
    text = json.dumps(record, separators=(",", ":"), default=_json_value)
    if state is None:
        click.echo(text)
    else:
        print_bytes(text[:-1].encode() + b',"state":' + state + b"}\n")


def print_records(records: Iterable[Mapping[str, Any]]) -> None:
    """Print JSON lines: one document a record, as they come."""
    for record in records:
        print_record(record)


def print_bytes(data: bytes) -> None:
    """Print bytes exactly as they are."""
    click.echo(data, nl=False)


def remark(text: str) -> None:
    """Tell the person, on standard error, in one line."""
    click.echo(f"eventstore: {text}", err=True)


@contextmanager
def progress(what: str) -> Iterator[Callable[[str, int, int], None] | None]:
    """Give a callback for (name, bytes done, bytes in all) that draws on a terminal.

    Gives None where standard error is not a terminal.
    """
    if not sys.stderr.isatty():
        yield None
        return
    columns = (TextColumn(what), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as display:
        task = display.add_task(what, total=None)
        yield lambda _, done, total: display.update(task, completed=done, total=total)


def _json_value(value: object) -> str:
    """Return what JSON has no word for: a moment as ISO 8601 text in UTC."""
    if isinstance(value, datetime):
        return value.isoformat()
    raise TypeError(f"cannot print {type(value).__name__} as JSON")
