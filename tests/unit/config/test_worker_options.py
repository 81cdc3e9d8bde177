"""A worker's own options."""

from __future__ import annotations

import pytest

from headwater.worker.api import ConfigError
from headwater.worker.config.worker_options import WORKER_OPTIONS, worker_settings
from headwater.worker.runtime.internal_topics import InternalTopics


def test_defaults() -> None:
    settings = worker_settings({})
    assert settings.values["bootstrap.servers"] == ()
    assert settings.values["listeners"] == ("http://127.0.0.1:8083",)
    assert settings.values["offset.flush.interval.ms"] == 60_000


def test_the_names_of_the_internal_topics_are_those_that_the_runtime_uses() -> None:
    default, values = InternalTopics(), worker_settings({}).values
    for option, name in (
        ("offset.storage.topic", default.offsets), ("config.storage.topic", default.configs),
        ("status.storage.topic", default.status), ("topics.storage.topic", default.topics),
        ("views.storage.topic", default.views),
    ):  # fmt: skip
        assert values[option] == name
        assert "x" in (lambda t: (t.offsets, t.configs, t.status, t.topics, t.views))(InternalTopics.of({option: "x"}))


def test_a_kafka_connect_workers_file_loads() -> None:
    raw = {
        "bootstrap.servers": "a:9092,b:9092", "group.id": "connect-cluster",
        "key.converter": "org.apache.kafka.connect.json.JsonConverter", "key.converter.schemas.enable": "true",
        "offset.storage.topic": "connect-offsets", "offset.storage.replication.factor": "1",
        "plugin.path": "/usr/share/java", "security.protocol": "SASL_SSL", "sasl.jaas.config": "secret",
        "producer.sasl.jaas.config": "secret", "producer.linger.ms": "5", "exactly.once.source.support": "ENABLED",
    }  # fmt: skip
    settings = worker_settings(raw)
    assert settings.values["bootstrap.servers"] == ["a:9092", "b:9092"]
    for secret in ("sasl.jaas.config", "producer.sasl.jaas.config"):
        assert getattr(WORKER_OPTIONS.find(secret), "secret", False)


def test_settings_of_the_clients_of_kafka_connects_own_topics() -> None:
    """Kafka Connect takes them, and what it hands them to are not the clients of tasks."""
    raw = {
        "isolation.level": "read_committed", "max.poll.records": "50", "auto.offset.reset": "earliest", "acks": "all",
        "fetch.min.bytes": "1", "retries": "3", "linger.ms": "5", "compression.type": "lz4", "max.request.size": "9",
        "default.api.timeout.ms": "1000", "interceptor.classes": "io.example.Interceptor", "key.serializer": "x",
        "metadata.max.age.ms": "1000", "metrics.num.samples": "2", "metrics.context.connect.kafka.cluster.id": "x",
        "metric.reporters": "org.apache.kafka.common.metrics.JmxReporter", "auto.include.jmx.reporter": "true",
    }  # fmt: skip
    assert worker_settings(raw).raw == raw
    with pytest.raises(ConfigError) as caught:
        worker_settings({"isolation.levels": "x", "acks.all": "x", "metric.reporters": "io.example.Reporter"})
    assert [problem.option for problem in caught.value.problems] == ["isolation.levels", "acks.all", "metric.reporters"]


def test_settings_of_the_internal_topics() -> None:
    raw = {
        "config.storage.max.message.bytes": "9000000", "offset.storage.min.insync.replicas": "2",
        "offset.storage.replication.factor": "3", "status.storage.segment.bytes": "1000000",
    }  # fmt: skip
    topics = InternalTopics.of(worker_settings(raw).raw)
    assert topics.configs_settings == {"max.message.bytes": "9000000"}
    assert topics.offsets_settings == {"min.insync.replicas": "2"}
    assert topics.status_settings == {"segment.bytes": "1000000"}
    with pytest.raises(ConfigError, match=r"did you mean offset\.storage\.replication\.factor"):
        worker_settings({"offset.storage.replication.facto": "2"})


def test_problems() -> None:
    with pytest.raises(ConfigError) as caught:
        worker_settings({"bootstrap.server": "a", "offset.storage.file.filename": "x", "offset.flush.interval.ms": "0",
                         "response.http.headers.config": "put A:b"})  # fmt: skip
    assert [str(problem) for problem in caught.value.problems] == [
        "bootstrap.server: unknown option (did you mean bootstrap.servers?)",
        "offset.storage.file.filename: not supported by Headwater (positions lie on the log; leave this option out)",
        "offset.flush.interval.ms: must be at least 1",
        "response.http.headers.config: 'put A:b' begins with 'put'; there are set, add, setDate and addDate",
    ]


def test_each_internal_topic_is_one_of_its_own() -> None:
    with pytest.raises(ConfigError) as caught:
        worker_settings({"offset.storage.topic": "connect-configs", "views.storage.topic": "connect-status"})
    assert [str(problem) for problem in caught.value.problems] == [
        "offset.storage.topic: connect-configs is config.storage.topic already; give each a topic of its own",
        "views.storage.topic: connect-status is status.storage.topic already; give each a topic of its own",
    ]
