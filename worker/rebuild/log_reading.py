"""The log, read from one set of offsets to another, with no part of the sinks' write path."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from headwater.worker.api import TopicPartition
from headwater.worker.log.contract import Log, Message

BATCH: Final = 2_000
_POLL_S: Final = 0.5


def read_between(
    log: Log,
    first: Mapping[TopicPartition, int],
    until: Mapping[TopicPartition, int],
    check: Callable[[], None] = lambda: None,
) -> Iterator[list[Message]]:
    """Committed messages of the partitions of `until` at offsets from `first` up to, not including, `until`.

    In offset order within a partition; several batches. `check` is called between batches and may raise to stop.
    """
    waiting = {tp for tp, end in until.items() if first.get(tp, 0) < end}
    if not waiting:
        return
    consumer = log.consumer()
    try:
        consumer.assign({tp: first.get(tp, 0) for tp in waiting})
        while waiting:
            check()
            messages = consumer.poll(BATCH, _POLL_S)
            wanted = [m for m in messages if m.offset < until[_where(m)]]
            if wanted:
                yield wanted
            positions = consumer.position()
            reached = [tp for tp in waiting if positions.get(tp, 0) >= until[tp]]
            if reached:
                waiting.difference_update(reached)
                consumer.pause(reached)
    finally:
        consumer.close()


def _where(message: Message) -> TopicPartition:
    assert message.partition is not None  # every consumed message has one
    return TopicPartition(message.topic, message.partition)
