"""Outlines and edits: exact to the byte, whatever JSON can say."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eventstore import apply_patch, marked
from eventstore.alignment import aligned, script
from eventstore.compare import LEVELS_MAX, edits, patch_of, patch_text, summary_of_change
from eventstore.outline import Node, outline, shared_size
from tests.unit.json_texts import is_identical, pairs, texts


def opened(node: Node) -> Node:
    """Return a node after somebody has looked everywhere inside."""
    units = node.units
    for child in units.nodes if units else ():
        opened(child)
    return node


def assert_sound(node: Node) -> None:
    """Check that what a node was split into is what its own text splits into."""
    if not node.is_split:
        return
    fresh, units = Node(node.text).units, node.units
    assert (fresh is None) is (units is None)
    if fresh is None or units is None:
        return
    assert [n.text for n in fresh.nodes] == [n.text for n in units.nodes]
    assert (fresh.ends, fresh.keys, fresh.names) == (units.ends, units.keys, units.names)
    for child in units.nodes:
        assert_sound(child)


@given(st.data())
def test_an_outline_that_follows_another_is_its_own(data: st.DataObject) -> None:
    """Taking over what is the same gives the tree that the text alone gives."""
    old, new = (data.draw(texts(value)) for value in data.draw(pairs()))
    followed = outline(new, opened(Node(old)))
    assert followed.text == new
    assert_sound(followed)


@given(st.data())
def test_a_patch_makes_the_one_the_other(data: st.DataObject) -> None:
    """Applying the RFC 6902 patch from A to B to A gives B, to the type of every number."""
    old, new = data.draw(pairs())
    one, other = (Node(data.draw(texts(value))) for value in (old, new))
    patch = patch_of(edits(one, other))
    assert is_identical(apply_patch(old, patch), new)
    assert is_identical(json.loads(patch_text(edits(one, other))), patch)


@given(st.data())
def test_equal_texts_need_no_patch(data: st.DataObject) -> None:
    """A state and itself are the same, and the way between other orders of keys is empty."""
    value = data.draw(pairs())[0]
    text = data.draw(texts(value))
    assert not list(edits(Node(text), Node(text)))
    if isinstance(value, dict):
        turned = json.dumps(dict(reversed(value.items())))
        straight = json.dumps(value)
        assert patch_of(edits(Node(straight.replace(" ", "")), Node(turned.replace(" ", "")))) == []


@pytest.mark.parametrize(
    ("old", "new", "patch"),
    [
        ("1", "1.0", [{"op": "replace", "path": "", "value": 1.0}]),
        ("true", "1", [{"op": "replace", "path": "", "value": 1}]),
        ('{"a":1,"a":2}', '{"a":1}', [{"op": "replace", "path": "", "value": {"a": 1}}]),
        ('{"a":1}', '{"\\u0061":1}', [{"op": "replace", "path": "", "value": {"a": 1}}]),
        ('{"a": 1}', '{"a":1}', [{"op": "replace", "path": "", "value": {"a": 1}}]),
        ("[1,2,3]", "[1,3]", [{"op": "remove", "path": "/1"}]),
        ("[12]", "[1]", [{"op": "replace", "path": "/0", "value": 1}]),
        ("[1]", "[12]", [{"op": "replace", "path": "/0", "value": 12}]),
        ("[1]", "[1234]", [{"op": "replace", "path": "/0", "value": 1234}]),
        ('{"a":1,"b":2,"c":3}', '{"c":3,"b":2,"a":1}', []),
        (
            "[1,2]",
            "[1,25,3]",
            [{"op": "replace", "path": "/1", "value": 25}, {"op": "add", "path": "/2", "value": 3}],
        ),
        (
            '[{"id":1,"x":1},{"id":2,"x":1}]',
            '[{"id":2,"x":5}]',
            [{"op": "remove", "path": "/0"}, {"op": "replace", "path": "/0/x", "value": 5}],
        ),
        ('{"a~/b":[1]}', '{"a~/b":[]}', [{"op": "remove", "path": "/a~0~1b/0"}]),
    ],
)
def test_patches_are_small(old: str, new: str, patch: Any) -> None:
    """What did not change is not in the patch; what cannot be told apart by name is replaced."""
    found = patch_of(edits(outline(old), outline(new, opened(outline(old)))))
    assert repr(found) == repr(patch)
    assert repr(json.loads(patch_text(edits(outline(old), outline(new))))) == repr(patch)


def test_what_differs_far_down_is_replaced() -> None:
    """Deep nesting is compared to a depth and replaced below it, without a deep stack."""
    deep = 500
    old, new = (Node("[" * deep + number + "]" * deep) for number in "12")
    (found,) = patch_of(edits(old, new))
    assert found["path"] == "/0" * LEVELS_MAX
    value = found["value"]
    for _ in range(deep - LEVELS_MAX):
        (value,) = value
    assert value == 2


def test_the_summary_repeats_no_list() -> None:
    """The summary has new values, null for what is gone, and of a list only what changed."""
    old = {"state": "Active", "gone": 1, "messages": [{"role": "a", "t": 1}, 2, 3, 4], "same": [1]}
    new = {"state": "Error", "messages": [{"role": "a", "t": 2}, 3, 4, 5], "same": [1], "new": {}}
    sides = (Node(json.dumps(side, separators=(",", ":"))) for side in (old, new))
    assert summary_of_change(*sides) == {
        "gone": None,
        "state": "Error",
        "messages": {"0": {"t": 2}, "-1": None, "+3": 5},
        "new": {},
    }


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_marks_keep_both_texts(old: str, new: str, both: str) -> None:
    """What has no `added` mark is the old text, what has no `removed` mark the new one."""
    before, after = f"{both} {old} {both}", f"{both} {new} {both}"
    pieces = marked(before, after)
    assert "".join(p.text for p in pieces if p.mark != "added") == before
    assert "".join(p.text for p in pieces if p.mark != "removed") == after


def test_marks_are_word_by_word() -> None:
    """A word that changed is marked, and nothing else."""
    pieces = marked("rm -rf build dist", "rm -rf fixtures dist")
    assert [(p.mark, p.text) for p in pieces] == [
        ("same", "rm -rf "),
        ("removed", "build"),
        ("added", "fixtures"),
        ("same", " dist"),
    ]
    long = " ".join(map(str, range(3000)))
    found = marked(f"x {long} y {long}", f"y {long} x {long[5:]}")
    assert sum(len(p.text) for p in found if p.mark == "same") > len(long)


@given(st.lists(st.integers(0, 4), max_size=12), st.lists(st.integers(0, 4), max_size=12))
def test_alignment_pairs_equal_items_in_order(old: list[int], new: list[int]) -> None:
    """Pairs are of equal items and ascend, and the script makes the one list the other."""
    found = aligned(old, new)
    assert all(old[i] == new[j] for i, j in found)
    assert all(a < c and b < d for (a, b), (c, d) in pairwise(found))
    steps = script(old, new)
    gone = {i for i, j in steps if j is None}
    come = {j for i, j in steps if i is None}
    assert [x for i, x in enumerate(old) if i not in gone] == [
        x for j, x in enumerate(new) if j not in come
    ]


@given(st.text("ab", max_size=30), st.text("ab", max_size=30), st.integers(0, 3))
def test_the_common_beginning(one: str, other: str, at: int) -> None:
    """The size is that of the longest common beginning."""
    size = shared_size(one, "x" * at + other, at)
    assert one[:size] == other[:size]
    assert size in (len(one), len(other)) or one[size] != other[size]
