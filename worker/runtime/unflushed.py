"""What a sink was given since its last flush: how much, since when, and whether it is time for the next one."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence

from headwater.worker.api import TopicPartition
from headwater.worker.log.contract import Message
from headwater.worker.observe.metrics import TaskMetrics

__all__ = ["Unflushed"]

FLUSH_RECORDS = 50_000
FLUSH_BYTES = 32 * 1024 * 1024


class Unflushed:
    """Tells `metrics` as well. `every_s`: seconds between flushes of a sink without a patience of its own."""

    def __init__(self, metrics: TaskMetrics, every_s: float) -> None:
        self._metrics = metrics
        self._every_s = every_s
        self._records = 0
        self._bytes = 0
        self._timestamps_ms: list[int] = []
        """Of the first record of each batch."""
        self._flushed_at = float("-inf")
        self.since: float | None = None
        """Of the monotonic clock; None: there is nothing."""

    def clear(self) -> None:
        """The sink is a fresh one: what the last one was given counts no more."""
        self._records = self._bytes = 0
        self.since = None
        self._timestamps_ms.clear()

    def begin(self) -> None:
        """It was given something that the metrics do not count."""
        if self.since is None:
            self.since = time.monotonic()

    def add(self, messages: Sequence[Message], sent: int, size: int, took_s: float) -> None:
        """It has taken a batch: `sent` records of these messages, `size` bytes."""
        metrics = self._metrics
        metrics.records_in += len(messages)
        metrics.records_sent += sent
        metrics.bytes_in += size
        metrics.batches += 1
        metrics.queued_records += len(messages)
        metrics.write_ms.add(took_s * 1000)
        metrics.batch_records.add(len(messages))
        metrics.queued.add(metrics.queued_records)
        if messages:
            metrics.active()
            if messages[0].timestamp_ms is not None:
                self._timestamps_ms.append(messages[0].timestamp_ms)
        self._records += len(messages)
        self._bytes += size
        self.begin()

    def due(self, patience_s: float, idle: bool, at_barrier: bool) -> bool:
        """`patience_s`: the sink's own, 0 for none. `idle`: nothing came with the last poll."""
        if patience_s:
            now, begun = time.monotonic(), self.since or 0.0
            return at_barrier or now - begun >= patience_s or (idle and now - self._flushed_at >= patience_s)
        if idle or self._records >= FLUSH_RECORDS or self._bytes >= FLUSH_BYTES:
            return True
        return self.since is not None and time.monotonic() - self.since >= self._every_s

    def flushed(self, offsets: Mapping[TopicPartition, int]) -> None:
        """It is durable up to these next offsets."""
        metrics = self._metrics
        metrics.offsets = {**metrics.offsets, **{str(tp): offset for tp, offset in offsets.items()}}
        metrics.records_out += self._records
        metrics.bytes_out += self._bytes
        metrics.queued_records = 0
        metrics.queued.add(0)
        metrics.commits += 1
        for timestamp_ms in self._timestamps_ms:
            metrics.latency.add(timestamp_ms)
        if self._records:
            metrics.active()
        self.clear()
        self._flushed_at = time.monotonic()
