"""What the brokers' topics are: their ids, partitions and options, remembered for a short while for producers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from confluent_kafka import KafkaException, TopicCollection
from confluent_kafka.admin import ConfigResource, ResourceType  # type: ignore[attr-defined]

from .contract import TopicInfo, UnknownTopic
from .kafka_admin import Admin
from .kafka_errors import UNKNOWN_TOPIC, Connection

ADMIN_TIMEOUT_S: Final = 20.0
_AT_ONCE: Final = 500
"""Topics described by one request."""
_FRESH_S: Final = 300.0
_INTERNAL: Final = "__"


@dataclass(frozen=True, slots=True)
class Limits:
    """What a producer must know of a topic. `longest_ahead_ms`: how far timestamps may lie in the future."""

    info: TopicInfo
    compacted: bool
    max_message_bytes: int
    longest_ahead_ms: int
    asked_at: float


class KafkaTopics:
    """Thread-safe."""

    def __init__(self, admin: Admin, connection: Connection) -> None:
        self._admin = admin
        self._connection = connection
        self._limits: dict[str, Limits] = {}
        self._lock = threading.Lock()

    def names(self) -> list[str]:
        """All but internal ones. Raises `Retriable`, `Fatal`."""
        try:
            found = self._admin.client.list_topics(timeout=ADMIN_TIMEOUT_S).topics
        except KafkaException as error:
            raise self._connection.error(error, "the topics could not be listed") from error
        return sorted(name for name in found if not name.startswith(_INTERNAL))

    def cluster_id(self) -> str:
        """Raises `Retriable`, `Fatal`."""
        try:
            found = self._admin.client.describe_cluster(request_timeout=ADMIN_TIMEOUT_S).result()
        except KafkaException as error:
            raise self._connection.error(error, "the brokers' cluster could not be looked up") from error
        return str(found.cluster_id)

    def ids(self, names: Iterable[str]) -> dict[str, tuple[str, int]]:
        """Name -> (topic id, number of partitions); unknown names are left out. Raises `Retriable`, `Fatal`."""
        wanted = sorted(set(names))
        result: dict[str, tuple[str, int]] = {}
        for first in range(0, len(wanted), _AT_ONCE):
            some = wanted[first : first + _AT_ONCE]
            futures = self._admin.client.describe_topics(TopicCollection(some), request_timeout=ADMIN_TIMEOUT_S)
            for name, future in futures.items():
                try:
                    found = future.result()
                except KafkaException as error:
                    if error.args[0].code() in UNKNOWN_TOPIC:
                        continue
                    raise self._connection.error(error, f"topic {name} could not be looked up") from error
                result[name] = (str(found.topic_id), len(found.partitions))
        return result

    def infos(self, names: Iterable[str]) -> dict[str, TopicInfo]:
        """With all options as they are in force, the brokers' defaults included."""
        ids = self.ids(names)
        configs = self._configs(list(ids))
        return {name: TopicInfo(name, *ids[name], configs[name]) for name in ids if name in configs}

    def _configs(self, names: Sequence[str]) -> dict[str, dict[str, str]]:
        result: dict[str, dict[str, str]] = {}
        for first in range(0, len(names), _AT_ONCE):
            resources = [ConfigResource(ResourceType.TOPIC, name) for name in names[first : first + _AT_ONCE]]
            futures = self._admin.client.describe_configs(resources, request_timeout=ADMIN_TIMEOUT_S)
            for resource, future in futures.items():
                try:
                    entries: dict[str, Any] = future.result()
                except KafkaException as error:
                    if error.args[0].code() in UNKNOWN_TOPIC:
                        continue
                    what = f"the options of topic {resource.name} could not be read"
                    raise self._connection.error(error, what) from error
                result[resource.name] = {
                    option: entry.value for option, entry in entries.items() if entry.value is not None
                }
        return result

    def limits(self, name: str, newer_than: float | None = None) -> Limits:
        """Remembered for minutes, unless what is remembered was asked before `newer_than` (`time.monotonic()`).

        Raises `UnknownTopic`, `Retriable`, `Fatal`.
        """
        oldest = time.monotonic() - _FRESH_S if newer_than is None else newer_than
        with self._lock:
            known = self._limits.get(name)
        if known is not None and known.asked_at >= oldest:
            return known
        asked_at = time.monotonic()
        info = self.infos([name]).get(name)
        if info is None:
            self.forget(name)
            raise UnknownTopic(f"topic {name} does not exist (brokers {self._connection.servers})")
        limits = Limits(
            info,
            info.compacted,
            int(info.config.get("max.message.bytes", "1048588")),
            int(info.config.get("message.timestamp.after.max.ms", str(1 << 62))),
            asked_at,
        )
        with self._lock:
            self._limits[name] = limits
        return limits

    def forget(self, *names: str) -> None:
        with self._lock:
            for name in names:
                self._limits.pop(name, None)
