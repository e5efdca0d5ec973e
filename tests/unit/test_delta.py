"""Splices: encoded and decoded, folded over any run of deltas, hostile ones refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.delta import Splice, decode_delta, encode_delta, fold
from eventstore.errors import CorruptError


@st.composite
def runs(draw: st.DrawFn) -> tuple[bytes, list[list[Splice]], bytes]:
    """Draw a state, a run of splices over it, and the state they lead to."""
    base = state = draw(st.binary(max_size=40))
    run = []
    for _ in range(draw(st.integers(0, 6))):
        splices, made = [], b""
        for _ in range(draw(st.integers(0, 5))):
            start = draw(st.integers(0, len(state)))
            stop = draw(st.integers(start, len(state)))
            insert = draw(st.binary(max_size=8))
            splices.append(Splice(start, stop, insert))
            made += state[start:stop] + insert
        run.append(splices)
        state = made
    return base, run, state


@given(runs())
def test_folding_gives_what_applying_one_by_one_gives(
    case: tuple[bytes, list[list[Splice]], bytes],
) -> None:
    """Whatever the copies overlap, repeat or reverse, the fold is the last state."""
    base, run, state = case
    assert fold(base, [decode_delta(encode_delta(s)) for s in run], len(state)) == state


@given(st.binary(max_size=60), st.binary(max_size=30), st.integers(0, 200))
def test_any_delta_gives_the_stated_size_or_is_refused(data: bytes, base: bytes, size: int) -> None:
    """Hostile splices raise `CorruptError` or give exactly as many bytes as were asked for."""
    try:
        state = fold(base, [decode_delta(data)], size)
    except CorruptError:
        return
    assert len(state) == size


@pytest.mark.parametrize(
    "splices",
    [[Splice(0, 9, b"")], [Splice(7, 8, b"x")], [Splice(0, 2, b"")]],
    ids=["beyond-the-end", "starts-beyond", "too-short"],
)
def test_copies_stay_inside(splices: list[Splice]) -> None:
    """A copy from outside the previous state, or a state too short, is `CorruptError`."""
    with pytest.raises(CorruptError):
        fold(b"12345", [decode_delta(encode_delta(splices))], 9)


def test_a_copy_from_before_the_state_is_refused() -> None:
    """A skip back past the first byte is `CorruptError`."""
    with pytest.raises(CorruptError):
        decode_delta(b"\x01\x01\x01\x00")
