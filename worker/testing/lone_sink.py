"""A sink's task without a log: the log's records and the consumer group's offsets are kept in memory."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from typing import cast

from headwater.worker.api import (
    DataError,
    Fatal,
    Generations,
    HasGenerations,
    Record,
    Sink,
    SinkBatch,
    SinkConnector,
    TaskContext,
    TopicPartition,
    again,
    is_again,
)

from .driver import Row, SinkDriver, record_of
from .planning import config_of, planned

__all__ = ["LoneSink", "MemoryLog"]


class MemoryLog:
    """One topic of two partitions; an id's rows lie in one of them."""

    def __init__(self, topic: str) -> None:
        self.partitions = [TopicPartition(topic, number) for number in range(2)]
        self.records: dict[TopicPartition, list[Record | None]] = {tp: [] for tp in self.partitions}
        """By offset; None: it holds no record, as where a transaction ends."""
        self.groups: dict[tuple[str, int], dict[TopicPartition, int]] = {}
        """Next offsets that the consumer group of each connector's generation has stored."""
        self.topic_id = "id-1"
        self.appended: list[Row] = []

    def append(self, *rows: Row) -> None:
        for row in rows:
            self.add(record_of(self.partitions[0].topic, row), row.id)
        self.appended += rows

    def add(self, record: Record, id: int) -> None:
        """A record that is no row, where those of this id lie."""
        tp = self.partitions[id % len(self.partitions)]
        lies = self.records[tp]
        lies.append(record.replace(partition=tp.partition, offset=len(lies), origin=tp.topic, timestamp_ms=1_000))

    def hold_back(self, row: Row) -> Record:
        """A record that failed, as it has to be given once more: at its place the log seems to hold none."""
        self.append(row)
        lies = self.records[self.partitions[row.id % len(self.partitions)]]
        held, lies[-1] = lies[-1], None
        assert held is not None
        return held

    def add_holes(self) -> None:
        for lies in self.records.values():
            lies.append(None)


class LoneSink:
    """One incarnation after the other of a sink's one task. `bad`: what it reported, where `tolerant`."""

    def __init__(
        self,
        driver: SinkDriver,
        name: str,
        log: MemoryLog,
        target: str = "view",
        tolerant: bool = True,
        generation: int = 1,
    ) -> None:
        topic = log.partitions[0].topic
        raw = config_of(name, driver.connector_class, {"topics": topic, **driver.config(target)})
        self._plan, self._task_config = planned(raw)
        self._name, self._log, self._tolerant, self._generation = name, log, tolerant, generation
        self._opened: list[Sink] = []
        self._sink: Sink | None = None
        self._stopping = threading.Event()
        self.at: dict[TopicPartition, int] = {}
        self._unflushed: set[TopicPartition] = set()
        self._dealt_with: dict[TopicPartition, int] = {}
        self.bad: list[Record] = []

    def __enter__(self) -> LoneSink:
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        for sink in self._opened:
            sink.close()

    @property
    def sink(self) -> Sink:
        assert self._sink is not None, "the sink is not open"
        return self._sink

    @property
    def committed(self) -> dict[TopicPartition, int]:
        """The consumer group's next offsets."""
        return self._log.groups.setdefault((self._name, self._generation), {})

    def generations(self) -> Generations:
        connector = cast(HasGenerations, self._plan.connector)
        return cast(Generations, connector.generations(self._plan.values, self._name))

    def new_task(self) -> Sink:
        connector = self._plan.connector
        assert isinstance(connector, SinkConnector), f"{type(connector).__name__} is no SinkConnector"
        self._sink = connector.task()
        self._opened.append(self._sink)
        return self._sink

    def open(self, partitions: Sequence[TopicPartition] | None = None) -> dict[TopicPartition, int | None]:
        """A fresh instance takes the partitions over; returns what the view says that it holds of each."""
        context = TaskContext(
            self._name, 0, self._plan.values, self._task_config, self._generation, stopping=self._stopping
        )
        if self._tolerant:
            context.report_bad_record = self._report
        else:
            context.report_bad_record = _refuse
        sink = self.new_task()
        sink.open(context)
        wanted = self._log.partitions if partitions is None else partitions
        held = sink.assign(dict.fromkeys(wanted, self._log.topic_id))
        assert set(held) == set(wanted), f"assign({list(wanted)}) answered for {list(held)}"
        self.at = {tp: self.committed.get(tp, 0) if at is None else at for tp, at in held.items()}
        self._unflushed = set()
        return held

    def _report(self, record: Record, error: Exception) -> None:
        assert isinstance(error, DataError), f"a bad record is a DataError, not {error!r}"
        self.bad.append(record)

    def write(self, most: int | None = None) -> int:
        """One batch of what comes next, so many records of each partition at most; returns how many it had."""
        first: dict[TopicPartition, int] = {}
        moved: dict[TopicPartition, int] = {}
        records: list[Record] = []
        for tp, at in self.at.items():
            lies = self._log.records.get(tp, [])
            come = lies[at:] if most is None else lies[at : at + most]
            if come:
                first[tp], moved[tp] = at, at + len(come)
                records += [record for record in come if record is not None]
        if moved:
            self.sink.write(SinkBatch(records, first, moved))
            self.at.update(moved)
            self._unflushed.update(moved)
        return len(records)

    def flush(self, answered: bool = True) -> None:
        """The group's offsets follow, unless the runtime dies right then."""
        done = self.sink.flush()
        for tp, offset in done.items():
            assert tp in self.at, f"flush tells of {tp}, which is not assigned"
            assert offset <= self.at[tp], f"flush says that the view holds {tp} up to {offset}; given was {self.at[tp]}"
        late = {tp: done.get(tp) for tp in self._unflushed if done.get(tp) != self.at[tp]}
        assert not late, f"flush has not made durable what was written: {late}, written up to {self.at}"
        self._unflushed.clear()
        if answered:
            self.committed.update({tp: offset for tp, offset in done.items() if not is_again(tp.topic)})
            self._dealt_with.update({tp: offset for tp, offset in done.items() if is_again(tp.topic)})

    def give_again(self, record: Record) -> None:
        """A dead letter between two batches, as the runtime does it: in a step of its own, fenced like any other, and
        by the partition of the record, which does not move."""
        tp = TopicPartition(str(record.origin), record.partition or 0)
        at = again("queue", 0, tp)
        if at not in self.at:
            self.dealt_with(record)
        first = self.at[at]
        stands = {tp: self.at[tp]}
        self.sink.write(SinkBatch([record], {at: first} | stands, {at: first + 1} | stands))
        self.at[at] = first + 1
        self._unflushed.update((at, tp))

    def dealt_with(self, record: Record) -> int | None:
        """How many of the letters of its partition the view says that it has been given."""
        at = again("queue", 0, TopicPartition(str(record.origin), record.partition or 0))
        held = self.sink.assign({at: "queue-id"})[at]
        self.at[at] = self._dealt_with.get(at, 0) if held is None else held
        return held

    def put(self) -> None:
        """All that the log has."""
        self.write()
        self.flush()

    def give_up(self, tp: TopicPartition) -> None:
        self.sink.revoke([tp])
        del self.at[tp]

    def crash(self) -> None:
        """The sink is not told, and what it holds stays held."""
        self._sink = None

    def close(self) -> None:
        """As the runtime does it after an error."""
        sink, self._sink = self._sink, None
        if sink is not None:
            sink.close()


def _refuse(record: Record, error: Exception) -> None:
    """As the runtime does with `errors.tolerance: none`."""
    raise Fatal(f"{record.where()} is not tolerated") from error
