"""A task of KafkaSource on a real broker: what it reads, where it goes on, what it refuses."""

from __future__ import annotations

import itertools
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import pytest
from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection, TopicPartition
from confluent_kafka.admin import AdminClient, NewPartitions, NewTopic

from headwater.connectors.kafka.naming import COPIED_HEADER, WRITTEN_HEADER
from headwater.connectors.kafka.source import KafkaSourceConnector
from headwater.worker.api import (
    ConfigError,
    DataError,
    Fatal,
    Header,
    Partition,
    Position,
    Record,
    Source,
    TaskContext,
    TopicSettings,
)
from tests.rest_worker import wait_for
from tests.servers.kafka import KafkaServer

pytestmark = pytest.mark.system
_numbers = itertools.count(1)


class Topic:
    """On the broker; records go where they are told."""

    def __init__(self, kafka: KafkaServer, partitions: int = 1, **config: str) -> None:
        self.kafka, self.name = kafka, f"copied-{os.getpid()}-{next(_numbers)}"
        given = {name.replace("_", "."): text for name, text in config.items()}
        # the shared broker looks for old records all the time, and these are from 2023
        self.partitions, self.config = partitions, {"retention.ms": "-1", **given}
        self.admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        self.producer = Producer({"bootstrap.servers": kafka.bootstrap})
        self.id = self.make()

    def make(self, before: str = "") -> str:
        """Returns once the broker tells of it. `before`: the id of a topic of that name that was deleted."""
        new = NewTopic(self.name, self.partitions, 1, config=self.config)
        wait_for(lambda: self.is_made(new))
        wait_for(lambda: self.told() not in ("", before))
        return self.told()

    def is_made(self, new: NewTopic) -> bool:
        """A name is free a moment after its topic was deleted."""
        try:
            self.admin.create_topics([new])[self.name].result(60)
        except KafkaException as error:
            assert error.args[0].code() == KafkaError.TOPIC_ALREADY_EXISTS, error
            return False
        return True

    def told(self) -> str:
        """The topic's id; "" where there is none yet."""
        try:
            found = self.admin.describe_topics(TopicCollection([self.name]))[self.name].result(60)
        except KafkaException as error:
            assert error.args[0].code() == KafkaError.UNKNOWN_TOPIC_OR_PART, error
            return ""
        return str(found.topic_id) if len(found.partitions) == self.partitions else ""

    def put(self, key: bytes | None, value: bytes | None, partition: int = 0, **headers: bytes) -> None:
        named = [(name.replace("_", "."), text) for name, text in headers.items()]
        refused: list[KafkaError] = []
        self.producer.produce(
            self.name, value, key, partition=partition, headers=named, timestamp=1_700_000_000_000,
            on_delivery=lambda error, _: refused.append(error) if error else None,
        )  # fmt: skip
        assert self.producer.flush(60) == 0 and not refused, refused


class Task:
    def __init__(self, stored: Sequence[tuple[Partition, Position]], task: Mapping[str, str], **options: str) -> None:
        values, problems = KafkaSourceConnector.options.parse(
            {name.replace("_", "."): text for name, text in options.items()}
        )
        assert not problems, problems
        self.bad: list[Exception] = []
        self.context = TaskContext("copy", 0, values, task)
        self.context.report_bad_record = lambda _, error: self.bad.append(error)
        self.caught_up = False
        self.context.report_progress = lambda progress: setattr(self, "caught_up", bool(progress.caught_up))
        self.source: Source = KafkaSourceConnector().task()
        self.positions = {(p["topic"], p["partition"]): q for p, q in stored}
        self.source.open(self.context, stored)

    def read(self, until: Callable[[list[Record]], bool]) -> list[Record]:
        found: list[Record] = []
        deadline = time.monotonic() + 120
        while not until(found):
            assert time.monotonic() < deadline, found
            batch = self.source.read(0.5)
            if batch is not None:
                found += batch.records
                self.positions |= {(p["topic"], p["partition"]): q for p, q in batch.positions if q is not None}
        return found

    def all(self) -> list[Record]:
        return self.read(lambda _: self.caught_up)

    def stored(self) -> list[tuple[Partition, Position]]:
        return [({"topic": topic, "partition": n}, position) for (topic, n), position in self.positions.items()]


