"""What librdkafka and brokers report, as the errors that steer the runtime.

Source of codes: librdkafka's rdkafka.h and Kafka 4.3, org.apache.kafka.common.protocol.Errors.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException

from headwater.worker.api import ConfigError, Fatal, Fenced, HeadwaterError, Problem, Retriable

from .contract import LogError, TopicExists, UnknownTopic

FENCED: Final = frozenset(
    {
        KafkaError._FENCED,
        KafkaError.INVALID_PRODUCER_EPOCH,
        KafkaError.PRODUCER_FENCED,
        KafkaError.FENCED_INSTANCE_ID,
    }
)
UNKNOWN_TOPIC: Final = frozenset(
    {
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)
_REFUSED_CREDENTIALS: Final = frozenset(
    {KafkaError._AUTHENTICATION, KafkaError.SASL_AUTHENTICATION_FAILED, KafkaError.UNSUPPORTED_SASL_MECHANISM}
)
_RIGHTS: Final[Mapping[int, str]] = {
    KafkaError.TOPIC_AUTHORIZATION_FAILED: (
        "the topic (Describe and Read to read it, Write to write it, Create, Alter, AlterConfigs, Delete to change it)"
    ),
    KafkaError.GROUP_AUTHORIZATION_FAILED: "the consumer group (Read, Describe, Delete)",
    KafkaError.TRANSACTIONAL_ID_AUTHORIZATION_FAILED: "the transactional id (Describe and Write)",
    KafkaError.CLUSTER_AUTHORIZATION_FAILED: "the cluster (IdempotentWrite, Create)",
    KafkaError.DELEGATION_TOKEN_AUTHORIZATION_FAILED: "the delegation token",
}
_WAIT: Final = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._DESTROY_BROKER,  # the broker has just left the cluster, or come back under its name
        KafkaError._NOENT,  # no partition that was asked for has a leader
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._TIMED_OUT,
        KafkaError._TIMED_OUT_QUEUE,
        KafkaError._MSG_TIMED_OUT,
        KafkaError._RESOLVE,
        KafkaError._WAIT_COORD,
        KafkaError._WAIT_CACHE,
        KafkaError._QUEUE_FULL,
        KafkaError._PURGE_QUEUE,
        KafkaError._PURGE_INFLIGHT,
        KafkaError._RETRY,
        KafkaError._SSL,
        KafkaError._NO_OFFSET,
        KafkaError._IN_PROGRESS,
        KafkaError._PREV_IN_PROGRESS,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.REPLICA_NOT_AVAILABLE,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.NOT_ENOUGH_REPLICAS,
        KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.NOT_CONTROLLER,
        KafkaError.CONCURRENT_TRANSACTIONS,
        KafkaError.KAFKA_STORAGE_ERROR,
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
        KafkaError.PREFERRED_LEADER_NOT_AVAILABLE,
        KafkaError.UNSTABLE_OFFSET_COMMIT,
        KafkaError.THROTTLING_QUOTA_EXCEEDED,
        KafkaError.OUT_OF_ORDER_SEQUENCE_NUMBER,
        KafkaError.UNKNOWN_PRODUCER_ID,
        KafkaError.INVALID_PRODUCER_ID_MAPPING,
        KafkaError.INVALID_TXN_STATE,
        KafkaError._STATE,
        KafkaError._INCONSISTENT,
    }
)

_UNANSWERED: Final = frozenset({KafkaError._TIMED_OUT, KafkaError._TIMED_OUT_QUEUE})
_RECENT_S: Final = 60.0
_REPLICATION_HINT: Final = (
    "Set a replication factor that this cluster's brokers can hold: offset.storage.replication.factor, "
    "config.storage.replication.factor and status.storage.replication.factor in the worker file for its own topics, "
    "topic.creation.default.replication.factor for a connector's topics, "
    "errors.deadletterqueue.topic.replication.factor for a dead letter queue; -1 is the brokers' default"
)

_TRANSACTION_HINT: Final = (
    "Lower producer.transaction.timeout.ms in the worker file, or producer.override.transaction.timeout.ms in the "
    "connector's config; or raise transaction.max.timeout.ms on the brokers"
)
_TIMESTAMP_HINT: Final = (
    "Is the clock of this machine, or what gives the records their time, ahead of the brokers'? Set it right, or raise "
    "message.timestamp.after.max.ms of the topic"
)


class Connection:
    """What a client last heard of its brokers; tells why a call that timed out got no answer."""

    def __init__(self, servers: str) -> None:
        """`servers`: bootstrap.servers."""
        self.servers = servers
        self.fatal: KafkaError | None = None
        self.listen: Callable[[], object] = lambda: None
        """Has librdkafka call `heard`; clients that are not polled all the time set it."""
        self.unanswered = False
        """Whether a request has timed out; who finds another way to ask takes it back."""
        self._last: tuple[float, KafkaError] | None = None

    def heard(self, error: KafkaError) -> None:
        """librdkafka's error_cb."""
        if error.fatal():
            self.fatal = error
        if error.code() != KafkaError._ALL_BROKERS_DOWN or self.trouble() is None:
            self._last = (time.monotonic(), error)

    def trouble(self) -> KafkaError | None:
        """Of the last minute."""
        last = self._last
        return last[1] if last is not None and time.monotonic() - last[0] < _RECENT_S else None

    def error(self, error: KafkaError | KafkaException, what: str) -> HeadwaterError:
        """The error to raise. `what`: what failed and where, as the begin of a sentence."""
        try:
            self.listen()
        except KafkaException as told:
            self.heard(told.args[0])
        found: Any = error.args[0] if isinstance(error, KafkaException) else error
        if not isinstance(found, KafkaError):
            return LogError(f"{what}: {found}")
        if found.code() in _UNANSWERED:
            self.unanswered = True
        return self._error(found, what)

    def _error(self, error: KafkaError, what: str) -> HeadwaterError:
        code, text = error.code(), f"{what}: {error.str()}"
        if code in FENCED:
            return Fenced(f"{text}. Another process has taken over; this one stops")
        if code in UNKNOWN_TOPIC:
            return UnknownTopic(f"{text} (brokers {self.servers})")
        if code == KafkaError.TOPIC_ALREADY_EXISTS:
            return TopicExists(text)
        if code in _RIGHTS:
            return Fatal(f"{text}. The user that Headwater connects as lacks rights on {_RIGHTS[code]}: add an ACL")
        if code == KafkaError.INVALID_REPLICATION_FACTOR:
            return LogError(f"{text} {_REPLICATION_HINT}")
        if code == KafkaError.INVALID_TRANSACTION_TIMEOUT:
            return LogError(f"{text}. {_TRANSACTION_HINT}")
        if code == KafkaError.INVALID_TIMESTAMP:
            return LogError(f"{text}. {_TIMESTAMP_HINT}")
        trouble = self.trouble()
        if code in _REFUSED_CREDENTIALS or (
            code in _WAIT and trouble is not None and trouble.code() in _REFUSED_CREDENTIALS
        ):
            reason = trouble.str() if trouble is not None else error.str()
            return Fatal(
                f"{what}: the brokers {self.servers} refuse the log-in ({reason}). Check security.protocol, "
                "sasl.mechanism and the credentials in sasl.jaas.config or sasl.username and sasl.password"
            )
        if code in _WAIT or error.retriable() or error.txn_requires_abort():
            return Retriable(f"{text}. {self._advice(code)}")
        return LogError(text)

    def _advice(self, code: int) -> str:
        trouble = self.trouble()
        reason = f" Last heard: {trouble.str()}" if trouble is not None else ""
        if code in (KafkaError.NOT_ENOUGH_REPLICAS, KafkaError.NOT_ENOUGH_REPLICAS_AFTER_APPEND):
            return "Fewer replicas are in sync than the topic's min.insync.replicas; Headwater tries again"
        if code == KafkaError.KAFKA_STORAGE_ERROR:
            return "A broker cannot write to its disk, or read from it; is it full?"
        return (
            f"Are the brokers {self.servers} up and reachable from here, and does "
            f"security.protocol fit their listener?{reason}"
        )


def refused_settings(error: KafkaException | ValueError) -> ConfigError:
    """librdkafka names the option that it does not take."""
    found = error.args[0]
    text = found.str() if isinstance(found, KafkaError) else str(found)
    return ConfigError([Problem("bootstrap.servers", f"the Kafka client refuses its settings: {text}")])
