"""Names of Kafka client options: which there are, what librdkafka calls them, which cannot be set."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

COMMON: Final = frozenset(
    {
        "bootstrap.servers", "client.dns.lookup", "client.id", "client.rack", "connections.max.idle.ms",
        "metadata.recovery.rebootstrap.trigger.ms", "metadata.recovery.strategy", "reconnect.backoff.max.ms",
        "reconnect.backoff.ms", "request.timeout.ms", "retry.backoff.max.ms", "retry.backoff.ms",
        "receive.buffer.bytes", "send.buffer.bytes", "socket.connection.setup.timeout.ms",
        "socket.connection.setup.timeout.max.ms",
    }
)  # fmt: skip
"""Taken for every client also where they stand in the worker file without a prefix (as the security options are)."""

OF_CLIENT: Final[Mapping[str, frozenset[str]]] = {
    "producer": frozenset(
        {
            "batch.size", "buffer.memory", "compression.gzip.level", "compression.lz4.level", "compression.type",
            "compression.zstd.level", "delivery.timeout.ms", "linger.ms", "max.block.ms",
            "max.in.flight.requests.per.connection", "max.request.size", "metadata.max.age.ms", "metadata.max.idle.ms",
            "metric.reporters", "metrics.num.samples", "metrics.recording.level", "metrics.sample.window.ms",
            "enable.metrics.push", "partitioner.adaptive.partitioning.enable", "partitioner.availability.timeout.ms",
            "retries", "transaction.timeout.ms", "acks",
        }
    ),
    "consumer": frozenset(
        {
            "auto.offset.reset", "check.crcs", "default.api.timeout.ms", "enable.metrics.push", "fetch.max.bytes",
            "fetch.max.wait.ms", "fetch.min.bytes", "heartbeat.interval.ms", "max.partition.fetch.bytes",
            "max.poll.interval.ms", "max.poll.records", "metadata.max.age.ms", "metric.reporters",
            "metrics.num.samples", "metrics.recording.level", "metrics.sample.window.ms", "session.timeout.ms",
        }
    ),
    "admin": frozenset(
        {
            "default.api.timeout.ms", "enable.metrics.push", "metadata.max.age.ms", "metric.reporters",
            "metrics.num.samples", "metrics.recording.level", "metrics.sample.window.ms", "retries",
        }
    ),
}  # fmt: skip
"""Options of Kafka's Java clients that one of the three has and Headwater takes."""

LIBRDKAFKA: Final[Mapping[str, frozenset[str]]] = {
    "both": frozenset(
        {
            "api.version.request.timeout.ms", "broker.address.family", "broker.address.ttl", "debug",
            "log.connection.close", "log_level", "message.max.bytes", "receive.message.max.bytes",
            "reconnect.backoff.jitter.ms", "socket.keepalive.enable", "socket.max.fails", "socket.nagle.disable",
            "socket.receive.buffer.bytes", "socket.send.buffer.bytes", "socket.timeout.ms",
            "topic.metadata.propagation.max.ms", "topic.metadata.refresh.fast.interval.ms",
            "topic.metadata.refresh.interval.ms", "topic.metadata.refresh.sparse",
        }
    ),
    "producer": frozenset(
        {
            "batch.num.messages", "compression.codec", "compression.level", "message.send.max.retries",
            "message.timeout.ms", "queue.buffering.backpressure.threshold", "queue.buffering.max.kbytes",
            "queue.buffering.max.messages", "queue.buffering.max.ms", "sticky.partitioning.linger.ms",
        }
    ),
    "consumer": frozenset(
        {
            "coordinator.query.interval.ms", "fetch.error.backoff.ms", "fetch.message.max.bytes",
            "fetch.queue.backoff.ms", "fetch.wait.max.ms", "queued.max.messages.kbytes", "queued.min.messages",
        }
    ),
    "admin": frozenset(),
}  # fmt: skip

RENAMED: Final[Mapping[str, str]] = {
    "receive.buffer.bytes": "socket.receive.buffer.bytes",
    "send.buffer.bytes": "socket.send.buffer.bytes",
    "request.timeout.ms": "socket.timeout.ms",
    "fetch.max.wait.ms": "fetch.wait.max.ms",
    "delivery.timeout.ms": "message.timeout.ms",
    "compression.codec": "compression.type",
    "queue.buffering.max.ms": "linger.ms",
    "message.send.max.retries": "retries",
    "fetch.message.max.bytes": "max.partition.fetch.bytes",
    "topic.metadata.refresh.interval.ms": "metadata.max.age.ms",
    "compression.gzip.level": "compression.level",
    "compression.lz4.level": "compression.level",
    "compression.zstd.level": "compression.level",
}
"""Java's name, or a second name of librdkafka's -> the one name that `client_settings` gives."""

WITHOUT_EFFECT: Final = frozenset(
    {
        "socket.connection.setup.timeout.max.ms", "metadata.max.idle.ms", "metric.reporters",
        "metrics.num.samples", "metrics.recording.level", "metrics.sample.window.ms", "enable.metrics.push",
        "partitioner.adaptive.partitioning.enable", "partitioner.availability.timeout.ms", "default.api.timeout.ms",
        "max.poll.records",
    }
)  # fmt: skip

OWNED: Final[Mapping[str, str]] = {
    "enable.idempotence": "always true, or retries could double and reorder records",
    "transactional.id": "it tells the incarnations of one task apart",
    "group.id": "a sink's consumer group is connect-<its name>",
    "group.instance.id": "it tells the incarnations of one task apart",
    "group.protocol": "static membership with the classic protocol",
    "group.remote.assignor": "static membership with the classic protocol",
    "partition.assignment.strategy": "static members that die while others change must leave no partition unread",
    "enable.auto.commit": "offsets are stored when the view has flushed",
    "auto.commit.interval.ms": "offsets are stored when the view has flushed",
    "enable.auto.offset.store": "offsets are stored when the view has flushed",
    "isolation.level": "sinks read committed records only",
    "key.serializer": "converters do this", "value.serializer": "converters do this",
    "key.deserializer": "converters do this", "value.deserializer": "converters do this",
    "allow.auto.create.topics": "topics are made with topic.creation.*",
    "exclude.internal.topics": "internal topics are never read",
    "enable.partition.eof": "progress is measured with it",
    "partitioner": "murmur2 of the key, as Kafka's own clients",
    "delivery.report.only.error": "it is how failures are noticed",
}  # fmt: skip

UNSUPPORTED: Final[Mapping[str, str]] = {
    "partitioner.class": "records go by murmur2 of the key, as with Kafka's default",
    "partitioner.ignore.keys": "records of one key must keep their order",
    "interceptor.classes": "Java classes cannot be loaded",
    "security.providers": "Java classes cannot be loaded",
    "config.providers": "use the worker's ${env:} and ${file:}",
    "bootstrap.controllers": "Headwater asks the brokers",
    "transaction.two.phase.commit.enable": "transactions end with their task",
}
