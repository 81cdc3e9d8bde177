"""Where the transactions of a source's task end: Kafka Connect's `transaction.boundary` (KIP-618)."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final

from headwater.worker.api import Partition, Position
from headwater.worker.config.policies import BoundaryPolicy
from headwater.worker.log.contract import Message

__all__ = ["TRANSACTION_BYTES", "Boundary", "Positions", "Prepared", "Sent"]

TRANSACTION_BYTES: Final = 16 * 1024 * 1024
TRANSACTION_RECORDS: Final = 50_000
WHOLE_BYTES: Final = 64 * 1024 * 1024
"""What the connector wants to be one transaction is divided where it is larger: the embedded log holds it in memory."""

Positions = Sequence[tuple[Partition, Position | None]]


@dataclass(slots=True)
class Prepared:
    """One batch of the source, ready for the log. `bookkeeping`: its positions and marks as messages. `since_ms`:
    when the oldest change in it happened, epoch milliseconds. `ends`: as `Batch.ends_transaction`."""

    messages: list[Message]
    positions: Positions
    bookkeeping: list[Message]
    since_ms: int | None = None
    ends: bool = True
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.bytes = sum(_size(m) for m in self.messages)


@dataclass(slots=True)
class Sent:
    """What the open transaction holds. The messages themselves are the log's already."""

    begun: float = field(default_factory=time.monotonic)
    batches: int = 0
    records: int = 0
    size: int = 0
    ends: bool = True
    positions: list[Positions] = field(default_factory=list)
    since_ms: list[int] = field(default_factory=list)
    bookkeeping: dict[tuple[str, bytes | None], Message] = field(default_factory=dict)
    """The last value of each key alone: the others would be compacted away."""

    def add(self, batch: Prepared) -> None:
        self.batches += 1
        self.records += len(batch.messages)
        self.size += batch.bytes
        self.ends = batch.ends
        self.positions.append(batch.positions)
        self.bookkeeping.update({(m.topic, m.key): m for m in batch.bookkeeping})
        if batch.since_ms is not None:
            self.since_ms.append(batch.since_ms)


class Boundary:
    """`patience_s`: after which time the log gives an open transaction up; None: it waits. Half of it is used."""

    def __init__(self, policy: BoundaryPolicy, patience_s: float | None) -> None:
        self._mode = policy.mode
        longest_s = float("inf") if patience_s is None else patience_s / 2
        self._longest_s = min(policy.interval_ms / 1000, longest_s) if policy.mode == "interval" else longest_s
        self._bytes = WHOLE_BYTES if policy.mode == "connector" else TRANSACTION_BYTES

    def next(self, queue: Iterable[Prepared], sent: Sent | None) -> list[Prepared]:
        """As many of these batches as belong into the transaction; none where it is full."""
        size, records = (0, 0) if sent is None else (sent.size, sent.records)
        taken: list[Prepared] = []
        for batch in queue:
            size, records = size + batch.bytes, records + len(batch.messages)
            if (taken or sent is not None) and self._beyond(size, records):
                break
            taken.append(batch)
            if self._mode == "connector" and batch.ends:
                break
        return taken

    def over(self, sent: Sent) -> bool:
        """Whether it ends by what it holds, or by its time."""
        if self._mode == "poll" or (self._mode == "connector" and sent.ends):
            return True
        return self.left_s(sent) <= 0

    def whole(self, sent: Sent) -> bool:
        """May it be committed where nothing more is going to come?"""
        return self._mode != "connector" or sent.ends

    def left_s(self, sent: Sent) -> float:
        return sent.begun + self._longest_s - time.monotonic()

    def _beyond(self, size: int, records: int) -> bool:
        return size > self._bytes or (self._mode != "connector" and records > TRANSACTION_RECORDS)


def _size(message: Message) -> int:
    return len(message.key or b"") + len(message.value or b"") + 64 * (1 + len(message.headers))
