"""The command as a process: pipes, terminals, signals, exit codes."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from eventstore.address import address_of
from eventstore.store import EventStore

ROOT = str(Path(__file__).parents[2])
COMMAND = (sys.executable, "-m", "eventstore.cli")
ADDRESS = re.compile(r"b3:([0-9a-f]{64})(?![0-9a-f])")
WIDE_ID = "session-with-an-id-of-thirty-six-chars"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a store with one session of 1,000 versions and a long name."""
    place = tmp_path_factory.mktemp("process") / "store"
    with EventStore.open(place, model=dict, durability="unsafe_os") as store:
        for i in range(1000):
            config = {"name": "a name much longer than there is room for on any line"}
            store.save(
                {"id": WIDE_ID, "n": i, "state": "Active", "config": config},
                actor="an-agent",
                note="a note that goes on for quite a while",
            )
    return place


def environment(**extra: str) -> dict[str, str]:
    """Return the environment of a user without settings of their own."""
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("EVENTSTORE", "COV_"))}
    path = os.pathsep.join(filter(None, [ROOT, kept.get("PYTHONPATH")]))
    return {**kept, "PYTHONPATH": path, **extra}


def run(*arguments: str, **extra: str) -> subprocess.CompletedProcess[bytes]:
    """Run the command with pipes for its output."""
    return subprocess.run(
        [*COMMAND, *arguments],
        capture_output=True,
        check=False,
        env=environment(**extra),
        timeout=60,
    )


def run_in_terminal(arguments: Sequence[str], columns: int) -> str:
    """Run the command in a pseudo-terminal and return what it showed, without styles."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [*COMMAND, *arguments],
        stdout=slave,
        stderr=slave,
        env=environment(COLUMNS=str(columns), TERM="xterm"),
    )
    os.close(slave)
    shown = b""
    try:
        while chunk := os.read(master, 65536):
            shown += chunk
    except OSError:
        pass  # How Linux tells that the other end of a terminal was closed.
    os.close(master)
    assert process.wait(timeout=60) == 0
    assert b"\x1b[" in shown, "a terminal gets styles"
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n")


def test_the_address_in_the_log_is_the_hash_of_what_cat_prints(place: Path) -> None:
    """`cat` through a real pipe gives the very bytes that were addressed."""
    logged = run("-s", str(place), "log", f"{WIDE_ID}@17", "--limit", "1")
    printed = run("-s", str(place), "cat", f"{WIDE_ID}@17")
    found = ADDRESS.search(logged.stdout.decode())
    assert found is not None
    assert address_of(printed.stdout) == found[1]


def test_a_pipe_gets_whole_lines_without_colours(place: Path) -> None:
    """Nothing is cut, wrapped or coloured in a pipe, whatever the environment wishes."""
    for extra in ({}, {"COLUMNS": "20"}, {"FORCE_COLOR": "1"}):
        logged = run("-s", str(place), "log", WIDE_ID, **extra)
        assert b"\x1b" not in logged.stdout and logged.stderr == b""
        assert len(logged.stdout.splitlines()) == 1001
        assert len(ADDRESS.findall(logged.stdout.decode())) == 1000
        listed = run("-s", str(place), "ls", **extra).stdout.decode()
        assert "than there is room for on any line" in listed


@pytest.mark.parametrize("columns", [60, 80, 200])
def test_a_terminal_gets_lines_that_fit_and_whole_addresses(place: Path, columns: int) -> None:
    """On a terminal the address moves to a line of its own rather than being cut."""
    shown = run_in_terminal(["-s", str(place), "log", WIDE_ID, "--limit", "3"], columns)
    assert len(ADDRESS.findall(shown)) == 3
    assert all(len(line) <= max(columns, 69) for line in shown.splitlines())
    listed = run_in_terminal(["-s", str(place), "ls"], columns)
    assert WIDE_ID in listed
    assert all(len(line) <= columns for line in listed.splitlines())


@pytest.mark.parametrize("command", [f"log {WIDE_ID}", f"log {WIDE_ID} --json"])
def test_a_reader_that_goes_away_ends_the_command_in_silence(place: Path, command: str) -> None:
    """`| head -1` gives one line and no traceback."""
    line = f"set -o pipefail; {' '.join(COMMAND)} -s '{place}' {command} | head -1"
    result = subprocess.run(
        ["bash", "-c", line], capture_output=True, check=False, env=environment()
    )
    assert result.stderr == b""
    assert result.returncode == 0
    assert len(result.stdout.splitlines()) == 1


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_output_that_cannot_be_written_is_an_error(place: Path) -> None:
    """A full disk behind `>` is told in one line and by the exit code."""
    with Path("/dev/full").open("wb") as full:
        result = subprocess.run(
            [*COMMAND, "-s", str(place), "cat", WIDE_ID],
            stdout=full, stderr=subprocess.PIPE, check=False, env=environment(), timeout=60,
        )  # fmt: skip
    assert result.returncode == 1
    assert result.stderr.startswith(b"eventstore: No space left")
    assert result.stderr.count(b"\n") == 1


def test_a_closed_standard_output_is_an_error(place: Path) -> None:
    """Output that has nowhere to go is not lost in silence."""
    line = f"{' '.join(COMMAND)} -s '{place}' ls >&-"
    result = subprocess.run(
        ["bash", "-c", line], capture_output=True, check=False, env=environment()
    )
    assert (result.returncode, result.stderr.count(b"\n")) == (2, 1)


def test_the_exit_code_tells_what_happened(place: Path, tmp_path: Path) -> None:
    """0 done, 1 not found, 2 not understood or no store."""
    assert run("-s", str(place), "stats").returncode == 0
    assert run("-s", str(place), "cat", "nope").returncode == 1
    assert run("-s", str(tmp_path / "nope"), "stats").returncode == 2
    assert run("stats").returncode == 2
    assert run("stats", EVENTSTORE_STORE=str(place)).returncode == 0


def test_a_latin_terminal_gets_escapes_and_no_traceback(tmp_path: Path) -> None:
    """A locale that cannot show an id still gets a listing."""
    with EventStore.open(tmp_path / "store", model=dict) as store:
        store.save({"id": "\U0001f680"})
    result = run("-s", str(tmp_path / "store"), "ls", PYTHONIOENCODING="latin-1")
    assert (result.returncode, result.stderr) == (0, b"")
    assert b"\\U0001f680" in result.stdout


def test_an_id_in_no_known_encoding_is_refused(place: Path) -> None:
    """Arguments that are not text exit 2 with one line."""
    result = subprocess.run(
        [*COMMAND, "-s", str(place), "cat", b"\xff\xfe"],
        capture_output=True,
        check=False,
        env=environment(),
    )
    assert (result.returncode, result.stderr.count(b"\n")) == (2, 1)


@pytest.mark.parametrize("missing", ["click", "rich"])
def test_without_the_extra_it_says_what_to_install(missing: str) -> None:
    """The command is there without its libraries, and says in one line which extra has them."""
    code = f"import sys; sys.modules[{missing!r}] = None; " + (
        "from eventstore.cli.main import main; main()"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=False, env=environment()
    )
    assert (result.returncode, result.stdout) == (2, b"")
    assert b"session-eventstore[cli]" in result.stderr
    assert result.stderr.count(b"\n") == 1
