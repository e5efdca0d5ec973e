"""JSON as serde_json spells it, and numbers as they were spelled."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.errors import InvalidInputError
from eventstore.interchange.serde import Number, compact, parse, pretty, spell

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)
SPELLINGS = st.from_regex(
    r"-?(0|[1-9][0-9]{0,20})(\.[0-9]{1,20})?([eE][+-]?[0-9]{1,2})?", fullmatch=True
)


@given(VALUES)
def test_what_is_written_reads_back_as_the_same_value(value: Any) -> None:
    """Both forms are JSON of the value that was written."""
    assert json.loads(compact(value)) == value
    assert json.loads(pretty(value)) == value


@given(VALUES)
def test_both_forms_are_fixed_points(value: Any) -> None:
    """Reading and writing again changes no byte of either form."""
    assert compact(parse(compact(value))) == compact(value)
    assert pretty(parse(pretty(value))) == pretty(value)
    assert compact(parse(pretty(value))) == compact(value)


@given(VALUES)
def test_pretty_is_what_python_writes_save_for_small_numbers(value: Any) -> None:
    """Only floats below 0.0001 are spelled otherwise than by Python's own writer."""
    text = json.dumps(value, indent=2, ensure_ascii=False)
    again = pretty(parse(text)).decode()
    assert json.loads(again) == value
    if not re.search(r"e-0[5-9]", text):
        assert again == text


@given(st.lists(SPELLINGS, min_size=1))
def test_a_number_keeps_its_spelling(numbers: list[str]) -> None:
    """No number that can be spelled in JSON is respelled on the way into a store."""
    text = f"[{','.join(numbers)}]".encode()
    assert compact(parse(text)) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_respelling_changes_no_value(value: float) -> None:
    """The spelling of serde_json names the same float as Python's."""
    again = float(spell(repr(value)))
    assert again == value and math.copysign(1, again) == math.copysign(1, value)


@pytest.mark.parametrize(
    ("python", "serde"),
    [
        ("1e-05", "0.00001"),
        ("1.5e-05", "0.000015"),
        ("-1.25e-05", "-0.0000125"),
        ("1e-06", "1e-6"),
        ("-2.5e-07", "-2.5e-7"),
        ("1e-10", "1e-10"),
        ("1e16", "1e16"),
        ("1e+16", "1e+16"),
        ("0.0001", "0.0001"),
        ("1.0", "1.0"),
        ("1.50", "1.50"),
    ],
)
def test_only_what_python_alone_would_spell_is_respelled(python: str, serde: str) -> None:
    """Spellings that serde_json could have written stay, of either of its generations."""
    assert pretty(parse(python)).decode() == serde
    assert compact(parse(python)).decode() == python


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"[NaN]", "NaN"),
        (b"[-Infinity]", "NaN or an infinity"),
        (b'{"a":1,"a":1}', "same key twice"),
        (b'["\\ud800"]', "lone surrogate"),
        (b'{"\\udc00":1}', "lone surrogate"),
        ('["\ud800"]', "lone surrogate"),
        (b'["\xff"]', "not UTF-8"),
        (b'{"a": [1, 2', "cut off"),
        (b'{"a": "b', "cut off"),
        (b"[1, 2]]", "not JSON"),
        (b"[01]", "not JSON"),
        (b'["\x00"]', "not JSON"),
        (b"[1e999]", "too large"),
        (b"[" + b"1" * 5000 + b"]", "digits"),
        (b"[" * 513 + b"]" * 513, "deeper than 512"),
        (b"[" * 100_000, "deeper than 512"),
    ],
)
def test_what_serde_would_not_read_is_refused(text: bytes | str, reason: str) -> None:
    """Each is refused with a typed error that says why and names the field."""
    with pytest.raises(InvalidInputError, match=reason) as caught:
        parse(text, field="session")
    assert caught.value.field == "session"


def test_512_levels_are_read_and_written() -> None:
    """The deepest value that a store takes goes both ways."""
    text = b"[" * 512 + b"]" * 512
    assert compact(parse(text)) == text
    assert compact(parse(pretty(parse(text)))) == text
    halves = b"[" * 511 + b'["\\ud800"]' + b"]" * 511
    assert parse(halves, mend=True) is not None


def test_a_document_over_the_limit_is_refused() -> None:
    """The limit counts bytes, before anything is read."""
    assert parse(b"[1]", size_max=3) == [Number("1")]
    with pytest.raises(InvalidInputError, match="limit of 2"):
        parse(b"[1]", size_max=2)


def test_mending_replaces_only_what_is_not_unicode() -> None:
    """Halves of surrogate pairs become U+FFFD, whole pairs their character."""
    assert parse(b'{"a\\ud800": ["\\ud83d\\ude00", "\\udc00b", 1]}', mend=True) == {
        "a\ufffd": ["\U0001f600", "\ufffdb", "1"]
    }


def test_no_error_quotes_the_text() -> None:
    """What was read never appears in a message."""
    for text in (b'["secret", nul]', b'{"secret": 1, "secret": 2}', b'["secret'):
        with pytest.raises(InvalidInputError) as caught:
            parse(text)
        assert "secret" not in str(caught.value)


def test_a_value_without_a_form_is_refused() -> None:
    """Only JSON's own types are written."""
    for value in ({1}, float("nan"), [object()]):
        with pytest.raises(InvalidInputError, match="no form in JSON"):
            compact(value)


def test_golden_files_are_fixed_points(shared: Path) -> None:
    """Every file that a3s-code wrote is pretty JSON, number for number."""
    files = sorted((shared / "golden").glob("a3s-code-*/store/**/*.json"))
    assert files
    for path in files:
        assert pretty(parse(path.read_bytes())) == path.read_bytes()
