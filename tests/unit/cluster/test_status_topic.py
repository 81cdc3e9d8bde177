from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.worker.api import TopicPartition
from headwater.worker.cluster.status_topic import StatusTopic, Told
from headwater.worker.cluster.statuses import Status, TaskKey
from headwater.worker.log import Log, Message, open_log
from headwater.worker.log.compacted import CompactedDict
from headwater.worker.runtime.internal_topics import InternalTopics

TOPICS = InternalTopics(status="statuses", status_partitions=2, status_replicas=-1)
RUNNING = Status("RUNNING", "here", 3)
TASK = TaskKey("a", 0)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    opened = open_log({}, tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def topic(log: Log) -> Iterator[StatusTopic]:
    made = StatusTopic(log, TOPICS, figures_every_s=3600)
    yield made
    made.close()


def written(log: Log) -> dict[bytes, bytes]:
    """What a worker that starts would read."""
    records = CompactedDict(log, "statuses")
    records.refresh()
    records.close()
    return dict(records.items())


def seen(topic: StatusTopic) -> Told:
    """After all has been written and read back."""
    assert topic.flush(60)
    topic.refresh()
    return topic.told("a")


def test_states_are_written_and_read(log: Log, topic: StatusTopic) -> None:
    topic.put_connector("a", RUNNING)
    topic.put_task(TASK, RUNNING)
    topic.put_task(TaskKey("a", 0, 2), RUNNING)
    topic.put_topics("a", 0, ["orders"], 1)
    assert topic.told("a") == Told(None, {})
    assert seen(topic) == Told(RUNNING, {TASK: RUNNING, TaskKey("a", 0, 2): RUNNING})
    assert topic.topics("a") == ["orders"] and topic.connectors() == {"a"}
    assert set(written(log)) == {
        b"status-connector-a",
        b"status-task-a-0",
        b"headwater-status-a-g2-0",
        b"status-topic-orders:connector-a",
    }
    assert log.topics(["statuses"])["statuses"].partitions == 2
    topic.forget("a")
    assert seen(topic) == Told(None, {}) and topic.topics("a") == [] and topic.connectors() == set()
    assert written(log) == {}


@pytest.mark.parametrize("made_again", [False, True])
def test_a_topic_that_was_deleted_is_made_and_written_again(log: Log, topic: StatusTopic, made_again: bool) -> None:
    def tell() -> None:
        topic.put_connector("a", RUNNING)
        topic.put_task(TASK, RUNNING)
        topic.put_topics("a", 0, ["orders"], 1)

    for n in range(3):
        topic.put_connector("a", Status("RUNNING", f"worker-{n}", 3))
        assert seen(topic)
    topic.put_task(TaskKey("gone", 0), RUNNING)
    tell()
    before = seen(topic)
    log.delete_topic("statuses")
    if made_again:
        log.create_topic("statuses", 2, {"cleanup.policy": "compact"})
    topic.refresh()
    assert topic.told("a") == before and topic.topics("a") == ["orders"]  # what was known is not forgotten
    topic.forget("gone")
    for _ in range(2):
        tell()
        assert seen(topic) == before
    assert topic.connectors() == {"a"}
    assert set(written(log)) == {b"status-connector-a", b"status-task-a-0", b"status-topic-orders:connector-a"}
    assert log.topics(["statuses"])["statuses"].partitions == 2


def test_only_changes_are_written(log: Log, topic: StatusTopic) -> None:
    def records() -> int:
        return sum(log.end_offsets([TopicPartition("statuses", 0), TopicPartition("statuses", 1)]).values())

    for _ in range(3):
        topic.put_connector("a", RUNNING)
        topic.put_topics("a", 0, ["orders"], 1)
        topic.put_task(TASK, RUNNING)
        assert seen(topic) == Told(RUNNING, {TASK: RUNNING})
    assert records() == 3
    topic.forget_task(TASK)
    topic.forget_task(TASK)
    assert seen(topic).tasks == {} and records() == 4


def test_figures_alone_wait(log: Log, topic: StatusTopic) -> None:
    def status(done: int, pid: int = 1) -> Status:
        return Status("RUNNING", "here", 3, more={"pid": pid, "metrics": {"records_out": done}})

    topic.put_task(TASK, status(1))
    assert seen(topic).tasks[TASK] == status(1)
    topic.put_task(TASK, status(2))
    topic.put_connector("b", RUNNING)
    while b"status-connector-b" not in written(log):
        topic.refresh()
    topic.refresh()
    assert topic.told("a").tasks[TASK] == status(1)
    topic.put_task(TASK, status(3, pid=2))
    assert seen(topic).tasks[TASK] == status(3, pid=2)
    topic.put_task(TASK, status(4, pid=2))
    assert seen(topic).tasks[TASK] == status(4, pid=2)  # `flush` waits for nothing


def test_an_end_is_not_written_over_what_another_worker_runs_since(log: Log, topic: StatusTopic) -> None:
    producer = log.producer()
    other = b'{"state":"RUNNING","trace":null,"worker_id":"there","generation":4,"version":null}'
    producer.send([Message("statuses", TASK.dump(), other)])
    producer.flush()
    topic.refresh()
    topic.put_task(TASK, Status("FAILED", "here", 3, "why"))
    topic.put_task(TASK, Status("UNASSIGNED", "here", 3))
    assert seen(topic).tasks[TASK].worker_id == "there"
    topic.put_task(TASK, Status("UNASSIGNED", "here", 5))
    assert seen(topic).tasks[TASK] == Status("UNASSIGNED", "here", 5)
    topic.put_task(TASK, RUNNING)  # generations of a group begin anew when all have left it
    assert seen(topic).tasks[TASK] == RUNNING
    producer.send([Message("statuses", TASK.dump(), other)])
    producer.flush()
    topic.refresh()
    topic.put_task(TASK, RUNNING)
    assert seen(topic).tasks[TASK] == RUNNING


def test_the_leader_tidies_up(topic: StatusTopic) -> None:
    for name in ("a", "b"):
        topic.put_connector(name, RUNNING)
        topic.put_task(TaskKey(name, 0), RUNNING)
        topic.put_task(TaskKey(name, 1), Status("RUNNING", "there", 3))
    topic.put_topics("b", 0, ["orders"], 1)
    seen(topic)
    topic.put_lost(["here"], 4)
    told = seen(topic)
    assert told.tasks[TASK] == told.connector == RUNNING
    lost = told.tasks[TaskKey("a", 1)]
    assert (lost.state, lost.worker_id, lost.generation) == ("UNASSIGNED", "there", 4) and "there is gone" in lost.trace
    topic.forget_missing({"a": 1}, {})
    assert set(seen(topic).tasks) == {TASK}
    assert topic.connectors() == {"a"}


def test_a_topic_that_was_reset_comes_back_with_the_next_record(topic: StatusTopic) -> None:
    topic.put_topics("a", 0, ["orders"], 5)
    seen(topic)
    topic.reset_topics("a")
    seen(topic)
    topic.put_topics("a", 0, ["orders"], 5)
    seen(topic)
    assert topic.topics("a") == []
    topic.put_topics("a", 0, ["orders"], 6)
    seen(topic)
    assert topic.topics("a") == ["orders"]


def test_records_that_make_no_sense_are_passed_by(log: Log, topic: StatusTopic) -> None:
    producer = log.producer()
    producer.send([Message("statuses", b"status-task-a-0", b"{}"), Message("statuses", b"what", b"{")])
    producer.flush()
    assert topic.refresh() == set()
    topic.put_task(TASK, RUNNING)
    assert topic.flush(60) and topic.refresh() == {"a"}


def test_a_zombie_writes_nothing(log: Log, topic: StatusTopic) -> None:
    member = False
    zombie = StatusTopic(log, TOPICS, lambda: member)
    zombie.put_task(TASK, Status("RUNNING", "zombie", 2))
    assert zombie.flush(60)
    topic.put_task(TASK, RUNNING)
    assert seen(topic).tasks[TASK] == RUNNING
    member = True
    assert zombie.flush(60) and zombie.refresh() == {"a"}
    zombie.close()
    assert topic.refresh() == set()


def test_what_cannot_be_written_is_written_later(log: Log, topic: StatusTopic) -> None:
    topic.put_task(TASK, RUNNING)
    seen(topic)
    log.alter_topic("statuses", {"max.message.bytes": "200"})
    topic.put_task(TASK, Status("FAILED", "here", 3, "x" * 1000))
    topic.put_connector("a", RUNNING)
    assert seen(topic).connector == RUNNING  # what the log refuses for ever holds up nothing else
    log.delete_topic("statuses")
    topic.put_connector("a", Status("PAUSED", "here", 3))
    assert not topic.flush(0.5)
    log.create_topic("statuses", 2, {"cleanup.policy": "compact"})
    assert topic.flush(60)
    assert b"PAUSED" in written(log)[b"status-connector-a"]
