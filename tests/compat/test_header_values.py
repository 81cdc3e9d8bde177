"""SimpleHeaderConverter: the texts that Java writes, and the values that it sees in texts."""

from __future__ import annotations

from base64 import b64decode, b64encode
from decimal import Decimal
from typing import Any

import pytest

from headwater.worker.api import (
    DATE,
    TIME,
    TIMESTAMP,
    Schema,
    SchemaAndValue,
    Type,
    array,
    decimal,
    mapping,
    primitive,
    struct,
)
from headwater.worker.convert.header import SimpleHeaderConverter

from .java_stages import JavaStages
from .typed import read_pair, typed_pair

pytestmark = pytest.mark.compat
NAME = "org.apache.kafka.connect.storage.SimpleHeaderConverter"
TEXT, SMALL = primitive(Type.STRING), primitive(Type.INT8)

TEXTS = [
    "x", "", " ", "  x ", "null", " null ", "nullx", "true", "false", "True", "true}", " true ", "42", "-1", "+7",
    "007", "127", "128", "-128", "-129", "32767", "32768", "2147483648", "9223372036854775807", "9223372036854775808",
    "-9223372036854775809", "123456789012345678901234567890", "1.0", "1.5", "-0.0", "0.1", "3.14159265358979", "1e3",
    "1E3", "1e39", "1e400", "-1.5e300", "1e-400", "5.", ".5", "+.5", "1_000", "1,000", "12abc", "0x10", "1.2.3", "--1",
    "+", "-", "NaN", "Infinity", "-Infinity", "2026-11-22", "2026-13-45", "2026-1-1", "12345-1-10", "1.2-3-4567",
    "12:34:56.789Z", "12:34:56.789", "99:99:99.999Z", "2026-11-22T12:34:56.789Z", "2026-11-22T12:34:56.789+",
    "2026-11-22 12:34:56.789Z", r"12\:34\:56.789Z", r"2026-11-22T12\:34\:56.789Z", "1969-12-31", "0001-01-01",
    "1582-10-10", "[]", "[ ]", "[1]", "[1,2,3]", "[1, 300]", "[1,300,70000,5000000000]", "[1,1.5]", "[1.5,2]",
    '["a","b"]', '["a", "b" ]', "[a,b]", '[1,"a"]', "[true,false]", "[true,1]", "[null]", "[1,null]", "[null,1]",
    "[1,,2]", "[1,2", "[1,2,", "[1 2]", "[[1],[300]]", "[[1],[a]]", "[2026-11-22]", '["2026-11-22"]',
    "[2026-11-22,2026-11-22T12:34:56.789Z]", "[1,2026-11-22]", "[5.5,2026-11-22]", "[1e400,1e400]", "[1,2]x", "]", "[",
    "{}", "{ }", '{"a":1}', '{"a":1,"b":300}', '{"a":1 "b":2}', '{"a":null}', '{"a":null,"b":1}', '{"a":1,"b":"x"}',
    '{1:"x",300:"y"}', '{"a":{"b":[1,2]}}', "{a:1}", '{"a"}', '{"a":}', '{"a":1', '{"a":1,', '{,"a":1}', '{null:1}',
    '{"a":1}}', '{"a":[1,"x"]}', "{true:1}", '"x"', '"', '["x', r'["a\"b"]', r'["a\\"]', r"a\:b", "\\", r"\[1]",
    "a,b", "a:b", "a{b}", "é", "日本", "[é]", '["é"]', "\t42\n", "\n", "[\n1\n]", '{"a" : 1}', '[" "]', '["  x"]',
    "1.0E10", "1E+2", "١٢", "[1,[2]]", '[{"a":1}]', '[{"a":1},{"b":"x"}]', "[1.1,2.2]", "[0.1,1e300]", "[128,1.5]",
]  # fmt: skip

VALUES: list[tuple[Schema | None, Any]] = [
    (None, "x"), (None, 5), (None, 1.5), (None, 1e20), (None, True), (None, [1, "a", None]), (None, {"a": [1.0]}),
    (TEXT, 'a"b\\'), (SMALL, -3), (primitive(Type.INT64), 2**60), (primitive(Type.FLOAT32), 0.1),
    (primitive(Type.FLOAT64), float("inf")), (primitive(Type.BOOLEAN), False), (primitive(Type.BYTES), b"\x00\xff"),
    (decimal(2), Decimal("1.50")), (decimal(-2), Decimal("1E+2")), (array(TEXT), ['a"', "\\"]),
    (mapping(TEXT, SMALL), {"k": 1, "l": 2}), (mapping(SMALL, TEXT), {1: "x"}),
    (array(array(SMALL)), [[1], []]), (array(primitive(Type.STRING, True)), [None, "a"]),
    (struct({"a": TEXT, "b": primitive(Type.INT32, True), "c": array(SMALL)}), {"a": "x", "b": None, "c": [1]}),
    (primitive(Type.INT32, name=DATE, version=1), 20_000), (primitive(Type.INT32, name=DATE, version=1), 0),
    (primitive(Type.INT32, name=DATE, version=1), -1), (primitive(Type.INT32, name=TIME, version=1), 45_296_789),
    (primitive(Type.INT64, name=TIMESTAMP, version=1), 1_700_000_000_123),
    (primitive(Type.INT64, name=TIMESTAMP, version=1), 86_400_000 * 3), (TEXT, None),
    (array(primitive(Type.INT64, name=TIMESTAMP, version=1)), [1_700_000_000_123]),
]  # fmt: skip


@pytest.mark.parametrize("text", TEXTS)
def test_values_of_texts(java_stages: JavaStages, text: str) -> None:
    data = b64encode(text.encode()).decode()
    theirs = java_stages.ask("decode", **{"class": NAME}, topic="t", header="h", data=data)
    ours = SimpleHeaderConverter().decode("t", text.encode())
    schema, value = read_pair(theirs)
    assert typed_pair(ours.value, ours.schema) == typed_pair(value, schema)


@pytest.mark.parametrize(("schema", "value"), VALUES)
def test_texts_of_values(java_stages: JavaStages, schema: Schema | None, value: Any) -> None:
    theirs = java_stages.ask("encode", **{"class": NAME}, topic="t", header="h", **typed_pair(value, schema))["data"]
    assert SimpleHeaderConverter().encoder("t", schema)(value) == (None if theirs is None else b64decode(theirs))


def test_bytes_that_are_no_text(java_stages: JavaStages) -> None:
    """Java puts replacement characters; here they stay bytes."""
    theirs = java_stages.ask("decode", **{"class": NAME}, topic="t", header="h", data=b64encode(b"\xff").decode())
    assert read_pair(theirs) == (TEXT, "�")
    assert SimpleHeaderConverter().decode("t", b"\xff") == SchemaAndValue(primitive(Type.BYTES), b"\xff")
