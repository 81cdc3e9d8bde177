"""The status topic: every worker reads all of it and writes what it runs itself, without waiting for the log."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Final, NamedTuple

from headwater.worker.api import HeadwaterError
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.log.contract import Log, Message, MessageRefused, Producer, UnknownTopic
from headwater.worker.runtime.errors import Backoff
from headwater.worker.runtime.internal_topics import InternalTopics

from .statuses import (
    ConnectorKey,
    Key,
    Status,
    StatusTable,
    TaskKey,
    TopicKey,
    TopicUse,
    dump_status,
    load_key,
    load_status,
    missing,
)
from .topics_in_use import TopicsInUse

__all__ = ["StatusTopic", "Told"]

log = logging.getLogger(__name__)

FIGURES_EVERY_S: Final = 5.0
_FIGURES_A_SECOND: Final = 50
"""So many records of mere figures at most a second, for all of this worker's tasks together."""
_GATHER_S: Final = 0.05
_FIRST_DELAY_S: Final = 0.5
_LONGEST_DELAY_S: Final = 15.0
_LONGEST_TRACE: Final = 100_000
_ENDED: Final = frozenset({"FAILED", "UNASSIGNED"})


class Told(NamedTuple):
    """What the topic says of one connector."""

    connector: Status | None
    tasks: Mapping[TaskKey, Status]


class _Waiting(NamedTuple):
    what: Status | TopicUse | None
    due: float


