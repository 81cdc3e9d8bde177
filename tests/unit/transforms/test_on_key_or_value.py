"""What Kafka Connect's transforms make of schemas, and what they refuse. tests/compat holds results against Java's."""

from __future__ import annotations

import math
from decimal import Decimal
from typing import Any

import pytest

from headwater.worker.api import (
    NO_DEFAULT,
    TIMESTAMP,
    ConfigError,
    DataError,
    Header,
    Record,
    Transform,
    Type,
    decimal,
    mapping,
    primitive,
    struct,
)
from headwater.worker.config.plugins import installed

from .configured import from_text

INT32, INT64, TEXT = primitive(Type.INT32), primitive(Type.INT64), primitive(Type.STRING)
NAME = primitive(Type.STRING, True, default="none")
INNER = struct({"x": INT32, "y": NAME}, optional=True)
ROW = struct(
    {"id": INT64, "name": NAME, "price": decimal(2, None, True), "in": INNER},
    name="shop.Value", optional=True, version=2, parameters={"a": "b"},
)  # fmt: skip
VALUE: dict[str, Any] = {"id": 300, "name": None, "price": Decimal("1.50"), "in": {"x": 1, "y": None}}
CONFIGS = {
    "Cast": {"spec": "id:int8"},
    "ExtractField": {"field": "in"},
    "Flatten": {},
    "HeaderFrom": {"fields": "id", "headers": "id", "operation": "move"},
    "HoistField": {"field": "row"},
    "InsertField": {"topic.field": "topic"},
    "MaskField": {"fields": "id"},
    "ReplaceField": {"exclude": "id"},
    "SetSchemaMetadata": {"schema.name": "other"},
    "TimestampConverter": {"field": "id", "target.type": "Timestamp"},
}


def transform(name: str, config: dict[str, str] | None = None) -> Transform:
    made: Transform = installed().load("transform", name)()
    values, problems = made.options.parse(CONFIGS[name.partition("$")[0]] if config is None else config)
    assert not problems
    made.configure(values)
    return made


def of_value(name: str, config: dict[str, str] | None = None, value: Any = VALUE, schema: Any = ROW) -> Record:
    made = transform(f"{name}$Value", config).apply(Record("t", "k", value, TEXT, schema, version=7, offset=3))
    assert isinstance(made, Record)
    assert (made.key, made.key_schema, made.version, made.offset) == ("k", TEXT, 7, 3)
    return made


@pytest.mark.parametrize("name", CONFIGS)
def test_schemas_are_made_once(name: str) -> None:
    made = transform(f"{name}$Value")
    records = [made.apply(Record("t", value=VALUE | {"id": n}, value_schema=ROW)) for n in range(2)]
    assert len({id(record.value_schema) for record in records if isinstance(record, Record)}) == 1


@pytest.mark.parametrize("name", CONFIGS)
def test_keys_as_values(name: str) -> None:
    of_key = transform(f"{name}$Key").apply(Record("t", VALUE, "v", ROW, TEXT))
    assert isinstance(of_key, Record)
    value = of_value(name)
    assert (of_key.key, of_key.key_schema) == (value.value, value.value_schema)
    assert (of_key.value, of_key.value_schema) == ("v", TEXT)
    assert of_key.headers == value.headers


@pytest.mark.parametrize("name", CONFIGS)
def test_what_they_get_stays_as_it_is(name: str) -> None:
    before = {**VALUE, "in": dict(VALUE["in"])}
    of_value(name, value=before)
    assert before == VALUE


def test_cast() -> None:
    made = of_value("Cast", {"spec": "id:int8,price:string"})
    assert made.value == VALUE | {"id": 44, "name": "none", "price": "1.50"}
    assert made.value_schema == ROW.with_(
        fields=struct({"id": primitive(Type.INT8), "name": NAME, "price": TEXT.as_optional(), "in": INNER}).fields
    )
    with pytest.raises(DataError, match=r"t@3: Cast\$Value: field a: 'x' is not a whole number of 8 bits"):
        of_value("Cast", {"spec": "a:int8"}, {"a": "x"}, struct({"a": TEXT}))
    for text in ("9" * 5_000, "1" + "0" * 20):
        with pytest.raises(DataError, match=r"field a: '\d+.*' is not a whole number of 64 bits"):
            of_value("Cast", {"spec": "a:int64"}, {"a": text}, struct({"a": TEXT}))
    with pytest.raises(DataError, match="field name: the default of its schema: 'none' is not"):
        of_value("Cast", {"spec": "name:int8"}, VALUE | {"name": "5"})


