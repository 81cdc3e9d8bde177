"""Avro without a registry: schemas both ways, bytes both ways. tests/compat/test_avro.py holds them against Java's."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import fastavro
import pytest
from hypothesis import given
from hypothesis import strategies as st

from headwater.worker.api import DataError, Schema, Type, array, decimal, mapping, primitive, struct
from headwater.worker.convert.avro import AvroConverter, AvroFormat
from headwater.worker.convert.registry import Text
from tests.avro_cases import CASES
from tests.schema_strategies import same, schemas, values

INT, TEXT, HEAD = primitive(Type.INT32), primitive(Type.STRING), b"\0\0\0\0\1"


def avro(**options: str) -> AvroFormat:
    raw: dict[str, str | None] = {name.replace("_", "."): text for name, text in options.items()}
    found, problems = AvroConverter.options.parse({"schema.registry.url": "http://nowhere", **raw})
    assert not problems
    return AvroFormat(found)


def there_and_back(schema: Schema | None, value: Any, **options: str) -> tuple[Schema | None, Any]:
    made = avro(**options)
    form = made.form_of(schema)
    return made.read_as(form.text, None)(HEAD + made.write_as(schema, form, True)(value))


def foreign(schema: Any, value: Any, **options: str) -> tuple[Schema | None, Any]:
    """What another producer wrote."""
    import io

    stream = io.BytesIO()
    fastavro.schemaless_writer(stream, fastavro.parse_schema(schema), value)
    return avro(**options).read_as(Text("AVRO", json.dumps(schema)), None)(HEAD + stream.getvalue())


@pytest.mark.parametrize(("schema", "value"), [pytest.param(*case, id=name) for name, case in CASES.items()])
def test_every_type_comes_back(schema: Schema | None, value: Any) -> None:
    assert there_and_back(schema, value) == (schema, value)


_SIMPLE = st.text("abcdefgXYZ_", min_size=1, max_size=4)
_ONCE = st.uuids().map(lambda found: f"ns.t{found.hex}")


@given(st.data(), schemas(names=_SIMPLE, type_names=_ONCE))
def test_any_schema_comes_back(data: st.DataObject, schema: Schema) -> None:
    value = data.draw(values(schema, required=True))
    found, read = there_and_back(schema, value)
    assert found == schema or "nan" in repr(schema).lower()
    assert same(read, value)


def test_a_null_takes_the_default_unless_it_is_to_stay() -> None:
    schema = struct({"a": primitive(Type.INT32, True, default=5)}, name="A")
    assert there_and_back(schema, {"a": None})[1] == {"a": 5}
    assert there_and_back(schema, {})[1] == {"a": 5}
    assert there_and_back(schema, {"a": None}, ignore_default_for_nullables="true")[1] == {"a": None}


@pytest.mark.parametrize(
    ("kinds", "default", "read"),
    [
        (["int", "string"], 5, {"int": 5, "string": None}),
        (["string", "null", "int"], "x", {"string": "x", "int": None}),
    ],
)
def test_the_default_of_a_union_of_several_types(kinds: list[str], default: Any, read: Any) -> None:
    form = {"type": "record", "name": "A", "fields": [{"name": "a", "type": kinds, "default": default}]}
    found, _ = foreign(form, {"a": 7})
    assert found is not None
    union = found.get("a")
    assert union.default == read
    assert union.parameters == {"io.confluent.connect.avro.field.default": "true"}
    assert there_and_back(found, {"a": None})[1] == {"a": read}


def test_without_meta_data_avro_alone_speaks() -> None:
    schema = struct({"a": primitive(Type.INT8, True, doc="d"), "b": decimal(2)}, name="n.A", version=3)
    made = avro(connect_meta_data="false")
    assert "connect." not in made.form_of(schema).text.text
    found, value = there_and_back(schema, {"a": 1, "b": Decimal("1.50")}, connect_meta_data="false")
    assert value == {"a": 1, "b": Decimal("1.50")}
    assert found == struct({"a": primitive(Type.INT32, True), "b": decimal(2)}, name="n.A")


@pytest.mark.parametrize("name", ["order-lines", "1st", "größe", "a b", ""])
def test_names_that_avro_refuses(name: str) -> None:
    schema = struct({name: INT}, name="x.A")
    with pytest.raises(DataError, match=r"no name in Avro.*scrub\.invalid\.names"):
        there_and_back(schema, {name: 1})


@pytest.mark.parametrize(
    ("name", "scrubbed"),
    [("order-lines", "order_lines"), ("1st", "x1st"), ("größe", "gr_C3_B6_C3_9Fe"), ("a b", "a_b")],
)
def test_scrubbed_names(name: str, scrubbed: str) -> None:
    schema = struct({name: INT}, name=f"my-app.{name}")
    found, value = there_and_back(schema, {name: 1}, scrub_invalid_names="true")
    assert value == {scrubbed: 1}
    assert found is not None and found.name == f"my-app.{name}"
    named = json.loads(avro(scrub_invalid_names="true").form_of(schema).text.text)
    assert (named["namespace"], named["name"]) == ("my_app", scrubbed)


def test_two_schemas_of_one_name_are_refused() -> None:
    schema = struct({"a": struct({"x": INT}, name="n.T"), "b": struct({"x": TEXT}, name="n.T")}, name="n.A")
    with pytest.raises(DataError, match=r"both called 'n\.T'"):
        avro().form_of(schema)


@pytest.mark.parametrize(
    ("schema", "value", "message"),
    [
        (struct({"a": INT}, name="A"), {"a": "x"}, "field a: is a Python str, and its schema is INT32"),
        (struct({"a": INT}, name="A"), {"a": True}, "field a: is a Python bool"),
        (struct({"a": INT}, name="A"), {"a": 2**31}, "field a: 2147483648 is out of range for INT32"),
        (struct({"a": primitive(Type.INT8)}, name="A"), {"a": 128}, "field a: 128 is out of range for INT8"),
        (struct({"a": INT}, name="A"), {"a": None}, "field a: is a Python NoneType"),
        (struct({"a": INT}, name="A"), {"a": 1, "b": 2}, "holds 'b', which its schema does not know"),
        (struct({"a": TEXT}, name="A"), {"b": "x"}, "field a: is a Python NoneType"),
        (struct({"a": TEXT}, name="A"), {"a": b"x"}, "field a: is a Python bytes, and its schema is STRING"),
        (struct({"a": TEXT}, name="A"), {"a": "\ud800"}, "field a: is text that cannot be written"),
        (struct({"a": array(INT)}, name="A"), {"a": [1, "x"]}, r"field a\[\]: is a Python str"),
        (struct({"a": mapping(TEXT, INT)}, name="A"), {"a": {"k": "x"}}, r"field a\{\}: is a Python str"),
        (struct({"a": mapping(TEXT, INT)}, name="A"), {"a": [1]}, "field a: is a Python list, and its schema is a MAP"),
        (
            struct({"a": decimal(1)}, name="A"),
            {"a": Decimal("1.23")},
            "field a: the number has more than the 1 decimals",
        ),
        (struct({"a": decimal(1)}, name="A"), {"a": 5}, "field a: is a Python int, and its schema is a Decimal"),
        (struct({"a": primitive(Type.FLOAT32)}, name="A"), {"a": 1e300}, "field a: cannot be written as Avro's float"),
        (struct({"a": primitive(Type.BOOLEAN)}, name="A"), {"a": 1}, "field a: is a Python int"),
        (struct({"a": INT}, name="A"), [1], "the value is a Python list, and its schema is a STRUCT"),
        (INT, "x", "the value is a Python str"),
        (None, Decimal(1), "needs a schema to be written as Avro"),
    ],
)
def test_values_of_another_type_are_refused(schema: Schema | None, value: Any, message: str) -> None:
    with pytest.raises(DataError, match=message):
        there_and_back(schema, value)


_POINT = {"type": "record", "name": "P", "fields": [{"name": "x", "type": "int"}]}
_ENUM = {"type": "enum", "name": "E", "symbols": ["A", "B"]}
_BRANCHES = ["null", "int", "long", "string", "double", _POINT, _ENUM, {"type": "fixed", "name": "F", "size": 2},
             {"type": "array", "items": "int"}]  # fmt: skip
UNION = {"type": "record", "name": "R", "namespace": "n", "fields": [{"name": "u", "type": _BRANCHES}]}


@pytest.mark.parametrize(
    ("given", "member", "value"),
    [(5, "int", 5), (2**40, "long", 2**40), ("x", "string", "x"), (2.5, "double", 2.5), ({"x": 1}, "n.P", {"x": 1}),
     (("n.E", "B"), "n.E", "B"), (b"ab", "n.F", b"ab"), ([1], "array", [1])],
)  # fmt: skip
def test_unions_become_structs_and_go_back(given: Any, member: str, value: Any) -> None:
    schema, read = foreign(UNION, {"u": given}, enhanced_avro_schema_support="true")
    assert schema is not None
    union = schema.get("u")
    assert union is not None and union.name == "io.confluent.connect.avro.Union" and union.optional
    names = [field.name for field in union.fields]
    assert names == ["int", "long", "string", "double", "n.P", "n.E", "n.F", "array"]
    assert read == {"u": {name: value if name == member else None for name in names}}
    assert there_and_back(schema, read, enhanced_avro_schema_support="true") == (schema, read)
    assert foreign(UNION, {"u": None})[1] == {"u": None}


def test_enums_stay_with_the_option() -> None:
    color = {"type": "enum", "name": "Color", "namespace": "n", "symbols": ["RED", "BLUE"]}
    written = {"type": "record", "name": "R", "fields": [{"name": "e", "type": color}]}
    schema, value = foreign(written, {"e": "BLUE"}, enhanced_avro_schema_support="true")
    assert value == {"e": "BLUE"} and schema is not None
    again = json.loads(avro(enhanced_avro_schema_support="true").form_of(schema).text.text)
    enum = again["fields"][0]["type"]
    assert (enum["type"], enum["namespace"], enum["name"], enum["symbols"]) == ("enum", "n", "Color", ["RED", "BLUE"])
    assert there_and_back(schema, value, enhanced_avro_schema_support="true") == (schema, value)
    with pytest.raises(DataError, match="none of the enum's symbols"):
        there_and_back(schema, {"e": "GREEN"}, enhanced_avro_schema_support="true")
    plain = json.loads(avro().form_of(schema).text.text)
    assert plain["fields"][0]["type"]["type"] == "string"


def test_docs_defaults_and_logical_types_of_others() -> None:
    written = {"type": "record", "name": "R", "namespace": "n", "doc": "a record", "fields": [
        {"name": "a", "type": "int", "default": 5, "doc": "a field"},
        {"name": "t", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "d", "type": {"type": "fixed", "name": "D", "size": 4, "logicalType": "decimal", "precision": 9,
                               "scale": 2}},
        {"name": "u", "type": {"type": "long", "logicalType": "timestamp-micros"}},
    ]}  # fmt: skip
    schema, value = foreign(written, {"a": 1, "t": 1000, "d": Decimal("-1.50"), "u": 7})
    assert value == {"a": 1, "t": 1000, "d": Decimal("-1.50"), "u": 7} and schema is not None
    field = schema.get("a")
    assert field is not None and field.default == 5
    assert schema.parameters == {"io.confluent.connect.avro.record.doc": "a record",
                                 "io.confluent.connect.avro.field.doc.a": "a field"}  # fmt: skip
    again = avro().form_of(schema).parsed
    assert (again["doc"], again["fields"][0]["doc"], again["fields"][0]["default"]) == ("a record", "a field", 5)
    assert there_and_back(schema, value) == (schema, value)


def test_types_of_other_schemas() -> None:
    used = Text("AVRO", json.dumps({"type": "record", "name": "Used", "namespace": "n", "fields": [
        {"name": "x", "type": "int"}]}))  # fmt: skip
    text = Text("AVRO", json.dumps({"type": "record", "name": "R", "namespace": "m", "fields": [
        {"name": "a", "type": "n.Used"}, {"name": "b", "type": ["null", "n.Used"]}]}), (("n.Used", used),))  # fmt: skip
    schema, value = avro().read_as(text, 4)(HEAD + b"\x02\x02\x04")
    assert value == {"a": {"x": 1}, "b": {"x": 2}}
    assert schema is not None and schema.version == 4


def test_a_schema_that_holds_itself_is_refused() -> None:
    tree = {"type": "record", "name": "T", "fields": [{"name": "next", "type": ["null", "T"]}]}
    with pytest.raises(DataError, match="'T' holds itself"):
        avro().read_as(Text("AVRO", json.dumps(tree)), None)


@pytest.mark.parametrize(
    ("text", "message"),
    [("{", "is not JSON"), ('"nothing"', "uses the type 'nothing'"), ('"null"', "null alone"),
     ('{"type": "int", "connect.type": "int7"}', "'int7'"),
     ('{"type": "int", "connect.version": "x"}', "connect.version")],
)  # fmt: skip
def test_schemas_that_make_no_sense(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        avro().read_as(Text("AVRO", text), None)


@pytest.mark.parametrize("data", [b"", b"\x02", b"\x02\x04a", b"\x02\x02ab", b"\xff" * 20])
def test_data_that_does_not_fit(data: bytes) -> None:
    made = avro()
    text = made.form_of(struct({"a": INT, "b": TEXT}, name="A")).text
    with pytest.raises(DataError, match=r"does not fit|is longer"):
        made.read_as(text, None)(HEAD + data)


def latest(wanted: Any, schema: Schema, value: Any, strict: bool = True, **options: str) -> Any:
    """Written with a schema that the registry has, read by it."""
    made = avro(**options)
    text = Text("AVRO", json.dumps(wanted))
    return made.read_as(text, None)(HEAD + made.write_as(schema, made.parsed(text), strict)(value)).value


def record(*fields: Any) -> Any:
    return {"type": "record", "name": "A", "fields": list(fields)}


def test_another_schema_of_the_registry_is_written_by_name() -> None:
    wanted = record({"name": "b", "type": "string"}, {"name": "a", "type": ["null", "long"], "default": None},
                    {"name": "c", "type": {"type": "array", "items": "int"}, "default": [1, 2]},
                    {"name": "d", "type": "double"})  # fmt: skip
    schema = struct({"a": INT, "b": TEXT, "d": INT, "gone": TEXT}, name="A")
    value = {"a": 7, "b": "x", "d": 2, "gone": "y"}
    assert latest(wanted, schema, value) == {"b": "x", "a": 7, "c": [1, 2], "d": 2.0}


@pytest.mark.parametrize(
    ("wanted", "message"),
    [
        (record({"name": "a", "type": "string"}), "field a: is of type INT32, and Avro's schema says string"),
        (record({"name": "a", "type": ["null", "string"]}), "field a: fits none of the types"),
        (record({"name": "a", "type": "int"}, {"name": "z", "type": "int"}), "field z: is missing"),
        ("int", "is of type A, and Avro's schema says int"),
    ],
)
def test_a_schema_of_the_registry_that_cannot_hold_the_records(wanted: Any, message: str) -> None:
    schema = struct({"a": INT}, name="A")
    made = avro()
    form = made.parsed(Text("AVRO", json.dumps(wanted)))
    with pytest.raises(DataError, match=message):
        made.write_as(schema, form, True)
    write = made.write_as(schema, form, False)
    with pytest.raises(DataError, match=message):
        write({"a": 1})
