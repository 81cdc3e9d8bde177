"""Arrow's types -> Connect's, and the Arrow type whose Python values are Connect's.

What Connect has no type for becomes the next wider one: unsigned numbers, 16-bit floats, seconds. Times finer than
milliseconds keep their number, under Debezium's names.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import pyarrow as pa

from headwater.worker.api import DATE, TIME, TIMESTAMP, Schema, Type, array, decimal, mapping, primitive, struct

from .contract import Unreadable
from .fine_times import MICRO_TIME, MICRO_TIMESTAMP, NANO_TIME, NANO_TIMESTAMP


class Column(NamedTuple):
    """`cast`: what a column is cast to, so that its values are those of `schema`."""

    schema: Schema
    cast: Any


_PLAIN: Final = {
    pa.bool_(): (Type.BOOLEAN, pa.bool_()),
    pa.int8(): (Type.INT8, pa.int8()),
    pa.int16(): (Type.INT16, pa.int16()),
    pa.int32(): (Type.INT32, pa.int32()),
    pa.int64(): (Type.INT64, pa.int64()),
    pa.uint8(): (Type.INT16, pa.int16()),
    pa.uint16(): (Type.INT32, pa.int32()),
    pa.uint32(): (Type.INT64, pa.int64()),
    pa.float16(): (Type.FLOAT32, pa.float32()),
    pa.float32(): (Type.FLOAT32, pa.float32()),
    pa.float64(): (Type.FLOAT64, pa.float64()),
    pa.string(): (Type.STRING, pa.string()),
    pa.large_string(): (Type.STRING, pa.large_string()),
    pa.binary(): (Type.BYTES, pa.binary()),
    pa.large_binary(): (Type.BYTES, pa.large_binary()),
}
_TIMESTAMPS: Final = {"s": TIMESTAMP, "ms": TIMESTAMP, "us": MICRO_TIMESTAMP, "ns": NANO_TIMESTAMP}


def column(field: Any) -> Column:
    """Of an Arrow field, with its fields inside. Raises `Unreadable` for a type that no value here can have."""
    found = _column(field.type, field.name)
    return Column(found.schema.as_optional(), found.cast) if field.nullable else found


def _column(kind: Any, name: str) -> Column:
    if kind in _PLAIN:
        type, cast = _PLAIN[kind]
        return Column(primitive(type), cast)
    if (found := _time(kind)) is not None:
        return found
    if pa.types.is_uint64(kind):
        return Column(decimal(0, 20), pa.decimal128(20, 0))
    if pa.types.is_decimal(kind):
        return Column(decimal(kind.scale, kind.precision), kind)
    if pa.types.is_fixed_size_binary(kind):
        return Column(primitive(Type.BYTES), pa.binary())
    if pa.types.is_dictionary(kind):
        return _column(kind.value_type, name)
    if pa.types.is_null(kind):
        return Column(primitive(Type.STRING, True), pa.string())
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        items = column(kind.value_field)
        return Column(array(items.schema), pa.large_list(_field(kind.value_field, items)))
    if pa.types.is_map(kind):
        keys, values = column(kind.key_field), column(kind.item_field)
        return Column(mapping(keys.schema, values.schema), pa.map_(keys.cast, _field(kind.item_field, values)))
    if pa.types.is_struct(kind):
        parts = [(kind.field(n), column(kind.field(n))) for n in range(kind.num_fields)]
        made = struct({field.name: part.schema for field, part in parts})
        return Column(made, pa.struct([_field(field, part) for field, part in parts]))
    raise Unreadable(f"its column {name} has the type {kind}, for which there is none in a topic")


def _time(kind: Any) -> Column | None:
    if pa.types.is_date(kind):
        return Column(primitive(Type.INT32, name=DATE, version=1), pa.int32())
    if pa.types.is_timestamp(kind):
        return Column(primitive(Type.INT64, name=_TIMESTAMPS[kind.unit], version=1), pa.int64())
    if pa.types.is_time32(kind):
        return Column(primitive(Type.INT32, name=TIME, version=1), pa.int32())
    if pa.types.is_time64(kind):
        name = MICRO_TIME if kind.unit == "us" else NANO_TIME
        return Column(primitive(Type.INT64, name=name, version=1), pa.int64())
    return None


def _field(field: Any, column: Column) -> Any:
    return pa.field(field.name, column.cast, field.nullable)


def steps(kind: Any) -> Any:
    """The type to cast to first, where a number would otherwise count another unit: seconds, days as milliseconds."""
    if pa.types.is_date64(kind):
        return pa.date32()
    if pa.types.is_timestamp(kind) and kind.unit == "s":
        return pa.timestamp("ms", kind.tz)
    if pa.types.is_time32(kind) and kind.unit == "s":
        return pa.time32("ms")
    if pa.types.is_dictionary(kind):
        return steps(kind.value_type)
    if pa.types.is_list(kind) or pa.types.is_large_list(kind) or pa.types.is_fixed_size_list(kind):
        return pa.large_list(_first(kind.value_field))
    if pa.types.is_map(kind):
        return pa.map_(steps(kind.key_type), _first(kind.item_field))
    if pa.types.is_struct(kind):
        return pa.struct([_first(kind.field(n)) for n in range(kind.num_fields)])
    return kind


def _first(field: Any) -> Any:
    return pa.field(field.name, steps(field.type), field.nullable)