@contextmanager
def task(
    copied: Topic,
    stored: Sequence[tuple[Partition, Position]] = (),
    number: tuple[int, int] = (0, 1),
    **options: str,
) -> Iterator[Task]:
    given = {"source_bootstrap_servers": copied.kafka.bootstrap, "topics": copied.name, "topic": "to.${topic}"}
    made = Task(stored, {"task.index": str(number[0]), "task.count": str(number[1])}, **given | options)
    try:
        yield made
    finally:
        made.source.close()
        made.source.close()


def plain(records: list[Record]) -> list[tuple[Any, Any]]:
    return [(record.key, record.value) for record in records]


def test_records_come_as_they_are(kafka: KafkaServer) -> None:
    topic = Topic(kafka, 2, max_message_bytes="2000000")
    topic.put(b"k", b"v", 1, headwater_version=b"42", app=b"x")
    topic.put(None, None)
    with task(topic) as reading:
        records = sorted(reading.all(), key=lambda record: record.partition or 0)
        settings = reading.source.topic("to." + topic.name)
    assert plain(records) == [(None, None), (b"k", b"v")]
    assert [(r.topic, r.partition, r.version) for r in records] == [
        (f"to.{topic.name}", 0, None), (f"to.{topic.name}", 1, 42),
    ]  # fmt: skip
    assert records[1].headers == (Header("app", b"x"),) and records[1].timestamp_ms == 1_700_000_000_000
    assert settings == TopicSettings(2, {"retention.ms": "-1", "retention.bytes": "-1", "max.message.bytes": "2000000"})


def test_it_goes_on_where_it_stopped(kafka: KafkaServer) -> None:
    topic = Topic(kafka)
    for n in range(10):
        topic.put(b"k", b"%d" % n)
    with task(topic, batch_size="3") as reading:
        first = reading.read(lambda found: len(found) >= 4)
        stored = reading.stored()
    topic.put(b"k", b"10")
    with task(topic, stored) as reading:
        rest = reading.all()
    assert [record.value for record in first + rest] == [b"%d" % n for n in range(11)]


def test_tasks_share_the_partitions(kafka: KafkaServer) -> None:
    topic = Topic(kafka, 5)
    for n in range(5):
        topic.put(b"k", b"%d" % n, n)
    found = []
    for number in range(3):
        with task(topic, number=(number, 3), keep_partitions="false", copy_topic_settings="false") as reading:
            records = reading.all()
            assert all(record.partition is None for record in records)
            made = reading.source.topic(f"to.{topic.name}")
            assert made == TopicSettings(None, {"retention.ms": "-1"}), "records as old as they were are kept"
            found += [record.value for record in records]
    assert sorted(found) == [b"%d" % n for n in range(5)]


def test_the_latest_alone_and_then_everything(kafka: KafkaServer) -> None:
    topic = Topic(kafka)
    for key, value, version in (
        (b"a", b"a1", 1), (b"b", b"b5", 5), (b"a", b"a2", 2), (b"b", b"b4", 4), (b"c", b"c1", 1), (b"c", None, 2),
        (None, b"no key", 3),
    ):  # fmt: skip
        topic.put(key, value, headwater_version=b"%d" % version)
    with task(topic, copy="latest") as reading:
        assert plain(reading.all()) == [(b"b", b"b5"), (b"a", b"a2"), (None, b"no key")]
        assert reading.source.topic(f"to.{topic.name}").config["cleanup.policy"] == "compact"
        topic.put(b"a", b"a3", headwater_version=b"3")
        topic.put(b"a", None, headwater_version=b"4")
        later = reading.read(lambda found: len(found) >= 2)
    assert plain(later) == [(b"a", b"a3"), (b"a", None)]


