"""JsonConverter against what Kafka's own writes. Every text here was printed by connect-json 4.3.1 (Jackson 2.21)."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from headwater.worker.api import (
    DATE,
    Schema,
    Type,
    array,
    decimal,
    mapping,
    primitive,
    struct,
)
from headwater.worker.convert.json import JsonConverter

TEXT, INT, DOUBLE, FLOAT = (primitive(t) for t in (Type.STRING, Type.INT32, Type.FLOAT64, Type.FLOAT32))

WITH_DEFAULTS = struct(
    {
        "a": primitive(Type.INT32, optional=True, default=5),
        "b": decimal(2, default=Decimal("1.25")),
        "c": primitive(Type.BYTES, default=b"\x01\x02"),
        "e": array(INT, default=[1, 2]),
        "f": primitive(Type.FLOAT64, default=1.0),
    },
    name="N",
    version=3,
    doc="dé",
    parameters={"p": "q"},
)
DEFAULTS_SCHEMA = (
    '{"type":"struct","fields":[{"type":"int32","optional":true,"default":5,"field":"a"},{"type":"bytes","optional":'
    'false,"name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"},"default":"fQ==",'
    '"field":"b"},{"type":"bytes","optional":false,"default":"AQI=","field":"c"},{"type":"array","items":{"type":'
    '"int32","optional":false},"optional":false,"default":[1,2],"field":"e"},{"type":"double","optional":false,'
    '"default":1.0,"field":"f"}],"optional":false,"name":"N","version":3,"doc":"dé","parameters":{"p":"q"}}'
)
DECIMAL_SCHEMA = (
    '{{"type":"bytes","optional":false,"name":"org.apache.kafka.connect.data.Decimal","version":1,'
    '"parameters":{{"scale":"{}"}}}}'
)


def converter(**options: str) -> JsonConverter:
    made = JsonConverter()
    values, problems = JsonConverter.options.parse({name.replace("_", "."): text for name, text in options.items()})
    assert not problems
    made.configure(values, is_key=False)
    return made


def written(schema: Schema | None, value: Any, **options: str) -> str | None:
    data = converter(**options).encoder("t", schema)(value)
    return None if data is None else data.decode()


def plain(schema: Schema | None, value: Any) -> str | None:
    return written(schema, value, schemas_enable="false")


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.0, "0.0"),
        (-0.0, "-0.0"),
        (1.5, "1.5"),
        (9999999.0, "9999999.0"),
        (1e7, "1.0E7"),
        (0.001, "0.001"),
        (9.99e-4, "9.99E-4"),
        (123456789.0, "1.23456789E8"),
        (1e16, "1.0E16"),
        (12345678901234567890.0, "1.2345678901234567E19"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
        (5e-324, "4.9E-324"),
        (float("nan"), '"NaN"'),
        (float("inf"), '"Infinity"'),
        (float("-inf"), '"-Infinity"'),
    ],
)
def test_doubles(number: float, text: str) -> None:
    assert plain(DOUBLE, number) == text


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (0.1, "0.1"),
        (0.10000000149011612, "0.1"),
        (1e7, "1.0E7"),
        (3.4028234663852886e38, "3.4028235E38"),
        (1.401298464324817e-45, "1.4E-45"),
        (16777216.0, "1.6777216E7"),
        (33554432.0, "3.3554432E7"),
        (0.0001, "1.0E-4"),
        (8.41e21, "8.41E21"),
        (float("nan"), '"NaN"'),
    ],
)
def test_floats(number: float, text: str) -> None:
    assert plain(FLOAT, number) == text


def test_escapes() -> None:
    value = "\x00\x01\b\t\n\f\r\x1f\"\\/\x7f\x80é\u2028\u2029\U0001f600<>&'"
    assert plain(TEXT, value) == (
        '"\\u0000\\u0001\\b\\t\\n\\f\\r\\u001F\\"\\\\/\x7f\x80é\u2028\u2029\\uD83D\\uDE00<>&\'"'
    )
    assert plain(TEXT, "\\u001f") == '"\\\\u001f"'


@pytest.mark.parametrize(
    ("number", "scale", "base64", "numeric"),
    [
        ("0", 0, "AA==", "0"),
        ("1.50", 2, "AJY=", "1.50"),
        ("-1.50", 2, "/2o=", "-1.50"),
        ("1E+3", -3, "AQ==", "1E+3"),
        ("1E-10", 10, "AQ==", "1E-10"),
        ("0E-10", 10, "AA==", "0E-10"),
        ("123456789012345678901234567890.123", 3, "BhY+ZlvrfKai4aZCRMs=", "123456789012345678901234567890.123"),
        ("0.000001", 6, "AQ==", "0.000001"),
        ("0.0000001", 7, "AQ==", "1E-7"),
        ("-0.0000000", 7, "AA==", "0E-7"),
    ],
)
def test_decimals(number: str, scale: int, base64: str, numeric: str) -> None:
    schema, form = decimal(scale), DECIMAL_SCHEMA.format(scale)
    assert written(schema, Decimal(number)) == f'{{"schema":{form},"payload":"{base64}"}}'
    assert written(schema, Decimal(number), decimal_format="numeric") == f'{{"schema":{form},"payload":{numeric}}}'


def test_a_decimal_with_fewer_digits_than_its_scale_is_filled_up() -> None:
    """Java refuses it; nothing is lost by writing 1.50 for 1.5."""
    assert plain(decimal(2), Decimal("1.5")) == '"AJY="'


def test_defaults_stand_for_null() -> None:
    nulls = dict.fromkeys("abcef")
    payload = '{"a":5,"b":"fQ==","c":"AQI=","e":[1,2],"f":1.0}'
    assert written(WITH_DEFAULTS, nulls) == f'{{"schema":{DEFAULTS_SCHEMA},"payload":{payload}}}'
    assert written(WITH_DEFAULTS, {}) == f'{{"schema":{DEFAULTS_SCHEMA},"payload":{payload}}}'


def test_defaults_do_not_stand_for_null_where_asked() -> None:
    row: dict[str, Any] = {"a": None, "b": Decimal("2.00"), "c": b"", "e": [], "f": 2.0}
    payload = '{"a":null,"b":"AMg=","c":"","e":[],"f":2.0}'
    made = written(WITH_DEFAULTS, row, replace_null_with_default="false")
    assert made == f'{{"schema":{DEFAULTS_SCHEMA},"payload":{payload}}}'


@pytest.mark.parametrize(
    ("schema", "value", "text"),
    [
        (primitive(Type.STRING, True), None, '{"schema":{"type":"string","optional":true},"payload":null}'),
        (None, {"a": 1}, '{"schema":null,"payload":{"a":1}}'),
        (primitive(Type.BYTES), b"\x00\x01\xff>?", '{"schema":{"type":"bytes","optional":false},"payload":"AAH/Pj8="}'),
        (
            mapping(TEXT, INT),
            {"x": 1},
            '{"schema":{"type":"map","keys":{"type":"string","optional":false},"values":{"type":"int32","optional":'
            'false},"optional":false},"payload":{"x":1}}',
        ),
        (
            mapping(INT, INT),
            {7: 1},
            '{"schema":{"type":"map","keys":{"type":"int32","optional":false},"values":{"type":"int32","optional":'
            'false},"optional":false},"payload":[[7,1]]}',
        ),
        (
            primitive(Type.INT32, name=DATE, version=1),
            365,
            '{"schema":{"type":"int32","optional":false,"name":"org.apache.kafka.connect.data.Date","version":1},'
            '"payload":365}',
        ),
        (
            struct({"a": primitive(Type.INT32, True)}, optional=True),
            None,
            '{"schema":{"type":"struct","fields":[{"type":"int32","optional":true,"field":"a"}],"optional":true},'
            '"payload":null}',
        ),
    ],
)
def test_envelopes(schema: Schema | None, value: Any, text: str) -> None:
    assert written(schema, value) == text


def test_null_without_a_schema_is_a_tombstone() -> None:
    assert written(None, None) is None
    assert plain(None, None) is None
    assert plain(primitive(Type.STRING, True), None) == "null"


def test_without_a_schema() -> None:
    assert plain(None, b"\x01") == '"AQ=="'
    assert plain(None, {1: 2}) == "[[1,2]]"
    assert plain(None, [1, None, {"a": None}]) == '[1,null,{"a":null}]'
    assert plain(None, 1e7) == "1.0E7"