class StatusTopic:
    """`refresh` belongs to one thread; any thread may call the other methods, and none of them waits but `flush` and
    `close`. Give `put_…` the present state as often as you like: only changes are written, the newest alone."""

    def __init__(
        self,
        the_log: Log,
        topics: InternalTopics,
        member: Callable[[], bool] = lambda: True,
        figures_every_s: float = FIGURES_EVERY_S,
    ) -> None:
        """Makes the topic where it is missing. `member`: does this worker belong to its group now? While it does not,
        what it wanted to write is forgotten: others may have written newer. Raises `LogError`."""
        self._log = the_log
        self._member = member
        self._topic = topics.status
        self._topics = topics
        self._records = self._open()
        self._figures_every_s = figures_every_s
        self._changed = threading.Condition()
        self._table = StatusTable()
        self._in_use = TopicsInUse()
        self._waiting: dict[Key, _Waiting] = {}
        self._sent: dict[Key, tuple[bytes | None, Status | TopicUse | None]] = {}
        self._lost: set[Key] = set()  # they stand in the table and no more on the log
        self._written_at: dict[Key, float] = {}
        self._writing = False
        self._not_before = 0.0
        self._ending = False
        self._producer: Producer | None = None
        self._thread = threading.Thread(target=self._run, name="status-writer", daemon=True)
        self._thread.start()

    # What it says.

    def refresh(self, timeout_s: float = 30.0, whole: bool = True) -> set[str]:
        """Read on; names of the connectors of which something has changed. See `CompactedDict.refresh`."""
        found: set[str] = set()
        try:
            changes = self._records.refresh(timeout_s, whole)
        except UnknownTopic as error:
            self._make_again(error)
            changes = self._records.refresh(timeout_s, whole)
        with self._changed:
            for raw_key, value in changes:
                key = load_key(raw_key)
                if key is not None and self._take(key, value):
                    found.add(key.connector)
        return found

    def _open(self) -> CompactedDict:
        topics = self._topics
        return CompactedDict(
            self._log, self._topic, topics.status_partitions, topics.status_replicas, topics.status_settings
        )

    def _make_again(self, error: UnknownTopic) -> None:
        """Somebody has deleted the topic. Each worker writes what it has to say once more; until then what was known
        of others counts on. Raises `LogError`, `Retriable`."""
        records = self._open()
        with self._changed:
            self._lost = {key for key, _ in self._table.all()}
            self._sent.clear()
        self._records.close()
        self._records = records
        log.error(
            "%s. It is there again, and each worker writes anew what it runs; until then others may see old states",
            error,
        )

    def _take(self, key: Key, value: bytes | None) -> bool:
        self._lost.discard(key)
        sent = self._sent.get(key)
        if sent is not None and sent[0] == value:
            del self._sent[key]
            what = sent[1]
        else:
            try:
                what = load_status(key, value)
            except (KeyError, TypeError, ValueError) as error:
                log.error("record %s of topic %s is passed by: %r", key.dump().decode(), self._topic, error)
                return False
        if isinstance(key, TopicKey):
            self._in_use.read(key, used=what is not None)
        return self._table.put(key, what)

    def told(self, connector: str) -> Told:
        with self._changed:
            status = self._table.get(ConnectorKey(connector))
            return Told(status if isinstance(status, Status) else None, self._table.tasks(connector))

    def connectors(self) -> set[str]:
        """Names of all that there is a status of."""
        with self._changed:
            return self._table.connectors()

    def topics(self, connector: str) -> list[str]:
        """Names of the topics that the connector has used since they were last reset."""
        with self._changed:
            return sorted(self._table.topics(connector))

    # What this worker says.

    def put_connector(self, connector: str, status: Status) -> None:
        self._put(ConnectorKey(connector), status)

    def put_task(self, key: TaskKey, status: Status) -> None:
        """Changes of `more`'s metrics and progress alone are written every few seconds."""
        self._put(key, status)

    def put_topics(self, connector: str, task: int, topics: Iterable[str], records: int) -> None:
        """The task has used these topics since it was started, and handled so many records since then."""
        with self._changed:
            known = self._table.topics(connector)
            for key in self._in_use.used(connector, task, topics, records):
                if (key.topic not in known or key in self._lost) and key not in self._waiting and key not in self._sent:
                    self._enqueue(key, TopicUse(task, time.time_ns() // 1_000_000), 0.0)

    def reset_topics(self, connector: str) -> None:
        """As if the connector had used none; those that it goes on to use come back."""
        with self._changed:
            for key in self._keys(connector):
                if isinstance(key, TopicKey):
                    self._put(key, None)

    def forget(self, connector: str) -> None:
        """The connector is there no more."""
        with self._changed:
            for key in self._keys(connector):
                self._put(key, None)
            self._in_use.forget(connector)

    def _keys(self, connector: str) -> list[Key]:
        """All that there is a record of, or will be."""
        found: set[Key] = {key for key in (*self._waiting, *self._sent) if key.connector == connector}
        topics = (TopicKey(connector, topic) for topic in self._table.topics(connector))
        return [*{*found, *self._table.tasks(connector), *topics}, ConnectorKey(connector)]

    def forget_task(self, key: TaskKey) -> None:
        """The task is there no more."""
        self._put(key, None)

    def forget_missing(self, tasks: Mapping[str, int], generations: Mapping[str, Collection[int]]) -> None:
        """The leader's: see to it that what is there no more has no status. `tasks`: how many each connector has,
        `generations`: numbers of a view's other generations. Call it when those have changed."""
        with self._changed:
            for key in missing(self._table, tasks, generations):
                if isinstance(key, ConnectorKey):
                    self.forget(key.connector)
                else:
                    self._put(key, None)

    def put_lost(self, alive: Collection[str], generation: int) -> None:
        """The leader's: whatever a worker (by `worker_id`) had that is not among the living becomes UNASSIGNED, and
        says why."""
        with self._changed:
            lost = [
                (key, status)
                for key, status in self._table.statuses()
                if status.state not in ("FAILED", "UNASSIGNED") and status.worker_id not in alive
            ]
            for key, status in lost:
                why = f"worker {status.worker_id} is gone; another one takes over"
                self._put(key, Status("UNASSIGNED", status.worker_id, generation, why, status.version, status.more))

    def flush(self, timeout_s: float = 5.0) -> bool:
        """Wait until all is on the log; whether it is."""
        with self._changed:
            self._waiting = {key: _Waiting(one.what, 0.0) for key, one in self._waiting.items()}
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not self._waiting and not self._writing, timeout_s)

    def close(self, timeout_s: float = 5.0) -> None:
        """Flushes first. A log that does not answer is not waited for longer. May be called twice."""
        self.flush(timeout_s)
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        self._thread.join(timeout_s)
        self._records.close()

    def _put(self, key: Key, what: Status | None) -> None:
        with self._changed:
            stored = self._table.get(key)
            if isinstance(what, Status):
                other = stored if isinstance(stored, Status) else None
                if what.state in _ENDED and not what.overwrites(other):
                    return
                if len(what.trace) > _LONGEST_TRACE:
                    what = _shortened(what)
            if what is None and key in self._lost:
                self._lost.discard(key)
                self._table.put(key, None)
            newest = self._newest(key, stored)
            if newest == what:
                return
            wait_s = 0.0
            if isinstance(what, Status) and isinstance(newest, Status) and what.differs_in_figures_alone(newest):
                every_s = max(self._figures_every_s, len(self._written_at) / _FIGURES_A_SECOND)
                wait_s = self._written_at.get(key, 0.0) + every_s
            self._enqueue(key, what, wait_s)

    def _newest(self, key: Key, stored: Status | TopicUse | None) -> Status | TopicUse | None:
        if key in self._waiting:
            return self._waiting[key].what
        if key in self._sent:
            return self._sent[key][1]
        return None if key in self._lost else stored

    def _enqueue(self, key: Key, what: Status | TopicUse | None, due: float) -> None:
        before = self._waiting.get(key)
        self._waiting[key] = _Waiting(what, due if before is None else min(due, before.due))
        if before is None or due < before.due:
            self._changed.notify_all()

    # The thread that writes.

    def _run(self) -> None:
        backoff = Backoff(_FIRST_DELAY_S, _LONGEST_DELAY_S)
        while batch := self._next_batch():
            try:
                self._write(batch)
                backoff.reset()
            except Exception as error:  # what it could not write is written later
                self._failed(batch, error, backoff)
            with self._changed:
                self._writing = False
                self._changed.notify_all()
        self._drop_producer()

    def _next_batch(self) -> dict[Key, Status | TopicUse | None]:
        """What is due; waits for it. Empty: it is over."""
        with self._changed:
            while not self._ending:
                now = time.monotonic()
                first = max(self._not_before, min((one.due for one in self._waiting.values()), default=float("inf")))
                if first > now:
                    self._changed.wait(min(first - now, 3600.0))
                    continue
                self._changed.wait(_GATHER_S)  # changes seldom come alone
                if not self._member():
                    self._waiting.clear()
                    self._changed.notify_all()
                elif batch := self._take_due(time.monotonic()):
                    return batch
            return {}

    def _take_due(self, now: float) -> dict[Key, Status | TopicUse | None]:
        batch = {key: one.what for key, one in self._waiting.items() if one.due <= now}
        for key, what in batch.items():
            del self._waiting[key]
            self._sent[key] = (dump_status(key, what), what)
        self._writing = bool(batch)
        return batch

    def _write(self, batch: Mapping[Key, Status | TopicUse | None]) -> None:
        """Raises what the log raises."""
        if self._producer is None:
            self._producer = self._log.producer()
        for key, what in batch.items():
            try:
                self._producer.send([Message(self._topic, key.dump(), dump_status(key, what))])
            except MessageRefused as error:
                log.error("the status of %s is not written: %s", key.connector, error)
        self._producer.flush()
        now = time.monotonic()
        with self._changed:
            for key, what in batch.items():
                if what is None:
                    self._written_at.pop(key, None)
                else:
                    self._written_at[key] = now

    def _failed(self, batch: Mapping[Key, Status | TopicUse | None], error: Exception, backoff: Backoff) -> None:
        delay = backoff.next()
        known = isinstance(error, HeadwaterError)
        if not self._ending and (backoff.attempts == 1 or not known):
            log.warning(
                "states of tasks could not be written to topic %s, others see old ones; trying again: %s",
                self._topic, error, exc_info=not known,
            )  # fmt: skip
        self._drop_producer()
        with self._changed:
            self._not_before = time.monotonic() + delay
            for key, what in batch.items():
                self._waiting.setdefault(key, _Waiting(what, 0.0))

    def _drop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                producer.close()
            except HeadwaterError as error:
                log.debug("closing the producer of topic %s: %s", self._topic, error)


def _shortened(status: Status) -> Status:
    trace = f"…{status.trace[-_LONGEST_TRACE:]}"
    return Status(status.state, status.worker_id, status.generation, trace, status.version, status.more)
