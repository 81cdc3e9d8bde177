"""Where a sink task stands in each of its partitions: what it has read, up to where it may go on, what is held.

Keeps the promise of `SinkBatch`: `first` of a batch is `next` of the one before, over offsets that hold nothing.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence

from headwater.worker.api import Fatal, TopicPartition
from headwater.worker.log.contract import Consumer, Isolation, Log, Message

__all__ = ["Intake"]

log = logging.getLogger(__name__)

_POLL_BYTES = 16 * 1024 * 1024
_POLL_MOST = 10_000
_POLL_LEAST = 10


class Intake:
    """Reads with one consumer. `topic_ids`: the partitions that are ours now, with their topics' ids.

    `remembers`: the view itself holds offsets, so that it had nothing of a partition if it has none.
    """

    def __init__(self, the_log: Log, consumer: Consumer, group: str, remembers: bool = False) -> None:
        self._remembers = remembers
        self._log = the_log
        self._consumer = consumer
        self._group = group
        self._next: dict[TopicPartition, int] = {}
        self._held: set[TopicPartition] = set()
        self._average_bytes = 32_768.0
        self.topic_ids: dict[TopicPartition, str] = {}
        self.limits: Mapping[TopicPartition, int] = {}
        self.paused = False

    @property
    def position(self) -> dict[TopicPartition, int]:
        """Next offset to hand on, of every partition that is ours."""
        return dict(self._next)

    def start_at(self, view: Mapping[TopicPartition, int | None]) -> dict[TopicPartition, int]:
        """Take partitions over, at the view's own offsets, else the group's, else from the beginning.

        Raises `Fatal` where the view is ahead of the log: that topic was cut back or made anew. Warns where the log
        no longer holds what comes next.
        """
        without = [tp for tp, offset in view.items() if offset is None]
        stored = self._log.committed(self._group, without) if without else {}
        begin = self._log.begin_offsets(view) if view else {}
        start = {tp: stored.get(tp, begin.get(tp, 0)) if offset is None else offset for tp, offset in view.items()}
        end = self._log.end_offsets(start, Isolation.READ_UNCOMMITTED) if start else {}
        for tp, offset in start.items():
            if offset > end.get(tp, 0):
                raise Fatal(
                    f"the view stands at offset {offset} of {tp}, but the log ends at {end.get(tp, 0)}: the log was "
                    "cut back or replaced. Rebuild the view from the log as it is now"
                )
            if offset < begin.get(tp, 0):
                log.warning(
                    "%s: what stood at offsets %d to %d was deleted before this sink had read it, so the view lacks "
                    "it; going on at %d. Let the topic keep its records until they are read: look at its retention.ms, "
                    "retention.bytes and cleanup.policy",
                    tp, offset, begin[tp] - 1, begin[tp],
                )  # fmt: skip
        if self._remembers:
            self._warn({tp: start[tp] for tp in without if start[tp] > begin.get(tp, 0)})
        self._next.update(start)
        self._held.difference_update(start)
        return start

    def _warn(self, left_out: Mapping[TopicPartition, int]) -> None:
        """As wanted where another sink of that name wrote before; not where somebody emptied the view."""
        for tp, offset in sorted(left_out.items()):
            log.warning(
                "the view holds nothing of %s, and begins at offset %s, which the consumer group %s has: earlier "
                "records will be missing. If the view was emptied, stop the connector, run `headwater offsets reset` "
                "and start it again, or rebuild the view",
                tp, offset, self._group,
            )  # fmt: skip

    @property
    def at_barrier(self) -> bool:
        """Is there one, and has all that it lets through been handed on?"""
        held = [at >= self.limits[tp] for tp, at in self._next.items() if tp in self.limits]
        return bool(held) and all(held)

    def seek(self, start: Mapping[TopicPartition, int]) -> None:
        """Go on reading at these offsets; what was held at the barrier may lie before it again."""
        self._consumer.seek(start)
        self._consumer.resume(start)  # `start_at` takes them for partitions that were assigned just now, and run
        self.hold()

    def drop(self, partitions: Sequence[TopicPartition]) -> None:
        for tp in partitions:
            self.topic_ids.pop(tp, None)
            self._next.pop(tp, None)
            self._held.discard(tp)

    def hold(self) -> None:
        """Pause what may not be read now and resume the rest: the user's pause and the barrier together."""
        wanted = {tp for tp, at in self._next.items() if self.paused or at >= self.limits.get(tp, at + 1)}
        if stop := wanted - self._held:
            self._consumer.pause(stop)
        if go := self._held - wanted:
            self._consumer.resume(go)
        self._held = wanted

    def poll(self, timeout_s: float) -> tuple[list[Message], dict[TopicPartition, int], dict[TopicPartition, int]]:
        """Messages, and the `first` and `next` offsets of every partition that moved, be it over holes alone."""
        most = int(min(_POLL_MOST, max(_POLL_LEAST, _POLL_BYTES / self._average_bytes)))
        messages = self._consumer.poll(most, timeout_s)
        if messages:
            size = sum(len(m.key or b"") + len(m.value or b"") for m in messages) / len(messages) + 100
            self._average_bytes = size if size > self._average_bytes else (self._average_bytes + size) / 2
        first: dict[TopicPartition, int] = {}
        moved: dict[TopicPartition, int] = {}
        back: dict[TopicPartition, int] = {}
        for tp, at in self._consumer.position().items():
            before = self._next.get(tp)
            if before is None or at <= before:
                continue
            limit = before if self.paused else max(before, self.limits.get(tp, at))
            if at > limit:
                back[tp] = at = limit
            if at > before:
                first[tp], moved[tp] = before, at
                self._next[tp] = at
        if back:
            messages = [m for m in messages if m.offset < back.get(_place(m), m.offset + 1)]
            self._consumer.seek(back)
            self.hold()
        elif self.limits or self.paused:
            self.hold()  # also what was assigned just now
        return messages, first, moved

    def lags(self) -> dict[TopicPartition, int]:
        """Offsets between what was handed on and the end of our partitions; barriers do not count as work."""
        if not self._next:
            return {}
        ends = self._log.end_offsets(self._next)
        goals = {tp: min(end, self.limits.get(tp, end)) for tp, end in ends.items()}
        return {tp: max(0, goals.get(tp, 0) - at) for tp, at in self._next.items()}


def _place(message: Message) -> TopicPartition:
    return TopicPartition(message.topic, message.partition if message.partition is not None else -1)
