"""A static member of a consumer group: one incarnation of each task, and none of an earlier number of tasks.

`group.instance.id` is `<group>-<task>-of-<tasks>`. A successor of the same task replaces the member at once and the
brokers fence the old one. Members of another number of tasks have other names: the first of the new ones to come
removes them, by taking each one's place for a moment and leaving; and a member that lost its session stops where it
finds members of another number of tasks.
"""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Mapping
from typing import Any, Final

import confluent_kafka
from confluent_kafka import KafkaError, KafkaException

from headwater.worker.api import Fenced, Retriable

from .kafka_admin import Admin
from .kafka_errors import FENCED
from .kafka_waiting import patiently

log = logging.getLogger(__name__)

warnings.filterwarnings("ignore", r"list_groups\(\) is deprecated", DeprecationWarning)

ASSIGNORS: Final = "roundrobin,range"
"""Eager ones. A cooperative rebalance takes two rounds, and a static member that dies between them and comes back is
given what the first round left it, without a second one: nobody ever reads the partitions that were to move."""
_REQUEST_S: Final = 20.0
_REMOVE_S: Final = 30.0
_LEAVE_S: Final = 5.0
_LOOKS: Final = 3
_LIST_S: Final = 5.0
_UUID_LENGTH: Final = 37
_PAUSE_S: Final = 0.5
_STRANGERS: Final = frozenset({KafkaError.UNKNOWN_MEMBER_ID, KafkaError.ILLEGAL_GENERATION}) | FENCED


class Membership:
    def __init__(
        self,
        settings: Mapping[str, str],
        admin: Admin,
        group: str,
        member: tuple[int, int],
    ) -> None:
        self._settings = settings
        self._admin = admin
        self._group = group
        index, self._members = member
        self.instance = f"{group}-{index}-of-{self._members}"
        self._own: set[str] = set()
        self.fenced = ""
        """Why this member may not go on; empty as long as it may."""

    def _members_now(self) -> list[tuple[str, str]]:
        """(instance id, member id) of the group's static members. Raises `Retriable`, `Fatal`.

        No use is made of client ids: brokers go on telling the predecessor's.
        """

        try:
            ids = self._member_ids()
        except KafkaException as error:
            if error.args[0].code() == KafkaError.GROUP_ID_NOT_FOUND:
                return []
            raise self._admin.error(error, f"the members of group {self._group} could not be read") from error
        return [(own[:-_UUID_LENGTH], own) for own in ids]

    def _member_ids(self) -> list[str]:
        """A static member's id is its instance id, a hyphen and a UUID.

        Of librdkafka's two ways to ask, the newer one (DescribeConsumerGroups) ends the process where the coordinator
        is away for longer than the request may take (issue 4605). The older one asks every broker, and fails where one
        of several is away: then, with brokers that answer at all, the newer one is taken.
        """
        client = self._admin.client
        try:
            found: Any = client.list_groups(self._group, timeout=_LIST_S)
        except KafkaException:
            client.list_topics(timeout=_LIST_S)
            described: Any = patiently(self._describe, _REQUEST_S)
            return [str(one.member_id) for one in described.members if one.group_instance_id]
        return [str(one.id) for group in found if group.id == self._group for one in group.members]

    def _describe(self) -> Any:
        futures = self._admin.client.describe_consumer_groups([self._group], request_timeout=_REQUEST_S)
        return futures[self._group].result()

    def others(self) -> list[str]:
        """Instance ids of the group's members that count another number of tasks. Raises `Retriable`, `Fatal`."""
        return [instance for instance, _ in self._members_now() if self._is_another_number(instance)]

    def _is_another_number(self, instance: str) -> bool:
        own = f"-of-{self._members}"
        return instance.startswith(f"{self._group}-") and "-of-" in instance and not instance.endswith(own)

    def remove_others(self, topic: str) -> None:
        """`topic`: any one that exists; librdkafka joins no group for the sake of one that does not.
        Raises `Retriable`, `Fatal`."""
        for instance in self.others():
            log.info("group %s: removing %s, the tasks are now %d", self._group, instance, self._members)
            self._take_place_and_leave(instance, topic)

    def _take_place_and_leave(self, instance: str, topic: str) -> None:
        given: dict[str, Any] = {
            **self._settings,
            "group.id": self._group,
            "group.instance.id": instance,
            "enable.auto.commit": "false",
            "partition.assignment.strategy": ASSIGNORS,
            "log_level": 0,
        }
        client = confluent_kafka.Consumer(given)
        try:
            client.subscribe([topic])
            deadline = time.monotonic() + _REMOVE_S
            while not client.memberid() and time.monotonic() < deadline:
                for message in client.consume(1, 0.1):
                    error = message.error()
                    if error is not None and error.code() in FENCED:
                        return  # another task of ours does the same
            self.leave(client)
        finally:
            client.close()

    def leave(self, client: confluent_kafka.Consumer) -> None:
        """A static member leaves when it unsubscribes; closing alone would keep its place until its session ends."""
        try:
            if client.memberid():
                client.unsubscribe()
                deadline = time.monotonic() + _LEAVE_S
                while client.memberid() and time.monotonic() < deadline:
                    client.consume(1, 0.05)
        except (KafkaException, RuntimeError) as error:
            log.info("group %s: %s could not leave, its session will end: %s", self._group, self.instance, error)

    def know(self, client: confluent_kafka.Consumer) -> None:
        """Member ids that the group has given to this consumer."""
        member_id = client.memberid()
        if member_id:
            self._own.add(member_id)

    def check(self, client: confluent_kafka.Consumer) -> None:
        """Called when the session was lost or the brokers said that this member was fenced.

        They also say that to a member which is alone: librdkafka forgets its member id when its session ends, sends
        another heartbeat, and is refused (librdkafka issue 3437). So the group itself is asked who this member is.
        Raises `Fenced` where another process is, or where the number of tasks has changed; `Retriable`, `Fatal`.
        """
        for look in range(_LOOKS):
            self.know(client)
            members = self._members_now()
            others = [instance for instance, _ in members if self._is_another_number(instance)]
            if others:
                self.fenced = self._reason(others)
                break
            if not any(instance == self.instance and own not in self._own for instance, own in members):
                return
            if look + 1 < _LOOKS:
                time.sleep(_PAUSE_S)  # the answer that tells this consumer its new member id may be under way
        self.fenced = self.fenced or (
            f"group {self._group}: another process has become {self.instance}. This one stops; the other goes on where "
            "the group's offsets stand"
        )
        raise Fenced(self.fenced)

    def refused(self, error: KafkaError, client: confluent_kafka.Consumer) -> None:
        """After a refused commit. Raises `Fenced` as `check` does, `Retriable` where this is no member for now."""
        if error.code() in _STRANGERS:
            self.check(client)
            raise Retriable(
                f"group {self._group}: {self.instance} is not a member at the moment ({error.str()}); its offsets were "
                "not stored. Headwater joins again and reads on where the group stands"
            )

    def _reason(self, others: list[str]) -> str:
        return (
            f"group {self._group}: {self.instance} was replaced, the group's tasks are now "
            f"{', '.join(sorted(others))}. This task stops; the others go on where the group's offsets stand"
        )
