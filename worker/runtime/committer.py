"""The thread that makes a source task's batches durable: records, positions and marks in one transaction.

It alone owns the task's producer. The reading thread hands batches over through a queue that is bounded in bytes and
takes back the positions that have become durable, so that the connector is called by one thread only.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from headwater.worker.api import Fatal, Fenced, HeadwaterError, Partition, Position
from headwater.worker.log.contract import Log, Message, MessageRefused, Producer
from headwater.worker.observe.metrics import TaskMetrics

__all__ = ["Committer", "Prepared", "Refused"]

log = logging.getLogger(__name__)

QUEUE_BYTES = 32 * 1024 * 1024
TRANSACTION_BYTES = 16 * 1024 * 1024
TRANSACTION_RECORDS = 50_000

Positions = Sequence[tuple[Partition, Position | None]]
Refused = Callable[[MessageRefused], None]
"""Decides on a message that its topic cannot take: returns where it may be left out, raises otherwise."""


@dataclass(slots=True)
class Prepared:
    """One batch of the source, ready for the log. `bookkeeping`: its positions and marks as messages. `since_ms`:
    when the oldest change in it happened, epoch milliseconds."""

    messages: list[Message]
    positions: Positions
    bookkeeping: list[Message]
    since_ms: int | None = None
    bytes: int = field(init=False)

    def __post_init__(self) -> None:
        self.bytes = sum(_size(m) for m in self.messages)


class Committer:
    """Start, `ready`, then `put` and `take_durable` from the reading thread; `drain` and `stop` at the end."""

    def __init__(self, the_log: Log, transactional_id: str | None, metrics: TaskMetrics, refused: Refused) -> None:
        self._log = the_log
        self._id = transactional_id
        self._metrics = metrics
        self._refused = refused
        self._changed = threading.Condition()
        self._queue: deque[Prepared] = deque()
        self._queued_bytes = 0
        self._durable: deque[Positions] = deque()
        self._error: Exception | None = None
        self._initialised = False
        self._stopping = False
        self.accepted = 0
        """Batches handed over since the start."""
        self.committed = 0
        """Of these, batches that are durable."""
        self._thread = threading.Thread(target=self._run, name="committer", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def ready(self, timeout_s: float) -> bool:
        """True once earlier incarnations of this task are fenced off. Raises what the committer has met."""
        with self._changed:
            self._changed.wait_for(lambda: self._initialised or self._error is not None, timeout_s)
            self._raise()
            return self._initialised

    def put(self, batch: Prepared, timeout_s: float) -> bool:
        """False where there is no room yet. Raises what the committer has met; then nothing is taken any more."""
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or self._room(batch), timeout_s)
            self._raise()
            if not self._room(batch):
                return False
            self._queue.append(batch)
            self._queued_bytes += batch.bytes
            self.accepted += 1
            self._metrics.queued_records += len(batch.messages)
            self._metrics.queued.add(self._metrics.queued_records)
            self._changed.notify_all()
            return True

    def _room(self, batch: Prepared) -> bool:
        return not self._queue or self._queued_bytes + batch.bytes <= QUEUE_BYTES

    def take_durable(self) -> list[tuple[Partition, Position | None]]:
        """Positions that have become durable since the last call, oldest first. Raises what the committer has met."""
        with self._changed:
            self._raise()
            found = [pair for positions in self._durable for pair in positions]
            self._durable.clear()
            return found

    def drain(self, timeout_s: float) -> bool:
        """Wait until all that was handed over is durable. Raises what the committer has met."""
        with self._changed:
            self._changed.wait_for(lambda: self._error is not None or self.committed == self.accepted, timeout_s)
            self._raise()
            return self.committed == self.accepted

    def stop(self) -> None:
        """Commit nothing more. May be called twice."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        if self._thread.is_alive():
            self._thread.join(timeout=30)

    def _raise(self) -> None:
        if self._error is not None:
            raise self._error

    def _run(self) -> None:
        producer: Producer | None = None
        try:
            producer = self._log.producer(self._id)
            if self._id is not None:
                producer.init_transactions()
            with self._changed:
                self._initialised = True
                self._changed.notify_all()
            while batches := self._next():
                begun = time.monotonic()
                self._write(producer, batches)
                self._metrics.commit_ms.add((time.monotonic() - begun) * 1000)
                self._done(batches)
        except Exception as error:  # handed to the reading thread, which decides about the task
            with self._changed:
                self._metrics.commit_failures += self._initialised
                self._error = error
                self._changed.notify_all()
        finally:
            if producer is not None:
                producer.close()

    def _next(self) -> list[Prepared]:
        """As many batches as fit one transaction; the list is empty when the thread has to end."""
        with self._changed:
            self._changed.wait_for(lambda: self._queue or self._stopping)
            if self._stopping:
                return []
            taken = [self._queue[0]]
            size, records = taken[0].bytes, len(taken[0].messages)
            for batch in list(self._queue)[1:]:
                size, records = size + batch.bytes, records + len(batch.messages)
                if size > TRANSACTION_BYTES or records > TRANSACTION_RECORDS:
                    break
                taken.append(batch)
            return taken

    def _write(self, producer: Producer, batches: list[Prepared]) -> None:
        messages = [m for batch in batches for m in batch.messages]
        bookkeeping = _latest([m for batch in batches for m in batch.bookkeeping])
        try:
            if self._id is None:
                self._send(producer, messages)
                producer.flush()  # at least once: the records first
                producer.send(bookkeeping)
                producer.flush()
            else:
                producer.begin()
                self._send(producer, messages)
                producer.send(bookkeeping)
                producer.commit()
        except Fenced as error:
            raise Fenced(
                f"another process works under the transactional id {self._id}: it has taken this task over ({error})"
            ) from error
        except HeadwaterError:
            self._abort(producer)
            raise

    def _abort(self, producer: Producer) -> None:
        if self._id is None:
            return
        try:
            producer.abort()
        except HeadwaterError as error:
            log.warning("the transaction could not be aborted, the next start of this task does it: %s", error)

    def _send(self, producer: Producer, messages: list[Message]) -> None:
        """All of them but those that their topics refuse and the error policy lets pass."""
        while messages:
            try:
                producer.send(messages)
                return
            except MessageRefused as refusal:
                left = [m for m in messages if m is not refusal.message]
                if len(left) == len(messages):
                    raise Fatal(f"the log refused a message that was not sent to it: {refusal}") from refusal
                self._refused(refusal)
                messages = left

    def _done(self, batches: list[Prepared]) -> None:
        metrics = self._metrics
        with self._changed:
            for batch in batches:
                self._queue.popleft()
                self._queued_bytes -= batch.bytes
                self._durable.append(batch.positions)
                metrics.queued_records -= len(batch.messages)
                metrics.records_out += len(batch.messages)
                metrics.bytes_out += batch.bytes
                if batch.since_ms is not None:
                    metrics.latency.add(batch.since_ms)
            self.committed += len(batches)
            metrics.commits += 1
            metrics.queued.add(metrics.queued_records)
            if self._id is not None:
                metrics.transaction_records.add(sum(len(batch.messages) for batch in batches))
            metrics.active()
            self._changed.notify_all()


def _latest(messages: list[Message]) -> list[Message]:
    """Of several values for one key of one topic the last alone: the others would be compacted away."""
    return list({(m.topic, m.key): m for m in messages}.values())


def _size(message: Message) -> int:
    return len(message.key or b"") + len(message.value or b"") + 64 * (1 + len(message.headers))
