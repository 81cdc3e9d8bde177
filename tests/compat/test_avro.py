"""Avro beside Java: Apicurio's AvroConverter, which holds Confluent's AvroData, on the same registry and subjects.

What Java registers, ours finds under the same id: the schemas are equal to the letter. Bytes are equal, and each reads
the other's.
"""

from __future__ import annotations

import io
import itertools
import json
from base64 import b64decode, b64encode
from collections.abc import Callable
from typing import Any

import fastavro
import pytest

from headwater.worker.api import Schema
from headwater.worker.convert.avro import AvroConverter
from tests.avro_cases import CASES
from tests.converters import configured
from tests.servers.registry import Registry

from .java_stages import JavaStages
from .typed import read_schema, read_value, typed_schema, typed_value

pytestmark = pytest.mark.compat

JAVA = "io.apicurio.registry.utils.converter.AvroConverter"
_topics = itertools.count()

Ask = Callable[..., Any]


@pytest.fixture
def ask(java_converters: JavaStages, registry: Registry) -> Ask:
    config = {
        "apicurio.registry.url": registry.own_url,
        "apicurio.registry.auto-register": "true",
        "apicurio.registry.as-confluent": "true",
        "apicurio.registry.use-id": "contentId",
        "apicurio.registry.headers.enabled": "false",
        "apicurio.registry.artifact-resolver-strategy": "io.apicurio.registry.serde.strategy.TopicIdStrategy",
    }

    def call(verb: str, **request: Any) -> Any:
        own = request.pop("config", {})
        return java_converters.ask(verb, **{"class": JAVA, "config": config | own, **request})

    return call


RECORDS = {name: case for name, case in CASES.items() if "alone" not in name}
"""Apicurio's converter gives other values no schema; what Confluent's does with them, the unit tests say."""


@pytest.mark.parametrize(("schema", "value"), [pytest.param(s, v, id=name) for name, (s, v) in RECORDS.items()])
def test_schemas_and_bytes_are_the_same(ask: Ask, registry: Registry, schema: Schema | None, value: Any) -> None:
    topic = f"avro-{next(_topics)}"
    ours = configured(AvroConverter, registry.url)
    mine = ours.encoder(topic, schema)(value)
    answer = ask("encode", topic=topic, schema=typed_schema(schema), value=typed_value(value, schema))
    theirs = b64decode(answer["data"])
    assert mine is not None
    assert _text(registry, mine) == _text(registry, theirs)
    assert mine[5:] == theirs[5:]
    found = ours.decode(topic, theirs)
    assert found.value == value
    read = ask("decode", topic=topic, data=b64encode(mine).decode())
    read_there = read_schema(read["schema"])
    assert read_value(read["value"], read_there) == value
    if found.schema is not None and schema is not None:  # Confluent's converter adds the registry's version, theirs not
        found = found._replace(schema=found.schema.with_(version=schema.version))
    assert found.schema == read_there


_POINT = {"type": "record", "name": "P", "doc": "a point", "fields": [{"name": "x", "type": "int", "doc": "across"}]}
_ENUM = {"type": "enum", "name": "E", "doc": "kinds", "symbols": ["A", "B"], "default": "A"}
_FIXED = {"type": "fixed", "name": "F", "size": 2}
OTHERS: dict[str, tuple[Any, Any]] = {
    "union": (["null", "int", "string", _POINT], {"x": 1}),
    "union, null": (["int", "null", "string"], None),
    "union, text": (["int", "boolean", "string"], "x"),
    "union of enum and fixed": (["null", _ENUM, _FIXED], b"ab"),
    "union of one": (["string"], "x"),
    "enum": (_ENUM, "B"),
    "optional enum": (["null", _ENUM], "A"),
    "fixed": (_FIXED, b"ab"),
    "record": (_POINT, {"x": 1}),
    "map": ({"type": "map", "values": ["null", _POINT]}, {"k": {"x": 1}}),
    "decimal": ({"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}, b"\x01"),
    "date": ({"type": "int", "logicalType": "date"}, 5),
    "micros": ({"type": "long", "logicalType": "timestamp-micros"}, 5),
    "property": ({"type": "string", "avro.java.string": "String", "other": 1}, "x"),
}


@pytest.mark.parametrize(
    "options", [{}, {"enhanced.avro.schema.support": "true"}, {"connect.meta.data": "false"}], ids=str
)
@pytest.mark.parametrize("name", OTHERS)
def test_schemas_of_others_are_read_alike(ask: Ask, registry: Registry, name: str, options: dict[str, str]) -> None:
    kind, value = OTHERS[name]
    topic = f"avro-others-{next(_topics)}"
    field = {"name": "f", "type": kind, "doc": "a field"}
    defaults: list[dict[str, Any]] = [{}]
    if isinstance(kind, list) and kind[0] == "int":  # defaults are of the first branch
        defaults.append({"default": 7})
    elif isinstance(value, str | int) and not isinstance(kind, list):
        defaults.append({"default": value})
    for default in defaults:
        schema = {"type": "record", "name": "R", "namespace": "n.m", "fields": [{**field, **default}]}
        body = {"schema": json.dumps(schema)}
        number = registry.request("POST", f"/subjects/{topic}-{len(default)}/versions", body)["id"]
        data = io.BytesIO()
        fastavro.schemaless_writer(data, fastavro.parse_schema(_plain(schema)), {"f": value})
        message = b"\0" + number.to_bytes(4, "big") + data.getvalue()
        own = {"flatten.singleton.unions": "false", **options}  # theirs is older than this option
        found = configured(AvroConverter, registry.url, **own).decode(topic, message)
        read = ask("decode", topic=topic, data=b64encode(message).decode(), config=options)
        there = read_schema(read["schema"])
        assert found.schema == there
        assert _without_null(found.value) == _without_null(read_value(read["value"], there))


def _without_null(value: Any) -> Any:
    """Java's structs say nothing of the fields that are null."""
    if isinstance(value, dict):
        return {key: _without_null(item) for key, item in value.items() if item is not None}
    return value


def _plain(form: Any) -> Any:
    """Without logical types: bytes are written as they are."""
    if isinstance(form, dict):
        return {key: _plain(part) for key, part in form.items() if key != "logicalType"}
    return [_plain(part) for part in form] if isinstance(form, list) else form


def _text(registry: Registry, message: bytes) -> Any:
    number = int.from_bytes(message[1:5], "big")
    return json.loads(registry.request("GET", f"/schemas/ids/{number}")["schema"])
