"""The page `docs/cli.md`, made from the commands: `python -m eventstore.cli.reference`."""

from __future__ import annotations

import inspect
from collections.abc import Iterator

import click

from eventstore.cli.app import app

_HEAD = """\
<!-- Made by `python -m eventstore.cli.reference > docs/cli.md`; a test fails when it is stale. -->

# Command line
"""


def reference() -> str:
    """Return the whole page, in Markdown."""
    context = click.Context(app, info_name="eventstore", **app.context_settings)
    lines = [_HEAD, *_command_lines(context)]
    for name, command in app.commands.items():
        lines += [f"## {name}", ""]
        lines += _command_lines(click.Context(command, parent=context, info_name=name))
    return "\n".join(lines).rstrip() + "\n"


def _command_lines(context: click.Context) -> Iterator[str]:
    """Yield the section of one command: how it is called, what it does, its options."""
    command = context.command
    usage = " ".join(command.collect_usage_pieces(context))
    yield from ("```text", f"{context.command_path} {usage}", "```", "")
    yield from (inspect.cleandoc(command.help or ""), "")
    yield from ("```sh", *map(str.strip, (command.epilog or "").splitlines()[2:]), "```", "")
    yield from ("| option | what it does |", "| --- | --- |")
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        if record is not None and isinstance(parameter, click.Option):
            yield f"| `{record[0].replace('|', '/')}` | {' '.join(record[1].split())} |"
    yield ""


if __name__ == "__main__":
    click.echo(reference(), nl=False)
