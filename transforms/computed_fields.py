"""Fields that expressions compute: their schemas and values."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final, NamedTuple

from headwater.worker.api import (
    DATE,
    TIMESTAMP,
    DataError,
    Record,
    Schema,
    Type,
    array,
    decimal,
    mapping,
    primitive,
    shortened,
)

from .expressions import Bound, Expression

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_SCALE: Final = re.compile(r"decimal\((\d{1,2})\)")
_TYPES: Final = {
    "boolean": primitive(Type.BOOLEAN, True),
    "int32": primitive(Type.INT32, True),
    "int64": primitive(Type.INT64, True),
    "float32": primitive(Type.FLOAT32, True),
    "float64": primitive(Type.FLOAT64, True),
    "string": primitive(Type.STRING, True),
    "bytes": primitive(Type.BYTES, True),
    "date": primitive(Type.INT32, True, name=DATE, version=1),
    "timestamp": primitive(Type.INT64, True, name=TIMESTAMP, version=1),
}
_FOUND: Final = {
    "BOOL": _TYPES["boolean"],
    "INT": _TYPES["int64"],
    "UINT": _TYPES["int64"],
    "DOUBLE": _TYPES["float64"],
    "STRING": _TYPES["string"],
    "BYTES": _TYPES["bytes"],
    "TIMESTAMP": _TYPES["timestamp"],
}
_PYTHON: Final = {
    Type.BOOLEAN: bool, Type.INT32: int, Type.INT64: int, Type.STRING: str, Type.BYTES: bytes,
}  # fmt: skip


class Computed(NamedTuple):
    """`schema`: None where the expression copies a field, with that field's own."""

    name: str
    expression: Expression
    schema: Schema | None

    @property
    def copies(self) -> bool:
        return self.schema is None and self.expression.shape.path is not None

    def of(self, record: Record, each: Mapping[str, Any] | None, bound: Bound | None, schema: Schema | None) -> Any:
        """The value; of a copied field the very same. `schema`: None where rows have none. Raises `DataError`.

        `bound`: for expressions that do not only copy.
        """
        if self.copies:
            assert self.expression.shape.path is not None
            return follow(self.expression.shape.path, record, each, absent_is_null=schema is not None)
        assert bound is not None
        value = self.expression.within(bound)
        return value if schema is None and self.schema is None else fitted(value, self.schema or schema, self.name)


def type_schema(text: str) -> Schema:
    """Of a type's name as configs give it. Raises `ValueError`."""
    if found := _SCALE.fullmatch(text):
        return decimal(int(found[1]), None, True)
    if text not in _TYPES:
        raise ValueError(f"{text!r} is no type; there are {', '.join(_TYPES)} and decimal(SCALE)")
    return _TYPES[text]


def result_schema(result: str) -> Schema | None:
    """Of CEL's name of a type; None where the record decides."""
    if result in _FOUND:
        return _FOUND[result]
    if found := re.fullmatch(r"LIST<(\w+)>", result):
        items = _FOUND.get(found[1])
        return None if items is None else array(items, True)
    if found := re.fullmatch(r"MAP<STRING, (\w+)>", result):
        values = _FOUND.get(found[1])
        return None if values is None else mapping(primitive(Type.STRING), values, True)
    return None


def follow(path: tuple[str, ...], record: Record, each: Mapping[str, Any] | None, absent_is_null: bool = False) -> Any:
    """A field of the record as it is. Null on the way is null. Raises `DataError` where there is no such field."""
    value = each[path[0]] if each is not None and path[0] in each else getattr(record, path[0])
    for place, name in enumerate(path[1:], 1):
        if value is None:
            return None
        if not isinstance(value, dict):
            raise DataError(f"{'.'.join(path[:place])} has no fields")
        if name not in value:
            if absent_is_null:
                return None
            raise DataError(f"there is no field {'.'.join(path[: place + 1])}")
        value = value[name]
    return value


def path_schema(path: tuple[str, ...], roots: Mapping[str, Schema | None]) -> Schema | None:
    """Of a copied field; optional where something on the way is. Raises `DataError` where there is no such field."""
    if path[0] == "topic":
        return _TYPES["string"]
    if path[0] in ("partition", "timestamp_ms", "index"):
        return _TYPES["int64"]
    schema = roots.get(path[0])
    if schema is None:
        return None
    optional = schema.optional
    for place, name in enumerate(path[1:], 1):
        if schema is not None and schema.type is Type.MAP:
            schema, optional = schema.value_schema, True
            continue
        found = None if schema is None else schema.get(name)
        if found is None:
            raise DataError(f"there is no field {'.'.join(path[: place + 1])}")
        schema, optional = found, optional or found.optional
    return schema.as_optional() if schema is not None and optional else schema


def fitted(value: Any, schema: Schema | None, name: str) -> Any:
    """The value as a field of this schema holds it. Raises `DataError`."""
    if value is None or schema is None:
        return value
    if isinstance(value, datetime):
        value = _since_epoch(value, schema)
    if schema.name is not None and schema.type is Type.BYTES:
        return _decimal(value, schema, name)
    if schema.type in (Type.FLOAT32, Type.FLOAT64) and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    if schema.type is Type.ARRAY and isinstance(value, list):
        return [fitted(item, schema.value_schema, name) for item in value]
    if schema.type is Type.MAP and isinstance(value, dict):
        return {key: fitted(item, schema.value_schema, name) for key, item in value.items()}
    wanted = _PYTHON.get(schema.type)
    if wanted is None or not isinstance(value, wanted) or (wanted is int and isinstance(value, bool)):
        raise DataError(f"the field {name} is {schema.type.name}, and the expression gives {_shown(value)}")
    if schema.type is Type.INT32 and isinstance(value, int) and not -(2**31) <= value < 2**31:
        raise DataError(f"the field {name} is INT32, and {value} is too large for it")
    return value


def _since_epoch(moment: datetime, schema: Schema) -> Any:
    since = moment - _EPOCH
    if schema.name == DATE:
        return since.days
    return since.days * 86_400_000 + since.seconds * 1000 + since.microseconds // 1000


def _decimal(value: Any, schema: Schema, name: str) -> Decimal:
    scale = int(schema.parameters["scale"])
    try:
        number = Decimal(str(value)) if not isinstance(value, bool) else None
        exact = number is not None and round(number, scale) == number
    except (InvalidOperation, ValueError, OverflowError):
        exact, number = False, None
    if number is None or not exact:
        raise DataError(f"the field {name} is a decimal of scale {scale}, and the expression gives {_shown(value)}")
    return number.quantize(Decimal(1).scaleb(-scale))


def _shown(value: Any) -> str:
    return shortened(repr(value), 60)
