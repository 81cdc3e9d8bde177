"""EventRouter, where it differs from Debezium's and beyond single records; tests/compat compares the rest."""

from __future__ import annotations

import logging

import pytest

from headwater.connectors.debezium.envelope import CREATE, UPDATE, envelope, envelope_schema
from headwater.connectors.debezium.source_block import POSTGRES_SOURCE_SCHEMA
from headwater.transforms.event_router import EventRouter
from headwater.worker.api import (
    TIMESTAMP,
    ConfigError,
    DataError,
    Record,
    Schema,
    Type,
    array,
    primitive,
    struct,
)

from .configured import configured, from_text

TEXT = primitive(Type.STRING)
ROW = struct(
    {
        "id": TEXT,
        "aggregatetype": TEXT,
        "aggregateid": TEXT,
        "payload": primitive(Type.STRING, True),
        "at": primitive(Type.INT64, True, name=TIMESTAMP, version=1),
    },
    name="p.s.outbox.Value",
)
SCHEMA = envelope_schema("p.s.outbox", ROW, POSTGRES_SOURCE_SCHEMA)


def event(payload: str | None, route: str = "order", op: str = CREATE, schema: Schema | None = SCHEMA) -> Record:
    row = {"id": "e1", "aggregatetype": route, "aggregateid": "o1", "payload": payload, "at": 77}
    value = envelope(op, None, row, {"connector": "postgresql"}, 5_000_000)
    return Record("p.s.outbox", {"id": "e1"}, value, struct({"id": TEXT}), schema, version=9)


def routed(made: EventRouter, record: Record) -> Record:
    result = made.apply(record)
    assert result is not None
    return result


def test_an_event_on_a_topic_of_its_own() -> None:
    record = routed(configured(EventRouter), event('{"total": 5}'))
    assert (record.topic, record.key, record.value) == ("outbox.event.order", "o1", '{"total": 5}')
    assert [(h.name, h.value) for h in record.headers] == [("id", "e1")]
    assert (record.timestamp_ms, record.version) == (5_000, 9)


def test_payloads_of_one_shape_share_a_schema() -> None:
    made = configured(EventRouter, table_expand_json_payload="true")
    one, two = (routed(made, event(text)) for text in ('{"total": 5}', '{"total": 6}'))
    assert one.value_schema is two.value_schema and two.value == {"total": 6}


def test_each_route_has_a_schema_of_its_own() -> None:
    made = configured(EventRouter, table_fields_additional_placement="at:envelope")
    names = [routed(made, event("x", route)).value_schema for route in ("order", "customer", "order")]
    assert [schema and schema.name for schema in names] == [
        "p.s.outbox.order.Value", "p.s.outbox.customer.Value", "p.s.outbox.order.Value",
    ]  # fmt: skip
    assert names[0] is names[2]


def test_an_array_becomes_one() -> None:
    record = routed(configured(EventRouter, table_expand_json_payload="true"), event("[1, 2]"))
    assert (record.value, record.value_schema) == ([1, 2], array(primitive(Type.INT32, True), True))


@pytest.mark.parametrize(
    "text",
    ["{broken", "[]", '[1, "x"]', '{"a": [1, 5000000000]}', '{"": 1}', "[" * 100_000, f'{{"a": {"9" * 400}}}'],
)
def test_what_is_no_json_or_has_no_one_schema_stays_text(text: str, caplog: pytest.LogCaptureFixture) -> None:
    made = configured(EventRouter, table_expand_json_payload="true")
    for _ in range(2):
        assert routed(made, event(text)).value == text
    assert len(caplog.records) == 1 and text not in caplog.text


def test_events_without_schemas() -> None:
    made = configured(EventRouter, table_expand_json_payload="true", table_field_event_timestamp="at")
    record = routed(made, event('{"total": 5}', schema=None))
    assert (record.topic, record.key, record.value) == ("outbox.event.order", "o1", {"total": 5})
    assert (record.key_schema, record.value_schema, record.timestamp_ms) == (None, None, 77)


def test_a_timestamp_of_connect() -> None:
    assert routed(configured(EventRouter, table_field_event_timestamp="at"), event("x")).timestamp_ms == 77


def test_updates(caplog: pytest.LogCaptureFixture) -> None:
    made = configured(EventRouter, table_op_invalid_behavior="error")
    assert [made.apply(event("x", op=UPDATE)) for _ in range(3)] == [None] * 3
    assert [record.levelno for record in caplog.records] == [logging.ERROR]
    with pytest.raises(DataError, match=r"p\.s\.outbox: .*table\.op\.invalid\.behavior"):
        configured(EventRouter, table_op_invalid_behavior="fatal").apply(event("x", op=UPDATE))


def test_what_is_missing_is_named() -> None:
    with pytest.raises(DataError, match=r"p\.s\.outbox: EventRouter: there is no field body"):
        configured(EventRouter, table_field_event_payload="body").apply(event("x"))


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("table.fields.additional.placement", "a:nowhere"),
        ("route.topic.regex", "("),
        ("route.topic.replacement", "${nobody}"),
        ("tracing.operation.name", "x"),
        ("field.name.adjustment.mode", "avro"),
    ],
)
def test_wrong_options(name: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        from_text(EventRouter, {name: text})
    assert [problem.option for problem in caught.value.problems] == [name]
