"""Frozen JSON: what it refuses, what it keeps, and that nothing changes it."""

import copy
import json
import pickle
from collections import OrderedDict
from enum import IntEnum, StrEnum
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore.models.json_value import DEPTH_MAX, FrozenDict, freeze

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
LEAVES = st.none() | st.booleans() | st.integers() | TEXT | st.floats(allow_nan=False)
JSON = st.recursive(
    LEAVES.filter(lambda value: value not in (float("inf"), float("-inf"))),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXT, inner, max_size=4),
    max_leaves=20,
)

MUTATIONS = [
    lambda value: value.__setitem__("a", 1),
    lambda value: value.__delitem__("a"),
    lambda value: value.__ior__({"b": 1}),
    lambda value: value.clear(),
    lambda value: value.pop("a"),
    lambda value: value.popitem(),
    lambda value: value.setdefault("b", 1),
    lambda value: value.update(b=1),
]


def nested(levels: int) -> Any:
    """Return a list in a list, *levels* deep."""
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@given(JSON)
def test_freezing_keeps_every_value_and_its_spelling(value: Any) -> None:
    """Frozen JSON is written exactly as the value it was made from."""
    assert json.dumps(freeze(value)) == json.dumps(value)


@given(JSON)
def test_frozen_json_is_hashable_and_survives_pickling(value: Any) -> None:
    """A pickled copy equals the original, has its hash, and is written alike."""
    frozen = freeze(value)
    again = pickle.loads(pickle.dumps(frozen))
    assert again == frozen
    assert hash(again) == hash(frozen)
    assert json.dumps(again) == json.dumps(frozen)


@pytest.mark.parametrize("mutate", MUTATIONS)
def test_no_mutator_changes_a_frozen_dict(mutate: Any) -> None:
    """Every method that would change a dict raises `TypeError` and changes nothing."""
    frozen = freeze({"a": {"c": [1]}})
    with pytest.raises(TypeError):
        mutate(frozen)
    with pytest.raises(TypeError):
        mutate(frozen["a"])
    assert frozen == {"a": {"c": (1,)}}


def test_calling_the_initialiser_again_changes_nothing() -> None:
    """A frozen dict is filled once, when it is made."""
    frozen = FrozenDict({"a": 1})
    frozen.__init__({"b": 2})  # type: ignore[misc]
    assert frozen == {"a": 1}


def test_frozen_dicts_freeze_what_they_are_made_from() -> None:
    """Later changes of the source do not show."""
    source = {"a": [1]}
    frozen = FrozenDict(source)
    source["a"].append(2)
    assert frozen == {"a": (1,)}


def test_copies_of_a_frozen_dict_are_the_dict_itself() -> None:
    """What cannot change is shared."""
    frozen = freeze({"a": [1]})
    assert copy.copy(frozen) is frozen
    assert copy.deepcopy(frozen) is frozen
    assert freeze(frozen) is frozen


def test_subclasses_of_json_types_become_the_plain_types() -> None:
    """An enum member or an ordered dict is kept as the JSON it stands for."""

    class Word(StrEnum):
        YES = "yes"

    class Number(IntEnum):
        ONE = 1

    frozen = freeze(OrderedDict(word=Word.YES, number=Number.ONE))
    assert [type(item) for item in frozen.values()] == [str, int]


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        ({"a": {1: "x"}}, "not a string but int"),
        ({"a": [float("nan")]}, r"not finite at a\.0"),
        ({"a": float("inf")}, "not finite"),
        ({"a": b"x"}, "bytes is not a JSON type"),
        ({"a": {1, 2}}, "set is not a JSON type"),
        ({"a": "\ud800"}, "lone surrogate"),
        ({"\udc00": 1}, "lone surrogate"),
        (nested(DEPTH_MAX + 1), "deeper than 512"),
    ],
)
def test_what_json_cannot_hold_is_refused(value: Any, reason: str) -> None:
    """The error is a `ValueError` that says why, and where."""
    with pytest.raises(ValueError, match=reason):
        freeze(value)


def test_a_refusal_quotes_no_payload() -> None:
    """The text of a value never gets into the error."""
    with pytest.raises(ValueError, match="lone surrogate") as caught:
        freeze({"field": "secret\ud800"})
    assert "secret" not in str(caught.value)


def test_the_deepest_value_is_kept() -> None:
    """Nesting up to the limit is frozen."""
    assert json.dumps(freeze(nested(DEPTH_MAX))) == json.dumps(nested(DEPTH_MAX))


def test_a_cycle_is_refused() -> None:
    """A list that holds itself is an endless value, not JSON."""
    cycle: list[Any] = []
    cycle.append(cycle)
    with pytest.raises(ValueError, match="deep"):
        freeze(cycle)
