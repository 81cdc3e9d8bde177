"""Protobuf without a registry: schemas both ways, values both ways, others' schemas."""

from __future__ import annotations

import tempfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from headwater.worker.api import (
    DATE,
    NO_DEFAULT,
    TIME,
    TIMESTAMP,
    DataError,
    Field,
    Schema,
    Type,
    array,
    decimal,
    mapping,
    primitive,
    struct,
)
from headwater.worker.convert.protobuf import ProtobufConverter, ProtobufFormat
from headwater.worker.convert.registry import Text
from tests.avro_cases import CASES

INT, TEXT, HEAD = primitive(Type.INT32), primitive(Type.STRING), b"\0\0\0\0\1"
TAG = "io.confluent.connect.protobuf.Tag"
NOT_HELD = {
    "array of arrays": "no lists of lists or maps",
    "map of maps": "is MAP, and the message repeats it",
    "struct used twice": "holds null, which lists in Protobuf cannot",
}
EMPTY = {"array optional": [], "map optional with int keys": {}}
"""A list or map that is null is an empty one in Protobuf."""
STRUCTS = {n: c for n, c in CASES.items() if c[0] is not None and c[0].type is Type.STRUCT and n not in NOT_HELD}


def made(**options: str) -> ProtobufFormat:
    raw: dict[str, str | None] = {name.replace("_", "."): text for name, text in options.items()}
    found, problems = ProtobufConverter.options.parse({"schema.registry.url": "http://nowhere", **raw})
    assert not problems
    return ProtobufFormat(found)


def there_and_back(schema: Schema, value: Any, **options: str) -> Any:
    own = made(**options)
    form = own.form_of(schema)
    return own.read_as(form.text, None)(HEAD + own.write_as(schema, form, True)(value))


def bare(schema: Schema) -> tuple[Any, ...]:
    """What Protobuf carries: types, names of what is no message, order, numbers of fields left out."""
    inner = tuple((field.name, bare(field.schema)) for field in schema.fields)
    parts = tuple(bare(part) for part in (schema.key_schema, schema.value_schema) if part is not None)
    named = schema.name if schema.type not in (Type.STRUCT, Type.MAP) else None
    parameters = {key: text for key, text in schema.parameters.items() if not key.startswith("io.confluent.")}
    fixed = parameters.pop("connect.fixed.size", None) if named is None else None
    assert fixed is None
    return schema.type, named, tuple(sorted(parameters.items())), inner, parts


@pytest.mark.parametrize(("name", "schema", "value"), [(name, *case) for name, case in STRUCTS.items()], ids=STRUCTS)
def test_every_type_comes_back(name: str, schema: Schema, value: Any) -> None:
    found, read = there_and_back(schema, value)
    assert read == ({"f": EMPTY[name]} if name in EMPTY else value)
    assert bare(found) == bare(schema)


@pytest.mark.parametrize("name", NOT_HELD)
def test_what_protobuf_cannot_hold_is_refused(name: str) -> None:
    schema, value = CASES[name]
    assert schema is not None
    with pytest.raises(DataError, match=NOT_HELD[name]):
        there_and_back(schema, value)


def test_what_is_registered() -> None:
    row = struct({"id": INT, "price": decimal(2, optional=True)}, name="shop.public.orders.Value", optional=True)
    schema = struct(
        {"before": row, "after": row, "tags": array(TEXT), "counts": mapping(TEXT, primitive(Type.INT64, True)),
         "small": primitive(Type.INT8)},
        name="shop.public.orders.Envelope",
    )  # fmt: skip
    form = made().form_of(schema)
    assert form.name == "shop.public.orders.Envelope"
    assert (
        form.text.text
        == """syntax = "proto3";
package shop.public.orders;

import "confluent/type/decimal.proto";

message Envelope {
  optional Value before = 1;
  optional Value after = 2;
  repeated string tags = 3;
  repeated ConnectDefault1Entry counts = 4;
  int32 small = 5 [(confluent.field_meta) = {
    params: [
      {
        key: "connect.type",
        value: "int8"
      }
    ]
  }];

  message Value {
    int32 id = 1;
    optional confluent.type.Decimal price = 2 [(confluent.field_meta) = {
      params: [
        {
          value: "2",
          key: "scale"
        }
      ]
    }];
  }
  message ConnectDefault1Entry {
    string key = 1;
    optional int64 value = 2;
  }
}
"""
    )


