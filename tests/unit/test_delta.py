"""Splices: encoded and decoded, folded over any run of deltas, hostile ones refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import delta as deltas_room
from eventstore.delta import Splice, compose, decode_delta, encode_delta, fold
from eventstore.errors import CorruptError

SIZE_MAX = 2**20


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
    deltas = [decode_delta(encode_delta(splices)) for splices in run]
    assert fold(base, deltas, len(state), SIZE_MAX) == state


@given(runs(), st.integers(1, 8))
def test_however_entangled_deltas_are_they_fold(
    case: tuple[bytes, list[list[Splice]], bytes], ranges: int
) -> None:
    """Those that take too many ranges at once are folded half by half; composed they are not."""
    base, run, state = case
    deltas = [decode_delta(encode_delta(splices)) for splices in run]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deltas_room, "_RANGES_MAX", ranges)
        assert fold(base, deltas, len(state), SIZE_MAX) == state
        composed = compose(deltas, len(state))
        if composed is not None and run:
            made = [decode_delta(encode_delta(composed))]
            assert fold(base, made, len(state), SIZE_MAX) == state


def test_a_state_in_between_is_bounded() -> None:
    """Where it must be made, a state that is larger than allowed is `CorruptError`."""
    grow = [Splice(0, 10, b"")] * 50
    cut = [Splice(at, at + 1, b"-") for at in range(100)]
    deltas = [decode_delta(encode_delta(splices)) for splices in (grow, cut)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deltas_room, "_RANGES_MAX", 20)
        assert len(fold(b"0123456789", deltas, 200, 500)) == 200
        with pytest.raises(CorruptError):
            fold(b"0123456789", deltas, 200, 499)


@given(st.binary(max_size=60), st.binary(max_size=30), st.integers(0, 200))
def test_any_delta_gives_the_stated_size_or_is_refused(data: bytes, base: bytes, size: int) -> None:
    """Hostile splices raise `CorruptError` or give exactly as many bytes as were asked for."""
    try:
        state = fold(base, [decode_delta(data)], size, SIZE_MAX)
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
        fold(b"12345", [decode_delta(encode_delta(splices))], 9, SIZE_MAX)


def test_a_copy_from_before_the_state_is_refused() -> None:
    """A skip back past the first byte is `CorruptError`."""
    with pytest.raises(CorruptError):
        decode_delta(b"\x01\x01\x01\x00")
