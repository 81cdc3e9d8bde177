"""JSON with JSON Schema, without a registry: schemas both ways, values both ways."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.worker.api import DATE, DataError, Field, Schema, Type, array, decimal, mapping, primitive, struct
from headwater.worker.convert.json_schema import JsonSchemaConverter, JsonSchemaFormat
from headwater.worker.convert.registry import Text
from tests.avro_cases import CASES
from tests.schema_strategies import same, schemas, values

INT, TEXT, HEAD = primitive(Type.INT32), primitive(Type.STRING), b"\0\0\0\0\1"
WITH_SCHEMA = {name: case for name, case in CASES.items() if case[0] is not None}


def made(**options: str) -> JsonSchemaFormat:
    raw: dict[str, str | None] = {name.replace("_", "."): text for name, text in options.items()}
    found, problems = JsonSchemaConverter.options.parse({"schema.registry.url": "http://nowhere", **raw})
    assert not problems
    return JsonSchemaFormat(found)


def there_and_back(schema: Schema, value: Any, **options: str) -> Any:
    own = made(**options)
    form = own.form_of(schema)
    return own.read_as(form.text, None)(HEAD + own.write_as(schema, form, True)(value))


def foreign(schema: Any, value: Any, used: tuple[tuple[str, Any], ...] = (), **options: str) -> Any:
    text = Text("JSON", json.dumps(schema), tuple((name, Text("JSON", json.dumps(form))) for name, form in used))
    return made(**options).read_as(text, None)(HEAD + json.dumps(value).encode())


@pytest.mark.parametrize(("schema", "value"), [pytest.param(*case, id=name) for name, case in WITH_SCHEMA.items()])
def test_every_type_comes_back(schema: Schema, value: Any) -> None:
    assert there_and_back(schema, value) == (schema, value)
    assert there_and_back(schema, value, decimal_format="NUMERIC").value == value


_NAMES = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=6)


@given(st.data(), schemas(names=_NAMES, type_names=_NAMES.map(lambda name: f"t{name}")))
def test_any_schema_comes_back(data: st.DataObject, schema: Schema) -> None:
    value = data.draw(values(schema, required=True))
    found, read = there_and_back(schema, value)
    assert found == schema or any(odd in repr(schema).lower() for odd in ("nan", "-0.0"))
    assert same(read, value)


def test_what_is_registered() -> None:
    schema = struct({"id": INT, "note": primitive(Type.STRING, True, doc="d"), "at": primitive(
        Type.INT32, name=DATE, version=1)}, name="shop.Order", version=2)  # fmt: skip
    form = made().form_of(schema)
    assert form.name == "shop.Order"
    assert json.loads(form.text.text) == {
        "type": "object",
        "title": "shop.Order",
        "connect.version": 2,
        "properties": {
            "id": {"type": "integer", "connect.type": "int32", "connect.index": 0},
            "note": {"oneOf": [{"type": "null"}, {"type": "string", "description": "d"}], "connect.index": 1},
            "at": {"type": "integer", "title": DATE, "connect.type": "int32", "connect.version": 1, "connect.index": 2},
        },
    }
    closed = json.loads(made(object_additional_properties="false").form_of(schema).text.text)
    assert closed["additionalProperties"] is False


def test_schemas_are_javas_to_the_letter() -> None:
    """Java lists properties as its hash maps go through them."""
    schema = struct(
        {"before": INT, "after": primitive(Type.STRING, True), "source": decimal(2), "op": primitive(Type.BOOLEAN)},
        name="s.Envelope",
        version=2,
    )
    assert made().form_of(schema).text.text == (
        '{"type":"object","title":"s.Envelope","connect.version":2,"properties":{'
        '"op":{"connect.index":3,"type":"boolean"},'
        '"before":{"type":"integer","connect.index":0,"connect.type":"int32"},'
        '"after":{"connect.index":1,"oneOf":[{"type":"null"},{"type":"string"}]},'
        '"source":{"type":"string","title":"org.apache.kafka.connect.data.Decimal","connect.index":2,'
        '"connect.version":1,"connect.type":"bytes","connect.parameters":{"scale":"2"}}}}'
    )


def test_bytes_are_plain_json() -> None:
    schema = struct({"a": mapping(INT, TEXT), "d": decimal(2), "n": primitive(Type.INT32, True, default=5)}, name="A")
    own = made(decimal_format="NUMERIC")
    write = own.write_as(schema, own.form_of(schema), True)
    value = {"a": {1: "x"}, "d": Decimal("1.50"), "n": None}
    assert write(value) == b'{"a":[{"key":1,"value":"x"}],"d":1.50,"n":5}'
    kept = made(ignore_default_for_nullables="true")
    assert kept.write_as(schema, kept.form_of(schema), True)(value).endswith(b'"n":null}')


def test_required_fields_that_are_null_are_left_out() -> None:
    inner = struct({"x": INT, "y": primitive(Type.STRING, True)})
    schema = struct({"id": INT, "in": inner, "d": primitive(Type.INT32, default=5), "l": array(INT, True)}, name="A")
    own = made()
    write = own.write_as(schema, own.form_of(schema), True)
    assert (
        write({"id": None, "in": {"x": None, "y": None}, "d": None, "l": None}) == b'{"in":{"y":null},"d":5,"l":null}'
    )
    assert write({"l": [1]}) == b'{"d":5,"l":[1]}'
    assert there_and_back(schema, {"in": {"y": "a"}}).value == {
        "id": None, "in": {"x": None, "y": "a"}, "d": 5, "l": None
    }  # fmt: skip
    kept = made(ignore_default_for_nullables="true")
    assert kept.write_as(schema, kept.form_of(schema), True)({"in": {"x": 1}}) == b'{"in":{"x":1,"y":null},"l":null}'
    with pytest.raises(DataError, match="holds 'z'"):
        write({"id": None, "z": 1})


def test_schemas_of_others() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "Order",
        "type": "object",
        "properties": {
            "id": {"type": "integer"},
            "price": {"type": "number", "description": "in euros"},
            "tags": {"type": "array", "items": {"type": "string"}},
            "color": {"type": "string", "enum": ["red", "blue"]},
            "note": {"type": ["null", "string"]},
            "where": {"$ref": "#/definitions/place"},
            "either": {"oneOf": [{"type": "integer"}, {"type": "string"}, {"$ref": "#/definitions/place"}]},
        },
        "required": ["id"],
        "definitions": {"place": {"title": "Place", "type": "object", "properties": {"x": {"type": "integer"}}}},
    }
    value = {"id": 1, "price": 2, "tags": ["a"], "color": "red", "note": None, "where": {"x": 1, "y": 2}, "either": "e"}
    found, read = foreign(schema, value)
    place = struct({"x": primitive(Type.INT64)}, name="Place")
    assert found.get("id") == primitive(Type.INT64)
    assert found.get("price") == primitive(Type.FLOAT64, doc="in euros")
    assert found.get("tags") == array(TEXT)
    assert found.get("note") == primitive(Type.STRING, True)
    assert found.get("where") == place
    union = found.get("either")
    assert [field.schema for field in union.fields] == [primitive(Type.INT64, True), primitive(Type.STRING, True),
                                                        place.as_optional()]  # fmt: skip
    name = "io.confluent.connect.json.OneOf.field."
    assert read == {"id": 1, "price": 2.0, "tags": ["a"], "color": "red", "note": None, "where": {"x": 1},
                    "either": {f"{name}0": None, f"{name}1": "e", f"{name}2": None}}  # fmt: skip
    assert foreign(schema, value | {"either": {"x": 5}})[1]["either"][f"{name}2"] == {"x": 5}
    assert foreign(schema, {"id": 1})[1]["price"] is None
    optional, _ = foreign(schema, value, use_optional_for_nonrequired="true")
    assert (optional.get("id").optional, optional.get("price").optional) == (False, True)
    assert there_and_back(found, read) == (found, read)


@pytest.mark.parametrize(("text", "number"), [("5.0", 5), ("1e3", 1000), ("-0.0", 0), ("9007199254740993.0", 2**53 + 1),
                                               ("9.223372036854775807e18", 2**63 - 1)])  # fmt: skip
def test_whole_numbers_with_a_point(text: str, number: int) -> None:
    form = Text("JSON", '{"properties": {"n": {"type": "integer"}, "u": {"type": ["string", "number"]}}}')
    read = made().read_as(form, None)(HEAD + b'{"n": %s, "u": 1.5}' % text.encode()).value
    assert read["n"] == number and type(read["n"]) is int
    assert 1.5 in read["u"].values()


@pytest.mark.parametrize("text", ["5.5", "1e19", "9007199254740993.5", "-9.3e18", '"5"', "true"])
def test_numbers_that_are_not_whole(text: str) -> None:
    with pytest.raises(DataError, match="field n: "):
        made().read_as(Text("JSON", '{"properties": {"n": {"type": "integer"}}}'), None)(
            HEAD + b'{"n": %s}' % text.encode()
        )


def test_all_of_and_other_documents() -> None:
    base = {"type": "object", "properties": {"id": {"type": "integer"}}, "definitions": {"n": {"type": "string"}}}
    schema = {"allOf": [{"$ref": "base.json"}, {"properties": {"n": {"$ref": "base.json#/definitions/n"}}}]}
    found, read = foreign(schema, {"id": 1, "n": "x"}, (("base.json", base),))
    assert read == {"id": 1, "n": "x"}
    assert found.fields == (Field("id", primitive(Type.INT64)), Field("n", TEXT))


def test_a_map_with_numbers_for_keys_within_a_union() -> None:
    prefix = "io.confluent.connect.json.OneOf"
    names = [f"{prefix}.field.{n}" for n in range(3)]
    kinds = (mapping(INT, TEXT), array(TEXT), mapping(TEXT, TEXT))
    union = struct({n: kind.as_optional() for n, kind in zip(names, kinds, strict=True)}, name=prefix)
    schema = struct({"u": union}, name="A")
    for n, value in enumerate(({1: "x"}, ["x"], {"a": "x"}, {"key": "x", "value": "y"})):
        whole = {"u": {**dict.fromkeys(names), names[min(n, 2)]: value}}
        assert there_and_back(schema, whole).value == whole


def test_references_within_all_of_are_followed_once() -> None:
    """Two to the same, 60 deep: 2**60 ways."""
    parts: dict[str, Any] = {
        f"p{n}": {"allOf": [{"$ref": f"#/definitions/p{n + 1}"}, {"$ref": f"#/definitions/p{n + 1}"}]}
        for n in range(60)
    }
    parts["p60"] = {"properties": {"id": {"type": "integer"}}}
    found, read = foreign({"allOf": [{"$ref": "#/definitions/p0"}], "definitions": parts}, {"id": 1})
    assert (found.fields, read) == ((Field("id", primitive(Type.INT64)),), {"id": 1})


@pytest.mark.parametrize(
    ("schema", "message"),
    [
        ({}, "allows anything"),
        ({"type": "object", "properties": {"a": True}}, "allows anything"),
        ({"type": "null"}, "type 'null'"),
        ({"type": "array"}, "nothing of its items"),
        ({"type": "integer", "connect.type": "int7"}, "connect.type 'int7'"),
        ({"$ref": "#/definitions/a"}, "'#/definitions/a', which is not there"),
        ({"$ref": "other.json"}, "'other.json', which is none of its references"),
        ({"type": "object", "properties": {"a": {"$ref": "#"}}}, "holds itself"),
    ],
)
def test_schemas_without_a_counterpart(schema: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        foreign(schema, {})


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [(struct({"a": INT}, name="A"), {"a": "x"}, "field a: is a Python str"),
     (struct({"a": array(INT)}, name="A"), {"a": [None]}, r"field a\[\]: is null"),
     (struct({"a": INT}, name="A"), {"a": 1, "b": 2}, "holds 'b'")],
)  # fmt: skip
def test_values_of_another_type_are_refused(schema: Schema, value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        there_and_back(schema, value)


def test_values_without_a_schema_are_refused() -> None:
    with pytest.raises(DataError, match="without a schema"):
        made().form_of(None)


def test_a_schema_of_the_registry_that_cannot_hold_the_records() -> None:
    own = made()
    theirs = own.parsed(Text("JSON", json.dumps({"type": "object", "properties": {"a": {"type": "string"}}})))
    with pytest.raises(DataError, match="field a is of type INT32, and the registry's schema says STRING"):
        own.write_as(struct({"a": INT}), theirs, True)
    assert own.write_as(struct({"a": INT}), theirs, False)({"a": 1}) == b'{"a":1}'


def test_a_schema_of_the_registry_that_requires_what_the_records_do_not_have() -> None:
    own = made()

    def write(form: Any, value: Any, schema: Schema = struct({"a": INT})) -> bytes:  # noqa: B008
        return own.write_as(schema, own.parsed(Text("JSON", json.dumps({"type": "object", **form}))), True)(value)

    more = {"a": {"type": "integer"}, "b": {"type": "string"}, "c": {"type": "string", "default": "-"}}
    assert write({"properties": more, "required": ["a", "c"]}, {"a": 1}) == b'{"a":1}'
    with pytest.raises(DataError, match="the value has no field 'b', which the registry's schema requires"):
        write({"properties": more, "required": ["b"]}, {"a": 1})
    inner = {"properties": {"o": {"type": "object", "properties": more, "required": ["b"]}}}
    with pytest.raises(DataError, match="field o has no field 'b'"):
        write(inner, {"o": {"a": 1}}, struct({"o": struct({"a": INT})}))
    assert write({"properties": {"b": {"type": "string"}}}, {"a": 1}) == b'{"a":1}'
