"""A patch: what RFC 6902 says of the way from one JSON document to another, and its pointers."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from copy import deepcopy
from typing import Any

from eventstore.errors import InvalidInputError

Path = tuple[str | int, ...]
"""Keys and indexes that lead from a document to a value in it."""


def pointer(path: Iterable[str | int]) -> str:
    """Return the JSON pointer (RFC 6901) of a path."""
    return "".join(f"/{str(step).replace('~', '~0').replace('/', '~1')}" for step in path)


def apply_patch(document: Any, patch: Sequence[Mapping[str, Any]]) -> Any:
    """Return what an RFC 6902 *patch* makes of *document*, which stays as it is.

    Raises `InvalidInputError` naming the operation that cannot be applied.
    """
    made = [deepcopy(document)]
    for number, operation in enumerate(patch):
        try:
            _apply(made, operation)
        except (LookupError, ValueError, TypeError) as error:
            raise InvalidInputError(
                "the operation cannot be applied to this document", field=f"patch.{number}"
            ) from error
    return made[0]


def _apply(holder: list[Any], operation: Mapping[str, Any]) -> None:
    """Apply one operation to the document that *holder* holds."""
    path = _steps(operation["path"])
    match operation["op"]:
        case "add":
            _add(holder, path, deepcopy(operation["value"]))
        case "remove":
            _take(holder, path)
        case "replace":
            _replace(holder, path, deepcopy(operation["value"]))
        case "move":
            source = _steps(operation["from"])
            if path[: len(source)] == source and path != source:
                raise ValueError("a value cannot move into itself")
            _add(holder, path, _take(holder, source))
        case "copy":
            _add(holder, path, deepcopy(_value(holder, _steps(operation["from"]))))
        case "test":
            if not is_same(_value(holder, path), operation["value"]):
                raise ValueError("the test failed")
        case _:
            raise ValueError("unknown operation")


def is_same(one: Any, other: Any) -> bool:
    """Whether two JSON values are equal: numbers as numbers, and a number is no boolean."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(is_same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(is_same, one, other))
    return bool(one == other)


def _steps(text: Any) -> list[str]:
    """Return the steps of a JSON pointer, below the holder of the document."""
    if not isinstance(text, str) or (text and not text.startswith("/")):
        raise ValueError("not a JSON pointer")
    return ["0", *(s.replace("~1", "/").replace("~0", "~") for s in text.split("/")[1:])]


def _value(holder: Any, path: list[str]) -> Any:
    """Return the value at a path."""
    for step in path:
        holder = holder[_place(holder, step, 0)]
    return holder


def _place(container: Any, step: str, more: int) -> Any:
    """Return the key or index that a step names; an index may be *more* than the last by that."""
    if isinstance(container, dict):
        return step
    if not isinstance(container, list):
        raise TypeError("a scalar has no members")
    if more and step == "-":
        return len(container)
    index = int(step) if step.isdecimal() and step.isascii() else -1
    if str(index) != step or not 0 <= index < len(container) + more:
        raise IndexError("no such element")
    return index


def _add(holder: list[Any], path: list[str], value: Any) -> None:
    """Add a value; a document, or a member that is there, is replaced."""
    target = _value(holder, path[:-1])
    place = _place(target, path[-1], 1)
    if isinstance(target, list) and target is not holder:
        target.insert(place, value)
    else:
        target[place] = value


def _replace(holder: list[Any], path: list[str], value: Any) -> None:
    """Replace a value that is there."""
    target = _value(holder, path[:-1])
    place = _place(target, path[-1], 0)
    target[place]  # Must be there.
    target[place] = value


def _take(holder: list[Any], path: list[str]) -> Any:
    """Remove a value and return it; a document that is removed leaves null."""
    target = _value(holder, path[:-1])
    place = _place(target, path[-1], 0)
    if target is holder:
        taken, holder[0] = holder[0], None
        return taken
    return target.pop(place)
