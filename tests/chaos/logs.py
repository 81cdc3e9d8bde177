"""The two logs under test: how a worker is told of each, what of it can be killed, how it is read."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from confluent_kafka import IsolationLevel, KafkaException
from confluent_kafka import TopicPartition as KafkaPartition
from confluent_kafka.admin import AdminClient, OffsetSpec  # type: ignore[attr-defined]

from headwater.worker.log.file_lock import FileLock
from tests.servers.kafka import KafkaServer

from .streams import EmbeddedStream, KafkaStream, Stream


class LogUnderTest(Protocol):
    name: str
    broker: KafkaServer | None
    compacts_at_once: bool
    """Else within days: a test never sees it."""

    def worker_file(self, folder: Path) -> Path | None: ...

    def stream(self) -> Stream: ...

    def transaction_is_open(self) -> bool:
        """Whether a source's transaction is in flight; asked while the source stands still."""
        ...


class Embedded:
    name = "embedded"
    broker: KafkaServer | None = None
    compacts_at_once = True

    def __init__(self, data: Path, prefix: str) -> None:
        """`prefix`: how the names of the topics under test begin."""
        self._data = data
        self._prefix = prefix

    def worker_file(self, folder: Path) -> Path | None:
        return None

    def stream(self) -> Stream:
        self._data.mkdir(parents=True, exist_ok=True)
        return EmbeddedStream(self._data, self._prefix)

    def transaction_is_open(self) -> bool:
        """The lock of writers is held through a transaction."""
        lock = FileLock(self._data / "log.db-lock")
        try:
            return not lock.acquire(timeout_s=0.05)
        finally:
            lock.close()


class Kafka:
    name = "kafka"
    compacts_at_once = False

    def __init__(self, broker: KafkaServer, prefix: str) -> None:
        self.broker: KafkaServer | None = broker
        self._bootstrap = broker.bootstrap
        self._prefix = prefix
        self._admin: AdminClient | None = None

    def worker_file(self, folder: Path) -> Path | None:
        factors = "".join(f"{name}.storage.replication.factor: 1\n" for name in ("config", "offset", "status"))
        file = folder / "worker.yaml"
        file.write_text(f"bootstrap.servers: {self._bootstrap}\n{factors}offset.storage.partitions: 3\n")
        return file

    def stream(self) -> Stream:
        return KafkaStream(self._bootstrap, self._prefix)

    def transaction_is_open(self) -> bool:
        """Records stand behind the last stable offset of one of the topics."""
        if self._admin is None:
            self._admin = AdminClient({"bootstrap.servers": self._bootstrap, "log_level": 0})
        try:
            topics = self._admin.list_topics(timeout=2).topics
            asked = {
                KafkaPartition(name, number): OffsetSpec.latest()  # type: ignore[no-untyped-call]
                for name, info in topics.items()
                if name.startswith(self._prefix)
                for number in info.partitions
            }
            if not asked:
                return False
            ends = []
            for isolation in (IsolationLevel.READ_COMMITTED, IsolationLevel.READ_UNCOMMITTED):
                answers = self._admin.list_offsets(asked, isolation_level=isolation, request_timeout=2)
                ends.append({(tp.topic, tp.partition): answer.result(3).offset for tp, answer in answers.items()})
        except KafkaException:
            return False  # the broker is away
        return ends[0] != ends[1]
