"""Config and status topic on the embedded log and on Kafka: who leads writes, everybody reads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.worker.api import TopicPartition
from headwater.worker.cluster import config_records as records
from headwater.worker.cluster.config_topic import ConfigTopic
from headwater.worker.cluster.config_writer import ConfigWriter, leader_id
from headwater.worker.cluster.refusals import NotLeader
from headwater.worker.cluster.status_topic import StatusTopic, Told
from headwater.worker.cluster.statuses import Status, TaskKey
from headwater.worker.log import Fenced, Isolation, Log, Message, MessageRefused, open_log
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.runtime.internal_topics import InternalTopics

from .scene import eventually

pytestmark = pytest.mark.system


class Worker:
    """As far as these topics know it."""

    def __init__(self, log: Log, settings: dict[str, str]) -> None:
        self.topics = InternalTopics.of(settings)
        self.leads = True
        self.config = ConfigTopic(log, self.topics.configs)
        self.writer = ConfigWriter(log, leader_id(settings), lambda: self.leads)

    def create(self, name: str, fence: tuple[str, ...] = ()) -> None:
        changes = records.connector_records(name, {}, "PAUSED")
        self.writer.write(records.config_messages(self.topics.configs, changes), fence)

    def known(self) -> list[str]:
        self.config.refresh(90)
        return sorted(self.config.connectors())

    def close(self) -> None:
        self.writer.release()
        self.config.close()


@pytest.fixture
def log(tmp_path: Path, any_log: dict[str, str]) -> Iterator[Log]:
    opened = open_log(any_log, tmp_path / "data")
    yield opened
    opened.close()


@pytest.fixture
def pair(log: Log, any_log: dict[str, str]) -> Iterator[tuple[Worker, Worker]]:
    workers = Worker(log, any_log), Worker(log, any_log)
    yield workers
    for worker in workers:
        worker.close()


def test_a_new_leader_fences_the_former_one(pair: tuple[Worker, Worker]) -> None:
    old, new = pair
    old.writer.claim()
    old.create("a")
    new.writer.claim()
    with pytest.raises(NotLeader, match="another worker writes as the leader"):
        old.create("b")
    new.create("c")
    assert new.known() == old.known() == ["a", "c"]
    old.create("d")  # it leads again, as its group says, and takes over
    with pytest.raises(NotLeader):
        new.create("e")
    new.leads = False
    with pytest.raises(NotLeader, match="not the leader of its cluster"):
        new.create("f")
    old.create("g")
    old.writer.release()
    old.create("h")
    assert new.known() == old.known() == ["a", "c", "d", "g", "h"]


def test_all_is_written_or_nothing(pair: tuple[Worker, Worker]) -> None:
    worker, other = pair
    messages = records.config_messages(worker.topics.configs, records.connector_records("a", {}))
    with pytest.raises(MessageRefused):
        worker.writer.write([*messages, Message(worker.topics.configs, None, b"no key on a compacted topic")])
    assert other.known() == []
    worker.create("b")
    assert other.known() == ["b"]


def test_a_write_fences_others_where_it_has_to(log: Log, any_log: dict[str, str], pair: tuple[Worker, Worker]) -> None:
    worker, _ = pair
    job = f"{any_log.get('group.id', 'headwater')}-view-a"
    producer = log.producer(job)
    producer.init_transactions()
    producer.begin()
    producer.send([Message(worker.topics.configs, b"connector-zombie", b'{"properties":{}}')])
    worker.create("a", fence=(job,))
    with pytest.raises(Fenced):
        producer.commit()
    producer.close()
    assert worker.known() == ["a"]


def test_the_offset_does_not_count_ends_of_transactions(
    log: Log, any_log: dict[str, str], pair: tuple[Worker, Worker]
) -> None:
    worker, _ = pair
    for name in ("a", "b"):
        worker.create(name)
    assert worker.known() == ["a", "b"]
    partition = TopicPartition(worker.topics.configs, 0)
    markers = 1 if "bootstrap.servers" in any_log else 0  # Kafka's transactions end with one
    end = 2 * (2 + markers)
    eventually(lambda: log.end_offsets([partition], Isolation.READ_UNCOMMITTED)[partition] == end, 240)
    worker.config.refresh(90)
    assert (worker.config.position, worker.config.offset) == (end, end - markers)


def test_statuses_are_seen_by_all(log: Log, any_log: dict[str, str]) -> None:
    topics = InternalTopics.of({"status.storage.partitions": "3", **any_log})
    here, there = StatusTopic(log, topics), StatusTopic(log, topics)
    running, failed = Status("RUNNING", "here", 3, more={"pid": 5}), Status("FAILED", "here", 3, "why", "1.0")
    names = [f"c{number}" for number in range(200)]
    for name in names:
        here.put_connector(name, running)
        here.put_task(TaskKey(name, 0), failed)
    here.put_topics("c7", 0, ["orders"], 1)
    assert here.flush(90)
    assert there.refresh(90) == set(names) == there.connectors()
    assert there.told("c7") == Told(running, {TaskKey("c7", 0): failed})
    assert there.topics("c7") == ["orders"]
    there.put_lost(["there"], 4)
    there.forget("c8")
    assert there.flush(90)

    def handed_over() -> bool:
        here.refresh(90)
        told = here.told("c7").connector
        return told is not None and told.state == "UNASSIGNED"

    eventually(handed_over, 240)
    assert here.told("c8") == Told(None, {})
    assert log.topics([topics.status])[topics.status].partitions == 3
    records = CompactedDict(log, topics.status)
    records.refresh(90)
    assert b"status-topic-orders:connector-c7" in dict(records.items())
    for one in (records, here, there):
        one.close()
