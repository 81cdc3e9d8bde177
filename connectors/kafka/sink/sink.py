"""One task: records of the log to topics of the cluster, in order, each acknowledged before its offset is committed.

At least once: what was written after the last committed offset is written again after a crash. Records keep their keys
and versions, so a view of the copy, or a compacted one, converges to the same.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from confluent_kafka import KafkaError, KafkaException, Message
from confluent_kafka.admin import NewTopic  # type: ignore[attr-defined]

from headwater.worker.api import (
    VERSION_HEADER,
    DataError,
    Fatal,
    Header,
    HeadwaterError,
    Record,
    Retriable,
    Sink,
    SinkBatch,
    TaskContext,
    TopicPartition,
)
from headwater.worker.api.java.values import text_of

from ..cluster import FOR_EVER, REQUEST_S, admin, largest_batch, meant, producer
from ..converting import made_converter
from ..naming import WRITTEN_HEADER, came_back, loop, named

_FLUSH_S: Final = 60.0
_BATCH_BYTES: Final = 1_000_000
_TOO_LARGE: Final = frozenset({KafkaError.MSG_SIZE_TOO_LARGE, KafkaError.RECORD_LIST_TOO_LARGE})


class KafkaSink(Sink):
    def open(self, context: TaskContext) -> None:
        self._context, self._values = context, context.values
        self._keys = made_converter(self._values, "target", "key")
        self._converter = made_converter(self._values, "target", "value")
        self._keeps: bool = self._values["keep.partitions"]
        self._admin = admin(self._values, "target")
        self._batch_bytes = _BATCH_BYTES
        self._producer = producer(self._values, "target", _BATCH_BYTES)
        self._known: set[str] = set()
        self._cluster = ""
        self._ends: dict[TopicPartition, int] = {}
        self._failed: HeadwaterError | None = None
        self._refused: list[tuple[Record, DataError]] = []

    def write(self, batch: SinkBatch) -> None:
        for record in batch.records:
            try:
                self._write(record)
            except DataError as error:
                self._report(record, error)
        self._producer.poll(0)
        self._raise()
        self._ends.update(batch.next)

    def flush(self) -> dict[TopicPartition, int]:
        """Raises `Retriable` where brokers do not answer; the task then begins again at the last committed offset."""
        left = self._producer.flush(_FLUSH_S)
        self._raise()
        if left:
            raise Retriable(f"{left} records are not acknowledged after {_FLUSH_S:.0f} s")
        for record, error in self._refused:
            self._report(record, error)
        self._refused.clear()
        return dict(self._ends)

    def revoke(self, partitions: Sequence[TopicPartition]) -> None:
        for partition in partitions:
            self._ends.pop(partition, None)

    def close(self) -> None:
        client, self._producer = getattr(self, "_producer", None), None  # type: ignore[assignment]
        self._admin = None  # type: ignore[assignment]
        if client is not None:
            client.purge()
            client.flush(1.0)

    def _write(self, record: Record) -> None:
        topic = named(self._values["topic"], record.topic)
        if topic not in self._known:
            self._make(topic)
        key = self._keys.encoder(topic, record.key_schema)(record.key)
        value = self._converter.encoder(topic, record.value_schema)(record.value)
        headers: list[tuple[str, Any]] = [(h.name, _bytes(h)) for h in record.headers if h.name != VERSION_HEADER]
        if topic == (record.origin or record.topic):
            if came_back(headers, WRITTEN_HEADER, self._cluster):
                raise Fatal(loop(record.where(), WRITTEN_HEADER, "target.bootstrap.servers"))
            headers.append((WRITTEN_HEADER, self._cluster.encode()))
        if record.version is not None:
            headers.append((VERSION_HEADER, b"%d" % record.version))
        options: dict[str, Any] = {"on_delivery": lambda error, _: self._delivered(record, error)}
        if record.timestamp_ms is not None and record.timestamp_ms >= 0:
            options["timestamp"] = record.timestamp_ms
        if self._keeps and record.partition is not None:
            options["partition"] = record.partition
        deadline = time.monotonic() + _FLUSH_S
        try:
            while not self._took(topic, value, key, headers, options):
                self._make_room(record, deadline)
        except KafkaException as error:
            if error.args[0].code() in _TOO_LARGE:
                raise DataError(f"{record.where()}: {error.args[0].str()}") from error
            raise meant(error, f"writing to {topic}") from error

    def _took(
        self, topic: str, value: bytes | None, key: bytes | None, headers: list[tuple[str, Any]], options: Any
    ) -> bool:
        """False: the producer holds as much as it may."""
        try:
            self._producer.produce(topic, value, key, headers=headers, **options)
        except BufferError:
            return False
        return True

    def _make_room(self, record: Record, deadline: float) -> None:
        """Raises `DataError` where that is no help, `Retriable` where brokers take nothing."""
        if not len(self._producer):
            raise DataError(
                f"{record.where()}: the record is larger than what the producer may hold: raise "
                "target.client.queue.buffering.max.kbytes"
            )
        self._producer.poll(0.5)
        self._raise()
        if time.monotonic() > deadline or self._context.stopping.is_set():
            raise Retriable(f"{record.where()}: the producer is full, and the brokers take nothing from it")

    def _delivered(self, record: Record, error: KafkaError | None, _: Message | None = None) -> None:
        """Called in `poll` and `flush`."""
        if error is None:
            return
        if error.code() in _TOO_LARGE:
            self._refused.append((record, DataError(f"{record.where()}: {error.str()}; raise max.message.bytes")))
        elif self._failed is None:
            self._failed = meant(error, f"writing {record.where()}")

    def _raise(self) -> None:
        if self._failed is not None:
            raise self._failed

    def _report(self, record: Record, error: DataError) -> None:
        if self._context.report_bad_record is None:
            raise error
        self._context.report_bad_record(record, error)

    def _make(self, topic: str) -> None:
        """The topic where it is missing; the brokers never make one by themselves."""
        metadata = self._admin.metadata(f"asking {self._values['target.bootstrap.servers']} for its topics")
        self._cluster = str(metadata.cluster_id)
        try:
            if topic not in metadata.topics:
                config = FOR_EVER | {m[1]: str(v) for m, v in self._values.matching(r"target\.topic\.(.+)")}
                new = NewTopic(topic, self._values["target.partitions"] or -1, -1, config=config)
                self._admin.create_topics([new], request_timeout=REQUEST_S)[topic].result()
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise meant(error, f"making the topic {topic}") from error
        self._fit(largest_batch(self._admin, topic))
        self._known.add(topic)

    def _fit(self, limit: int) -> None:
        """Batches that every topic takes: else good records would be refused with a large one."""
        if limit >= self._batch_bytes:
            return
        if self._producer.flush(_FLUSH_S):
            raise Retriable(f"records are not acknowledged after {_FLUSH_S:.0f} s")
        self._batch_bytes = limit
        self._producer = producer(self._values, "target", limit)


def _bytes(header: Header) -> bytes | None:
    """Headers without a schema are bytes already; others are written as their text."""
    value = header.value
    if value is None or (header.schema is None and isinstance(value, bytes)):
        return value
    return text_of(value, header.schema).encode()
