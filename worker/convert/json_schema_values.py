"""Values in the JSON of Confluent's JsonSchemaConverter: where it differs from Kafka Connect's JsonConverter.

Source: io.confluent.connect.json.JsonSchemaData.{fromConnectData,toConnectData} (8.x). Maps whose keys are no text are
lists of objects with key and value; a union is the value of its one field that is not null.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any, Final

from headwater.worker.api import Schema, Type

from .by_type import Choose, Node, Step, has_default, struct_step
from .json_decode import NotExact, json_decoder
from .json_encode import json_encoder
from .json_schema_form import has_text_keys, is_union

__all__ = ["json_schema_decoder", "json_schema_encoder"]

_WHOLE: Final = (Type.INT8, Type.INT16, Type.INT32, Type.INT64)
_EXACT: Final = 2**53
"""Below it a float is the whole number that its text says."""


def json_schema_encoder(decimal_as_number: bool, replace_null_with_default: bool) -> Choose:
    """For `Node`: how values become what orjson takes.

    A required field that is null is left out, as in Java: so are read those that others leave out.
    """
    plain = json_encoder(decimal_as_number, replace_null_with_default)

    def without(schema: Schema) -> bool:
        return not (schema.optional or (replace_null_with_default and has_default(schema)))

    def choose(node: Node, kind: type) -> Step | None:
        schema = node.schema
        if kind is dict and is_union(schema):
            return _member(node)
        if kind is dict and schema.type is Type.STRUCT:
            return struct_step(node, True, without)
        if kind is dict and schema.type is Type.MAP and not has_text_keys(schema):
            key, item = _parts(node)
            return lambda entries: [{"key": key(k), "value": item(v)} for k, v in entries.items()]
        return plain(node, kind)

    return choose


def _member(node: Node) -> Step:
    fields = [(field.name, node.field(field.name, field.schema)) for field in node.schema.fields]

    def member(value: dict[str, Any]) -> Any:
        for name, field in fields:
            if value.get(name) is not None:
                return field(value[name])
        if node.schema.optional:
            return None
        raise node.error("holds no value of any of its union's types")

    return member


def json_schema_decoder() -> Choose:
    """For `Node`: how values that orjson (or json with `parse_float=Decimal`) read become Connect's.

    A field that is absent is null, required or not, as in Java: most schemas of others require nothing.
    """
    plain = json_decoder(True)

    def choose(node: Node, kind: type) -> Step | None:
        schema = node.schema
        if kind is type(None):
            return plain(node, kind) if has_default(schema) else None
        if is_union(schema):
            return _union(node)
        if schema.type is Type.MAP and not has_text_keys(schema):
            return _entries(node, kind)
        if schema.type in _WHOLE and kind in (float, Decimal):
            return lambda number: _whole(node, number)
        return plain(node, kind)

    return choose


def _whole(node: Node, number: float | Decimal) -> int:
    """JSON Schema's integer is a number without a fraction: 5.0 and 1e3, too."""
    if isinstance(number, float) and math.isfinite(number):
        if abs(number) >= _EXACT:
            raise NotExact
        number = Decimal(number)
    if not math.isfinite(number) or not -(2**63) <= number < 2**63 or number != int(number):
        raise node.error(f"is {number} in JSON, a fraction or a number beyond 64 bits, which its schema forbids")
    return int(number)


def _union(node: Node) -> Step:
    names = [field.name for field in node.schema.fields]
    fields = [(field, node.field(field.name, field.schema)) for field in node.schema.fields]

    def struct(value: Any) -> dict[str, Any]:
        best, most = None, 0
        for field, inner in fields:
            if _is_of(field.schema, value):
                best = field.name, inner
                break
            matching = _alike(field.schema, value)
            if matching > most:
                best, most = (field.name, inner), matching
        if best is None:
            raise node.error("is of none of its union's types")
        return {**dict.fromkeys(names), best[0]: best[1](value)}

    return struct


def _is_of(schema: Schema, value: Any) -> bool:
    if schema.type in _WHOLE:
        return type(value) is int
    if schema.type in (Type.FLOAT32, Type.FLOAT64):
        return type(value) in (int, float, Decimal)
    if schema.type is Type.BOOLEAN:
        return type(value) is bool
    if schema.type in (Type.STRING, Type.BYTES):
        return type(value) is str
    if schema.type is Type.MAP and not has_text_keys(schema):
        return type(value) is list and all(type(entry) is dict and entry.keys() >= {"key", "value"} for entry in value)
    return type(value) is (list if schema.type is Type.ARRAY else dict) and schema.type is not Type.STRUCT


def _alike(schema: Schema, value: Any) -> int:
    """How many of an object's properties the struct knows, inner ones too."""
    if schema.type is not Type.STRUCT or type(value) is not dict:
        return 0
    return sum(1 + _alike(field.schema, value[field.name]) for field in schema.fields if field.name in value)


def _entries(node: Node, kind: type) -> Step:
    key, item = _parts(node)
    if kind is not list:
        raise node.error("is no list of entries, each with key and value, in JSON")

    def pairs(entries: list[Any]) -> dict[Any, Any]:
        try:
            return {key(entry["key"]): item(entry["value"]) for entry in entries}
        except KeyError as error:
            raise node.error(f"holds an entry without {error}") from error
        except TypeError as error:
            raise node.error("holds keys that are objects or lists, or entries that are none") from error

    return pairs


def _parts(node: Node) -> tuple[Node, Node]:
    keys, values = node.schema.key_schema, node.schema.value_schema
    if keys is None or values is None:
        raise node.error("its MAP schema says nothing about keys or values")
    return node.item(keys, "{key}"), node.item(values, "{}")
