"""A value as Java's `toString` writes it, which is what Kafka Connect's file sink appends."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from headwater.worker.api import Schema, Type


def java_string(value: Any, schema: Schema | None) -> str:
    """Bytes, whose text in Java is an address, are shown as hex."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, Decimal):
        return format(value, "f")
    if isinstance(value, float):
        return _float(value)
    if isinstance(value, list):
        items = schema.value_schema if schema is not None else None
        return f"[{', '.join(java_string(item, items) for item in value)}]"
    if isinstance(value, dict):
        return _fields(value, schema)
    return str(value)


def _fields(value: dict[Any, Any], schema: Schema | None) -> str:
    """`Struct{id=1,name=x}` without the fields that are null, or `{id=1, name=x}`."""
    if schema is not None and schema.type is Type.STRUCT:
        given = [(f.name, value.get(f.name), f.schema) for f in schema.fields]
        return f"Struct{{{','.join(f'{n}={java_string(v, s)}' for n, v, s in given if v is not None)}}}"
    items = schema.value_schema if schema is not None else None
    keys = schema.key_schema if schema is not None else None
    return f"{{{', '.join(f'{java_string(k, keys)}={java_string(v, items)}' for k, v in value.items())}}}"


def _float(value: float) -> str:
    if value != value:
        return "NaN"
    if value in (float("inf"), float("-inf")):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        text = format(Decimal(repr(value)), "f")
        return text if "." in text else f"{text}.0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    figures = "".join(map(str, digits))
    return f"{'-' if sign else ''}{figures[0]}.{figures[1:] or '0'}E{int(exponent) + len(figures) - 1}"
