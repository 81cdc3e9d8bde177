"""Records of many shapes, for every transform: with and without schemas, nested, null, with defaults, logical types."""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from headwater.worker.api import (
    DATE,
    TIME,
    TIMESTAMP,
    Header,
    Record,
    Schema,
    Type,
    array,
    decimal,
    mapping,
    primitive,
    struct,
)

AT: Final = 1_700_000_000_123

TEXT, OPTIONAL_TEXT = primitive(Type.STRING), primitive(Type.STRING, True)
INT32, INT64 = primitive(Type.INT32), primitive(Type.INT64)
DATES = primitive(Type.INT32, name=DATE, version=1)
TIMES = primitive(Type.INT32, name=TIME, version=1)
TIMESTAMPS = primitive(Type.INT64, name=TIMESTAMP, version=1)

PLAIN = struct(
    {
        "id": INT64,
        "i8": primitive(Type.INT8),
        "i16": primitive(Type.INT16, True),
        "i32": INT32,
        "f32": primitive(Type.FLOAT32),
        "f64": primitive(Type.FLOAT64, True),
        "ok": primitive(Type.BOOLEAN),
        "name": TEXT,
        "data": primitive(Type.BYTES, True),
        "price": decimal(2, None, True),
        "born": DATES.as_optional(),
        "noon": TIMES.as_optional(),
        "at": TIMESTAMPS.as_optional(),
        "micros": primitive(Type.INT64, True, name="io.debezium.time.MicroTimestamp", version=1),
        "tags": array(OPTIONAL_TEXT, True),
        "when": OPTIONAL_TEXT,
    },
    name="shop.people.Value",
    version=3,
    doc="people",
    parameters={"a": "b"},
)
ROW: dict[str, Any] = {
    "id": 2**40, "i8": -5, "i16": 300, "i32": -70_000, "f32": 1.5, "f64": -3.999, "ok": True, "name": "42",
    "data": b"\x00\xff", "price": Decimal("12.30"), "born": 12_345, "noon": 45_296_789, "at": AT,
    "micros": 1_700_000_000_123_456, "tags": ["a", None], "when": "2023-11-14 22:13:20",
}  # fmt: skip
NULLS = {name: (None if PLAIN.get(name).optional else value) for name, value in ROW.items()}  # type: ignore[union-attr]
WIDE = ROW | {"id": -(2**62), "i32": 2**31 - 1, "f32": 2.0**127, "f64": 1e300, "name": "not a number", "ok": False,
              "price": Decimal("-99999999999999999999.99"), "born": -800_000, "at": -62_135_769_600_000,
              "micros": -1_500, "when": "yesterday", "tags": []}  # fmt: skip

STANDARD = struct(
    {
        "id": primitive(Type.INT64, default=7),
        "name": primitive(Type.STRING, True, default="none"),
        "f32": primitive(Type.FLOAT32, True, default=2.5),
        "price": decimal(2, None, True, default=Decimal("1.00")),
        "born": primitive(Type.INT32, True, name=DATE, version=1, default=3),
        "at": primitive(Type.INT64, True, name=TIMESTAMP, version=1, default=AT),
        "when": primitive(Type.STRING, True, default="2020-01-01 00:00:00"),
    },
    optional=True,
)
INNER = struct({"x": INT32, "y": primitive(Type.STRING, True, default="why")}, name="inner")
NESTED = struct(
    {
        "id": INT64,
        "a": struct({"b": INNER, "c": INNER.as_optional(), "n.m": INT32}),
        "o": struct({"x": INT32, "at": TIMESTAMPS}, optional=True),
        "d": struct({"x": INT32, "z": OPTIONAL_TEXT}, optional=True, default={"x": 5, "z": "zz"}),
        "list": array(INNER),
    },
    name="nested",
)
DEEP: dict[str, Any] = {
    "id": 1, "a": {"b": {"x": 1, "y": None}, "c": None, "n.m": 9}, "o": None, "d": {"x": 1, "z": None},
    "list": [{"x": 1, "y": "v"}],
}  # fmt: skip
DEEPER = DEEP | {
    "a": {"b": {"x": 3, "y": "q"}, "c": {"x": 4, "y": None}, "n.m": 8},
    "o": {"x": 6, "at": AT},
    "d": {"x": 2, "z": "q"},
}
MAPS = struct({"id": INT64, "m": mapping(TEXT, INT32), "name": TEXT})

LOOSE: dict[str, Any] = {
    "id": 2**40, "name": "17", "ok": True, "f64": 2.75, "none": None, "when": "2023-11-14 22:13:20.5", "at": AT,
    "a": {"b": {"x": 1, "y": None}, "n.m": 3}, "list": [1, {"x": 2}], "empty": {}, "micros": -1_500,
}  # fmt: skip

PARTS: Final[dict[str, tuple[Any, Schema | None]]] = {
    "plain": (ROW, PLAIN),
    "nulls": (NULLS, PLAIN),
    "wide": (WIDE, PLAIN),
    "defaults": (dict.fromkeys(ROW.keys() & {"name", "f32", "price", "born", "at", "when"}) | {"id": 1}, STANDARD),
    "nested": (DEEP, NESTED),
    "nested and whole": (DEEPER, NESTED),
    "with a map": ({"id": 1, "m": {"k": 1}, "name": "x"}, MAPS),
    "no fields": ({}, struct({})),
    "loose": (LOOSE, None),
    "loose and empty": ({}, None),
    "null": (None, None),
    "null of a struct": (None, PLAIN.as_optional()),
    "text": ("2023-11-14 22:13:20", TEXT),
    "number": (1_700_000_000, INT64),
    "small number": (-3, primitive(Type.INT8, True, name="n", version=2, doc="d", default=1)),
    "fraction": (-2.5, primitive(Type.FLOAT64)),
    "truth": (True, primitive(Type.BOOLEAN)),
    "date": (12_345, DATES),
    "time": (45_296_789, TIMES),
    "timestamp": (AT, TIMESTAMPS.as_optional()),
    "null of a timestamp": (None, TIMESTAMPS.as_optional()),
    "decimal": (Decimal("300.75"), decimal(2)),
    "bytes": (b"abc", primitive(Type.BYTES)),
    "list": (["a"], array(TEXT)),
    "loose text": ("2023-11-14 22:13:20", None),
    "loose number": (1_700_000_000, None),
    "loose fraction": (0.1, None),
    "loose list": ([1, "a"], None),
}
"""Keys or values by what they are."""


def values() -> list[Record]:
    """Each part as the value of a record, in turn one of a source, with less around it, and one of a sink."""
    records = []
    for number, (value, schema) in enumerate(PARTS.values()):
        around: dict[str, Any] = {} if number % 2 else {"partition": 3, "offset": 40 + number, "timestamp_ms": AT}
        headers = (Header("h", "x", TEXT), Header("raw", b"\x01"), Header("h", 5, INT32)) if number % 3 else ()
        records.append(Record("shop.people", "k", value, TEXT, schema, headers, **around))
    return records


def keys() -> list[Record]:
    """The same parts as keys."""
    return [
        record.replace(key=record.value, key_schema=record.value_schema, value="v", value_schema=TEXT)
        for record in values()
    ]
