"""A state: the exact JSON bytes of one part, from what a caller passes and back."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from contextlib import suppress
from json.encoder import encode_basestring
from typing import Any

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, from_json, to_json

from eventstore.errors import CorruptError, InvalidInputError
from eventstore.json_rules import (
    NESTING_MAX,
    NOT_FROZEN,
    STRING,
    RefusedError,
    check,
    expanded,
    is_plain,
    is_too_deep,
    outside_strings,
    surrogate_path,
    unwrapped,
)
from eventstore.models.json_value import RefusalError
from eventstore.models.record import Record

STATE_SIZE_MAX = 256 * 1024 * 1024
"""Bytes of one state, unless the store is opened with another limit."""

_SPACE = re.compile(rb"[ \t\r\n]")
_SMALL = re.compile(STRING + rb"|-?[0-9.]++e-0[0-9]")
"""A string, or a number that Python spells in another way than pydantic."""
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")


def plain(value: Any, *, part: str) -> Any:
    """Return *value* as dicts, lists, records, strings and numbers, as its model serialises it."""
    if isinstance(value, Record):
        return value
    if isinstance(value, BaseModel):
        return _dumped(value.model_dump, part, by_alias=True)
    if isinstance(value, Mapping) and not isinstance(value, dict):
        return dict(value)
    return value


def dumped(adapter: TypeAdapter[Any], value: Any, *, part: str) -> Any:
    """Return *value*, checked against its type first, as `plain` would."""
    try:
        checked = adapter.validate_python(value)
    except ValidationError as error:
        raise invalid(error, part) from None
    except RecursionError:
        raise InvalidInputError("is nested too deeply", field=part) from None
    if isinstance(checked, Record) or (
        isinstance(checked, tuple) and all(isinstance(item, Record) for item in checked)
    ):
        return checked
    return _dumped(adapter.dump_python, part, checked, by_alias=True)


def encode(value: Any, *, part: str, size_max: int = STATE_SIZE_MAX) -> bytes:
    """Return the state that a value from `plain` is, in the caller's key order.

    Raises `InvalidInputError` naming the field for NaN, infinities, lone surrogates, keys that
    are not strings, other types than JSON's, deep nesting and too many bytes.
    """
    try:
        check(value, 1)
        state = _written(value)
    except RefusedError as error:
        field = ".".join([part, *reversed(error.path)])
        raise InvalidInputError(error.reason, field=field) from None
    except UnicodeEncodeError:
        field = ".".join([part, *surrogate_path(value)])
        raise InvalidInputError(
            "holds a lone surrogate, which is not Unicode", field=field
        ) from None
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInputError(
            f"cannot be written as JSON ({type(error).__name__})", field=part
        ) from None
    check_size(len(state), part, size_max)
    return state


def text(value: Any, depth: int) -> tuple[bytes, bool]:
    """Return the JSON text of a value inside a state, *depth* levels deep, and if it is immutable.

    Immutable means that nothing reachable from the value can be changed in place. Raises
    `InvalidInputError` for what `encode` refuses, naming no field.
    """
    try:
        kind = type(value)
        if kind is str:
            return encode_basestring(value).encode(), True
        if kind is int:
            return int.__repr__(value).encode(), True
        if kind is not dict and kind is not list:
            bare = unwrapped(value)
            if bare is not NOT_FROZEN:
                return _written(bare), True
        if is_plain(value, depth):
            return _written(value), False
        plain, unchangeable = expanded(value, depth)
        return _written(plain), unchangeable
    except (RefusedError, ValueError, TypeError, RecursionError) as error:
        raise InvalidInputError(f"cannot be written as JSON ({type(error).__name__})") from None


def check_bytes(state: bytes, *, part: str, size_max: int = STATE_SIZE_MAX) -> Any:
    """Return the value of a state given as bytes, refusing what `encode` would not write."""
    if not isinstance(state, bytes | bytearray | memoryview):
        raise InvalidInputError(f"is {type(state).__name__}, not bytes", field=part)
    check_size(len(state), part, size_max)
    bare = outside_strings(state)
    if _SPACE.search(bare):
        raise InvalidInputError("has white space between tokens", field=part)
    if is_too_deep(bare):
        raise InvalidInputError(f"is nested deeper than {NESTING_MAX}", field=part)
    try:
        text = bytes(state).decode()
        value = json.loads(text, parse_constant=_refuse_constant, parse_float=_finite)
        if _SURROGATE.search(state):
            json.dumps(value, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise InvalidInputError("is not JSON in UTF-8", field=part) from None
    return value


def decode(state: bytes, *, session: str, part: str) -> Any:
    """Return the plain value of a state that was read and proven."""
    # Pydantic's parser gives up where Python's does not: at 200 levels, for one.
    with suppress(ValueError):
        return from_json(state, cache_strings="keys")
    try:
        return json.loads(state)
    except (ValueError, RecursionError) as error:
        raise CorruptError(f"part {part!r} is not JSON", session=session) from error


def decode_as(adapter: TypeAdapter[Any], state: bytes, *, session: str, part: str) -> Any:
    """Return a proven state as the type that *adapter* validates."""
    try:
        try:
            return adapter.validate_json(state)
        except ValidationError as error:
            # Pydantic's parser gives up at 200 levels, which is less than may be stored.
            if error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid":
                raise
            return adapter.validate_python(decode(state, session=session, part=part))
    except ValidationError as error:
        refused = invalid(error, part)
        raise InvalidInputError(
            refused.message,
            field=refused.field,
            session=session,
            hint="load it with model=dict to see it as it is",
        ) from None


def invalid(error: ValidationError, part: str) -> InvalidInputError:
    """Return what a failed validation says, without the values it quotes."""
    first = error.errors(include_url=False, include_input=False)[0]
    own = isinstance(first.get("ctx", {}).get("error"), RefusalError)
    field = ".".join([part, *(str(step) for step in first["loc"])])
    more = f", and {error.error_count() - 1} more" if error.error_count() > 1 else ""
    return InvalidInputError(f"{_reason(first['type'], first['msg'], own)}{more}", field=field)


def _reason(kind: str, message: str, own: bool) -> str:
    """Return a validation message if it is a fixed sentence or our *own*, else only its kind.

    A validator of the caller's may quote the value it refuses.
    """
    fixed = own or kind in {"missing", "duplicate_field"} or kind.endswith("_type")
    return message[:1].lower() + message[1:] if fixed else kind.replace("_", " ")


def _dumped(dump: Any, part: str, *values: Any, **options: Any) -> Any:
    """Call a pydantic dump; what it cannot dump is the caller's bad input."""
    try:
        return dump(*values, mode="json", round_trip=True, warnings=False, **options)
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidInputError(
            f"cannot be written as JSON ({type(error).__name__})", field=part
        ) from None


def _written(value: Any) -> bytes:
    """Return what was found to be JSON as text, as a model would be dumped."""
    try:
        return to_json(value)
    except PydanticSerializationError:
        # Pydantic's writer gives up at 255 levels, which is less than may be stored.
        return _SMALL.sub(_spelled, _encoder.encode(value).encode())


def _spelled(found: re.Match[bytes]) -> bytes:
    """Return a number as pydantic spells it, and a string as it is."""
    text = found[0]
    return text if text.startswith(b'"') else to_json(float(text))


_encoder = json.JSONEncoder(
    ensure_ascii=False, check_circular=False, separators=(",", ":"), default=Record.written
)


def check_size(size: int, part: str, size_max: int) -> None:
    """Refuse a state over the limit."""
    if size > size_max:
        raise InvalidInputError(
            f"takes {size} bytes, more than the limit of {size_max}",
            field=part,
            hint="open the store with a larger state_size_max=",
        )


def _finite(text: str) -> float:
    """Return a number that `save` could have written: one that a float can hold."""
    number = float(text)
    if not math.isfinite(number):
        raise ValueError("infinite")
    return number


def _refuse_constant(name: str) -> None:
    """Refuse NaN and the infinities, which Python's parser would take."""
    raise ValueError(name)
