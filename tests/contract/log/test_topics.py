from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from headwater.worker.api import TopicPartition
from headwater.worker.log import Log, LogError, Message, TopicExists, UnknownTopic, open_log
from tests.servers.kafka import KafkaServer

from .conftest import LogFactory
from .reading import read_all, values, write


def test_a_topic_has_partitions_config_and_an_id(log: Log, log_factory: LogFactory) -> None:
    name = log_factory.name()
    info = log.create_topic(name, 3, {"cleanup.policy": "compact", "retention.ms": "-1"})
    assert (info.name, info.partitions, info.compacted) == (name, 3, True)
    assert info.topic_id
    found = log_factory.open().topics([name, "nobody-made-this"])
    assert list(found) == [name]
    assert found[name].topic_id == info.topic_id
    assert found[name].config.items() >= {"cleanup.policy": "compact", "retention.ms": "-1"}.items()
    assert name in log.topics()


def test_a_log_has_an_id(log: Log, log_factory: LogFactory) -> None:
    assert log.cluster_id() and log_factory.open().cluster_id() == log.cluster_id()


def test_kafkas_id_is_its_clusters(kafka: KafkaServer, tmp_path: Path) -> None:
    log = open_log({"bootstrap.servers": kafka.bootstrap}, tmp_path)
    assert log.cluster_id() == kafka.cluster_id
    log.close()


def test_a_topic_is_made_once(log: Log, make_topic: Callable[..., str]) -> None:
    name = make_topic()
    with pytest.raises(TopicExists):
        log.create_topic(name, 1, {})


@pytest.mark.parametrize("name", ["", ".", "..", "with space", "a/b", "ü", "x" * 250])
def test_an_impossible_name_is_refused(log: Log, name: str) -> None:
    with pytest.raises(LogError):
        log.create_topic(name, 1, {})


def test_an_impossible_partition_count_or_option_is_refused(log: Log, log_factory: LogFactory) -> None:
    name = log_factory.name()
    with pytest.raises(LogError):
        log.create_topic(name, 0, {})
    with pytest.raises(LogError):
        log.create_topic(name, 1, {"retention.msec": "1"})
    with pytest.raises(LogError):
        log.create_topic(name, 1, {"retention.ms": "a week"})
    assert log.topics([name]) == {}


def test_options_are_set_and_taken_away(log: Log, make_topic: Callable[..., str]) -> None:
    name = make_topic(**{"retention.ms": "3600000"})
    log.alter_topic(name, {"max.message.bytes": "2000000", "retention.ms": None})
    config = log.topics([name])[name].config
    assert config["max.message.bytes"] == "2000000"
    assert config.get("retention.ms") != "3600000"
    with pytest.raises(LogError):
        log.alter_topic(name, {"max.message.bytes": "many"})


def test_a_topic_made_again_is_another_topic(log: Log, log_factory: LogFactory) -> None:
    name = log_factory.name()
    first = log.create_topic(name, 1, {})
    write(log, [Message(name, b"k", b"old")])
    log.commit_offsets("group-of-" + name, {TopicPartition(name, 0): 1})
    log.delete_topic(name)
    assert log.topics([name]) == {}
    second = log.create_topic(name, 2, {})
    assert second.topic_id != first.topic_id
    assert log.committed("group-of-" + name) == {}
    write(log, [Message(name, b"k", b"new")])
    assert values(read_all(log, name)) == [b"new"]


def test_what_does_not_exist_is_named(log: Log, make_topic: Callable[..., str]) -> None:
    nowhere = TopicPartition("nobody-made-this", 0)
    for call in (
        lambda: log.delete_topic(nowhere.topic),
        lambda: log.alter_topic(nowhere.topic, {"retention.ms": "1"}),
        lambda: log.begin_offsets([nowhere]),
        lambda: log.end_offsets([nowhere]),
        lambda: log.commit_offsets("group", {nowhere: 1}),
        lambda: write(log, [Message(nowhere.topic, b"k", b"v")]),
        lambda: log.end_offsets([TopicPartition(make_topic(2), 2)]),
    ):
        with pytest.raises(UnknownTopic):
            call()
