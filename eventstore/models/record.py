"""The base of every stored type: immutable, strict, and exact about what it was read from.

A record is emitted as the program that owns the format would: declared order, wire names, and
fields marked `OMIT` left out while they hold their default. A record that was read from
anything else (unknown fields, another order, defaults left out) remembers the keys it had
and is emitted with exactly those, so that reading and writing changes nothing.
"""

from __future__ import annotations

import functools
import itertools
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Self, TypeAlias

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_serializer,
    model_validator,
)
from pydantic_core import PydanticSerializationError

from eventstore.models.json_value import FrozenDict, FrozenJson
from eventstore.models.layout import EXTRA, Layout

Text: TypeAlias = Annotated[str, Field(strict=True, min_length=0)]
"""A string; the length rule, always met, makes pydantic refuse lone surrogates as well."""
Flag: TypeAlias = Annotated[bool, Field(strict=True)]
U32: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=2**32 - 1)]
U64: TypeAlias = Annotated[int, Field(strict=True, ge=0, le=2**64 - 1)]
Size: TypeAlias = U64
I32: TypeAlias = Annotated[int, Field(strict=True, ge=-(2**31), le=2**31 - 1)]
I64: TypeAlias = Annotated[int, Field(strict=True, ge=-(2**63), le=2**63 - 1)]
Real: TypeAlias = Annotated[float, Field(strict=True, allow_inf_nan=False)]

_KEYS = "_keys"
_COUNTS = "counts"
_NO_EXTRAS = FrozenDict()


class Record(BaseModel):
    """One immutable JSON object of a stored format.

    The constructor fills every field that has a default; reading (`model_validate` and nested
    values) demands those that the format demands. Dumps are whole: pydantic's options for
    leaving fields out (`include`, `exclude…`) have no effect.
    """

    model_config = ConfigDict(frozen=True, extra="allow", hide_input_in_errors=True)

    __pydantic_extra__: dict[str, FrozenJson] = Field(init=False)
    never_stored: ClassVar[frozenset[str]] = frozenset()
    """Names that are dropped when read, whatever they hold."""
    layout: ClassVar[Layout]
    comparisons: ClassVar[Iterator[int]] = itertools.count()
    """Counts calls of `__eq__`, so that a comparison can be known to have made none."""

    @classmethod
    def __pydantic_init_subclass__(cls, **_options: Any) -> None:
        """Work out the layout once, when the class is made; count a comparison of its own too."""
        cls.layout = Layout(cls.__name__, cls.model_fields, cls.never_stored)
        compare = cls.__eq__
        if compare is not Record.__eq__ and not hasattr(compare, _COUNTS):
            cls.__eq__ = _counted(compare)  # type: ignore[method-assign]

    def __init__(self, /, **values: Any) -> None:
        """Make a record; Python names and wire names are both accepted."""
        super().__init__(**self.layout.complete(values))
        self.__dict__.pop(_KEYS, None)

    # Without this mark pydantic would build nested records with this constructor too,
    # and a field that the format demands could be missing unnoticed.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]

    @model_validator(mode="wrap")
    @classmethod
    def _read(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Read one object and remember its keys if they are not the usual ones."""
        if not isinstance(data, dict):
            if not isinstance(data, Mapping):
                return handler(data)
            data = dict(data)
        shape = cls.layout.shape_of(data)
        record = handler(data if shape.renames is None else shape.rename(data))
        extra = record.__pydantic_extra__
        frozen = FrozenDict.of_frozen(extra) if extra else _NO_EXTRAS
        object.__setattr__(record, EXTRA, frozen)
        if shape.is_odd or (shape.suspects and shape.has_spelled_default(record.__dict__)):
            record.__dict__[_KEYS] = shape.keys
        return record

    @model_serializer(mode="plain")
    def _emit(self) -> Any:
        """Return what to write; every way of dumping a record comes through here."""
        return self.written()

    def written(self) -> Any:
        """Return what to write: an object, unless a type says otherwise."""
        return self.to_object()

    def __eq__(self, other: object) -> bool:
        """Compare as values: 1 equals 1.0 and the order of keys does not matter."""
        next(Record.comparisons)
        return super().__eq__(other)

    __hash__ = BaseModel.__hash__

    def to_object(self) -> dict[str, Any]:
        """Return the members of the object to write, in the order to write them."""
        values, extra = self.__dict__, self.__pydantic_extra__
        keys = values.get(_KEYS)
        if keys is None:
            return self.layout.canonical(values, extra)
        names = self.layout.names
        return {key: values[names[key]] if key in names else extra[key] for key in keys}

    def left_out(self) -> Iterable[Any]:
        """Return what the record holds that `written` may leave out."""
        values = self.__dict__
        if _KEYS in values:
            return values.values()
        omitted = self.layout.omitted
        return map(values.__getitem__, omitted) if omitted else ()

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Return a copy with the fields of *update*, which are checked like any other input."""
        if not update:
            return self
        layout = self.layout
        changed = layout.by_wire(update)
        copy = type(self).model_validate(
            {**layout.everything(self.__dict__), **self.extras, **changed}
        )
        copy.__dict__.pop(_KEYS, None)
        keys = self.__dict__.get(_KEYS)
        if keys is not None:
            copy.__dict__[_KEYS] = layout.keys_after(keys, changed, copy.__dict__)
        return copy

    @classmethod
    def model_validate_json(cls, json_data: str | bytes | bytearray, **options: Any) -> Self:
        """Read a record from JSON text."""
        try:
            return super().model_validate_json(json_data, **options)
        except ValidationError as error:
            # Pydantic's own parser gives up at 200 levels, which is less than may be stored.
            if "recursion limit" not in str(error):
                raise
            return cls.model_validate(_parse_deep(json_data, error), **options)

    def model_dump_json(self, **options: Any) -> str:
        """Return the record as compact JSON text, unless *options* say otherwise."""
        try:
            return super().model_dump_json(**options)
        except PydanticSerializationError:
            # Pydantic's own writer gives up at 255 levels, which is less than may be stored.
            if options:
                raise
            return json.dumps(self, default=_emitted, ensure_ascii=False, separators=(",", ":"))

    def __copy__(self) -> Self:
        """Return itself: sharing what cannot change is safe."""
        return self

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        """Return itself: sharing what cannot change is safe."""
        return self

    if not TYPE_CHECKING:  # A type checker would take these for leave to set anything.

        def __setattr__(self, name: str, value: Any) -> None:
            """Refuse any change, of what a record remembers about its input too."""
            if name.startswith("_"):
                raise TypeError("a record cannot be changed")
            super().__setattr__(name, value)

        def __delattr__(self, name: str) -> None:
            """Refuse any change, of what a record remembers about its input too."""
            if name.startswith("_"):
                raise TypeError("a record cannot be changed")
            super().__delattr__(name)

    @property
    def extras(self) -> Mapping[str, Any]:
        """The unknown fields this record came with, frozen."""
        return self.__pydantic_extra__


def _counted(compare: Callable[[Any, object], bool]) -> Callable[[Any, object], bool]:
    """Return a comparison that some type has of its own as one that `Record.comparisons` counts."""

    @functools.wraps(compare)
    def counted(self: Any, other: object) -> bool:
        next(Record.comparisons)
        return compare(self, other)

    setattr(counted, _COUNTS, True)
    return counted


def _parse_deep(text: str | bytes | bytearray, error: ValidationError) -> Any:
    """Parse JSON with as many levels as the stack allows, else raise *error*."""
    try:
        return json.loads(text)
    except RecursionError:
        raise error from None


def _emitted(record: Record) -> Any:
    """Return what a nested record writes."""
    return record.written()
