"""Envelopes, source blocks, placeholders, names of topics, and the sinks' look at a record."""

from __future__ import annotations

import pytest

from headwater.connectors.debezium import names
from headwater.connectors.debezium.change import Change, change_of
from headwater.connectors.debezium.envelope import CREATE, DELETE, UPDATE, envelope, envelope_schema, is_envelope
from headwater.connectors.debezium.placeholder import (
    NO_PLACEHOLDER,
    UNAVAILABLE_VALUE,
    Placeholder,
    is_placeholder,
)
from headwater.connectors.debezium.source_block import POSTGRES_SOURCE_SCHEMA, SNAPSHOT_LAST, source_blocks
from headwater.connectors.debezium.topics import data_topic, heartbeat_topic, transaction_topic, valid_topic
from headwater.worker.api import DataError, Record, Schema, Type, array, decimal, mapping, primitive, struct

ROW = struct({"id": primitive(Type.INT32)}, name="p.s.t.Value")
SCHEMA = envelope_schema("p.s.t", ROW, POSTGRES_SOURCE_SCHEMA)
SOURCE = source_blocks("1", "p", "d")("s", "t", 1_234_567, 20, 5, 10)


def test_source_block() -> None:
    assert list(SOURCE) == [field.name for field in POSTGRES_SOURCE_SCHEMA.fields]
    assert SOURCE["ts_ms"] == 1234 and SOURCE["ts_us"] == 1_234_567 and SOURCE["ts_ns"] == 1_234_567_000
    assert SOURCE["sequence"] == '["10","20"]' and SOURCE["snapshot"] == "false"
    snapshot = source_blocks("1", "p", "d")("s", "t", -1, 20, snapshot=SNAPSHOT_LAST)
    assert snapshot["sequence"] == '[null,"20"]' and snapshot["ts_ms"] == -1 and snapshot["snapshot"] == "last"


def test_envelope_has_the_order_of_its_schema() -> None:
    event = envelope(CREATE, None, {"id": 1}, SOURCE, 5000)
    assert list(event) == [field.name for field in SCHEMA.fields]
    assert (event["ts_ms"], event["ts_us"], event["ts_ns"]) == (5, 5000, 5_000_000)


def test_is_envelope() -> None:
    event = envelope(CREATE, None, {"id": 1}, SOURCE, 5000)
    assert is_envelope(SCHEMA, event) and is_envelope(None, event)
    assert not is_envelope(ROW, {"op": "c", "source": {}, "after": {}})
    assert not is_envelope(SCHEMA, None)
    assert not is_envelope(None, {"op": "c"}) and not is_envelope(None, 5)
    assert not is_envelope(None, {"op": "x", "source": {}, "after": {}})


@pytest.mark.parametrize("schema", [SCHEMA, None])
def test_changes_of_events(schema: Schema | None) -> None:
    row_schema = schema and schema.get("after")

    def of(op: str, before: dict[str, int] | None, after: dict[str, int] | None) -> Change:
        return change_of(Record("t", value=envelope(op, before, after, SOURCE, 1), value_schema=schema))

    assert of(UPDATE, {"id": 1}, {"id": 2}) == (UPDATE, {"id": 1}, {"id": 2}, SOURCE, row_schema)
    assert of(DELETE, {"id": 1}, None) == (DELETE, {"id": 1}, None, SOURCE, row_schema)
    assert of(DELETE, {"id": 1}, None).deletes
    with pytest.raises(DataError, match=r"t: the change event has op 'c'"):
        of(CREATE, None, None)


def test_changes_of_flat_records() -> None:
    assert change_of(Record("t", value={"id": 1}, value_schema=ROW)) == (UPDATE, None, {"id": 1}, None, ROW)
    assert change_of(Record("t", value=None, value_schema=ROW)).deletes
    with pytest.raises(DataError, match="t-0@7: the value is a str"):
        change_of(Record("t", value="x", partition=0, offset=7))
    broken = envelope("x", None, {"id": 1}, SOURCE, 1)
    with pytest.raises(DataError, match="unknown operation 'x'"):
        change_of(Record("t", value=broken, value_schema=SCHEMA))


TEXT = primitive(Type.STRING)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        (TEXT, UNAVAILABLE_VALUE),
        (names.semantic(names.JSON), UNAVAILABLE_VALUE),
        (primitive(Type.BYTES), UNAVAILABLE_VALUE.encode()),
        (mapping(TEXT, TEXT), {UNAVAILABLE_VALUE: UNAVAILABLE_VALUE}),
        (array(TEXT), [UNAVAILABLE_VALUE]),
        (array(primitive(Type.BYTES)), [UNAVAILABLE_VALUE.encode()]),
        (array(primitive(Type.INT32)), list(UNAVAILABLE_VALUE.encode())),
        (array(primitive(Type.INT64)), list(UNAVAILABLE_VALUE.encode())),
        # printed by java.util.UUID.nameUUIDFromBytes
        (array(names.semantic(names.UUID)), ["b68a35a7-17ad-35b3-af2a-ae46edb4545a"]),
    ],
)
def test_placeholders(schema: Schema, value: object) -> None:
    assert Placeholder().of(schema) == value
    assert is_placeholder(value)
    other = Placeholder("gone")
    assert other.matches(other.of(schema)) and not other.matches(value)


def test_values_that_are_no_placeholders() -> None:
    for schema in (decimal(2), array(primitive(Type.FLOAT64)), primitive(Type.INT32), names.bits(3), SCHEMA):
        assert Placeholder().of(schema) is NO_PLACEHOLDER
    for value in (None, 5, "x", b"x", [], [1], {}, {UNAVAILABLE_VALUE: "x"}, [UNAVAILABLE_VALUE] * 2):
        assert not is_placeholder(value)
    assert is_placeholder(f'{{"{UNAVAILABLE_VALUE}":"{UNAVAILABLE_VALUE}"}}')


def test_topics() -> None:
    assert data_topic("shop", "public", "orders") == "shop.public.orders"
    assert data_topic("shop", "pub lic", "ördérs\U0001f600") == "shop.pub_lic._rd_rs__"
    assert data_topic("shop", "public", "orders", "_") == "shop_public_orders"
    assert valid_topic("..") == "__" and valid_topic(".") == "_" and len(valid_topic("x" * 300)) == 249
    assert heartbeat_topic("shop") == "__debezium-heartbeat.shop"
    assert transaction_topic("shop") == "shop.transaction"
