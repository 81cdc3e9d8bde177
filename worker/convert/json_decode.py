"""What orjson reads to Connect values.

Source: org.apache.kafka.connect.json.JsonConverter.convertToConnect (Kafka 4.3.1). Two differences, so that nothing is
lost in silence: a value of the wrong type is a `DataError` where Java makes it 0, false or null, and the strings that
Java writes for NaN and infinities are read back.
"""

from __future__ import annotations

import json
from binascii import Error as Base64Error
from binascii import a2b_base64
from collections.abc import Callable
from decimal import Decimal
from typing import Any, Final

import orjson

from headwater.worker.api import DECIMAL, DataError, Type

from .by_type import Choose, Node, Step, list_step, null_step, struct_step
from .connect_decimal import from_unscaled, scale_of
from .java_text import to_float32

_SPECIAL: Final = {"NaN": float("nan"), "Infinity": float("inf"), "-Infinity": float("-inf")}
_WHOLE: Final = (Type.INT8, Type.INT16, Type.INT32, Type.INT64)
_JSON_NAMES: Final = {dict: "an object", list: "a list", str: "a string", bool: "a boolean", int: "a whole number"}


class NotExact(Exception):
    """A fraction where every digit counts: the text has to be read again with `Decimal` for fractions."""


def json_decoder(replace_null_with_default: bool) -> Choose:
    """For `Node`: how values that orjson (or json with `parse_float=Decimal`) read become Connect's."""

    def choose(node: Node, kind: type) -> Step | None:
        if kind is type(None):
            return null_step(node, replace_null_with_default)
        step = _decimal(node, kind) if node.schema.name == DECIMAL else _CHOICES[node.schema.type](node, kind)
        return None if step is _AS_IS else step

    return choose


def loads(data: bytes) -> Any:
    """Raises `DataError`."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise DataError(f"is not JSON: {error}") from error


def loads_exact(data: bytes) -> Any:
    """Slower, with every digit of every number."""
    try:
        return json.loads(data, parse_float=Decimal, parse_int=_exact_whole)
    except ValueError as error:  # Python's limit for the digits of one whole number
        raise DataError(f"is not JSON that can be read exactly: {error}") from error


def _exact_whole(text: str) -> int | Decimal:
    return int(text) if len(text) < 19 or -(2**63) <= int(text) < 2**63 else Decimal(text)


def _as_is(value: Any) -> Any:
    return value


_AS_IS: Final[Step] = _as_is


def _refuse(node: Node, kind: type) -> Step:
    found = _JSON_NAMES.get(kind, "a fraction or a number beyond 64 bits")
    raise node.error(f"is {found} in JSON, which its schema ({node.schema.name or node.schema.type.name}) forbids")


def _whole(node: Node, kind: type) -> Step:
    return _AS_IS if kind is int else _refuse(node, kind)


def _fractional(node: Node, kind: type) -> Step:
    single = node.schema.type is Type.FLOAT32
    if kind is str:
        return lambda text: _special(node, text)
    if kind not in (int, float, Decimal):
        _refuse(node, kind)
    if single:
        return lambda number: to_float32(float(number))
    return _AS_IS if kind is float else _float


def _float(number: int | Decimal) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _special(node: Node, text: str) -> float:
    number = _SPECIAL.get(text)
    if number is None:
        raise node.error(f"is a string in JSON, which its schema ({node.schema.type.name}) forbids")
    return number


def _boolean(node: Node, kind: type) -> Step:
    return _AS_IS if kind is bool else _refuse(node, kind)


def _text(node: Node, kind: type) -> Step:
    return _AS_IS if kind is str else _refuse(node, kind)


def _bytes(node: Node, kind: type) -> Step:
    if kind is not str:
        _refuse(node, kind)

    def decode(text: str) -> bytes:
        try:
            return a2b_base64(text, strict_mode=True)
        except (Base64Error, ValueError) as error:
            raise node.error(f"is not base64: {error}") from error

    return decode


def _decimal(node: Node, kind: type) -> Step:
    if kind is str:
        return _unscaled_step(node)
    if kind is int:
        return Decimal
    if kind is Decimal:
        return _AS_IS
    if kind is not float:
        _refuse(node, kind)
    return _not_exact


def _not_exact(number: float) -> Decimal:
    raise NotExact


def _unscaled_step(node: Node) -> Step:
    to_bytes = _bytes(node, str)
    try:
        scale = scale_of(node.schema)
    except ValueError as error:
        raise node.error(str(error)) from error

    def decode(text: str) -> Decimal:
        try:
            return from_unscaled(to_bytes(text), scale)
        except ValueError as error:
            raise node.error(str(error)) from error

    return decode


def _list(node: Node, kind: type) -> Step:
    return list_step(node) if kind is list else _refuse(node, kind)


def _struct(node: Node, kind: type) -> Step:
    return struct_step(node, refuse_unknown=False) if kind is dict else _refuse(node, kind)


def _map(node: Node, kind: type) -> Step:
    keys, values = node.schema.key_schema, node.schema.value_schema
    if keys is None or values is None:
        raise node.error("its MAP schema says nothing about keys or values")
    key, item = node.item(keys, "{key}"), node.item(values, "{}")
    if keys.type is Type.STRING:
        if kind is not dict:
            _refuse(node, kind)
        return lambda entries: {name: item(value) for name, value in entries.items()}
    if kind is not list:
        _refuse(node, kind)

    def pairs(entries: list[Any]) -> dict[Any, Any]:
        if any(type(entry) is not list or len(entry) != 2 for entry in entries):
            raise node.error("holds something else than pairs [key, value]")
        try:
            return {key(k): item(v) for k, v in entries}
        except TypeError as error:
            raise node.error("its keys are structs, maps or lists, which Headwater does not support") from error

    return pairs


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
