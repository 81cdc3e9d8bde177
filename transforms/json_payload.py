"""Text that is JSON becomes a struct or an array, with a schema found from what it holds.

Source: io.debezium.transforms.outbox.JsonSchemaData of Debezium 3.7.0.Final.
"""

from __future__ import annotations

import json
import logging
from typing import Any, Final

from headwater.worker.api import Record, Schema, Type, array, primitive, struct

from .kept import Kept

log = logging.getLogger(__name__)

_BOOLEAN: Final = primitive(Type.BOOLEAN, True)
_INT32: Final = primitive(Type.INT32, True)
_INT64: Final = primitive(Type.INT64, True)
_DOUBLE: Final = primitive(Type.FLOAT64, True)
_STRING: Final = primitive(Type.STRING, True)
_BYTES: Final = primitive(Type.BYTES, True)


class JsonPayload:
    """`name`: the field's, and of the struct's schema. `nulls`: keep null fields, as optional bytes; `empty_arrays`:
    keep them, as arrays of strings."""

    def __init__(self, name: str, nulls: bool, empty_arrays: bool) -> None:
        self._name = name
        self._nulls = nulls
        self._empty_arrays = empty_arrays
        self._one: Kept[Schema, Schema] = Kept(lambda schema: schema)
        self._told = False

    def expanded(self, payload: Any, schema: Schema | None, record: Record) -> tuple[Any, Schema | None]:
        """Value and schema; the old ones where the text is no JSON object or array, or cannot have one schema."""
        if payload is None:
            return payload, schema
        try:
            if not isinstance(payload, str) or not payload.startswith(("{", "[")):
                raise ValueError("it is neither a JSON object nor an array")
            value = json.loads(payload, parse_constant=_refuse)
            found = self._schema(self._name, value)
            if found is None:
                raise ValueError("an empty array has no schema")
            # One object for all payloads of a shape, and compared by value: converters look schemas up by identity.
            return (value, None) if schema is None else (_value(value, found), self._one(found))
        except (ValueError, OverflowError, RecursionError) as error:
            if not self._told:
                self._told = True
                log.warning(
                    "%s: the payload stays text: %s; further ones are not told", record.where(), type(error).__name__
                )
            return payload, schema

    def _schema(self, name: str, value: Any) -> Schema | None:
        """None for what is left out."""
        if isinstance(value, bool):
            return _BOOLEAN
        if isinstance(value, int):
            return _INT32 if -(2**31) <= value < 2**31 else _INT64 if -(2**63) <= value < 2**63 else _DOUBLE
        if isinstance(value, float):
            return _DOUBLE
        if isinstance(value, str):
            return _STRING
        if isinstance(value, list):
            if not value:
                return array(_STRING, True) if self._empty_arrays else None
            return array(self._items(name, value), True)
        if isinstance(value, dict):
            return self._struct(name, value)
        return _BYTES if self._nulls else None

    def _struct(self, name: str, value: dict[str, Any]) -> Schema:
        fields = {}
        for field, inner in value.items():
            if not field:
                raise ValueError("a field has an empty name")
            schema = self._schema(f"{name}.{field}" if name.strip() else field, inner)
            if schema is not None:
                fields[field] = schema
        return struct(fields, name or None, True)

    def _items(self, name: str, values: list[Any]) -> Schema:
        """Raises `ValueError` where they are not of one kind."""
        some = [value for value in values if value is not None]
        if len({_kind(value) for value in some}) > 1:
            raise ValueError("the items of an array are of several kinds")
        if some and isinstance(some[0], dict):
            merged = self._struct(name, some[0])
            for value in some[1:]:
                merged = _merged(merged, self._struct(name, value))
            return merged
        schema = self._schema("", some[0] if some else None)
        if schema is None:
            raise ValueError("the items of an array have no schema")
        if schema.type in (Type.INT32, Type.INT64, Type.FLOAT64) and any(self._schema("", v) != schema for v in some):
            raise ValueError("the numbers of an array are of several types")
        return schema


def _kind(value: Any) -> type:
    return float if type(value) is int else type(value)


def _merged(left: Schema, right: Schema) -> Schema:
    """Null in one item and something else in another: the something else. Else the first says."""
    fields = {field.name: field.schema for field in left.fields}
    for field in right.fields:
        known = fields.get(field.name)
        if known is None or (known.type is Type.BYTES and field.schema.type is not Type.BYTES):
            fields[field.name] = field.schema
    return struct(fields, left.name, True)


def _value(value: Any, schema: Schema) -> Any:
    """Raises `ValueError` where an item of an array differs from the others."""
    if value is None:
        return None
    if schema.type is Type.STRUCT and isinstance(value, dict):
        return {field.name: _value(value.get(field.name), field.schema) for field in schema.fields}
    if schema.type is Type.ARRAY and isinstance(value, list) and schema.value_schema is not None:
        return [_value(item, schema.value_schema) for item in value]
    if schema.type is Type.FLOAT64 and isinstance(value, int | float) and not isinstance(value, bool):
        return float(value)
    fits = {Type.STRING: str, Type.BOOLEAN: bool, Type.INT32: int, Type.INT64: int}.get(schema.type)
    if fits is None or type(value) is not fits or _too_long(value, schema):
        raise ValueError("the items of an array differ")
    return value


def _refuse(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def _too_long(value: Any, schema: Schema) -> bool:
    return schema.type is Type.INT32 and not -(2**31) <= value < 2**31
