"""What lies in change-event topics: who wrote which change, in which order."""

from __future__ import annotations

import json
import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from confluent_kafka import Consumer, KafkaError, TopicPartition

from .numbered_writer import Change

QUIET_S = 240.0


@dataclass(frozen=True, slots=True)
class Written:
    """`change` None: a tombstone. `run` of Debezium, from start to end; empty: Headwater's.

    `place`: (end of the commit before, LSN), by which the stream is ordered.
    """

    key: int
    change: Change | None
    run: str
    place: tuple[int, int]
    snapshot: bool

    @property
    def by_headwater(self) -> bool:
        return not self.run


@dataclass(frozen=True, slots=True)
class Raw:
    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...]


def read_all(bootstrap: str, topics: Iterable[str]) -> list[Raw]:
    """Everything committed in these topics, partition by partition."""
    consumer = Consumer(
        {"bootstrap.servers": bootstrap, "group.id": "reader", "enable.auto.commit": False,
         "isolation.level": "read_committed", "enable.partition.eof": True}
    )  # fmt: skip
    found: list[Raw] = []
    try:
        for topic in topics:
            for partition in consumer.list_topics(topic, 30).topics[topic].partitions:
                found += _read_partition(consumer, topic, partition)
    finally:
        consumer.close()
    return found


def _read_partition(consumer: Consumer, topic: str, partition: int) -> list[Raw]:
    low, high = consumer.get_watermark_offsets(TopicPartition(topic, partition), 30)
    found: list[Raw] = []
    if low == high:
        return found
    consumer.assign([TopicPartition(topic, partition, low)])
    deadline = time.monotonic() + QUIET_S
    while True:
        message = consumer.poll(1)
        if message is None:
            assert time.monotonic() < deadline, f"{topic}-{partition} does not end"
            continue
        error = message.error()
        if error is not None and error.code() == KafkaError._PARTITION_EOF:
            return found
        if error is not None:
            continue  # a busy broker; librdkafka goes on by itself
        deadline = time.monotonic() + QUIET_S
        headers = tuple(message.headers() or ())
        offset = message.offset() or 0
        if offset < high:
            found.append(Raw(topic, partition, offset, message.key(), message.value(), headers))
        if offset + 1 >= high:  # who writes on and on lets no end of the partition come about
            return found


def ends(bootstrap: str, topics: Iterable[str]) -> int:
    """How many offsets the topics have, those not there yet left out.

    Open transactions count: else the end of one that a killed writer left would pass for records of the next writer.
    """
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "reader", "isolation.level": "read_uncommitted"})
    try:
        there = consumer.list_topics(timeout=30).topics
        partitions = [TopicPartition(t, p) for t in topics if t in there for p in there[t].partitions]
        return sum(consumer.get_watermark_offsets(tp, 30)[1] for tp in partitions)
    finally:
        consumer.close()


def written(raw: Raw) -> Written:
    headers = dict(raw.headers)
    run = (headers.get("__debezium.context.runId") or b"").decode()
    assert bool(run) != ("headwater.version" in headers), f"who wrote {raw}?"
    key = payload(raw.key)["id"]
    if raw.value is None:
        return Written(key, None, run, (0, 0), False)
    event = payload(raw.value)
    source = event["source"]
    before, _ = json.loads(source["sequence"])
    row = event["after"] or event["before"]
    change = Change(source["table"], event["op"], row["id"], row["seq"])
    return Written(key, change, run, (int(before or 0), int(source["lsn"])), source["snapshot"] != "false")


def payload(data: bytes | None) -> Any:
    assert data is not None
    return json.loads(data)["payload"]
