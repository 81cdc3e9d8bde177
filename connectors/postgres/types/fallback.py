"""What stands in a required field that has no value: the columns of an old row of which only the key was sent.

Source: the fallback values in io.debezium.jdbc.JdbcValueConverters and PostgresValueConverter of Debezium 3.7.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any, Final

from headwater.connectors.debezium import names
from headwater.worker.api import DECIMAL, NO_DEFAULT, Schema, Type

from .geometric import point_value

_BY_NAME: Final = {
    names.ZONED_TIMESTAMP: "1970-01-01T00:00:00Z",
    names.ZONED_TIME: "00:00:00Z",
    names.ISO_DATE: "1970-01-01Z",
    names.ISO_TIME: "00:00:00Z",
    names.ISO_TIMESTAMP: "1970-01-01T00:00:00Z",
    names.INTERVAL: "P0Y0M0DT0H0M0S",
    names.BITS: b"",
}
_BY_TYPE: Final[dict[Type, Any]] = {
    Type.BOOLEAN: False,
    Type.STRING: "",
    Type.BYTES: b"\x00",
    Type.FLOAT32: 0.0,
    Type.FLOAT64: 0.0,
}


def fallback(schema: Schema) -> Any:
    """The schema's default, None where it is optional, else an empty value of its type."""
    if schema.default is not NO_DEFAULT:
        return schema.default
    if schema.optional:
        return None
    if schema.name == DECIMAL:
        return Decimal((0, (0,), -int(schema.parameters["scale"])))
    if schema.name == names.VARIABLE_SCALE_DECIMAL:
        return {"scale": 0, "value": b"\x00"}
    if schema.name == names.POINT:
        return point_value((0.0, 0.0))
    if schema.name in _BY_NAME:
        return _BY_NAME[schema.name]
    if schema.type is Type.ARRAY:
        return []
    if schema.type is Type.MAP:
        return {}
    if schema.type is Type.STRUCT:
        return {field.name: fallback(field.schema) for field in schema.fields}
    return _BY_TYPE.get(schema.type, 0)
