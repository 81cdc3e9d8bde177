"""Compaction and retention: what they take, what they never take, and that offsets stay."""

from __future__ import annotations

import time
from collections.abc import Callable

from headwater.worker.api import TopicPartition
from headwater.worker.log import Log, Message

from .conftest import LogFactory
from .reading import drain, eventually, partitions_of, read_all, values, write

COMPACTED = {
    "cleanup.policy": "compact",
    "min.cleanable.dirty.ratio": "0.01",
    "delete.retention.ms": "0",
    "segment.ms": "100",
}
"""Compacted as soon as may be; a broker leaves its newest segment alone, so the tests roll it."""


def keep_up_until(log: Log, condition: Callable[[], bool], timeout_s: float, what: str) -> None:
    def met() -> bool:
        while log.maintain():
            pass
        return condition()

    eventually(met, timeout_s, what)


def latest(messages: list[Message]) -> dict[bytes | None, bytes]:
    state: dict[bytes | None, bytes] = {}
    for message in messages:
        if message.value is None:
            state.pop(message.key, None)
        else:
            state[message.key] = message.value
    return state


def test_compaction_keeps_the_last_of_each_key_and_all_offsets(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str]
) -> None:
    topic = make_topic(2, **COMPACTED)
    for round_ in range(4):
        write(log, [Message(topic, b"%d" % key, b"%d.%d" % (key, round_)) for key in range(100)])
        time.sleep(0.12)
    write(log, [Message(topic, b"%d" % key, None) for key in range(0, 100, 2)])
    time.sleep(0.12)
    write(log, [Message(topic, b"last", b"record", partition=number) for number in range(2)])
    before = {(m.topic, m.partition, m.offset): (m.key, m.value) for m in read_all(log, topic)}
    expected = latest(read_all(log, topic))
    begins = log.begin_offsets(partitions_of(log, topic))
    ends = log.end_offsets(partitions_of(log, topic))

    def kept() -> list[Message]:
        """Of what was there; brokers clean again only what has been written to again."""
        write(log, [Message(topic, b"last", b"record", partition=number) for number in range(2)])
        found = read_all(log, topic)
        assert latest(found) == expected
        return [m for m in found if m.key != b"last"]

    keep_up_until(log, lambda: len(kept()) <= 100, log_factory.upkeep_s, "old values gone")
    assert all(before[m.topic, m.partition, m.offset] == (m.key, m.value) for m in kept())
    keep_up_until(log, lambda: len(kept()) <= 50, log_factory.upkeep_s, "tombstones gone")
    assert log.begin_offsets(begins) == begins
    write(log, [Message(topic, b"next", b"one", partition=0)])
    newest = max(m.offset for m in read_all(log, topic) if m.partition == 0)
    assert newest >= ends[TopicPartition(topic, 0)]


def test_a_reader_passes_over_the_holes_of_compaction(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str]
) -> None:
    topic = make_topic(1, **COMPACTED)
    where = TopicPartition(topic, 0)
    consumer = log.consumer()
    consumer.assign({where: 0})
    for round_ in range(3):
        write(log, [Message(topic, b"%d" % (key % 10), b"%d" % round_) for key in range(100)])
        time.sleep(0.12)
    write(log, [Message(topic, b"last", b"record")])
    first = consumer.poll(5, 60.0)
    keep_up_until(log, lambda: len(read_all(log, topic)) <= 11, log_factory.upkeep_s, "compacted")
    consumer.assign(consumer.position())  # what it has read ahead is forgotten
    rest = drain(log, consumer)
    assert latest(first + rest) == latest(read_all(log, topic))
    assert len(rest) <= 11
    assert consumer.position()[where] >= log.end_offsets([where])[where]
    consumer.close()


def test_retention_moves_the_begin_and_readers_follow(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str]
) -> None:
    topic = make_topic(1, **{"retention.ms": "-1", "segment.ms": "100"})
    where = TopicPartition(topic, 0)
    old_ms = int(time.time() * 1000) - 7_200_000
    consumer = log.consumer()
    consumer.assign({where: 0})
    write(log, [Message(topic, b"k", b"old", timestamp_ms=old_ms) for _ in range(50)])
    assert 1 <= len(consumer.poll(5, 60.0)) <= 5
    time.sleep(0.12)
    write(log, [Message(topic, b"k", b"young")])
    log.alter_topic(topic, {"retention.ms": "3600000"})
    end = log.end_offsets([where])
    keep_up_until(log, lambda: log.begin_offsets([where])[where] >= 50, log_factory.upkeep_s, "old records gone")
    assert values(read_all(log, topic)) == [b"young"]
    consumer.assign(consumer.position())
    assert values(drain(log, consumer)) == [b"young"]
    assert log.end_offsets([where]) == end
    consumer.close()


def test_nothing_goes_that_nobody_asked_to_go(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str]
) -> None:
    topic = make_topic(1, **{"retention.ms": "-1"})
    write(log, [Message(topic, b"k", b"%d" % number, timestamp_ms=1) for number in range(50)])
    for _ in range(3):
        log.maintain()
    assert len(read_all(log, topic)) == 50


def test_one_call_does_a_bounded_piece(log: Log, log_factory: LogFactory, make_topic: Callable[..., str]) -> None:
    topic = make_topic(1, **COMPACTED)
    for _ in range(4):
        write(log, [Message(topic, b"%d" % key, bytes(100)) for key in range(10_000)])
    calls = 1
    while log.maintain(0.02):
        calls += 1
    assert calls > 3 or log_factory.brokers, "on Kafka the brokers do it"
    assert len(latest(read_all(log, topic))) == 10_000
