"""Begins, ends and consumer groups' offsets of Kafka's partitions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

import confluent_kafka
from confluent_kafka import IsolationLevel, KafkaError, KafkaException
from confluent_kafka.admin import OffsetSpec  # type: ignore[attr-defined]

from headwater.worker.api import TopicPartition

from .contract import Isolation, LogError, UnknownTopic
from .kafka_admin import Admin
from .kafka_commit import BoundedCommit
from .kafka_errors import Connection, refused_settings
from .kafka_topics import ADMIN_TIMEOUT_S, KafkaTopics
from .kafka_waiting import PASSING, PAUSE_S, patiently

_CLOSE_S: Final = 5.0
_LEAVING_S: Final = 15.0
"""A member that was killed belongs to its group until its session is over: so long a group may seem to be in use."""
_HAS_MEMBERS: Final = frozenset(
    {KafkaError.UNKNOWN_MEMBER_ID, KafkaError.NON_EMPTY_GROUP, KafkaError.GROUP_SUBSCRIBED_TO_TOPIC}
)
_NOT_YET: Final = PASSING | {KafkaError.UNKNOWN_TOPIC_OR_PART}
"""The topic is there: the broker that leads it has not heard of it yet."""
_NO_GROUP: Final = frozenset({KafkaError.GROUP_ID_NOT_FOUND})


def their_partition(partition: TopicPartition, offset: int = -1001) -> confluent_kafka.TopicPartition:
    return confluent_kafka.TopicPartition(partition.topic, partition.partition, offset)


class KafkaOffsets:
    """Thread-safe."""

    def __init__(self, admin: Admin, settings: Mapping[str, str], topics: KafkaTopics, connection: Connection) -> None:
        """`settings`: of librdkafka's consumers."""
        self._admin = admin
        self._settings = settings
        self._topics = topics
        self._connection = connection

    def begins(self, partitions: Iterable[TopicPartition]) -> dict[TopicPartition, int]:
        """Raises `UnknownTopic`, `Retriable`, `Fatal`."""
        return self._listed(partitions, OffsetSpec.earliest(), Isolation.READ_UNCOMMITTED)  # type: ignore[no-untyped-call]

    def ends(self, partitions: Iterable[TopicPartition], isolation: Isolation) -> dict[TopicPartition, int]:
        """Raises `UnknownTopic`, `Retriable`, `Fatal`."""
        return self._listed(partitions, OffsetSpec.latest(), isolation)  # type: ignore[no-untyped-call]

    def _listed(
        self, partitions: Iterable[TopicPartition], spec: OffsetSpec, isolation: Isolation
    ) -> dict[TopicPartition, int]:
        wanted = list(dict.fromkeys(partitions))
        if not wanted:
            return {}
        level = (
            IsolationLevel.READ_COMMITTED if isolation is Isolation.READ_COMMITTED else IsolationLevel.READ_UNCOMMITTED
        )
        asked = {their_partition(partition): spec for partition in wanted}
        self.check_there(wanted)
        deadline = time.monotonic() + ADMIN_TIMEOUT_S
        result: dict[TopicPartition, int] = {}
        while asked:
            futures = self._admin.client.list_offsets(asked, isolation_level=level, request_timeout=ADMIN_TIMEOUT_S)
            asked = {}
            for place, future in futures.items():
                where = TopicPartition(place.topic, place.partition)
                try:
                    result[where] = _there(future.result().offset)
                except KafkaException as error:
                    if error.args[0].code() not in _NOT_YET or time.monotonic() > deadline:
                        raise self._connection.error(error, f"the offsets of {where} could not be read") from error
                    asked[their_partition(where)] = spec
            if asked:
                time.sleep(PAUSE_S)
        return {partition: result[partition] for partition in wanted}

    def check_there(self, partitions: Iterable[TopicPartition]) -> None:
        """Raises `UnknownTopic`."""
        wanted = list(partitions)
        found = self._topics.ids({partition.topic for partition in wanted})
        for partition in wanted:
            count = found.get(partition.topic, ("", 0))[1]
            if not 0 <= partition.partition < count:
                reason = f"topic {partition.topic} has {count} partition(s)" if count else "there is no such topic"
                raise UnknownTopic(f"{partition} does not exist: {reason} (brokers {self._connection.servers})")

    def committed(self, group: str, partitions: Iterable[TopicPartition] | None) -> dict[TopicPartition, int]:
        """Raises `Retriable`, `Fatal`.

        Not by librdkafka's ListConsumerGroupOffsets, which ends the process (2.16.0: SIGSEGV or an assertion) while the
        group's coordinator is loading or away: a consumer that joins nothing asks the same.
        """
        wanted = self._every_partition() if partitions is None else list(partitions)
        if not wanted:
            return {}
        client = self._asker(group)

        def ask() -> list[confluent_kafka.TopicPartition]:
            places = client.committed([their_partition(partition) for partition in wanted], timeout=ADMIN_TIMEOUT_S)
            for place in places:
                if place.error is not None and place.error.code() in PASSING:
                    raise KafkaException(place.error)
            return places

        try:
            found = patiently(ask, ADMIN_TIMEOUT_S)
        except KafkaException as error:
            if error.args[0].code() in _NO_GROUP:
                return {}
            raise self._connection.error(error, f"the offsets of group {group} could not be read") from error
        finally:
            client.close()
        return {
            TopicPartition(place.topic, place.partition): place.offset
            for place in found
            if place.error is None and place.offset >= 0
        }

    def _every_partition(self) -> list[TopicPartition]:
        ids = self._topics.ids(self._topics.names())
        return [TopicPartition(name, number) for name, (_, count) in ids.items() for number in range(count)]

    def _asker(self, group: str) -> confluent_kafka.Consumer:
        """`read_uncommitted`: the last stored offsets, whatever a transaction that is still open may change."""
        given: dict[str, Any] = {
            **self._settings,
            "group.id": group,
            "enable.auto.commit": "false",
            "isolation.level": "read_uncommitted",
            "log_level": 0,
        }
        try:
            return confluent_kafka.Consumer(given)
        except (KafkaException, ValueError) as error:
            raise refused_settings(error) from error

    def store(self, group: str, offsets: Mapping[TopicPartition, int | None]) -> None:
        """Raises `UnknownTopic`, `LogError` (the group has members), `Retriable`, `Fatal`.

        Kafka's protocol can forget single offsets (OffsetDelete) but librdkafka cannot ask for it: then the group is
        deleted and made again with the offsets that stay.
        """
        self.check_there(offsets)
        stay = {partition: offset for partition, offset in offsets.items() if offset is not None}
        if len(stay) < len(offsets):
            known = self.committed(group, None)
            if known.keys() & (offsets.keys() - stay.keys()):
                stay = {p: o for p, o in known.items() if p not in offsets} | stay
                self.delete(group)
        if not stay:
            return
        places = [their_partition(partition, offset) for partition, offset in stay.items()]
        commits = BoundedCommit(self._asker(group))
        try:
            self._once_empty(group, lambda: commits.commit(places, ADMIN_TIMEOUT_S), "could not be stored")
        finally:
            commits.close_client(_CLOSE_S)

    def delete(self, group: str) -> None:
        """A group that does not exist is fine. Raises `LogError` (it has members), `Retriable`, `Fatal`."""

        def ask() -> None:
            self._admin.client.list_topics(
                timeout=ADMIN_TIMEOUT_S
            )  # not while no broker answers: librdkafka issue 4605
            self._admin.client.delete_consumer_groups([group], request_timeout=ADMIN_TIMEOUT_S)[group].result()

        self._once_empty(group, ask, "could not be deleted")

    def _once_empty(self, group: str, ask: Callable[[], None], what: str) -> None:
        deadline = time.monotonic() + _LEAVING_S
        while True:
            try:
                patiently(ask, ADMIN_TIMEOUT_S)
                return
            except KafkaException as error:
                code = error.args[0].code()
                if code in _NO_GROUP:
                    return
                if code not in _HAS_MEMBERS:
                    raise self._connection.error(error, f"the offsets of group {group} {what}") from error
                if time.monotonic() > deadline:
                    raise LogError(
                        f"the offsets of group {group} {what}: the group has running members "
                        f"({error.args[0].str()}). Stop the connector that reads with this group first"
                    ) from error
            time.sleep(0.2)


def _there(offset: int) -> int:
    """Raises `KafkaException` for none, which librdkafka (2.16.0) gives where a broker dies instead of answering."""
    if offset < 0:
        raise KafkaException(KafkaError(KafkaError.LEADER_NOT_AVAILABLE, "its leader was gone before it answered"))
    return offset
