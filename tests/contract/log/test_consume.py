from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from headwater.worker.api import TopicPartition
from headwater.worker.log import Log, LogError, Message, UnknownTopic

from .conftest import LogFactory
from .reading import drain, partitions_of, read_all, values, write


def test_reading_starts_where_it_is_told(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    where = TopicPartition(topic, 0)
    write(log, [Message(topic, b"k", b"%d" % number) for number in range(10)])
    all_of_it = read_all(log, topic)
    consumer = log.consumer()
    consumer.assign({where: all_of_it[4].offset})
    assert consumer.position() == {where: all_of_it[4].offset}
    assert values(drain(log, consumer)) == values(all_of_it[4:])
    consumer.seek({where: all_of_it[8].offset})
    assert values(drain(log, consumer)) == values(all_of_it[8:])
    consumer.assign(log.end_offsets([where]))
    assert consumer.poll(10, 0.05) == []
    with pytest.raises(LogError):
        consumer.seek({TopicPartition(topic, 1): 0})
    consumer.close()
    consumer.close()


def test_poll_gives_no_more_than_asked_and_goes_on(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic(3)
    write(log, [Message(topic, b"%d" % number, b"v") for number in range(1000)])
    consumer = log.consumer()
    consumer.assign(log.begin_offsets(partitions_of(log, topic)))
    found: list[Message] = []
    while len(found) < 1000:
        batch = consumer.poll(70, 60.0)
        assert 0 < len(batch) <= 70
        found += batch
    assert {m.key for m in found} == {b"%d" % number for number in range(1000)}
    consumer.close()


def test_position_follows_what_was_returned(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    where = TopicPartition(topic, 0)
    write(log, [Message(topic, b"k", b"%d" % number) for number in range(20)])
    consumer = log.consumer()
    consumer.assign({where: 0})
    batch = consumer.poll(7, 60.0)
    assert batch[-1].offset < consumer.position()[where]
    rest = drain(log, consumer)
    assert values(batch + rest) == [b"%d" % number for number in range(20)]
    assert consumer.position()[where] >= log.end_offsets([where])[where]
    consumer.close()


def test_poll_waits_for_what_comes_and_no_longer(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    consumer = log.consumer()
    consumer.assign({TopicPartition(topic, 0): 0})
    began = time.monotonic()
    assert consumer.poll(10, 0.2) == []
    assert 0.15 < time.monotonic() - began < 60
    writer = threading.Timer(0.2, lambda: write(log_factory.open(), [Message(topic, b"k", b"v")]))
    writer.start()
    began = time.monotonic()
    found = consumer.poll(10, 120.0)
    assert values(found) == [b"v"]
    assert time.monotonic() - began < 100
    writer.join()
    consumer.close()


def test_a_paused_partition_rests(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic(2)
    resting = TopicPartition(topic, 0)
    write(log, [Message(topic, b"k", b"%d" % number, partition=number % 2) for number in range(10)])
    consumer = log.consumer()
    consumer.assign({resting: 0, TopicPartition(topic, 1): 0})
    consumer.pause([resting])
    found: list[Message] = []
    while len(found) < 5:
        found += consumer.poll(100, 60.0)
    assert consumer.poll(100, 0.1) == []
    assert {m.partition for m in found} == {1}
    assert consumer.position()[resting] == 0
    consumer.resume([resting])
    assert {m.partition for m in drain(log, consumer)} == {0}
    consumer.close()


def test_a_pause_ends_with_its_assignment(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    where = TopicPartition(topic, 0)
    write(log, [Message(topic, b"k", b"%d" % number) for number in range(10)])
    consumer = log.consumer()
    consumer.assign({where: 0})
    read = consumer.poll(3, 60.0)
    consumer.pause([where])
    consumer.assign({where: read[-1].offset + 1})
    assert values(read + drain(log, consumer, timeout_s=60.0)) == [b"%d" % number for number in range(10)]
    consumer.close()


def test_no_partition_starves(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic(3)
    write(log, [Message(topic, b"k", bytes(200), partition=0) for _ in range(20_000)])
    write(log, [Message(topic, b"k", b"v", partition=number) for number in (1, 2)])
    consumer = log.consumer()
    consumer.assign(log.begin_offsets(partitions_of(log, topic)))
    seen: set[int | None] = set()
    for _ in range(12):
        seen |= {m.partition for m in consumer.poll(1000, 60.0)}
    assert seen == {0, 1, 2}
    consumer.close()


def test_an_offset_outside_the_partition_goes_on_at_the_begin(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    write(log, [Message(topic, b"k", b"%d" % number) for number in range(3)])
    consumer = log.consumer()
    consumer.assign({TopicPartition(topic, 0): 1_000})
    found: list[Message] = []
    deadline = time.monotonic() + 120
    while len(found) < 3 and time.monotonic() < deadline:
        found += consumer.poll(10, 0.5)
    assert values(found) == [b"0", b"1", b"2"]
    consumer.close()


def test_an_assignment_that_is_gone_is_an_error(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    consumer = log.consumer()
    with pytest.raises(UnknownTopic):
        consumer.assign({TopicPartition("nobody-made-this", 0): 0})
        consumer.poll(1, 60.0)
    consumer.assign({TopicPartition(topic, 0): 0})
    log.delete_topic(topic)
    with pytest.raises(UnknownTopic):
        consumer.poll(1, 60.0)
    consumer.close()


def test_large_records_come_in_pieces(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    for first in range(0, 60, 20):
        write(log, [Message(topic, b"%d" % number, bytes(900_000)) for number in range(first, first + 20)])
    consumer = log.consumer()
    consumer.assign({TopicPartition(topic, 0): 0})
    sizes: list[int] = []
    keys: list[bytes | None] = []
    while len(keys) < 60:
        batch = consumer.poll(1000, 10.0)
        sizes.append(sum(len(m.value or b"") for m in batch))
        keys += [m.key for m in batch]
    assert keys == [b"%d" % number for number in range(60)]
    assert max(sizes) < 54_000_000, "not all of it in memory at once"
    consumer.close()


def test_a_closed_consumer_refuses(log: Log) -> None:
    consumer = log.consumer()
    consumer.close()
    with pytest.raises(LogError):
        consumer.poll(1, 0.0)


def test_a_log_serves_several_threads(log: Log, make_topic: Callable[..., str]) -> None:
    topic = make_topic(4)
    failures: list[BaseException] = []

    def work(number: int) -> None:
        try:
            for count in range(20):
                log.commit_offsets(f"group-{topic}-{number}", {TopicPartition(topic, number): count})
                assert log.committed(f"group-{topic}-{number}") == {TopicPartition(topic, number): count}
                log.end_offsets(partitions_of(log, topic))
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
