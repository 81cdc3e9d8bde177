"""What JsonConverter reads, and what it refuses."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest

from headwater.worker.api import DataError, Schema, Type, array, decimal, mapping, primitive, struct
from headwater.worker.convert.json import JsonConverter

DECIMAL = '{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal","version":1,"parameters":{"scale":"2"}}'
INT_KEYS = '{"type":"map","keys":{"type":"int32"},"values":{"type":"string"}}'


def converter(**options: str) -> JsonConverter:
    made = JsonConverter()
    values, problems = JsonConverter.options.parse({name.replace("_", "."): text for name, text in options.items()})
    assert not problems
    made.configure(values, is_key=False)
    return made


def message(schema: str, payload: str) -> bytes:
    return f'{{"schema":{schema},"payload":{payload}}}'.encode()


@pytest.mark.parametrize(
    ("schema", "payload", "value"),
    [
        ("null", '{"a":[1,2.5,true,null,"x"]}', {"a": [1, 2.5, True, None, "x"]}),
        ('{"type":"double"}', "5", 5.0),
        ('{"type":"double"}', '"-Infinity"', float("-inf")),
        ('{"type":"float"}', "0.1", 0.10000000149011612),
        ('{"type":"float"}', "1e39", float("inf")),
        ('{"type":"int64"}', "9007199254740993", 9007199254740993),
        ('{"type":"bytes"}', '"AQI="', b"\x01\x02"),
        ('{"type":"int32","default":4}', "null", 4),
        ('{"type":"int32","optional":true,"default":null}', "null", None),
        (INT_KEYS, '[[1,"a"],[2,"b"]]', {1: "a", 2: "b"}),
        (DECIMAL, '"MDk="', Decimal("123.45")),
        (DECIMAL, "12.345", Decimal("12.345")),
        (DECIMAL, "12", Decimal("12")),
        (DECIMAL, "0.12345678901234567890123456789", Decimal("0.12345678901234567890123456789")),
        ('{"type":"struct","fields":[{"type":"int32","field":"a","optional":true}]}', '{"b":1}', {"a": None}),
    ],
)
def test_values(schema: str, payload: str, value: Any) -> None:
    made = converter()
    for _ in range(2):  # in full, then by its prefix
        assert made.decode("t", message(schema, payload)).value == value


@pytest.mark.parametrize(
    ("schema", "payload", "complaint"),
    [
        ('{"type":"int32"}', '"x"', "is a string"),
        ('{"type":"int32"}', "3.7", "is a fraction"),
        ('{"type":"int64"}', "123456789012345678901234567890", "beyond 64 bits"),
        ('{"type":"string"}', "5", "is a whole number"),
        ('{"type":"boolean"}', "5", "is a whole number"),
        ('{"type":"bytes"}', '"AQI"', "is not base64"),
        ('{"type":"bytes"}', '"!!"', "is not base64"),
        ('{"type":"double"}', '"one"', "is a string"),
        ('{"type":"array","items":{"type":"int32"}}', "5", "is a whole number"),
        ('{"type":"array","items":{"type":"int32"}}', "[1,null]", r"field \[\]: is null"),
        ('{"type":"struct","fields":[{"type":"int32","field":"a"}]}', "{}", "field a: is null"),
        ('{"type":"struct","fields":[{"type":"int32","field":"a"}]}', "5", "is a whole number"),
        (INT_KEYS, '{"1":"a"}', "is an object"),
        (INT_KEYS, "[[1]]", "something else than pairs"),
        ('{"type":"int64"}', "null", "is null"),
        ('{"type":"int32","optional":"true"}', "null", "is null"),
        ('{"type":"foo"}', "1", "unknown type 'foo'"),
        ("{}", "1", "no field 'type'"),
        ("5", "1", "no field 'type'"),
        ('{"type":"array"}', "[]", "no field 'items'"),
        ('{"type":"struct"}', "{}", "no list 'fields'"),
        ('{"type":"bytes","name":"org.apache.kafka.connect.data.Decimal"}', '"MDk="', "no parameter scale"),
        ('{"type":"double"}', "NaN", "is not JSON"),
    ],
)
def test_refused(schema: str, payload: str, complaint: str) -> None:
    made = converter()
    for _ in range(2):
        with pytest.raises(DataError, match=complaint):
            made.decode("t", message(schema, payload))


@pytest.mark.parametrize("data", [b"{}", b"null", b"1", b'{"schema":{"type":"int32"},"payload":1,"x":1}'])
def test_what_is_no_envelope(data: bytes) -> None:
    made = converter()
    made.decode("t", message('{"type":"int32"}', "1"))
    with pytest.raises(DataError, match=r"schemas\.enable"):
        made.decode("t", data)


def test_an_empty_message() -> None:
    assert converter(schemas_enable="false").decode("t", b"").value is None
    with pytest.raises(DataError):
        converter().decode("t", b"")


def test_a_tombstone() -> None:
    assert converter().decode("t", None) == (None, None)


def test_plain_json_may_look_like_an_envelope() -> None:
    data = message("null", "1")
    assert converter(schemas_enable="false").decode("t", data) == (None, {"schema": None, "payload": 1})


def test_the_same_schema_is_the_same_object() -> None:
    made = converter()
    form = '{"type":"struct","fields":[{"type":"int32","field":"a"}],"name":"n"}'
    other_order = '{"name":"n","type":"struct","fields":[{"field":"a","type":"int32"}]}'
    first = made.decode("t", message(form, '{"a":1}')).schema
    assert made.decode("t", message(form, '{"a":2}')).schema is first
    assert made.decode("u", message(form, '{"a":2}')).schema is first
    assert made.decode("t", message(other_order, '{"a":2}')).schema is first
    assert made.decode("t", json.dumps(json.loads(message(form, '{"a":3}')), indent=1).encode()) == (first, {"a": 3})
    assert made.decode("t", b'{"payload":{"a":4},"schema":' + form.encode() + b"}") == (first, {"a": 4})


def test_a_mark_within_the_schema_does_not_confuse() -> None:
    made = converter()
    field = '{"type":"string","field":"a","doc":"x\\",\\"payload\\":1","parameters":{"b":"c","payload":"d"}}'
    form = f'{{"type":"struct","fields":[{field}]}}'
    for value in ("x", '}","payload":{'):
        payload = json.dumps({"a": value})
        assert made.decode("t", message(form, payload)).value == {"a": value}


def test_of_two_fields_of_one_name_the_last_counts() -> None:
    made = converter()
    twice = b'{"schema":{"type":"int32"},"payload":1,"schema":{"type":"string"},"payload":"x"}'
    assert made.decode("t", twice) == (primitive(Type.STRING), "x")
    assert made.decode("t", message('{"type":"int32"}', "7")) == (primitive(Type.INT32), 7)
    assert made.decode("t", twice) == (primitive(Type.STRING), "x")


def test_many_schemas_on_one_topic() -> None:
    made = converter(schemas_cache_size="10")
    for turn in range(2):
        for number in range(50):
            schema, value = made.decode("t", message(f'{{"type":"int32","name":"n{number}"}}', str(number)))
            assert schema is not None and schema.name == f"n{number}" and value == number, turn


def test_one_schema_for_messages_without() -> None:
    made = converter(schema_content='{"type":"int32","optional":false}')
    assert made.decode("t", b"5") == (primitive(Type.INT32), 5)
    for data in (b"null", b"", b"x", message('{"type":"int32"}', "1")):
        with pytest.raises(DataError):
            made.decode("t", data)
    assert made.encoder("t", primitive(Type.INT32))(5) == message('{"type":"int32","optional":false}', "5")
    _, problems = JsonConverter.options.parse({"schema.content": '{"type":"int"}'})
    assert "unknown type" in problems[0].message


@pytest.mark.parametrize(
    ("schema", "value", "complaint"),
    [
        (primitive(Type.INT32), "x", "is a Python str"),
        (primitive(Type.INT32), True, "is a Python bool"),
        (primitive(Type.INT32), None, "is null"),
        (primitive(Type.INT64), 2**64, "cannot be written"),
        (primitive(Type.STRING), 5, "is a Python int"),
        (primitive(Type.STRING), "\ud83d", "cannot be written"),
        (primitive(Type.BYTES), "x", "is a Python str"),
        (primitive(Type.BOOLEAN), 1, "is a Python int"),
        (array(primitive(Type.INT32)), [1, None], r"field \[\]: is null"),
        (struct({"a": struct({"b": primitive(Type.INT32)})}), {"a": {"b": "x"}}, r"field a\.b: is a Python str"),
        (struct({"a": primitive(Type.INT32)}), {"a": 1, "b": 2}, "holds 'b'"),
        (mapping(primitive(Type.STRING), primitive(Type.INT32)), {"a": "x"}, "is a Python str"),
        (decimal(2), Decimal("1.005"), "more than the 2 decimals"),
        (decimal(2), Decimal("NaN"), "cannot be a Decimal"),
        (decimal(2), 1.5, "is a Python float"),
        (primitive(Type.BYTES, name="org.apache.kafka.connect.data.Decimal"), Decimal(1), "no parameter scale"),
        (None, Decimal(1), "needs a schema"),
    ],
)
def test_values_that_cannot_be_written(schema: Schema | None, value: Any, complaint: str) -> None:
    encode = converter().encoder("t", schema)
    for _ in range(2):
        with pytest.raises(DataError, match=complaint):
            encode(value)


def test_a_value_is_not_changed_by_writing_it() -> None:
    schema = struct({"a": primitive(Type.BYTES), "b": array(decimal(2)), "c": struct({"d": primitive(Type.FLOAT64)})})
    value = {"a": b"x", "b": [Decimal("1.50")], "c": {"d": float("nan")}}
    converter().encoder("t", schema)(value)
    assert value["a"] == b"x" and value["b"] == [Decimal("1.50")] and isinstance(value["c"], dict)
