"""The life of one sink task: read the log, pass through the pipe, write, flush, store the offsets.

One thread. What the view holds decides where to read on; the consumer group's offsets follow it, for all to see.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence

from headwater.worker.api import (
    Fatal,
    Record,
    Retriable,
    Sink,
    SinkBatch,
    SinkConnector,
    TaskContext,
    TopicPartition,
    is_again,
)
from headwater.worker.config.plan import ConnectorPlan
from headwater.worker.log.contract import Log, Message
from headwater.worker.observe.metrics import TaskMetrics

from .dead_letters import DeadLetters
from .errors import Backoff, Interrupted, RecordErrors, Where
from .halts import Halts
from .intake import Intake
from .missing_topics import MissingTopics
from .pipe import SinkPipe
from .replay import Replay
from .task_control import TaskControl
from .task_spec import TaskSpec
from .unflushed import Unflushed

__all__ = ["SinkLoop"]

log = logging.getLogger(__name__)

FLUSH_EVERY_S = 1.0
POLL_S = 0.25
POLL_BETWEEN_S = 0.05
LAG_EVERY_S = 2.0
REOPEN_FIRST_S = 0.5
REOPEN_MOST_S = 15.0


class SinkLoop:
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
        assert isinstance(plan.connector, SinkConnector)
        self._connector = plan.connector
        self._plan = plan
        self._spec = spec
        self._control = control
        self._metrics = metrics
        self._errors = RecordErrors(plan.errors, metrics, self._wait)
        self._reveals = plan.reveals
        self._dead: DeadLetters | None = None
        self._replay: Replay | None = None
        self._consumer = the_log.consumer(spec.group)
        self._intake = Intake(the_log, self._consumer, spec.group, plan.connector.features.exactly_once)
        if plan.errors.dlq_topic:
            topics = plan.topics if plan.topics_regex is None else plan.topics_regex
            self._dead = DeadLetters(the_log, plan.errors, spec, topics, self._intake.topic_ids, redact, self._reveals)
            if plan.errors.tolerance == "all":
                self._replay = Replay(the_log, spec, self._dead, self._write_again, redact, self._alive, self._reveals)
        self._pipe = SinkPipe(plan, self._errors, metrics, None if self._dead is None else self._dead.add)
        self._halts = Halts(the_log, spec.internal.views, spec.connector, spec.generation)
        self._missing = MissingTopics(the_log, plan.topics)
        every_ms = int(spec.settings.get("offset.flush.interval.ms", "60000"))
        self._unflushed = Unflushed(metrics, min(FLUSH_EVERY_S, every_ms / 1000))
        self._subscribed = False
        self._sink: Sink | None = None
        self._callback_error: Exception | None = None
        self._started_at: dict[TopicPartition, int] = {}
        self._at_work_from: Mapping[TopicPartition, int] = {}
        self._originals: dict[tuple[str | None, int | None, int | None], Message] = {}
        self._lag_at = 0.0
        self._free_at = 0.0
        self._backoff = Backoff(REOPEN_FIRST_S, REOPEN_MOST_S)

    def run(self) -> None:
        self._metrics.tick()
        try:
            while not self._control.stopping.is_set():
                try:
                    self._control.stand_by(self._metrics.tick)
                    self._subscribe()
                    self._open()
                    while not self._control.stopping.is_set():
                        self._round()
                except Retriable as error:
                    self._reopen_later(error)
            self._finish()
        except Interrupted:
            self._finish()
        finally:
            self._close()
            self._consumer.close()
            if self._replay is not None:
                self._replay.close()
            if self._dead is not None:
                self._dead.close()
            self._pipe.close()

    def _subscribe(self) -> None:
        """Once; it writes to the log, which may refuse for a while, for want of room say."""
        if self._subscribed:
            return
        topics = self._plan.topics_regex if self._plan.topics_regex is not None else list(self._plan.topics)
        member = (self._spec.task, self._spec.tasks)
        self._consumer.subscribe(topics, member, self._on_assigned, self._on_revoked)
        self._subscribed = True

    def _open(self) -> None:
        """A fresh instance of the sink takes over all partitions that are ours."""
        self._close()
        self._unflushed.clear()
        self._originals.clear()
        self._sink = self._connector.task()
        context = TaskContext(
            connector=self._spec.connector,
            task=self._spec.task,
            values=self._plan.values,
            task_config=dict(self._spec.task_config),
            generation=self._spec.generation,
            stopping=self._control.stopping,
            report_progress=self._control.report_progress,
            report_bad_record=self._bad_record,
        )
        self._sink.open(context)
        if self._replay is not None:
            self._replay.opened(self._sink)
        if self._intake.topic_ids:
            start = self._intake.start_at(self._sink.assign(dict(self._intake.topic_ids)))
            self._intake.seek(start)
            self._started_at.update(start)
        self._control.report_state("PAUSED" if self._control.paused else "RUNNING")

    def _round(self) -> None:
        """Once around: poll, write, flush where it is time to."""
        self._metrics.tick()
        self._control.stand_by(self._metrics.tick)
        self._obey()
        messages, first, moved = self._intake.poll(POLL_S if self._unflushed.since is None else POLL_BETWEEN_S)
        if self._callback_error is not None:
            error, self._callback_error = self._callback_error, None
            raise error
        if self._started_at:
            self._show_start()
        if moved:
            self._write(messages, first, moved)
        if self._unflushed.since is not None and self._flush_due(idle=not moved):
            self._flush()
        self._go_on_with_replay()
        self._measure()

    def _go_on_with_replay(self) -> None:
        intake = self._intake
        if self._replay is None or intake.paused or intake.limits:
            return
        if self._replay.step(intake.position, intake.topic_ids):
            self._metrics.active()

    def _alive(self) -> None:
        self._metrics.tick()
        if self._control.stopping.is_set():
            raise Interrupted

    def _write_again(
        self, messages: Sequence[Message], first: Mapping[TopicPartition, int], moved: Mapping[TopicPartition, int]
    ) -> None:
        """Dead letters, between two batches; durable when it returns."""
        assert self._sink is not None
        if self._unflushed.since is not None:
            self._flush()
        self._originals.update({(m.topic, m.partition, m.offset): m for m in messages})
        self._sink.write(SinkBatch(self._pipe.process(messages), first, moved))
        self._unflushed.begin()
        self._flush()

    def _obey(self) -> None:
        """Take in what the user and the barrier want now."""
        changed = self._halts.changed()
        if changed:
            self._intake.limits = self._halts.limits
            log.info("barrier %s", "lifted" if not self._halts.limits else f"at {_readable(self._halts.limits)}")
        if changed or self._intake.paused != self._control.paused:
            self._intake.paused = self._control.paused
            self._intake.hold()
            self._control.report_state("PAUSED" if self._control.paused else "RUNNING")

    def _write(
        self, messages: list[Message], first: Mapping[TopicPartition, int], moved: Mapping[TopicPartition, int]
    ) -> None:
        assert self._sink is not None
        size = sum(len(m.key or b"") + len(m.value or b"") for m in messages)
        self._slow_down(len(messages))
        if self._dead is not None:
            self._dead.flush()  # the sink may make what it was given before durable, offsets and all
            if self._sink.patience_s:
                self._originals.clear()
            self._originals.update({(m.topic, m.partition, m.offset): m for m in messages})
        records = self._pipe.process(messages)
        begun = time.monotonic()
        self._at_work_from = first
        try:
            self._sink.write(SinkBatch(records, first, moved))
        finally:
            self._at_work_from = {}
        self._unflushed.add(messages, len(records), size, time.monotonic() - begun)

    def _slow_down(self, records: int) -> None:
        """Keep to `rows_per_s`, where the generation has such a limit."""
        rate = self._spec.rows_per_s
        if not rate:
            return
        now = time.monotonic()
        if self._wait(max(0.0, self._free_at - now)):
            raise Interrupted
        self._free_at = max(now, self._free_at) + records / rate

    def _flush_due(self, idle: bool) -> bool:
        patience = 0.0 if self._sink is None else self._sink.patience_s
        return self._unflushed.due(patience, idle, self._intake.at_barrier)

    def _flush(self) -> None:
        """What was written becomes durable in the view; then, and only then, the group's offsets follow."""
        assert self._sink is not None
        self._control.stand_by(self._metrics.tick)
        begun = time.monotonic()
        try:
            self._keep_dead()
            offsets = {tp: at for tp, at in self._sink.flush().items() if not is_again(tp.topic)}
            if offsets:
                self._consumer.commit(offsets)
        except Exception:
            self._metrics.commit_failures += 1
            raise
        self._metrics.commit_ms.add((time.monotonic() - begun) * 1000)
        self._unflushed.flushed(offsets)
        self._originals.clear()
        self._backoff.reset()

    def _keep_dead(self) -> None:
        """The sink is about to store offsets: the dead letters of records before them are durable first."""
        if self._dead is not None:
            self._dead.flush()

    def _measure(self) -> None:
        now = time.monotonic()
        if now - self._lag_at >= LAG_EVERY_S:
            self._lag_at = now
            lags = self._intake.lags().values()
            self._metrics.lag, self._metrics.lag_max = sum(lags), max(lags, default=0)
            self._metrics.partitions = len(self._intake.topic_ids)
            self._missing.look()

    def _on_assigned(self, partitions: Mapping[TopicPartition, str]) -> Mapping[TopicPartition, int | None]:
        """Runs inside `poll`. An error waits until `poll` is back: no log has to carry it through."""
        self._intake.topic_ids.update(partitions)
        if self._replay is not None:
            self._replay.forget()
        try:
            assert self._sink is not None
            start = self._intake.start_at(self._sink.assign(partitions))
        except Exception as error:
            self._callback_error = error
            return dict.fromkeys(partitions)
        log.info("reading %s", _readable(start))
        self._started_at.update(start)
        return dict(start)

    def _show_start(self) -> None:
        """The group's offsets follow what the view holds, also where a crash came between the two."""
        ours = self._intake.position
        start = {tp: offset for tp, offset in self._started_at.items() if tp in ours}
        self._started_at = {}
        self._metrics.topics = tuple(sorted({tp.topic for tp in ours}))
        if start:
            self._consumer.commit(start)
            self._metrics.offsets = {**self._metrics.offsets, **{str(tp): offset for tp, offset in start.items()}}

    def _on_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        """Runs inside `poll`. What cannot be flushed now is read again by the next owner."""
        try:
            if self._sink is not None:
                if self._unflushed.since is not None and self._control.may_write():
                    self._flush()
                again = [] if self._replay is None else self._replay.forget()
                self._keep_dead()
                self._sink.revoke([*partitions, *again])
        except Exception as error:
            self._callback_error = error
        self._intake.drop(partitions)

    def _bad_record(self, record: Record, error: Exception) -> None:
        """The sink hands over a record that it cannot write. Raises `Fatal` where errors are not tolerated."""
        content = "" if self._reveals else f"key {record.key!r}, value {record.value!r}"
        where = Where("TASK_PUT", type(self._sink).__qualname__, record.where(), content)
        dead = self._dead
        if dead is None:
            self._errors.failed(error, where, None)
            return
        original = self._originals.get((record.origin, record.partition, record.offset))
        if original is None:
            raise Fatal(
                f"{where.executing} reports {record.where()} as bad, which was not written since the last flush"
            )
        self._errors.failed(error, where, lambda at, why: dead.add(original, at, why))
        if not self._at_work(record):
            dead.flush()  # the view may store its offsets right after this

    def _at_work(self, record: Record) -> bool:
        """Is it of the batch that is being written? Earlier ones the sink may make durable at any time."""
        first = self._at_work_from.get(TopicPartition(str(record.origin), record.partition or 0))
        return first is not None and (record.offset or 0) >= first

    def _reopen_later(self, error: Retriable) -> None:
        delay = error.after_s if error.after_s is not None else self._backoff.next()
        self._metrics.retries += 1
        self._metrics.failed(str(error))
        self._metrics.queued_records = 0
        log.warning("the task cannot go on, trying again in %.1f s: %s", delay, error)
        self._control.report_state("RESTARTING", str(error))
        self._close()
        self._wait(delay)

    def _wait(self, seconds: float) -> bool:
        """Sleep. True where the task has to stop."""
        end = time.monotonic() + seconds
        while not self._control.stopping.is_set() and (left := end - time.monotonic()) > 0:
            self._metrics.tick()
            self._control.stopping.wait(min(left, 1.0))
        return self._control.stopping.is_set()

    def _finish(self) -> None:
        """A graceful stop: what was written becomes durable, so that it is not written twice."""
        if self._sink is not None:
            try:
                if self._unflushed.since is not None and self._control.may_write():
                    self._flush()
                if self._intake.topic_ids:
                    self._keep_dead()
                    self._sink.revoke(list(self._intake.topic_ids))
            except (Retriable, Interrupted) as error:
                log.info("the last records could not be flushed and are read again at the next start: %s", error)
        self._control.report_state("STOPPED")

    def _close(self) -> None:
        sink, self._sink = self._sink, None
        if sink is None:
            return
        try:
            sink.close()
        except Exception as error:  # a plugin's clean-up may not hide why it is closed
            log.warning("closing the sink failed: %s: %s", type(error).__name__, error)


def _readable(offsets: Mapping[TopicPartition, int]) -> str:
    return ", ".join(f"{tp} from {offset}" for tp, offset in sorted(offsets.items())) or "nothing yet"
