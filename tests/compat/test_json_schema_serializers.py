"""Messages of Apicurio's Java serializer of JSON Schema are read, and its deserializer reads ours; through a real
registry. The deserializer checks what it reads against the schema. Confluent's own is not on Maven Central."""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest

from headwater.worker.api import Schema, Type, array, decimal, mapping, primitive, struct
from headwater.worker.convert.json_schema import JsonSchemaConverter
from tests.avro_cases import CASES
from tests.converters import configured
from tests.servers.registry import Registry

from .java_serdes import JavaSerdes

pytestmark = pytest.mark.compat

_topics = itertools.count()


@pytest.fixture
def topic() -> str:
    return f"json-serialized-{next(_topics)}"


OURS = {name: (schema, value) for name, (schema, value) in CASES.items() if schema is not None}


@pytest.mark.parametrize(("schema", "value"), [pytest.param(*case, id=name) for name, case in OURS.items()])
def test_java_reads_what_is_written(
    java_serdes: JavaSerdes, registry: Registry, topic: str, schema: Schema, value: Any
) -> None:
    converter = configured(JsonSchemaConverter, registry.url)
    message = converter.encoder(topic, schema)(value)
    assert message is not None
    read = java_serdes.read_json(topic, message)
    assert _json(read) == _json(message[5:].decode())
    text = registry.request("GET", f"/subjects/{topic}-value/versions/latest")["schema"]
    again = java_serdes.write_json(f"{topic}-again", text, read)
    assert converter.decode(f"{topic}-again", again).value == value


def _json(text: str) -> Any:
    return json.loads(text, parse_float=Decimal)


WIDE = struct(
    {"d": decimal(2, optional=True), "b": primitive(Type.BYTES), "é€😀": array(primitive(Type.STRING, True)),
     "m": mapping(primitive(Type.INT32), primitive(Type.INT64)), "gone": primitive(Type.STRING, True),
     "f": primitive(Type.FLOAT64)},
    name="shop.Wide",
)  # fmt: skip
VALUE: Any = {"d": Decimal("-1.50"), "b": b"\x00\xff", "é€😀": ["é€😀\x00", None], "m": {-1: 2**63 - 1}, "gone": None,
              "f": 5e-324}  # fmt: skip
ROUND = {"é€😀": ["é€😀\x00", None], "m": [{"key": -1, "value": 2**63 - 1}], "gone": None, "f": Decimal("4.9E-324")}


@pytest.mark.parametrize(
    ("options", "there"),
    [({}, {"d": "/2o=", "b": "AP8="}), ({"decimal.format": "NUMERIC"}, {"d": Decimal("-1.50"), "b": "AP8="})],
)
def test_what_java_reads(
    java_serdes: JavaSerdes, registry: Registry, topic: str, options: dict[str, str], there: dict[str, Any]
) -> None:
    converter = configured(JsonSchemaConverter, registry.url, **options, **{"object.additional.properties": "false"})
    message = converter.encoder(topic, WIDE)(VALUE)
    assert message is not None
    assert _json(java_serdes.read_json(topic, message)) == {**ROUND, **there}


