"""Reading a dead letter queue."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

from headwater.worker.api import TopicPartition
from headwater.worker.log.contract import Log, Message

from .letter import Letter, letter_of

__all__ = ["letters", "queue_messages"]

_POLL_RECORDS = 2_000


def _go_on() -> None:
    """Nobody has to be asked."""


def queue_messages(
    the_log: Log,
    queue: str,
    start: Mapping[int, int],
    end: Mapping[int, int],
    alive: Callable[[], None] = _go_on,
) -> Iterator[Message]:
    """What lies between these offsets of the queue's partitions; in order within each of them. `alive` is called before
    each piece that is read, also where nothing comes; what it raises ends the reading."""
    partitions = {TopicPartition(queue, number): offset for number, offset in start.items()}
    begin = the_log.begin_offsets(list(partitions))
    with closing(the_log.consumer()) as consumer:
        consumer.assign({tp: max(offset, begin[tp]) for tp, offset in partitions.items()})
        while any(at < end.get(tp.partition, 0) for tp, at in consumer.position().items()):
            alive()
            for message in consumer.poll(_POLL_RECORDS, 0.1):
                if message.offset < end.get(message.partition or 0, 0):
                    yield message


def letters(
    the_log: Log,
    queue: str,
    start: Mapping[int, int],
    end: Mapping[int, int],
    alive: Callable[[], None] = _go_on,
) -> Iterator[Letter]:
    """The same, dead letters alone."""
    for message in queue_messages(the_log, queue, start, end, alive):
        letter = letter_of(message)
        if letter is not None:
            yield letter
