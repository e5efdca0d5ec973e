"""Frozen JSON: free-form values that nobody can change once they were read.

Objects become `FrozenDict`, arrays become tuples, and the leaves keep their exact kind:
1 stays 1, 1.0 stays 1.0, True stays True, and an integer may have thousands of digits.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NoReturn, Self, TypeAlias

from pydantic import PlainValidator

DEPTH_MAX = 512
DIGITS_MAX = 4300
"""How long an integer may be: what Python prints and reads back."""

INT_MAX = 10**DIGITS_MAX


class FrozenDict(dict[Any, Any]):
    """A dict that can be read, compared, hashed, pickled and dumped, but never changed.

    It equals a plain dict of the same contents, and what is inside is frozen too.
    """

    __slots__ = ()

    def __new__(cls, value: Mapping[str, Any] | Iterable[tuple[str, Any]] = ()) -> Self:
        """Freeze *value* all the way down; raise `ValueError` when it is not JSON."""
        return cls.of_frozen(freeze(dict(value)))

    def __init__(self, value: Any = ()) -> None:
        """Do nothing: filling happens once, in `__new__`, and never again."""

    @classmethod
    def of_frozen(cls, items: Mapping[Any, Any]) -> Self:
        """Wrap *items*, whose values the caller knows to be immutable."""
        made = dict.__new__(cls)
        dict.update(made, items)
        return made

    def _refuse(self, *_args: Any, **_values: Any) -> NoReturn:
        """Refuse any change."""
        raise TypeError("frozen JSON cannot be changed")

    __setitem__ = __delitem__ = __ior__ = _refuse
    clear = pop = popitem = setdefault = update = _refuse

    def __hash__(self) -> int:  # type: ignore[override]
        """Hash the items, whatever their order, as equality ignores it too."""
        return hash(frozenset(self.items()))

    def __copy__(self) -> Self:
        """Return itself: sharing what cannot change is safe."""
        return self

    def __deepcopy__(self, _memo: dict[int, Any]) -> Self:
        """Return itself: sharing what cannot change is safe."""
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as the plain dict it was made from."""
        return type(self).of_frozen, (dict(self),)


class RefusalError(ValueError):
    """Why a value is not JSON, and the keys and indexes that lead to it, innermost first."""

    def __init__(self, reason: str) -> None:
        """Start with the reason; the trail grows on the way out."""
        super().__init__(reason)
        self.reason = reason
        self.trail: list[str] = []

    def __str__(self) -> str:
        """Say the reason and the place, which is shortened at its outer end."""
        if not self.trail:
            return self.reason
        return f"{self.reason} at {'.'.join(reversed(self.trail[:8]))}"


def freeze(value: Any) -> Any:
    """Return *value* as immutable JSON.

    Raises `ValueError` for what JSON cannot hold: other types, keys that are not strings, NaN,
    infinities, lone surrogates, and more than 512 levels of nesting.
    """
    if type(value) is FrozenDict:
        return value
    try:
        return _freeze(value, DEPTH_MAX)
    except RecursionError as error:
        raise ValueError("nesting is too deep for the stack that is left") from error


def _freeze(value: Any, room: int) -> Any:
    """Freeze one value that may hold *room* more levels of containers.

    One call is one level, so that the deepest value needs no more stack than Python has.
    """
    if type(value) is str and value.isascii():
        return value  # Most of what is read, and nothing to look into.
    if isinstance(value, (dict, list, tuple)):
        if room == 0:
            raise RefusalError(f"nesting is deeper than {DEPTH_MAX} levels")
        place: Any = None
        try:
            if isinstance(value, dict):
                members = {}
                for place, item in value.items():
                    members[_freeze_key(place)] = _freeze(item, room - 1)
                return FrozenDict.of_frozen(members)
            items: list[Any] = []
            for item in value:
                place = len(items)
                items.append(_freeze(item, room - 1))
            return tuple(items)
        except RefusalError as refusal:
            refusal.trail.append(_name_of(place))
            raise
    return _freeze_leaf(value)


def _name_of(place: Any) -> str:
    """Return how an error names the key or index *place*."""
    return ascii(place).strip("'")[:64] if isinstance(place, (str, int)) else "?"


def _freeze_leaf(value: Any) -> Any:
    """Return a value without parts as exactly one of the types of JSON."""
    if value is None or value is True or value is False:
        return value
    if isinstance(value, str):
        return _check_text(str(value))
    if isinstance(value, int):
        if not -INT_MAX < value < INT_MAX:
            raise RefusalError(f"a number has more than {DIGITS_MAX} digits")
        return int(value)
    if not isinstance(value, float):
        raise RefusalError(f"{type(value).__name__} is not a JSON type")
    if not math.isfinite(value):
        raise RefusalError("a number is not finite")
    return float(value)


def _freeze_key(key: Any) -> str:
    """Return the name of a member."""
    if not isinstance(key, str):
        raise RefusalError(f"a key is not a string but {type(key).__name__}")
    return _check_text(str(key))


def _check_text(text: str) -> str:
    """Return *text* unless it has a surrogate without its partner, which UTF-8 cannot spell."""
    if not text.isascii():
        try:
            text.encode()
        except UnicodeEncodeError:
            raise RefusalError("a string has a lone surrogate") from None
    return text


FrozenJson: TypeAlias = Annotated[Any, PlainValidator(freeze)]
"""A field of any JSON, frozen when it is read."""
