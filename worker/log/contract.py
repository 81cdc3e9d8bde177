"""The log behind one small interface. Semantics are Kafka's (KIP-98 transactions, KIP-447 fencing) for every log.

One contract suite, `tests/contract/log`, holds each implementation to what these docstrings say.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from headwater.worker.api import Fenced, HeadwaterError, TopicPartition

__all__ = [
    "Consumer",
    "Fenced",
    "Headers",
    "Isolation",
    "Log",
    "LogError",
    "Message",
    "MessageRefused",
    "Producer",
    "TopicExists",
    "TopicInfo",
    "UnknownTopic",
]

Headers = Sequence[tuple[str, bytes | None]]


class LogError(HeadwaterError):
    """The log refused. Unless a subclass says otherwise the call changed nothing."""


class UnknownTopic(LogError):
    pass


class TopicExists(LogError):
    pass


class MessageRefused(LogError):
    """This topic cannot take this message. None of the same `send` was buffered; the transaction stays as it was."""

    def __init__(self, reason: str, message: Message) -> None:
        super().__init__(reason)
        self.message = message


class Isolation(StrEnum):
    READ_COMMITTED = "read_committed"
    READ_UNCOMMITTED = "read_uncommitted"


@dataclass(slots=True)
class Message:
    """Produced: `partition` None = chosen by key (murmur2 of the key bytes as Kafka's clients; no key: round robin by
    batch), `timestamp_ms` None = now. Consumed: every field is set."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers = ()
    timestamp_ms: int | None = None
    partition: int | None = None
    offset: int = -1


@dataclass(frozen=True, slots=True)
class TopicInfo:
    """`topic_id` differs for a topic deleted and made again under the same name."""

    name: str
    topic_id: str
    partitions: int
    config: Mapping[str, str] = field(default_factory=dict)

    @property
    def compacted(self) -> bool:
        return "compact" in self.config.get("cleanup.policy", "delete")


class Producer(Protocol):
    """Made with a transactional id it writes in transactions alone; without, each `send` + `flush` stands by itself.

    A transactional producer: `init_transactions` once (fences every earlier producer of the id and finishes its open
    transaction), then `begin`, `send`/`send_offsets`, `commit` or `abort`. What a transaction holds becomes visible to
    read-committed consumers all at once or never, on Kafka a moment after `commit`. A fenced producer's calls raise
    `Fenced`, at the latest the commit of a transaction that holds something.
    """

    @property
    def patience_s(self) -> float | None:
        """How long a transaction may be open before the log aborts it; None: as long as it takes."""
        ...

    def init_transactions(self) -> None: ...

    def begin(self) -> None: ...

    def send(self, messages: Iterable[Message]) -> None:
        """Buffer or hand over; blocks under back-pressure. Raises `UnknownTopic`, and `MessageRefused` for a message
        that this topic cannot take (null key on a compacted topic, larger than `max.message.bytes`, no such
        partition)."""
        ...

    def send_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit a consumer group's next offsets within the transaction."""
        ...

    def commit(self) -> None:
        """Durable when it returns. After any error but `Fenced` the transaction was aborted or must be by `abort`."""
        ...

    def abort(self) -> None: ...

    def flush(self) -> None:
        """Without transactions: everything sent is durable when it returns."""
        ...

    def close(self) -> None:
        """Aborts what is open. May be called twice."""
        ...


Assigned = Callable[[Mapping[TopicPartition, str]], Mapping[TopicPartition, int | None]]
"""Gets new partitions with topic ids; returns where to read on (None: the group's offset, else the reset policy)."""
Revoked = Callable[[Sequence[TopicPartition]], None]


class Consumer(Protocol):
    """Reads records in offset order per partition. Not thread-safe. Read-committed unless asked otherwise."""

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Replace the assignment by these partitions and next offsets."""
        ...

    def subscribe(
        self,
        topics: Sequence[str] | re.Pattern[str],
        member: tuple[int, int],
        on_assigned: Assigned,
        on_revoked: Revoked,
    ) -> None:
        """Share these topics' partitions (also of topics that appear later) with the group's other members.

        `member` = (this task, number of tasks): a static member; one that subscribes in its place fences this one,
        whose `poll` and `commit` then raise `Fenced`. A pattern must match the whole name. Callbacks run inside `poll`.
        When topics or members change, partitions may be revoked that are assigned again at once.
        """
        ...

    def poll(self, max_records: int, timeout_s: float) -> list[Message]:
        """Return at once when there is something; [] after `timeout_s`. A partition whose next offset was deleted goes
        on by the reset policy: earliest."""
        ...

    def position(self) -> dict[TopicPartition, int]:
        """Next offset to read of every assigned partition; it moves past offsets that hold nothing for us (compacted,
        aborted, markers) as soon as `poll` has passed them."""
        ...

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None: ...

    def pause(self, partitions: Iterable[TopicPartition]) -> None: ...

    def resume(self, partitions: Iterable[TopicPartition]) -> None: ...

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Store the group's next offsets, durably. Within `on_revoked` they may still be under way when it returns, but
        come before anybody else gets the partitions; what the brokers refuse then is read again."""
        ...

    def close(self) -> None: ...


class Log(Protocol):
    """One connection to a log; thread-safe. Consumers and producers made from it belong to one thread each."""

    def cluster_id(self) -> str:
        """Names the log, however it is reached: a Kafka cluster's own id. Raises `Retriable`."""
        ...

    def create_topic(self, name: str, partitions: int, config: Mapping[str, str]) -> TopicInfo:
        """`config` may name `replication.factor` too. Raises `TopicExists`."""
        ...

    def topics(self, names: Iterable[str] | None = None) -> dict[str, TopicInfo]:
        """Unknown names are left out."""
        ...

    def alter_topic(self, name: str, config: Mapping[str, str | None]) -> None: ...

    def delete_topic(self, name: str) -> None: ...

    def begin_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]: ...

    def end_offsets(
        self, partitions: Iterable[TopicPartition], isolation: Isolation = Isolation.READ_COMMITTED
    ) -> dict[TopicPartition, int]: ...

    def committed(self, group: str, partitions: Iterable[TopicPartition] | None = None) -> dict[TopicPartition, int]:
        """The group's stored next offsets; partitions without one are left out. None: all of the group's."""
        ...

    def commit_offsets(self, group: str, offsets: Mapping[TopicPartition, int | None]) -> None:
        """Store (None: forget) offsets of a group that has no running members."""
        ...

    def delete_group(self, group: str) -> None: ...

    def producer(self, transactional_id: str | None = None) -> Producer: ...

    def consumer(self, group: str | None = None, isolation: Isolation = Isolation.READ_COMMITTED) -> Consumer: ...

    def maintain(self, budget_s: float = 0.1) -> bool:
        """Do a bounded piece of what a broker does by itself (retention, compaction). A worker calls it about once a
        second from a thread of its own, and again at once when it returns True: more is waiting. Kafka does this
        by itself: False."""
        ...

    def close(self) -> None: ...
