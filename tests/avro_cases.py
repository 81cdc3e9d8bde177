"""Schemas and values that Avro must carry both ways: every type of Connect, and what Avro has no word for."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from headwater.worker.api import (
    DATE,
    TIME,
    TIMESTAMP,
    Schema,
    Type,
    array,
    decimal,
    mapping,
    primitive,
    struct,
)

INT, TEXT = primitive(Type.INT32), primitive(Type.STRING)
_INNER = struct({"x": primitive(Type.INT32, True, default=3), "y": TEXT}, name="shop.Inner")
_VALUE = struct({"id": INT, "name": primitive(Type.STRING, True)}, name="server.public.orders.Value", optional=True)
_SOURCE = struct({"version": TEXT, "lsn": primitive(Type.INT64, True), "snapshot": primitive(
    Type.STRING, True, name="io.debezium.data.Enum", version=1, parameters={"allowed": "true,first,last"},
    default="false")}, name="io.debezium.connector.postgresql.Source", version=1)  # fmt: skip
_ENVELOPE = struct(
    {"before": _VALUE, "after": _VALUE, "source": _SOURCE, "op": TEXT, "ts_ms": primitive(Type.INT64, True)},
    name="server.public.orders.Envelope",
    version=2,
)


def _named(kind: Type, name: str, version: int | None = 1, **attributes: Any) -> Schema:
    return primitive(kind, name=name, version=version, **attributes)


def _one(schema: Schema, value: Any) -> tuple[Schema, Any]:
    return struct({"f": schema}, name="test.One"), {"f": value}


CASES: dict[str, tuple[Schema | None, Any]] = {
    "int8": _one(primitive(Type.INT8), -128),
    "int16": _one(primitive(Type.INT16), 32767),
    "int8 optional null": _one(primitive(Type.INT8, True), None),
    "int16 default": _one(primitive(Type.INT16, default=7), 8),
    "int32 edges": _one(array(INT), [0, -1, 63, 64, -64, -65, 2**31 - 1, -(2**31)]),
    "int64 edges": _one(array(primitive(Type.INT64)), [2**63 - 1, -(2**63), 1 << 34]),
    "float32": _one(array(primitive(Type.FLOAT32)), [0.0, 1.5, -0.25]),
    "float32 default": _one(primitive(Type.FLOAT32, default=1.5), 2.5),
    "float64": _one(array(primitive(Type.FLOAT64)), [0.1, -1e300, 5e-324]),
    "float64 default": _one(primitive(Type.FLOAT64, True, default=0.1), 0.2),
    "boolean": _one(array(primitive(Type.BOOLEAN)), [True, False]),
    "boolean default": _one(primitive(Type.BOOLEAN, default=True), False),
    "text": _one(array(TEXT), ["", "é€😀", "a" * 200]),
    "text default": _one(primitive(Type.STRING, True, default='q"é'), "x"),
    "bytes": _one(array(primitive(Type.BYTES)), [b"", b"\x00\xff", bytes(range(100))]),
    "bytes default": _one(primitive(Type.BYTES, default=b"\xff\x00a"), b"b"),
    "decimal": _one(decimal(2), Decimal("-12345678901234567890.12")),
    "decimal precision": _one(decimal(4, 20), Decimal("0.0001")),
    "decimal negative scale": _one(decimal(-2), Decimal("1.2E+3")),
    "decimal default": _one(decimal(2, None, True, default=Decimal("9.99")), Decimal("0.00")),
    "date": _one(_named(Type.INT32, DATE), 19000),
    "time": _one(_named(Type.INT32, TIME), 86_399_999),
    "timestamp": _one(_named(Type.INT64, TIMESTAMP), -1),
    "timestamp optional": _one(_named(Type.INT64, TIMESTAMP, optional=True), None),
    "micro timestamp": _one(_named(Type.INT64, "io.debezium.time.MicroTimestamp"), 1_700_000_000_000_000),
    "zoned timestamp": _one(_named(Type.STRING, "io.debezium.time.ZonedTimestamp"), "2026-01-01T00:00:00Z"),
    "uuid": _one(_named(Type.STRING, "io.debezium.data.Uuid", optional=True), "0"),
    "enum of Debezium": _one(
        _named(Type.STRING, "io.debezium.data.Enum", parameters={"allowed": "a,b"}, default="a"), "b"
    ),
    "doc, version, parameters": _one(
        primitive(Type.INT64, True, doc="what it is", version=5, name="my.type", parameters={"b": "1", "a": "2"}), 1
    ),
    "array of arrays": _one(array(array(primitive(Type.INT64, True))), [[1, None], []]),
    "array optional": _one(array(TEXT, True), None),
    "map": _one(mapping(TEXT, INT), {"a": 1}),
    "map default": _one(mapping(TEXT, INT, default={"a": 5}), {"b": 1}),
    "map of maps": _one(mapping(TEXT, mapping(TEXT, primitive(Type.FLOAT64, True))), {"a": {"b": None}}),
    "map with int keys": _one(mapping(INT, primitive(Type.STRING, True)), {7: "x"}),
    "map with optional text keys": _one(mapping(primitive(Type.STRING, True), INT), {"k": 1}),
    "map optional with int keys": _one(mapping(primitive(Type.INT64), TEXT, True), None),
    "map with int keys, named": _one(mapping(INT, TEXT, name="my.Entry"), {1: "a"}),
    "struct": _one(_INNER, {"x": 1, "y": "a"}),
    "struct optional": _one(_INNER.as_optional(), None),
    "struct optional held": _one(_INNER.as_optional(), {"x": 4, "y": "b"}),
    "struct without a name": _one(struct({"z": INT}), {"z": 1}),
    "structs without names": (
        struct({"a": struct({"z": INT}), "b": struct({"z": TEXT}, optional=True), "c": struct({"z": INT})}),
        {"a": {"z": 1}, "b": None, "c": {"z": 2}},
    ),
    "struct default": _one(_INNER.with_(default={"x": 1, "y": "d"}), {"x": 2, "y": "e"}),
    "struct in array": _one(array(_INNER), [{"x": 1, "y": "a"}, {"x": 2, "y": "b"}]),
    "struct in map": _one(mapping(TEXT, _INNER.as_optional()), {"k": {"x": 1, "y": "a"}}),
    "struct used twice": (
        struct({"a": _INNER, "b": array(_INNER.as_optional()), "c": _INNER.as_optional()}, name="shop.Twice"),
        {"a": {"x": 1, "y": "a"}, "b": [{"x": 1, "y": "b"}, None], "c": None},
    ),
    "struct without fields": _one(struct({}, name="test.Empty"), {}),
    "fixed": _one(_named(Type.BYTES, "my.Fixed", None, parameters={"connect.fixed.size": "3"}), b"abc"),
    "envelope": (
        _ENVELOPE,
        {
            "before": None,
            "after": {"id": 1, "name": "Anna"},
            "source": {"version": "3.7", "lsn": 5, "snapshot": "false"},
            "op": "c",
            "ts_ms": None,
        },
    ),
    "int64 alone": (primitive(Type.INT64), -5),
    "text alone": (TEXT, "x"),
    "optional text alone": (primitive(Type.STRING, True), "x"),
    "bytes alone": (primitive(Type.BYTES), b"raw"),
    "array alone": (array(INT), [1, 2]),
    "map alone": (mapping(TEXT, INT), {"a": 1}),
    "key": (struct({"id": primitive(Type.INT64)}, name="server.public.orders.Key"), {"id": 1}),
    "no schema: text": (None, "x"),
    "no schema: number": (None, 5.5),
    "no schema: tree": (None, {"a": [1, None, True], "b": {"c": "d"}}),
}
