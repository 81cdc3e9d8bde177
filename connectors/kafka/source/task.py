"""One task: its share of the partitions, from the stored offsets on, for ever."""

from __future__ import annotations

import logging
import re
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence, Set
from typing import Final

from confluent_kafka import OFFSET_BEGINNING, KafkaError, KafkaException, Message
from confluent_kafka import TopicPartition as TheirPartition

from headwater.worker.api import (
    Batch,
    DataError,
    Fatal,
    Partition,
    Position,
    Progress,
    Record,
    Source,
    TaskContext,
    TopicPartition,
    TopicSettings,
)

from ..cluster import FOR_EVER, admin, consumer, copied_settings, meant, topic_ids
from ..converting import made_converter
from ..naming import COPIED_HEADER, came_back, loop
from .first_pass import FirstPass
from .newest import Newest
from .options import LATEST
from .position import Place, partition_of, read_place
from .reading import Portions, Reading, headers_of, place_of

log = logging.getLogger(__name__)

LOOK_EVERY_S: Final = 30.0
"""For new topics and partitions, and for topics that were made again."""
OF_THE_BROKERS: Final = frozenset({"__consumer_offsets", "__transaction_state", "__share_group_state"})
"""No pattern means these, and no cluster takes copies of them."""


class KafkaSource(Source):
    def open(self, context: TaskContext, positions: Sequence[tuple[Partition, Position]]) -> None:
        self._context, self._values = context, context.values
        self._index = int(context.task_config.get("task.index", "0"))
        self._count = int(context.task_config.get("task.count", "1"))
        self._latest = self._values["copy"] == LATEST
        self._portions = Portions(self._values["batch.size"])
        self._stored = _stored(positions)
        self._places: dict[TopicPartition, Place] = {}
        self._ended: set[TopicPartition] = set()
        self._sizes: dict[str, int] = {}
        self._names: dict[str, str] = {}
        self._pass: FirstPass | None = None
        self._newest: list[Newest] = []
        self._kept: dict[TopicPartition, Iterator[int]] = {}
        self._next_kept: dict[TopicPartition, int | None] = {}
        self._look_at = 0.0
        keys, values = (made_converter(self._values, "source", part) for part in ("key", "value"))
        self._reading = Reading(keys, values, self._values["topic"], self._values["keep.partitions"])
        self._admin = admin(self._values, "source")
        self._client = consumer(self._values, "source")

    def read(self, timeout_s: float) -> Batch | None:
        if self._pass is not None:
            self._step(self._pass, timeout_s)
            return None
        if time.monotonic() >= self._look_at:
            self._look()
            self._look_at = time.monotonic() + LOOK_EVERY_S
        if not self._places:
            self._context.report_progress(Progress("waiting for topics", caught_up=True))
            self._context.stopping.wait(timeout_s)
            return None
        try:
            messages = self._portions.take(self._client, timeout_s)
        except KafkaException as error:
            raise meant(error, "reading") from error
        return self._batch(messages)

    def topic(self, name: str) -> TopicSettings:
        source = self._names.get(name)
        if source is None:
            return TopicSettings()
        config = copied_settings(self._admin, source) if self._values["copy.topic.settings"] else dict(FOR_EVER)
        if self._latest:
            config["cleanup.policy"] = "compact"
        return TopicSettings(self._sizes[source] if self._values["keep.partitions"] else None, config)

    def close(self) -> None:
        for owned in (getattr(self, "_client", None), getattr(self, "_pass", None), *getattr(self, "_newest", ())):
            if owned is not None:
                owned.close()
        if getattr(self, "_pass", None) is not None:
            self._pass.newest.close()  # type: ignore[union-attr]
        self._client = self._admin = self._pass = None  # type: ignore[assignment]
        self._newest = []

    def _look(self) -> None:
        """Take on this task's partitions that are not read yet."""
        metadata = self._admin.metadata(f"asking {self._values['source.bootstrap.servers']} for its topics")
        self._reading.own = str(metadata.cluster_id)
        pattern, named = self._values["topics.regex"], self._values["topics"]
        if pattern:
            wanted = [n for n in metadata.topics if re.fullmatch(pattern, n) and n not in OF_THE_BROKERS]
            self._refuse_copies_of_copies(set(wanted))
        else:
            wanted = [n for n in metadata.topics if n in named]
        missing = sorted(set(named) - set(wanted))
        if missing:
            log.warning("%s: not there; looked for again in %.0f s", ", ".join(missing), LOOK_EVERY_S)
        self._measure({name: len(metadata.topics[name].partitions) for name in wanted})
        for name in sorted(wanted, key=lambda n: (self._sizes[n], n)):  # of several for one the largest is its model
            self._names[self._reading.target(name)] = name
        partitions = [TopicPartition(name, n) for name in sorted(wanted) for n in range(self._sizes[name])]
        new = [p for p in partitions if p not in self._places and self._is_ours(p)]
        ids = self._ids({p.topic for p in (*self._places, *new)})
        for partition in self._places:
            self._place(partition, ids)
        if new:
            self._take_on(new, ids)

    def _measure(self, sizes: Mapping[str, int]) -> None:
        """Raises `Fatal` where a copy with the same partitions would lack the new ones."""
        for name, size in sizes.items():
            before = self._sizes.get(name, 0)
            if 0 < before < size and self._values["keep.partitions"]:
                raise Fatal(
                    f"the topic {name} had {before} partitions, as its copy has, and has {size} now: there is no place "
                    "for records of the new ones. Let the connector write to a new topic, or set keep.partitions: false"
                )
        self._sizes.update(sizes)

    def _refuse_copies_of_copies(self, wanted: Set[str]) -> None:
        for name in sorted(wanted):
            copy = self._reading.target(name)
            if copy != name and copy in wanted:
                raise Fatal(
                    f"topics.regex matches {copy} as well, which is where {name} is copied to: each copy would be "
                    "copied again. Set `topic` or topics.regex so that it matches no copy; with a copy on another "
                    "cluster, name the topics with `topics`"
                )

    def _is_ours(self, partition: TopicPartition) -> bool:
        return (zlib.crc32(partition.topic.encode()) + partition.partition) % self._count == self._index

    def _ids(self, topics: Iterable[str]) -> dict[str, str]:
        return topic_ids(self._admin, topics, "asking for the topics' ids")

    def _place(self, partition: TopicPartition, ids: Mapping[str, str]) -> Place:
        """Raises `Fatal` where the topic is another one than that which was read so far."""
        found = ids[partition.topic]
        place = self._stored.setdefault(partition, Place(0, found))
        if place.topic_id and place.topic_id != found:
            raise Fatal(
                f"the topic {partition.topic} was deleted and made again: its id was {place.topic_id} and is "
                f"{found}. Reset the connector's offsets to read the new one from its beginning"
            )
        place.topic_id = found
        return place

    def _take_on(self, new: Sequence[TopicPartition], ids: Mapping[str, str]) -> None:
        begins = [p for p in new if p not in self._stored]
        for partition in new:
            self._places[partition] = self._place(partition, ids)
        unsure = {}
        if self._latest:
            unsure = {p: self._places[p] for p in new if p in begins or self._places[p].is_before_until()}
        if unsure:
            self._pass = FirstPass(consumer(self._values, "source"), unsure)
        self._assign([partition for partition in new if partition not in unsure])

    def _assign(self, partitions: Sequence[TopicPartition]) -> None:
        places = [TheirPartition(p.topic, p.partition, self._places[p].offset or OFFSET_BEGINNING) for p in partitions]
        try:
            self._client.incremental_assign(places)
        except KafkaException as error:
            raise meant(error, "taking on partitions") from error

    def _step(self, first: FirstPass, timeout_s: float) -> None:
        self._context.report_progress(Progress("looking for the newest records", first.done, unit="records"))
        if not first.step(timeout_s):
            return
        first.close()
        self._pass = None
        self._newest.append(first.newest)
        for partition, place in first.places.items():
            self._kept[partition] = first.newest.offsets(partition, place.offset)
            self._next_kept[partition] = next(self._kept[partition], None)
        self._assign(list(first.places))

    def _batch(self, messages: Sequence[Message]) -> Batch | None:
        records: list[Record] = []
        moved: dict[TopicPartition, Place] = {}
        for message in messages:
            partition, offset = place_of(message)
            error = message.error()
            if error is not None:
                self._told(error, partition)
                continue
            headers = headers_of(message)
            if headers and came_back(headers, COPIED_HEADER, self._reading.own):
                self._refuse_loop(partition, offset)
            place = moved[partition] = self._places[partition]
            place.offset = offset + 1
            if self._counts(partition, offset, place):
                self._add(records, message)
        done = len(self._ended) == len(self._places)
        self._context.report_progress(Progress("copying", caught_up=done, unit="records"))
        if not moved:
            return None
        return Batch(records, [(partition_of(p), place.stored()) for p, place in moved.items()])

    def _refuse_loop(self, partition: TopicPartition, offset: int) -> None:
        """A copy under another name is none, whatever names the record had before."""
        if self._reading.target(partition.topic) == partition.topic:
            raise Fatal(loop(f"{partition}@{offset}", COPIED_HEADER, "source.bootstrap.servers"))

    def _counts(self, partition: TopicPartition, offset: int, place: Place) -> bool:
        """Is the record one to pass on? Before `until` only the newest of each key are."""
        if place.until is None or offset >= place.until:
            return True
        while (kept := self._next_kept[partition]) is not None and kept < offset:
            self._next_kept[partition] = next(self._kept[partition], None)
        return kept == offset

    def _add(self, records: list[Record], message: Message) -> None:
        try:
            records.append(self._reading.record(message))
        except DataError as error:
            if self._context.report_bad_record is None:
                raise
            partition, offset = place_of(message)
            self._context.report_bad_record(self._reading.bare(message), DataError(f"{partition}@{offset}: {error}"))

    def _told(self, error: KafkaError, partition: TopicPartition) -> None:
        if error.code() == KafkaError._PARTITION_EOF:
            self._ended.add(partition)
            return
        if error.code() == KafkaError._AUTO_OFFSET_RESET:
            self._place(partition, self._ids({partition.topic}))  # a topic that was made again says so
            raise Fatal(
                f"{partition}: the records from offset {self._places[partition].offset} on were deleted before they "
                "were read (retention). Look at the topic's retention, then set the connector's offsets to go on"
            )
        raise meant(error, f"reading {partition}")


def _stored(positions: Sequence[tuple[Partition, Position]]) -> dict[TopicPartition, Place]:
    try:
        return dict(read_place(partition, position) for partition, position in positions)
    except ValueError as error:
        raise Fatal(f"a stored position cannot be read: {error}") from error
