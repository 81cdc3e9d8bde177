"""How far a partition of the other cluster has been read.

Stored as {"format": 1, "offset": next offset, "topic.id": id} under {"topic": name, "partition": number}; with
`copy: latest` also "until": where the first pass ends, fixed when it begins.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from headwater.worker.api import TopicPartition

FORMAT: Final = 1


@dataclass(slots=True)
class Place:
    """`offset`: the next one to read. `until`: below it only the newest record of each key is passed on."""

    offset: int
    topic_id: str
    until: int | None = None

    def is_before_until(self) -> bool:
        return self.until is not None and self.offset < self.until

    def stored(self) -> dict[str, Any]:
        found: dict[str, Any] = {"format": FORMAT, "offset": self.offset, "topic.id": self.topic_id}
        if self.is_before_until():
            found["until"] = self.until
        return found


def partition_of(partition: TopicPartition) -> dict[str, Any]:
    return {"topic": partition.topic, "partition": partition.partition}


def read_place(partition: Mapping[str, Any], position: Mapping[str, Any]) -> tuple[TopicPartition, Place]:
    """Raises `ValueError` for what this version cannot read."""
    topic, number = partition.get("topic"), partition.get("partition")
    if not isinstance(topic, str) or type(number) is not int or number < 0:
        raise ValueError('the partition must be {"topic": name, "partition": number}')
    if position.get("format", FORMAT) != FORMAT:
        raise ValueError(f"format {position['format']!r} is not known: run a newer Headwater")
    offset, until = position.get("offset"), position.get("until")
    if type(offset) is not int or offset < 0:
        raise ValueError('"offset" must be a whole number')
    if until is not None and (type(until) is not int or until < 0):
        raise ValueError('"until" must be a whole number')
    return TopicPartition(topic, number), Place(offset, str(position.get("topic.id", "")), until)
