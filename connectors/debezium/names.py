"""Debezium's semantic types: the schema names that say what a plain int, string or struct means.

Source: io.debezium.time.*, io.debezium.data.*, io.debezium.schema.SchemaFactory of Debezium 3.7.0.Final.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from headwater.worker.api import Schema, Type, array, mapping, primitive, struct

DATE: Final = "io.debezium.time.Date"
TIME: Final = "io.debezium.time.Time"
MICRO_TIME: Final = "io.debezium.time.MicroTime"
NANO_TIME: Final = "io.debezium.time.NanoTime"
TIMESTAMP: Final = "io.debezium.time.Timestamp"
MICRO_TIMESTAMP: Final = "io.debezium.time.MicroTimestamp"
NANO_TIMESTAMP: Final = "io.debezium.time.NanoTimestamp"
ZONED_TIME: Final = "io.debezium.time.ZonedTime"
ZONED_TIMESTAMP: Final = "io.debezium.time.ZonedTimestamp"
ISO_DATE: Final = "io.debezium.time.IsoDate"
ISO_TIME: Final = "io.debezium.time.IsoTime"
ISO_TIMESTAMP: Final = "io.debezium.time.IsoTimestamp"
YEAR: Final = "io.debezium.time.Year"
INTERVAL: Final = "io.debezium.time.Interval"
MICRO_DURATION: Final = "io.debezium.time.MicroDuration"
NANO_DURATION: Final = "io.debezium.time.NanoDuration"
JSON: Final = "io.debezium.data.Json"
XML: Final = "io.debezium.data.Xml"
UUID: Final = "io.debezium.data.Uuid"
LTREE: Final = "io.debezium.data.Ltree"
TSVECTOR: Final = "io.debezium.data.Tsvector"
BITS: Final = "io.debezium.data.Bits"
ENUM: Final = "io.debezium.data.Enum"
ENUM_SET: Final = "io.debezium.data.EnumSet"
VARIABLE_SCALE_DECIMAL: Final = "io.debezium.data.VariableScaleDecimal"
DOUBLE_VECTOR: Final = "io.debezium.data.DoubleVector"
FLOAT_VECTOR: Final = "io.debezium.data.FloatVector"
SPARSE_DOUBLE_VECTOR: Final = "io.debezium.data.SparseDoubleVector"
POINT: Final = "io.debezium.data.geometry.Point"
GEOMETRY: Final = "io.debezium.data.geometry.Geometry"
GEOGRAPHY: Final = "io.debezium.data.geometry.Geography"

SIMPLE_TYPES: Final[dict[str, Type]] = {
    DATE: Type.INT32,  # days since 1970-01-01
    TIME: Type.INT32,  # milliseconds since midnight
    MICRO_TIME: Type.INT64,
    NANO_TIME: Type.INT64,
    TIMESTAMP: Type.INT64,  # milliseconds since 1970-01-01T00:00, no zone
    MICRO_TIMESTAMP: Type.INT64,
    NANO_TIMESTAMP: Type.INT64,
    ZONED_TIME: Type.STRING,  # 10:15:30.123456Z
    ZONED_TIMESTAMP: Type.STRING,  # 2011-12-03T10:15:30.030431Z
    ISO_DATE: Type.STRING,
    ISO_TIME: Type.STRING,
    ISO_TIMESTAMP: Type.STRING,
    YEAR: Type.INT32,
    INTERVAL: Type.STRING,  # P1Y2M3DT4H5M6.78S
    MICRO_DURATION: Type.INT64,  # a year counts 365.25 days, a month a twelfth of it
    NANO_DURATION: Type.INT64,
    JSON: Type.STRING,
    XML: Type.STRING,
    UUID: Type.STRING,
    LTREE: Type.STRING,
    TSVECTOR: Type.STRING,
}
"""Semantic types that are a name on a primitive and nothing more; all have version 1."""


def semantic(name: str, optional: bool = False, **attributes: Any) -> Schema:
    """The schema of one of `SIMPLE_TYPES`."""
    return primitive(SIMPLE_TYPES[name], optional, name=name, version=1, **attributes)


def bits(length: int, optional: bool = False, **attributes: Any) -> Schema:
    """A bit string, as little-endian bytes; `length` is in bits."""
    return primitive(Type.BYTES, optional, name=BITS, version=1, parameters={"length": str(length)}, **attributes)


def enum(allowed: Iterable[str], optional: bool = False, **attributes: Any) -> Schema:
    """One of the `allowed` labels, in their declared order."""
    parameters = {"allowed": ",".join(allowed)}
    return primitive(Type.STRING, optional, name=ENUM, version=1, parameters=parameters, **attributes)


def enum_set(allowed: Iterable[str], optional: bool = False, **attributes: Any) -> Schema:
    """Any of the `allowed` labels, comma-separated."""
    parameters = {"allowed": ",".join(allowed)}
    return primitive(Type.STRING, optional, name=ENUM_SET, version=1, parameters=parameters, **attributes)


def variable_scale_decimal(optional: bool = False, **attributes: Any) -> Schema:
    """{"scale": int, "value": big-endian two's complement bytes of the unscaled number}."""
    fields = {"scale": primitive(Type.INT32), "value": primitive(Type.BYTES)}
    return struct(fields, VARIABLE_SCALE_DECIMAL, optional, version=1, doc="Variable scaled decimal", **attributes)


def point(optional: bool = False, **attributes: Any) -> Schema:
    """{"x": float, "y": float, "wkb": bytes or None, "srid": int or None}."""
    fields = {
        "x": primitive(Type.FLOAT64),
        "y": primitive(Type.FLOAT64),
        "wkb": primitive(Type.BYTES, optional=True),
        "srid": primitive(Type.INT32, optional=True),
    }
    return struct(fields, POINT, optional, version=1, doc="Geometry (POINT)", **attributes)


def geometry(optional: bool = True, **attributes: Any) -> Schema:
    """{"wkb": bytes, "srid": int or None, "extensions": {str: str} or None}. Debezium's own is optional."""
    text = primitive(Type.STRING)
    fields = {
        "wkb": primitive(Type.BYTES),
        "srid": primitive(Type.INT32, optional=True),
        "extensions": mapping(text, text, optional=True),
    }
    return struct(fields, GEOMETRY, optional, version=2, doc="Geometry", **attributes)


def geography(optional: bool = False, **attributes: Any) -> Schema:
    """{"wkb": bytes, "srid": int or None}."""
    fields = {"wkb": primitive(Type.BYTES), "srid": primitive(Type.INT32, optional=True)}
    return struct(fields, GEOGRAPHY, optional, version=1, doc="Geography", **attributes)


def double_vector(optional: bool = False, **attributes: Any) -> Schema:
    """pgvector's `vector`: a list of floats."""
    return array(primitive(Type.FLOAT64), optional, name=DOUBLE_VECTOR, version=1, **attributes)


def float_vector(optional: bool = False, **attributes: Any) -> Schema:
    """pgvector's `halfvec`: a list of floats."""
    return array(primitive(Type.FLOAT32), optional, name=FLOAT_VECTOR, version=1, **attributes)


def sparse_double_vector(optional: bool = False, **attributes: Any) -> Schema:
    """{"dimensions": int, "vector": {index: float}}."""
    vector = mapping(primitive(Type.INT16), primitive(Type.FLOAT64))
    fields = {"dimensions": primitive(Type.INT16), "vector": vector}
    return struct(fields, SPARSE_DOUBLE_VECTOR, optional, version=1, doc="Sparse double vector", **attributes)
