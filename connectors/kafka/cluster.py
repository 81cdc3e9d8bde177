"""Clients of the cluster that a connector's own options name, and what their errors mean to the runtime.

Settings have librdkafka's names (its CONFIGURATION.md, 2.16).
"""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterable, Mapping
from typing import Any, Final

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicCollection
from confluent_kafka.admin import AdminClient, ConfigResource, ConfigSource, ResourceType  # type: ignore[attr-defined]

from headwater.worker.api import (
    ConfigError,
    Fatal,
    Finding,
    HeadwaterError,
    Option,
    OptionType,
    Problem,
    Retriable,
    Unsupported,
    Values,
)

REQUEST_S: Final = 20.0
_SOON_S: Final = 5.0
"""A broker that does not answer by then has perhaps refused the log-in."""
_log = logging.getLogger(__name__)
_SECRET: Final = r"(?:.*\.)?(?:password|passphrase|secret|pem|config)"  # noqa: S105 - the form of names
_DEFAULTS: Final = {
    "client.id": "headwater",
    "log.connection.close": "false",
    "socket.keepalive.enable": "true",
    "allow.auto.create.topics": "false",
    "enable.metrics.push": "false",
}
_LOGIN: Final = frozenset(
    {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError.UNSUPPORTED_SASL_MECHANISM}
)
_GONE: Final = frozenset({KafkaError.UNKNOWN_TOPIC_OR_PART, KafkaError._UNKNOWN_TOPIC, KafkaError._UNKNOWN_PARTITION})
_RIGHTS: Final = frozenset(
    {
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.GROUP_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)
_PASSING: Final = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._QUEUE_FULL,
        KafkaError._WAIT_COORD,
        KafkaError._DESTROY_BROKER,
        KafkaError._SSL,
        KafkaError._NOENT,
        KafkaError._WAIT_CACHE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.NOT_CONTROLLER,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.PREFERRED_LEADER_NOT_AVAILABLE,
        KafkaError.THROTTLING_QUOTA_EXCEEDED,
    }
)
RETENTION: Final = ("retention.ms", "retention.bytes")
"""What a copy takes over in any case: its records are as old as they were, and another cluster's default may be to
delete them at once."""
COPIED: Final = ("cleanup.policy", "delete.retention.ms", "min.compaction.lag.ms", "max.message.bytes")
"""What a copy of a topic takes over of its other settings, where they are not the brokers' defaults."""
FOR_EVER: Final = {"retention.ms": "-1"}
"""Of topics that are made without a pattern."""


READS: Final = {
    "group.id": "headwater-without-group",
    "enable.auto.commit": "false",
    "enable.auto.offset.store": "false",
    "enable.partition.eof": "true",
    "auto.offset.reset": "error",
}
"""What `KafkaSource` rests on: positions are its own, and nothing is left out in silence."""
WRITES: Final = {
    "enable.idempotence": "true",
    # A broker takes any batch as this producer's first to a partition (KIP-360). Were a second one under way when a
    # new partition refuses the first, because its leader is not ready, the first would then be taken for a repeated
    # one: acknowledged, not written. Seen with Kafka 4.1.
    "max.in.flight.requests.per.connection": "1",
    "acks": "all",
    "partitioner": "murmur2_random",
    "message.timeout.ms": "0",  # brokers that are away are waited for; a record that is given up would be lost
}
"""What `KafkaSink` rests on."""


def cluster_options(side: str, own: Mapping[str, str]) -> tuple[Option | Unsupported, ...]:
    """`side`: source or target. `own`: settings that the connector makes itself."""
    jaas = f"librdkafka has no JAAS: set {side}.client.sasl.username and {side}.client.sasl.password"
    return (
        Option(f"{side}.bootstrap.servers", importance="high", group="cluster",
               doc=f"Brokers of the {side}'s cluster, host:port, separated by commas."),
        Unsupported(f"{side}.client.sasl.jaas.config", jaas),
        Unsupported(f"{side}.client.bootstrap.servers", f"set {side}.bootstrap.servers"),
        *(Unsupported(f"{side}.client.{name}", "the connector rests on its own", harmless=(value,))
          for name, value in own.items()),
        Option(rf"{side}\.client\.{_SECRET}", OptionType.PASSWORD, pattern=True, group="cluster"),
        Option(rf"{side}\.client\..+", pattern=True, group="cluster", importance="low",
               doc=f"A setting of the clients of that cluster, by librdkafka's name, e.g. "
               f"{side}.client.security.protocol, {side}.client.sasl.username, {side}.client.ssl.ca.location."),
    )  # fmt: skip


def settings(values: Values, side: str, own: Mapping[str, Any]) -> dict[str, Any]:
    """`own` wins over what the user set: the connector rests on it."""
    given = {found[1]: value for found, value in values.matching(rf"{side}\.client\.(.+)")}
    return {**_DEFAULTS, **given, "bootstrap.servers": values[f"{side}.bootstrap.servers"], **own}


def consumer(values: Values, side: str) -> Consumer:
    """Reads what it is assigned, commits nothing, and says where a partition ends."""
    defaults = {"queued.max.messages.kbytes": "8192", "check.crcs": "true", "isolation.level": "read_committed"}
    return _made(Consumer, {**defaults, **settings(values, side, READS)}, side)  # type: ignore[no-any-return]


