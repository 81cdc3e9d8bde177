"""Topics that Debezium began and Headwater goes on with: the older records have no version, the newer ones do."""

from __future__ import annotations

import pytest

from tests.conftest import Database

from .records import Task, Topic, table, values

pytestmark = pytest.mark.system
COMMITTED = 28_401_504
"""A version of Headwater's: a WAL position, and so higher than the offset of any record of that database."""


def test_a_view_in_the_order_of_the_log_needs_no_versions(database: Database) -> None:
    topic = Topic()
    with Task(values(database)) as task:
        task.put(topic.put({"id": 1, "name": "debezium", "qty": 1}), topic.put({"id": 2, "name": "debezium", "qty": 2}))
        task.put(topic.put({"id": 1, "name": "headwater", "qty": 3}, "u", COMMITTED), topic.delete(COMMITTED, id=2))
        task.put(
            topic.put({"id": 1, "name": "debezium again", "qty": 4}, "u"), topic.put({"id": 2, "name": "b", "qty": 5})
        )
    assert table(database) == [(1, "debezium again", 4), (2, "b", 5)]


def test_a_view_that_compares_versions_goes_on_after_a_take_over(database: Database) -> None:
    topic = Topic()
    with Task(values(database, version_column="__version")) as task:
        task.put(topic.put({"id": 1, "name": "debezium", "qty": 1}), topic.put({"id": 2, "name": "debezium", "qty": 2}))
        task.put(topic.put({"id": 2, "name": "debezium", "qty": 3}, "u"))
        task.put(topic.put({"id": 1, "name": "headwater", "qty": 4}, "u", COMMITTED), topic.delete(COMMITTED, id=2))
    assert [row[:3] for row in table(database)] == [(1, "headwater", 4)]
