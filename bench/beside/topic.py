"""A topic of one partition as a reader with `read_committed` sees it."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator
from dataclasses import dataclass

from confluent_kafka import Consumer, IsolationLevel, KafkaError, KafkaException, Message, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic, OffsetSpec  # type: ignore[attr-defined]

PATIENCE_S = 60.0
SLICE_S = 0.2


@dataclass(frozen=True)
class Found:
    """`values` and `tombstones`: records with a value and without one; `value_bytes`: as the converter made them."""

    values: int
    tombstones: int
    value_bytes: int

    @property
    def records(self) -> int:
        return self.values + self.tombstones


class Topic:
    def __init__(self, bootstrap: str, name: str) -> None:
        self.name = name
        self._bootstrap = bootstrap
        self._admin = AdminClient({"bootstrap.servers": bootstrap, "log_level": 0})
        self._partition = TopicPartition(name, 0)

    def make(self) -> None:
        """As the connectors make theirs: one partition, nothing is deleted."""
        settings = {"retention.ms": "-1"}
        for future in self._admin.create_topics([NewTopic(self.name, 1, 1, config=settings)]).values():
            future.result()

    def end(self) -> int:
        """The offset up to which everything is committed; 0 while there is no topic."""
        asked = {self._partition: OffsetSpec.latest()}  # type: ignore[no-untyped-call]
        future = self._admin.list_offsets(asked, isolation_level=IsolationLevel.READ_COMMITTED)[self._partition]
        try:
            return int(future.result().offset)
        except KafkaException:
            return 0

    def read(self, first: int) -> Found:
        """All records from offset `first` on. Raises `KafkaException`, `TimeoutError`."""
        values = tombstones = size = 0
        for message in self._messages(first):
            value = message.value()
            if value is None:
                tombstones += 1
            else:
                values += 1
                size += len(value)
        return Found(values, tombstones, size)

    def sample(self, count: int) -> list[tuple[bytes | None, bytes | None]]:
        """Keys and values of the first records."""
        return [(message.key(), message.value()) for message in itertools.islice(self._messages(0), count)]

    def last_key(self) -> bytes:
        """Of the last record that has one."""
        last = b""
        for message in self._messages(max(0, self.end() - 1_000)):
            last = message.key() or last
        return last

    def _messages(self, first: int) -> Iterator[Message]:
        """To the end of what is committed."""
        consumer = Consumer(
            {
                "bootstrap.servers": self._bootstrap,
                "group.id": "bench-reader",
                "log_level": 0,
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.partition.eof": True,
            }
        )
        try:
            consumer.assign([TopicPartition(self.name, 0, first)])
            heard = time.monotonic()
            while time.monotonic() - heard < PATIENCE_S:
                for message in consumer.consume(10_000, SLICE_S):  # it waits for so many, also past the end
                    heard = time.monotonic()
                    error = message.error()
                    if error is None:
                        yield message
                    elif error.code() == KafkaError._PARTITION_EOF:
                        return
                    else:
                        raise KafkaException(error)
            raise TimeoutError(f"the broker sent nothing of {self.name} for {PATIENCE_S:.0f} s")
        finally:
            consumer.close()
