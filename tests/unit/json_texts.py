"""JSON texts for property tests: any value, spelled in any way that a state may be."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import strategies as st

KEYS = st.sampled_from(["id", "a", "b", "é", "a/b", "m~n", "", 'q"', "messages", "role"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 3),
    st.just(10**40),
    st.sampled_from([1.0, -0.0, 1e-7, 2.5]),
    st.text(max_size=4),
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)


@st.composite
def changed(draw: st.DrawFn, value: Any, levels: int = 3) -> Any:
    """Return something like *value*: with members and elements added, removed, moved, changed."""
    if levels == 0 or draw(st.integers(0, 9)) == 0:
        return draw(VALUES)
    if isinstance(value, dict):
        members = draw(st.permutations(list(value.items()))) if draw(st.booleans()) else value
        found = {
            key: draw(changed(item, levels - 1)) if draw(st.booleans()) else item
            for key, item in dict(members).items()
            if draw(st.integers(0, 5))
        }
        return found | draw(st.dictionaries(KEYS, SCALARS, max_size=1))
    if isinstance(value, list):
        items = [
            draw(changed(item, levels - 1)) if draw(st.booleans()) else item
            for item in value
            if draw(st.integers(0, 5))
        ]
        for item in draw(st.lists(VALUES, max_size=2)):
            items.insert(draw(st.integers(0, len(items))), item)
        return items
    return draw(SCALARS) if draw(st.booleans()) else value


@st.composite
def texts(draw: st.DrawFn, value: Any) -> str:
    """Return a JSON text of *value* without white space: escapes and numbers spelled anyhow."""
    if isinstance(value, dict):
        members = [f"{draw(texts(key))}:{draw(texts(item))}" for key, item in value.items()]
        return f"{{{','.join(members)}}}"
    if isinstance(value, list):
        return f"[{','.join(draw(texts(item)) for item in value)}]"
    text = json.dumps(value, ensure_ascii=draw(st.booleans()))
    if isinstance(value, str) and value.startswith("a") and draw(st.booleans()):
        return text.replace("a", "\\u0061", 1)
    if value == 2.5 and draw(st.booleans()):
        return "25e-1"
    return text


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """Return a value and something like it."""
    value = draw(VALUES)
    return value, draw(changed(value))


def is_identical(one: Any, other: Any) -> bool:
    """Whether two values are the same to the type of each number; the order of keys is free."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(is_identical(one[k], other[k]) for k in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(is_identical, one, other))
    return repr(one) == repr(other)