def test_the_latest_after_a_crash_in_between(kafka: KafkaServer) -> None:
    """What was passed on is not passed on again, and nothing older comes after it."""
    topic = Topic(kafka)
    for n in range(30):
        topic.put(b"%d" % (n % 10), b"%d" % n, headwater_version=b"%d" % (100 - n))
    with task(topic, copy="latest", batch_size="4") as reading:
        first = reading.read(lambda found: len(found) >= 4)
        stored = reading.stored()
    assert stored[0][1]["until"] == 30
    topic.put(b"3", b"after the start", headwater_version=b"200")
    with task(topic, stored, copy="latest") as reading:
        rest = reading.all()
    assert [record.value for record in first + rest] == [b"%d" % n for n in range(10)] + [b"after the start"]


def test_transactions_that_were_aborted_are_not_read(kafka: KafkaServer) -> None:
    topic = Topic(kafka)
    producer = Producer({"bootstrap.servers": kafka.bootstrap, "transactional.id": topic.name})
    producer.init_transactions(60)
    for value, keep in ((b"1", True), (b"2", False), (b"3", True)):
        producer.begin_transaction()
        producer.produce(topic.name, value)
        producer.commit_transaction(60) if keep else producer.abort_transaction(60)
    with task(topic, copy="latest") as reading:
        assert [record.value for record in reading.all()] == [b"1", b"3"]


def test_data_through_converters_and_what_they_cannot_read(kafka: KafkaServer) -> None:
    topic = Topic(kafka)
    topic.put(b"k", b'{"a": 1}')
    topic.put(b"k", b"{no json")
    topic.put(b"k", b'{"a": 2}')
    options = {"source_value_converter": "JsonConverter", "source_value_converter_schemas_enable": "false"}
    with task(topic, **options) as reading:
        assert [record.value for record in reading.all()] == [{"a": 1}, {"a": 2}]
        [error] = reading.bad
    assert isinstance(error, DataError) and f"{topic.name}-0@1" in str(error)


def test_a_topic_that_feeds_itself_is_noticed(kafka: KafkaServer) -> None:
    topic = Topic(kafka)
    topic.put(b"k", b"v")
    with task(topic, topic="${topic}") as reading:
        [record] = reading.all()
        [mark] = record.headers
        topic.put(b"k", b"v", **{COPIED_HEADER.replace(".", "_"): mark.value})
        with pytest.raises(Fatal, match="copied into itself for ever"):
            reading.read(lambda _: False)
    with task(topic) as reading:
        assert [record.value for record in reading.all()] == [b"v", b"v"], "under another name it is no loop"


def test_what_a_sink_has_written_is_read_on(kafka: KafkaServer) -> None:
    """A sink to this cluster, and a source from it, are a chain."""
    topic = Topic(kafka)
    topic.put(b"k", b"v")
    with task(topic, topic="${topic}") as reading:
        [record] = reading.all()
        [mark] = record.headers
        topic.put(b"k", b"w", **{WRITTEN_HEADER.replace(".", "_"): mark.value})
        [record] = reading.read(bool)
    assert record.value == b"w"


def test_a_topic_that_was_made_again_is_another(kafka: KafkaServer) -> None:
    topic = Topic(kafka)
    topic.put(b"k", b"v")
    with task(topic) as reading:
        reading.all()
        stored = reading.stored()
    topic.admin.delete_topics([topic.name])[topic.name].result(60)
    topic.make(topic.id)
    with task(topic, stored) as reading, pytest.raises(Fatal, match="deleted and made again"):
        reading.all()


