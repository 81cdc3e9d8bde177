from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable

import pytest

from headwater.worker.api import TopicPartition
from headwater.worker.log import Log, LogError, Message, MessageRefused, UnknownTopic

from .reading import partitions_of, read_all, values, write


def test_a_record_comes_back_as_it_went(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic(2, **{"retention.ms": "-1"})
    headers = [("a", b"1"), ("b", None), ("a", b""), ("ümlaut", b"\x00\xff")]
    sent = [
        Message(topic, b"key", b"value", headers, 1_700_000_000_123, 1),
        Message(topic, b"", b"", (), 5, 1),
        Message(topic, b"key", None, [("a", b"1")], 1, 1),
        Message(topic, None, b"\x00" * 1000, (), 1_700_000_000_000, 1),
    ]
    write(log, sent)
    found = read_all(log, topic)
    assert [(m.topic, m.key, m.value, tuple(m.headers), m.timestamp_ms, m.partition) for m in found] == [
        (m.topic, m.key, m.value, tuple(m.headers), m.timestamp_ms, m.partition) for m in sent
    ]


def test_a_record_without_a_timestamp_gets_the_present(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    before = time.time_ns() // 1_000_000
    write(log, [Message(topic, b"k", b"v")])
    (found,) = read_all(log, topic)
    assert found.timestamp_ms is not None
    assert before - 1 <= found.timestamp_ms <= time.time_ns() // 1_000_000 + 1


def test_keys_lie_where_kafkas_clients_put_them(log: Log, make_topic: Callable[..., str]) -> None:
    """Hashes from Kafka's own test, org.apache.kafka.common.utils.UtilsTest.testMurmur2."""
    topic = make_topic(7)
    hashes = {
        b"21": -973932308,
        b"foobar": -790332482,
        b"a-little-bit-long-string": -985981536,
        b"a-little-bit-longer-string": -1486304829,
        b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8": -58897971,
        b"abc": 479470107,
    }
    write(log, [Message(topic, key, b"v") for key in hashes for _ in range(2)])
    expected = Counter({(key, (number & 0x7FFFFFFF) % 7): 2 for key, number in hashes.items()})
    assert Counter((m.key, m.partition) for m in read_all(log, topic)) == expected


def test_one_key_stays_in_order_and_batches_without_keys_go_round(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic(3)
    producer = log.producer()
    for number in range(300):
        producer.send([Message(topic, b"same", b"%d" % number), Message(topic, None, b"no key")])
        producer.flush()
    producer.close()
    found = read_all(log, topic)
    same = [m for m in found if m.key == b"same"]
    assert values(same) == [b"%d" % number for number in range(300)]
    assert len({m.partition for m in found if m.key is None}) == 3


def test_a_refused_message_takes_nothing_with_it(log: Log, make_topic: Callable[..., str]) -> None:
    compacted = make_topic(**{"cleanup.policy": "compact"})
    small = make_topic(2, **{"max.message.bytes": "2000"})
    good = Message(small, b"k", b"good")
    producer = log.producer()
    for bad in (
        Message(compacted, None, b"no key"),
        Message(small, b"k", b"x" * 3000),
        Message(small, b"k", b"v", [("h", b"x" * 3000)]),
        Message(small, b"k", b"v", partition=2),
    ):
        with pytest.raises(MessageRefused) as caught:
            producer.send([good, bad])
        assert caught.value.message is bad
        assert bad.topic in str(caught.value)
    with pytest.raises(UnknownTopic):
        producer.send([good, Message("nobody-made-this", b"k", b"v")])
    producer.send([Message(small, b"k", b"x" * 1000), Message(compacted, b"k", None)])
    producer.close()
    assert [m.key for m in read_all(log, compacted)] == [b"k"]
    assert values(read_all(log, small)) == [b"x" * 1000]


def test_many_records_fit_a_topic_that_takes_small_ones_alone(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic(2, **{"max.message.bytes": "2000"})
    write(log, [Message(topic, b"%d" % number, b"x" * 500) for number in range(300)])
    assert {m.key for m in read_all(log, topic)} == {b"%d" % number for number in range(300)}


def test_a_megabyte_is_the_default_limit(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    with pytest.raises(MessageRefused):
        write(log, [Message(topic, b"k", bytes(1_100_000))])
    write(log, [Message(topic, b"k", bytes(1_000_000))])
    log.alter_topic(topic, {"max.message.bytes": "1500000"})
    write(log, [Message(topic, b"k", bytes(1_400_000))])
    assert [len(m.value or b"") for m in read_all(log, topic)] == [1_000_000, 1_400_000]


def test_flush_makes_it_durable_and_close_flushes(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    producer = log.producer()
    producer.send([Message(topic, b"k", b"1")])
    producer.flush()
    assert values(read_all(log, topic)) == [b"1"]
    producer.send([Message(topic, b"k", b"2")])
    producer.close()
    producer.close()
    assert values(read_all(log, topic)) == [b"1", b"2"]
    with pytest.raises(LogError):
        producer.send([Message(topic, b"k", b"3")])


def test_many_records_keep_their_order(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic(4)
    write(log, (Message(topic, b"%d" % (number % 50), b"%d" % number) for number in range(30_000)))
    by_key: dict[bytes | None, list[int]] = {}
    for message in read_all(log, topic):
        by_key.setdefault(message.key, []).append(int(message.value or b"-1"))
    assert by_key == {b"%d" % key: list(range(key, 30_000, 50)) for key in range(50)}
    ends = log.end_offsets(partitions_of(log, topic))
    assert sum(ends.values()) >= 30_000
    assert set(log.begin_offsets(ends).values()) == {0}
    assert isinstance(next(iter(ends)), TopicPartition)
