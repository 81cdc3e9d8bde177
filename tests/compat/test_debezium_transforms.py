"""Debezium's transforms: the results are those of the Java classes."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from headwater.connectors.debezium.envelope import CREATE, DELETE, READ, TRUNCATE, UPDATE, envelope, envelope_schema
from headwater.connectors.debezium.source_block import POSTGRES_SOURCE_SCHEMA
from headwater.worker.api import Header, Record, Schema, Type, array, decimal, primitive, struct

from .java_stages import JavaStages
from .stages_compared import run_both

pytestmark = pytest.mark.compat
TRANSFORMS = "io.debezium.transforms."
INT32, INT64, TEXT = primitive(Type.INT32), primitive(Type.INT64), primitive(Type.STRING)
NULL_TEXT = primitive(Type.STRING, True)
UUID = primitive(Type.STRING, name="io.debezium.data.Uuid", version=1)
JSON = primitive(Type.STRING, True, name="io.debezium.data.Json", version=1)
SOURCE = {"version": "1", "connector": "postgresql", "name": "p", "ts_ms": 5, "db": "d", "schema": "s", "table": "t"}


def check(java: JavaStages, name: str, config: dict[str, str], records: list[Record]) -> None:
    both = run_both(java, TRANSFORMS + name, config, records)
    pairs = enumerate(zip(both.ours, both.theirs, strict=False))
    different = [(number, ours, theirs) for number, (ours, theirs) in pairs if ours != theirs]
    assert not different, both.errors
    assert len(both.ours) == len(both.theirs), both.errors


def event(row: Schema, op: str, before: Any, after: Any, topic: str = "p.s.t", **changes: Any) -> Record:
    key_schema = struct({row.fields[0].name: row.fields[0].schema}, name=f"{topic}.Key")
    key = {row.fields[0].name: (after or before or {}).get(row.fields[0].name)}
    schema = envelope_schema(topic, row, POSTGRES_SOURCE_SCHEMA)
    made = envelope(op, before, after, SOURCE, 9_000_000)
    return Record(topic, key, made, key_schema, schema, (Header("was", "there", TEXT),), 3).replace(**changes)


OUTBOX = struct(
    {
        "id": UUID,
        "aggregatetype": NULL_TEXT,
        "aggregateid": primitive(Type.STRING, True, default="nobody"),
        "type": NULL_TEXT,
        "payload": JSON,
        "at": primitive(Type.INT64, True, name="io.debezium.time.MicroTimestamp", version=1),
        "nano": primitive(Type.INT64, True, name="io.debezium.time.NanoTimestamp", version=1),
        "plain": primitive(Type.INT64, True),
        "version": primitive(Type.INT32, True),
        "part": primitive(Type.INT32, True, default=7),
        "price": decimal(2, None, True),
    },
    name="p.s.outbox.Value",
)


def outbox(payload: Any = '{"a": 1}', op: str = CREATE, route: Any = "Order", **fields: Any) -> Record:
    row = {"id": "u-1", "aggregatetype": route, "aggregateid": "o1", "type": "made", "payload": payload, "at": -1_500}
    row |= {"nano": 1_999_999, "plain": 4, "version": 2, "part": None, "price": None} | fields
    return event(OUTBOX, op, row if op in (UPDATE, DELETE) else None, None if op == DELETE else row, "p.s.outbox")


OUTBOX_RECORDS = [
    outbox(),
    outbox(None, READ),
    outbox("", aggregateid=None),
    outbox(" \t", at=None),
    outbox(route=None),
    outbox(route="a b"),
    outbox(op=DELETE),
    outbox(op=UPDATE),
    event(OUTBOX, TRUNCATE, None, None),
    Record("t", None, None, None, None),
    Record("t", "k", {"op": "c"}, TEXT, struct({"op": TEXT}, name="other")),
    Record("t", "k", "text", TEXT, TEXT),
]
OUTBOX_CONFIGS: list[dict[str, str]] = [
    {},
    {"route.tombstone.on.empty.payload": "true"},
    {"table.fields.additional.placement": "type:header:eventType,part:header,price:header"},
    {"table.fields.additional.placement": "type:envelope,price:envelope:cost,part:envelope"},
    {
        "table.fields.additional.placement": "type:envelope, version:partition",
        "table.field.event.schema.version": "version",
    },
    {"table.fields.additional.placement": "part:partition"},
    {"table.fields.additional.placement": "id:partition"},
    {"table.fields.additional.placement": "no:header"},
    {"table.fields.additional.placement": "no:envelope"},
    {"table.fields.additional.placement": "no:partition"},
    {"table.fields.additional.placement": "no:header,type:envelope", "table.field.additional.missing": "ignore"},
    {"table.fields.additional.placement": "no:header:a:b"},
    {"table.fields.additional.placement": "type"},
    {"table.field.event.timestamp": "at"},
    {"table.field.event.timestamp": "nano"},
    {"table.field.event.timestamp": "plain"},
    {"table.field.event.timestamp": "no"},
    {"table.field.event.id": "type"},
    {"table.field.event.id": "no"},
    {"table.field.event.key": "part"},
    {"table.field.event.key": "no"},
    {"table.field.event.payload": "price"},
    {"table.field.event.payload": "no"},
    {"route.by.field": "type"},
    {"route.by.field": "part"},
    {"route.by.field": "no"},
    {"route.topic.regex": "(?<x>O.*)er", "route.topic.replacement": "t-${x}"},
    {"route.topic.regex": "(.*)er", "route.topic.replacement": "$1$1"},
    {"route.topic.regex": "(.*"},
    {"table.op.invalid.behavior": "error"},
    {"table.op.invalid.behavior": "fatal"},
    {"table.op.invalid.behavior": "no"},
]


@pytest.mark.parametrize("config", OUTBOX_CONFIGS, ids=str)
def test_event_router(java_stages: JavaStages, config: dict[str, str]) -> None:
    # The schema that Debezium makes for one route it uses for the others too: one route here where that shows.
    several = "envelope" not in config.get("table.fields.additional.placement", "")
    records = [record for record in OUTBOX_RECORDS if several or "a b" not in str(record.value)]
    check(java_stages, "outbox.EventRouter", config, records)


PAYLOADS = [
    '{"a": 1, "b": "x", "c": true, "d": 1.5, "e": 5000000000, "f": null, "g": [], "h": {}}',
    '{"a": {"b": {"c": [1, 2, null]}, "d": [{"e": 1}, {"e": 2}]}}',
    '{"a": [[1], [2]], "b": [null, "x"], "c": [1.5, 2.5]}',
    '{"a": [{"x": null, "y": 1}, {"x": null, "y": 1}]}',
    '{"": 1, "with space": 2, "dot.dot": 3}',
    '{"a": 1, "a": "twice"}',
    "{}",
    '{"a": "\\u00e9\\ud83d\\ude00"}',
    "",
    None,
    "text",
    "{broken",
    '{"a": NaN}',
    '{"a": -2147483648, "b": 2147483648, "c": 9223372036854775807, "d": 1e3}',
]


@pytest.mark.parametrize(
    "config",
    [
        {},
        {"table.json.payload.null.behavior": "optional_bytes"},
        {"table.json.payload.empty.array.behavior": "optional_string"},
        {"table.fields.additional.placement": "type:envelope"},
    ],
    ids=str,
)
def test_event_router_expands_json(java_stages: JavaStages, config: dict[str, str]) -> None:
    records = [outbox(payload) for payload in PAYLOADS]
    check(java_stages, "outbox.EventRouter", {"table.expand.json.payload": "true", **config}, records)


def zoned(name: str) -> Schema:
    return primitive(Type.STRING, True, name=f"io.debezium.time.{name}", version=1)


def number(name: str, type: Type = Type.INT64) -> Schema:
    return primitive(type, True, name=f"io.debezium.time.{name}", version=1)


TIMES = struct(
    {
        "id": INT32,
        "zts": zoned("ZonedTimestamp"),
        "ms": number("Timestamp"),
        "us": primitive(Type.INT64, True, name="io.debezium.time.MicroTimestamp", version=1, default=1_000_000),
        "ns": number("NanoTimestamp"),
        "connect": primitive(Type.INT64, True, name="org.apache.kafka.connect.data.Timestamp", version=1),
        "date": number("Date", Type.INT32),
        "time": number("MicroTime"),
        "plain": primitive(Type.INT64, True),
    },
    name="p.s.t.Value",
)
MOMENTS = [0, 1, -1, 1_700_000_000, 1_711_850_400, 1_711_848_600, 1_729_987_200, 1_711_854_000, -5_000_000_000,
           4_102_444_800, 9_000_000_000, 253_402_300_800, -62_135_596_800, -2_717_650_800]  # fmt: skip


def times(seconds: int, text: str | None = None, topic: str = "p.s.t", **changes: Any) -> Record:
    row = {"id": 1, "zts": text, "ms": seconds * 1000 + 7, "us": seconds * 1_000_000 + 7}
    row |= {"ns": seconds * 1_000_000_000 + 7 if abs(seconds) < 9_000_000_000 else None, "connect": seconds * 1000 + 7}
    row |= {"date": 5, "time": 5, "plain": 5}
    return event(TIMES, UPDATE, row | {"us": None}, row, topic, **changes)


TIME_RECORDS = [
    *(times(seconds) for seconds in MOMENTS),
    times(0, "2024-03-31T01:30:00Z"),
    times(0, "2024-03-31T02:30:00.100+02:00"),
    times(0, "2024-10-27T02:30:00.123456789Z"),
    times(0, "2024-10-27T00:30:00-05:30"),
    times(0, "1850-01-01T00:00:00.5Z"),
    times(0, "2100-07-01T12:00:00Z", "other"),
    times(0, "text"),
    event(TIMES, DELETE, {"id": 1}, None),
    Record("p.s.t", None, None),
    Record("p.s.t", None, {"a": 1}, None, struct({"a": INT32})),
]
TIME_CONFIGS: list[dict[str, str]] = [
    *({"converted.timezone": zone} for zone in ("Europe/Berlin", "America/New_York", "+08:00", "-03:30:15", "UTC")),
    *({"converted.timezone": zone} for zone in ("Asia/Kathmandu", "Australia/Lord_Howe")),
    {"include.list": "source:t"},
    {"include.list": "source:t:ms"},
    {"include.list": "source:other:ms"},
    {"include.list": "topic:other"},
    {"include.list": "topic:p.s.t:before.ms"},
    {"include.list": "topic:p.s.t:after.ms, topic:other"},
    {"include.list": "p.s.t:zts"},
    {"include.list": "t:source.ts_ms"},
    {"include.list": "source:t:source.ts_ms,t:us"},
    {"exclude.list": "source:t"},
    {"exclude.list": "source:t:ms"},
    {"exclude.list": "topic:other"},
    {"exclude.list": "topic:other:before.ms"},
    {"exclude.list": "t:source.ts_ms"},
    {"exclude.list": "t:ms", "include.list": "t:us"},
    {"include.list": "t"},
    {"include.list": "a:b:c:d"},
    {"include.list": "t-x:ms"},
    {"converted.timezone": "Nowhere/City"},
    {"converted.timezone": "+8"},
]  # fmt: skip


@pytest.mark.parametrize("config", TIME_CONFIGS, ids=str)
def test_timezone_converter(java_stages: JavaStages, config: dict[str, str]) -> None:
    check(java_stages, "TimezoneConverter", {"converted.timezone": "Europe/Berlin", **config}, TIME_RECORDS)


WIDE = struct(
    {
        "id": INT32,
        "text": NULL_TEXT,
        "long": primitive(Type.INT64, True),
        "short": primitive(Type.INT16, True, default=3),
        "byte": primitive(Type.INT8, True),
        "yes": primitive(Type.BOOLEAN, True),
        "float": primitive(Type.FLOAT32, True),
        "double": primitive(Type.FLOAT64, True),
        "price": decimal(2, None, True),
        "connect": primitive(Type.INT64, True, name="org.apache.kafka.connect.data.Timestamp", version=1),
        "day": primitive(Type.INT32, True, name="org.apache.kafka.connect.data.Date", version=1),
        "dbz_day": number("Date", Type.INT32),
    },
    name="p.s.t.Value",
)


def wide(op: str = CREATE, **fields: Any) -> Record:
    row = {
        "id": 1,
        "text": "é😀x",
        "long": -(2**40),
        "short": None,
        "byte": -5,
        "yes": True,
        "float": -1.5,
        "double": 0.1,
    }
    row |= {"price": Decimal("-12345678901234567890.12"), "connect": -1, "day": 20_000, "dbz_day": -3} | fields
    return event(WIDE, op, row if op in (UPDATE, DELETE) else None, None if op == DELETE else row)


WIDE_RECORDS = [
    wide(),
    wide(READ, text="", long=0, price=Decimal("1.10"), yes=False),
    wide(UPDATE, text="0123456789abcdefghijklmnopqrstuvwxyz", price=Decimal("-0.01"), double=float("nan")),
    wide(DELETE, text="a", long=2**63 - 1, price=Decimal("92233720368547758.08")),
    *(wide(text="ü" * length) for length in range(12)),
    event(WIDE, TRUNCATE, None, None),
    Record("t", "k", None, TEXT),
    Record("t", "k", {"a": 1}, TEXT, struct({"a": INT32})),
]
HASHED = [field.name for field in WIDE.fields]


@pytest.mark.parametrize("function", ["java", "murmur"])
@pytest.mark.parametrize(
    "fields",
    [*(f"change.{name}" for name in HASHED), "op", "source.table", "after.id", "change.no", "no.id", "op.x", "no",
     "change.id, change.text,source.table", "change.text,no"],
)  # fmt: skip
def test_partition_routing(java_stages: JavaStages, fields: str, function: str) -> None:
    config = {"partition.payload.fields": fields, "partition.topic.num": "1000", "partition.hash.function": function}
    check(java_stages, "partitions.PartitionRouting", config, WIDE_RECORDS)


@pytest.mark.parametrize("partitions", ["0", "-1", "x"])
def test_partition_routing_refused(java_stages: JavaStages, partitions: str) -> None:
    config = {"partition.payload.fields": "op", "partition.topic.num": partitions}
    check(java_stages, "partitions.PartitionRouting", config, WIDE_RECORDS)


ROUTED = [
    wide(UPDATE),
    wide(DELETE),
    wide().replace(key=None, key_schema=None),
    wide().replace(topic="other"),
    wide().replace(topic="9-shard.1"),
    Record("p.s.t", {"id": 1}, None, struct({"id": INT32}, name="K", version=3, optional=True, doc="d"), None),
    Record("p.s.t", {"id": 1}, {"a": 1}, struct({"id": INT32}), struct({"a": INT32})),
    Record("p.s.t", "text", None, TEXT),
    Record("p.s.t", None, {"a": 1}),
]


@pytest.mark.parametrize("name", ["ByLogicalTableRouter", "ToLogicalTopicRouter"])
@pytest.mark.parametrize(
    "config",
    [
        {"topic.regex": r"p\.(.*)", "topic.replacement": "all-$1"},
        {"topic.regex": ".*", "topic.replacement": "9all.x-y_z"},
        {"topic.regex": "(.*)", "topic.replacement": "$1", "schema.name.adjustment.mode": "avro"},
        {"topic.regex": "(.*)", "topic.replacement": "a_$1-b", "schema.name.adjustment.mode": "avro_unicode"},
        {"topic.regex": "p.*", "topic.replacement": ""},
        {"topic.regex": "p.*", "topic.replacement": "x", "key.enforce.uniqueness": "false"},
        {"topic.regex": "p.*", "topic.replacement": "x", "key.field.name": "origin"},
        {"topic.regex": ".*", "topic.replacement": "x", "key.field.regex": r"p\.(.*)", "key.field.replacement": "$1"},
        {"topic.regex": ".*", "topic.replacement": "x", "key.field.regex": "p(.*)"},
        {"topic.regex": "(.*", "topic.replacement": "x"},
        {"topic.regex": ".*"},
        {"topic.replacement": "x"},
    ],
    ids=str,
)
def test_logical_routers(java_stages: JavaStages, name: str, config: dict[str, str]) -> None:
    one_topic = config.get("topic.replacement", "x").isalnum()  # a key's new schema is kept there for other topics too
    records = ROUTED if one_topic else [record for record in ROUTED if record.topic == "p.s.t"]
    check(java_stages, name, config, records)


HEADED = [
    Header("h1", "one", TEXT),
    Header("h2", 2, INT32),
    Header("h3", None, NULL_TEXT),
    Header("h1", "again", TEXT),
]
INNER = struct({"x": INT32}, name="inner", optional=True, version=4)
OUTER = struct({"id": INT32, "s": INNER, "d": primitive(Type.STRING, True, default="dflt")}, name="outer", version=2)


@pytest.mark.parametrize("operation", ["move", "copy"])
@pytest.mark.parametrize(
    "fields",
    ["a,b,c", "id2,s.y,new.z", "s.a,s.b,s.c", "new.a,new.b,new.c", "d,b,c", "a,id,c", "a,id.x,b", "a,b", "a a,b,c"],
)
def test_header_to_value(java_stages: JavaStages, fields: str, operation: str) -> None:
    value = {"id": 1, "s": {"x": 5}, "d": None}
    headers = tuple(HEADED[: 3 if fields.startswith("new") else 4])  # twice in a new struct, Debezium fails
    records = [
        Record("t", "k", value, TEXT, OUTER, headers),
        Record("t", "k", value | {"s": None}, TEXT, OUTER, headers),
        Record("t", "k", value, TEXT, OUTER, (Header("other", "x", TEXT),)),
        Record("t", "k", None, TEXT, None, tuple(HEADED)),
        Record("t", "k", "text", TEXT, TEXT, tuple(HEADED)),
    ]
    config = {"headers": "h1,h2,h3", "fields": fields, "operation": operation}
    check(java_stages, "HeaderToValue", config, records)


UNWRAP_CONFIGS: list[dict[str, str]] = [
    {},
    *({"delete.tombstone.handling.mode": mode} for mode in ("drop", "rewrite", "rewrite-with-tombstone")),
    {"delete.tombstone.handling.mode": "rewrite", "replace.null.with.default": "false"},
    {"add.fields": "op,table,lsn,ts_ms,source.ts_ms,transaction.id,id,no"},
    {"add.fields": "op:what,source.db:where", "add.fields.prefix": ""},
    {"add.fields": "op,db", "delete.tombstone.handling.mode": "rewrite", "add.fields.prefix": "x."},
    {"add.headers": "op,ts_us,source.schema,transaction.total_order,no", "add.headers.prefix": "h_"},
    {"add.headers": "op:what", "delete.tombstone.handling.mode": "rewrite-with-tombstone"},
    {"route.by.field": "text"},
    {"route.by.field": "id"},
    {"route.by.field": "no"},
    {"drop.fields.header.name": "drop"},
    {"drop.fields.header.name": "drop", "drop.fields.from.key": "true"},
    {"drop.fields.header.name": "drop", "drop.fields.keep.schema.compatible": "false"},
    {"drop.fields.header.name": "drop", "drop.fields.from.key": "true", "drop.fields.keep.schema.compatible": "false"},
    {"drop.fields.header.name": "absent"},
    {"delete.tombstone.handling.mode": "none"},
]
"""The mode `tombstone` is left out of the deletes here: Headwater's are real ones (docs/transforms.md)."""


@pytest.mark.parametrize("config", UNWRAP_CONFIGS, ids=str)
def test_extract_new_record_state(java_stages: JavaStages, config: dict[str, str]) -> None:
    named = (Header("drop", ["text", "id", "short", "no"], array(TEXT)), Header("was", "there", TEXT))
    records = [
        *(wide(op) for op in (CREATE, READ, UPDATE)),
        wide(text="elsewhere", short=None),
        wide(text=" "),
        event(WIDE, TRUNCATE, None, None),
        Record("p.s.t", {"id": 1}, None, struct({"id": INT32})),
        Record("p.s.t", "k", {"a": 1}, TEXT, struct({"a": INT32})),
        Record("p.s.t", "k", "text", TEXT, TEXT),
    ]
    if "delete.tombstone.handling.mode" in config:
        records += [wide(DELETE), wide(DELETE, short=None)]
    check(java_stages, "ExtractNewRecordState", config, [record.replace(headers=named) for record in records])
