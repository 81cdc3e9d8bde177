"""Which partitions a member of a consumer group reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from headwater.worker.api import TopicPartition

from .contract import Assigned, Revoked
from .embedded_catalog import Topic


@dataclass(slots=True)
class Reading:
    """An assigned partition: its id in the file, the next offset to read."""

    partition_id: int
    next: int
    paused: bool = False


@dataclass(frozen=True, slots=True)
class Subscription:
    """`member`: (this task, number of tasks). `epoch`: given when it joined the group."""

    topics: frozenset[str] | re.Pattern[str]
    member: tuple[int, int]
    on_assigned: Assigned
    on_revoked: Revoked
    epoch: int

    def share(self, topics: Mapping[str, Topic]) -> dict[TopicPartition, tuple[int, str]]:
        """This member's partitions, with their ids in the file and topic ids.

        A partition's own id, given in order as topics are made, decides whose it is. So a new or deleted topic never
        moves another topic's partitions: no member may start on a partition before the old one has let go of it, and
        members of this log cannot wait for each other.
        """
        index, members = self.member
        return {
            TopicPartition(name, number): (key, topic.info.topic_id)
            for name, topic in topics.items()
            if self._matches(name)
            for number, key in enumerate(topic.partition_ids)
            if key % members == index
        }

    def _matches(self, name: str) -> bool:
        if isinstance(self.topics, frozenset):
            return name in self.topics
        return self.topics.fullmatch(name) is not None


def wanted(topics: Sequence[str] | re.Pattern[str]) -> frozenset[str] | re.Pattern[str]:
    return topics if isinstance(topics, re.Pattern) else frozenset(topics)


def changed(
    old: Mapping[TopicPartition, Reading], new: Mapping[TopicPartition, tuple[int, str]]
) -> tuple[list[TopicPartition], dict[TopicPartition, str]]:
    """Revoked partitions, and new ones with topic ids. A topic made again under its name is both."""
    had = {partition: reading.partition_id for partition, reading in old.items()}
    revoked = [partition for partition, key in had.items() if partition not in new or new[partition][0] != key]
    added = {partition: topic_id for partition, (key, topic_id) in new.items() if had.get(partition) != key}
    return sorted(revoked), added
