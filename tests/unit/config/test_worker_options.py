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
