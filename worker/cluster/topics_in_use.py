"""Which topics of a task are worth a record on the status topic, after the user has reset a connector's topics too."""

from __future__ import annotations

from collections.abc import Iterable

from .statuses import TopicKey

__all__ = ["TopicsInUse"]


class TopicsInUse:
    """Tasks tell all topics since their start; a topic that was reset comes back with the task's next record.

    A task that goes on with others of its topics brings it back as well: it does not count by topic.
    """

    def __init__(self) -> None:
        self._records: dict[str, dict[int, int]] = {}
        self._reset: dict[TopicKey, dict[int, int]] = {}

    def read(self, key: TopicKey, used: bool) -> None:
        """What the status topic says now."""
        if used:
            self._reset.pop(key, None)
        elif key.connector in self._records:
            self._reset[key] = dict(self._records[key.connector])

    def forget(self, connector: str) -> None:
        self._records.pop(connector, None)
        for key in [key for key in self._reset if key.connector == connector]:
            del self._reset[key]

    def used(self, connector: str, task: int, topics: Iterable[str], records: int) -> list[TopicKey]:
        """Those of the task's `topics` that count, `records` after its start."""
        counts = self._records.setdefault(connector, {})
        started_anew = records < counts.get(task, 0)
        counts[task] = records
        found: list[TopicKey] = []
        for topic in topics:
            key = TopicKey(connector, topic)
            then = self._reset.get(key)
            if then is not None and started_anew:
                then[task] = 0
            if then is None or records > then.get(task, 0):
                found.append(key)
        return found
