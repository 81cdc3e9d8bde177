"""Which of some records are the newest of their keys in what a task has read so far.

The log itself is asked: a record counts where it still lies there and none of its key comes after it. One that is gone
from a compacted topic had a later one, be it a delete that is gone as well; or it was a delete itself.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping

from headwater.worker.api import TopicPartition
from headwater.worker.log.contract import Log

from .letter import Place

__all__ = ["NewestOfKeys"]

_POLL_RECORDS = 5_000


class NewestOfKeys:
    """`asked`: places of records and their keys. Reads their partitions from the first of them on, as far as told."""

    def __init__(self, the_log: Log, asked: Iterable[tuple[Place, bytes]]) -> None:
        self._newest: dict[TopicPartition, dict[bytes, int]] = {}
        start: dict[TopicPartition, int] = {}
        for place, key in asked:
            tp = TopicPartition(place.topic, place.partition)
            self._newest.setdefault(tp, {})[key] = -1
            start[tp] = min(start.get(tp, place.offset), place.offset)
        self._log = the_log
        self._begin = the_log.begin_offsets(list(start)) if start else {}
        self._consumer = the_log.consumer()
        if start:
            self._consumer.assign({tp: max(offset, self._begin[tp]) for tp, offset in start.items()})

    def read(self, until: Mapping[TopicPartition, int], budget_s: float) -> bool:
        """Read on; True once all that lies before `until` is known. Partitions that are not in it are left out."""
        end = time.monotonic() + budget_s
        while any(at < until.get(tp, 0) for tp, at in self._consumer.position().items()):
            if time.monotonic() > end:
                return False
            for message in self._consumer.poll(_POLL_RECORDS, 0.1):
                tp = TopicPartition(message.topic, message.partition or 0)
                wanted = self._newest[tp]
                if message.key in wanted:
                    wanted[message.key] = message.offset
        if self._newest:  # some may have been deleted before they were read
            self._begin = self._log.begin_offsets(list(self._newest))
        return True

    def superseded(self, place: Place, key: bytes, deletes: bool = False) -> bool:
        """Has a newer record of the key been read, or must there have been one? `deletes`: the record is a delete,
        which compaction takes as well, once it is old: what came after it, if anything did, was a delete too."""
        newest = self._newest[TopicPartition(place.topic, place.partition)][key]
        if deletes and newest < place.offset:
            return False
        return newest != place.offset and not self.unknown(place, key)

    def unknown(self, place: Place, key: bytes) -> bool:
        """The record was deleted by its age or the topic's size, and whatever came after it may have been, too."""
        tp = TopicPartition(place.topic, place.partition)
        return self._newest[tp][key] < place.offset < self._begin[tp]

    def close(self) -> None:
        self._consumer.close()
