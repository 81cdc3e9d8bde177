"""Consumer groups: stored offsets, shared topics, topics that come and go, one incarnation per member."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from headwater.worker.api import TopicPartition
from headwater.worker.log import Consumer, Fenced, Log, LogError, Message, UnknownTopic

from .conftest import LogFactory
from .reading import drain, eventually, partitions_of, values, write


@dataclass
class Member:
    """Records what it was told; starts at `starts`, else where the group stands."""

    starts: dict[TopicPartition, int] = field(default_factory=dict)
    assigned: dict[TopicPartition, str] = field(default_factory=dict)
    revoked: list[TopicPartition] = field(default_factory=list)

    def on_assigned(self, partitions: Mapping[TopicPartition, str]) -> Mapping[TopicPartition, int | None]:
        self.assigned.update(partitions)
        return {partition: self.starts.get(partition) for partition in partitions}

    def on_revoked(self, partitions: Sequence[TopicPartition]) -> None:
        self.revoked += partitions
        for partition in partitions:
            del self.assigned[partition]

    def subscribe(self, consumer: Consumer, topics: Sequence[str] | re.Pattern[str], member: tuple[int, int]) -> None:
        consumer.subscribe(topics, member, self.on_assigned, self.on_revoked)


def poll_until(consumer: Consumer, condition: Callable[[], bool], what: str) -> list[Message]:
    found: list[Message] = []

    def met() -> bool:
        found.extend(consumer.poll(100, 0.05))
        return condition()

    eventually(met, 60.0, what)
    return found


def test_offsets_are_stored_and_forgotten(log: Log, log_factory: LogFactory, make_topic: Callable[..., str]) -> None:
    topic, group = make_topic(2), log_factory.name("group")
    first, second = partitions_of(log, topic)
    write(log, [Message(topic, b"k", b"v", partition=number % 2) for number in range(10)])
    assert log.committed(group) == {}
    log.commit_offsets(group, {first: 3, second: 4})
    log.commit_offsets(group, {first: 2})
    other = log_factory.open()
    assert other.committed(group) == {first: 2, second: 4}
    assert other.committed(group, [second]) == {second: 4}
    log.commit_offsets(group, {first: None})
    assert other.committed(group) == {second: 4}
    log.delete_group(group)
    assert other.committed(group) == {}


def test_a_member_goes_on_where_its_group_stands(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str]
) -> None:
    topic, group = make_topic(), log_factory.name("group")
    where = TopicPartition(topic, 0)
    write(log, [Message(topic, b"k", b"%d" % number) for number in range(6)])
    consumer, member = log.consumer(group), Member()
    member.subscribe(consumer, [topic], (0, 1))
    found: list[Message] = []
    while len(found) < 4:
        found += consumer.poll(4 - len(found), 60.0)
    assert member.assigned == {where: log.topics([topic])[topic].topic_id}
    consumer.commit({where: found[-1].offset + 1})
    consumer.close()
    assert log.committed(group) == {where: found[-1].offset + 1}
    again, member = log.consumer(group), Member()
    member.subscribe(again, [topic], (0, 1))
    rest = poll_until(again, lambda: bool(member.assigned), "assigned")
    assert values(rest + drain(log, again)) == [b"4", b"5"]
    again.close()


def test_the_callback_decides_where_to_start(log: Log, log_factory: LogFactory, make_topic: Callable[..., str]) -> None:
    topic, group = make_topic(), log_factory.name("group")
    where = TopicPartition(topic, 0)
    write(log, [Message(topic, b"k", b"%d" % number) for number in range(6)])
    log.commit_offsets(group, {where: 1})
    consumer = log.consumer(group)
    member = Member(starts={where: 4})
    member.subscribe(consumer, [topic], (0, 1))
    found: list[Message] = []
    while len(found) < 2:
        found += consumer.poll(10, 60.0)
    assert values(found) == [b"4", b"5"]
    consumer.close()


def test_members_share_every_partition_once(log: Log, log_factory: LogFactory, make_topic: Callable[..., str]) -> None:
    topics = [make_topic(4), make_topic(1), make_topic(3)]
    group = log_factory.name("group")
    write(log, [Message(topic, b"%d" % number, b"v") for topic in topics for number in range(50)])
    consumers = [log_factory.open().consumer(group) for _ in range(3)]
    members = [Member() for _ in consumers]
    for number, (consumer, member) in enumerate(zip(consumers, members, strict=True)):
        member.subscribe(consumer, topics, (number, 3))
    found: list[Message] = []

    def all_assigned() -> bool:
        for consumer in consumers:
            found.extend(consumer.poll(1000, 0.05))
        return (
            [len(member.assigned) > 0 for member in members] == [True] * 3
            and sum(len(member.assigned) for member in members) == 8
            and len({(m.topic, m.partition, m.offset) for m in found}) == 150
        )

    eventually(all_assigned, 240.0, "8 partitions, each at one member, and 150 records")
    assert {p for member in members for p in member.assigned} == set(partitions_of(log, *topics))
    assert len(found) == 150 or log_factory.brokers, "what was read but not committed is read again by the next owner"
    for consumer in consumers:
        consumer.close()


def test_a_pattern_takes_topics_that_appear_later(log: Log, log_factory: LogFactory) -> None:
    prefix, group = log_factory.name("shop"), log_factory.name("group")
    log.create_topic(f"{prefix}.a", 1, {})
    log.create_topic(f"not-{prefix}.a", 1, {})
    consumer, member = log.consumer(group), Member()
    member.subscribe(consumer, re.compile(re.escape(prefix) + r"\.[a-z]"), (0, 1))
    poll_until(consumer, lambda: bool(member.assigned), "the first topic")
    other = log_factory.open()
    other.create_topic(f"{prefix}.b", 2, {})
    other.create_topic(f"{prefix}.bb", 2, {})
    write(other, [Message(f"{prefix}.b", b"k", b"v")])
    found = poll_until(consumer, lambda: len(member.assigned) == 3, "the second topic")
    found += drain(log, consumer)
    assert values(found) == [b"v"]
    assert set(member.assigned) == set(partitions_of(log, f"{prefix}.a", f"{prefix}.b"))
    consumer.close()


def test_a_deleted_topic_is_revoked_and_a_new_one_of_its_name_assigned(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str]
) -> None:
    kept, deleted, group = make_topic(), make_topic(), log_factory.name("group")
    consumer, member = log.consumer(group), Member()
    member.subscribe(consumer, [kept, deleted], (0, 1))
    poll_until(consumer, lambda: len(member.assigned) == 2, "both topics")
    old_id = member.assigned[TopicPartition(deleted, 0)]
    log.delete_topic(deleted)
    poll_until(consumer, lambda: set(consumer.position()) == {TopicPartition(kept, 0)}, "the deleted one is let go")
    assert member.assigned.keys() == {TopicPartition(kept, 0)}
    log.create_topic(deleted, 1, {})
    write(log, [Message(deleted, b"k", b"new"), Message(kept, b"k", b"kept")])
    found: list[Message] = []
    found += poll_until(consumer, lambda: len(member.assigned) == 2, "assigned anew")
    found += drain(log, consumer)
    assert sorted(values(found), key=str) == [b"kept", b"new"]
    assert member.assigned[TopicPartition(deleted, 0)] != old_id
    consumer.close()


def test_an_error_in_the_callback_is_raised_and_it_is_called_again(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str]
) -> None:
    topic = make_topic()
    write(log, [Message(topic, b"k", b"v")])
    calls: list[int] = []

    def on_assigned(partitions: Mapping[TopicPartition, str]) -> Mapping[TopicPartition, int | None]:
        calls.append(len(partitions))
        if len(calls) == 1:
            raise ConnectionError("the view's server is away")
        return {}

    consumer = log.consumer(log_factory.name("group"))
    consumer.subscribe([topic], (0, 1), on_assigned, lambda partitions: None)
    with pytest.raises(ConnectionError):
        poll_until(consumer, lambda: False, "never")
    assert values(poll_until(consumer, lambda: len(calls) == 2, "called again") + drain(log, consumer)) == [b"v"]
    consumer.close()


@pytest.mark.parametrize("successor", [(1, 2), (0, 3)])
def test_a_successor_fences_a_member(
    log: Log, log_factory: LogFactory, make_topic: Callable[..., str], successor: tuple[int, int]
) -> None:
    """The same member again, and any member once the number of tasks has changed."""
    topic, group = make_topic(6), log_factory.name("group")
    old, old_member = log.consumer(group), Member()
    old_member.subscribe(old, [topic], (1, 2))
    poll_until(old, lambda: bool(old_member.assigned), "assigned")
    new, new_member = log_factory.open().consumer(group), Member()
    new_member.subscribe(new, [topic], successor)
    poll_until(new, lambda: bool(new_member.assigned), "assigned to the successor")
    with pytest.raises(Fenced):
        old.commit({next(iter(old_member.assigned)): 5})
    with pytest.raises(Fenced):
        poll_until(old, lambda: False, "never")
    new.commit({next(iter(new_member.assigned)): 0})
    assert set(log.committed(group).values()) == {0}
    old.close()
    new.close()


def test_what_a_group_cannot_do_is_refused(log: Log, log_factory: LogFactory, make_topic: Callable[..., str]) -> None:
    topic = make_topic()
    alone = log.consumer()
    alone.assign({TopicPartition(topic, 0): 0})
    with pytest.raises(LogError):
        alone.commit({TopicPartition(topic, 0): 1})
    with pytest.raises(LogError):
        Member().subscribe(alone, [topic], (0, 1))
    alone.close()
    consumer = log.consumer(log_factory.name("group"))
    with pytest.raises(LogError):
        Member().subscribe(consumer, [topic], (2, 2))
    with pytest.raises(UnknownTopic):
        consumer.commit({TopicPartition("nobody-made-this", 0): 1})
    consumer.close()


def test_a_topic_that_appears_is_seen(log: Log, log_factory: LogFactory) -> None:
    name = log_factory.name()
    consumer, member = log.consumer(log_factory.name("group")), Member()
    member.subscribe(consumer, [name], (0, 1))
    assert consumer.poll(1, 0.1) == []
    log.create_topic(name, 1, {})
    poll_until(consumer, lambda: bool(member.assigned), "assigned")
    consumer.close()