def test_bytes_are_what_every_client_reads() -> None:
    schema = struct({"id": INT, "note": primitive(Type.STRING, True), "zero": primitive(Type.INT32, True)}, name="A")
    own = made()
    write = own.write_as(schema, own.form_of(schema), True)
    # index 0, then: field 1 varint 150; field 2, 2 bytes; field 3 varint 0, which is there and not null
    assert write({"id": 150, "note": "hi", "zero": 0}) == bytes.fromhex("00 08 96 01 12 02 68 69 18 00")
    assert write({"id": 0, "note": None}) == b"\0"


def test_null_is_told_from_zero_unless_asked_otherwise() -> None:
    schema = struct({"n": primitive(Type.INT32, True)}, name="A")
    assert there_and_back(schema, {"n": None}).value == {"n": None}
    assert there_and_back(schema, {"n": 0}).value == {"n": 0}
    as_java = there_and_back(schema, {"n": None}, optional_for_nullables="false")
    assert as_java.value == {"n": 0}
    assert as_java.schema.get("n").optional
    defaulted = struct({"n": primitive(Type.INT32, True, default=5)}, name="A")
    assert there_and_back(defaulted, {"n": None}).value == {"n": 5}
    assert there_and_back(defaulted, {"n": None}, ignore_default_for_nullables="true").value == {"n": None}


OTHERS = """
syntax = "proto3";
package shop;
import "google/protobuf/timestamp.proto";
import "parts.proto";
enum Color { RED = 0; BLUE = 5; }
message First { string x = 1; }
message Order {
  uint64 big = 1;
  sint32 signed = 2;
  fixed32 fixed = 3;
  Color color = 4;
  repeated Color colors = 5;
  map<string, parts.Part> parts = 6;
  google.protobuf.Timestamp at = 7;
  oneof paid { string card = 8; int64 cash = 9; }
  message Line { double price = 1; }
  repeated Line lines = 10;
  optional bool flag = 11;
}
"""
PARTS = 'syntax = "proto3"; package parts; message Part { int32 n = 1; }'


def others(index: bytes, **fields: Any) -> Any:
    from headwater.worker.convert.protobuf_files import compiled, message_class

    text = Text("PROTOBUF", OTHERS, (("parts.proto", Text("PROTOBUF", PARTS)),))
    order = message_class(compiled(text).message((1,)))
    return made().read_as(text, 3)(HEAD + index + order(**fields).SerializeToString())


def test_schemas_of_others() -> None:
    found, value = others(
        b"\x02\x02", big=2**64 - 1, signed=-5, fixed=2**32 - 1, color=5, colors=[0, 5], parts={"a": {"n": 1}},
        at={"seconds": -1, "nanos": 500_000_000}, cash=7, lines=[{"price": 1.5}],
    )  # fmt: skip
    assert value == {
        "paid_0": {"card": None, "cash": 7}, "big": -1, "signed": -5, "fixed": 2**32 - 1, "color": "BLUE",
        "colors": ["RED", "BLUE"], "parts": {"a": {"n": 1}}, "at": -500, "lines": [{"price": 1.5}], "flag": None,
    }  # fmt: skip
    assert (found.name, found.version) == ("Order", 3)
    assert found.get("big") == primitive(
        Type.INT64, parameters={"io.confluent.connect.protobuf.Type": "uint64", TAG: "1"}
    )
    union = found.get("paid_0")
    assert union.optional and union.name == "io.confluent.connect.protobuf.Union.paid"
    assert found.get("at").name == TIMESTAMP
    assert found.get("flag").optional and not found.get("signed").optional
    assert there_and_back(found, value).value == value
    assert others(b"\x02\x02")[1]["paid_0"] is None


def test_messages_within_messages_are_found_by_their_indexes() -> None:
    text = Text("PROTOBUF", OTHERS, (("parts.proto", Text("PROTOBUF", PARTS)),))
    read = made().read_as(text, None)
    assert read(HEAD + b"\0" + b"\x0a\x01z").value == {"x": "z"}
    # two indexes, 1 and 0, as zigzag: shop.Order.Line; the entries of the map do not count
    assert read(HEAD + b"\x04\x02\x00" + b"").schema.name == "Line"
    for wrong in (b"\x02\x08", b"\x04\x02\x10"):
        with pytest.raises(DataError, match="which its Protobuf schema does not have"):
            read(HEAD + wrong)
    for wrong in (b"", b"\x01", b"\x04\x02", b"\x02\x01", b"\xff" * 9):
        with pytest.raises(DataError, match=r"message of its Protobuf schema"):
            read(HEAD + wrong)
    with pytest.raises(DataError, match=r"does not fit the Protobuf message shop\.First"):
        read(HEAD + b"\0" + b"\x0a\xff")


