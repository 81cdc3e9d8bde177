"""A latest state: of each key the newest row, in files that are rewritten where they change."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from headwater.connectors.debezium.placeholder import UNAVAILABLE_VALUE
from headwater.worker.api import Fenced, TopicPartition, Type, primitive, struct
from tests.system.postgres_sink.records import INT32, PARTITION, TEXT, TOPIC, Topic

from .task import Task, current, rows, values

pytestmark = pytest.mark.system
LATEST = {"view_mode": "latest.state"}


def test_upserts_and_deletes(tmp_path: Path) -> None:
    topic = Topic()
    with Task(values(tmp_path, **LATEST)) as task:
        task.put(*[topic.put({"id": n, "name": f"n{n}", "qty": n}) for n in range(4)])
        task.put(topic.put({"id": 1, "name": "new", "qty": 7}, op="u"), topic.delete(id=2), topic.tombstone(id=2))
        task.put(topic.delete(id=3), topic.tombstone(id=3), topic.put({"id": 3, "name": "again", "qty": 0}))
        task.put(topic.tombstone(id=99))
    assert rows(tmp_path) == [
        {"id": 0, "name": "n0", "qty": 0}, {"id": 1, "name": "new", "qty": 7}, {"id": 3, "name": "again", "qty": 0},
    ]  # fmt: skip


def test_flat_rows_with_deleted_marks(tmp_path: Path) -> None:
    row = struct({"id": INT32, "name": TEXT, "__deleted": TEXT})
    topic = Topic(row=row, flat=True)
    with Task(values(tmp_path, **LATEST)) as task:
        task.put(topic.put({"id": 1, "name": "a", "__deleted": "false"}), topic.put({"id": 2, "__deleted": "false"}))
        task.put(topic.put({"id": 1, "name": None, "__deleted": "true"}))
    assert rows(tmp_path) == [{"id": 2, "name": None}]


def test_placeholders_never_overwrite(tmp_path: Path) -> None:
    topic = Topic()
    hole = UNAVAILABLE_VALUE
    with Task(values(tmp_path, **LATEST)) as task:
        task.put(topic.put({"id": 1, "name": "big", "qty": 1}), topic.put({"id": 2, "name": "other", "qty": 1}))
        task.put(topic.put({"id": 1, "name": hole, "qty": 2}))
        assert rows(tmp_path)[0] == {"id": 1, "name": "big", "qty": 2}
        task.put(
            topic.put({"id": 2, "name": "newer", "qty": 5}),
            topic.put({"id": 2, "name": hole, "qty": 6}),
            topic.put({"id": 2, "name": hole, "qty": 7}),
            topic.put({"id": 3, "name": hole, "qty": 0}),
        )
        task.put(topic.delete(id=1), topic.put({"id": 1, "name": hole, "qty": 9}))
    assert rows(tmp_path) == [
        {"id": 1, "name": None, "qty": 9}, {"id": 2, "name": "newer", "qty": 7}, {"id": 3, "name": None, "qty": 0},
    ]  # fmt: skip


@pytest.mark.parametrize("seed", range(3))
def test_random_changes_against_a_dict(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    topic, expected = Topic(), dict[int, dict[str, Any]]()
    options = LATEST | {"latest_file_rows": "50"}
    for _ in range(3):
        with Task(values(tmp_path, **options)) as task:
            for _ in range(4):
                records = []
                for _ in range(chance.randrange(1, 300)):
                    number = chance.randrange(400)
                    if chance.random() < 0.4:
                        expected.pop(number, None)
                        records.append(topic.delete(id=number))
                    else:
                        row = {"id": number, "name": f"x{chance.random()}", "qty": chance.randrange(99)}
                        sent = dict(row)
                        if number in expected and chance.random() < 0.3:
                            row["name"], sent["name"] = expected[number]["name"], UNAVAILABLE_VALUE
                        expected[number] = row
                        records.append(topic.put(sent))
                task.put(*records)
                assert rows(tmp_path) == [expected[n] for n in sorted(expected)]
    assert len(current(tmp_path)["tables"][TOPIC]["files"]) > 3


def test_columns_come_and_widen(tmp_path: Path) -> None:
    topic = Topic(flat=True)
    with Task(values(tmp_path, **LATEST)) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}), topic.put({"id": 2, "name": "b", "qty": 1}))
        topic.row = struct({"id": INT32, "name": TEXT, "qty": primitive(Type.INT64, optional=True), "more": TEXT})
        task.put(topic.put({"id": 2, "name": "b", "qty": 2**40, "more": "x"}))
    assert rows(tmp_path) == [
        {"id": 1, "name": "a", "qty": 1, "more": None}, {"id": 2, "name": "b", "qty": 2**40, "more": "x"},
    ]  # fmt: skip


def test_two_partitions_and_a_zombie(tmp_path: Path) -> None:
    one, two = Topic(flat=True), Topic(flat=True, partition=1)
    other = TopicPartition(TOPIC, 1)
    with Task(values(tmp_path, **LATEST), PARTITION) as a, Task(values(tmp_path, **LATEST), other) as b:
        a.put(one.put({"id": 1, "qty": 1}))
        b.put(two.put({"id": 2, "qty": 1}))
        same = one.put({"id": 1, "qty": 2})
        a.write([same])
        with Task(values(tmp_path, **LATEST), PARTITION) as c:
            c.put(same, one.put({"id": 1, "qty": 3}))
            with pytest.raises(Fenced):
                a.sink.flush()
        b.put(two.put({"id": 4, "qty": 1}))
    assert [(row["id"], row["qty"]) for row in rows(tmp_path)] == [(1, 3), (2, 1), (4, 1)]


def test_a_record_without_a_key_is_bad(tmp_path: Path) -> None:
    topic = Topic(key=None, flat=True)
    with Task(values(tmp_path, **LATEST)) as task:
        task.put(topic.put({"id": 1}))
        assert "no key" in str(task.bad[0][1])
