"""Reading, altering and forgetting offsets of stopped connectors, in Kafka Connect's shapes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from typing import Any

from headwater.worker.api import TopicPartition
from headwater.worker.log.contract import Log
from headwater.worker.runtime.positions import Positions
from headwater.worker.runtime.task_spec import consumer_group

from .refusals import NotValid

__all__ = ["Offset", "alter_sink", "alter_source", "sink_offsets", "source_offsets"]

Offset = tuple[Mapping[str, Any], Mapping[str, Any] | None]
"""(partition, offset); offset None forgets. Sinks: {"kafka_topic","kafka_partition"}, {"kafka_offset"}."""


def source_offsets(the_log: Log, topic: str, connector: str) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """All positions that the connector has stored."""
    positions = Positions(the_log, topic, connector)
    try:
        return [(dict(partition), dict(position)) for partition, position in positions.load()]
    finally:
        positions.close()


def alter_source(
    the_log: Log, topic: str, connector: str, offsets: Sequence[Offset] | None, transactional_ids: Sequence[str]
) -> None:
    """Store these positions, None: forget all. Fences the connector's tasks first: none of them may write after it."""
    for transactional_id in transactional_ids:
        with closing(the_log.producer(transactional_id)) as fence:
            fence.init_transactions()
    positions = Positions(the_log, topic, connector)
    try:
        stored = positions.load()  # also learns the keys' bytes
        wanted = [(partition, None) for partition, _ in stored] if offsets is None else list(offsets)
        with closing(the_log.producer()) as producer:
            producer.send(positions.messages(wanted))
            producer.flush()
    finally:
        positions.close()


def sink_offsets(the_log: Log, connector: str, generation: int) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """Next offsets of the generation's consumer group."""
    stored = the_log.committed(consumer_group(connector, generation))
    return [
        ({"kafka_topic": tp.topic, "kafka_partition": tp.partition}, {"kafka_offset": offset})
        for tp, offset in sorted(stored.items())
    ]


def alter_sink(the_log: Log, connector: str, generation: int, offsets: Sequence[Offset] | None) -> None:
    """Store these next offsets, None: forget all. Raises `NotValid`."""
    group = consumer_group(connector, generation)
    if offsets is None:
        the_log.delete_group(group)
        return
    the_log.commit_offsets(group, {_partition(p): _offset(o) for p, o in offsets})


def _partition(partition: Mapping[str, Any]) -> TopicPartition:
    try:
        return TopicPartition(str(partition["kafka_topic"]), int(partition["kafka_partition"]))
    except (KeyError, TypeError, ValueError) as error:
        raise NotValid(
            f"the partition {dict(partition)} of a sink must look like "
            '{"kafka_topic": "orders", "kafka_partition": 0}'
        ) from error


def _offset(offset: Mapping[str, Any] | None) -> int | None:
    if offset is None:
        return None
    try:
        number = int(offset["kafka_offset"])
    except (KeyError, TypeError, ValueError) as error:
        raise NotValid(f'the offset {dict(offset)} of a sink must look like {{"kafka_offset": 42}}') from error
    if number < 0:
        raise NotValid(f"the offset {number} is negative")
    return number
