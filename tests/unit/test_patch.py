"""`apply_patch` does what RFC 6902 says, and refuses what it says is an error."""

from __future__ import annotations

from typing import Any

import pytest

from eventstore import InvalidInputError, apply_patch
from eventstore.patch import pointer

# The examples of RFC 6902, appendix A, and of RFC 6901.
GOOD = [
    ({"foo": "bar"}, [("add", "/baz", "qux")], {"baz": "qux", "foo": "bar"}),
    ({"foo": ["bar", "baz"]}, [("add", "/foo/1", "qux")], {"foo": ["bar", "qux", "baz"]}),
    ({"baz": "qux", "foo": "bar"}, [("remove", "/baz")], {"foo": "bar"}),
    ({"foo": ["bar", "qux", "baz"]}, [("remove", "/foo/1")], {"foo": ["bar", "baz"]}),
    ({"baz": "qux"}, [("replace", "/baz", "boo")], {"baz": "boo"}),
    (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [("move", "/foo/waldo", "/qux/thud")],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    (
        {"foo": ["all", "grass", "cows", "eat"]},
        [("move", "/foo/1", "/foo/3")],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    (
        {"a": {"b": 1}},
        [("copy", "/a", "/c"), ("add", "/a/d", 2)],
        {"a": {"b": 1, "d": 2}, "c": {"b": 1}},
    ),
    ({"baz": "qux", "foo": ["a", 2, "c"]}, [("test", "/baz", "qux"), ("test", "/foo/1", 2.0)], ...),
    (
        {"foo": "bar"},
        [("add", "/child", {"grandchild": {}})],
        {"foo": "bar", "child": {"grandchild": {}}},
    ),
    ({"foo": ["bar"]}, [("add", "/foo/-", ["abc", "def"])], {"foo": ["bar", ["abc", "def"]]}),
    ({"/": 9, "~1": 10}, [("test", "/~01", 10), ("test", "/~1", 9)], ...),
    ({"foo": 1}, [("add", "/foo", 2)], {"foo": 2}),
    ({"foo": 1}, [("add", "", [1])], [1]),
    ({"foo": 1}, [("replace", "", None)], None),
    ({"": 0, "0": 1}, [("remove", "/")], {"0": 1}),
    ({"foo": 1}, [("move", "/foo", "/foo")], {"foo": 1}),
]
BAD: list[tuple[Any, Any]] = [
    ({"foo": "bar"}, ("add", "/baz/bat", "qux")),
    ({"baz": "qux"}, ("test", "/baz", "bar")),
    ({"/": 9, "~1": 10}, ("test", "/~01", "10")),
    ({"foo": True}, ("test", "/foo", 1)),
    ({"foo": [1]}, ("add", "/foo/2", 0)),
    ({"foo": [1]}, ("add", "/foo/01", 0)),
    ({"foo": [1]}, ("add", "/foo/-1", 0)),
    ({"foo": [1]}, ("replace", "/foo/-", 0)),
    ({"foo": [1]}, ("remove", "/foo/1")),
    ({"foo": 1}, ("remove", "/bar")),
    ({"foo": 1}, ("replace", "/bar", 1)),
    ({"foo": 1}, ("add", "foo", 1)),
    ({"foo": {}}, ("move", "/foo", "/foo/bar")),
    ({"foo": 1}, ("spam", "/foo", 1)),
    ({"foo": 1}, ("add", None, 1)),
]


def operation(name: str, path: Any, value: Any = ...) -> dict[str, Any]:
    """Return an operation as JSON has it."""
    if name in ("move", "copy"):
        return {"op": name, "from": path, "path": value}
    return {"op": name, "path": path} | ({} if value is ... else {"value": value})


@pytest.mark.parametrize(("document", "steps", "expected"), GOOD)
def test_what_the_standard_allows(document: Any, steps: Any, expected: Any) -> None:
    """Every operation does what the examples of the standard say, and changes a copy."""
    before = repr(document)
    made = apply_patch(document, [operation(*step) for step in steps])
    assert made == (document if expected is ... else expected)
    assert repr(document) == before


@pytest.mark.parametrize(("document", "step"), BAD)
def test_what_the_standard_forbids(document: Any, step: Any) -> None:
    """What cannot be applied is refused by the number of the operation, quoting no value."""
    patch = [{"op": "test", "path": "", "value": document}, operation(*step)]
    with pytest.raises(InvalidInputError, match="cannot be applied") as caught:
        apply_patch(document, patch)
    assert caught.value.field == "patch.1"


def test_an_operation_without_its_members_is_refused() -> None:
    """An operation that lacks what it needs is bad input."""
    for step in ({"op": "add", "path": "/a"}, {"path": "/a"}, {"op": "move", "path": "/a"}):
        with pytest.raises(InvalidInputError):
            apply_patch({"a": 1}, [step])


def test_pointers_are_escaped() -> None:
    """A pointer escapes what separates its steps."""
    assert pointer(("a/b", 0, "m~n", "")) == "/a~1b/0/m~0n/"
