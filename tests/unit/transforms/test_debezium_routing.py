"""PartitionRouting and the logical routers, where they differ from Debezium's; tests/compat compares the rest."""

from __future__ import annotations

from decimal import Decimal

import pytest

from headwater.connectors.debezium.envelope import CREATE, DELETE, envelope, envelope_schema
from headwater.connectors.debezium.source_block import POSTGRES_SOURCE_SCHEMA
from headwater.transforms.java_hash import java_hash, murmur_hash
from headwater.transforms.logical_router import ByLogicalTableRouter, ToLogicalTopicRouter
from headwater.transforms.partition_routing import PartitionRouting
from headwater.worker.api import DATE, ConfigError, DataError, Record, Type, array, primitive, struct

from .configured import configured, from_text

INT, TEXT = primitive(Type.INT32), primitive(Type.STRING)
ROW = struct({"id": INT, "city": TEXT, "data": primitive(Type.BYTES, True)}, name="p.s.t.Value")
SCHEMA = envelope_schema("p.s.t", ROW, POSTGRES_SOURCE_SCHEMA)


def event(op: str = CREATE, topic: str = "p.s.t", offset: int | None = None) -> Record:
    row = {"id": 1, "city": "Oslo", "data": b"x"}
    before, after = (row, None) if op == DELETE else (None, row)
    return Record(topic, {"id": 1}, envelope(op, before, after, {}, 5), struct({"id": INT}), SCHEMA, offset=offset)


def test_change_is_the_row_that_there_is() -> None:
    made = configured(PartitionRouting, partition_payload_fields="change.city", partition_topic_num="7")
    partitions = {made.apply(record).partition for record in (event(), event(DELETE), event(offset=3))}
    assert partitions == {java_hash("Oslo", TEXT) % 7}


def test_bytes_have_no_hash_in_java() -> None:
    made = configured(PartitionRouting, partition_payload_fields="after.data", partition_topic_num="7")
    with pytest.raises(DataError, match=r"p\.s\.t: PartitionRouting: .*BYTES has no hash"):
        made.apply(event())


def test_wrong_options() -> None:
    for name, text in (("partition.hash.function", "md5"), ("partition.topic.num", "0")):
        options = {"partition.payload.fields": "op", "partition.topic.num": "1", name: text}
        with pytest.raises(ConfigError, match=name):
            from_text(PartitionRouting, options)


@pytest.mark.parametrize(
    ("value", "hashed"),
    [("", 0), ("hello", 99162322), ("😀", 1772899), (1.5, 1073217536), (Decimal("1.10"), 3412), (True, 1231)],
)
def test_hashes_of_java(value: object, hashed: int) -> None:
    """Printed by JDK 17."""
    assert java_hash(value, None) == hashed


def test_hashes_by_schema() -> None:
    assert java_hash(1, primitive(Type.INT32, name=DATE)) == 86_400_000
    assert java_hash(-1, INT) == -1 and java_hash(-1, primitive(Type.INT64)) == 0
    assert java_hash(["a", None], array(TEXT)) == (31 + 97) * 31
    assert murmur_hash(b"abc", None) == murmur_hash("abc", None)


def test_one_topic_of_several_tables() -> None:
    made = configured(ByLogicalTableRouter, topic_regex=r"p\.(s.)\.t", topic_replacement="p.all.t")
    one, two = (made.apply(event(topic=f"p.s{n}.t")) for n in (1, 2))
    assert one.topic == two.topic == "p.all.t"
    assert two.key == {"id": 1, "__dbz__physicalTableIdentifier": "p.s2.t"}
    assert one.value_schema is two.value_schema and one.value_schema is not None
    assert one.value_schema.name == "p.all.t.Envelope"


def test_topics_of_one_schema_get_schemas_of_their_own() -> None:
    made = configured(ToLogicalTopicRouter, topic_regex=".*(.)", topic_replacement="t$1")
    names = [made.apply(event(topic=topic)).value_schema for topic in ("a1", "a2")]
    assert [schema and schema.name for schema in names] == ["t1.Envelope", "t2.Envelope"]


def test_keys_without_schemas_and_keys_that_hold_the_field() -> None:
    made = configured(ToLogicalTopicRouter, topic_regex=".*", topic_replacement="x", key_field_name="id")
    assert made.apply(Record("t", {"k": 1})).key == {"k": 1, "id": "t"}
    with pytest.raises(DataError, match="have a field id already"):
        made.apply(event())
    with pytest.raises(DataError, match="no struct"):
        made.apply(Record("t", "k", None, TEXT))
