"""Consumer for Kafka: fixed partitions, or a share of a group's topics as a static member.

A member's partitions come and go in two steps. librdkafka's callbacks only note what the group gives to this member;
`poll` then takes on and lets go between two reads, so that an error of the caller's callback can be raised and the
callback be called again.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException

from headwater.worker.api import Fenced, Retriable, TopicPartition

from .contract import Assigned, Isolation, LogError, Message, Revoked
from .kafka_admin import Admin
from .kafka_client_logs import client_logger
from .kafka_commit import BoundedCommit
from .kafka_errors import FENCED, UNKNOWN_TOPIC, Connection, refused_settings
from .kafka_members import ASSIGNORS, Membership
from .kafka_offsets import KafkaOffsets, their_partition
from .kafka_reading import Reading
from .kafka_topics import KafkaTopics
from .kafka_watch import TopicWatch

_SLICE_S: Final = 0.1
"""What comes from elsewhere than the partitions (topics, the group) is looked at this often."""
_REQUEST_S: Final = 20.0
_CLOSE_S: Final = 5.0
_NO_GROUP: Final = "headwater-without-group"
_PASSING: Final = frozenset(
    {
        KafkaError._TRANSPORT,
        KafkaError._ALL_BROKERS_DOWN,
        KafkaError._RESOLVE,
        KafkaError._TIMED_OUT,
        KafkaError._MAX_POLL_EXCEEDED,
        KafkaError._AUTO_OFFSET_RESET,
        KafkaError.COORDINATOR_LOAD_IN_PROGRESS,
        KafkaError.COORDINATOR_NOT_AVAILABLE,
        KafkaError.NOT_COORDINATOR,
        KafkaError.REBALANCE_IN_PROGRESS,
        KafkaError.ILLEGAL_GENERATION,
        KafkaError.UNKNOWN_MEMBER_ID,
    }
)
"""librdkafka goes on after these by itself."""
_librdkafka: Final = client_logger(__name__)


class KafkaConsumer:
    def __init__(
        self,
        settings: Mapping[str, str],
        topics: KafkaTopics,
        offsets: KafkaOffsets,
        admin: Admin,
        group: str | None,
        isolation: Isolation,
    ) -> None:
        """`settings`: librdkafka's. The client is made with the first `assign` or `subscribe`. Raises `ConfigError`."""
        self._settings = settings
        self._topics = topics
        self._offsets = offsets
        self._admin = admin
        self._group = group
        self._isolation = isolation
        self._connection = Connection(settings["bootstrap.servers"])
        self._client: confluent_kafka.Consumer | None = None
        self._watch = TopicWatch(topics, int(settings["metadata.max.age.ms"]) / 1000)
        self._membership: Membership | None = None
        self._callbacks: tuple[Assigned, Revoked] | None = None
        self._reading = Reading()
        self._given: set[TopicPartition] = set()
        self._names: list[str] = []
        self._first = False
        self._suspect = False
        """The session was lost, or the brokers said that another member took over: the group has to be asked."""
        self._broken = False
        """librdkafka's client takes no more calls after it was told that it was fenced."""
        self._letting_go = False
        """Within librdkafka's callback, `on_revoked` is running."""
        self._failed: KafkaError | None = None
        self._commits: BoundedCommit | None = None
        self._closed = False

    def assign(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Raises `UnknownTopic`, `Retriable`, `Fatal`."""
        self._check_open()
        self._offsets.check_there(offsets)
        self._leave()
        self._reading.forget(list(self._reading.positions))
        ids = self._topics.ids({partition.topic for partition in offsets})
        self._reading.take_on(offsets, {partition: ids[partition.topic][0] for partition in offsets})
        self._read()
        self._watch.follow({partition.topic for partition in offsets}, None)

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
        group = self._needed_group()
        self._leave()
        self._reading.forget(list(self._reading.positions))
        self._drop_client()
        self._membership = Membership(self._settings, self._admin, group, member)
        self._first = True
        self._callbacks = (on_assigned, on_revoked)
        self._suspect = self._broken = False
        self._started(self._membership)
        if isinstance(topics, re.Pattern):
            self._watch.follow((), topics)
        else:
            self._subscribe_to(sorted(set(topics)))
            self._watch.follow(set(topics), None)

    def poll(self, max_records: int, timeout_s: float) -> list[Message]:
        """Raises `Fenced`, `UnknownTopic` (an assigned topic is gone), `Retriable`, `Fatal`, `LogError`."""
        self._check_open()
        deadline = time.monotonic() + timeout_s
        while True:
            self._follow()
            left = deadline - time.monotonic()
            client = self._client
            if client is None or self._suspect:
                time.sleep(max(0.0, min(left, _SLICE_S)))
                if left <= 0:
                    return []
                continue
            found = client.consume(max_records, 0)
            if not found and left > 0 and max_records:
                found = client.consume(1, min(left, _SLICE_S))
                if found and max_records > 1:
                    found += client.consume(max_records - 1, 0)
            messages = self._reading.messages(found, self._heard)
            self._check_failed()
            if messages or left <= 0:
                return messages

    def position(self) -> dict[TopicPartition, int]:
        return dict(self._reading.positions)

    def seek(self, offsets: Mapping[TopicPartition, int]) -> None:
        self._reading.check(offsets)
        self._reading.positions.update(offsets)
        self._read()

    def pause(self, partitions: Iterable[TopicPartition]) -> None:
        chosen = self._reading.check(partitions)
        if chosen:
            self._started(None).pause([their_partition(partition) for partition in chosen])
            self._reading.paused.update(chosen)

    def resume(self, partitions: Iterable[TopicPartition]) -> None:
        resting = [partition for partition in self._reading.check(partitions) if partition in self._reading.paused]
        if resting:
            self._started(None).resume([their_partition(partition) for partition in resting])
            self._reading.paused.difference_update(resting)

    def commit(self, offsets: Mapping[TopicPartition, int]) -> None:
        """Raises `Fenced`, `UnknownTopic`, `Retriable`, `Fatal`, `LogError`."""
        self._check_open()
        group = self._needed_group()
        self._check_failed()
        unread = [partition for partition in offsets if partition not in self._reading.positions]
        if unread:
            self._offsets.check_there(unread)
        if not offsets:
            return
        if self._membership is None:
            self._offsets.store(group, offsets)
            return
        places = [their_partition(partition, offset) for partition, offset in offsets.items()]
        commits = self._commits = self._commits or BoundedCommit(self._started(None))
        deadline = time.monotonic() + _REQUEST_S
        while True:
            try:
                if self._letting_go:
                    commits.send(places)
                else:
                    commits.commit(places, _REQUEST_S)
                return
            except Retriable as error:
                raise Retriable(f"offsets of group {group} ({self._connection.servers}): {error}") from error
            except KafkaException as error:
                cause: KafkaError = error.args[0]
                if cause.code() == KafkaError.REBALANCE_IN_PROGRESS and time.monotonic() < deadline:
                    time.sleep(0.1)
                    continue
                self._membership.refused(cause, self._started(None))
                raise self._connection.error(cause, f"offsets of group {group} could not be stored") from error

    def close(self) -> None:
        """A member leaves its group, so that the others take over at once. May be called twice."""
        if self._closed:
            return
        self._closed = True
        self._watch.close()
        self._leave()
        self._reading.forget(list(self._reading.positions))
        self._drop_client()

    def _follow(self) -> None:
        """Take on and let go of partitions as the group and the topics say."""
        self._check_failed()
        if self._suspect:
            self._find_out()
        seen = self._watch.seen
        if self._membership is None:
            if seen is not None:  # a member lets go of a deleted topic, an assignment cannot
                self._reading.check_there(seen)
            return
        pattern_names = self._watch.matched()
        if pattern_names is not None:
            self._subscribe_to(pattern_names)
        gone = [
            partition
            for partition in self._reading.positions
            if partition not in self._given or (seen is not None and not self._reading.is_same_topic(partition, seen))
        ]
        assert self._callbacks is not None
        on_assigned, on_revoked = self._callbacks
        if gone:
            on_revoked(sorted(gone))
            self._reading.forget(gone)
            self._read()
        added = self._given - self._reading.positions.keys()
        if not added:
            return
        if self._first:  # once more: one of them may have come back before this member was there to be seen
            self._membership.remove_others(next(iter(added)).topic)
            self._first = False
        ids = self._topics.ids({partition.topic for partition in added})
        new = {p: ids[p.topic][0] for p in sorted(added) if p.partition < ids.get(p.topic, ("", 0))[1]}
        if not new:
            return
        self._reading.take_on(self._starts(new, on_assigned(new)), new)
        self._read()
        self._watch.learn(ids)

    def _find_out(self) -> None:
        """Was this member replaced, or did it only lose its session? Raises `Fenced`, `Fatal`."""
        membership, client = self._membership, self._client
        if membership is None or client is None:
            return
        try:
            membership.check(client)
        except Retriable as error:  # the brokers are away: nothing is read or stored meanwhile
            _librdkafka.info("%s", error)
            return
        self._suspect = False
        if not self._broken:
            return
        _librdkafka.info("group %s: %s joins again", self._group, membership.instance)
        self._broken = False
        if self._reading.positions and self._callbacks is not None:
            self._callbacks[1](sorted(self._reading.positions))
        self._reading.forget(list(self._reading.positions))
        self._given.clear()
        self._drop_client()
        self._started(membership)
        self._subscribe_to(self._names)

    def _starts(
        self, new: Iterable[TopicPartition], answers: Mapping[TopicPartition, int | None]
    ) -> dict[TopicPartition, int]:
        open_ = [partition for partition in new if answers.get(partition) is None]
        stored = self._offsets.committed(self._needed_group(), open_)
        fresh = [partition for partition in open_ if partition not in stored]
        latest = self._settings["auto.offset.reset"] == "latest"
        chosen = (self._offsets.ends(fresh, self._isolation) if latest else self._offsets.begins(fresh)) | stored
        for partition in new:
            answer = answers.get(partition)
            if answer is not None:
                chosen[partition] = answer
        return chosen

    def _subscribe_to(self, names: Sequence[str]) -> None:
        """Callbacks run inside librdkafka's calls and only note what the group says."""
        client = self._started(None)
        self._names = list(names)
        there = self._topics.ids(names) if self._first else {}
        if there and self._membership is not None:
            self._membership.remove_others(next(iter(there)))
        if not names:
            return
        try:
            client.subscribe(list(names), on_assign=self._on_given, on_revoke=self._on_taken, on_lost=self._on_lost)
        except KafkaException as error:
            raise self._connection.error(error, f"group {self._group} could not be joined") from error

    def _on_given(self, client: confluent_kafka.Consumer, places: list[confluent_kafka.TopicPartition]) -> None:
        self._given = {TopicPartition(place.topic, place.partition) for place in places}
        client.assign([])
        if self._membership is not None:
            self._membership.know(client)

    def _on_taken(self, client: confluent_kafka.Consumer, places: list[confluent_kafka.TopicPartition]) -> None:
        """Nobody else gets the partitions before this is over."""
        taken = [TopicPartition(place.topic, place.partition) for place in places]
        self._given.difference_update(taken)
        read = [partition for partition in taken if partition in self._reading.positions]
        self._letting_go = True
        try:
            if read and self._callbacks is not None:
                self._callbacks[1](read)
        finally:
            self._letting_go = False
            self._reading.forget(read)
            client.unassign()

    def _on_lost(self, client: confluent_kafka.Consumer, places: list[confluent_kafka.TopicPartition]) -> None:
        _librdkafka.warning(
            "group %s: the session was lost (no poll or heartbeat in time); %d partitions may have another reader",
            self._group,
            len(places),
        )
        self._suspect = True
        self._on_taken(client, places)

    def _read(self) -> None:
        """Read what is taken on, each partition at its position."""
        client = self._started(None)
        positions, paused = self._reading.positions, self._reading.paused
        client.assign([their_partition(partition, offset) for partition, offset in positions.items()])
        # librdkafka keeps a pause over the end of an assignment: who lost his session at a barrier would stand there
        client.resume([their_partition(partition) for partition in positions if partition not in paused])
        if paused:
            client.pause([their_partition(partition) for partition in paused])

    def _leave(self) -> None:
        """Out of the group, so that nobody waits for this member's session to end."""
        membership, self._membership = self._membership, None
        self._callbacks = None
        if membership is None or self._client is None:
            return
        membership.leave(self._client)
        self._reading.forget(list(self._reading.positions))
        self._given.clear()
        self._drop_client()

    def _drop_client(self) -> None:
        client, commits, self._client, self._commits = self._client, self._commits, None, None
        if commits is not None:
            commits.close_client(_CLOSE_S)
        elif client is not None:
            client.close()

    def _started(self, membership: Membership | None) -> confluent_kafka.Consumer:
        if self._client is not None:
            return self._client
        given: dict[str, Any] = {
            **self._settings,
            "group.id": self._group or _NO_GROUP,
            "enable.auto.commit": "false",
            "enable.auto.offset.store": "false",
            "enable.partition.eof": "true",
            "isolation.level": str(self._isolation),
            "partition.assignment.strategy": ASSIGNORS,
            "auto.offset.reset": "earliest",
            "error_cb": self._heard,
        }
        if membership is not None:
            given["group.instance.id"] = membership.instance
        try:
            self._client = confluent_kafka.Consumer(given, logger=_librdkafka)
        except (KafkaException, ValueError) as error:
            raise refused_settings(error) from error
        return self._client

    def _heard(self, error: KafkaError) -> None:
        """Reported by librdkafka, in a callback or between records."""
        self._connection.heard(error)
        code = error.code()
        if self._membership is not None and (code in FENCED or code == KafkaError._FATAL):
            self._suspect = self._broken = True
        elif error.fatal():
            self._failed = error
        elif code in UNKNOWN_TOPIC or code in _PASSING or error.retriable():
            return  # the watch looks after topics; librdkafka goes on by itself
        elif code == KafkaError.GROUP_AUTHORIZATION_FAILED and self._membership is None:
            return  # nothing is asked of the group
        elif self._failed is None:
            self._failed = error

    def _check_failed(self) -> None:
        error = self._failed
        if error is not None:
            if not error.fatal():
                self._failed = None  # told once; librdkafka may go on
            raise self._connection.error(error, f"group {self._group}: reading failed" if self._group else "reading")
        if self._membership is not None and self._membership.fenced:
            raise Fenced(self._membership.fenced)

    def _needed_group(self) -> str:
        if self._group is None:
            raise LogError("this consumer was made without a group")
        return self._group

    def _check_open(self) -> None:
        if self._closed:
            raise LogError("this consumer is closed")