def test_maps_of_schemas_that_java_makes_of_classes() -> None:
    """Their text holds the messages that stand for maps, and these count among the indexes."""
    text = """syntax = "proto3";
message T {
  repeated .T.ByNameEntry by_name = 1;

  message ByNameEntry {
    option map_entry = true;

    string key = 1;

    int32 value = 2;
  }
  message Line { string x = 1; }
}
"""
    own = made()
    read = own.read_as(Text("PROTOBUF", text), None)
    found = read(HEAD + b"\0" + b"\x0a\x05\x0a\x01a\x10\x07")
    assert found.value == {"by_name": {"a": 7}}
    assert found.schema is not None and found.schema.get("by_name").type is Type.MAP
    assert read(HEAD + b"\x04\x00\x02" + b"\x0a\x01z").value == {"x": "z"}
    written = own.write_as(found.schema, own.parsed(Text("PROTOBUF", text)), True)(found.value)
    assert written == b"\0\x0a\x05\x0a\x01a\x10\x07"


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (struct({"a": INT}, name="A"), {"a": "x"}, "field a: is a Python str"),
        (struct({"a": INT}, name="A"), {"a": True}, "field a: is a Python bool"),
        (struct({"a": INT}, name="A"), {"a": None}, "field a: is null"),
        (struct({"a": INT}, name="A"), {"a": 2**31}, "field a: 2147483648 is out of range"),
        (struct({"a": INT}, name="A"), {"a": 1, "b": 2}, "holds 'b'"),
        (struct({"a": struct({"b": TEXT})}, name="A"), {"a": {"b": 1}}, r"field a\.b: is a Python int"),
        (struct({"a": array(INT)}, name="A"), {"a": [None]}, "field a: holds null"),
        (struct({"a": decimal(1)}, name="A"), {"a": Decimal("1.25")}, "field a: the number has more"),
        (
            struct({"a": primitive(Type.INT32, name=DATE)}, name="A"),
            {"a": -(2**31)},
            r"is beyond what Protobuf's google\.type\.Date holds",
        ),
        (
            struct({"a": primitive(Type.INT32, name=TIME)}, name="A"),
            {"a": -1},
            r"is beyond what Protobuf's google\.type\.Time",
        ),
        (struct({"a": TEXT}, name="A"), {"a": "\ud800"}, "cannot be written as A"),
        (struct({"a-b": TEXT}, name="A"), {"a-b": "x"}, "'a-b' is no name in Protobuf"),
        (
            struct({"a": struct({"b": INT}, name="T"), "c": struct({"b": TEXT}, name="T")}, name="A"),
            {},
            "both called 'T'",
        ),
        (INT, 1, "Protobuf's messages are structs"),
    ],
)
def test_what_does_not_fit_is_refused(schema: Schema, value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        there_and_back(schema, value)


def test_headwaters_own_parameters_travel() -> None:
    """Without its mark nothing knows that a field is encrypted. Java has no parameters: others stay away."""
    mark = {"headwater.encrypted": '{"type":"bytes","name":"a\\\\b"}'}
    text = primitive(Type.STRING, True, parameters=mark | {"other": "x"})
    schema = struct({"a": text, "all": array(text), "plain": primitive(Type.STRING, parameters={"o": "x"})}, name="A")
    found, value = there_and_back(schema, {"a": "x", "all": ["y"], "plain": "z"})
    assert value == {"a": "x", "all": ["y"], "plain": "z"}
    assert found.get("a").parameters == mark | {TAG: "1"}
    assert found.get("all").value_schema.parameters == mark
    assert found.get("plain").parameters == {TAG: "3"}
    assert made().form_of(schema).text.text.count("field_meta") == 2


def test_scrubbed_names() -> None:
    found, value = there_and_back(struct({"a-b": INT, "1": INT}, name="x-y.A"), {"a-b": 1, "1": 2},
                                  scrub_invalid_names="true", enhanced_protobuf_schema_support="true")  # fmt: skip
    assert value == {"a_b": 1, "x1": 2}
    assert found.name == "x_y.A"


def test_another_schema_of_the_registry_is_written_by_name() -> None:
    own = made()
    theirs = own.parsed(Text("PROTOBUF", 'syntax = "proto3"; message B { int64 a = 7; string other = 1; }'))
    schema = struct({"a": INT, "gone": TEXT}, name="A")
    assert own.write_as(schema, theirs, True)({"a": 3, "gone": "x"}) == b"\0\x38\x03"
    clash = struct({"a": TEXT}, name="A")
    with pytest.raises(DataError, match="field a: is STRING, which the message's field cannot hold"):
        own.write_as(clash, theirs, True)
    write = own.write_as(clash, theirs, False)
    with pytest.raises(DataError, match="cannot hold"):
        write({"a": "x"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("not a schema", "cannot be compiled"),
        ('syntax = "proto3"; message T { T next = 1; }', "T holds itself"),
        ('syntax = "proto3"; import "gone.proto"; message T { }', r"gone\.proto"),
        ('syntax = "proto3"; enum E { A = 0; }', "which its Protobuf schema does not have"),
    ],
)
def test_schemas_that_make_no_sense(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        made().read_as(Text("PROTOBUF", text), None)(HEAD + b"\0")


def test_a_schema_that_protoc_refuses_is_not_compiled_for_each_message(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("headwater.worker.convert.protobuf_files.REFUSAL_KEPT_S", 3600)
    read = made().read_as(Text("PROTOBUF", "never a schema"), None)
    with pytest.raises(DataError, match="cannot be compiled"):
        read(HEAD + b"\0")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "gone"))  # to compile would fail in another way
    with pytest.raises(DataError, match="cannot be compiled"):
        read(HEAD + b"\0")


def test_tags_of_read_schemas_are_kept() -> None:
    text = Text("PROTOBUF", 'syntax = "proto3"; message T { int32 a = 5; string b = 2; }')
    found = made().read_as(text, None)(HEAD + b"\0").schema
    assert found is not None
    assert found.fields[0] == Field("a", primitive(Type.INT32, parameters={TAG: "5"}))
    assert found.fields[0].schema.default is NO_DEFAULT
    wider = found.with_(fields=(*found.fields, Field("c", INT)))
    assert "int32 a = 5;\n  string b = 2;\n  int32 c = 1;" in made().form_of(wider).text.text


def test_what_java_registers_is_read() -> None:
    """Java's text does not import the file that its options come from."""
    text = """syntax = "proto3";
package test;

import "confluent/type/decimal.proto";

message One {
  confluent.type.Decimal f = 1 [(confluent.field_meta) = {
    params: [
      {
        value: "2",
        key: "scale"
      }
    ]
  }];
  int32 g = 2 [(confluent.field_meta) = {
    params: [
      {
        key: "connect.type",
        value: "int8"
      }
    ]
  }];
}
"""
    schema = struct({"f": decimal(2), "g": primitive(Type.INT8)}, name="test.One")
    assert made().form_of(schema).text.text == text
    found = made().read_as(Text("PROTOBUF", text), 1)(HEAD + b"\0\x0a\x07\x0a\x01\x7f\x10\x03\x18\x02\x10\x05")
    assert found.value == {"f": Decimal("1.27"), "g": 5}
    assert found.schema is not None
    assert [field.schema.type for field in found.schema.fields] == [Type.BYTES, Type.INT8]


def test_a_reference_may_have_any_name() -> None:
    used = (("schema.proto", Text("PROTOBUF", PARTS)),)
    text = Text("PROTOBUF", 'syntax = "proto3"; import "schema.proto"; message T { parts.Part a = 1; }', used)
    assert made().read_as(text, None)(HEAD + b"\0\x0a\x02\x08\x05").value == {"a": {"n": 5}}


def test_of_two_names_for_one_number_the_first_is_read() -> None:
    enum = "enum E { option allow_alias = true; A = 0; B = 0; C = 1; D = 1; }"
    text = Text("PROTOBUF", f'syntax = "proto3"; {enum} message T {{ E a = 1; E c = 2; }}')
    assert made().read_as(text, None)(HEAD + b"\0\x10\x01").value == {"a": "A", "c": "C"}


def test_wrapped_values_and_required_ones() -> None:
    text = """syntax = "proto2";
import "google/protobuf/wrappers.proto";
message M {
  required int32 a = 1;
  optional google.protobuf.Int32Value b = 2;
  optional google.protobuf.UInt64Value c = 3;
}
"""
    found = made().read_as(Text("PROTOBUF", text), None)(HEAD + b"\0\x08\x05\x12\x02\x08\x07")
    assert found.value == {"a": 5, "b": 7, "c": None}
    assert found.schema is not None
    assert [(field.schema.type, field.schema.optional) for field in found.schema.fields] == [
        (Type.INT32, False), (Type.INT32, True), (Type.INT64, True)
    ]  # fmt: skip
    own = made()
    written = own.write_as(found.schema, own.parsed(Text("PROTOBUF", text)), True)(found.value)
    assert written == b"\0\x08\x05\x12\x02\x08\x07"
