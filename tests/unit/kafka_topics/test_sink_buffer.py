"""KafkaSink, where its producer takes no more; the brokers are away."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from headwater.connectors.kafka.sink import KafkaSinkConnector
from headwater.connectors.kafka.sink.sink import KafkaSink
from headwater.worker.api import DataError, Record, Retriable, SinkBatch, TaskContext, TopicPartition, Type, primitive

PLACE = TopicPartition("t", 0)
BYTES = primitive(Type.BYTES, optional=True)


@contextmanager
def sink(context: TaskContext) -> Iterator[KafkaSink]:
    made = KafkaSink()
    try:
        made.open(context)
        made._known.add("t")
        yield made
    finally:
        made.close()


def context() -> TaskContext:
    options = {"target.bootstrap.servers": "127.0.0.1:1", "topic": "t", "target.client.queue.buffering.max.kbytes": "1"}
    values, problems = KafkaSinkConnector.options.parse(options | {"target.client.log_level": "0"})
    assert not problems
    return TaskContext("out", 0, values)


def batch(*sizes: int) -> SinkBatch:
    records = [Record("t", b"k", b"x" * size, BYTES, BYTES, partition=0, offset=n) for n, size in enumerate(sizes)]
    return SinkBatch(records, {PLACE: 0}, {PLACE: len(records)})


@pytest.mark.timeout(120)
def test_a_record_that_no_empty_buffer_takes_is_handed_over() -> None:
    bad: list[Exception] = []
    own = context()
    own.report_bad_record = lambda _, error: bad.append(error)
    with sink(own) as made:
        made.write(batch(5000))
    [error] = bad
    assert isinstance(error, DataError) and "queue.buffering.max.kbytes" in str(error)


@pytest.mark.timeout(120)
def test_a_task_that_stops_does_not_wait_for_brokers_that_are_away() -> None:
    own = context()
    own.stopping.set()
    with sink(own) as made, pytest.raises(Retriable, match="the brokers take nothing"):
        made.write(batch(600, 600))
