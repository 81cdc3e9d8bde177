"""All that a topic holds now, on a broker or on the embedded log: for tests that compare."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from confluent_kafka import Consumer, KafkaError, Message
from confluent_kafka import TopicPartition as TheirPartition

from headwater.worker.api import TopicPartition
from headwater.worker.log import open_log
from headwater.worker.log.contract import Message as LogMessage


def on_broker(bootstrap: str, topic: str) -> list[Message]:
    """In order within a partition; none where there is no such topic."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "reader", "enable.partition.eof": True,
         "auto.offset.reset": "earliest", "enable.auto.commit": False}
    )  # fmt: skip
    try:
        there = consumer.list_topics(timeout=60).topics.get(topic)
        if there is None:
            return []
        open_ones = set(there.partitions)
        consumer.assign([TheirPartition(topic, n, 0) for n in open_ones])
        found = []
        while open_ones:
            for message in consumer.consume(1000, 1.0):
                error = message.error()
                if error is None:
                    found.append(message)
                    continue
                assert error.code() == KafkaError._PARTITION_EOF, error
                open_ones.discard(message.partition())
        return found
    finally:
        consumer.close()


def on_embedded_log(data: Path, topic: str) -> list[LogMessage]:
    """`data`: the worker's folder. In order within a partition; none where there is no such topic."""
    with closing(open_log({}, data)) as log:
        info = log.topics([topic]).get(topic)
        if info is None:
            return []
        places = [TopicPartition(topic, n) for n in range(info.partitions)]
        with closing(log.consumer()) as consumer:
            consumer.assign(log.begin_offsets(places))
            ends = log.end_offsets(places)
            found: list[LogMessage] = []
            while any(consumer.position()[place] < end for place, end in ends.items()):
                found += consumer.poll(5000, 1.0)
            return found
