"""Long strings: what looks past them takes neither memory nor time beyond their length."""

from __future__ import annotations

import subprocess
import sys
import tracemalloc
from collections.abc import Callable

import pytest

from eventstore.interchange import serde
from eventstore.rewrite import rewritten
from eventstore.state import check_bytes

LIMITED = """
import resource
resource.setrlimit(resource.RLIMIT_CPU, (30, 30))
from eventstore.errors import InvalidInputError
from eventstore.interchange import serde
from eventstore.state import check_bytes
for read in (serde.parse, lambda text: check_bytes(text, part="session")):
    try:
        read(b'["' + b'\\\\"' * 1_000_000)
    except InvalidInputError:
        print("refused")
"""


@pytest.mark.parametrize("piece", [b"x", b'\\"', b"\\n"], ids=["plain", "quotes", "escapes"])
@pytest.mark.parametrize(
    "look",
    [
        lambda state: check_bytes(state, part="session"),
        serde.parse,
        lambda state: rewritten({"session": state}, "a", "b"),
    ],
    ids=["check_bytes", "parse", "rewritten"],
)
def test_a_long_string_takes_little_more_memory_than_its_length(
    piece: bytes, look: Callable[[bytes], object]
) -> None:
    """A few copies at most: no byte of a string costs many bytes to look past."""
    state = b'{"id":"a","text":"' + piece * (2_000_000 // len(piece)) + b'"}'
    tracemalloc.start()
    look(state)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 12 * len(state)


def test_a_string_without_an_end_is_refused_in_time_that_follows_its_length() -> None:
    """Each quote in it is looked at once, not as the beginning of another string."""
    command = [sys.executable, "-c", LIMITED]
    run = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (run.returncode, run.stdout.split()) == (0, ["refused", "refused"]), run.stderr
