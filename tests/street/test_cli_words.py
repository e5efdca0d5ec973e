"""Values as people read them."""

from __future__ import annotations

import json
import unicodedata
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.cli import words

HOSTILE = [
    "a\nb",
    "a\tb",
    "\x1b[31mred",
    "a\x7f",
    "a\x9b1m",
    "abc\u202ecba",
    "a\u2028b",
    "a\u200bb",
]
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
)


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_invisible_is_shown_raw(text: str) -> None:
    """An id that moves the cursor or the reading direction is shown as the JSON string it is."""
    shown = words.shown_id(text)
    assert all(unicodedata.category(c)[0] != "C" and c.isprintable() for c in shown)
    assert json.loads(shown) == text


@given(st.text())
def test_two_ids_never_look_the_same_for_their_escapes(text: str) -> None:
    """What is shown is either the id itself or a JSON string of it, and one can tell which."""
    shown = words.shown_id(text)
    assert (json.loads(shown) if shown.startswith('"') else shown) == text


def test_ordinary_ids_are_shown_as_they_are() -> None:
    """Slashes, backslashes, inner spaces, emoji and other scripts need no escape."""
    for text in ("team/alpha..1", "C:\\x", "a b", "\U0001f680", "日本", 'say "x"'):
        assert words.shown_id(text) == text


@given(JSON)
def test_pretty_json_is_the_same_value(value: object) -> None:
    """Laying out changes white space and the spelling of characters, and nothing else."""
    compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    pretty = words.pretty_json(compact)
    assert json.loads(pretty) == value
    assert not any(unicodedata.category(c) == "Cc" for c in pretty.replace("\n", ""))


def test_pretty_json_lays_out_as_people_expect() -> None:
    """Two spaces an indent, empty containers on one line, raw text, numbers as spelled."""
    text = '{"a":[1.0,1e400,{}],"b":{"c":"\\u00e9\\u001b"},"d":[]}'
    assert words.pretty_json(text).splitlines() == [
        "{",
        '  "a": [',
        "    1.0,",
        "    1e400,",
        "    {}",
        "  ],",
        '  "b": {',
        '    "c": "é\\u001b"',
        "  },",
        '  "d": []',
        "}",
    ]


def test_pretty_json_does_not_recurse() -> None:
    """The deepest nesting that a store accepts is laid out like any other."""
    assert words.pretty_json("[" * 512 + "]" * 512).count("\n") == 2 * 511


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (12_345, "12.3 kB"),
        (123_456, "123 kB"),
        (999_499, "999 kB"),
        (999_950, "1.0 MB"),
        (10**9, "1.0 GB"),
        (10**18, "1000 PB"),
    ],
)
def test_sizes(count: int, text: str) -> None:
    """Sizes have three digits and never a unit too small."""
    assert words.size(count) == text


def test_times_are_local_and_carry_their_offset() -> None:
    """A printed time is the moment it was, to the second."""
    moment = datetime(2026, 1, 31, 10, 0, 5, 999_999, UTC)
    shown = datetime.fromisoformat(words.iso(moment))
    assert shown == moment.replace(microsecond=0)
    assert words.iso(datetime.max.replace(tzinfo=UTC)).startswith("9999")
