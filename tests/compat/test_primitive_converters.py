"""Converters without options beside Java's: bytes, and what is read from them, good and bad."""

from __future__ import annotations

from base64 import b64decode, b64encode
from typing import Any

import pytest

from headwater.worker.api import Converter, DataError, Schema, Type, primitive
from headwater.worker.convert import primitives
from headwater.worker.convert.bytes import ByteArrayConverter

from .java_stages import JavaError, JavaStages
from .typed import read_schema, read_value, typed_schema, typed_value

pytestmark = pytest.mark.compat

CONVERTERS: dict[str, type[Converter]] = {
    "Short": primitives.ShortConverter,
    "Integer": primitives.IntegerConverter,
    "Long": primitives.LongConverter,
    "Float": primitives.FloatConverter,
    "Double": primitives.DoubleConverter,
    "Boolean": primitives.BooleanConverter,
    "ByteArray": ByteArrayConverter,
}
VALUES: list[tuple[Type, Any]] = [
    *((Type.INT8, n) for n in (0, -128)),
    *((Type.INT16, n) for n in (0, -1, 32767, -32768)),
    *((Type.INT32, n) for n in (0, -1, 2**31 - 1, -(2**31))),
    *((Type.INT64, n) for n in (0, -1, 2**63 - 1, -(2**63))),
    *((Type.FLOAT32, n) for n in (0.0, -0.0, 1.5, float("inf"), float("-inf"))),
    *((Type.FLOAT64, n) for n in (0.0, 0.1, -1e300, 5e-324)),
    (Type.BOOLEAN, True),
    (Type.BOOLEAN, False),
    (Type.STRING, "x"),
    (Type.BYTES, b"\x00\xff"),
]
DATA = [
    None,
    b"",
    b"\x00",
    b"\x01",
    b"\x02",
    b"\x00\x01",
    b"\xff" * 4,
    b"\x7f\x80\x00\x00",
    b"\x80" + b"\x00" * 7,
    b"x" * 9,
]


@pytest.mark.parametrize("name", CONVERTERS)
def test_bytes_are_the_same(java_stages: JavaStages, name: str) -> None:
    for kind, value in VALUES:
        for optional, given in ((False, value), (True, value), (True, None)):
            schema = primitive(kind, optional)
            assert _written(name, schema, given) == _written_there(java_stages, name, schema, given), (kind, given)


@pytest.mark.parametrize("name", CONVERTERS)
def test_what_is_read_is_the_same(java_stages: JavaStages, name: str) -> None:
    for data in DATA:
        assert repr(_read(name, data)) == repr(_read_there(java_stages, name, data)), data


def _written(name: str, schema: Schema, value: Any) -> Any:
    try:
        return CONVERTERS[name]().encoder("t", schema)(value)
    except DataError:
        return "refused"


def _written_there(java: JavaStages, name: str, schema: Schema, value: Any) -> Any:
    request = {"class": f"org.apache.kafka.connect.converters.{name}Converter", "config": {}, "topic": "t"}
    try:
        answer = java.ask("encode", schema=typed_schema(schema), value=typed_value(value, schema), **request)
    except JavaError:
        return "refused"
    return None if answer["data"] is None else b64decode(answer["data"])


def _read(name: str, data: bytes | None) -> Any:
    try:
        return tuple(CONVERTERS[name]().decode("t", data))
    except DataError:
        return "refused"


def _read_there(java: JavaStages, name: str, data: bytes | None) -> Any:
    request = {"class": f"org.apache.kafka.connect.converters.{name}Converter", "config": {}, "topic": "t"}
    try:
        answer = java.ask("decode", data=None if data is None else b64encode(data).decode(), **request)
    except JavaError:
        return "refused"
    schema = read_schema(answer["schema"])
    return schema, read_value(answer["value"], schema)
