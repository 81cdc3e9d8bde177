"""The embedded log: topics in one SQLite file, for one machine and several processes on it.

Semantics are those of `contract.py`, which are Kafka's. Layout and reasons: docs/decisions/0001-embedded-log.md.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from headwater.worker.api import TopicPartition

from .contract import Isolation, LogError, TopicInfo
from .embedded_catalog import Catalog
from .embedded_consumer import EmbeddedConsumer
from .embedded_groups import read_committed_offsets, store_offsets
from .embedded_maintenance import Maintenance
from .embedded_producer import EmbeddedProducer
from .embedded_store import Store

FILE_NAME: Final = "log.db"


class EmbeddedLog:
    def __init__(self, path: Path) -> None:
        """Open the file, making it and its folder where needed. Raises `LogError`, `Retriable`."""
        self._path = path
        self._store = Store(path)
        self._catalog = Catalog(self._store)
        self._lock = threading.RLock()
        self._maintenance: Maintenance | None = None
        self._maintaining = threading.Lock()
        self._closed = False

    def create_topic(self, name: str, partitions: int, config: Mapping[str, str]) -> TopicInfo:
        with self._lock:
            self._check_open()
            self._catalog.create(name, partitions, config)
            return self.topics([name])[name]

    def cluster_id(self) -> str:
        """By its folder."""
        return "headwater-" + hashlib.sha256(str(self._path.parent.absolute()).encode()).hexdigest()[:16]

    def topics(self, names: Iterable[str] | None = None) -> dict[str, TopicInfo]:
        with self._lock:
            self._check_open()
            self._catalog.refresh()
            known = self._catalog.topics()
            wanted = known if names is None else [name for name in names if name in known]
            return {name: known[name].info for name in wanted}

    def alter_topic(self, name: str, config: Mapping[str, str | None]) -> None:
        with self._lock:
            self._check_open()
            self._catalog.alter(name, config)

    def delete_topic(self, name: str) -> None:
        with self._lock:
            self._check_open()
            self._catalog.delete(name)

    def begin_offsets(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        return self._offsets("begin_offset", partitions)

    def end_offsets(
        self, partitions: Iterable[TopicPartition], isolation: Isolation = Isolation.READ_COMMITTED
    ) -> dict[TopicPartition, int]:
        return self._offsets("end_offset", partitions)

    def committed(self, group: str, partitions: Iterable[TopicPartition] | None = None) -> dict[TopicPartition, int]:
        with self._lock:
            self._check_open()
            return read_committed_offsets(self._store, group, partitions)

    def commit_offsets(self, group: str, offsets: Mapping[TopicPartition, int | None]) -> None:
        with self._lock:
            self._check_open()
            self._catalog.refresh()
            placed = {self._catalog.partition_id(partition): offset for partition, offset in offsets.items()}
            with self._store.write() as connection:
                store_offsets(connection, group, placed)

    def delete_group(self, group: str) -> None:
        with self._lock:
            self._check_open()
            with self._store.write() as connection:
                connection.execute("DELETE FROM group_offset WHERE group_id = ?", (group,))
                connection.execute("DELETE FROM group_member WHERE group_id = ?", (group,))

    def producer(self, transactional_id: str | None = None) -> EmbeddedProducer:
        self._check_open()
        return EmbeddedProducer(Store(self._path), transactional_id)

    def consumer(self, group: str | None = None, isolation: Isolation = Isolation.READ_COMMITTED) -> EmbeddedConsumer:
        self._check_open()
        return EmbeddedConsumer(Store(self._path), group)

    def maintain(self, budget_s: float = 0.1) -> bool:
        """Of all callers in all processes one works at a time; the others return False at once."""
        if not self._maintaining.acquire(blocking=False):
            return False
        try:
            self._check_open()
            if self._maintenance is None:
                self._maintenance = Maintenance(self._path)
            return self._maintenance.run(budget_s)
        finally:
            self._maintaining.release()

    def close(self) -> None:
        """Ends this object's own connections; producers and consumers made from it have theirs. May be called twice."""
        with self._maintaining, self._lock:
            self._closed = True
            if self._maintenance is not None:
                self._maintenance.close()
                self._maintenance = None
            self._store.close()

    def _offsets(self, column: str, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        with self._lock:
            self._check_open()
            self._catalog.refresh()
            return self._catalog.offsets(column, partitions)

    def _check_open(self) -> None:
        if self._closed:
            raise LogError(f"the embedded log {self._path} was closed")
