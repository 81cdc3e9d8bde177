"""What fastavro reads to Connect values: decimals, maps of any keys, unions; all else is right as it is."""

from __future__ import annotations

from typing import Any

from headwater.worker.api import DECIMAL, DataError, Schema, Type

from .avro_names import is_union
from .by_type import Choose, Node, Step, list_step, struct_step
from .connect_decimal import from_unscaled, scale_of

__all__ = ["avro_decoder", "changes", "unwrapped"]


def changes(schema: Schema) -> bool:
    """Is there anything to do for values of this schema?"""
    if schema.name == DECIMAL or is_union(schema):
        return True
    if schema.type is Type.MAP and schema.key_schema is not None and schema.key_schema.type is not Type.STRING:
        return True
    if schema.type is Type.MAP and schema.key_schema is not None and schema.key_schema.optional:
        return True
    parts = [schema.key_schema, schema.value_schema, *(field.schema for field in schema.fields)]
    return any(part is not None and changes(part) for part in parts)


def avro_decoder() -> Choose:
    """For `Node`."""
    needed: dict[int, tuple[Schema, bool]] = {}

    def choose(node: Node, kind: type) -> Step | None:
        schema = node.schema
        if kind is type(None):
            return None
        known = needed.get(id(schema))
        if known is None:
            known = needed[id(schema)] = schema, changes(schema)
        if not known[1]:
            return None
        if schema.name == DECIMAL and kind is bytes:
            return _decimal(node)
        if schema.type is Type.STRUCT and kind is dict:
            return struct_step(node, refuse_unknown=False)
        if schema.type is Type.ARRAY and kind is list:
            return list_step(node)
        if schema.type is Type.MAP:
            return _map(node, kind)
        return None

    return choose


def _decimal(node: Node) -> Step:
    try:
        scale = scale_of(node.schema)
    except ValueError as error:
        raise node.error(str(error)) from error

    def number(data: bytes) -> Any:
        try:
            return from_unscaled(data, scale)
        except ValueError as error:
            raise node.error(str(error)) from error

    return number


def _map(node: Node, kind: type) -> Step:
    keys, values = node.schema.key_schema, node.schema.value_schema
    if keys is None or values is None:
        raise node.error("its MAP schema says nothing about keys or values")
    key, item = node.item(keys, "{key}"), node.item(values, "{}")
    if kind is dict:
        return lambda entries: {name: item(value) for name, value in entries.items()}

    def pairs(entries: list[dict[str, Any]]) -> dict[Any, Any]:
        try:
            return {key(entry["key"]): item(entry["value"]) for entry in entries}
        except TypeError as error:
            raise node.error("its keys are structs, maps or lists, which Headwater does not support") from error

    return pairs


def unwrapped(record: Any) -> Any:
    """The value that a record `Anything` holds. Raises `DataError`."""
    held: tuple[str, Any] = next(((n, v) for n, v in record.items() if v is not None), ("", None))
    name, value = held
    if name == "array":
        return [unwrapped(item) for item in value]
    if name == "map":
        try:
            return {unwrapped(entry["key"]): unwrapped(entry["value"]) for entry in value}
        except TypeError as error:
            raise DataError("a map's keys are maps or lists, which Headwater does not support") from error
    return value
