"""JSON as Rust's serde_json spells it, with every number kept as it was written.

`parse` reads what serde_json would accept (and less than Python would), `compact` and `pretty`
write what it would write. Numbers are `Number`s, their own spelling, so `1.0` is never `1`.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable
from json.encoder import encode_basestring
from typing import Any

from eventstore.errors import InvalidInputError
from eventstore.json_rules import NESTING_MAX, is_too_deep, outside_strings
from eventstore.state import STATE_SIZE_MAX

_BOM = b"\xef\xbb\xbf"
_HALF_PAIR = re.compile(r"[\ud800-\udfff]")
_SURROGATE = re.compile(rb"\\u[dD][89a-fA-F]")
_SMALL = re.compile(r"(-?)([0-9])(?:\.([0-9]+))?e-0([5-9])")
_FLOAT_DIGITS_SAFE = 300
"""A number of fewer characters and no exponent is finite."""

_INT_DIGITS_MAX = 4300
"""What `int` accepts from a string, unless the process says otherwise."""

_quote: Callable[[str], str] = encode_basestring


class Number(str):
    """A JSON number, spelled as it was."""

    __slots__ = ()


class _RefusedError(ValueError):
    """What Python's parser would take and JSON has no form for."""


def parse(
    text: bytes | str,
    *,
    field: str | None = None,
    size_max: int = STATE_SIZE_MAX,
    mend: bool = False,
) -> Any:
    """Return the value that *text* is: dicts, lists, strings, `Number`s, booleans and None.

    Raises `InvalidInputError`, about *field*, for anything but one JSON document in UTF-8: a byte
    order mark (with *mend* it is passed over), NaN, a key that comes twice, a lone surrogate (with
    *mend* it becomes U+FFFD), nesting beyond 512 levels, a number too large for a float, more than
    *size_max* bytes.
    """
    try:
        data = text.encode() if isinstance(text, str) else bytes(text)
    except UnicodeEncodeError:
        raise InvalidInputError("holds a lone surrogate", field=field) from None
    if mend:
        data = data.removeprefix(_BOM)
    _check_shape(data, field, size_max)
    try:
        value = _DECODER.decode(data.decode())
    except UnicodeDecodeError as error:
        raise InvalidInputError("is not UTF-8", field=field, where=f"byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise _not_json(error, field) from None
    except _RefusedError as error:
        raise InvalidInputError(str(error), field=field) from None
    except RecursionError:
        raise InvalidInputError("is nested too deeply", field=field) from None
    return _whole(value, field, mend) if _SURROGATE.search(data) else value


def compact(value: Any) -> bytes:
    """Return a JSON value in one line, as a state is stored."""
    parts: list[str] = []
    _write_compact(value, parts.append)
    return "".join(parts).encode()


def pretty(value: Any) -> bytes:
    """Return a JSON value in serde_json's pretty form: two spaces, no newline at the end.

    Numbers that Python spelled its own way are respelled; see `spell`.
    """
    parts: list[str] = []
    _write_pretty(value, parts.append, "\n")
    return "".join(parts).encode()


def spell(number: str) -> str:
    """Return the spelling of *number* that serde_json would choose where Python's differs.

    Python writes 0.00001 as `1e-05` and 0.000001 as `1e-06`; every other spelling stays.
    """
    small = _SMALL.fullmatch(number)
    if small is None:
        return number
    sign, first, rest, exponent = small[1], small[2], small[3] or "", small[4]
    if exponent == "5":
        return f"{sign}0.0000{first}{rest}"
    return f"{sign}{first}{'.' if rest else ''}{rest}e-{exponent}"


def _check_shape(data: bytes, field: str | None, size_max: int) -> None:
    """Refuse what must not even reach the parser."""
    if len(data) > size_max:
        raise InvalidInputError(
            f"takes {len(data)} bytes, more than the limit of {size_max}", field=field
        )
    if not data.strip(b" \t\r\n"):
        raise InvalidInputError("is empty", field=field)
    if data.startswith(_BOM):
        raise InvalidInputError("starts with a byte order mark", field=field)
    if is_too_deep(outside_strings(data)):
        raise InvalidInputError(f"is nested deeper than {NESTING_MAX}", field=field)


def _not_json(error: json.JSONDecodeError, field: str | None) -> InvalidInputError:
    """Return what is wrong with the text, and whether it just ends too early."""
    where = f"line {error.lineno} column {error.colno}"
    if error.msg.startswith("Unterminated") or error.pos >= len(error.doc.rstrip(" \t\r\n")):
        return InvalidInputError("is cut off in the middle", field=field, where=where)
    return InvalidInputError("is not JSON", field=field, where=where)


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return an object, refusing a key that comes twice."""
    members = dict(pairs)
    if len(members) != len(pairs):
        raise _RefusedError("has an object with the same key twice")
    return members


def _int(spelling: str) -> Number:
    """Keep an integer's spelling if Python can ever read it again."""
    if len(spelling) > _INT_DIGITS_MAX:
        raise _RefusedError(f"holds an integer of more than {_INT_DIGITS_MAX} digits")
    return Number(spelling)


def _float(spelling: str) -> Number:
    """Keep a number's spelling if it has a finite value."""
    if (len(spelling) > _FLOAT_DIGITS_SAFE or "e" in spelling.lower()) and math.isinf(
        float(spelling)
    ):
        raise _RefusedError("holds a number too large for a float")
    return Number(spelling)


def _refuse_constant(_name: str) -> Any:
    """Refuse NaN and the infinities."""
    raise _RefusedError("holds NaN or an infinity")


_DECODER = json.JSONDecoder(
    parse_int=_int,
    parse_float=_float,
    parse_constant=_refuse_constant,
    object_pairs_hook=_members,
)


def _whole(value: Any, field: str | None, mend: bool) -> Any:
    """Return *value* if all its text is Unicode; with *mend*, make it so, in place."""
    if isinstance(value, list):
        for index, item in enumerate(value):
            value[index] = _whole(item, field, mend)
    elif isinstance(value, dict):
        members = list(value.items())
        value.clear()
        for key, item in members:
            value[_whole(key, field, mend)] = _whole(item, field, mend)
    elif type(value) is str and _HALF_PAIR.search(value):
        if not mend:
            raise InvalidInputError("holds a lone surrogate, which is not Unicode", field=field)
        return _HALF_PAIR.sub("\ufffd", value)
    return value


def _leaf(value: Any) -> str:
    """Return a value without members as it is written."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return _quote(value)
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    if isinstance(value, float) and math.isfinite(value):
        return spell(repr(value))
    raise InvalidInputError(f"{type(value).__name__} has no form in JSON")


# One call is one level in these two, so that the deepest value fits Python's stack.


def _write_compact(value: Any, put: Callable[[str], None]) -> None:
    """Put the pieces of a value, without white space."""
    if isinstance(value, dict):
        lead = "{"
        for key, item in value.items():
            put(f"{lead}{_quote(key)}:")
            _write_compact(item, put)
            lead = ","
        put("}" if value else "{}")
    elif isinstance(value, list | tuple):
        lead = "["
        for item in value:
            put(lead)
            _write_compact(item, put)
            lead = ","
        put("]" if value else "[]")
    else:
        put(_leaf(value))


def _write_pretty(value: Any, put: Callable[[str], None], line: str) -> None:
    """Put the pieces of a value; *line* starts a line at the value's own indent."""
    below = line + "  "
    if isinstance(value, dict):
        lead = "{"
        for key, item in value.items():
            put(f"{lead}{below}{_quote(key)}: ")
            _write_pretty(item, put, below)
            lead = ","
        put(line + "}" if value else "{}")
    elif isinstance(value, list | tuple):
        lead = "["
        for item in value:
            put(lead + below)
            _write_pretty(item, put, below)
            lead = ","
        put(line + "]" if value else "[]")
    else:
        put(spell(value) if isinstance(value, Number) else _leaf(value))
