"""The life of one source task: read, pass through the pipe, make durable, acknowledge.

Two threads: this one calls the connector and the pipe, the committer's owns the producer. Between them stands a queue
bounded in bytes; while it is full the connector is not read, but still acknowledged to, so that its connection lives.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from headwater.worker.api import (
    Batch,
    Fatal,
    Progress,
    Record,
    Retriable,
    Source,
    SourceConnector,
    TaskContext,
)
from headwater.worker.config.plan import ConnectorPlan
from headwater.worker.log.contract import Log, Message, MessageRefused
from headwater.worker.observe.metrics import TaskMetrics

from .boundary import Prepared
from .committer import Committer
from .dead_letters import make_queue
from .errors import Backoff, Interrupted, RecordErrors, Where, shown
from .marks import Marks
from .pipe import SourcePipe
from .positions import Positions
from .source_letters import SourceLetters
from .source_replay import SourceReplay
from .task_control import TaskControl
from .task_spec import TaskSpec
from .topic_keeper import TopicKeeper

__all__ = ["SourceLoop"]

log = logging.getLogger(__name__)

READ_S = 0.5
ACK_EVERY_S = 5.0
STEP_S = 0.2
REOPEN_FIRST_S = 0.5
REOPEN_MOST_S = 15.0
FENCING_S = 120.0
SAVE_S = 10.0
LETTER_BYTES = 200 * 1024 * 1024
"""What a queue takes: the topics of databases are made for rows of half of it, and JSON with types is longer."""


class SourceLoop:
    """`run` returns after a graceful stop; it raises `Fenced`, `Fatal` and whatever a plugin raises beyond."""

    def __init__(
        self,
        the_log: Log,
        plan: ConnectorPlan,
        spec: TaskSpec,
        control: TaskControl,
        metrics: TaskMetrics,
        redact: Callable[[str], str],
    ) -> None:
        assert isinstance(plan.connector, SourceConnector)
        self._connector = plan.connector
        self._plan = plan
        self._spec = spec
        self._control = control
        self._metrics = metrics
        self._errors = RecordErrors(plan.errors, metrics, self._wait)
        self._letters: SourceLetters | None = None
        self._unread: list[Message] = []
        if plan.errors.dlq_topic:
            self._letters = SourceLetters(plan.errors, spec.connector, spec.task, redact)
            make_queue(the_log, plan.errors, (), LETTER_BYTES)
        self._replay: SourceReplay | None = None
        self._pipe = SourcePipe(plan, self._errors, metrics, None if self._letters is None else self._letters.record)
        internal = spec.internal
        topic = plan.offsets_topic or internal.offsets
        shape = internal.offsets_partitions, internal.offsets_replicas
        self._positions = Positions(the_log, topic, spec.connector, *shape)
        self._marks = Marks(internal.topics, spec.connector)
        self._topics = TopicKeeper(the_log, plan, spec.settings, internal.topics)
        self._log = the_log
        if self._letters is not None and plan.errors.tolerance == "all":
            self._replay = SourceReplay(
                the_log, spec, self._pipe, self._letters, self._settle, self._hand_over, self._alive
            )
        self._committer = self._new_committer()
        self._committer_started = False
        self._source: Source | None = None
        self._acked_at = 0.0
        self._caught_up: Progress | None = None
        self._caught_up_at: int | None = None
        self._inside = False
        self._backoff = Backoff(REOPEN_FIRST_S, REOPEN_MOST_S)

    def run(self) -> None:
        self._metrics.tick()
        try:
            while not self._control.stopping.is_set():
                try:
                    self._control.stand_by(self._metrics.tick)
                    self._open()
                    self._read_on()
                except Retriable as error:
                    self._reopen_later(error)
            self._finish()
        except Interrupted:
            self._finish()
        except Exception:
            self._save_what_was_read()
            raise
        finally:
            self._committer.stop()
            self._close()
            if self._replay is not None:
                self._replay.close()
            self._pipe.close()

    def _new_committer(self) -> Committer:
        transactional_id = self._spec.transactional_id if self._plan.exactly_once else None
        boundary, may_write = self._plan.boundary, self._control.may_write
        return Committer(self._log, transactional_id, boundary, self._metrics, self._refused, may_write)

    def _start_committer(self) -> None:
        """Returns once earlier incarnations of this task are fenced off. Raises `Fatal`, `Interrupted`."""
        if self._committer_started:
            return
        self._committer.start()
        self._committer_started = True
        end = time.monotonic() + FENCING_S
        while not self._committer.ready(STEP_S):
            self._metrics.tick()
            if self._control.stopping.is_set():
                raise Interrupted
            if time.monotonic() > end:
                raise Fatal(f"the log did not answer to init_transactions for {FENCING_S:.0f} s; is it reachable?")

    def _open(self) -> None:
        self._start_committer()
        if not self._drain():
            raise Interrupted
        self._inside = False
        self._unread.clear()
        if self._replay is not None:
            self._replay.forget()
        stored = self._positions.load()
        self._source = self._connector.task()
        context = TaskContext(
            connector=self._spec.connector,
            task=self._spec.task,
            values=self._plan.values,
            task_config=dict(self._spec.task_config),
            stopping=self._control.stopping,
            report_progress=self._progress,
            report_bad_record=self._bad_record,
        )
        self._acked_at = time.monotonic()
        self._source.open(context, stored)
        log.info("opened at %d stored position(s)", len(stored))
        self._control.report_state("PAUSED" if self._control.paused else "RUNNING")

    def _read_on(self) -> None:
        assert self._source is not None
        while not self._control.stopping.is_set():
            self._metrics.tick()
            self._control.stand_by(self._metrics.tick)
            self._acknowledge()
            if self._held_back():
                self._control.stopping.wait(STEP_S)
                continue
            if self._replay is not None and not self._inside and self._replay.step():
                self._metrics.active()
            begun = time.monotonic()
            batch = self._source.read(READ_S)
            if batch is not None:
                self._metrics.read_ms.add((time.monotonic() - begun) * 1000)
                self._backoff.reset()
                self._take(batch)
            if self._caught_up is not None and self._caught_up_at is None:
                self._caught_up_at = self._committer.accepted

    def _held_back(self) -> bool:
        """Whether the user has paused the connector; the change is reported once. What would leave a transaction of the
        connector's own open on the log, in the way of its readers, is read to that transaction's end first."""
        paused = self._control.paused and not self._inside
        wanted = "PAUSED" if paused else "RUNNING"
        if self._control.state != wanted:
            self._control.report_state(wanted)
        return paused

    def _take(self, batch: Batch) -> None:
        assert self._source is not None
        metrics = self._metrics
        metrics.records_in += len(batch.records)
        metrics.batches += 1
        metrics.batch_records.add(len(batch.records))
        if batch.records:
            metrics.active()
        messages = self._unread + self._pipe.process(batch.records)
        self._unread = []
        origins = self._pipe.origins
        self._topics.ensure({**origins, **self._marks.targets(batch, origins)}, self._source.topic)
        if len(origins) != len(metrics.topics):
            metrics.topics = tuple(origins)
        bookkeeping = self._positions.messages(batch.positions) + self._marks.messages(batch, origins)
        prepared = Prepared(messages, batch.positions, bookkeeping, _since_ms(batch), batch.ends_transaction)
        self._inside = self._plan.boundary.mode == "connector" and not batch.ends_transaction
        # A stop waits for room as well: what was read is committed, so that it is not read twice.
        while not self._committer.put(prepared, STEP_S):
            metrics.tick()
            if self._control.given_up:
                raise Interrupted
            self._acknowledge()

    def _alive(self) -> None:
        self._metrics.tick()
        self._acknowledge()
        if self._control.stopping.is_set():
            raise Interrupted

    def _settle(self) -> bool:
        """All that was read is on the log; False: the task has to end before."""
        return self._drain(self._acknowledge)

    def _hand_over(self, messages: list[Message], bookkeeping: list[Message]) -> None:
        """Dead letters that are put through once more, in a transaction of their own."""
        assert self._source is not None
        keyless = {message.topic for message in messages if message.key is None}
        self._topics.ensure(self._pipe.origins, self._source.topic, keyless)
        prepared = Prepared(messages, [], bookkeeping)
        while not self._committer.put(prepared, STEP_S):
            self._metrics.tick()
            if self._control.given_up:
                raise Interrupted
            self._acknowledge()

    def _acknowledge(self) -> None:
        """Tell the source what has become durable, or, every few seconds, that nothing has."""
        durable = self._committer.take_durable()
        due = time.monotonic() - self._acked_at >= ACK_EVERY_S
        if self._source is not None and (durable or due):
            self._source.ack(durable)
            self._acked_at = time.monotonic()
        if self._caught_up_at is not None and self._committer.committed >= self._caught_up_at:
            assert self._caught_up is not None
            self._control.report_progress(self._caught_up)
            self._caught_up = self._caught_up_at = None

    def _progress(self, progress: Progress) -> None:
        """`caught_up` is passed on once all that was read before it is durable on the log."""
        if progress.caught_up:
            self._caught_up = progress
            progress = replace(progress, caught_up=None)
        self._control.report_progress(progress)

    def _reopen_later(self, error: Retriable) -> None:
        delay = error.after_s if error.after_s is not None else self._backoff.next()
        self._metrics.retries += 1
        self._metrics.failed(str(error))
        log.warning("the task cannot go on, trying again in %.1f s: %s", delay, error)
        self._control.report_state("RESTARTING", str(error))
        self._close()
        self._caught_up = self._caught_up_at = None  # told again by whoever reads on
        try:
            self._drain()
        except Retriable:  # the log itself: what was in flight was rolled back and is read again
            self._committer.stop()
            self._metrics.queued_records = 0
            self._committer, self._committer_started = self._new_committer(), False
        self._control.rest(delay, self._metrics.tick)

    def _drain(self, meanwhile: Callable[[], None] | None = None) -> bool:
        """Wait until all that was read is durable; the connector is called by `meanwhile` alone (it may be broken).
        False: the task has to end before."""
        while self._committer_started and not self._committer.drain(STEP_S):
            self._metrics.tick()
            if self._control.given_up:
                return False
            if meanwhile is not None:
                meanwhile()
        if meanwhile is None:
            self._committer.take_durable()
        return True

    def _finish(self) -> None:
        """A graceful stop: what was read becomes durable and is acknowledged, so that it is not read again."""
        try:
            if self._drain(self._acknowledge):
                self._acknowledge()
        except Retriable as error:
            log.info("the source hears of its last positions at the next start, it is gone now: %s", error)
            self._drain()
        self._control.report_state("STOPPED")

    def _save_what_was_read(self) -> None:
        """The task fails: batches before the one that is to blame need not be read again."""
        try:
            if self._committer_started:
                self._committer.drain(SAVE_S)
        except Exception as error:  # why the task fails is told by its own error
            log.debug("the last batches are read again: %s", error)

    def _wait(self, seconds: float) -> bool:
        """Sleep on the connector's thread, acknowledging meanwhile. True where the task has to stop."""
        end = time.monotonic() + seconds
        while not self._control.stopping.is_set() and (left := end - time.monotonic()) > 0:
            self._metrics.tick()
            try:
                self._acknowledge()
            except Retriable as error:  # the next read says the same, to those who can open the source again
                log.debug("not acknowledged: %s", error)
            self._control.stopping.wait(min(left, STEP_S))
        return self._control.stopping.is_set()

    def _bad_record(self, record: Record, error: Exception) -> None:
        """The connector cannot read this one; `record` is what it knows of it."""
        content = f"value {shown(record.value)}"
        where = Where("TASK_POLL", type(self._connector).__name__, record.where(), content)
        letters = self._letters
        add = None if letters is None else lambda at, why: self._unread.append(letters.unread(record, at, why))
        self._errors.failed(error, where, add)

    def _refused(self, refusal: MessageRefused) -> Message | None:
        message, letters = refusal.message, self._letters
        if letters is not None and message.topic == letters.topic:
            return self._letter_refused(refusal, letters)
        size = len(message.key or b"") + len(message.value or b"")
        where = Where("KAFKA_PRODUCE", "headwater.worker.log", f"{message.topic} ({size} bytes)")
        made: list[Message] = []
        add = None if letters is None else lambda at, why: made.append(letters.message(message, at, why))
        self._errors.failed(refusal, where, add)
        return made[0] if made else None

    def _letter_refused(self, refusal: MessageRefused, letters: SourceLetters) -> Message:
        """The queue is too small for a dead letter: what it says of its failure is shortened. It is cut where it is the
        message that was too large for its own topic, and nobody could do anything with it."""
        instead = letters.shorter(refusal.message) or letters.cut(refusal.message)
        if instead is None:
            raise Fatal(
                f"the dead letter queue {letters.topic} cannot take a record that failed: {refusal}. The task stops; "
                "nothing is skipped. Raise that topic's max.message.bytes"
            ) from refusal
        return instead

    def _close(self) -> None:
        source, self._source = self._source, None
        if source is None:
            return
        try:
            source.close()
        except Exception as error:  # a plugin's clean-up may not hide why it is closed
            log.warning("closing the source failed: %s: %s", type(error).__name__, error)


def _since_ms(batch: Batch) -> int | None:
    """When the oldest change in it happened, epoch milliseconds, as far as the source says so."""
    if not batch.records:
        return None
    return batch.records[0].timestamp_ms if batch.committed_ms is None else batch.committed_ms
