"""Connect values to what orjson writes as Kafka Connect's JsonConverter would.

Source: org.apache.kafka.connect.json.JsonConverter.convertToJson (Kafka 4.3.1).
"""

from __future__ import annotations

from binascii import b2a_base64
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import orjson

from headwater.worker.api import DECIMAL, DataError, Schema, Type

from .by_type import Choose, Node, Step, list_step, null_step, struct_step
from .connect_decimal import scale_of, to_unscaled
from .java_text import as_jackson, decimal_text, double_text, float_text, is_plain

_WHOLE: Final = frozenset((Type.INT8, Type.INT16, Type.INT32, Type.INT64))


def json_encoder(decimal_as_number: bool, replace_null_with_default: bool) -> Choose:
    """For `Node`: how values become what orjson takes."""

    def choose(node: Node, kind: type) -> Step | None:
        schema = node.schema
        if kind is type(None):
            return null_step(node, replace_null_with_default)
        if schema.name == DECIMAL:
            return _decimal_step(node, decimal_as_number) if issubclass(kind, Decimal) else _refuse(node, kind)
        found = _CHOICES[schema.type](node, kind)
        return None if found is _AS_IS else found

    return choose


def dumps(value: Any) -> bytes:
    """Raises `DataError`."""
    try:
        return as_jackson(orjson.dumps(value))
    except orjson.JSONEncodeError as error:
        raise DataError(f"cannot be written as JSON: {error}") from error


def schemaless(value: Any) -> Any:
    """A value without a schema as what orjson takes: only the types that Connect knows."""
    kind = type(value)
    if kind in (str, int, bool, type(None)):
        return value
    if kind is float:
        return _double(value)
    if kind is bytes:
        return _base64(value)
    if kind is list:
        return [schemaless(item) for item in value]
    if kind is dict:
        if all(type(key) is str for key in value):
            return {key: schemaless(item) for key, item in value.items()}
        return [[schemaless(key), schemaless(item)] for key, item in value.items()]
    raise DataError(f"a value of type {kind.__name__} needs a schema to be written as JSON")


def _as_is(value: Any) -> Any:
    return value


_AS_IS: Final[Step] = _as_is


def _refuse(node: Node, kind: type) -> Step:
    expected = "Decimal" if node.schema.name == DECIMAL else node.schema.type.name
    raise node.error(f"is a Python {kind.__name__}, which its schema ({expected}) does not allow")


def _whole(node: Node, kind: type) -> Step:
    if kind is int:
        return _AS_IS
    return int if issubclass(kind, int) and kind is not bool else _refuse(node, kind)


def _fractional(node: Node, kind: type) -> Step:
    if not issubclass(kind, int | float) or kind is bool:
        _refuse(node, kind)
    return _float if node.schema.type is Type.FLOAT32 else _double


def _text(node: Node, kind: type) -> Step:
    if kind is str:
        return _AS_IS
    return str.__str__ if issubclass(kind, str) else _refuse(node, kind)


def _boolean(node: Node, kind: type) -> Step:
    return _AS_IS if kind is bool else _refuse(node, kind)


def _bytes(node: Node, kind: type) -> Step:
    return _base64 if issubclass(kind, bytes | bytearray | memoryview) else _refuse(node, kind)


def _list(node: Node, kind: type) -> Step:
    if kind is list:
        return list_step(node)
    if not issubclass(kind, tuple):
        _refuse(node, kind)
    convert = list_step(node)
    return lambda values: convert(list(values))


def _map(node: Node, kind: type) -> Step:
    if not issubclass(kind, dict):
        _refuse(node, kind)
    keys, values = node.schema.key_schema, node.schema.value_schema
    if keys is None or values is None:
        raise node.error("its MAP schema says nothing about keys or values")
    key, item = node.item(keys, "{key}"), node.item(values, "{}")
    if keys.type is Type.STRING:
        return lambda entries: {_key_text(key(k)): item(v) for k, v in entries.items()}
    return lambda entries: [[key(k), item(v)] for k, v in entries.items()]


def _key_text(key: Any) -> str:
    return "null" if key is None else str(key)


def _struct(node: Node, kind: type) -> Step:
    return struct_step(node, refuse_unknown=True) if kind is dict else _refuse(node, kind)


_CHOICES: Final[dict[Type, Callable[[Node, type], Step]]] = {
    **dict.fromkeys(_WHOLE, _whole),
    Type.FLOAT32: _fractional,
    Type.FLOAT64: _fractional,
    Type.BOOLEAN: _boolean,
    Type.STRING: _text,
    Type.BYTES: _bytes,
    Type.ARRAY: _list,
    Type.MAP: _map,
    Type.STRUCT: _struct,
}


def _double(value: float) -> Any:
    return float(value) if is_plain(value) else _number(double_text(float(value)))


def _float(value: float) -> Any:
    text = float_text(float(value))
    return _number(text) if "E" in text or "N" in text or "I" in text else float(text)


def _number(text: str) -> Any:
    """Java's text of a number; Jackson writes NaN and infinities as strings."""
    return text if text[-1] in "Ny" else orjson.Fragment(text.encode())


def _base64(value: bytes) -> str:
    return b2a_base64(value, newline=False).decode()


def _decimal_step(node: Node, as_number: bool) -> Step:
    def number(value: Decimal) -> Any:
        if not value.is_finite():
            raise node.error(f"{value} cannot be a Decimal")
        return orjson.Fragment(decimal_text(value).encode())

    if as_number:
        return number
    scale = _scale(node.schema, node)

    def encoded(value: Decimal) -> str:
        try:
            return _base64(to_unscaled(value, scale))
        except ValueError as error:
            raise node.error(str(error)) from error

    return encoded


def _scale(schema: Schema, node: Node) -> int:
    try:
        return scale_of(schema)
    except ValueError as error:
        raise node.error(str(error)) from error
