"""Messages of Apicurio's Java serializer of Protobuf are read, and its deserializer reads ours; through a real
registry. Confluent's own is not on Maven Central.

Apicurio's serializer writes Confluent's message indexes. Its deserializer reads over them and takes the message's name
from a header, finds only messages that are in no other, does not know Confluent's Decimal, and overlooks the label
`optional`. So it reads the first message of a file here, which is all that the converter writes, and no optional zeros;
decimals are in Java's messages alone.
"""

from __future__ import annotations

import itertools
import json
from decimal import Decimal
from typing import Any

import pytest

from headwater.worker.api import DATE, TIME, TIMESTAMP, Schema, Type, array, mapping, primitive, struct
from headwater.worker.convert.protobuf import ProtobufConverter
from headwater.worker.convert.protobuf_files import compiled
from headwater.worker.convert.registry import Text
from tests.avro_cases import CASES
from tests.converters import configured
from tests.servers.registry import Registry

from .java_serdes import JavaSerdes

pytestmark = pytest.mark.compat

_topics = itertools.count()


@pytest.fixture
def topic() -> str:
    return f"pb-serialized-{next(_topics)}"


_INNER = struct({"x": primitive(Type.INT32), "y": primitive(Type.STRING, True)}, name="Inner")
_KINDS = (
    Type.INT8,
    Type.INT16,
    Type.INT32,
    Type.INT64,
    Type.FLOAT32,
    Type.FLOAT64,
    Type.BOOLEAN,
    Type.STRING,
    Type.BYTES,
)
OURS: dict[str, tuple[Schema, Any, Any]] = {
    "numbers at their limits": (
        struct({"a": primitive(Type.INT8), "b": primitive(Type.INT16), "c": array(primitive(Type.INT32)),
                "d": array(primitive(Type.INT64)), "e": array(primitive(Type.FLOAT32)),
                "f": array(primitive(Type.FLOAT64)), "g": array(primitive(Type.BOOLEAN))}, name="shop.Numbers"),
        {"a": -128, "b": 32767, "c": [0, -(2**31), 2**31 - 1], "d": [-(2**63), 2**63 - 1], "e": [1.5, -0.25],
         "f": [-1.7976931348623157e308, 5e-324, 0.1], "g": [True, False]},
        {"a": -128, "b": 32767, "c": [0, -(2**31), 2**31 - 1], "d": [str(-(2**63)), str(2**63 - 1)],
         "e": [1.5, -0.25], "f": [-1.7976931348623157e308, 5e-324, 0.1], "g": [True, False]},
    ),
    "texts and bytes": (
        struct({"t": array(primitive(Type.STRING)), "b": array(primitive(Type.BYTES))}, name="shop.Texts"),
        {"t": ["", "é€😀\0", "a" * 200], "b": [b"", b"\0\xff"]},
        {"t": ["", "é€😀\0", "a" * 200], "b": ["", "AP8="]},
    ),
    "nulls": (
        struct({kind.value: primitive(kind, True) for kind in _KINDS} | {"s": _INNER.as_optional()}, name="shop.Nulls"),
        dict.fromkeys([*(kind.value for kind in _KINDS), "s"]),
        {},
    ),
    "optional values that are there": (
        struct({"n": primitive(Type.INT64, True), "s": _INNER.as_optional()}, name="shop.There"),
        {"n": 7, "s": {"x": 0, "y": None}},
        {"n": "7", "s": {}},
    ),
    "nested": (
        struct({"l": array(_INNER), "s": struct({"deep": array(struct({"z": primitive(Type.INT32)}, name="Deep"))})},
               name="shop.Nested"),
        {"l": [{"x": 1, "y": "a"}, {"x": 2, "y": None}], "s": {"deep": [{"z": 1}, {"z": 0}]}},
        {"l": [{"x": 1, "y": "a"}, {"x": 2}], "s": {"deep": [{"z": 1}, {}]}},
    ),
    "maps": (
        struct({"m": mapping(primitive(Type.STRING), primitive(Type.INT64)),
                "n": mapping(primitive(Type.INT32), _INNER)}, name="shop.Maps"),
        {"m": {"é": 1, "b": 0}, "n": {-1: {"x": 5, "y": "z"}}},
        {"m": [{"key": "é", "value": "1"}, {"key": "b"}], "n": [{"key": -1, "value": {"x": 5, "y": "z"}}]},
    ),
    "dates and times": (
        struct({"d": primitive(Type.INT32, name=DATE), "t": primitive(Type.INT32, name=TIME),
                "at": primitive(Type.INT64, name=TIMESTAMP), "gone": primitive(Type.INT64, True, name=TIMESTAMP)},
               name="shop.Times"),
        {"d": 19000, "t": 86_399_999, "at": -1, "gone": None},
        {"d": {"year": 2022, "month": 1, "day": 8},
         "t": {"hours": 23, "minutes": 59, "seconds": 59, "nanos": 999_000_000}, "at": "1969-12-31T23:59:59.999Z"},
    ),
    "envelope": (
        *CASES["envelope"],
        {"after": {"id": 1, "name": "Anna"}, "source": {"version": "3.7", "lsn": "5", "snapshot": "false"}, "op": "c"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("schema", "value", "read"), [pytest.param(*case, id=name) for name, case in OURS.items()])
def test_java_reads_what_is_written(
    java_serdes: JavaSerdes, registry: Registry, topic: str, schema: Schema, value: Any, read: Any
) -> None:
    converter = configured(ProtobufConverter, registry.url)
    message = converter.encoder(topic, schema)(value)
    assert message is not None and schema.name is not None
    found, again = java_serdes.read_protobuf(topic, schema.name.rpartition(".")[2], message)
    assert json.loads(found) == read
    assert message[5:6] == b"\0" and again[5:7] == b"\2\0"  # the first message: in short, and in full
    assert again[7:] == message[6:]


FILE = """
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
import "parts/part.proto";
import "confluent/type/decimal.proto";
enum Color { RED = 0; BLUE = 5; }
message First { string x = 1; }
message Order {
  message Line {
    message Note { string text = 1; }
    double price = 1;
    repeated Note notes = 2;
  }
  oneof paid { string card = 8; int64 cash = 9; Line goods = 12; }
  repeated Line lines = 10;
  map<string, parts.Part> by_name = 6;
  map<int64, bool> by_number = 7;
  Color color = 4;
  repeated Color colors = 5;
}
message Numbers {
  int32 a = 1; uint32 b = 2; sint32 c = 3; fixed32 d = 4; sfixed32 e = 5;
  int64 f = 6; uint64 g = 7; sint64 h = 8; fixed64 i = 9; sfixed64 j = 10;
  repeated float k = 11; repeated double l = 12; bool m = 13;
}
message Nullable {
  optional int32 a = 1; optional string b = 2; google.protobuf.Int64Value c = 3; First d = 4;
}
message Others {
  google.protobuf.Timestamp at = 1; confluent.type.Decimal price = 2; repeated string texts = 3; bytes raw = 4;
}
"""
PART = 'syntax = "proto3"; package parts; message Part { int32 n = 1; }'
THEIRS: dict[str, tuple[str, Any, Any]] = {
    "the first": ("First", {"x": "é€😀\0"}, {"x": "é€😀\0"}),
    "within another": ("Order.Line", {"price": 0.1, "notes": [{"text": "a"}, {}]},
                       {"price": 0.1, "notes": [{"text": "a"}, {"text": ""}]}),
    "within two others": ("Order.Line.Note", {"text": "x"}, {"text": "x"}),
    "nothing": ("Order", {},
                {"paid_0": None, "lines": [], "by_name": {}, "by_number": {}, "color": "RED", "colors": []}),
    "everything": (
        "Order",
        {"goods": {"price": 2}, "lines": [{"price": 1}], "by_name": {"é": {"n": 1}, "": {}}, "by_number": {"-1": True},
         "color": "BLUE", "colors": ["RED", "BLUE"]},
        {"paid_0": {"card": None, "cash": None, "goods": {"price": 2.0, "notes": []}},
         "lines": [{"price": 1.0, "notes": []}], "by_name": {"é": {"n": 1}, "": {"n": 0}}, "by_number": {-1: True},
         "color": "BLUE", "colors": ["RED", "BLUE"]},
    ),
    "numbers at their limits": (
        "Numbers",
        {"a": -(2**31), "b": 2**32 - 1, "c": -(2**31), "d": 2**32 - 1, "e": -(2**31), "f": str(-(2**63)),
         "g": str(2**64 - 1), "h": str(-(2**63)), "i": str(2**64 - 1), "j": str(2**63 - 1),
         "k": [1.5, "-Infinity"], "l": [5e-324, -1.7976931348623157e308, "Infinity"], "m": True},
        {"a": -(2**31), "b": 2**32 - 1, "c": -(2**31), "d": 2**32 - 1, "e": -(2**31), "f": -(2**63),
         "g": -1, "h": -(2**63), "i": -1, "j": 2**63 - 1,
         "k": [1.5, float("-inf")], "l": [5e-324, -1.7976931348623157e308, float("inf")], "m": True},
    ),
    "nullable values that are there": ("Nullable", {"a": 0, "b": "", "c": "0", "d": {}},
                                       {"a": 0, "b": "", "c": 0, "d": {"x": ""}}),
    "nulls": ("Nullable", {}, {"a": None, "b": None, "c": None, "d": None}),
    "others": (
        "Others",
        {"at": "1969-12-31T23:59:59.999Z", "price": {"value": "/2o=", "precision": 3}, "texts": ["", "ß"],
         "raw": "AP8="},
        {"at": -1, "price": Decimal("-150"), "texts": ["", "ß"], "raw": b"\0\xff"},
    ),
}  # fmt: skip


@pytest.mark.parametrize(("name", "value", "read"), [pytest.param(*case, id=name) for name, case in THEIRS.items()])
def test_what_java_writes_is_read(
    java_serdes: JavaSerdes, registry: Registry, topic: str, name: str, value: Any, read: Any
) -> None:
    message = java_serdes.write_protobuf(topic, _files(FILE), f"shop.{name}", json.dumps(value))
    converter = configured(ProtobufConverter, registry.url)
    found = converter.decode(topic, message)
    assert found.value == read
    again = converter.encoder(f"{topic}-again", found.schema)(found.value)
    assert again is not None and converter.decode(f"{topic}-again", again).value == read


def test_decimals_have_their_own_scale(java_serdes: JavaSerdes, registry: Registry, topic: str) -> None:
    """Nothing in such a schema says how many digits they have."""
    value = {"price": {"value": "/2o=", "precision": 3, "scale": 2}}
    message = java_serdes.write_protobuf(topic, _files(FILE), "shop.Others", json.dumps(value))
    assert configured(ProtobufConverter, registry.url).decode(topic, message).value["price"] == Decimal("-1.50")


def _files(text: str) -> bytes:
    """A FileDescriptorSet of this file and all that it imports, which come before it."""
    from google.protobuf import descriptor_pb2

    files = descriptor_pb2.FileDescriptorSet()

    def add(file: Any) -> None:
        for used in file.dependencies:
            add(used)
        if file.name not in {known.name for known in files.file}:
            file.CopyToProto(files.file.add())

    add(compiled(Text("PROTOBUF", text, (("parts/part.proto", Text("PROTOBUF", PART)),))).descriptor)
    return files.SerializeToString()


def test_schemas_that_have_changed(java_serdes: JavaSerdes, registry: Registry, topic: str) -> None:
    """Each message is read with the schema that it was written with, whoever wrote it."""
    old = _files('syntax = "proto3"; package shop; message Order { int32 id = 1; }')
    new = _files('syntax = "proto3"; package shop; message Order { int32 id = 1; string note = 2; }')
    first = java_serdes.write_protobuf(topic, old, "shop.Order", '{"id": 1}')
    second = java_serdes.write_protobuf(topic, new, "shop.Order", '{"id": 2, "note": "é"}')
    converter = configured(ProtobufConverter, registry.url)
    assert converter.decode(topic, second).value == {"id": 2, "note": "é"}
    found = converter.decode(topic, first)
    assert found.value == {"id": 1}
    latest = configured(
        ProtobufConverter, registry.url, **{"auto.register.schemas": "false", "use.latest.version": "true"}
    )
    third = latest.encoder(topic, found.schema)(found.value)
    assert third is not None and third[:5] == second[:5]
    assert json.loads(java_serdes.read_protobuf(topic, "Order", third)[0]) == {"id": 1}
