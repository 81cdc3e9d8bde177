"""Topics that Debezium began and Headwater goes on with: the older records have no version, the newer ones do."""

from __future__ import annotations

import pytest

from headwater.worker.api import Fatal
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


@pytest.mark.parametrize("at_once", [True, False], ids=["one batch", "two batches"])
@pytest.mark.parametrize("change", ["update", "delete", "update of a deleted row"])
def test_a_view_that_compares_versions_refuses_what_debezium_writes_after_that(
    database: Database, change: str, at_once: bool
) -> None:
    """By its offset it would be old and left out, though it is the newest."""
    topic = Topic()
    first = [topic.put({"id": 1, "name": "headwater", "qty": 1}, "c", COMMITTED)]
    if change == "update of a deleted row":
        first.append(topic.delete(COMMITTED, id=1))
    last = topic.delete(id=1) if change == "delete" else topic.put({"id": 1, "name": "debezium", "qty": 2}, "u")
    with Task(values(database, version_column="__version")) as task:
        if not at_once:
            task.put(*first)
        with pytest.raises(Fatal, match=rf"@{last.offset}: .*orders has a newer version of the row id=1.*: none"):
            task.put(*([*first, last] if at_once else [last]))
