"""Apache Kafka as the log: confluent-kafka (librdkafka) behind `contract.py`.

Choices and reasons: docs/decisions/0009-kafka-log.md.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from typing import Final

from confluent_kafka import KafkaException
from confluent_kafka.admin import (  # type: ignore[attr-defined]
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewTopic,
    ResourceType,
)

from headwater.worker.api import ConfigError, Problem, Retriable, TopicPartition

from .contract import Isolation, LogError, TopicInfo
from .kafka_admin import Admin
from .kafka_client_logs import client_logger
from .kafka_consumer import KafkaConsumer
from .kafka_errors import Connection
from .kafka_offsets import KafkaOffsets
from .kafka_producer import KafkaProducer
from .kafka_settings import Role, client_settings
from .kafka_topics import ADMIN_TIMEOUT_S, KafkaTopics

_SEEN_S: Final = 10.0
"""How long a new topic may take to be known to all brokers, or a deleted one to be gone."""
_librdkafka: Final = client_logger(__name__)


class KafkaLog:
    def __init__(self, settings: Mapping[str, str], overrides: Mapping[str, str] | None = None) -> None:
        """`settings`, `overrides`: as `open_log` takes them. Asks no broker yet. Raises `ConfigError`."""
        chosen: dict[Role, dict[str, str]] = {}
        problems: list[Problem] = []
        for role in Role:
            try:
                chosen[role] = client_settings(role, settings, overrides)
            except ConfigError as error:
                problems += [problem for problem in error.problems if problem not in problems]
        if problems:
            raise ConfigError(problems)
        self._settings = chosen
        self._connection = Connection(settings["bootstrap.servers"])
        self._closed = False
        self._admin = Admin(chosen[Role.ADMIN], self._connection)
        self._topics = KafkaTopics(self._admin, self._connection)
        self._offsets = KafkaOffsets(self._admin, chosen[Role.CONSUMER], self._topics, self._connection)

    def create_topic(self, name: str, partitions: int, config: Mapping[str, str]) -> TopicInfo:
        self._create(name, partitions, config)
        self._topics.forget(name)
        deadline = time.monotonic() + _SEEN_S
        while time.monotonic() < deadline:
            info = self._topics.infos([name]).get(name)
            if info is not None:
                return info
            time.sleep(0.05)
        raise Retriable(f"topic {name} was made, but no broker tells of it after {_SEEN_S:.0f} s")

    def would_create(self, name: str, partitions: int, config: Mapping[str, str]) -> None:
        """Raises what the brokers say against `create_topic`; makes nothing."""
        self._create(name, partitions, config, only_ask=True)

    def _create(self, name: str, partitions: int, config: Mapping[str, str], only_ask: bool = False) -> None:
        self._check_open()
        options = dict(config)
        replicas = options.pop("replication.factor", "-1")
        if partitions < 1:
            raise LogError(f"topic {name}: {partitions} partitions are not possible, at least 1")
        try:
            topic = NewTopic(name, partitions, replication_factor=int(replicas), config=options)
            client = self._admin.client
            futures = client.create_topics([topic], request_timeout=ADMIN_TIMEOUT_S, validate_only=only_ask)
            futures[name].result()
        except (ValueError, TypeError) as error:
            raise LogError(f"topic {name!r} cannot be made: {error}") from error
        except KafkaException as error:
            raise self._connection.error(error, f"topic {name!r} could not be made") from error

    def cluster_id(self) -> str:
        self._check_open()
        return self._topics.cluster_id()

    def topics(self, names: Iterable[str] | None = None) -> dict[str, TopicInfo]:
        """None: all but Kafka's internal ones."""
        self._check_open()
        wanted = self._topics.names() if names is None else list(names)
        found = self._topics.infos(wanted)
        return {name: found[name] for name in wanted if name in found}

    def alter_topic(self, name: str, config: Mapping[str, str | None]) -> None:
        self._check_open()
        changes = [
            ConfigEntry(option, value, incremental_operation=AlterConfigOpType.SET)
            if value is not None
            else ConfigEntry(option, None, incremental_operation=AlterConfigOpType.DELETE)
            for option, value in config.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, name, incremental_configs=changes)
        try:
            futures = self._admin.client.incremental_alter_configs([resource], request_timeout=ADMIN_TIMEOUT_S)
            futures[resource].result()
        except KafkaException as error:
            raise self._connection.error(error, f"the options of topic {name} could not be changed") from error
        self._topics.forget(name)

    def delete_topic(self, name: str) -> None:
        self._check_open()
        try:
            self._admin.client.delete_topics([name], request_timeout=ADMIN_TIMEOUT_S)[name].result()
        except KafkaException as error:
            raise self._connection.error(error, f"topic {name} could not be deleted") from error
        self._topics.forget(name)
        deadline = time.monotonic() + _SEEN_S
        while name in self._topics.ids([name]) and time.monotonic() < deadline:
            time.sleep(0.05)

    def begin_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        self._check_open()
        return self._offsets.begins(partitions)

    def end_offsets(
        self, partitions: Iterable[TopicPartition], isolation: Isolation = Isolation.READ_COMMITTED
    ) -> dict[TopicPartition, int]:
        self._check_open()
        return self._offsets.ends(partitions, isolation)

    def committed(self, group: str, partitions: Iterable[TopicPartition] | None = None) -> dict[TopicPartition, int]:
        self._check_open()
        return self._offsets.committed(group, partitions)

    def commit_offsets(self, group: str, offsets: Mapping[TopicPartition, int | None]) -> None:
        self._check_open()
        self._offsets.store(group, offsets)

    def delete_group(self, group: str) -> None:
        self._check_open()
        self._offsets.delete(group)

    def producer(self, transactional_id: str | None = None) -> KafkaProducer:
        self._check_open()
        return KafkaProducer(self._settings[Role.PRODUCER], self._topics, transactional_id)

    def consumer(self, group: str | None = None, isolation: Isolation = Isolation.READ_COMMITTED) -> KafkaConsumer:
        self._check_open()
        return KafkaConsumer(self._settings[Role.CONSUMER], self._topics, self._offsets, self._admin, group, isolation)

    def maintain(self, budget_s: float = 0.1) -> bool:
        """The brokers do it by themselves."""
        return False

    def close(self) -> None:
        """May be called twice. Producers and consumers made from it have connections of their own."""
        self._closed = True

    def _check_open(self) -> None:
        if self._closed:
            raise LogError(f"the connection to Kafka ({self._connection.servers}) was closed")
