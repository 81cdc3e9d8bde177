"""One task of a sink, without a worker around it, to give records to."""

from __future__ import annotations

from collections.abc import Iterable

from headwater.worker.api import Record, Sink, SinkBatch, TaskContext, TopicPartition, Values, again


class SinkTask:
    """At work on partitions of which it knows how far it has read."""

    def __init__(
        self,
        sink: Sink,
        values: Values,
        *partitions: TopicPartition,
        view: str = "view",
        generation: int = 1,
        topic_id: str = "id-1",
    ) -> None:
        self.bad: list[tuple[Record, Exception]] = []
        self.context = TaskContext(view, 0, values, generation=generation)
        self.context.report_bad_record = lambda record, error: self.bad.append((record, error))
        self.sink = sink
        self.sink.open(self.context)
        self.assigned = self.sink.assign(dict.fromkeys(partitions, topic_id))
        self.at = {partition: offset or 0 for partition, offset in self.assigned.items()}

    def write(self, records: Iterable[Record]) -> None:
        self.sink.write(self.batch(records))

    def batch(self, records: Iterable[Record]) -> SinkBatch:
        taken = list(records)
        first = dict(self.at)
        for record in taken:
            assert record.partition is not None and record.offset is not None
            self.at[TopicPartition(record.topic, record.partition)] = record.offset + 1
        moved = {p: n for p, n in self.at.items() if n != first[p]}
        return SinkBatch(taken, {p: first[p] for p in moved}, moved)

    def put(self, *records: Record) -> dict[TopicPartition, int]:
        self.write(records)
        return self.sink.flush()

    def give_again(self, record: Record) -> None:
        """A mended dead letter, as the runtime gives it; in the view when it returns."""
        partition = again("queue-id", 0, TopicPartition(record.topic, record.partition or 0))
        first = self.sink.assign({partition: "queue-id"})[partition] or 0
        self.sink.write(SinkBatch([record], {partition: first}, {partition: first + 1}))
        self.sink.flush()

    def __enter__(self) -> SinkTask:
        return self

    def __exit__(self, *_: object) -> None:
        self.sink.close()
