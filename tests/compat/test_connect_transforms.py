"""Kafka Connect's transforms: every config here, on every record of sample_records.py, gives what the Java class gives.

Both for the key and the value, and with one instance for all records, so that schemas follow upon each other. What
differs on purpose is listed with its reason.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from headwater.worker.api import REQUIRED, Options, Record, Type, decimal, struct
from headwater.worker.config.plugins import installed

from .java_stages import JavaStages
from .sample_records import AT, INT64, NULLS, PARTS, PLAIN, ROW, keys, values
from .stages_compared import FAILED, REFUSED, Both, Outcome, configured, in_order, run_both
from .typed import read_record, typed_record

pytestmark = pytest.mark.compat
APACHE = "org.apache.kafka.connect.transforms."
NULLS_STAY = {"replace.null.with.default": "false"}
V2 = {"field.syntax.version": "V2"}

TYPES = ("int8", "int16", "int32", "int64", "float32", "float64", "boolean", "string")
UNITS = ("seconds", "microseconds", "nanoseconds")
ON_KEY_OR_VALUE: list[tuple[str, dict[str, str]]] = [
    *(("Cast", {"spec": kind}) for kind in TYPES),
    *(("Cast", {"spec": f"{field}:{kind}"}) for kind in TYPES
      for field in ("id", "f32", "f64", "ok", "name", "price", "born", "noon", "at")),
    ("Cast", {"spec": "i8:int64, i16:float32,i32:int8,data:string,micros:string,tags:string"}),
    ("Cast", {"spec": "i8:int64,i16:float32,i32:INT16,data:string,micros:string"}),
    ("Cast", {"spec": "id:string,born:string,f32:string,price:string", **NULLS_STAY}),
    ("Cast", {"spec": "data:int8"}),
    ("Cast", {"spec": "absent:int8"}),
    ("Cast", {"spec": "when:int64"}),
    ("Cast", {"spec": ""}),
    ("Cast", {"spec": "id:bytes"}),
    ("Cast", {"spec": "id:array"}),
    ("Cast", {"spec": "id:int8:int8"}),
    ("Cast", {"spec": "int8,id:int8"}),
    ("Cast", {"spec": "nothing"}),
    *(("ExtractField", {"field": field}) for field in ("id", "name", "born", "tags", "absent", "a", "a.b", "d", "m")),
    ("ExtractField", {"field": "name", **NULLS_STAY}),
    *(("ExtractField", {"field": field, **V2}) for field in
      ("id", "a.b", "a.b.x", "a.b.y", "a.c.y", "o.at", "d.z", "d.x", "a.`n.m`", "`a`.`n.m`", "a.n.m", "name.x",
       "list.x", "a.absent", "absent.x", "a.", ".", "`a", "`a`b`", r"`a\`.b`", "m.k", "none.x", "empty.x")),
    ("ExtractField", {"field": "a.c.y", **V2, **NULLS_STAY}),
    ("ExtractField", {"field": "a.b.y", **V2, **NULLS_STAY}),
    ("ExtractField", {"field": "a", "field.syntax.version": "v2"}),
    ("ExtractField", {"field": "a", "field.syntax.version": "V3"}),
    ("ExtractField", {}),
    ("Flatten", {}),
    ("Flatten", {"delimiter": "_"}),
    ("Flatten", {"delimiter": ""}),
    ("HoistField", {"field": "payload"}),
    ("HoistField", {}),
    *(("HeaderFrom", {"fields": "id,name", "headers": "one,two", "operation": verb}) for verb in ("move", "copy")),
    ("HeaderFrom", {"fields": "name", "headers": "one", "operation": "move", **NULLS_STAY}),
    ("HeaderFrom", {"fields": "id,id", "headers": "one,two", "operation": "move"}),
    ("HeaderFrom", {"fields": "id,name", "headers": "one", "operation": "copy"}),
    ("HeaderFrom", {"fields": "id", "headers": "one", "operation": "steal"}),
    ("HeaderFrom", {"fields": "", "headers": "", "operation": "copy"}),
    ("InsertField", {"topic.field": "topic", "partition.field": "part!", "timestamp.field": "time?"}),
    ("InsertField", {"offset.field": "offset"}),
    ("InsertField", {"timestamp.field": "time!", "static.field": "from", "static.value": "here"}),
    ("InsertField", {"topic.field": "name", **NULLS_STAY}),
    ("InsertField", {"static.field": "x!", "static.value": "", **NULLS_STAY}),
    ("InsertField", {"static.field": "x"}),
    ("InsertField", {"static.value": "x"}),
    ("MaskField", {"fields": "id,name,ok,f32,f64,born,noon,at,tags,i8,i16,when"}),
    ("MaskField", {"fields": "absent"}),
    ("MaskField", {"fields": "name,when", **NULLS_STAY}),
    ("MaskField", {"fields": "data"}),
    ("MaskField", {"fields": "a,d"}),
    ("MaskField", {"fields": "m,list,none"}),
    ("MaskField", {"fields": "name", "replacement": "***"}),
    ("MaskField", {"fields": "id,i8,i16,i32,f32,f64,micros", "replacement": "5.7"}),
    ("MaskField", {"fields": "id,i8,i16,i32", "replacement": "-70000"}),
    ("MaskField", {"fields": "id", "replacement": "x"}),
    ("MaskField", {"fields": "ok", "replacement": "1"}),
    ("MaskField", {"fields": "at", "replacement": "1"}),
    ("MaskField", {"fields": "price", "replacement": "0.01"}),
    ("MaskField", {"fields": "name", "replacement": ""}),
    ("MaskField", {"fields": ""}),
    ("ReplaceField", {"exclude": "id,i8", "renames": "name:n,absent:x"}),
    ("ReplaceField", {"include": "id,name,at", **NULLS_STAY}),
    ("ReplaceField", {"include": "id,name", "exclude": "id"}),
    ("ReplaceField", {"renames": "id:name"}),
    ("ReplaceField", {"renames": "id:name,name:id"}),
    ("ReplaceField", {"renames": "id"}),
    ("SetSchemaMetadata", {"schema.name": "other", "schema.version": "9"}),
    ("SetSchemaMetadata", {"schema.version": "9", **NULLS_STAY}),
    ("SetSchemaMetadata", {"schema.name": "other"}),
    ("SetSchemaMetadata", {}),
    ("SetSchemaMetadata", {"schema.version": "nine"}),
    *(("TimestampConverter", {"field": field, "target.type": kind, "format": "yyyy-MM-dd HH:mm:ss"})
      for kind in ("string", "unix", "Date", "Time", "Timestamp")
      for field in ("", "at", "when", "born", "noon", "id", "ok")),
    *(("TimestampConverter", {"field": field, "target.type": kind, "unix.precision": unit})
      for kind in ("unix", "Timestamp") for field in ("", "micros", "at") for unit in UNITS),
    *(("TimestampConverter", {"field": "at", "target.type": "string", "format": form}) for form in
      ("yyyy-MM-dd'T'HH:mm:ss.SSSZ", "EEEE, dd MMMM yy G", "hh:mm a, 'day' D", "yyyyMMddHHmmssSSS", "E u k K X z")),
    *(("TimestampConverter", {"target.type": "Timestamp", "format": form}) for form in
      ("yyyy-MM-dd", "yyyy", "yyyy-M-d H:m:s", "yyyyMMdd", "yyyy-MM-dd hh:mm:ss", "dd/MM/yyyy")),
    ("TimestampConverter", {"field": "at", "target.type": "string", "format": "yyyy-MM-dd", **NULLS_STAY}),
    ("TimestampConverter", {"field": "when", "target.type": "unix", "format": "yyyy-MM-dd HH:mm:ss", **NULLS_STAY}),
    ("TimestampConverter", {"field": "at", "target.type": "string"}),
    ("TimestampConverter", {"field": "at", "target.type": "string", "format": "bad"}),
    ("TimestampConverter", {"field": "at", "target.type": "moment"}),
    ("TimestampConverter", {"field": "at", "target.type": "unix", "unix.precision": "days"}),
    ("TimestampConverter", {"field": "when", "target.type": "unix"}),
]  # fmt: skip
ON_RECORDS: list[tuple[str, dict[str, str]]] = [
    ("DropHeaders", {"headers": "h"}),
    ("DropHeaders", {"headers": "raw, absent"}),
    ("DropHeaders", {"headers": ""}),
    ("Filter", {}),
    *(("InsertHeader", {"header": "new", "value.literal": text}) for text in
      ("text", "42", "1.5", "true", "null", "2026-11-22", "[1,2]", '{"a":1}', "")),
    ("InsertHeader", {"header": "h", "value.literal": "again"}),
    ("InsertHeader", {"header": "h"}),
    ("RegexRouter", {"regex": r"shop\.(.*)", "replacement": "x-$1"}),
    ("RegexRouter", {"regex": r"(?<all>.*)", "replacement": r"${all}\$"}),
    ("RegexRouter", {"regex": r"shop", "replacement": "x"}),
    ("RegexRouter", {"regex": r"(", "replacement": "x"}),
    ("TimestampRouter", {}),
    ("TimestampRouter", {"topic.format": "${timestamp}/${topic}/${topic}", "timestamp.format": "yyyy-MM-dd-HH"}),
    ("TimestampRouter", {"topic.format": "fixed", "timestamp.format": "YYYY"}),
    ("TimestampRouter", {"timestamp.format": "YYYY'w'ww-EEE"}),
    ("ValueToKey", {"fields": "id"}),
    ("ValueToKey", {"fields": "name,id"}),
    ("ValueToKey", {"fields": "name,at", **NULLS_STAY}),
    ("ValueToKey", {"fields": ""}),
]  # fmt: skip


def _structs_alone(outcomes: list[Outcome], records: list[Record], name: str) -> list[Outcome]:
    schemas = [record.key_schema if name.endswith("$Key") else record.value_schema for record in records]
    pairs = zip(outcomes, schemas, strict=True)
    return [FAILED if schema and schema.type is not Type.STRUCT else outcome for outcome, schema in pairs]


def case_id(parameter: Any) -> str | None:
    return ",".join(f"{k}={v}" for k, v in parameter.items()) if isinstance(parameter, dict) else None


@pytest.mark.parametrize("part", ["Value", "Key"])
@pytest.mark.parametrize(("name", "config"), ON_KEY_OR_VALUE, ids=case_id)
def test_on_key_or_value(java_stages: JavaStages, name: str, config: dict[str, str], part: str) -> None:
    compare(java_stages, f"{APACHE}{name}${part}", config, keys() if part == "Key" else values())


@pytest.mark.parametrize(("name", "config"), ON_RECORDS, ids=case_id)
def test_on_records(java_stages: JavaStages, name: str, config: dict[str, str]) -> None:
    compare(java_stages, APACHE + name, config, values())


def compare(java: JavaStages, name: str, config: dict[str, str], records: list[Record]) -> None:
    both = run_both(java, name, config, records)
    if REFUSED in (*both.ours, *both.theirs):
        assert both.ours == both.theirs, both.errors
        return
    if "SetSchemaMetadata" in name:  # see test_the_schema_of_a_primitive_gets_a_name
        both = Both(*(_structs_alone(outcomes, records, name) for outcomes in both[:2]), both.errors)
    differing = [
        f"{what}: ours {ours}\n theirs {theirs}"
        for what, ours, theirs in zip(PARTS, both.ours, both.theirs, strict=True)
        if ours != theirs
    ]
    assert not differing, "\n".join([*differing, *both.errors])


@pytest.mark.parametrize(
    ("name", "config"),
    [
        ("HasHeaderKey", {"name": "h"}),
        ("HasHeaderKey", {"name": "absent"}),
        ("RecordIsTombstone", {}),
        ("TopicNameMatches", {"pattern": r"shop\..*"}),
        ("TopicNameMatches", {"pattern": "shop"}),
    ],
    ids=case_id,
)
def test_predicates(java_stages: JavaStages, name: str, config: dict[str, str]) -> None:
    java_name = f"{APACHE}predicates.{name}"
    records = [typed_record(record) for record in values()]
    theirs = java_stages.ask("predicate", **{"class": java_name}, config=config, records=records)["results"]
    ours = configured("predicate", java_name, config)
    assert [ours.test(record) for record in values()] == theirs


@pytest.mark.parametrize("name", sorted({f"{n}$Value" for n, _ in ON_KEY_OR_VALUE} | {n for n, _ in ON_RECORDS}))
def test_options(java_stages: JavaStages, name: str) -> None:
    """Names, types, defaults, and what is required."""
    theirs = {
        option["name"]: (option["type"], option["required"], option["default"] or None)
        for option in java_stages.ask("options", **{"class": APACHE + name})["options"]
    }
    options: Options = installed().load("transform", APACHE + name).options
    assert {o.name: (o.type.value, o.default is REQUIRED, _default(o.default)) for o in options} == theirs


def _default(value: Any) -> str | None:
    if isinstance(value, bool):
        return str(value).lower()
    return value or None if isinstance(value, str) else None


CHAIN: list[tuple[str, dict[str, str]]] = [
    ("HoistField$Value", {"field": "row"}),
    ("InsertField$Value", {"topic.field": "topic!", "timestamp.field": "at", "offset.field": "offset"}),
    ("Flatten$Value", {"delimiter": "_"}),
    ("ReplaceField$Value", {"exclude": "row_data", "renames": "row_id:id,row_name:name,row_price:price,row_when:when"}),
    ("Cast$Value", {"spec": "id:string,price:float64"}),
    ("TimestampConverter$Value", {"field": "when", "target.type": "Timestamp", "format": "yyyy-MM-dd HH:mm:ss"}),
    ("MaskField$Value", {"fields": "name", "replacement": "x"}),
    ("ValueToKey", {"fields": "id,when"}),
    ("HoistField$Key", {"field": "of"}),
    ("ExtractField$Key", {"field": "of.id", "field.syntax.version": "V2"}),
    ("HeaderFrom$Value", {"fields": "name,when", "headers": "name,when", "operation": "move"}),
    ("InsertHeader", {"header": "list", "value.literal": "[1,300]"}),
    ("DropHeaders", {"headers": "h"}),
    ("SetSchemaMetadata$Value", {"schema.name": "last", "schema.version": "4"}),
    ("RegexRouter", {"regex": r"shop\.(.*)", "replacement": "$1"}),
    ("TimestampRouter", {"timestamp.format": "yyyyMM"}),
]


def _records(outcomes: list[Outcome]) -> list[Record]:
    return [read_record(made).replace(offset=2) for made in outcomes if isinstance(made, dict)]


def test_a_chain(java_stages: JavaStages) -> None:
    """Each class gets what the one before has made."""
    people = [Record("shop.people", None, row, None, PLAIN, (), AT, partition=1, offset=2) for row in (ROW, NULLS)]
    ours, theirs = people, people
    for name, config in CHAIN:
        ours = _records(run_both(java_stages, APACHE + name, config, ours).ours)
        theirs = _records(run_both(java_stages, APACHE + name, config, theirs).theirs)
    assert [in_order(typed_record(record)) for record in ours] == [in_order(typed_record(record)) for record in theirs]
    assert [(record.topic, record.key) for record in ours] == [("people-202311", str(2**40))] * 2


def test_the_schema_of_a_primitive_gets_a_name(java_stages: JavaStages) -> None:
    """Java looks for fields in every schema, and fails where there can be none."""
    record = Record("t", value=5, value_schema=INT64)
    both = run_both(java_stages, APACHE + "SetSchemaMetadata$Value", {"schema.name": "n"}, [record])
    assert both.theirs == [FAILED]
    assert both.ours == [typed_record(record.replace(value_schema=INT64.with_(name="n")))]


def test_a_masked_decimal_keeps_its_scale(java_stages: JavaStages) -> None:
    """Without it, Java's JSON converter refuses the record."""
    schema = struct({"price": decimal(2)})
    record = Record("t", value={"price": Decimal("12.30")}, value_schema=schema)
    both = run_both(java_stages, APACHE + "MaskField$Value", {"fields": "price"}, [record])
    assert both.theirs == [typed_record(record.replace(value={"price": Decimal("0")}))]
    assert both.ours == [typed_record(record.replace(value={"price": Decimal("0.00")}))]


def test_a_path_without_a_field_is_refused_with_the_config(java_stages: JavaStages) -> None:
    """Java fails with the first record."""
    both = run_both(java_stages, APACHE + "ExtractField$Value", {"field": "", **V2}, [Record("t", value={"a": 1})])
    assert (both.ours, both.theirs) == ([REFUSED], [FAILED])
