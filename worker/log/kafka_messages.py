"""Which messages a topic can take and where they go, before librdkafka sees any of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import Final

from confluent_kafka import KafkaError

from .contract import Headers, Message, MessageRefused
from .kafka_topics import KafkaTopics, Limits

_RECORD_OVERHEAD_BYTES: Final = 80
"""What Kafka adds to a record that is alone in its batch; the embedded log reckons with the same."""
_HEADER_OVERHEAD_BYTES: Final = 8
_BY_KEY: Final = -1
_CLOCK_MS: Final = 60_000
"""How far this machine's clock may be ahead of the brokers'."""
_DOUBTFUL: Final = frozenset(
    {
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_MSG,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError._UNKNOWN_TOPIC,
        KafkaError._UNKNOWN_PARTITION,
    }
)

Placed = tuple[Message, int, int]
"""Message, partition (-1: librdkafka chooses by murmur2 of the key), timestamp in ms (0: now)."""


class Placement:
    """Checks messages against what is remembered of their topics; asks anew before it refuses one."""

    def __init__(self, topics: KafkaTopics, batch_bytes: int, flush: Callable[[], None]) -> None:
        self._topics = topics
        self._batch_bytes = batch_bytes
        self._flush = flush
        self._used: set[str] = set()
        self._small: dict[str, int] = {}
        self._filled: dict[str, int] = {}
        self._turn = 0

    @property
    def tight(self) -> bool:
        """Whether one of the topics takes less than a batch, so that `make_room` has something to do."""
        return bool(self._small)

    def begin(self) -> None:
        self._used.clear()

    def make_room(self, message: Message) -> None:
        """A broker holds a whole batch against `max.message.bytes`, and librdkafka has one batch size for all topics:
        where a topic takes less, what was handed over is sent before it becomes too much. Raises what a flush does."""
        limit = self._small.get(message.topic)
        if limit is None:
            return
        size = _size(message) + _RECORD_OVERHEAD_BYTES
        filled = self._filled.get(message.topic, 0)
        if filled + size > limit:
            self._flush()
            self._filled.clear()
            filled = 0
        self._filled[message.topic] = filled + size

    def place(self, messages: Iterable[Message]) -> list[Placed]:
        """Raises `UnknownTopic`, `MessageRefused`, `Retriable`, `Fatal`; then none of them may be sent."""
        placed: list[Placed] = []
        began = time.monotonic()
        latest_ms = 0
        name, limits, limit, turn = "", None, 0, self._turn
        for message in messages:
            if limits is None or message.topic != name:
                name = message.topic
                limits = self._topics.limits(name)
                self._used.add(name)
                limit = limits.max_message_bytes - _RECORD_OVERHEAD_BYTES
                if limits.max_message_bytes < self._batch_bytes:
                    self._small[name] = limits.max_message_bytes
                else:
                    self._small.pop(name, None)
                latest_ms = _now_ms() + limits.longest_ahead_ms - _CLOCK_MS
            key, timestamp_ms, partition = message.key, message.timestamp_ms, message.partition
            value = message.value
            size = (len(key) if key else 0) + (len(value) if value else 0) + _size_of_headers(message.headers)
            if (
                size > limit
                or (key is None and limits.compacted)
                or (partition is not None and not 0 <= partition < limits.info.partitions)
                or (timestamp_ms is not None and timestamp_ms > latest_ms)
            ):
                limits = self._topics.limits(name, newer_than=began)
                limit = limits.max_message_bytes - _RECORD_OVERHEAD_BYTES
                reason = _refusal(message, limits, size)
                if reason:
                    raise MessageRefused(f"topic {name} {reason}; nothing of this call was sent", message)
            if partition is None:
                partition = _BY_KEY if key is not None else turn % limits.info.partitions
            # librdkafka takes a timestamp of 0 for "now".
            placed.append((message, partition, 0 if timestamp_ms is None else timestamp_ms or 1))
        self._turn = turn + 1
        return placed

    def doubt(self, error: KafkaError) -> None:
        """A broker refused what these topics were thought to take: they are asked about anew."""
        if error.code() in _DOUBTFUL:
            self._topics.forget(*self._used)


def _size(message: Message) -> int:
    """In bytes, without Kafka's own."""
    return len(message.key or b"") + len(message.value or b"") + _size_of_headers(message.headers)


def _size_of_headers(headers: Headers) -> int:
    size = 0
    for name, content in headers:
        size += _HEADER_OVERHEAD_BYTES + (len(name) if name.isascii() else len(name.encode()))
        if content:
            size += len(content)
    return size


def _refusal(message: Message, limits: Limits, size: int) -> str:
    """Why; empty where the topic takes the message after all."""
    if message.partition is not None and not 0 <= message.partition < limits.info.partitions:
        return f"has no partition {message.partition}, only {limits.info.partitions}"
    if limits.compacted and message.key is None:
        return "is compacted and cannot take a message without a key"
    if size > limits.max_message_bytes - _RECORD_OVERHEAD_BYTES:
        return (
            f"cannot take a message of {size:,} bytes: its max.message.bytes is {limits.max_message_bytes:,}, "
            f"of which {_RECORD_OVERHEAD_BYTES} are Kafka's own. Raise that option of the topic"
        )
    if message.timestamp_ms is not None and message.timestamp_ms > _now_ms() + limits.longest_ahead_ms - _CLOCK_MS:
        return (
            f"cannot take a message with a timestamp of {message.timestamp_ms} ms, which is in the future: its "
            f"message.timestamp.after.max.ms is {limits.longest_ahead_ms:,}. Raise that option of the topic"
        )
    return ""


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
