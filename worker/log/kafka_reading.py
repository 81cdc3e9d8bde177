"""The partitions that a consumer reads, and how far it has come in each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import confluent_kafka
from confluent_kafka import KafkaError

from headwater.worker.api import TopicPartition

from .contract import LogError, Message, UnknownTopic

Seen = Mapping[str, tuple[str, int]]
"""Topic -> (topic id, number of partitions)."""


class Reading:
    """`positions`: next offset to read. `ids`: the topic id that each partition was taken on with."""

    def __init__(self) -> None:
        self.positions: dict[TopicPartition, int] = {}
        self.ids: dict[TopicPartition, str] = {}
        self.paused: set[TopicPartition] = set()

    def take_on(self, offsets: Mapping[TopicPartition, int], ids: Mapping[TopicPartition, str]) -> None:
        self.positions.update(offsets)
        self.ids.update(ids)

    def forget(self, partitions: Iterable[TopicPartition]) -> None:
        for partition in list(partitions):
            self.positions.pop(partition, None)
            self.ids.pop(partition, None)
            self.paused.discard(partition)

    def check(self, partitions: Iterable[TopicPartition]) -> list[TopicPartition]:
        """The same ones. Raises `LogError` for one that is not read."""
        chosen = list(partitions)
        for partition in chosen:
            if partition not in self.positions:
                raise LogError(f"{partition} is not assigned to this consumer")
        return chosen

    def is_same_topic(self, partition: TopicPartition, seen: Seen) -> bool:
        return seen.get(partition.topic, ("", 0))[0] == self.ids[partition]

    def check_there(self, seen: Seen) -> None:
        """Raises `UnknownTopic`."""
        for partition in self.positions:
            if not self.is_same_topic(partition, seen):
                raise UnknownTopic(f"topic {partition.topic} was deleted while it was read from")

    def messages(self, found: Iterable[confluent_kafka.Message], heard: Callable[[KafkaError], None]) -> list[Message]:
        """The records among what librdkafka gave; moves the positions, also at the end of a partition, which lies
        behind offsets that hold nothing for us. `heard` gets every error."""
        positions = self.positions
        messages: list[Message] = []
        append = messages.append
        topic, number, where = "", -1, TopicPartition("", -1)
        for one in found:
            error = one.error()
            place: Any = one.topic()
            partition: Any = one.partition()
            if partition != number or place != topic:
                topic, number = place, partition
                where = TopicPartition(topic, number)
            if error is None:
                if where not in positions:
                    continue  # let go of meanwhile
                offset: Any = one.offset()
                positions[where] = offset + 1
                headers: Any = one.headers() or ()
                append(Message(topic, one.key(), one.value(), headers, one.timestamp()[1], number, offset))
            elif error.code() == KafkaError._PARTITION_EOF:
                if where in positions:
                    positions[where] = max(positions[where], one.offset() or 0)
            else:
                heard(error)
        return messages
