"""Protobuf on a real registry, which checks the schemas and how they change."""

from __future__ import annotations

import itertools
from decimal import Decimal
from typing import Any

import pytest

from headwater.worker.api import DataError, Type, array, decimal, mapping, primitive, struct
from headwater.worker.convert.protobuf import ProtobufConverter
from tests.avro_cases import CASES
from tests.converters import configured
from tests.servers.registry import Registry

pytestmark = pytest.mark.system

OLD = struct({"id": primitive(Type.INT32)}, name="shop.Order")
_topics = itertools.count()


@pytest.fixture
def topic() -> str:
    return f"pb-orders-{next(_topics)}"


def test_types_through_the_registry(registry: Registry, topic: str) -> None:
    converter = configured(ProtobufConverter, registry.url)
    envelope, event = CASES["envelope"]
    wide = struct(
        {"d": decimal(2, 10), "tags": array(primitive(Type.STRING)), "m": mapping(primitive(Type.INT32), OLD),
         "small": primitive(Type.INT8, True), "at": primitive(Type.INT64, name="io.debezium.time.MicroTimestamp")},
        name="shop.Wide",
    )  # fmt: skip
    value: Any = {"d": Decimal("1.50"), "tags": ["a"], "m": {1: {"id": 2}}, "small": None, "at": 5}
    for number, (schema, given) in enumerate(((envelope, event), (wide, value))):
        data = converter.encoder(f"{topic}-{number}", schema)(given)
        found = converter.decode(f"{topic}-{number}", data)
        assert found.value == given
        assert found.schema is not None and found.schema.version == 1
    assert f"{topic}-0-value" in registry.request("GET", "/subjects")


def test_marks_of_encrypted_fields_come_back(registry: Registry, topic: str) -> None:
    mark = {"headwater.encrypted": '{"type":"bytes","name":"a.B","parameters":{"x":"\\"\\\\"}}'}
    schema = struct({"a": primitive(Type.STRING, True, parameters=mark)}, name="shop.Person")
    data = configured(ProtobufConverter, registry.url).encoder(topic, schema)({"a": "x"})
    assert configured(ProtobufConverter, registry.url).encoder(topic, schema)({"a": "x"}) == data
    found: Any = configured(ProtobufConverter, registry.url).decode(topic, data).schema
    assert mark.items() <= found.get("a").parameters.items()
    kept = configured(ProtobufConverter, registry.url, auto_register_schemas="false")
    assert kept.encoder(topic, schema)({"a": "x"}) == data


def test_changes_are_checked(registry: Registry, topic: str) -> None:
    converter = configured(ProtobufConverter, registry.url, value_subject_name_strategy="TopicRecordNameStrategy")
    assert converter.encoder(topic, OLD)({"id": 1}) is not None
    changed = struct({"id": primitive(Type.STRING)}, name="shop.Order")
    with pytest.raises(DataError, match=rf"refuses the schema for subject '{topic}-shop\.Order': it is incompatible"):
        converter.encoder(topic, changed)({"id": "x"})
    wider = struct({"id": primitive(Type.INT32), "note": primitive(Type.STRING, True)}, name="shop.Order")
    assert converter.encoder(topic, wider)({"id": 1, "note": "x"}) is not None


def test_references(registry: Registry, topic: str) -> None:
    part = 'syntax = "proto3"; package parts; message Part { int32 n = 1; }'
    register(registry, f"{topic}-part", part)
    order = 'syntax = "proto3"; import "part.proto"; message Order { parts.Part part = 1; }'
    reference = {"name": "part.proto", "subject": f"{topic}-part-value", "version": 1}
    number = register(registry, topic, order, references=[reference])
    message = b"\0" + number.to_bytes(4, "big") + b"\0" + b"\x0a\x02\x08\x05"
    assert configured(ProtobufConverter, registry.url).decode(topic, message).value == {"part": {"n": 5}}


def register(registry: Registry, topic: str, schema: str, **more: object) -> int:
    body = {"schema": schema, "schemaType": "PROTOBUF", **more}
    found: int = registry.request("POST", f"/subjects/{topic}-value/versions", body)["id"]
    return found