def _object(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


_INTEGER, _NUMBER, _TEXT, _NULL = ({"type": kind} for kind in ("integer", "number", "string", "null"))
_POINT = _object(x=_INTEGER)


def _union(index: int, value: Any) -> dict[str, Any]:
    return {f"io.confluent.connect.json.OneOf.field.{n}": value if n == index else None for n in range(3)}


THEIRS: dict[str, tuple[dict[str, Any], str, Any]] = {
    "numbers at their limits": (
        _object(least=_INTEGER, most=_INTEGER, small=_NUMBER, great=_NUMBER, whole=_NUMBER, exact=_INTEGER),
        '{"least": -9223372036854775808, "most": 9223372036854775807, "small": 5e-324,'
        ' "great": -1.7976931348623157e308, "whole": 5, "exact": 5.0}',
        {"least": -(2**63), "most": 2**63 - 1, "small": 5e-324, "great": -1.7976931348623157e308, "whole": 5.0,
         "exact": 5},
    ),
    "texts": (
        _object(**{"é€😀": _TEXT, "empty": _TEXT, "odd": _TEXT}),
        json.dumps({"é€😀": "ß\u2028😀", "empty": "", "odd": 'q"\\\x00\x1f'}, ensure_ascii=False),
        {"é€😀": "ß\u2028😀", "empty": "", "odd": 'q"\\\x00\x1f'},
    ),
    "nulls": (
        _object(a={"oneOf": [_NULL, _TEXT]}, b={"type": ["integer", "null"]}, c={"anyOf": [_POINT, _NULL]}, d=_TEXT),
        '{"a": null, "b": null, "c": null}',
        {"a": None, "b": None, "c": None, "d": None},
    ),
    "nullable values that are there": (
        _object(a={"oneOf": [_NULL, _TEXT]}, b={"type": ["integer", "null"]}, c={"anyOf": [_POINT, _NULL]}),
        '{"a": "x", "b": 0, "c": {"x": 1}}',
        {"a": "x", "b": 0, "c": {"x": 1}},
    ),
    "nested": (
        _object(p=_POINT, ps={"type": "array", "items": _object(q=_POINT, r={"type": "array", "items": _NUMBER})}),
        '{"p": {"x": 1}, "ps": [{"q": {"x": 2}, "r": []}, {"q": {"x": 3}, "r": [0.5, 1]}]}',
        {"p": {"x": 1}, "ps": [{"q": {"x": 2}, "r": []}, {"q": {"x": 3}, "r": [0.5, 1.0]}]},
    ),
    "maps": (
        _object(m={"type": "object", "additionalProperties": _POINT, "connect.type": "map"},
                n={"type": "object", "additionalProperties": {"type": "array", "items": _INTEGER},
                   "connect.type": "map"}),
        '{"m": {"é": {"x": 1}, "": {"x": 2}}, "n": {"k": [1]}}',
        {"m": {"é": {"x": 1}, "": {"x": 2}}, "n": {"k": [1]}},
    ),
    "enum": (_object(e={"enum": ["A", "b c", "é"]}), '{"e": "b c"}', {"e": "b c"}),
    "definitions": (
        {**_object(p={"$ref": "#/definitions/P"}, t={"type": "array", "items": {"$ref": "#/definitions/P"}}),
         "definitions": {"P": _POINT}},
        '{"p": {"x": 5}, "t": [{"x": 6}]}',
        {"p": {"x": 5}, "t": [{"x": 6}]},
    ),
    "union": (
        _object(us={"type": "array", "items": {"oneOf": [_TEXT, {"type": "boolean"}, _POINT]}}),
        '{"us": ["a", true, {"x": 3}]}',
        {"us": [_union(0, "a"), _union(1, True), _union(2, {"x": 3})]},
    ),
    "all of": ({**_object(a=_INTEGER), "allOf": [_object(b=_TEXT)]}, '{"a": 1, "b": "x"}', {"a": 1, "b": "x"}),
    "more than the schema names": (_object(a=_INTEGER), '{"a": 1, "b": {"c": [null]}}', {"a": 1}),
    "text alone": (_TEXT, '"é"', "é"),
    "list alone": ({"type": "array", "items": _INTEGER}, "[1, -1]", [1, -1]),
    "boolean alone": ({"type": "boolean"}, "true", True),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "value", "read"), [pytest.param(*case, id=name) for name, case in THEIRS.items()])
def test_what_java_writes_is_read(
    java_serdes: JavaSerdes, registry: Registry, topic: str, schema: dict[str, Any], value: str, read: Any
) -> None:
    message = java_serdes.write_json(topic, _text(schema), value)
    converter = configured(JsonSchemaConverter, registry.url)
    found = converter.decode(topic, message)
    assert found.value == read
    again = converter.encoder(f"{topic}-again", found.schema)(found.value)
    assert again is not None and converter.decode(f"{topic}-again", again).value == read
    java_serdes.read_json(f"{topic}-again", again)


def _text(schema: dict[str, Any]) -> str:
    return json.dumps({"$schema": "http://json-schema.org/draft-07/schema#", **schema}, ensure_ascii=False)


def test_fields_that_java_leaves_out_are_null(java_serdes: JavaSerdes, registry: Registry, topic: str) -> None:
    schema = _text(_object(a=_INTEGER, b=_TEXT, c=_POINT))
    message = java_serdes.write_json(topic, schema, '{"a": 1, "b": null, "c": {"x": null}}', as_map=True)
    assert message[5:] == b'{"a":1,"c":{}}'
    found = configured(JsonSchemaConverter, registry.url).decode(topic, message)
    assert found.value == {"a": 1, "b": None, "c": {"x": None}}


def test_schemas_that_have_changed(java_serdes: JavaSerdes, registry: Registry, topic: str) -> None:
    """Each message is read with the schema that it was written with, whoever wrote it."""
    old = {**_object(id=_INTEGER), "additionalProperties": False}
    new = {**_object(id=_INTEGER, note=_TEXT), "additionalProperties": False}
    first = java_serdes.write_json(topic, _text(old), '{"id": 1}')
    second = java_serdes.write_json(topic, _text(new), '{"id": 2, "note": "é"}')
    converter = configured(JsonSchemaConverter, registry.url)
    assert converter.decode(topic, second).value == {"id": 2, "note": "é"}
    found = converter.decode(topic, first)
    assert found.value == {"id": 1}
    latest = configured(
        JsonSchemaConverter, registry.url, **{"auto.register.schemas": "false", "use.latest.version": "true"}
    )
    third = latest.encoder(topic, found.schema)(found.value)
    assert third is not None and third[:5] == second[:5]
    assert _json(java_serdes.read_json(topic, third)) == {"id": 1}
