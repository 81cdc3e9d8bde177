"""What flows through Headwater: records, always in batches."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from operator import attrgetter
from typing import Any, Final, NamedTuple

from .schema import Schema

VERSION_HEADER: Final = "headwater.version"
"""Log header that carries `Record.version`, as ASCII decimal digits. Written and read by the runtime alone."""

Partition = Mapping[str, Any]
"""Names one independently readable part of a source: a JSON object, e.g. {"server": "shop"}."""

Position = Mapping[str, Any]
"""How far a source has read a `Partition`: a JSON object with a `format` number."""


class TopicPartition(NamedTuple):
    topic: str
    partition: int

    def __str__(self) -> str:
        return f"{self.topic}-{self.partition}"


_AGAIN: Final = "again:"
"""Begins with a letter's place in a queue what stands for a topic there; the colon is in no topic's name."""


def again(queue: str, queue_partition: int, source: TopicPartition) -> TopicPartition:
    """Stands for the letters of `source` in one partition of a dead letter queue, which a sink gets once more: it holds
    their offsets, those of the queue, like any other's. `queue`: the topic's id."""
    return TopicPartition(f"{_AGAIN}{queue}:{queue_partition}:{source.topic}", source.partition)


def is_again(topic: str) -> bool:
    """Is it no topic, but made by `again`?"""
    return topic.startswith(_AGAIN)


class Header(NamedTuple):
    """`schema` None: `value` is bytes, or None, as it lay on the log; a header converter may have given it one."""

    name: str
    value: Any
    schema: Schema | None = None


@dataclass(slots=True)
class Record:
    """One key and value on their way to or from the log.

    `version`: 63-bit number that never falls for one key (None: the topic has none, a view then uses the offset).
    `partition`: None lets the log's partitioner choose by key. `offset`: set for records read from the log alone.
    `origin`: the topic it was read from, set by the runtime where a sink reads; transforms change `topic` alone.
    A record with value None is a tombstone. Treat it as immutable: `replace` makes the changed copy.
    """

    topic: str
    key: Any = None
    value: Any = None
    key_schema: Schema | None = None
    value_schema: Schema | None = None
    headers: tuple[Header, ...] = ()
    timestamp_ms: int | None = None
    version: int | None = None
    partition: int | None = None
    offset: int | None = None
    origin: str | None = None

    def replace(self, **changes: Any) -> Record:
        made = Record(*_FIELDS(self))  # dataclasses.replace takes three times as long, and this is called per record
        for name, value in changes.items():
            setattr(made, name, value)
        return made

    def where(self) -> str:
        """`topic-partition@offset` for messages, as far as it is known."""
        partition = "" if self.partition is None else f"-{self.partition}"
        return f"{self.topic}{partition}" + ("" if self.offset is None else f"@{self.offset}")


_FIELDS: Final = attrgetter(*(f.name for f in fields(Record)))


@dataclass(slots=True)
class Batch:
    """What one `Source.read` returns; written to the log in one transaction together with its positions, and with the
    batches before it where the connector's own transactions decide (see `Features.transactions`).

    `positions` move on even when `records` is empty (everything was filtered, an idle keep-alive); position None
    forgets the partition. `ends_transaction`: the source's own transaction ends with this batch.
    `complete`: topic -> version V: with this batch the topic holds a complete snapshot as of V (Rebuild's preflight
    asks for that mark). `restarted`: topics for which a new snapshot begins, so that their mark no longer holds.
    `committed_ms`: when the oldest change in it was committed at the source, epoch milliseconds, for the latency that
    is shown; None where there is no such moment, as for rows of a snapshot.
    """

    records: list[Record] = field(default_factory=list)
    positions: list[tuple[Partition, Position | None]] = field(default_factory=list)
    ends_transaction: bool = True
    complete: Mapping[str, int] = field(default_factory=dict)
    restarted: tuple[str, ...] = ()
    committed_ms: int | None = None


@dataclass(slots=True)
class SinkBatch:
    """What one `Sink.write` gets: the log from offset `first` up to, not including, `next` of each partition.

    Both move over offsets that hold no record (compacted away, transaction markers), so `first` always equals the
    `next` of the batch before, and a view can demand that. A batch of dead letters that are given once more moves on
    partitions made by `again`, and names its records' own, which do not move (`first` is `next`); the records
    have the places that they have on the log.
    """

    records: list[Record]
    first: Mapping[TopicPartition, int]
    next: Mapping[TopicPartition, int]


@dataclass(frozen=True, slots=True)
class TopicSettings:
    """How a topic has to look when Headwater makes it. `partitions` None: the worker's default."""

    partitions: int | None = None
    config: Mapping[str, str] = field(default_factory=dict)
