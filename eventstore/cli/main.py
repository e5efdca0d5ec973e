"""The entry point of the command `eventstore`; it works, to say so, without the extra `cli`."""

from __future__ import annotations

import io
import sys

_NEEDED = ("click", "rich")


def main() -> None:
    """Run the command line on the process's arguments and exit with its status."""
    try:
        _run()
    except KeyboardInterrupt:
        print("interrupted", file=sys.stderr)
        sys.exit(130)


def _run() -> None:
    """Import the commands, unless a library they need is missing, and run them."""
    try:
        from eventstore.cli.app import app
    except ModuleNotFoundError as error:
        missing = (error.name or "").partition(".")[0]
        if missing not in _NEEDED:
            raise
        print(
            f"eventstore: the command line needs {missing}; "
            "install it with: pip install 'session-eventstore[cli]'",
            file=sys.stderr,
        )
        sys.exit(2)
    if sys.stdout is None:
        print("eventstore: standard output is closed", file=sys.stderr)
        sys.exit(2)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # A terminal that cannot show a character gets its escape, not a traceback.
            stream.reconfigure(errors="backslashreplace")
    app.main(prog_name="eventstore")
