"""ExtractNewRecordState, also against what Debezium 3.7.0.Final makes of the same events (the .jsonl file)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from headwater.connectors.debezium.envelope import CREATE, DELETE, TRUNCATE, UPDATE, envelope, envelope_schema
from headwater.connectors.debezium.source_block import POSTGRES_SOURCE_SCHEMA
from headwater.transforms.extract_new_record_state import ExtractNewRecordState
from headwater.worker.api import DataError, Field, Header, Record, Schema, Type, array, primitive, struct
from headwater.worker.convert.json import JsonConverter

PRINTED = [json.loads(line) for line in Path(__file__).with_name("extract_new_record_state.jsonl").open()]
TEXT = primitive(Type.STRING)
ROW = struct({"id": primitive(Type.INT32), "v": primitive(Type.STRING, True, default="dflt")}, name="p.s.t.Value")
KEY = struct({"id": primitive(Type.INT32), "v": primitive(Type.STRING, True)}, name="p.s.t.Key")
# the program that printed them had this shorter source block
SOURCE_FIELDS = (*POSTGRES_SOURCE_SCHEMA.fields[:9], Field("lsn", primitive(Type.INT64, True)))
SCHEMA = envelope_schema("p.s.t", ROW, POSTGRES_SOURCE_SCHEMA.with_(fields=SOURCE_FIELDS))
SOURCE = {"version": "1", "connector": "postgresql", "name": "p", "ts_ms": 5, "db": "d", "lsn": 77}
NULL, X = {"id": 1, "v": None}, {"id": 1, "v": "x"}
EVENTS = {
    "create": envelope(CREATE, None, NULL, SOURCE, 9000),
    "update": envelope(UPDATE, NULL, X, SOURCE, 9000),
    "delete": envelope(DELETE, NULL, None, SOURCE, 9000),
    "truncate": envelope(TRUNCATE, None, None, SOURCE, 9000),
    "tombstone": None,
}


def transform(**options: str) -> ExtractNewRecordState:
    made = ExtractNewRecordState()
    values, problems = made.options.parse({name.replace("_", "."): text for name, text in options.items()})
    assert not problems
    made.configure(values)
    return made


def event(name: str, schema: Schema | None = SCHEMA) -> Record:
    value = EVENTS[name]
    names = Header("drop", ["v", "__op"], array(TEXT))
    return Record("p.s.t", {"id": 1, "v": "kv"}, value, KEY, schema if value else None, (names,), 1, version=8)


def printed(schema: Schema | None, value: Any) -> str:
    converter = JsonConverter()
    converter.configure(JsonConverter.options.parse({})[0], is_key=False)
    data = converter.encoder("t", schema)(value)
    return "null" if data is None else data.decode()


@pytest.mark.parametrize("case", PRINTED, ids=lambda case: f"{case['event']} {case['options']}")
def test_as_debezium(case: dict[str, Any]) -> None:
    made = ExtractNewRecordState()
    made.configure(made.options.parse(case["options"])[0])
    record = made.apply(event(case["event"]))
    if case.get("dropped"):
        assert record is None
        return
    assert record is not None and record.version == 8
    assert record.topic == case["topic"]
    assert printed(record.key_schema, record.key) == case["key"]
    assert [[h.name, printed(h.schema, h.value)] for h in record.headers if h.name != "drop"] == case["headers"]
    if case["event"] == "delete" and case["value"].endswith('"payload":null}'):
        assert (record.value, record.value_schema) == (None, None)  # a real tombstone: see the module's first lines
    else:
        assert printed(record.value_schema, record.value) == case["value"]


def test_one_schema_for_all_rows() -> None:
    made = transform(delete_tombstone_handling_mode="rewrite", add_fields="op")
    records = [made.apply(event(name)) for name in ("create", "update", "delete", "create")]
    assert len({id(record.value_schema) for record in records if record}) == 1


def test_records_that_are_no_events_pass() -> None:
    made = transform(add_headers="op")
    for record in (Record("t", value={"id": 1}, value_schema=ROW), Record("t", value="x"), Record("t", value=[1])):
        assert made.apply(record) is record


def test_events_without_schemas() -> None:
    made = transform(
        delete_tombstone_handling_mode="rewrite", add_fields="op,lsn,nope", add_headers="op,ts_ms,transaction.id"
    )
    record = made.apply(event("update", None))
    assert record is not None and record.value_schema is None
    assert record.value == {"id": 1, "v": "x", "__deleted": "false", "__op": "u", "__lsn": 77}
    assert [(h.name, h.value) for h in record.headers[1:]] == [("__op", "u"), ("__ts_ms", "9")]
    assert made.apply(event("truncate", None)) is None


def test_a_delete_without_its_row() -> None:
    record = event("delete").replace(value=envelope(DELETE, None, None, SOURCE, 1))
    for mode in ("tombstone", "delete-to-tombstone"):
        deleted = transform(delete_tombstone_handling_mode=mode).apply(record)
        assert deleted is not None and deleted.value is None and deleted.key == record.key
    with pytest.raises(DataError, match=r"p\.s\.t: .*cannot be rewritten"):
        transform(delete_tombstone_handling_mode="rewrite").apply(record)


def test_the_list_of_fields_to_drop() -> None:
    made = transform(drop_fields_header_name="drop")
    for value in ('["v"]', b'["v"]', ["v"]):
        record = made.apply(event("update").replace(headers=(Header("drop", value),)))
        assert record is not None and record.value == {"id": 1}
    for headers in ((), (Header("drop", None),), (Header("drop", b"[]"),), (Header("drop", b'["id", "no"]'),)):
        record = made.apply(event("update").replace(headers=headers))
        assert record is not None and record.value == X
    with pytest.raises(DataError, match="not a list of names"):
        made.apply(event("update").replace(headers=(Header("drop", b"v"),)))
    record = made.apply(event("update", None))
    assert record is not None and record.value == {"id": 1}


def test_nothing_to_drop_of_an_equal_schema_of_another_object() -> None:
    made = transform(drop_fields_header_name="drop", drop_fields_from_key="true")
    header = Header("drop", ["id"])  # not optional, and so kept
    for key_schema in (KEY, KEY.with_(doc=None)):
        record = made.apply(event("update").replace(headers=(header,), key_schema=key_schema))
        assert record is not None and record.key == {"id": 1, "v": "kv"}


def test_wrong_routes() -> None:
    with pytest.raises(DataError, match="not a string"):
        transform(route_by_field="id").apply(event("update"))
    with pytest.raises(DataError, match="no field other"):
        transform(route_by_field="other").apply(event("update"))


def test_two_fields_of_one_name() -> None:
    with pytest.raises(DataError, match="two fields v"):
        transform(add_fields="op:v", add_fields_prefix="").apply(event("update"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("add.fields", "a.b.c"),
        ("add.headers", "a:b:c"),
        ("add.fields", "a:"),
        ("delete.tombstone.handling.mode", "none"),
        ("drop.tombstones", "false"),
        ("delete.handling.mode", "rewrite"),
    ],
)
def test_wrong_options(name: str, text: str) -> None:
    _, problems = ExtractNewRecordState.options.parse({name: text})
    assert [problem.option for problem in problems] == [name]


@pytest.mark.parametrize(
    ("mode", "kept"), [("tombstone", True), ("delete-to-tombstone", True), ("drop", False), ("rewrite", False)]
)
def test_a_sink_keeps_tombstones_whose_delete_may_be_compacted_away(mode: str, kept: bool) -> None:
    read = Record("t", {"id": 1}, None, partition=0, offset=7)
    made = transform(delete_tombstone_handling_mode=mode)
    assert made.apply(read) == (read if kept else None)
    assert made.apply(Record("t", {"id": 1}, None)) is None
