"""From a message of the other cluster to a record."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any, Final

from confluent_kafka import TIMESTAMP_NOT_AVAILABLE, Consumer, Message

from headwater.worker.api import VERSION_HEADER, Converter, DataError, Header, Record, TopicPartition

from ..naming import COPIED_HEADER, named

PORTION_BYTES: Final = 8 * 1024 * 1024
_SLICE: Final = 16


def place_of(message: Message) -> tuple[TopicPartition, int]:
    """Partition and offset; also of the event that says where a partition ends."""
    return TopicPartition(str(message.topic()), int(message.partition() or 0)), int(message.offset() or 0)


class Portions:
    """Takes at most `most` messages at once, and about `PORTION_BYTES` of them: their number alone says nothing, as
    records may be large from one to the next."""

    def __init__(self, most: int) -> None:
        self._most = most

    def take(self, client: Consumer, timeout_s: float) -> list[Message]:
        """Waits that long for a whole portion. Raises `KafkaException`."""
        deadline = time.monotonic() + timeout_s
        found: list[Message] = []
        size = 0
        while len(found) < self._most and size < PORTION_BYTES:
            wanted = min(_SLICE, self._most - len(found))
            slice_ = client.consume(wanted, max(0.0, deadline - time.monotonic()))
            found += slice_
            size += sum(100 + len(m.key() or b"") + len(m.value() or b"") for m in slice_)
            if len(slice_) < wanted:
                break
        return found


def headers_of(message: Message) -> Sequence[tuple[str, bytes | None]]:
    """As they were read; the client's types know those that are written as well."""
    found: Any = message.headers()
    return found or ()


def version_of(message: Message) -> int | None:
    """Raises `DataError` for a version that is no number."""
    for name, value in headers_of(message):
        if name == VERSION_HEADER and value is not None:
            try:
                return int(value)
            except ValueError as error:
                where = f"{message.topic()}-{message.partition()}@{message.offset()}"
                raise DataError(f"{where}: the header {VERSION_HEADER} is {value!r}, not a number") from error
    return None


class Reading:
    """`form`: the option `topic`. `keeps`: the partitions. `own`: the id of the cluster that is read."""

    def __init__(self, keys: Converter, values: Converter, form: str, keeps: bool, own: str = "") -> None:
        self._keys, self._values = keys, values
        self._form, self._keeps, self.own = form, keeps, own

    def target(self, topic: str) -> str:
        return named(self._form, topic)

    def record(self, message: Message) -> Record:
        """Raises `DataError`, as the converters do."""
        topic = str(message.topic())
        key_schema, key = self._keys.decode(topic, message.key())
        value_schema, value = self._values.decode(topic, message.value())
        made = self.bare(message)
        made.key, made.key_schema, made.value, made.value_schema = key, key_schema, value, value_schema
        made.version = version_of(message)
        made.headers = self._headers(message, made.topic == topic)
        return made

    def bare(self, message: Message) -> Record:
        """What is known of a message that cannot be read: its bytes, and where it lies."""
        kind, timestamp = message.timestamp()
        partition = message.partition() if self._keeps else None
        when = None if kind == TIMESTAMP_NOT_AVAILABLE else timestamp
        key: Any = message.key()
        return Record(self.target(str(message.topic())), key, message.value(), timestamp_ms=when, partition=partition)

    def _headers(self, message: Message, same_name: bool) -> tuple[Header, ...]:
        """The version travels as the record's own; the runtime writes its header."""
        kept = [Header(name, value) for name, value in headers_of(message) if name != VERSION_HEADER]
        if same_name:
            kept.append(Header(COPIED_HEADER, self.own.encode()))
        return tuple(kept)
