"""Ways to write and read a log that hold for every log: offsets may have gaps, effects may take a moment."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from headwater.worker.api import TopicPartition
from headwater.worker.log import Consumer, Isolation, Log, Message


def partitions_of(log: Log, *topics: str) -> list[TopicPartition]:
    infos = log.topics(topics)
    return [TopicPartition(topic, number) for topic in topics for number in range(infos[topic].partitions)]


def write(log: Log, messages: Iterable[Message]) -> None:
    producer = log.producer()
    producer.send(messages)
    producer.flush()
    producer.close()


def write_transaction(
    log: Log, transactional_id: str, messages: Iterable[Message], groups: Mapping[str, Mapping[TopicPartition, int]]
) -> None:
    producer = log.producer(transactional_id)
    producer.init_transactions()
    producer.begin()
    producer.send(messages)
    for group, offsets in groups.items():
        producer.send_offsets(group, offsets)
    producer.commit()
    producer.close()


def settle(log: Log, partitions: Iterable[TopicPartition], timeout_s: float = 240.0) -> None:
    """Wait until the transactions that have ended are over for readers too: brokers write their end a moment later."""
    chosen = list(partitions)

    deadline = time.monotonic() + timeout_s
    while (committed := log.end_offsets(chosen)) != (ends := log.end_offsets(chosen, Isolation.READ_UNCOMMITTED)):
        assert time.monotonic() < deadline, f"a transaction is open after {timeout_s} s: {committed} of {ends}"
        time.sleep(0.02)


def drain(
    log: Log, consumer: Consumer, most: int = 500, timeout_s: float = 240.0, settled: bool = True
) -> list[Message]:
    """Poll until every assigned partition is read to the end that it has now."""
    if settled:
        settle(log, consumer.position())
    ends = log.end_offsets(consumer.position())
    deadline = time.monotonic() + timeout_s
    found: list[Message] = []
    while any(consumer.position()[partition] < end for partition, end in ends.items()):
        assert time.monotonic() < deadline, f"read {consumer.position()} of {ends} within {timeout_s} s"
        found += consumer.poll(most, 0.05)
    return found


def read_all(
    log: Log, *topics: str, isolation: Isolation = Isolation.READ_COMMITTED, settled: bool = True
) -> list[Message]:
    """All records from the begin, checked: rising offsets within each partition, every field set.

    `settled`: no transaction is open; those that have ended are waited for.
    """
    consumer = log.consumer(isolation=isolation)
    try:
        consumer.assign(log.begin_offsets(partitions_of(log, *topics)))
        found = drain(log, consumer, settled=settled)
    finally:
        consumer.close()
    last: dict[TopicPartition, int] = {}
    for message in found:
        assert message.partition is not None and message.timestamp_ms is not None
        partition = TopicPartition(message.topic, message.partition)
        assert message.offset > last.get(partition, -1), "offsets rise within a partition"
        last[partition] = message.offset
    return found


def values(messages: Iterable[Message]) -> list[bytes | None]:
    return [message.value for message in messages]


def eventually(condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}"
        time.sleep(0.05)
