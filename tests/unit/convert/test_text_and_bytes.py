"""StringConverter, ByteArrayConverter and SimpleHeaderConverter; texts as Kafka 4.3.1 prints them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from headwater.worker.api import Converter, DataError, Schema, Type, array, decimal, mapping, primitive, struct
from headwater.worker.convert.bytes import ByteArrayConverter
from headwater.worker.convert.header import SimpleHeaderConverter
from headwater.worker.convert.string import StringConverter

TEXT, INT = primitive(Type.STRING), primitive(Type.INT32)
STRUCT = struct({"a": primitive(Type.STRING, True), "b": INT, "c": primitive(Type.FLOAT32)})
CASES = [
    (STRUCT, {"a": 'x"\\y', "b": 5, "c": 0.1}, r'{"a":"x\"\\y","b":5,"c":0.1}', r'Struct{a=x"\y,b=5,c=0.1}'),
    (STRUCT, {"b": 1, "c": 1e10}, '{"a":null,"b":1,"c":1.0E10}', "Struct{b=1,c=1.0E10}"),
    (TEXT, 'a"b', 'a"b', 'a"b'),
    (primitive(Type.FLOAT64), 1e7, "1.0E7", "1.0E7"),
    (primitive(Type.BOOLEAN), True, "true", "true"),
    (array(TEXT), ["a", 'b"'], r'["a","b\""]', '[a, b"]'),
    (array(primitive(Type.STRING, True)), ["a", None], '["a",null]', "[a, null]"),
    (mapping(TEXT, INT), {"k": 1, "l": 2}, '{"k":1,"l":2}', "{k=1, l=2}"),
    (decimal(2), Decimal("1.50"), "1.50", "1.50"),
    (array(primitive(Type.FLOAT64)), [1e7, 1.5], "[1.0E7,1.5]", "[1.0E7, 1.5]"),
    (None, "x", "x", "x"),
]


def configured(converter: Converter, **options: str) -> Converter:
    converter.configure(converter.options.parse({k.replace("_", "."): v for k, v in options.items()})[0], False)
    return converter


@pytest.mark.parametrize(("schema", "value", "header", "text"), CASES)
def test_texts(schema: Schema | None, value: Any, header: str, text: str) -> None:
    assert configured(SimpleHeaderConverter()).encoder("t", schema)(value) == header.encode()
    assert configured(StringConverter()).encoder("t", schema)(value) == text.encode()


def test_bytes_in_headers() -> None:
    converter = configured(SimpleHeaderConverter())
    assert converter.encoder("t", primitive(Type.BYTES))(b"\x01\x02") == b"AQI="
    assert converter.encoder("t", array(primitive(Type.BYTES)))([b"\x01\x02"]) == b'["AQI="]'
    assert converter.encoder("t", None)(b"\xff\x00") == b"\xff\x00"
    assert converter.encoder("t", TEXT)(None) is None
    assert converter.decode("t", b"\xff\x00") == (primitive(Type.BYTES), b"\xff\x00")
    assert converter.decode("t", None) == (None, None)
    with pytest.raises(DataError):
        converter.encoder("t", None)(object())


def test_strings() -> None:
    converter = configured(StringConverter())
    assert converter.decode("t", "é".encode()) == (primitive(Type.STRING, True), "é")
    assert converter.decode("t", None) == (primitive(Type.STRING, True), None)
    assert converter.encoder("t", TEXT)(None) is None
    with pytest.raises(DataError, match="ByteArrayConverter"):
        converter.decode("t", b"\xff")
    with pytest.raises(DataError, match="no text form"):
        converter.encoder("t", None)(b"x")


def test_encodings() -> None:
    converter = configured(StringConverter(), converter_encoding="ISO-8859-1")
    assert converter.encoder("t", TEXT)("é") == b"\xe9"
    assert converter.decode("t", b"\xe9").value == "é"
    with pytest.raises(DataError, match="ISO-8859-1"):
        converter.encoder("t", TEXT)("€")
    _, problems = StringConverter.options.parse({"converter.encoding": "no-such"})
    assert "encoding" in problems[0].message


def test_byte_arrays() -> None:
    converter = configured(ByteArrayConverter())
    for schema in (None, primitive(Type.BYTES), primitive(Type.BYTES, True)):
        encode = converter.encoder("t", schema)
        assert encode(b"\xff") == b"\xff" and encode(bytearray(b"x")) == b"x" and encode(None) is None
        with pytest.raises(DataError, match="value is a str"):
            encode("x")
    with pytest.raises(DataError, match="schema is STRING"):
        converter.encoder("t", TEXT)(b"x")
    assert converter.decode("t", b"\xff") == (primitive(Type.BYTES, True), b"\xff")
