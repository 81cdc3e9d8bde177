"""Fencing: no batch twice, no zombie, no two owners."""

from __future__ import annotations

import pytest

from headwater.worker.api import DataError, Fatal, Fenced, Retriable, SinkBatch, TopicPartition
from tests.conftest import Database

from .records import PARTITION, ROW, TOPIC, Task, Topic, table, values

pytestmark = pytest.mark.system


def test_a_batch_written_twice_is_fenced(database: Database) -> None:
    topic = Topic()
    with Task(values(database)) as task:
        batch = task.batch([topic.put({"id": 1, "name": "a", "qty": 1})])
        task.sink.write(batch)
        task.sink.flush()
        with pytest.raises(Fenced):
            task.sink.write(batch)


def test_a_successor_starts_where_the_view_stands_and_fences_the_zombie(database: Database) -> None:
    topic = Topic()
    with Task(values(database)) as old:
        old.put(topic.put({"id": 1, "name": "a", "qty": 1}))
        old.write([topic.put({"id": 2, "name": "held by the zombie", "qty": 1})])
        with Task(values(database)) as new:
            assert new.assigned == {PARTITION: 1}
            topic.next = 1
            new.put(topic.put({"id": 3, "name": "by the successor", "qty": 1}))
            for _ in range(2):
                with pytest.raises(Fenced, match="taken"):
                    old.sink.flush()
    assert [row[0] for row in table(database)] == [1, 3]


def test_offsets_move_over_gaps_and_empty_batches(database: Database) -> None:
    with Task(values(database)) as task:
        task.sink.write(SinkBatch([], {PARTITION: 0}, {PARTITION: 17}))
        assert task.sink.flush() == {PARTITION: 17}
        assert task.sink.flush() == {PARTITION: 17}
    with Task(values(database)) as task:
        assert task.assigned == {PARTITION: 17}
        task.sink.write(SinkBatch([], {PARTITION: 17}, {PARTITION: 18}))
        with pytest.raises(Fenced):
            task.sink.write(SinkBatch([], {PARTITION: 20}, {PARTITION: 21}))


def test_a_topic_made_again_is_not_the_same_topic(database: Database) -> None:
    Task(values(database)).sink.close()
    with pytest.raises(Fatal, match="made again"):
        Task(values(database), topic_id="id-2")


def test_a_lost_answer_to_a_commit_is_recognised(database: Database) -> None:
    topic = Topic()
    with Task(values(database)) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}))
        task.write([topic.put({"id": 2, "name": "b", "qty": 1})])
        held = (list(task.sink._changes), dict(task.sink._starts), dict(task.sink._ends))
        task.sink.flush()
        task.sink._changes, task.sink._starts, task.sink._ends = held  # as after an answer that never came
        assert task.sink.flush() == {PARTITION: 2}
    assert len(table(database)) == 2


def test_a_cut_connection_is_retried(database: Database) -> None:
    topic = Topic()
    with Task(values(database)) as task:
        task.put(topic.put({"id": 1, "name": "a", "qty": 1}))
        task.write([topic.put({"id": 2, "name": "b", "qty": 1})])
        with database.connect() as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )
        with pytest.raises(Retriable):
            task.sink.flush()
        assert task.sink.flush() == {PARTITION: 2}
    assert len(table(database)) == 2


def test_several_partitions_and_tables_commit_together(database: Database) -> None:
    other = TopicPartition(TOPIC, 1)
    people = TopicPartition("shop.public.people", 0)
    topics = [Topic(), Topic(partition=1), Topic(topic="shop.public.people")]
    with Task(values(database), PARTITION, other, people) as task:
        records = [t.put({"id": 10 * i + n, "name": "x", "qty": n}) for n in range(3) for i, t in enumerate(topics)]
        assert task.put(*records) == {PARTITION: 3, other: 3, people: 3}
        with database.connect() as connection:
            connection.execute("ALTER TABLE shop_public_people ADD CHECK (qty < 5)")
        task.context.report_bad_record = None
        task.write([topics[0].put({"id": 5, "name": "x", "qty": 7}), topics[2].put({"id": 7, "name": "x", "qty": 7})])
        with pytest.raises(DataError):
            task.sink.flush()
    assert [row[0] for row in table(database)] == [0, 1, 2, 10, 11, 12]
    with Task(values(database), PARTITION, other, people) as task:
        assert task.assigned == {PARTITION: 3, other: 3, people: 3}


def test_batches_are_bounded(database: Database) -> None:
    topic = Topic()
    with Task(values(database, batch_size="10")) as task:
        for start in range(0, 40, 5):
            task.write([topic.put({"id": n, "name": "x", "qty": 1}) for n in range(start, start + 5)])
        assert len(table(database)) == 30
        assert task.sink.flush() == {PARTITION: 40}
    assert len(table(database)) == 40


def test_tasks_of_one_view_make_its_tables_together(database: Database) -> None:
    import threading

    other = TopicPartition(TOPIC, 1)
    errors: list[BaseException] = []

    def run(number: int, partition: TopicPartition) -> None:
        topic = Topic(ROW, partition=partition.partition)
        try:
            with Task(values(database), partition) as task:
                for n in range(20):
                    task.put(topic.put({"id": number * 100 + n, "name": "x", "qty": n}))
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(n, p)) for n, p in enumerate((PARTITION, other))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert not errors
    assert len(table(database)) == 40
