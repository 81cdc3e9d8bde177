"""A compacted topic as a dict: the latest value of each key, followed as the topic grows."""

from __future__ import annotations

import time
from collections.abc import ItemsView, Mapping
from typing import Final

from headwater.worker.api import Retriable, TopicPartition

from .contract import Isolation, Log, LogError, Message, Producer, UnknownTopic
from .new_topic import make_topic

_COMPACTED: Final[Mapping[str, str]] = {"cleanup.policy": "compact"}
_NONE: Final[Mapping[str, str]] = {}
_POLL_RECORDS: Final = 5000


class CompactedDict:
    """Belongs to one thread. Knows what was on the log at the last `refresh`; empty before the first one."""

    def __init__(
        self,
        log: Log,
        topic: str,
        partitions: int = 1,
        replication_factor: int = -1,
        settings: Mapping[str, str] = _NONE,
    ) -> None:
        """Makes the topic with `partitions`, replicas (-1: as many as the broker's default) and `settings` where it is
        missing.

        Raises `LogError` for one that is not compacted, or that deletes as well.
        """
        self._log = log
        self._topic = topic
        self._values: dict[bytes, bytes] = {}
        self._kept: list[tuple[bytes, bytes | None]] = []
        self._producer: Producer | None = None
        self._after_last = -1
        self.made = False
        """Whether the topic was missing, and was made here."""
        info = log.topics([topic]).get(topic)
        if info is None:
            replicas = {} if replication_factor < 0 else {"replication.factor": str(replication_factor)}
            info, self.made = make_topic(log, topic, partitions, {**settings, **_COMPACTED, **replicas})
        policy = info.config.get("cleanup.policy", "delete")
        if policy.strip() != "compact":  # with `compact,delete` as well, keys that rest for long are deleted
            raise LogError(
                f"topic {topic} has cleanup.policy={policy}: old keys would be lost there. Set it to compact, or name "
                "another topic in the worker's settings."
            )
        self._partitions = [TopicPartition(topic, number) for number in range(info.partitions)]
        self._consumer = log.consumer()
        self._consumer.assign(log.begin_offsets(self._partitions))

    def refresh(self, timeout_s: float = 30.0, whole: bool = True) -> list[tuple[bytes, bytes | None]]:
        """Read on to the topic's present end. Returns what changed since the last call, in the order of each key's
        changes (None: deleted).

        The end counts transactions that are still open: a fenced predecessor's are waited for, so that its last
        positions are not missed. When that takes longer than `timeout_s` seconds, raises `Retriable`; what was read
        until then is returned by the next call. Without `whole` it is returned by this one.

        Raises `UnknownTopic` where the topic is gone, or is another one of the same name: what is known is of no use
        then, and a new `CompactedDict` has to be made.
        """
        ends = self._log.end_offsets(self._partitions, Isolation.READ_UNCOMMITTED)
        before = self._consumer.position()
        if any(before[partition] > end for partition, end in ends.items()):
            raise UnknownTopic(f"topic {self._topic} was deleted and made again since it was read")
        deadline = time.monotonic() + timeout_s
        while any(self._consumer.position()[partition] < end for partition, end in ends.items()):
            left = deadline - time.monotonic()
            if left <= 0:
                if not whole:
                    break
                raise Retriable(
                    f"topic {self._topic} could not be read to its end within {timeout_s:.0f} s: a transaction in it "
                    "is still open, left behind by a program that hangs or was killed. Headwater tries again until "
                    "the broker ends it, after the transaction.timeout.ms of its producer; `kafka-transactions.sh "
                    "list` shows whose it is"
                )
            for message in self._consumer.poll(_POLL_RECORDS, min(left, 0.1)):
                self._take(message)
        changes, self._kept = self._kept, []
        return changes

    def _take(self, message: Message) -> None:
        self._after_last = message.offset + 1
        if message.key is None:
            return  # written before the topic was made compacted: nobody can ask for it
        if message.value is None:
            self._values.pop(message.key, None)
        else:
            self._values[message.key] = message.value
        self._kept.append((message.key, message.value))

    def get(self, key: bytes) -> bytes | None:
        return self._values.get(key)

    def items(self) -> ItemsView[bytes, bytes]:
        return self._values.items()

    def after_last(self) -> int:
        """Of a topic with one partition: one past the offset of the last record that was read, -1 before the first."""
        return self._after_last

    def position(self) -> int:
        """Of a topic with one partition: the next offset to read. It is past ends of transactions as well."""
        return self._consumer.position()[self._partitions[0]]

    def put(self, key: bytes, value: bytes | None) -> None:
        """Durable when it returns (None deletes the key). Seen by `get` here, as by everybody, after a `refresh`."""
        if self._producer is None:
            self._producer = self._log.producer()
        self._producer.send([Message(self._topic, key, value)])
        self._producer.flush()

    def close(self) -> None:
        """May be called twice. The log stays open."""
        self._consumer.close()
        if self._producer is not None:
            self._producer.close()
            self._producer = None
