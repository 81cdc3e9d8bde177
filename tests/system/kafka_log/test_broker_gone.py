"""The broker is killed -9 and comes back: what was acknowledged stays, the rest is retried, and nothing hangs."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from headwater.worker.api import Retriable, TopicPartition
from headwater.worker.log import Isolation, Log, Message, Producer, open_log
from tests.contract.log.reading import drain, partitions_of, read_all
from tests.servers.kafka import KafkaServer, running

pytestmark = pytest.mark.system

KILLS = 3
RECORDS = 200


@pytest.fixture(scope="module")
def own_kafka() -> Iterator[KafkaServer]:
    """4.1: a killed 4.3.1 may leave committed transactions open for ever (docs/kafka.md)."""
    with running("4.1") as server:
        yield server


def connected(server: KafkaServer, **settings: str) -> Log:
    return open_log({"bootstrap.servers": server.bootstrap, **settings}, Path("unused"))


def started(log: Log, transactional_id: str) -> Producer:
    deadline = time.monotonic() + 400
    while True:
        producer = log.producer(transactional_id)
        try:
            producer.init_transactions()
            return producer
        except Retriable:
            producer.close()
            assert time.monotonic() < deadline


def stored(log: Log, positions: str) -> int:
    """The last transaction that counts."""
    deadline = time.monotonic() + 400
    while True:
        try:
            return max([int(m.value or b"0") for m in read_all(log, positions)], default=0)
        except Retriable:
            assert time.monotonic() < deadline


def write_one(producer: Producer, topic: str, positions: str, number: int) -> None:
    producer.begin()
    producer.send(Message(topic, b"%d" % key, b"%d:%d" % (number, key)) for key in range(RECORDS))
    producer.send([Message(positions, b"position", b"%d" % number)])
    producer.commit()


def test_a_broker_that_dies_instead_of_answering_gives_no_offset(own_kafka: KafkaServer) -> None:
    """librdkafka then says -1001 and no error: whoever reads up to there would stop where he is."""
    log = connected(own_kafka)
    log.create_topic("asked", 1, {})
    producer = log.producer()
    producer.send([Message("asked", b"k", b"v") for _ in range(100)])
    producer.flush()
    producer.close()
    where = TopicPartition("asked", 0)
    over = threading.Event()

    def ask() -> set[int]:
        found: set[int] = set()
        own = connected(own_kafka)
        while not over.is_set():
            with suppress(Retriable):
                found.add(own.end_offsets([where], Isolation.READ_UNCOMMITTED)[where])
        own.close()
        return found

    with ThreadPoolExecutor(6) as pool:
        asking = [pool.submit(ask) for _ in range(6)]
        for _ in range(2):
            time.sleep(2)
            own_kafka.kill()
            time.sleep(1)
            own_kafka.start()
        over.set()
        assert [one.result() for one in asking] == [{100}] * 6
    log.close()


def test_nothing_acknowledged_is_lost_and_nothing_doubled(own_kafka: KafkaServer) -> None:
    log = connected(own_kafka)
    log.create_topic("shop", 3, {})
    log.create_topic("positions", 1, {"cleanup.policy": "compact"})
    reader = log.consumer()
    reader.assign(log.begin_offsets(partitions_of(log, "shop")))
    producer = started(log, "writer")
    acknowledged, found = 0, list[Message]()
    for kill in range(KILLS):
        until = acknowledged + 10
        write_one(producer, "shop", "positions", acknowledged + 1)
        acknowledged += 1
        producer.begin()
        producer.send(Message("shop", b"%d" % key, b"%d:%d" % (acknowledged + 1, key)) for key in range(RECORDS // 2))
        own_kafka.kill()
        restart = threading.Timer(0.5 + kill, own_kafka.start)
        restart.start()
        producer.close()  # the transaction is cut open
        producer = started(log, "writer")
        assert stored(log, "positions") == acknowledged
        while acknowledged < until:
            try:
                write_one(producer, "shop", "positions", acknowledged + 1)
                acknowledged += 1
            except Retriable:
                producer.close()
                producer = started(log, "writer")
                acknowledged = stored(log, "positions")
            found += reader.poll(500, 0.01)
        restart.join()
    producer.close()
    found += drain(log, reader)
    reader.close()
    wanted = {b"%d:%d" % (number, key) for number in range(1, acknowledged + 1) for key in range(RECORDS)}
    assert len(found) == len(wanted)
    assert {m.value for m in found} == wanted


def test_a_commit_goes_through_once_the_broker_is_back(own_kafka: KafkaServer) -> None:
    log = connected(own_kafka)
    log.create_topic("waiting", 1, {})
    producer = started(log, "waiter")
    producer.begin()
    producer.send([Message("waiting", b"k", b"v")])
    own_kafka.kill()
    restart = threading.Timer(3.0, own_kafka.start)
    restart.start()
    producer.commit()
    restart.join()
    producer.close()
    assert [m.value for m in read_all(log, "waiting")] == [b"v"]


def test_members_go_on_after_the_broker(own_kafka: KafkaServer) -> None:
    log = connected(own_kafka)
    log.create_topic("shared", 2, {})
    consumer = log.consumer("group")
    consumer.subscribe(["shared"], (0, 1), dict.fromkeys, lambda taken: None)
    while len(consumer.position()) < 2:
        consumer.poll(1, 0.1)
    own_kafka.kill()
    own_kafka.start()
    producer = log.producer()
    producer.send([Message("shared", b"k", b"v")])
    producer.close()
    found: list[Message] = []
    deadline = time.monotonic() + 300
    while not found:
        assert time.monotonic() < deadline
        found += consumer.poll(10, 0.5)
    (message,) = found
    assert message.partition is not None
    where = TopicPartition("shared", message.partition)
    while log.committed("group").get(where) != message.offset + 1:
        assert time.monotonic() < deadline
        try:
            consumer.commit({where: message.offset + 1})
        except Retriable:
            consumer.poll(1, 0.5)
    consumer.close()


def test_a_member_that_was_about_to_join_goes_on_after_the_broker(own_kafka: KafkaServer) -> None:
    """librdkafka may have lost the answer that it waits for before it joins, and asks again after 5 minutes only."""
    log = connected(own_kafka, **{"consumer.metadata.max.age.ms": "1000"})
    log.create_topic("joining", 2, {})
    first, second = log.consumer("joiners"), log.consumer("joiners")
    first.subscribe(["joining"], (0, 2), dict.fromkeys, lambda taken: None)
    while len(first.position()) < 2:
        first.poll(1, 0.1)
    second.subscribe(["joining"], (1, 2), dict.fromkeys, lambda taken: None)
    assert second.poll(1, 3.0) == []  # it has to wait for the first one, which does not poll
    own_kafka.kill()
    second.poll(1, 1.0)
    own_kafka.start()
    deadline = time.monotonic() + 240
    while len(first.position()) != 1 or len(second.position()) != 1:
        assert time.monotonic() < deadline
        for consumer in (first, second):
            consumer.poll(1, 0.2)
    first.close()
    second.close()


def test_without_a_broker_every_call_ends_and_names_it(own_kafka: KafkaServer) -> None:
    quick = {
        "producer.delivery.timeout.ms": "4000",
        "producer.max.block.ms": "8000",
        "consumer.session.timeout.ms": "6000",
    }
    log = connected(own_kafka, **quick)
    log.create_topic("away", 1, {})
    producer, plain, consumer = started(log, "away"), log.producer(), log.consumer("away")
    consumer.subscribe(["away"], (0, 1), dict.fromkeys, lambda taken: None)
    while not consumer.position():
        consumer.poll(1, 0.1)
    producer.begin()
    producer.send([Message("away", b"k", b"v")])
    own_kafka.kill()
    try:
        producer.send([Message("away", b"k", b"v")])
        plain.send([Message("away", b"k", b"v")])
        for call in (producer.commit, plain.flush, lambda: log.topics(["away"]), lambda: log.committed("away")):
            began = time.monotonic()
            with pytest.raises(Retriable, match=own_kafka.bootstrap):
                call()
            assert time.monotonic() - began < 240
        assert consumer.poll(1, 0.1) == []
        began = time.monotonic()
        producer.close()
        plain.close()
        consumer.close()
        assert time.monotonic() - began < 240
    finally:
        own_kafka.start()


def test_a_port_where_nobody_listens() -> None:
    log = open_log({"bootstrap.servers": "127.0.0.1:1"}, Path("unused"))
    with pytest.raises(Retriable, match=r"127\.0\.0\.1:1.*refused"):
        log.topics()
    log.close()
