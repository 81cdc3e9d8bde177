"""The thread that makes a source task's batches durable: records, positions and marks in one transaction.

Where a transaction stays open over several batches they are sent as they come; whatever ends the thread first leaves
nothing of it behind, and it is read again.

It alone owns the task's producer. The reading thread hands batches over through a queue that is bounded in bytes and
takes back the positions that have become durable, so that the connector is called by one thread only.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable

from headwater.worker.api import Fatal, Fenced, HeadwaterError, Partition, Position
from headwater.worker.config.policies import BoundaryPolicy
from headwater.worker.log.contract import Log, Message, MessageRefused, Producer
from headwater.worker.observe.metrics import TaskMetrics

from .boundary import TRANSACTION_BYTES, Boundary, Positions, Prepared, Sent

__all__ = ["Committer", "Refused"]

log = logging.getLogger(__name__)

QUEUE_BYTES = 32 * 1024 * 1024
LOOK_S = 0.5
AWAKE_S = 10.0

Refused = Callable[[MessageRefused], Message | None]
"""Decides on a message that its topic cannot take: returns what to send in its place, a dead letter; None where it may
be left out; raises otherwise."""


class Committer:
    """Start, `ready`, then `put` and `take_durable` from the reading thread; `drain` and `stop` at the end.

    `may_write`: while it says no, nothing is begun and nothing committed.
    """

    def __init__(
        self,
        the_log: Log,
        transactional_id: str | None,
        policy: BoundaryPolicy,
        metrics: TaskMetrics,
        refused: Refused,
        may_write: Callable[[], bool],
    ) -> None:
        self._log = the_log
        self._id = transactional_id
        self._policy = BoundaryPolicy() if transactional_id is None else policy
        self._metrics = metrics
        self._refused = refused
        self._may_write = may_write
        self._changed = threading.Condition()
        self._queue: deque[Prepared] = deque()
        self._queued_bytes = 0
        self._sent: Sent | None = None
        self._settling = False
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
        sent = 0 if self._sent is None else min(self._sent.size, TRANSACTION_BYTES)
        return not self._queue or sent + self._queued_bytes + batch.bytes <= QUEUE_BYTES

    def take_durable(self) -> list[tuple[Partition, Position | None]]:
        """Positions that have become durable since the last call, oldest first. Raises what the committer has met."""
        with self._changed:
            self._raise()
            found = [pair for positions in self._durable for pair in positions]
            self._durable.clear()
            return found

    def drain(self, timeout_s: float) -> bool:
        """Wait until all that was handed over is durable, but for the beginning of a transaction of the connector's
        own: that is taken back, and has to be read again. Raises what the committer has met."""
        with self._changed:
            self._settling = True
            self._changed.notify_all()
            self._changed.wait_for(lambda: self._error is not None or self.committed == self.accepted, timeout_s)
            self._raise()
            self._settling = self.committed != self.accepted
            return not self._settling

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
            boundary = Boundary(self._policy, producer.patience_s)
            while self._step(producer, boundary):
                continue
        except Exception as error:  # handed to the reading thread, which decides about the task
            with self._changed:
                self._metrics.commit_failures += self._initialised
                self._error = error
                self._changed.notify_all()
        finally:
            if producer is not None:
                producer.close()

    def _step(self, producer: Producer, boundary: Boundary) -> bool:
        """Send what has come; end the transaction where it is time to. False: the thread has to end."""
        if not self._wait(boundary) or not self._allowed():
            return False
        with self._changed:
            batches = boundary.next(self._queue, self._sent)
            settling = self._settling and len(batches) == len(self._queue)
            full = bool(self._queue) and not batches
        begun = time.monotonic()
        try:
            if batches:
                self._send_on(producer, batches)
            sent = self._sent
            if sent is None:
                return True
            if settling and not boundary.whole(sent):
                self._take_back(producer, sent)
            elif settling or full or boundary.over(sent):
                if not boundary.whole(sent):
                    self._say_divided(sent)
                if not self._allowed():
                    return False
                self._commit(producer, sent)
                self._metrics.commit_ms.add((time.monotonic() - begun) * 1000)
                self._done(sent)
        except Fenced as error:
            raise Fenced(
                f"another process works under the transactional id {self._id}: it has taken this task over ({error})"
            ) from error
        except HeadwaterError:
            self._abort(producer)
            raise
        return True

    def _wait(self, boundary: Boundary) -> bool:
        """Until there is something to send or to end. False: the thread has to end."""
        with self._changed:
            while not self._stopping and not self._queue:
                sent = self._sent
                if sent is not None:
                    left_s = boundary.left_s(sent)
                    if self._settling or left_s <= 0:
                        break
                    self._metrics.active()  # it waits because it was told to, and is not stalled
                self._changed.wait(None if sent is None else min(left_s, AWAKE_S))
            return not self._stopping

    def _allowed(self) -> bool:
        """Wait while others may have this task. False: the thread has to end."""
        while not self._may_write():
            with self._changed:
                if self._changed.wait_for(lambda: self._stopping, LOOK_S):
                    return False
        return True

    def _send_on(self, producer: Producer, batches: list[Prepared]) -> None:
        """Move these batches from the queue into the transaction, which is begun where there is none."""
        sent = Sent() if self._sent is None else self._sent
        if self._sent is None and self._id is not None:
            producer.begin()
        self._send(producer, [m for batch in batches for m in batch.messages])
        self._metrics.active()
        with self._changed:
            self._sent = sent
            for batch in batches:
                self._queue.popleft()
                self._queued_bytes -= batch.bytes
                sent.add(batch)
            self._changed.notify_all()

    def _commit(self, producer: Producer, sent: Sent) -> None:
        bookkeeping = list(sent.bookkeeping.values())
        if self._id is None:
            producer.flush()  # at least once: the records first
            producer.send(bookkeeping)
            producer.flush()
        else:
            producer.send(bookkeeping)
            producer.commit()

    def _say_divided(self, sent: Sent) -> None:
        log.warning(
            "a transaction of the source is divided on the log: %d records, %d MiB of it are committed before its end, "
            "since the log cannot hold more, or wait longer, for one transaction. Nothing is lost or doubled; readers "
            "see it in parts",
            sent.records,
            sent.size >> 20,
        )

    def _take_back(self, producer: Producer, sent: Sent) -> None:
        """The beginning of a transaction of which the rest does not come now."""
        log.info("%d records of a transaction that is not complete are taken back, and read again later", sent.records)
        self._abort(producer)
        with self._changed:
            self._sent = None
            self.accepted -= sent.batches
            self._metrics.queued_records -= sent.records
            self._metrics.queued.add(self._metrics.queued_records)
            self._changed.notify_all()

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
                instead = self._refused(refusal)
                messages = left if instead is None else [*left, instead]

    def _done(self, sent: Sent) -> None:
        metrics = self._metrics
        with self._changed:
            self._sent = None
            self._durable.extend(sent.positions)
            metrics.queued_records -= sent.records
            metrics.records_out += sent.records
            metrics.bytes_out += sent.size
            for since_ms in sent.since_ms:
                metrics.latency.add(since_ms)
            self.committed += sent.batches
            metrics.commits += 1
            metrics.queued.add(metrics.queued_records)
            if self._id is not None:
                metrics.transaction_records.add(sent.records)
            metrics.active()
            self._changed.notify_all()
