"""Which column a field becomes: from its schema to a kind, and from its value to a value of that kind.

The mapping is that of Debezium's JDBC sink for PostgreSQL, except that Json, MAP and other STRUCTs become `jsonb`, and
ltree, tsvector and xml stay text. Nanoseconds are cut to the microseconds that PostgreSQL keeps.
"""

from __future__ import annotations

import base64
import json
import math
import struct
from collections.abc import Callable
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any, Final, NamedTuple

from headwater.connectors.debezium import names, times
from headwater.worker.api import DATE, DECIMAL, TIME, TIMESTAMP, DataError, Schema, Type

from . import kinds
from .kind_names import kind_named
from .kinds import Kind

Read = Callable[[Any], Any]

_EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Arithmetic that never rounds."""


class Column(NamedTuple):
    """`read` turns an event's value, never None, into one of the kind; it raises `ValueError`, `TypeError` or such."""

    kind: Kind
    read: Read


def _same(value: Any) -> Any:
    return value


def _float32(value: float) -> float:
    """The float that four bytes can hold: 0.1 on the log is 0.10000000149011612 here."""
    return float(struct.unpack("!f", struct.pack("!f", value))[0])


def _uuid(value: str) -> bytes:
    data = bytes.fromhex(value.replace("-", "").strip("{}"))
    if len(data) != 16:
        raise ValueError(f"{value!r} is not a UUID")
    return data


def _duration(value: int) -> tuple[int, int, int]:
    return 0, 0, value


def _whole_decimal(value: Any) -> Decimal:
    return value if isinstance(value, Decimal) else Decimal(value)


def _variable_decimal(value: Any) -> Decimal:
    """{"scale": int, "value": big-endian two's complement bytes}; a Decimal passes as it is."""
    if isinstance(value, Decimal):
        return value
    return Decimal(int.from_bytes(value["value"], "big", signed=True)).scaleb(-int(value["scale"]), _EXACT)


def _point(value: Any) -> tuple[float, float]:
    return float(value["x"]), float(value["y"])


