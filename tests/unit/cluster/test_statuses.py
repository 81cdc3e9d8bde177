from __future__ import annotations

import pytest

from headwater.worker.cluster.statuses import (
    ConnectorKey,
    Key,
    Status,
    StatusTable,
    TaskKey,
    TopicKey,
    TopicUse,
    dump_status,
    load_key,
    load_status,
    missing,
)
from headwater.worker.cluster.topics_in_use import TopicsInUse


@pytest.mark.parametrize(
    ("key", "text"),
    [
        (ConnectorKey("my-shop"), b"status-connector-my-shop"),
        (TaskKey("my-shop", 12), b"status-task-my-shop-12"),
        (TopicKey("my-shop", "db.public.orders"), b"status-topic-db.public.orders:connector-my-shop"),
        (TaskKey("view-g2", 0, 3), b"headwater-status-view-g2-g3-0"),
    ],
)
def test_keys(key: Key, text: bytes) -> None:
    assert key.dump() == text
    assert load_key(text) == key


@pytest.mark.parametrize(
    "text", [b"status-task-x", b"status-task--1", b"status-topic-x", b"headwater-status-x-1", b"x"]
)
def test_other_keys_are_passed_by(text: bytes) -> None:
    assert load_key(text) is None


def test_records_are_kafka_connects() -> None:
    task, topic = TaskKey("a", 0), TopicKey("a", "t")
    java = b'{"state":"FAILED","trace":"why","worker_id":"w:8083","generation":3,"version":"4.3.1"}'
    assert load_status(task, java) == Status("FAILED", "w:8083", 3, "why", "4.3.1")
    assert dump_status(task, Status("FAILED", "w:8083", 3, "why", "4.3.1")) == java
    old = b'{"state":"RUNNING","trace":null,"worker_id":"w:8083","generation":3}'
    assert load_status(task, old) == Status("RUNNING", "w:8083", 3)
    used = b'{"topic":{"name":"t","connector":"a","task":1,"discoverTimestamp":5}}'
    assert load_status(topic, used) == TopicUse(1, 5)
    assert dump_status(topic, TopicUse(1, 5)) == used
    ours = Status("RUNNING", "w", 1, more={"pid": 5})
    assert load_status(task, dump_status(task, ours)) == ours
    assert load_status(task, None) is dump_status(task, None) is None
    for wrong in (b"[]", b"{", b'{"state":"DANCING","worker_id":"w","generation":1}', b'{"state":"RUNNING"}', b"null"):
        with pytest.raises((KeyError, TypeError, ValueError)):
            load_status(task, wrong)


def test_who_has_given_a_task_up_says_so_in_vain_where_another_runs_it() -> None:
    table, key = StatusTable(), TaskKey("a", 0)
    assert table.put(key, Status("RUNNING", "new", 5))
    assert not table.put(key, Status("UNASSIGNED", "old", 5))
    assert not table.put(key, Status("UNASSIGNED", "old", 4))
    assert table.get(key) == Status("RUNNING", "new", 5)
    assert table.put(key, Status("UNASSIGNED", "new", 5))
    assert table.put(key, Status("RUNNING", "old", 6)) and table.put(key, Status("UNASSIGNED", "third", 7))


def test_whose_status_overwrites() -> None:
    ended = Status("FAILED", "w", 4)
    assert ended.overwrites(None)
    assert ended.overwrites(Status("RUNNING", "w", 9))
    assert ended.overwrites(Status("RUNNING", "other", 4))
    assert not ended.overwrites(Status("RUNNING", "other", 5))
    assert not Status("UNASSIGNED", "w", 4).overwrites(Status("RUNNING", "other", 4))
    assert Status("UNASSIGNED", "w", 4).overwrites(Status("FAILED", "other", 4))


def test_what_is_there_no_more() -> None:
    table, status = StatusTable(), Status("RUNNING", "w", 1)
    kept = [ConnectorKey("a"), TaskKey("a", 0), TaskKey("a", 0, 2)]
    gone = [TaskKey("a", 1), TaskKey("a", 0, 3), TaskKey("b", 0), ConnectorKey("b")]
    for key in [*kept, *gone]:
        table.put(key, status)
    assert sorted(missing(table, {"a": 1}, {"a": [2]}), key=repr) == sorted(gone, key=repr)
    for key in gone:
        table.put(key, None)
    assert missing(table, {"a": 1}, {"a": [2]}) == []
    assert table.connectors() == {"a"}


def test_a_topic_that_was_reset_comes_back_with_the_next_record() -> None:
    uses, key = TopicsInUse(), TopicKey("a", "t")
    assert uses.used("a", 0, ["t"], 10) == [key]
    uses.read(key, used=True)
    uses.read(key, used=False)
    assert uses.used("a", 0, ["t"], 10) == []
    assert uses.used("a", 0, ["t", "u"], 10) == [TopicKey("a", "u")]
    assert uses.used("a", 0, ["t"], 11) == [key]
    uses.read(key, used=False)
    assert uses.used("a", 0, ["t"], 0) == []  # started anew
    assert uses.used("a", 0, ["t"], 3) == [key]
