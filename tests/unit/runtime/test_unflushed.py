from __future__ import annotations

from headwater.worker.api import TopicPartition
from headwater.worker.log.contract import Message
from headwater.worker.observe.metrics import TaskMetrics
from headwater.worker.runtime.unflushed import FLUSH_BYTES, FLUSH_RECORDS, Unflushed

LONG_S = 3_600.0


def unflushed() -> tuple[Unflushed, TaskMetrics]:
    metrics = TaskMetrics()
    return Unflushed(metrics, every_s=LONG_S), metrics


def messages(count: int) -> list[Message]:
    return [Message("orders", None, b"{}", (), 0, 0, n) for n in range(count)]


def test_a_sink_without_patience_is_flushed_when_nothing_comes_or_much_has_come() -> None:
    held, _ = unflushed()
    assert held.since is None
    held.add(messages(1), 1, 2, 0.0)
    assert held.since is not None and not held.due(0.0, idle=False, at_barrier=False)
    assert held.due(0.0, idle=True, at_barrier=False)
    held.add(messages(FLUSH_RECORDS), 1, 2, 0.0)
    assert held.due(0.0, idle=False, at_barrier=False)
    held.clear()
    held.add(messages(1), 1, FLUSH_BYTES, 0.0)
    assert held.due(0.0, idle=False, at_barrier=False)


def test_a_patient_sink_is_flushed_at_a_barrier_and_when_it_has_rested_before() -> None:
    held, _ = unflushed()
    held.add(messages(FLUSH_RECORDS), 1, FLUSH_BYTES, 0.0)
    assert not held.due(LONG_S, idle=False, at_barrier=False)
    assert held.due(LONG_S, idle=True, at_barrier=False)
    assert held.due(LONG_S, idle=False, at_barrier=True)
    held.flushed({})
    held.add(messages(1), 1, 2, 0.0)
    assert not held.due(LONG_S, idle=True, at_barrier=False)


def test_what_is_flushed_is_counted_once() -> None:
    held, metrics = unflushed()
    held.add(messages(3), 2, 6, 0.0)
    held.add([], 0, 0, 0.0)
    assert (metrics.records_in, metrics.records_sent, metrics.records_out, metrics.queued_records) == (3, 2, 0, 3)
    held.flushed({TopicPartition("orders", 0): 3})
    held.begin()
    held.flushed({TopicPartition("orders", 0): 3})
    assert (metrics.records_out, metrics.bytes_out, metrics.queued_records, metrics.commits) == (3, 6, 0, 2)
    assert metrics.offsets == {"orders-0": 3} and held.since is None


def test_what_a_closed_sink_was_given_counts_no_more() -> None:
    held, metrics = unflushed()
    held.add(messages(3), 3, 6, 0.0)
    held.clear()
    held.flushed({})
    assert (metrics.records_in, metrics.records_out) == (3, 0)