def producer(values: Values, side: str, batch_bytes: int) -> Producer:
    """`batch_bytes`: the smallest limit of the topics that are written: a broker refuses a batch as a whole."""
    own = {**WRITES, "batch.size": str(batch_bytes)}
    defaults = {"queue.buffering.max.kbytes": "65536", "linger.ms": "20", "message.max.bytes": "1000000000"}
    return _made(Producer, {**defaults, **settings(values, side, own)}, side)  # type: ignore[no-any-return]


class _Heard:
    """Not the client's own method: what refers to itself is not freed, nor are its threads."""

    refused: KafkaError | None = None

    def __call__(self, error: KafkaError) -> None:
        if error.code() in _LOGIN:
            self.refused = error


class Admin(AdminClient):
    """Says of a log-in that is refused what else would only time out."""

    def __init__(self, chosen: dict[str, Any], logger: logging.Logger) -> None:
        self._heard = _Heard()
        given: dict[str, Any] = {**chosen, "error_cb": self._heard}
        super().__init__(given, logger=logger)

    def metadata(self, doing: str) -> Any:
        """Of all topics, `confluent_kafka.admin.ClusterMetadata`. Raises as `meant` does."""
        with contextlib.suppress(KafkaException):
            return self.list_topics(timeout=_SOON_S)
        with contextlib.suppress(KafkaException):  # `_heard` is called in it
            self.poll(0)
        if self._heard.refused is not None:
            raise meant(self._heard.refused, doing)
        try:
            return self.list_topics(timeout=REQUEST_S)
        except KafkaException as error:
            raise meant(error, doing) from error


def admin(values: Values, side: str) -> Admin:
    return _made(Admin, settings(values, side, {}), side)  # type: ignore[no-any-return]


def _made(client: Any, chosen: Mapping[str, Any], side: str) -> Any:
    try:
        return client(dict(chosen), logger=_log)
    except (KafkaException, ValueError) as error:
        found = error.args[0]
        text = found.str() if isinstance(found, KafkaError) else str(found)
        raise ConfigError([Problem(f"{side}.client", f"the Kafka client refuses its settings: {text}")]) from error


def meant(error: KafkaError | KafkaException, doing: str) -> HeadwaterError:
    """The error to raise; `doing` completes "… failed"."""
    found = error.args[0] if isinstance(error, KafkaException) else error
    if not isinstance(found, KafkaError):
        return Fatal(f"{doing} failed: {found}")
    code, text = found.code(), f"{doing} failed: {found.str()}"
    if code in _LOGIN:
        return Fatal(f"{text}; check security.protocol, sasl.mechanism and the credentials among the client's settings")
    if code in _RIGHTS:
        return Fatal(f"{text}; the user lacks a right: add an ACL")
    if code in _GONE:
        return Fatal(f"{text}; is the topic there, and may the user see it?")
    if code in _PASSING or found.retriable():
        return Retriable(f"{text}; Headwater tries again")
    return Fatal(text)


def topic_ids(client: AdminClient, topics: Iterable[str], doing: str) -> dict[str, str]:
    """A topic that was deleted and made again has another one. Raises as `meant` does."""
    names = sorted(set(topics))
    if not names:
        return {}
    try:
        asked = client.describe_topics(TopicCollection(names), request_timeout=REQUEST_S)
        return {name: str(future.result().topic_id) for name, future in asked.items()}
    except KafkaException as error:
        raise meant(error, doing) from error


def copied_settings(client: AdminClient, topic: str) -> dict[str, str]:
    """`RETENTION`, and those of `COPIED` that were set for this topic. Raises as `meant` does."""
    found = _topic_settings(client, topic)
    own = ConfigSource.DYNAMIC_TOPIC_CONFIG.value
    names = [*RETENTION, *(name for name in COPIED if name in found and _source(found[name].source) == own)]
    return {name: str(found[name].value) for name in names}


def largest_batch(client: AdminClient, topic: str) -> int:
    """Bytes that the topic takes at once. Raises as `meant` does."""
    return int(_topic_settings(client, topic)["max.message.bytes"].value)


def _topic_settings(client: AdminClient, topic: str) -> Mapping[str, Any]:
    """Brokers know a topic that was just made a moment later."""
    deadline = time.monotonic() + REQUEST_S
    while True:
        try:
            asked = client.describe_configs([ConfigResource(ResourceType.TOPIC, topic)], request_timeout=REQUEST_S)
            [future] = asked.values()
            found: Mapping[str, Any] = future.result()
            return found
        except KafkaException as error:
            if error.args[0].code() not in _GONE or time.monotonic() > deadline:
                raise meant(error, f"asking for the settings of the topic {topic}") from error
        time.sleep(0.2)


def _source(source: Any) -> Any:
    return source.value if isinstance(source, ConfigSource) else source


def reachable(values: Values, side: str) -> Finding:
    """For `check`."""
    servers = values[f"{side}.bootstrap.servers"]
    try:
        metadata = admin(values, side).metadata(f"reaching {servers}")
    except HeadwaterError as error:
        fix = f"start the brokers, or correct {side}.bootstrap.servers and {side}.client.…"
        return Finding("error", f"{side}.bootstrap.servers", str(error), fix)
    return Finding("ok", f"{side}.bootstrap.servers", f"{len(metadata.brokers)} broker(s) of {metadata.cluster_id}")
