"""Configs of the compared connectors: the same tables, topics, formats and guarantees for all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.servers.postgres import PostgresServer

JSON = "org.apache.kafka.connect.json.JsonConverter"
INTERNAL = ("config", "offset", "status")
DEBEZIUM_SOURCE = {
    "connector.class": "io.debezium.connector.postgresql.PostgresConnector",
    "plugin.name": "pgoutput",
}
DEBEZIUM_LARGER = {
    "max.batch.size": "8192",
    "max.queue.size": "32768",
    "poll.interval.ms": "50",
    "producer.override.batch.size": "262144",
    "producer.override.linger.ms": "20",
    "producer.override.buffer.memory": "134217728",
}
"""Larger batches than Debezium's defaults (2048, 8192) and the producer's (16 KiB, 5 ms)."""
DEBEZIUM_SINK = {
    "connector.class": "io.debezium.connector.jdbc.JdbcSinkConnector",
    "insert.mode": "upsert",
    "delete.enabled": "true",
    "primary.key.mode": "record_key",
    "schema.evolution": "basic",
    "batch.size": "5000",
    "use.reduction.buffer": "true",
    "dialect.postgres.unnest.insert.enabled": "true",
    "consumer.override.max.poll.records": "5000",
    "consumer.override.fetch.min.bytes": "1048576",
    "consumer.override.max.partition.fetch.bytes": "52428800",
    "consumer.override.isolation.level": "read_committed",
}
"""Its fastest way of writing: one INSERT of arrays a batch; Headwater's batches are as large by default."""


@dataclass(frozen=True)
class Shape:
    """What is the same for all: converters with or without schemas, compression of topics, exactly-once sources."""

    schemas: bool
    compression: str
    exactly_once: bool

    def converters(self) -> dict[str, str]:
        enabled = str(self.schemas).lower()
        return {
            "key.converter": JSON,
            "value.converter": JSON,
            "key.converter.schemas.enable": enabled,
            "value.converter.schemas.enable": enabled,
        }

    def worker(self, bootstrap: str, group: str) -> dict[str, str]:
        """Of a worker with internal topics of its own."""
        return {
            "bootstrap.servers": bootstrap,
            "group.id": group,
            "exactly.once.source.support": "enabled" if self.exactly_once else "disabled",
            "offset.flush.interval.ms": "10000",
            **self.converters(),
            **{f"{name}.storage.topic": f"{group}-{name}" for name in INTERNAL},
            **{f"{name}.storage.replication.factor": "1" for name in INTERNAL},
        }

    def source(self, server: PostgresServer, database: str, table: str, prefix: str) -> dict[str, str]:
        """What both sources have in common; `table`: public.NAME."""
        return {
            "tasks.max": "1",
            "topic.prefix": prefix,
            "database.hostname": "127.0.0.1",
            "database.port": str(server.port),
            "database.user": "postgres",
            "database.password": "unused",
            "database.dbname": database,
            "table.include.list": table,
            "slot.name": f"{prefix}_slot",
            "publication.name": f"{prefix}_publication",
            "publication.autocreate.mode": "filtered",
            "snapshot.mode": "initial",
            "producer.override.compression.type": self.compression,
            "topic.creation.default.replication.factor": "1",
            "topic.creation.default.partitions": "1",
            "topic.creation.default.cleanup.policy": "delete",  # cleaning would disturb who runs next, and the counts
            "topic.creation.default.retention.ms": "-1",
        }


def headwater_source(common: Mapping[str, str]) -> dict[str, str]:
    return {"connector.class": "PostgresSource", **common}


def debezium_source(common: Mapping[str, str]) -> dict[str, str]:
    return {**DEBEZIUM_SOURCE, **DEBEZIUM_LARGER, **common}


def debezium_source_by_default(common: Mapping[str, str]) -> dict[str, str]:
    return {**DEBEZIUM_SOURCE, **common}


def headwater_view(topic: str, table: str, url: str) -> dict[str, str]:
    return {
        "connector.class": "PostgresSink",
        "tasks.max": "1",
        "topics": topic,
        "connection.url": url,
        "connection.username": "postgres",
        "connection.password": "unused",
        "collection.name.format": table,
    }


def parquet_view(topic: str, folder: Path) -> dict[str, str]:
    """A change log whose readers see new rows every two seconds, so that the end is not waited for."""
    return {
        "connector.class": "ParquetSink",
        "tasks.max": "1",
        "topics": topic,
        "path": str(folder),
        "rotate.schedule.interval.ms": "2000",
    }


def debezium_view(topic: str, table: str, url: str) -> dict[str, str]:
    return {
        **DEBEZIUM_SINK,
        "tasks.max": "1",
        "topics": topic,
        "connection.url": f"jdbc:{url.replace('postgres@', '')}?reWriteBatchedInserts=true",
        "connection.username": "postgres",
        "connection.password": "unused",
        "collection.name.format": table,
    }
