"""What JSON can say: a walk over a value that refuses the rest, and names the place."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from enum import Enum
from typing import Any

from eventstore.models.json_value import DIGITS_MAX, INT_MAX, FrozenDict
from eventstore.models.record import Record

NESTING_MAX = 512
"""How deep objects and lists may stand inside each other."""

STRING = rb'(?s:"[^"\\]*+(?:\\.[^"\\]*+)*+"?)'
"""The pattern of a string, or of what is left of one that does not end.

It never goes back, so that a long string takes no memory and one without an end no time.
"""

_A_STRING = re.compile(STRING)
_BRACKET = re.compile(rb"[\[\]{}]")
_SCALARS = (str, int, float, bool, type(None))
_EXACT = frozenset({str, bool, type(None)})

NOT_FROZEN: Any = object()
"""Stands for a value that is not frozen."""


class RefusedError(Exception):
    """A value that JSON cannot say, and the path to it, innermost first."""

    def __init__(self, reason: str) -> None:
        """Start the path at the value."""
        super().__init__(reason)
        self.reason = reason
        self.path: list[str] = []


def outside_strings(text: bytes) -> bytes:
    """Return JSON text without its strings."""
    return _A_STRING.sub(b"", text)


def is_too_deep(bare: bytes) -> bool:
    """Whether JSON text without its strings is nested deeper than `NESTING_MAX`."""
    depth = 0
    for bracket in _BRACKET.finditer(bare):
        depth += 1 if bracket[0] in b"[{" else -1
        if depth > NESTING_MAX:
            return True
    return False


def check(value: Any, depth: int) -> None:
    """Raise `RefusedError` for what JSON cannot say."""
    if isinstance(value, Record):
        value = value.written()
    if isinstance(value, _SCALARS):
        _check_number(value)
        return
    if depth > NESTING_MAX:
        raise RefusedError(f"is nested deeper than {NESTING_MAX}")
    # One call is one level, so that the deepest value needs no more stack than Python has.
    for step, item in _steps(value):
        try:
            check(item, depth + 1)
        except RefusedError as error:
            error.path.append(str(step))
            raise


def is_plain(value: Any, depth: int) -> bool:
    """Whether *value* is nothing but dicts, lists and scalars that JSON can say.

    False says only that it takes a closer look: this is the fast way through large plain values.
    """
    level = [value]
    while level:
        if depth > NESTING_MAX:
            return False
        below: list[Any] = []
        for container in level:
            if not _sorted_out(container, below):
                return False
        level, depth = below, depth + 1
    return True


def _sorted_out(container: Any, below: list[Any]) -> bool:
    """Add what may be a container inside a plain one to *below*; False if this is not plain."""
    items: Iterable[Any]
    if type(container) is dict:
        items = container.values()
        for key in container:
            if type(key) is not str:
                return False
    elif type(container) is list:
        items = container
    else:
        return False
    for item in items:
        kind = type(item)
        if kind in _EXACT:
            continue
        if kind is not int and kind is not float:
            below.append(item)
        elif not -INT_MAX < item < INT_MAX:  # Neither is NaN or an infinity between.
            return False
    return True


def is_frozen(value: Any) -> bool:
    """Whether *value* is JSON, of records and frozen values, in which nothing can be changed.

    False says only that it takes a closer look; how deep it is nested is not looked at.
    """
    kind = type(value)
    if kind in _EXACT or kind is FrozenDict:
        return True
    if kind is int or kind is float:
        return bool(-INT_MAX < value < INT_MAX)  # Neither is NaN or an infinity between.
    if kind is tuple:
        return all(map(is_frozen, value))
    if isinstance(value, Record):
        extra = value.__pydantic_extra__
        return type(extra) is FrozenDict and all(map(is_frozen, value.__dict__.values()))
    return isinstance(value, Enum) and isinstance(value, str)


def unwrapped(value: Any) -> Any:
    """Return what `is_frozen` tells of, with its records as dicts; `NOT_FROZEN` for all else."""
    kind = type(value)
    if kind in _EXACT or kind is FrozenDict:
        return value
    if kind is int or kind is float:
        return value if -INT_MAX < value < INT_MAX else NOT_FROZEN
    if kind is tuple:
        items = tuple(map(unwrapped, value))
        return NOT_FROZEN if NOT_FROZEN in items else items
    if isinstance(value, Record):
        return _unwrapped(value)
    if isinstance(value, Enum) and isinstance(value, str) and type(value._value_) is str:
        return value._value_  # This is what is written, and asking for `value` is slow.
    return NOT_FROZEN


def _unwrapped(record: Record) -> Any:
    """Return what a record writes, if it is frozen."""
    extra = record.__pydantic_extra__
    if type(extra) is not FrozenDict:
        return NOT_FROZEN
    members = None if extra else record.layout.straight(record.__dict__)
    if members is None:
        # What is left out may be written next time, so that it must not change either.
        if not all(map(is_frozen, record.left_out())):
            return NOT_FROZEN
        members = record.written()
        if type(members) is not dict:
            return unwrapped(members)
    for key, item in members.items():
        if type(item) not in _EXACT:
            members[key] = bare = unwrapped(item)
            if bare is NOT_FROZEN:
                return NOT_FROZEN
    return members


def expanded(value: Any, depth: int) -> tuple[Any, bool]:
    """Return *value* with its records as dicts, and whether nothing in it can change.

    Raises `RefusedError` for what `check` refuses.
    """
    source = value
    if isinstance(value, Record):
        value = value.written()
    if isinstance(value, _SCALARS):
        _check_number(value)
        return value, True
    if depth > NESTING_MAX:
        raise RefusedError(f"is nested deeper than {NESTING_MAX}")
    unchangeable = True
    if isinstance(value, list | tuple):
        items = []
        for item in value:
            if type(item) is not str:
                item, frozen = expanded(item, depth + 1)  # noqa: PLW2901
                unchangeable &= frozen
            items.append(item)
        return items, unchangeable and type(value) is tuple
    members = {}
    for key, item in _steps(value):
        if type(item) is not str:
            item, frozen = expanded(item, depth + 1)  # noqa: PLW2901
            unchangeable &= frozen
        members[key] = item
    if isinstance(source, Record):
        unchangeable &= type(source.__pydantic_extra__) is FrozenDict
        return members, unchangeable and all(map(is_frozen, source.left_out()))
    return members, unchangeable and type(value) is FrozenDict


def _check_number(value: Any) -> None:
    """Raise `RefusedError` for a number that could not be read back."""
    if isinstance(value, float) and not math.isfinite(value):
        raise RefusedError("is NaN or infinite")
    if isinstance(value, int) and not -INT_MAX < value < INT_MAX:
        raise RefusedError(f"has more than {DIGITS_MAX} digits")


def _steps(value: Any) -> Iterable[tuple[Any, Any]]:
    """Return what an object or a list holds, each with its key or index."""
    if isinstance(value, list | tuple):
        return enumerate(value)
    if not isinstance(value, dict):
        raise RefusedError(f"is {type(value).__name__}, which JSON has no form for")
    for key in value:
        if not isinstance(key, str):
            raise RefusedError(f"has a key that is {type(key).__name__}, not a string")
    return value.items()


def surrogate_path(value: Any) -> list[str]:
    """Return the path to the first string that is not Unicode."""
    if isinstance(value, Record):
        value = value.written()
    if isinstance(value, dict):
        steps = [(str(key), key, item) for key, item in value.items()]
    elif isinstance(value, list | tuple):
        steps = [(str(index), "", item) for index, item in enumerate(value)]
    else:
        return []
    for step, key, item in steps:
        if not _is_unicode(key):
            return ["a key"]
        if isinstance(item, str) and not _is_unicode(item):
            return [step]
        if below := surrogate_path(item):
            return [step, *below]
    return []


def _is_unicode(text: str) -> bool:
    """Whether *text* has a UTF-8 form."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
