"""Whatever bytes a decoder is given: only typed errors, in bounded memory and time."""

from __future__ import annotations

import tracemalloc

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.run import escaped, fuzz
from tests.fuzz.targets import MEMORY_MAX, Target, targets

TARGETS = targets()


@st.composite
def changed(draw: st.DrawFn, target: Target) -> bytes:
    """Change a sound example in a few places, or take any bytes."""
    data = target.examples[draw(st.integers(0, len(target.examples) - 1))]
    for _ in range(draw(st.integers(1, 3))):
        start = draw(st.integers(0, len(data)))
        stop = draw(st.integers(start, min(len(data), start + 8)))
        data = data[:start] + draw(st.binary(max_size=8)) + data[stop:]
    return draw(st.just(data) | st.binary(max_size=200))


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.replace(" ", "-"))
def test_any_bytes_decode_or_are_refused(target: Target) -> None:
    """A decoder gives a value or a typed error, soon, and takes no more memory than is due."""

    @settings(derandomize=True)
    @given(changed(target))
    def check(data: bytes) -> None:
        tracemalloc.start()
        try:
            assert escaped(target, data) is None
            assert tracemalloc.get_traced_memory()[1] < MEMORY_MAX
        finally:
            tracemalloc.stop()

    check()


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: target.name.replace(" ", "-"))
def test_the_examples_are_sound(target: Target) -> None:
    """What is changed was worth changing: no decoder refuses its first example."""
    target.decode(target.examples[0])


def test_many_changed_examples() -> None:
    """A few thousand seeded cases escape from no decoder."""
    cases, wrong = fuzz(seconds=60, seed=1, cases_max=3000)
    assert (cases, wrong) == (3000, [])


def test_what_escapes_is_seen() -> None:
    """A decoder that raises what it must not, or never ends, is reported with its input."""

    def fail(data: bytes) -> None:
        raise KeyError(len(data))

    assert "KeyError(2)" in (escaped(Target("bad", fail, (b"",)), b"ab") or "")
    assert "6162" in (escaped(Target("bad", fail, (b"",)), b"ab") or "")
