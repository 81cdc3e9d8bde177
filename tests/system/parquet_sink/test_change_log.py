"""A change log: every record a row, files and offsets together, nothing doubled by whoever comes back."""

from __future__ import annotations

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from headwater.worker.api import Fatal, Fenced, TopicPartition, Type, primitive, struct
from tests.system.postgres_sink.records import INT32, PARTITION, ROW, TEXT, TOPIC, Topic

from .task import Task, current, rows, values

pytestmark = pytest.mark.system


def test_events_become_rows(tmp_path: Path) -> None:
    topic = Topic()
    with Task(values(tmp_path)) as task:
        assert task.assigned == {PARTITION: None}
        stored = task.put(topic.put({"id": 1, "name": "a", "qty": 2}), topic.delete(id=1), topic.tombstone(id=1))
    assert stored == {PARTITION: 3}
    assert rows(tmp_path) == [
        {"id": 1, "name": "a", "qty": 2, "__op": "c", "__deleted": False, "__topic": TOPIC, "__partition": 0,
         "__offset": 0, "__timestamp": None},
        {"id": 1, "name": None, "qty": None, "__op": "d", "__deleted": True, "__topic": TOPIC, "__partition": 0,
         "__offset": 1, "__timestamp": None},
    ]  # fmt: skip
    assert (tmp_path / "current").readlink() == Path("g1")


def test_a_file_has_the_order_of_the_log(tmp_path: Path) -> None:
    """Whatever shape its rows have: whoever replays it ends with the row that was written last, and not with none."""
    topic = Topic(flat=True)
    with Task(values(tmp_path, behavior_on_null_values="write")) as task:
        for _ in range(2):
            task.write([topic.put({"id": 1}), topic.tombstone(id=1), topic.tombstone(id=2), topic.put({"id": 1})])
        task.sink.flush()
    _, file = current(tmp_path)["tables"][TOPIC]["files"]
    assert [(row["__offset"], row["id"], row["__deleted"]) for row in pq.read_table(file).to_pylist()] == [
        (0, 1, None), (1, 1, True), (2, 2, True), (3, 1, None), (4, 1, None), (5, 1, True), (6, 2, True), (7, 1, None)
    ]  # fmt: skip


def test_it_goes_on_where_the_view_stands(tmp_path: Path) -> None:
    topic = Topic(flat=True)
    with Task(values(tmp_path)) as task:
        task.put(topic.put({"id": 1}))
        task.write([topic.put({"id": 2})])
    topic.next = 1
    with Task(values(tmp_path)) as task:
        assert task.assigned == {PARTITION: 1}
        task.put(topic.put({"id": 2}))
        task.put(topic.put({"id": 3}))
    assert [row["id"] for row in rows(tmp_path)] == [1, 2, 3]


def test_a_replaced_task_changes_nothing(tmp_path: Path) -> None:
    topic = Topic(flat=True)
    with Task(values(tmp_path)) as old:
        old.put(topic.put({"id": 1}))
        same = topic.put({"id": 2})
        old.write([same])
        with Task(values(tmp_path)) as new:
            new.put(same)
            before = current(tmp_path)
            with pytest.raises(Fenced, match="taken"):
                old.sink.flush()
            assert current(tmp_path) == before
            new.put(topic.put({"id": 3}))
    assert [row["id"] for row in rows(tmp_path)] == [1, 2, 3]


def test_two_tasks_share_the_partitions(tmp_path: Path) -> None:
    one, two = Topic(flat=True), Topic(flat=True, partition=1)
    with Task(values(tmp_path), PARTITION) as a, Task(values(tmp_path), TopicPartition(TOPIC, 1)) as b:
        for n in range(5):
            a.put(one.put({"id": n}))
            b.put(two.put({"id": 100 + n}))
    assert [row["id"] for row in rows(tmp_path)] == [0, 1, 2, 3, 4, 100, 101, 102, 103, 104]


def test_columns_come_and_widen(tmp_path: Path) -> None:
    topic = Topic(flat=True)
    with Task(values(tmp_path)) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}))
        topic.row = struct({"id": INT32, "qty": primitive(Type.INT64, optional=True), "more": TEXT})
        task.put(topic.put({"id": 2, "qty": 2**40, "more": "x"}))
        topic.row = ROW
        task.put(topic.put({"id": 3, "name": "c", "qty": 3}))
    assert [(row["name"], row["qty"], row["more"]) for row in rows(tmp_path)] == [
        ("a", 1, None), (None, 2**40, "x"), ("c", 3, None),
    ]  # fmt: skip


def test_rotation_by_rows_and_by_record_time(tmp_path: Path) -> None:
    topic = Topic(flat=True)
    options = {"flush_size": "10", "rotate_interval_ms": "5000"}
    with Task(values(tmp_path, **options)) as task:
        records = [topic.put({"id": n}).replace(timestamp_ms=1000 * n) for n in range(25)]
        records += [topic.put({"id": n}).replace(timestamp_ms=25_000) for n in range(25, 50)]
        task.put(*records)
    assert len(current(tmp_path)["tables"][TOPIC]["files"]) == 1 + 5 + 3
    assert [row["id"] for row in rows(tmp_path)] == list(range(50))


def test_folders_by_time_and_field(tmp_path: Path) -> None:
    topic = Topic(flat=True)
    options = {"partitioner_class": "time", "timezone": "Europe/Berlin"}
    with Task(values(tmp_path / "time", **options)) as task:
        late, day = topic.put({"id": 1}), topic.put({"id": 2})
        task.put(day.replace(timestamp_ms=1_767_312_000_000), late.replace(timestamp_ms=1_767_221_999_000))
    files = current(tmp_path / "time")["tables"][TOPIC]["files"][1:]
    assert sorted(f.split("/")[-3:-1] for f in files) == [["dt=2025-12-31", "hour=23"], ["dt=2026-01-02", "hour=01"]]
    topic = Topic(flat=True)
    options = {"partitioner_class": "io.confluent.connect.storage.partitioner.FieldPartitioner",
               "partition_field_name": "name"}  # fmt: skip
    with Task(values(tmp_path / "field", **options)) as task:
        task.put(topic.put({"id": 1, "name": "a/b"}), topic.put({"id": 2, "name": None}))
    files = current(tmp_path / "field")["tables"][TOPIC]["files"][1:]
    assert {f.split("/")[-2] for f in files} == {"name=a%2Fb", "name=__HIVE_DEFAULT_PARTITION__"}


def test_another_topic_of_the_same_name_is_refused(tmp_path: Path) -> None:
    with Task(values(tmp_path)) as task:
        task.put(Topic(flat=True).put({"id": 1}))
    with pytest.raises(Fatal, match="deleted and made again"):
        Task(values(tmp_path), topic_id="id-2")
    with pytest.raises(Fatal, match="holds the view"):
        Task(values(tmp_path), view="other")