@pytest.mark.parametrize(
    ("text", "number"),
    [("0x1.8p1", 3.0), ("-0x.8P1d", -1.0), ("0x1p99999", math.inf), ("-0x1p99999", -math.inf), ("0x1p-99999", 0.0),
     (f"0x1p{'9' * 400}", math.inf), ("1e400", math.inf)],
)  # fmt: skip
@pytest.mark.parametrize("type", ["float64", "float32"])
def test_cast_of_fractions(text: str, number: float, type: str) -> None:
    assert of_value("Cast", {"spec": f"a:{type}"}, {"a": text}, struct({"a": TEXT})).value == {"a": number}


@pytest.mark.parametrize("text", ["0xp1", "0x.p1", "0x1", "0x1p"])
def test_what_is_no_fraction(text: str) -> None:
    with pytest.raises(DataError, match=f"field a: '{text}' is not a number"):
        of_value("Cast", {"spec": "a:float64"}, {"a": text}, struct({"a": TEXT}))


def test_flatten() -> None:
    made = of_value("Flatten")
    assert made.value == {"id": 300, "name": None, "price": Decimal("1.50"), "in.x": 1, "in.y": "none"} | {
        "name": "none"
    }
    assert made.value_schema is not None
    assert [(f.name, f.schema.optional) for f in made.value_schema.fields] == [
        ("id", True), ("name", True), ("price", True), ("in.x", True), ("in.y", True),
    ]  # fmt: skip
    assert (made.value_schema.name, made.value_schema.optional) == ("shop.Value", False)
    assert of_value("Flatten", value=VALUE | {"in": None}).value["in.x"] is None
    with pytest.raises(DataError, match="MAP"):
        of_value("Flatten", value={"m": {}}, schema=struct({"m": mapping(TEXT, INT32)}))
    with pytest.raises(DataError, match=r"two fields would be called 'in\.x'"):
        of_value("Flatten", schema=struct({"in": INNER, "in.x": INT32}), value={"in": None, "in.x": 1})


def test_header_from() -> None:
    made = of_value("HeaderFrom", {"fields": "name,id", "headers": "a,b", "operation": "move"})
    assert made.headers == (Header("a", "none", NAME), Header("b", 300, INT64))
    assert made.value == {"price": Decimal("1.50"), "in": {"x": 1, "y": None}}
    assert made.value_schema is not None and made.value_schema.default is NO_DEFAULT
    with pytest.raises(DataError, match="HeaderFrom: there is no field 'absent'"):
        of_value("HeaderFrom", {"fields": "absent", "headers": "a", "operation": "copy"})
    with pytest.raises(ConfigError, match="as many as fields"):
        transform("HeaderFrom$Value", {"fields": "a,b", "headers": "a", "operation": "copy"})


def test_insert_field() -> None:
    made = of_value("InsertField", {"timestamp.field": "at!", "partition.field": "part", "offset.field": "offset"})
    assert made.value == VALUE | {"name": "none", "at": None, "part": None, "offset": 3}
    assert made.value_schema is not None
    assert made.value_schema.get("at") == primitive(Type.INT64, name=TIMESTAMP, version=1)
    assert made.value_schema.get("part") == primitive(Type.INT32, True)
    with pytest.raises(DataError, match="there is a field 'id' already"):
        of_value("InsertField", {"topic.field": "id"})
    with pytest.raises(DataError, match="sinks alone"):
        transform("InsertField$Value", {"offset.field": "o"}).apply(Record("t", value={"a": 1}))
    for config in ({}, {"static.field": "x"}):
        with pytest.raises(ConfigError):
            transform("InsertField$Value", config)


def test_mask_field() -> None:
    made = of_value("MaskField", {"fields": "id,price,name"}, VALUE | {"name": "Ada"})
    assert made.value == VALUE | {"id": 0, "price": Decimal("0.00"), "name": ""}
    assert made.value_schema is ROW
    assert of_value("MaskField", {"fields": "id,price", "replacement": "7"}).value["id"] == 7
    for config in ({"fields": "in"}, {"fields": "id", "replacement": "x"}):
        with pytest.raises(DataError, match="cannot be masked"):
            of_value("MaskField", config)


