"""A task of KafkaSink on a real broker."""

from __future__ import annotations

import itertools
import os
from typing import Any

import pytest

from headwater.connectors.kafka.naming import COPIED_HEADER, WRITTEN_HEADER
from headwater.connectors.kafka.sink import KafkaSinkConnector
from headwater.worker.api import DataError, Fatal, Header, Record, TopicPartition, Type, Values, primitive
from tests.servers.kafka import KafkaServer
from tests.sink_task import SinkTask
from tests.topic_contents import on_broker

pytestmark = pytest.mark.system
_numbers = itertools.count(1)
BYTES = primitive(Type.BYTES, optional=True)
FROM = TopicPartition("local", 0)
OLD = 1_700_000_000_000
"""The shared broker looks for old records all the time."""


def values(kafka: KafkaServer, **options: str) -> Values:
    raw = {"target.bootstrap.servers": kafka.bootstrap}
    raw |= {name.replace("_", "."): text for name, text in options.items()}
    parsed, problems = KafkaSinkConnector.options.parse(raw)
    assert not problems, problems
    return parsed


def name() -> str:
    return f"written-{os.getpid()}-{next(_numbers)}"


def record(offset: int, key: bytes | None, value: bytes | None, **more: Any) -> Record:
    return Record("local", key, value, BYTES, BYTES, partition=0, offset=offset, origin="local", **more)


def test_records_are_written_with_all_they_have(kafka: KafkaServer) -> None:
    topic = name()
    options = {"topic": topic, "target_partitions": "2", "target_topic_segment_ms": "86400000"}
    with SinkTask(KafkaSinkConnector().task(), values(kafka, **options, keep_partitions="true"), FROM) as task:
        headers = (
            Header("app", b"x"), Header("none", None), Header("headwater.version", b"1"),
            Header("yes", True, primitive(Type.BOOLEAN)),
        )  # fmt: skip
        offsets = task.put(record(0, b"k", b"v", headers=headers, version=42, timestamp_ms=OLD), record(1, b"k", None))
        assert offsets == {FROM: 2}
    first, second = on_broker(kafka.bootstrap, topic)
    assert (first.key(), first.value(), first.partition()) == (b"k", b"v", 0)
    assert first.headers() == [("app", b"x"), ("none", None), ("yes", b"true"), ("headwater.version", b"42")]
    assert first.timestamp()[1] == OLD
    assert (second.key(), second.value()) == (b"k", None)


def test_a_record_that_is_too_large_is_handed_over(kafka: KafkaServer) -> None:
    topic = name()
    with SinkTask(
        KafkaSinkConnector().task(), values(kafka, topic=topic, target_topic_max_message_bytes="1000"), FROM
    ) as task:
        task.put(record(0, b"a", b"small"), record(1, b"b", os.urandom(5000)), record(2, b"c", b"small"))
        [(bad, error)] = task.bad
    assert bad.offset == 1 and isinstance(error, DataError)
    assert [message.key() for message in on_broker(kafka.bootstrap, topic)] == [b"a", b"c"]


def test_data_is_written_through_a_converter(kafka: KafkaServer) -> None:
    topic = name()
    options = {"target_value_converter": "JsonConverter", "target_value_converter_schemas_enable": "false"}
    with SinkTask(KafkaSinkConnector().task(), values(kafka, topic=topic, **options), FROM) as task:
        task.put(Record("local", b"k", {"a": 1}, BYTES, None, partition=0, offset=0))
    assert [message.value() for message in on_broker(kafka.bootstrap, topic)] == [b'{"a":1}']


def test_a_topic_that_feeds_itself_is_noticed(kafka: KafkaServer) -> None:
    topic = name()
    partition = TopicPartition(topic, 0)
    own = Record(topic, b"k", b"v", BYTES, BYTES, partition=0, offset=0, origin=topic)
    with SinkTask(KafkaSinkConnector().task(), values(kafka, topic="${topic}"), partition) as task:
        task.put(own)
    [message] = on_broker(kafka.bootstrap, topic)
    [(header, cluster)] = message.headers() or []
    assert header == WRITTEN_HEADER
    with SinkTask(KafkaSinkConnector().task(), values(kafka, topic="${topic}"), partition) as task:
        task.put(Record(topic, b"k", b"v", BYTES, BYTES, partition=0, offset=0, origin="local"))
        read_there = (Header(COPIED_HEADER, cluster),)  # by a source: this is its way on
        task.put(own.replace(offset=1, headers=read_there))
        with pytest.raises(Fatal, match="copied into itself"):
            task.put(own.replace(offset=2, headers=(Header(WRITTEN_HEADER, cluster),)))
