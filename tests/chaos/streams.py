"""Read-committed readers of the topics under test: on Kafka a plain client that knows nothing of Headwater."""

from __future__ import annotations

import contextlib
import time
from pathlib import Path
from typing import Any, Protocol

from confluent_kafka import Consumer, KafkaError, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition

from headwater.worker.api import TopicPartition
from headwater.worker.log import Message, open_log

LOOK_AGAIN_S = 0.5


class Stream(Protocol):
    """All topics whose name begins with a prefix, from their begin; those that appear later as well."""

    def poll(self, timeout_s: float) -> list[Message]: ...

    def at_end(self) -> bool:
        """Whether everything that is committed on the known topics was read."""
        ...

    def close(self) -> None: ...


class EmbeddedStream:
    def __init__(self, data: Path, prefix: str) -> None:
        self._log = open_log({}, data)
        self._consumer = self._log.consumer()
        self._prefix = prefix
        self._known: set[TopicPartition] = set()
        self._looked_at = 0.0

    def poll(self, timeout_s: float) -> list[Message]:
        self._look()
        if not self._known:
            time.sleep(timeout_s)
            return []
        return self._consumer.poll(5000, timeout_s)

    def _look(self) -> None:
        if time.monotonic() - self._looked_at < LOOK_AGAIN_S:
            return
        self._looked_at = time.monotonic()
        found = {
            TopicPartition(name, number)
            for name, info in self._log.topics().items()
            if name.startswith(self._prefix)
            for number in range(info.partitions)
        }
        if new := found - self._known:
            self._consumer.assign({**self._log.begin_offsets(new), **self._consumer.position()})
            self._known |= new

    def at_end(self) -> bool:
        self._look()
        position = self._consumer.position()
        return bool(position) and all(position[tp] >= end for tp, end in self._log.end_offsets(self._known).items())

    def close(self) -> None:
        self._consumer.close()
        self._log.close()


class KafkaStream:
    def __init__(self, bootstrap: str, prefix: str) -> None:
        self._consumer = Consumer(
            {
                "bootstrap.servers": bootstrap,
                "group.id": "counting-reader",  # asked for by the client; nothing is stored under it
                "enable.auto.commit": False,
                "isolation.level": "read_committed",
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "reconnect.backoff.max.ms": 1000,
                "log_level": 0,
            }
        )
        self._prefix = prefix
        self._ended: dict[TopicPartition, bool] = {}
        self._looked_at = 0.0

    def poll(self, timeout_s: float) -> list[Message]:
        """Raises `KafkaException` for offsets that are gone and the like; a broker that is away is waited for."""
        self._look()
        if not self._ended:
            time.sleep(timeout_s)
            return []
        found = []
        for message in self._consumer.consume(5000, timeout_s):
            error = message.error()
            tp = TopicPartition(str(message.topic()), int(message.partition() or 0))
            if error is None:
                self._ended[tp] = False
                headers: Any = message.headers() or ()
                found.append(
                    Message(
                        tp.topic,
                        message.key(),
                        message.value(),
                        headers,
                        partition=tp.partition,
                        offset=int(message.offset() or 0),
                    )
                )
            elif error.code() == KafkaError._PARTITION_EOF:
                self._ended[tp] = True
            elif error.code() == KafkaError._AUTO_OFFSET_RESET:
                raise KafkaException(error)
        return found

    def _look(self) -> None:
        if time.monotonic() - self._looked_at < LOOK_AGAIN_S:
            return
        self._looked_at = time.monotonic()
        with contextlib.suppress(KafkaException):  # the broker is away: look later
            found = {
                TopicPartition(name, number)
                for name, info in self._consumer.list_topics(timeout=2).topics.items()
                if name.startswith(self._prefix)
                for number in info.partitions
            }
            if new := found - set(self._ended):
                self._consumer.incremental_assign([KafkaPartition(tp.topic, tp.partition, 0) for tp in sorted(new)])
                self._ended.update(dict.fromkeys(new, False))

    def at_end(self) -> bool:
        self._look()
        return bool(self._ended) and all(self._ended.values())

    def close(self) -> None:
        self._consumer.close()