def test_timestamp_converter() -> None:
    config = {"field": "name", "target.type": "Timestamp", "format": "yyyy-MM-dd"}
    made = of_value("TimestampConverter", config, VALUE | {"name": "2023-11-14"})
    assert made.value["name"] == 1_699_920_000_000
    assert made.value_schema is not None
    assert made.value_schema.get("name") == primitive(Type.INT64, True, name=TIMESTAMP, version=1)
    with pytest.raises(DataError, match="'none' does not look like yyyy-MM-dd"):
        of_value("TimestampConverter", config)
    with pytest.raises(DataError, match="no form of a point in time"):
        of_value("TimestampConverter", {"field": "price", "target.type": "unix"})
    with pytest.raises(ConfigError, match="required where"):
        transform("TimestampConverter$Value", {"field": "name", "target.type": "string"})


@pytest.mark.parametrize("name", ["HeaderFrom", "MaskField"])
def test_tombstones_that_need_a_predicate(name: str) -> None:
    with pytest.raises(DataError, match="this is null"):
        of_value(name, value=None, schema=None)


@pytest.mark.parametrize("name", ["Cast", "Flatten", "InsertField", "ReplaceField", "SetSchemaMetadata"])
def test_tombstones_that_pass(name: str) -> None:
    record = Record("t", "k", None)
    assert transform(f"{name}$Value").apply(record) is record


@pytest.mark.parametrize("name", ["InsertField", "MaskField", "Flatten", "ExtractField", "HeaderFrom"])
def test_what_is_no_struct(name: str) -> None:
    with pytest.raises(DataError, match="needs a struct, and this is STRING"):
        of_value(name, value="text", schema=TEXT)
    with pytest.raises(DataError, match="needs a map, and this is a str"):
        of_value(name, value="text", schema=None)


@pytest.mark.parametrize("text", ["a.`b", "`a", r"`a\`"])
def test_paths_with_half_a_pair(text: str) -> None:
    with pytest.raises(ConfigError, match="backtick without its pair"):
        transform("ExtractField$Value", {"field": text, "field.syntax.version": "V2"})


@pytest.mark.parametrize(
    ("name", "option", "text", "other"),
    [
        ("InsertHeader", "header", "headwater.version", {"value.literal": "9"}),
        ("HeaderFrom$Value", "headers", "headwater.version", {"fields": "id", "operation": "copy"}),
        ("EventRouter", "table.fields.additional.placement", "type:header:headwater.version", {}),
        ("ExtractNewRecordState", "add.headers", "source.version:version", {"add.headers.prefix": "headwater."}),
    ],
)
def test_nobody_else_writes_the_version(name: str, option: str, text: str, other: dict[str, str]) -> None:
    with pytest.raises(ConfigError, match=r"must not be headwater\.version") as caught:
        from_text(installed().load("transform", name), {option: text, **other})
    assert [problem.option for problem in caught.value.problems] == [option]


def test_topics_by_time() -> None:
    made = transform("TimestampRouter", {"timestamp.format": "yyyy-MM-dd HH"})
    topics = [made.apply(Record("t", timestamp_ms=ms)) for ms in (1_700_000_000_000, 1_700_000_000_001, -1)]
    assert [record.topic for record in topics if isinstance(record, Record)] == [
        "t-2023-11-14 22", "t-2023-11-14 22", "t-1969-12-31 23",
    ]  # fmt: skip
    with pytest.raises(DataError, match="no timestamp"):
        made.apply(Record("t"))
    _, problems = made.options.parse({"timestamp.format": "bad"})
    assert [problem.option for problem in problems] == ["timestamp.format"]


def test_headers() -> None:
    record = Record("t", headers=(Header("a", b"1"), Header("b", b"2"), Header("a", b"3")))
    dropped = transform("DropHeaders", {"headers": "a"}).apply(record)
    assert isinstance(dropped, Record) and dropped.headers == (Header("b", b"2"),)
    assert transform("DropHeaders", {"headers": "c"}).apply(record) is record
    inserted = transform("InsertHeader", {"header": "n", "value.literal": "[1,300]"}).apply(record)
    assert isinstance(inserted, Record) and inserted.headers[-1].value == [1, 300]
