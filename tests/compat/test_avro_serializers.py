"""Messages of Confluent's Java serializer are read, and its deserializer reads ours; through a real registry."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import pytest

from headwater.worker.api import Schema
from headwater.worker.convert.avro import AvroConverter
from tests.avro_cases import CASES
from tests.converters import configured
from tests.servers.registry import Registry

from . import java_avro
from .java_avro import JavaAvro

pytestmark = pytest.mark.compat

_topics = itertools.count()


@pytest.fixture(scope="module")
def serializers(registry: Registry) -> Iterator[JavaAvro]:
    with java_avro.running(registry.url) as found:
        yield found


@pytest.fixture
def topic() -> str:
    return f"serialized-{next(_topics)}"


ALONE = {"optional text alone", "array alone", "map alone"}
"""Confluent's serializer takes records and primitive values alone."""
OURS = {name: case for name, case in CASES.items() if name not in ALONE}


@pytest.mark.parametrize(("schema", "value"), [pytest.param(s, v, id=name) for name, (s, v) in OURS.items()])
def test_java_reads_what_is_written(
    serializers: JavaAvro, registry: Registry, topic: str, schema: Schema | None, value: Any
) -> None:
    converter = configured(AvroConverter, registry.url)
    message = converter.encoder(topic, schema)(value)
    assert message is not None
    _, _, again = serializers.read(topic, message)
    assert again[5:] == message[5:]
    found = converter.decode(topic, again)
    assert found.value == value


def _record(*fields: Any) -> str:
    return json.dumps({"type": "record", "name": "R", "namespace": "n", "fields": list(fields)})


_POINT = {"type": "record", "name": "P", "fields": [{"name": "x", "type": "int"}]}
_ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
THEIRS: dict[str, tuple[str, Any, Any]] = {
    "union, long": (
        _record({"name": "u", "type": ["null", "int", "long", "string", _POINT]}),
        {"u": {"long": 5}},
        {"u": {"int": None, "long": 5, "string": None, "P": None}},
    ),
    "union, int": (
        _record({"name": "u", "type": ["null", "int", "long", "string", _POINT]}),
        {"u": {"int": 5}},
        {"u": {"int": 5, "long": None, "string": None, "P": None}},
    ),
    "union, record": (
        _record({"name": "u", "type": ["int", "float", "double", _POINT]}),
        {"u": {"n.P": {"x": 7}}},
        {"u": {"int": None, "float": None, "double": None, "P": {"x": 7}}},
    ),
    "union, null": (_record({"name": "u", "type": ["null", "int", "string"]}), {"u": None}, {"u": None}),
    "enum": (_record({"name": "e", "type": _ENUM}, {"name": "f", "type": ["null", "E"]}),
             {"e": "B", "f": {"n.E": "A"}}, {"e": "B", "f": "A"}),
    "fixed": (_record({"name": "f", "type": {"type": "fixed", "name": "F", "size": 2}}), {"f": "ab"}, {"f": b"ab"}),
    "logical types": (
        _record(
            {"name": "d", "type": {"type": "bytes", "logicalType": "decimal", "precision": 9, "scale": 2}},
            {"name": "t", "type": {"type": "long", "logicalType": "timestamp-millis"}},
            {"name": "u", "type": {"type": "string", "logicalType": "uuid"}},
        ),
        {"d": "\x7f\xff", "t": -5, "u": "00000000-0000-0000-0000-000000000000"},
        {"d": Decimal("327.67"), "t": -5, "u": "00000000-0000-0000-0000-000000000000"},
    ),
    "nested": (
        _record({"name": "m", "type": {"type": "map", "values": {"type": "array", "items": ["null", _POINT]}}}),
        {"m": {"k": [{"n.P": {"x": 1}}, None]}},
        {"m": {"k": [{"x": 1}, None]}},
    ),
    "long": ('"long"', 2**40, 2**40),
    "text": ('"string"', "é", "é"),
    "bytes": ('"bytes"', "a\xff", b"a\xff"),
    "boolean": ('"boolean"', True, True),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "value", "read"), [pytest.param(*case, id=name) for name, case in THEIRS.items()])
def test_what_java_writes_is_read(
    serializers: JavaAvro, registry: Registry, topic: str, schema: str, value: Any, read: Any
) -> None:
    message = serializers.write(topic, schema, json.dumps(value, ensure_ascii=False))
    converter = configured(AvroConverter, registry.url)
    found = converter.decode(topic, message)
    assert found.value == read
    if "symbols" not in schema:  # enums are written back as text without enhanced.avro.schema.support
        again = converter.encoder(f"{topic}-again", found.schema)(found.value)
        assert again is not None and converter.decode(f"{topic}-again", again).value == read
