"""Another cluster, whose topics are read and written."""

from __future__ import annotations

import json
import secrets
from collections.abc import Sequence
from contextlib import closing

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from headwater.worker.api import Record
from headwater.worker.testing import Row, SinkDriver, SourceDriver

PATIENCE_S = 60.0
BYTES = "org.apache.kafka.connect.converters.ByteArrayConverter"


class KafkaSourceDriver(SourceDriver):
    """A topic of one partition."""

    connector_class = "KafkaSource"

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap, self._topic = bootstrap, f"read-{secrets.token_hex(6)}"
        admin = AdminClient({"bootstrap.servers": bootstrap})
        admin.create_topics([NewTopic(self._topic, 1, 1)])[self._topic].result(PATIENCE_S)

    def config(self, name: str) -> dict[str, str]:
        return {
            "source.bootstrap.servers": self._bootstrap,
            "topics": self._topic,
            "topic": name,
            "key.converter": BYTES,
            "value.converter": BYTES,
        }

    def put(self, numbers: Sequence[int]) -> None:
        refused: list[object] = []
        producer = Producer({"bootstrap.servers": self._bootstrap, "enable.idempotence": "true"})
        for number in numbers:
            producer.produce(
                self._topic, str(number), on_delivery=lambda error, _: refused.append(error) if error else None
            )
        assert producer.flush(PATIENCE_S) == 0, "the broker takes no records"
        assert not refused, refused

    def number(self, record: Record) -> int | None:
        return int(record.value)


class KafkaSinkDriver(SinkDriver):
    connector_class = "KafkaSink"
    appends = True

    def __init__(self, bootstrap: str) -> None:
        self._bootstrap, self._prefix = bootstrap, secrets.token_hex(6)

    def config(self, target: str) -> dict[str, str]:
        return {
            "target.bootstrap.servers": self._bootstrap,
            "topic": f"{self._prefix}-{target}",
            "target.partitions": "1",
            "target.topic.retention.ms": "-1",  # the suite's records are old
            "target.key.converter": "JsonConverter",
            "target.value.converter": "JsonConverter",
            "target.value.converter.schemas.enable": "false",
        }

    def rows(self, target: str) -> list[Row]:
        """Tombstones are no rows."""
        own = {"group.id": "none", "enable.auto.commit": "false", "auto.offset.reset": "error"}
        with closing(Consumer({"bootstrap.servers": self._bootstrap, **own})) as consumer:
            return _rows(consumer, f"{self._prefix}-{target}")


def _rows(consumer: Consumer, topic: str) -> list[Row]:
    if topic not in consumer.list_topics(timeout=PATIENCE_S).topics:
        return []
    place = TopicPartition(topic, 0, 0)
    try:
        _, end = consumer.get_watermark_offsets(place, timeout=PATIENCE_S)
    except KafkaException:
        return []  # it has just been made
    found: list[Row] = []
    consumer.assign([place])
    read = 0
    while read < end:
        for message in consumer.consume(end, 1.0):
            assert message.error() is None, message.error()
            read = (message.offset() or 0) + 1
            value = message.value()
            if value is not None:
                found.append(Row(**json.loads(value)))
    return found
