"""How `ID@V` is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.cli.selectors import parse_at, split

SELECTORS = st.one_of(
    st.integers(-(10**17), 10**17).map(str),
    st.text("0123456789abcdef", min_size=1, max_size=64).map("b3:{}".format),
    st.datetimes(datetime(1971, 1, 1), datetime(2200, 1, 1)).map(datetime.isoformat),
)


def nobody(_: str) -> bool:
    """Know no id at all."""
    return False


@given(st.text(min_size=1), SELECTORS)
def test_a_version_is_what_follows_the_last_at_sign(session: str, selector: str) -> None:
    """Any id, followed by @ and a selector, is split into just these two."""
    assert split(f"{session}@{selector}", nobody) == (session, parse_at(selector))
    assert parse_at(selector) is not None


@given(st.text())
def test_any_other_text_is_an_id(text: str) -> None:
    """Splitting loses nothing: either the whole is the id, or what follows the id is a version."""
    session, at = split(text, nobody)
    if at is None:
        assert session == text
    else:
        assert text.startswith(f"{session}@")
        assert parse_at(text[len(session) + 1 :]) == at


@given(st.text(min_size=1), SELECTORS)
def test_an_existing_id_is_never_split(session: str, selector: str) -> None:
    """An id that reads like an id and a version still names the session of that id."""
    text = f"{session}@{selector}"
    assert split(text, lambda whole: whole == text) == (text, None)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "@",
        "x@",
        "@17",
        "x@y",
        "x@1.5",
        "x@b3:",
        "x@b3:xyz",
        "x@2026-13-01",
        "x@2026-01-31Tten",
        "x@" + "9" * 19,
        "x@17 ",
        "x@١٧",
        "me@example.org",
        "x@20260131T10:00",
        "x@2026-01-31T",
    ],
)
def test_what_does_not_read_as_a_version_belongs_to_the_id(text: str) -> None:
    """Text that is not quite a selector is left alone."""
    assert split(text, nobody) == (text, None)


def test_numbers_and_addresses() -> None:
    """Numbers count from either end; addresses may be cut, or whole without their prefix."""
    assert parse_at("17") == 17
    assert parse_at("-1") == -1
    assert parse_at("b3:9F2C") == "b3:9f2c"
    assert parse_at("ab" * 32) == "b3:" + "ab" * 32


def test_a_second_without_a_fraction_counts_whole() -> None:
    """The time that `log` prints, cut to the second, names the version it was printed for."""
    saved = datetime(2026, 1, 31, 10, 0, 5, 900_000, UTC)
    named = parse_at(saved.isoformat(timespec="seconds"))
    assert isinstance(named, datetime)
    assert saved <= named < saved + timedelta(seconds=1)
    assert parse_at(saved.isoformat()) == saved


def test_a_time_without_an_offset_is_local() -> None:
    """What a person types is meant on their own clock."""
    named = parse_at("2026-01-31T10:00:00.0")
    assert named == datetime(2026, 1, 31, 10).astimezone()
