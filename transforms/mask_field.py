"""MaskField: nothing to read in some fields: 0, false, an empty text or list, or a text of one's own.

Source: org.apache.kafka.connect.transforms.MaskField (Kafka 4.3.1). A masked Decimal keeps its scale, without which no
converter takes it; Java's loses it.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, InvalidOperation
from typing import Any, Final

from headwater.worker.api import (
    DATE,
    DECIMAL,
    TIME,
    TIMESTAMP,
    DataError,
    Option,
    Options,
    OptionType,
    Record,
    Schema,
    Type,
    Values,
)
from headwater.worker.api.java.numbers import to_float32

from .kept import Kept
from .key_or_value import KeyOrValue, OfKey, OfValue, as_map, as_struct
from .null_defaults import REPLACE_NULL, defaults_of, filled
from .value_to_key import at_least_one

Mask = Callable[[Any], Any]
"""From what a field holds, null excepted, to what stands there instead. Raises `DataError`."""

_BITS: Final = {Type.INT8: 8, Type.INT16: 16, Type.INT32: 32, Type.INT64: 64}
_EMPTY: Final[dict[Type, Any]] = {
    **dict.fromkeys(_BITS, 0),
    Type.FLOAT32: 0.0,
    Type.FLOAT64: 0.0,
    Type.BOOLEAN: False,
    Type.STRING: "",
    Type.ARRAY: [],
    Type.MAP: {},
}
_OF_PYTHON: Final = {bool: Type.BOOLEAN, int: Type.INT64, float: Type.FLOAT64, str: Type.STRING, list: Type.ARRAY,
                     dict: Type.MAP}  # fmt: skip


def _not_empty(text: str | None) -> str | None:
    return "must not be empty" if text == "" else None


class _MaskField(KeyOrValue):
    options = Options(
        Option("fields", OptionType.LIST, doc="Names of fields to mask.", validate=at_least_one, importance="high"),
        Option("replacement", default=None, doc="What stands in all of them, which have to be numbers or texts.",
               validate=_not_empty, importance="low"),
        REPLACE_NULL,
    )  # fmt: skip

    def configure(self, values: Values) -> None:
        self._fields: list[str] = values["fields"]
        self._replacement: str | None = values["replacement"]
        self._with_defaults: bool = values["replace.null.with.default"]
        self._shapes: Kept[Schema, tuple[dict[str, Mask], dict[str, Any]]] = Kept(self._shape)
        self._of_type: Kept[type, Mask] = Kept(self._of_python)

    def _shape(self, schema: Schema) -> tuple[dict[str, Mask], dict[str, Any]]:
        masked = {name: self._mask(name, of) for name in self._fields if (of := schema.get(name)) is not None}
        return masked, defaults_of(schema, self._with_defaults)

    def _of_python(self, kind: type) -> Mask:
        found = _OF_PYTHON.get(kind)
        return self._refuse("", kind.__name__) if found is None else self._mask("", Schema(found))

    def _mask(self, name: str, schema: Schema) -> Mask:
        if self._replacement is not None:
            return self._own_mask(name, schema, self._replacement)
        if schema.name == DECIMAL:
            return lambda value: Decimal(0).scaleb(value.as_tuple().exponent)
        if schema.type not in _EMPTY:
            return self._refuse(name, schema.type.name)
        empty = _EMPTY[schema.type]
        return lambda value: empty

    def _own_mask(self, name: str, schema: Schema, text: str) -> Mask:
        if schema.type is Type.STRING:
            return lambda value: text
        if schema.name in (DATE, TIME, TIMESTAMP) or (schema.type not in _BITS and schema.name != DECIMAL
                                                      and schema.type not in (Type.FLOAT32, Type.FLOAT64)):  # fmt: skip
            return self._refuse(name, schema.name or schema.type.name)
        try:
            number = Decimal(text)
        except InvalidOperation:
            number = Decimal("NaN")
        if not number.is_finite():
            return self._refuse(name, schema.type.name, f"{text!r} is not a number")
        if schema.name == DECIMAL:
            return lambda value: number
        if schema.type in _BITS:
            limit = 2 ** (_BITS[schema.type] - 1)
            whole = (int(number) + limit) % (2 * limit) - limit
            return lambda value: whole
        fraction = to_float32(float(number)) if schema.type is Type.FLOAT32 else float(number)
        return lambda value: fraction

    def _refuse(self, name: str, kind: str, why: str = "") -> Mask:
        """It fails when there is something to mask: null stays null."""

        def refuse(value: Any) -> Any:
            raise DataError(f"the field {name + ' ' if name else ''}cannot be masked: {why or f'it is {kind}'}")

        return refuse

    def change(self, value: Any, schema: Schema | None, record: Record) -> tuple[Any, Schema | None]:
        if schema is None:
            row = dict(as_map(value))
            for name in self._fields:
                old = row.get(name)
                row[name] = None if old is None else self._of_type(type(old))(old)
            return row, None
        row = as_struct(value, schema)
        masks, defaults = self._shapes(schema)
        row = dict(filled(row, defaults))
        for name, mask in masks.items():
            if row.get(name) is not None:
                row[name] = mask(row[name])
        return row, schema


class MaskFieldKey(OfKey, _MaskField):
    doc = "Mask fields of the key."


class MaskFieldValue(OfValue, _MaskField):
    doc = "Mask fields of the value."
