"""JSON with JSON Schema on a real registry, which checks the schemas and how they change."""

from __future__ import annotations

import itertools
import json
from typing import Any

import pytest

from headwater.worker.api import DataError, Schema, Type, primitive, struct
from headwater.worker.convert.json_schema import JsonSchemaConverter
from tests.avro_cases import CASES
from tests.converters import configured
from tests.servers.registry import Registry

pytestmark = pytest.mark.system

OLD = struct({"id": primitive(Type.INT32)}, name="shop.Order")
_topics = itertools.count()


@pytest.fixture
def topic() -> str:
    return f"json-orders-{next(_topics)}"


def test_all_types_through_the_registry(registry: Registry, topic: str) -> None:
    converter = configured(JsonSchemaConverter, registry.url)
    for number, (schema, value) in enumerate(CASES.values()):
        if schema is None:
            continue
        data = converter.encoder(f"{topic}-{number}", schema)(value)
        found = converter.decode(f"{topic}-{number}", data)
        assert found.value == value
        version = schema.version if schema.version is not None else 1
        assert found.schema == schema.with_(version=version)


def test_changes_are_checked(registry: Registry, topic: str) -> None:
    converter = configured(JsonSchemaConverter, registry.url, value_subject_name_strategy="TopicRecordNameStrategy")
    assert converter.encoder(topic, OLD)({"id": 1}) is not None
    assert converter.encoder(topic, None)(None) is None
    changed = struct({"id": primitive(Type.STRING)}, name="shop.Order")
    with pytest.raises(DataError, match=rf"refuses the schema for subject '{topic}-shop\.Order': it is incompatible"):
        converter.encoder(topic, changed)({"id": "x"})


def test_the_latest_version_is_written(registry: Registry, topic: str) -> None:
    options = {"auto.register.schemas": "false", "use.latest.version": "true"}
    converter = configured(JsonSchemaConverter, registry.url, **options)
    number = register(registry, topic, {"type": "object", "properties": {"id": {"type": "integer"}}})
    data = converter.encoder(topic, OLD)({"id": 1})
    assert data == b"\0" + number.to_bytes(4, "big") + b'{"id":1}'
    assert converter.decode(topic, data).schema == struct({"id": primitive(Type.INT64)}, version=1)


def test_references(registry: Registry, topic: str) -> None:
    place: Any = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
                  "properties": {"x": {"type": "integer"}}}  # fmt: skip
    register(registry, f"{topic}-place", place)
    order = {"$schema": "http://json-schema.org/draft-07/schema#", "type": "object",
             "properties": {"at": {"$ref": "place.json"}}}  # fmt: skip
    reference = {"name": "place.json", "subject": f"{topic}-place-value", "version": 1}
    number = register(registry, topic, order, references=[reference])
    found = configured(JsonSchemaConverter, registry.url).decode(
        topic, b"\0" + number.to_bytes(4, "big") + b'{"at": {"x": 3}}'
    )
    inner: Schema = struct({"x": primitive(Type.INT64)})
    assert found == (struct({"at": inner}, version=1), {"at": {"x": 3}})


def register(registry: Registry, topic: str, schema: object, **more: object) -> int:
    body = {"schema": json.dumps(schema), "schemaType": "JSON", **more}
    found: int = registry.request("POST", f"/subjects/{topic}-value/versions", body)["id"]
    return found