_PRIMITIVE: Final[dict[Type, Column]] = {
    Type.INT8: Column(kinds.SMALLINT, _same),
    Type.INT16: Column(kinds.SMALLINT, _same),
    Type.INT32: Column(kinds.INTEGER, _same),
    Type.INT64: Column(kinds.BIGINT, _same),
    Type.FLOAT32: Column(kinds.REAL, _float32),
    Type.FLOAT64: Column(kinds.DOUBLE, float),
    Type.BOOLEAN: Column(kinds.BOOLEAN, _same),
    Type.STRING: Column(kinds.TEXT, _same),
    Type.BYTES: Column(kinds.BYTEA, bytes),
}
_NAMED: Final[dict[str, Column]] = {
    DATE: Column(kinds.DATE, times.days),
    TIME: Column(kinds.TIME, lambda v: v * 1000),
    TIMESTAMP: Column(kinds.TIMESTAMP, times.millis),
    names.DATE: Column(kinds.DATE, times.days),
    names.TIME: Column(kinds.TIME, lambda v: v * 1000),
    names.MICRO_TIME: Column(kinds.TIME, _same),
    names.NANO_TIME: Column(kinds.TIME, lambda v: v // 1000),
    names.TIMESTAMP: Column(kinds.TIMESTAMP, times.millis),
    names.MICRO_TIMESTAMP: Column(kinds.TIMESTAMP, times.micros),
    names.NANO_TIMESTAMP: Column(kinds.TIMESTAMP, times.nanos),
    names.ZONED_TIME: Column(kinds.TIMETZ, times.parse_time),
    names.ZONED_TIMESTAMP: Column(kinds.TIMESTAMPTZ, times.parse_timestamp),
    names.ISO_DATE: Column(kinds.DATE, times.parse_date),
    names.ISO_TIME: Column(kinds.TIME, lambda v: times.parse_time(v)[0]),
    names.ISO_TIMESTAMP: Column(kinds.TIMESTAMP, times.parse_timestamp),
    names.INTERVAL: Column(kinds.INTERVAL, times.parse_interval),
    names.MICRO_DURATION: Column(kinds.INTERVAL, _duration),
    names.NANO_DURATION: Column(kinds.INTERVAL, lambda v: _duration(v // 1000)),
    names.JSON: Column(kinds.JSONB, _same),
    names.UUID: Column(kinds.UUID, _uuid),
    names.VARIABLE_SCALE_DECIMAL: Column(kinds.NUMERIC, _variable_decimal),
    names.POINT: Column(kinds.POINT, _point),
}


def column_of(schema: Schema) -> Column:
    """The column for values of `schema`. Raises `DataError` for a schema that no column can hold."""
    if schema.name in _NAMED:
        return _NAMED[schema.name]
    if schema.name == DECIMAL:
        return Column(_decimal(schema), _whole_decimal)
    if schema.name == names.BITS:
        return _bits(schema)
    if schema.type is Type.ARRAY:
        return _array(schema)
    if schema.type in (Type.MAP, Type.STRUCT):
        return Column(kinds.JSONB, _document(schema))
    return _PRIMITIVE[schema.type]


def header_column(schema: Schema | None) -> Column:
    """The column for a record's header. One without a schema holds the bytes of a text, as header converters write."""
    return column_of(schema) if schema is not None else Column(kinds.TEXT, _header_text)


def _header_text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _decimal(schema: Schema) -> Kind:
    precision, scale = schema.parameters.get("connect.decimal.precision"), schema.parameters.get("scale")
    if precision is None or scale is None or not 1 <= int(precision) <= 1000 or not -1000 <= int(scale) <= 1000:
        return kinds.NUMERIC
    if not 0 <= int(scale) <= int(precision):  # allowed from PostgreSQL 15 on
        return kinds.NUMERIC
    return kind_named(f"numeric({precision},{scale})")


def _bits(schema: Schema) -> Column:
    """Little-endian bytes; `length` in bits. Without a fixed length the leading zeros are not on the log: none here."""
    length = int(schema.parameters.get("length", "0"))
    fixed = 0 < length < 83_886_080  # PostgreSQL's limit; Debezium says 2147483647 for a varbit without one

    def read(value: bytes) -> str:
        digits = format(int.from_bytes(value, "little"), "b").lstrip("0")
        if not fixed:
            return digits
        if len(digits) > length:
            raise ValueError(f"has more than {length} bits")
        return digits.zfill(length)

    return Column(kind_named(f"bit({length})" if fixed else "bit varying"), read)


def _array(schema: Schema) -> Column:
    item_schema = schema.value_schema
    if item_schema is None:
        raise DataError("an array without a schema of its items cannot become a column")
    item = column_of(item_schema)
    if item.kind.item is not None:  # an inner array may have any length, an SQL array is rectangular
        return Column(kinds.JSONB, _document(schema))
    read = item.read
    if read is _same:
        return Column(kind_named(f"{item.kind.sql}[]"), _same)
    return Column(kind_named(f"{item.kind.sql}[]"), lambda values: [None if v is None else read(v) for v in values])


def _document(schema: Schema) -> Read:
    """JSON text of a MAP, STRUCT or nested ARRAY: bytes as base64, NaN and infinity as strings."""
    return lambda value: json.dumps(_plain(schema, value), ensure_ascii=False, default=_number, allow_nan=False)


def _plain(schema: Schema, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, dict) and schema.type is Type.STRUCT:
        return {f.name: _plain(f.schema, value.get(f.name)) for f in schema.fields}
    if isinstance(value, dict):
        items = schema.value_schema or schema
        return {key if isinstance(key, str) else str(_plain(items, key)): _plain(items, v) for key, v in value.items()}
    if isinstance(value, list):
        return [_plain(schema.value_schema or schema, item) for item in value]
    if isinstance(value, bytes | bytearray):
        return base64.b64encode(value).decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value


def _number(value: Any) -> Any:
    if isinstance(value, Decimal):
        return str(value)
    raise TypeError(f"{type(value).__name__} cannot be written as JSON")