def test_a_topic_that_is_made_again_while_it_is_read(kafka: KafkaServer) -> None:
    """It may have got further than the old one was read: nothing else would tell."""
    topic = Topic(kafka)
    topic.put(b"k", b"v")
    with task(topic, [({"topic": topic.name, "partition": 0}, {"offset": 0})]) as reading:
        reading.all()
        topic.admin.delete_topics([topic.name])[topic.name].result(60)
        topic.make(topic.id)
        for n in range(3):
            topic.put(b"k", b"%d" % n)
        reading.source._look_at = 0.0  # type: ignore[attr-defined]
        with pytest.raises(Fatal, match="deleted and made again"):
            reading.read(lambda _: False)


def test_a_topic_that_grows_while_it_is_read(kafka: KafkaServer) -> None:
    topic = Topic(kafka)
    with task(topic) as strict, task(topic, keep_partitions="false") as free:
        strict.all()
        free.all()
        topic.admin.create_partitions([NewPartitions(topic.name, 2)])[topic.name].result(60)
        topic.partitions = 2
        wait_for(topic.told)
        topic.put(b"k", b"v", 1)
        free.source._look_at = 0.0  # type: ignore[attr-defined]
        assert [record.value for record in free.read(bool)] == [b"v"]
        with pytest.raises(Fatal, match="had 1 partitions, as its copy has, and has 2 now"):
            strict.read(lambda _: look_again(strict.source))


def test_topics_of_several_sizes_become_one(kafka: KafkaServer) -> None:
    small, large = Topic(kafka, 1), Topic(kafka, 3)
    for named in ((small, large), (large, small)):
        with task(small, topics=",".join(t.name for t in named), topic="merged") as reading:
            reading.all()
            assert reading.source.topic("merged").partitions == 3


def test_a_pattern_takes_no_copies_and_nothing_of_the_brokers(kafka: KafkaServer) -> None:
    topic = Topic(kafka)
    topic.put(b"k", b"v")
    consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": topic.name})
    wait_for(lambda: commits(consumer, topic))  # the brokers have a topic of their own now
    consumer.close()
    pattern = rf"{topic.name}|copy\.{topic.name}|__consumer_offsets"
    with task(topic, topics="", topics_regex=pattern, topic="copy.${topic}") as reading:
        assert [record.value for record in reading.all()] == [b"v"]
        copy = NewTopic(f"copy.{topic.name}", 1, 1)
        topic.admin.create_topics([copy])[copy.topic].result(60)
        with pytest.raises(Fatal, match="each copy would be copied again"):
            reading.read(lambda _: look_again(reading.source))


def commits(consumer: Consumer, topic: Topic) -> bool:
    try:
        consumer.commit(offsets=[TopicPartition(topic.name, 0, 1)], asynchronous=False)
    except KafkaException:  # no coordinator yet
        return False
    return True


def look_again(source: Source) -> bool:
    """The broker may tell of a new topic a moment later."""
    source._look_at = 0.0  # type: ignore[attr-defined]
    return False


def test_records_that_are_gone_are_an_error(kafka: KafkaServer) -> None:
    topic = Topic(kafka)
    for n in range(5):
        topic.put(b"k", b"%d" % n)
    with task(topic, batch_size="2") as reading:
        reading.read(lambda found: len(found) >= 2)
        stored = [(p, {**q, "offset": 2}) for p, q in reading.stored()]
    [deleted] = topic.admin.delete_records([TopicPartition(topic.name, 0, 4)]).values()
    assert deleted.result(60).low_watermark == 4
    with task(topic, stored) as reading, pytest.raises(Fatal, match="deleted before they were read"):
        reading.all()


def test_settings_that_the_client_refuses_and_check(kafka: KafkaServer) -> None:
    topic = Topic(kafka)
    with pytest.raises(ConfigError, match="refuses its settings"), task(topic, source_client_no_such="1"):
        pass
    options = {"source.bootstrap.servers": kafka.bootstrap, "topics": topic.name, "topic": "x"}
    values, _ = KafkaSourceConnector.options.parse(options)
    assert [finding.level for finding in KafkaSourceConnector().check(values)] == ["ok"]
