"""What the fields of one record type are called, which must be there, and which are left out.

The keys of the objects read repeat endlessly, so what follows from them is worked out once
per distinct sequence of keys and kept, up to a bound.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any, Final

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError

SHAPES_MAX = 512
SHAPE_SIZE_MAX = 4096

EXTRA = "__pydantic_extra__"
"""Where a record keeps its unknown fields, among its own."""


class Rule(Enum):
    """How a field is read and written, as a mark in its annotation."""

    REQUIRED = "must be present when read, though the constructor has a default for it"
    OMIT = "is not written while it holds its default"
    UNWRITTEN = "is read but never written"


REQUIRED: Final = Rule.REQUIRED
OMIT: Final = Rule.OMIT
UNWRITTEN: Final = Rule.UNWRITTEN


@dataclass(frozen=True, slots=True)
class Also:
    """A further name under which a field is read."""

    name: str


@dataclass(frozen=True, slots=True)
class Made:
    """The value that the constructor uses where reading has another default."""

    value: Any


_WRITTEN: Final = object()


class Slot:
    """One field: its Python name, its wire name, and its rules."""

    def __init__(self, name: str, field: FieldInfo) -> None:
        """Gather the marks of *field*."""
        marks = field.metadata
        self.name = name
        self.wire = field.alias or name
        self.also = tuple(mark.name for mark in marks if isinstance(mark, Also))
        self.made = tuple(mark.value for mark in marks if isinstance(mark, Made))
        self.required = REQUIRED in marks or field.is_required()
        self.unwritten = UNWRITTEN in marks
        self.omitted_at = field.default if OMIT in marks else _WRITTEN
        self.field = field

    def fill(self, values: dict[str, Any]) -> None:
        """Put in what the constructor uses when the caller gave nothing."""
        if self.made:
            values[self.wire] = self.made[0]
        elif self.required and not self.field.is_required():
            values[self.wire] = self.field.get_default(call_default_factory=True)


@dataclass(frozen=True, slots=True)
class Shape:
    """What follows from the keys of an object alone."""

    keys: tuple[str, ...]
    """The keys to write it with again."""
    renames: Mapping[str, str | None] | None
    """Keys to rename, or to drop (None), before pydantic sees the object."""
    is_odd: bool
    """Whether the owner of the format would have written other keys, or another order."""
    suspects: tuple[tuple[str, Any], ...]
    """The fields that would not have been written if they held this value."""

    def rename(self, data: Mapping[str, Any]) -> dict[str, Any]:
        """Return *data* under the names that pydantic knows."""
        renames = self.renames or {}
        named = ((renames.get(key, key), item) for key, item in data.items())
        return {key: item for key, item in named if key is not None}

    def has_spelled_default(self, values: Mapping[str, Any]) -> bool:
        """Tell whether the input spelled out a default that is usually left out."""
        return any(values[name] == default for name, default in self.suspects)


class Layout:
    """The fields of one record type, in the order in which they are written."""

    def __init__(
        self, title: str, fields: Mapping[str, FieldInfo], dropped: frozenset[str]
    ) -> None:
        """Gather what the annotations of *fields* say."""
        self.title = title
        self.dropped = dropped
        self.slots = tuple(Slot(name, field) for name, field in fields.items())
        self.unwritten = frozenset(slot.wire for slot in self.slots if slot.unwritten)
        written = [slot for slot in self.slots if not slot.unwritten]
        self._written = tuple((slot.name, slot.wire, slot.omitted_at) for slot in written)
        self._omissible = [(n, at) for n, _, at in self._written if at is not _WRITTEN]
        is_straight = all(slot.name == slot.wire and not slot.unwritten for slot in self.slots)
        self._own_names = [*fields, EXTRA] if is_straight else None
        self.omitted = tuple(
            slot.name for slot in self.slots if slot.unwritten or slot.omitted_at is not _WRITTEN
        )
        self._wires = {name: slot.wire for slot in self.slots for name in (slot.wire, *slot.also)}
        self.names = {key: slot.name for slot in self.slots for key in (slot.wire, *slot.also)}
        self._python = {**{slot.name: slot.wire for slot in self.slots}, **self._wires}
        self._rank = {slot.wire: rank for rank, slot in enumerate(self.slots)}
        self._shapes: dict[tuple[str, ...], Shape] = {}

    def shape_of(self, data: Mapping[str, Any]) -> Shape:
        """Return what the keys of *data* imply; raise `ValidationError` if they cannot be read."""
        keys = tuple(data)
        shape = self._shapes.get(keys)
        if shape is None:
            shape = self._shape(keys, data)
            self._keep(keys, shape)
        return shape

    def canonical(
        self, values: Mapping[str, Any], extra: Mapping[str, Any] | None
    ) -> dict[str, Any]:
        """Return the object as the owner of the format would write it."""
        out = self.straight(values)
        if out is None:
            out = {
                wire: values[name]
                for name, wire, omitted_at in self._written
                if omitted_at is _WRITTEN or values[name] != omitted_at
            }
        if extra:
            out.update((key, item) for key, item in extra.items() if key not in self.unwritten)
        return out

    def straight(self, values: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what `canonical` does of fields that are written under their own names.

        None where it takes a closer look. What is left out is of the very type of its default.
        """
        if list(values) != self._own_names:
            return None
        out = dict(values)
        del out[EXTRA]
        for name, omitted_at in self._omissible:
            if out[name] == omitted_at:
                if type(out[name]) is not type(omitted_at):
                    return None
                del out[name]
        return out

    def complete(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return the constructor's arguments under their wire names, with all defaults."""
        given = self.by_wire(values)
        for slot in self.slots:
            if slot.wire not in given:
                slot.fill(given)
        return given

    def by_wire(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return *values*, given under Python names or wire names, under wire names."""
        named: dict[str, Any] = {}
        for key, item in values.items():
            wire = self._python.get(key, key)
            if wire in named:
                raise self._error([(wire, "given twice, under two of its names")])
            named[wire] = item
        return {key: item for key, item in named.items() if key not in self.dropped}

    def everything(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Return every field of a record under its wire name."""
        return {slot.wire: values[slot.name] for slot in self.slots}

    def keys_after(
        self, keys: tuple[str, ...], changed: Iterable[str], values: Mapping[str, Any]
    ) -> tuple[str, ...]:
        """Return the keys of a record that had *keys*, after the fields in *changed* were set."""
        after = list(keys)
        omitted = {wire for name, wire, default in self._written if values[name] == default}
        for wire in changed:
            if wire in self.unwritten:
                continue
            spelled = [key for key in after if self._wires.get(key, key) == wire]
            if wire in omitted:
                after = [key for key in after if key not in spelled]
            elif not spelled:
                after.insert(self._place(wire, after), wire)
        return tuple(after)

    def _place(self, wire: str, keys: list[str]) -> int:
        """Return where in *keys* a new field belongs: after the last declared before it."""
        rank = self._rank.get(wire)
        if rank is None:
            return len(keys)
        ranks = [self._rank.get(self._wires.get(key, key), len(self.slots)) for key in keys]
        return max((at + 1 for at, other in enumerate(ranks) if other < rank), default=0)

    def _shape(self, keys: tuple[str, ...], data: Mapping[str, Any]) -> Shape:
        """Work out what *keys* imply."""
        known = [self._wires[key] for key in keys if key in self._wires]
        twice = {wire for wire in known if known.count(wire) > 1}
        if twice:
            raise self._error([(wire, "present under two of its names") for wire in twice])
        missing = [slot.wire for slot in self.slots if slot.required and slot.wire not in known]
        if missing:
            raise self._missing(missing, data)
        renames: dict[str, str | None] = {
            key: wire for key, wire in self._wires.items() if key in keys and key != wire
        }
        renames.update((key, None) for key in keys if key in self.dropped)
        written = tuple(k for k in keys if k not in self.dropped and k not in self.unwritten)
        usual = self._usual(written)
        suspects = tuple(
            (name, default)
            for name, wire, default in self._written
            if default is not _WRITTEN and wire in written
        )
        return Shape(written, renames or None, written != usual, suspects)

    def _keep(self, keys: tuple[str, ...], shape: Shape) -> None:
        """Remember *shape*, unless the input is so odd that it would only take memory."""
        if sum(len(str(key)) for key in keys) > SHAPE_SIZE_MAX:
            return
        if len(self._shapes) >= SHAPES_MAX:
            self._shapes.clear()
        self._shapes[keys] = shape

    def _usual(self, keys: tuple[str, ...]) -> tuple[str, ...]:
        """Return the keys with which an object holding *keys* is usually written."""
        return tuple(
            wire
            for _name, wire, omitted_at in self._written
            if omitted_at is _WRITTEN or wire in keys
        )

    def _error(self, reasons: list[tuple[str, str]]) -> ValidationError:
        """Return the error for fields that are there in the wrong way."""
        details = [
            InitErrorDetails(
                type=PydanticCustomError("duplicate_field", reason), loc=(wire,), input=None
            )
            for wire, reason in sorted(reasons)
        ]
        return ValidationError.from_exception_data(self.title, details, hide_input=True)

    def _missing(self, wires: list[str], data: Mapping[str, Any]) -> ValidationError:
        """Return the error for fields that are not there."""
        details = [InitErrorDetails(type="missing", loc=(wire,), input=data) for wire in wires]
        return ValidationError.from_exception_data(self.title, details, hide_input=True)
