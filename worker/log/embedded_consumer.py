"""Consumer of the embedded log. A transaction is in the file whole or not at all, so both isolations read the same."""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from headwater.worker.api import TopicPartition

from .contract import Assigned, LogError, Message, Revoked, UnknownTopic
from .embedded_catalog import Catalog, in_list
from .embedded_format import OFFSET_BITS
from .embedded_groups import MEMBER_EPOCH, check_member, join_group, read_committed_offsets, store_offsets
from .embedded_prefixes import PrefixCache
from .embedded_store import Store
from .embedded_subscription import Reading, Subscription, changed, wanted
from .headers import unpack_headers

_FIRST_PAUSE_S: Final = 0.002
_LONGEST_PAUSE_S: Final = 0.025
_FETCH_BYTES: Final = 32 << 20
_OFFSET_MASK: Final = (1 << OFFSET_BITS) - 1


class EmbeddedConsumer:
    def __init__(self, store: Store, group: str | None) -> None:
        """Owns `store`."""
        self._store = store
        self._catalog = Catalog(store)
        self._prefixes = PrefixCache(store)
        self._group = group
        self._subscription: Subscription | None = None
        self._reading: dict[TopicPartition, Reading] = {}
        self._ends = ""
        self._followed = 0
        self._seen_changes = -1
        self._unread = True
        self._turn = 0
        self._closed = False

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Raises `UnknownTopic`."""
        self._check_open()
        self._catalog.refresh()
        reading = {
            partition: Reading(self._catalog.partition_id(partition), offset) for partition, offset in offsets.items()
        }
        self._subscription = None
        self._read_these(reading)

    def subscribe(
        self,
        topics: Sequence[str] | re.Pattern[str],
        member: tuple[int, int],
        on_assigned: Assigned,
        on_revoked: Revoked,
    ) -> None:
        self._check_open()
        index, members = member
        if not 0 <= index < members:
            raise LogError(f"member {index} of {members} is not possible")
        epoch = join_group(self._store, self._needed_group(), member)
        if self._subscription is None:
            self._read_these({})
        self._subscription = Subscription(wanted(topics), member, on_assigned, on_revoked, epoch)
        self._followed = 0
        self._unread = True

    def poll(self, max_records: int, timeout_s: float) -> list[Message]:
        """Raises `Fenced`, `UnknownTopic` (an assigned topic is gone), `Retriable`, `LogError`."""
        self._check_open()
        deadline = time.monotonic() + timeout_s
        pause = _FIRST_PAUSE_S
        while True:
            changes = self._store.changes()
            if changes != self._seen_changes or self._unread:
                self._follow_group()
                with self._store.snapshot():  # a deleted topic's prefixes go too: not between a record and its prefix
                    messages = self._fetch(max_records)
                self._seen_changes = changes
                self._unread = bool(messages)
                if messages:
                    return messages
            left = deadline - time.monotonic()
            if left <= 0:
                return []
            time.sleep(min(pause, left))
            pause = min(pause * 1.5, _LONGEST_PAUSE_S)

    def position(self) -> dict[TopicPartition, int]:
        return {partition: reading.next for partition, reading in self._reading.items()}

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        for partition in offsets:
            self._assigned(partition)
        for partition, offset in offsets.items():
            self._reading[partition].next = offset
        self._unread = True

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        for reading in [self._assigned(partition) for partition in partitions]:
            reading.paused = True

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        for reading in [self._assigned(partition) for partition in partitions]:
            reading.paused = False
        self._unread = True

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Raises `Fenced`, `UnknownTopic`, `Retriable`, `LogError`."""
        self._check_open()
        group, subscription = self._needed_group(), self._subscription
        placed: dict[int, int | None] = {}
        for partition, offset in offsets.items():
            reading = self._reading.get(partition)
            placed[reading.partition_id if reading else self._catalog.partition_id(partition)] = offset
        with self._store.write() as connection:
            if subscription is not None:
                rows = connection.execute(MEMBER_EPOCH, (group, subscription.member[0])).fetchall()
                check_member(rows, group, subscription.member, subscription.epoch)
            store_offsets(connection, group, placed)

    def close(self) -> None:
        """May be called twice."""
        if not self._closed:
            self._closed = True
            self._reading = {}
            self._store.close()

    def _follow_group(self) -> None:
        """Notice a new incarnation of this member; let go of partitions whose topic is gone, take on new ones."""
        subscription = self._subscription
        if subscription is None:
            return
        group = self._needed_group()
        rows = self._store.read(MEMBER_EPOCH, (group, subscription.member[0]))
        check_member(rows, group, subscription.member, subscription.epoch)
        self._catalog.refresh()
        if self._catalog.version == self._followed:
            return
        mine = subscription.share(self._catalog.topics())
        revoked, added = changed(self._reading, mine)
        if revoked:
            subscription.on_revoked(revoked)
            self._read_these({key: reading for key, reading in self._reading.items() if key not in revoked})
        if added:
            ids = {partition: mine[partition][0] for partition in added}
            begin: dict[int, int] = dict(
                self._store.read(f"SELECT id, begin_offset FROM partition WHERE id IN {in_list(ids.values())}")  # noqa: S608
            )
            committed = read_committed_offsets(self._store, group, added)
            answers = subscription.on_assigned(added)
            more = {}
            for partition, key in ids.items():
                answer = answers.get(partition)
                stored = committed.get(partition, begin.get(key, 0))
                more[partition] = Reading(key, stored if answer is None else answer)
            self._read_these(self._reading | more)
        # Last, so that after an error in a callback the next poll calls it again.
        self._followed = self._catalog.version

    def _fetch(self, max_records: int) -> list[Message]:
        """Moves the positions only when all of it was read."""
        readings = list(self._reading.items())
        if not readings:
            return []
        ends = {key: (begin, end) for key, begin, end in self._store.read(self._ends)}
        self._check_still_there(ends)
        messages: list[Message] = []
        moved: list[tuple[Reading, int]] = []
        budget = _FETCH_BYTES
        # The partition that begins moves on with each call, so that a busy one does not starve the others.
        start = self._turn % len(readings)
        self._turn += 1
        for partition, reading in readings[start:] + readings[:start]:
            if reading.paused or reading.partition_id not in ends:
                continue
            begin, end = ends[reading.partition_id]
            first = reading.next if begin <= reading.next <= end else begin
            if first < end:
                most = max_records - len(messages)
                if most <= 0 or budget <= 0:
                    break
                first, size = self._read(partition, reading.partition_id, (first, end), most, budget, messages)
                budget -= size
            moved.append((reading, first))
        for reading, first in moved:
            reading.next = first
        return messages

    def _read(
        self,
        partition: TopicPartition,
        partition_id: int,
        offsets: tuple[int, int],
        most: int,
        budget: int,
        into: list[Message],
    ) -> tuple[int, int]:
        """Append at most `most` records from the first up to the end of `offsets`, none behind the one that exceeds
        `budget` bytes. Returns the next offset to read and the bytes read."""
        topic, number = partition
        base = partition_id << OFFSET_BITS
        offset, end = offsets
        size = count = 0
        prefixes = self._prefixes
        with self._store.rows(
            "SELECT id, timestamp_ms, key_prefix, key, headers, value_prefix, value FROM record "
            "WHERE id >= ? AND id < ? ORDER BY id LIMIT ?",
            (base | offset, base | end, most),
        ) as rows:
            for record_id, timestamp_ms, key_prefix, key, blob, value_prefix, value in rows:
                if key_prefix is not None:
                    key = prefixes[key_prefix] + key
                if value_prefix is not None:
                    value = prefixes[value_prefix] + value
                offset = record_id & _OFFSET_MASK
                headers = unpack_headers(blob) if blob else ()
                into.append(Message(topic, key, value, headers, timestamp_ms, number, offset))
                count += 1
                size += (len(key) if key else 0) + (len(value) if value else 0)
                if size >= budget:
                    break
        # Fewer than asked for: up to the end, which was read before the records, there is nothing else.
        return (end if count < most and size < budget else offset + 1), size

    def _check_still_there(self, ends: Mapping[int, tuple[int, int]]) -> None:
        """A subscription lets go of a deleted topic in the next poll; an assignment cannot."""
        if self._subscription is None:
            for partition, reading in self._reading.items():
                if reading.partition_id not in ends:
                    raise UnknownTopic(f"topic {partition.topic} was deleted while it was read from")

    def _read_these(self, reading: dict[TopicPartition, Reading]) -> None:
        ids = in_list(one.partition_id for one in reading.values())
        self._reading = reading
        self._ends = f"SELECT id, begin_offset, end_offset FROM partition WHERE id IN {ids}"  # noqa: S608
        self._unread = True

    def _assigned(self, partition: TopicPartition) -> Reading:
        reading = self._reading.get(partition)
        if reading is None:
            raise LogError(f"{partition} is not assigned to this consumer")
        return reading

    def _needed_group(self) -> str:
        if self._group is None:
            raise LogError("this consumer was made without a group")
        return self._group

    def _check_open(self) -> None:
        if self._closed:
            raise LogError("this consumer is closed")
