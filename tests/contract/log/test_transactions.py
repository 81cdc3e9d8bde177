"""KIP-98: all at once or never, one producer per transactional id."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from headwater.worker.api import TopicPartition
from headwater.worker.log import Fenced, Isolation, Log, LogError, Message, MessageRefused, UnknownTopic

from .conftest import LogFactory
from .reading import eventually, read_all, values, write_transaction


def test_records_and_offsets_appear_together(log: Log, log_factory: LogFactory, make_topic: Callable[..., str]) -> None:
    topic, positions = make_topic(3), make_topic(**{"cleanup.policy": "compact"})
    group, reader = log_factory.name("group"), log_factory.open()
    where = TopicPartition(topic, 1)
    producer = log.producer(log_factory.name("id"))
    producer.init_transactions()
    producer.begin()
    producer.send([Message(topic, b"%d" % key, b"1") for key in range(20)])
    producer.send([Message(positions, b"position", b"20")])
    producer.send_offsets(group, {where: 20})
    assert read_all(reader, topic, positions, settled=False) == []
    assert reader.committed(group) == {}
    producer.commit()
    assert len(read_all(reader, topic)) == 20
    assert values(read_all(reader, positions)) == [b"20"]
    eventually(lambda: reader.committed(group) == {where: 20}, 240.0, "the group's offset")
    producer.close()


def test_an_aborted_transaction_never_shows(log: Log, log_factory: LogFactory, make_topic: Callable[..., str]) -> None:
    topic, group = make_topic(), log_factory.name("group")
    producer = log.producer(log_factory.name("id"))
    producer.init_transactions()
    for value, keep in ((b"1", True), (b"2", False), (b"3", True), (b"4", False)):
        producer.begin()
        producer.send([Message(topic, b"k", value)])
        producer.send_offsets(group, {TopicPartition(topic, 0): int(value)})
        producer.commit() if keep else producer.abort()
    producer.close()
    assert values(read_all(log, topic)) == [b"1", b"3"]
    eventually(lambda: log.committed(group) == {TopicPartition(topic, 0): 3}, 240.0, "the group's offset")


def test_close_aborts_what_is_open(log: Log, log_factory: LogFactory, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    producer = log.producer(log_factory.name("id"))
    producer.init_transactions()
    producer.begin()
    producer.send([Message(topic, b"k", b"lost")])
    producer.close()
    producer.close()
    write_transaction(log, log_factory.name("id"), [Message(topic, b"k", b"kept")], {})
    assert values(read_all(log, topic)) == [b"kept"]


def test_an_empty_transaction_is_possible(log: Log, log_factory: LogFactory) -> None:
    producer = log.producer(log_factory.name("id"))
    producer.init_transactions()
    for _ in range(3):
        producer.begin()
        producer.commit()
    producer.close()


def test_a_transaction_goes_on_after_a_refused_message(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    producer = log.producer(log_factory.name("id"))
    producer.init_transactions()
    producer.begin()
    producer.send([Message(topic, b"k", b"1")])
    with pytest.raises(MessageRefused):
        producer.send([Message(topic, b"k", b"2"), Message(topic, b"k", bytes(1_100_000))])
    producer.send([Message(topic, b"k", b"3")])
    producer.commit()
    producer.close()
    assert values(read_all(log, topic)) == [b"1", b"3"]


def test_a_topic_deleted_under_a_transaction_takes_its_own_records_alone_or_fails_it_whole(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str]
) -> None:
    """Brokers that had the deleted topic's records already commit the rest."""
    kept, deleted = make_topic(), make_topic()
    producer = log.producer(log_factory.name("id"))
    producer.init_transactions()
    producer.begin()
    producer.send([Message(kept, b"k", b"first"), Message(deleted, b"k", b"lost")])
    log.delete_topic(deleted)
    try:
        producer.commit()
        first = [b"first"]
    except UnknownTopic:
        producer.abort()
        first = []
    assert log_factory.brokers or not first
    producer.begin()
    producer.send([Message(kept, b"k", b"second")])
    producer.commit()
    producer.close()
    assert values(read_all(log, kept)) == [*first, b"second"]


def test_calls_out_of_order_are_refused(log: Log, log_factory: LogFactory, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    producer = log.producer(log_factory.name("id"))
    for early in (producer.begin, producer.commit):
        with pytest.raises(LogError):
            early()
    producer.init_transactions()
    with pytest.raises(LogError):
        producer.send([Message(topic, b"k", b"outside")])
    with pytest.raises(LogError):
        producer.commit()
    producer.begin()
    with pytest.raises(LogError):
        producer.begin()
    producer.abort()
    producer.close()
    plain = log.producer()
    for call in (plain.init_transactions, plain.begin):
        with pytest.raises(LogError):
            call()
    plain.close()
    assert read_all(log, topic) == []


@pytest.mark.parametrize("opened", ["before", "after"])
def test_a_new_producer_fences_the_old_one(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str], opened: str
) -> None:
    """Whether the old one's transaction was open by then or not."""
    topic, name, group = make_topic(), log_factory.name("id"), log_factory.name("group")
    old, new = log.producer(name), log_factory.open().producer(name)
    old.init_transactions()
    if opened == "before":
        old.begin()
        old.send([Message(topic, b"k", b"zombie")])
        old.send_offsets(group, {TopicPartition(topic, 0): 99})
    new.init_transactions()
    with pytest.raises(Fenced):
        if opened == "after":
            old.begin()
            old.send([Message(topic, b"k", b"zombie")])
        old.commit()
    with pytest.raises(Fenced):
        old.begin()
    old.close()
    new.begin()
    new.send([Message(topic, b"k", b"successor")])
    new.commit()
    new.close()
    assert values(read_all(log, topic)) == [b"successor"]
    assert log.committed(group) == {}


def test_ids_do_not_fence_each_other(log: Log, log_factory: LogFactory, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    producers = [log.producer(log_factory.name("id")) for _ in range(3)]
    for producer in producers:
        producer.init_transactions()
        producer.begin()
    for number, producer in enumerate(producers):
        producer.send([Message(topic, b"%d" % number, b"v")])
    for producer in reversed(producers):
        producer.commit()
        producer.close()
    assert {m.key for m in read_all(log, topic)} == {b"0", b"1", b"2"}


def test_uncommitted_readers_see_at_least_the_committed(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    write_transaction(log, log_factory.name("id"), [Message(topic, b"k", b"v")], {})
    assert values(read_all(log, topic, isolation=Isolation.READ_UNCOMMITTED)) == [b"v"]
    partitions = [TopicPartition(topic, 0)]
    committed, all_of_it = log.end_offsets(partitions), log.end_offsets(partitions, Isolation.READ_UNCOMMITTED)
    assert committed[partitions[0]] <= all_of_it[partitions[0]]
