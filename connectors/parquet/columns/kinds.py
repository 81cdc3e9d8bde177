"""From a Connect schema to an Arrow type, and from a column of Connect's values to an Arrow array.

| schema | Arrow type |
|---|---|
| INT8 to INT64, FLOAT32, FLOAT64, BOOLEAN, STRING, BYTES | int8 to int64, float, double, bool, string, binary |
| ARRAY, MAP, STRUCT | list, map, struct (a STRUCT without fields: its JSON) |
| Decimal of precision p and scale s | decimal128(p, s), p 38 if not given; string above 38: readers stop there |
| Date, io.debezium.time.Date, IsoDate | date32 |
| Time, MicroTime, IsoTime; NanoTime | time64[us]; time64[ns] |
| Connect's Timestamp, ZonedTimestamp | timestamp[us, UTC] |
| io.debezium.time.Timestamp, MicroTimestamp, IsoTimestamp; NanoTimestamp | timestamp[us]; timestamp[ns] |
| MicroDuration; NanoDuration | duration[us]; duration[ns] |
| VariableScaleDecimal | string of its digits: every row may have a scale of its own |
| Bits | string of 0 and 1, the highest bit first |
| Interval, ZonedTime, Json, Uuid, Xml, Enum and any other name | as the schema without its name |

Infinity is what DuckDB takes for it: the largest number of the type, and its negative.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from decimal import MAX_EMAX, MAX_PREC, MIN_EMIN, Context, Decimal
from typing import Any, Final, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from headwater.connectors.debezium import names, times
from headwater.worker.api import DATE, DECIMAL, TIME, TIMESTAMP, DataError, Schema, Type

from .json_text import json_text

Values = list[Any]
Make = Callable[[Values], Any]

LARGEST_PRECISION: Final = 38
"""Digits of a decimal that DuckDB, Spark and Trino can read."""
INFINITE_DAYS: Final = 2**31 - 1
INFINITE: Final = 2**63 - 1
US: Final = pa.timestamp("us")
US_UTC: Final = pa.timestamp("us", "UTC")

_EXACT: Final = Context(prec=MAX_PREC, Emax=MAX_EMAX, Emin=MIN_EMIN)
"""Arithmetic that never rounds."""


class Kind(NamedTuple):
    """`make`: a list of values, None among them, to an array of `type`.

    It raises `pyarrow.ArrowException`, `ValueError`, `TypeError`, `OverflowError`, `KeyError`, `AttributeError` or
    `ArithmeticError` where a value does not fit; `layout` finds out which one it is.
    """

    type: pa.DataType
    make: Make


def kind_of(schema: Schema) -> Kind:
    """Raises `DataError` for a schema that no column can hold."""
    if schema.name in _NAMED:
        return _NAMED[schema.name]
    if schema.name == DECIMAL:
        return _decimal(schema)
    if schema.name == names.BITS:
        return Kind(pa.string(), _mapped(_bits(schema), pa.string()))
    if schema.type is Type.ARRAY:
        return _list(schema)
    if schema.type is Type.MAP:
        return _map(schema)
    if schema.type is Type.STRUCT:
        return _struct(schema)
    return _PRIMITIVE[schema.type]


def arrow_field(name: str, schema: Schema) -> pa.Field:
    """Always nullable: a delete event has nothing but its key, a file of tomorrow may lack the column.

    The metadata keep what Arrow has no word for: connect.name, connect.version, connect.doc, connect.parameters.
    """
    known: dict[str, Any] = {"name": schema.name, "version": schema.version, "doc": schema.doc}
    metadata = {f"connect.{word}": str(value) for word, value in known.items() if value is not None}
    if schema.parameters:
        metadata["connect.parameters"] = json.dumps(dict(schema.parameters), ensure_ascii=False)
    return pa.field(name, kind_of(schema).type, metadata=metadata or None)


def _array(values: Values, type: pa.DataType) -> Any:
    made = pa.array(values, type)
    if isinstance(made, pa.ChunkedArray):
        raise ValueError("more than 2 GB in one batch of rows: lower the batch size of the view")
    return made


def _whole(type: pa.DataType) -> Kind:
    def make(values: Values) -> Any:
        made = pa.array(values)  # with the type given, pyarrow cuts 1.5 to 1 without a word
        if not (pa.types.is_integer(made.type) or pa.types.is_null(made.type)):
            raise TypeError(f"is no whole number but {made.type}")
        return made.cast(type)

    return Kind(type, make)


def _plain(type: pa.DataType) -> Kind:
    return Kind(type, lambda values: _array(values, type))


def _float32(values: Values) -> Any:
    made = _array(values, pa.float32())
    if pc.any(pc.is_inf(made)).as_py():
        for value in values:
            if value is not None and math.isfinite(value) and abs(value) > 3.4028235677973366e38:
                raise OverflowError(f"{value} is out of range for a float of 32 bits")
    return made


def _mapped(read: Callable[[Any], Any], type: pa.DataType) -> Make:
    return lambda values: _array([None if value is None else read(value) for value in values], type)


def _infinite(read: Callable[[int], float], largest: int) -> Callable[[Any], int]:
    def number(value: Any) -> int:
        found = read(value)
        if math.isinf(found):
            return largest if found > 0 else -largest
        return int(found)

    return number


def _moments(physical: pa.DataType, type: pa.DataType, usual: int, factor: int, read: Callable[[int], float]) -> Kind:
    """`usual`: up to which absolute value a number means itself times `factor`; beyond, `read` tells infinity apart."""
    number = _infinite(read, INFINITE_DAYS if physical == pa.int32() else INFINITE)

    def make(values: Values) -> Any:
        made = INT64.make(values)
        ends = pc.min_max(made).as_py()
        if ends["min"] is None or (ends["min"] >= -usual and ends["max"] <= usual):
            if factor != 1:
                made = pc.multiply_checked(made, factor)
        else:
            made = _array([None if value is None else number(value) for value in values], pa.int64())
        return made.cast(physical).view(type)

    return Kind(type, make)


def _counted(physical: pa.DataType, type: pa.DataType, factor: int = 1) -> Kind:
    """Times and durations."""

    def make(values: Values) -> Any:
        made = INT64.make(values)
        return (made if factor == 1 else pc.multiply_checked(made, factor)).cast(physical).view(type)

    return Kind(type, make)


def _parsed(type: pa.DataType, read: Callable[[str], float]) -> Kind:
    """ISO 8601 texts; pyarrow reads the usual ones, `read` all that there are."""
    number = _infinite(read, INFINITE)  # type: ignore[arg-type]

    def make(values: Values) -> Any:
        try:
            return _array(values, pa.string()).cast(US_UTC).view(type)
        except pa.ArrowInvalid:
            return _mapped(number, pa.int64())(values).view(type)

    return Kind(type, make)


def _iso_days(value: str) -> int:
    found = times.parse_date(value)
    if math.isinf(found):
        return INFINITE_DAYS if found > 0 else -INFINITE_DAYS
    return int(found)


def _variable_decimal(value: Any) -> str:
    """{"scale": int, "value": big-endian two's complement bytes}; a Decimal passes as it is."""
    if not isinstance(value, Decimal):
        value = Decimal(int.from_bytes(value["value"], "big", signed=True)).scaleb(-int(value["scale"]), _EXACT)
    return decimal_text(value)


def decimal_text(value: Decimal | int) -> str:
    """All digits, without an exponent, as many after the point as it has; `NaN`, `Infinity`."""
    return str(value) if isinstance(value, int) else format(value, "f") if value.is_finite() else str(value)


def _decimal(schema: Schema) -> Kind:
    scale, precision = int(schema.parameters.get("scale", "0")), schema.parameters.get("connect.decimal.precision")
    digits = LARGEST_PRECISION if precision is None else int(precision)
    if not 1 <= digits <= LARGEST_PRECISION or not 0 <= scale <= digits:
        return Kind(pa.string(), _mapped(decimal_text, pa.string()))
    return _plain(pa.decimal128(digits, scale))


def _bits(schema: Schema) -> Callable[[bytes], str]:
    """Little-endian bytes; without a fixed length the leading zeros are not on the log: none here."""
    length = int(schema.parameters.get("length", "0"))
    fixed = 0 < length < 83_886_080  # PostgreSQL's limit; Debezium says 2147483647 for a varbit without one

    def read(value: bytes) -> str:
        digits = format(int.from_bytes(value, "little"), "b").lstrip("0")
        if fixed and len(digits) > length:
            raise ValueError(f"has more than {length} bits")
        return digits.zfill(length) if fixed else digits

    return read


def _items(schema: Schema, which: str, part: Schema | None) -> Schema:
    if part is None:
        raise DataError(f"an {schema.type} without a schema of its {which} cannot become a column")
    return part


def _spread(values: Values, expected: tuple[type[Any], ...]) -> Any:
    """Offsets of variable-length values, one more than there are; a null one starts at a null offset."""
    offsets: list[int | None] = []
    at = 0
    for value in values:
        if value is None:
            offsets.append(None)
            continue
        if not isinstance(value, expected):
            raise TypeError(f"is no {expected[0].__name__} but {type(value).__name__}")
        offsets.append(at)
        at += len(value)
    return pa.array([*offsets, at], pa.int32())


def _flat(values: Iterable[Any]) -> Values:
    return [item for value in values if value is not None for item in value]


def _list(schema: Schema) -> Kind:
    items = _items(schema, "items", schema.value_schema)
    item = kind_of(items)
    type = pa.list_(arrow_field("element", items))

    def make(values: Values) -> Any:
        offsets = _spread(values, (list, tuple))
        return pa.ListArray.from_arrays(offsets, item.make(_flat(values)), type=type)

    return Kind(type, make)


def _map(schema: Schema) -> Kind:
    keys = _items(schema, "keys", schema.key_schema)
    items = _items(schema, "values", schema.value_schema)
    key, item = kind_of(keys), kind_of(items)
    type = pa.map_(arrow_field("key", keys).with_nullable(False), arrow_field("value", items))

    def make(values: Values) -> Any:
        offsets = _spread(values, (dict,))
        made_keys = key.make(_flat(values))
        if made_keys.null_count:
            raise ValueError("has a key that is null")
        made_items = item.make(_flat(None if value is None else value.values() for value in values))
        return pa.MapArray.from_arrays(offsets, made_keys, made_items, type=type)

    return Kind(type, make)


def _struct(schema: Schema) -> Kind:
    if not schema.fields:  # Parquet has no struct without fields
        return Kind(pa.string(), _mapped(json_text, pa.string()))
    fields = [arrow_field(field.name, field.schema) for field in schema.fields]
    kinds = [(field.name, kind_of(field.schema)) for field in schema.fields]

    def make(values: Values) -> Any:
        for value in values:
            if value is not None and not isinstance(value, dict):
                raise TypeError(f"is no struct but {type(value).__name__}")
        arrays = [kind.make([None if v is None else v.get(name) for v in values]) for name, kind in kinds]
        return pa.StructArray.from_arrays(arrays, fields=fields, mask=pa.array([v is None for v in values], pa.bool_()))

    return Kind(pa.struct(fields), make)


INT64: Final = _whole(pa.int64())
STRING: Final = _plain(pa.string())
_PRIMITIVE: Final[dict[Type, Kind]] = {
    Type.INT8: _whole(pa.int8()),
    Type.INT16: _whole(pa.int16()),
    Type.INT32: _whole(pa.int32()),
    Type.INT64: INT64,
    Type.FLOAT32: Kind(pa.float32(), _float32),
    Type.FLOAT64: _plain(pa.float64()),
    Type.BOOLEAN: _plain(pa.bool_()),
    Type.STRING: STRING,
    Type.BYTES: _plain(pa.binary()),
}
_DAYS: Final = _moments(pa.int32(), pa.date32(), 600_000_000, 1, times.days)
_MILLIS: Final = 9_200_000_000_000_000
_MICROS: Final = 9_223_372_036_000_000_000
_TIME_US: Final = pa.time64("us")
_NAMED: Final[dict[str, Kind]] = {
    DATE: _DAYS,
    names.DATE: _DAYS,
    names.ISO_DATE: Kind(pa.date32(), lambda v: _mapped(_iso_days, pa.int32())(v).view(pa.date32())),
    TIME: _counted(pa.int64(), _TIME_US, 1000),
    names.TIME: _counted(pa.int64(), _TIME_US, 1000),
    names.MICRO_TIME: _counted(pa.int64(), _TIME_US),
    names.NANO_TIME: _counted(pa.int64(), pa.time64("ns")),
    names.ISO_TIME: Kind(_TIME_US, lambda v: _mapped(lambda t: times.parse_time(t)[0], pa.int64())(v).view(_TIME_US)),
    TIMESTAMP: _moments(pa.int64(), US_UTC, _MILLIS, 1000, times.millis),
    names.TIMESTAMP: _moments(pa.int64(), US, _MILLIS, 1000, times.millis),
    names.MICRO_TIMESTAMP: _moments(pa.int64(), US, _MICROS, 1, times.micros),
    names.NANO_TIMESTAMP: _moments(pa.int64(), pa.timestamp("ns"), _MICROS, 1, times.micros),
    names.ISO_TIMESTAMP: _parsed(US, times.parse_timestamp),
    names.ZONED_TIMESTAMP: _parsed(US_UTC, times.parse_timestamp),
    names.MICRO_DURATION: _counted(pa.int64(), pa.duration("us")),
    names.NANO_DURATION: _counted(pa.int64(), pa.duration("ns")),
    names.VARIABLE_SCALE_DECIMAL: Kind(pa.string(), _mapped(_variable_decimal, pa.string())),
}
