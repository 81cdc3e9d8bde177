"""Random calls against a log and against a model of it that fits on a page."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from headwater.worker.api import TopicPartition
from headwater.worker.log import Consumer, Fenced, Log, Message, MessageRefused, Producer, UnknownTopic

from .conftest import LogFactory
from .reading import drain, eventually, read_all

TOPICS = {
    "compacted": ({"cleanup.policy": "compact"}, 2),
    "plain": ({"retention.ms": "-1"}, 3),
    "late": ({"retention.ms": "-1"}, 1),
}
GROUP = "group"

keys = st.one_of(st.none(), st.binary(max_size=3))
sent_values = st.one_of(st.none(), st.binary(max_size=5))
headers = st.lists(st.tuples(st.text(max_size=3), st.one_of(st.none(), st.binary(max_size=3))), max_size=2)
Sent = tuple[bytes | None, bytes | None, list[tuple[str, bytes | None]], int, int]
Content = tuple[bytes | None, bytes | None, tuple[tuple[str, bytes | None], ...], int]


@dataclass
class Writer:
    """One incarnation of a transactional id, and what its open transaction holds."""

    producer: Producer
    fenced: bool = False
    open: bool = False
    broken: bool = False
    records: list[tuple[str, int, Content]] = field(default_factory=list)
    offsets: dict[TopicPartition, int] = field(default_factory=dict)

    def forget(self) -> None:
        self.open, self.broken, self.records, self.offsets = False, False, [], {}


class LogMachine(RuleBasedStateMachine):
    factory: LogFactory

    @initialize()
    def start(self) -> None:
        self.names = {name: self.factory.name(name) for name in TOPICS}
        self.group = self.factory.name(GROUP)
        self.ids = [self.factory.name("id") for _ in range(2)]
        self.log: Log = self.factory.open()
        self.records: dict[str, list[list[Content]]] = {}
        self.committed: dict[TopicPartition, int] = {}
        self.writers: list[Writer] = []
        self.current: dict[str, Writer] = {}
        self.consumer: Consumer | None = None
        self.read: dict[TopicPartition, int] = {}
        for name in ("compacted", "plain"):
            self.create(name)

    def create(self, name: str) -> None:
        config, partitions = TOPICS[name]
        self.log.create_topic(self.names[name], partitions, config)
        self.records[name] = [[] for _ in range(partitions)]

    @precondition(lambda self: "late" not in self.records)
    @rule()
    def make_late(self) -> None:
        self.create("late")

    @precondition(lambda self: "late" in self.records and not (self.factory.brokers and self.in_transaction("late")))
    @rule()
    def delete_late(self) -> None:
        self.log.delete_topic(self.names["late"])
        del self.records["late"]
        self.committed = {p: o for p, o in self.committed.items() if p.topic != self.names["late"]}
        for writer in self.writers:
            if any(name == "late" for name, _, _ in writer.records):
                writer.broken = True
        self.stop_reading()

    def in_transaction(self, topic: str) -> bool:
        return any(name == topic for writer in self.writers for name, _, _ in writer.records)

    @rule(which=st.integers(0, 1))
    def new_incarnation(self, which: int) -> None:
        name = self.ids[which]
        producer = self.log.producer(name)
        producer.init_transactions()
        if name in self.current:
            self.current[name].fenced = True
        self.current[name] = Writer(producer)
        self.writers.append(self.current[name])

    @precondition(lambda self: self.writers)
    @rule(data=st.data())
    def begin(self, data: st.DataObject) -> None:
        writer = data.draw(st.sampled_from(self.writers))
        if writer.fenced and not writer.open:
            with pytest.raises(Fenced):
                writer.producer.begin()
                writer.producer.send([Message(self.names["plain"], b"fenced", None)])
                writer.producer.commit()
        elif not writer.open:
            writer.producer.begin()
            writer.open = True

    @precondition(lambda self: any(w.open and not w.fenced for w in self.writers))
    @rule(
        data=st.data(),
        name=st.sampled_from(sorted(TOPICS)),
        sent=st.lists(st.tuples(keys, sent_values, headers, st.integers(0, 2), st.integers(1, 10**12)), max_size=4),
    )
    def send(self, data: st.DataObject, name: str, sent: list[Sent]) -> None:
        writer = data.draw(st.sampled_from([w for w in self.writers if w.open and not w.fenced]))
        contents = [(partition, (key, value, tuple(heads), time_ms)) for key, value, heads, partition, time_ms in sent]
        messages = [
            Message(self.names[name], key, value, heads, time_ms, partition)
            for partition, (key, value, heads, time_ms) in contents
        ]
        if not messages:
            writer.producer.send(messages)
        elif name not in self.records:
            with pytest.raises(UnknownTopic):
                writer.producer.send(messages)
                writer.producer.commit()  # who knew the topic before it went may notice only now
            self.give_up(writer)
        elif any(p >= len(self.records[name]) or (name == "compacted" and c[0] is None) for p, c in contents):
            with pytest.raises(MessageRefused):
                writer.producer.send(messages)
        else:
            writer.producer.send(messages)
            writer.records += [(name, partition, content) for partition, content in contents]

    @precondition(lambda self: any(w.open and not w.fenced and not w.broken for w in self.writers))
    @rule(data=st.data(), partition=st.integers(0, 1), offset=st.integers(0, 50))
    def send_offsets(self, data: st.DataObject, partition: int, offset: int) -> None:
        writer = data.draw(st.sampled_from([w for w in self.writers if w.open and not w.fenced and not w.broken]))
        where = TopicPartition(self.names["plain"], partition)
        writer.producer.send_offsets(self.group, {where: offset})
        writer.offsets[where] = offset

    @precondition(lambda self: any(w.open for w in self.writers))
    @rule(data=st.data())
    def commit(self, data: st.DataObject) -> None:
        writer = data.draw(st.sampled_from([w for w in self.writers if w.open]))
        if writer.fenced:
            with pytest.raises(Fenced):  # brokers hear nothing of a transaction that holds nothing
                writer.producer.send([Message(self.names["plain"], b"fenced", None, partition=0)])
                writer.producer.commit()
        elif writer.broken:
            with pytest.raises(UnknownTopic):
                writer.producer.commit()
            writer.producer.abort()
        else:
            writer.producer.commit()
            for name, partition, content in writer.records:
                self.records[name][partition].append(content)
            self.committed |= writer.offsets
        writer.forget()

    @precondition(lambda self: any(w.open and not w.fenced for w in self.writers))
    @rule(data=st.data())
    def abort(self, data: st.DataObject) -> None:
        self.give_up(data.draw(st.sampled_from([w for w in self.writers if w.open and not w.fenced])))

    def give_up(self, writer: Writer) -> None:
        writer.producer.abort()
        writer.forget()

    @rule(offsets=st.dictionaries(st.integers(0, 2), st.one_of(st.none(), st.integers(0, 9)), max_size=3))
    def commit_offsets(self, offsets: dict[int, int | None]) -> None:
        given = {TopicPartition(self.names["plain"], partition): offset for partition, offset in offsets.items()}
        self.log.commit_offsets(self.group, given)
        self.committed |= {p: o for p, o in given.items() if o is not None}
        self.committed = {p: o for p, o in self.committed.items() if given.get(p, o) is not None}

    @rule(most=st.integers(1, 5))
    def read_some(self, most: int) -> None:
        if self.consumer is None:
            self.consumer = self.log.consumer()
            self.read = {TopicPartition(self.names["plain"], number): 0 for number in range(3)}
            self.consumer.assign(dict.fromkeys(self.read, 0))
        known = self.records["plain"]
        for message in self.consumer.poll(most, 0.0):
            assert message.partition is not None
            where = TopicPartition(message.topic, message.partition)
            assert content(message) == known[message.partition][self.read[where]]
            self.read[where] += 1

    def stop_reading(self) -> None:
        if self.consumer is not None:
            drain(self.log, self.consumer, settled=False)
            self.consumer.close()
            self.consumer = None

    @rule()
    def maintain(self) -> None:
        self.log.maintain(0.0)

    @rule()
    def connect_anew(self) -> None:
        self.log.close()
        self.log = self.factory.open()

    @invariant()
    def offsets_are_the_models(self) -> None:
        if hasattr(self, "log"):
            found = self.log.committed(self.group)
            if self.factory.brokers and found != self.committed:  # brokers write a transaction's end a moment later
                eventually(lambda: self.log.committed(self.group) == self.committed, 120.0, f"offsets {self.committed}")
            else:
                assert found == self.committed

    def teardown(self) -> None:
        if not hasattr(self, "log"):
            return
        for writer in self.writers:
            writer.producer.close()
        for name, partitions in self.records.items():
            found: list[list[Content]] = [[] for _ in partitions]
            for message in read_all(self.log, self.names[name]):
                assert message.partition is not None
                found[message.partition].append(content(message))
            if name == "compacted":
                assert [latest(part) for part in found] == [latest(part) for part in partitions]
            else:
                assert found == partitions
        if self.consumer is not None:
            self.consumer.close()
        self.log.close()


def content(message: Message) -> Content:
    assert message.timestamp_ms is not None
    return message.key, message.value, tuple(message.headers), message.timestamp_ms


def latest(contents: list[Content]) -> dict[bytes | None, Content]:
    state = {one[0]: one for one in contents}
    return {key: one for key, one in state.items() if one[1] is not None}


def test_a_log_is_what_its_model_is(log_factory: LogFactory) -> None:
    class Machine(LogMachine):
        factory = log_factory

    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=6 if log_factory.brokers else 60,
            stateful_step_count=40,
            deadline=None,
            phases=(Phase.explicit, Phase.reuse, Phase.generate) if log_factory.brokers else tuple(Phase),
            suppress_health_check=list(HealthCheck),
        ),
    )
