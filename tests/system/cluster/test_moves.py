"""Workers restart in turn, one comes, one goes: only what must move moves, and all the rest keeps its process."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.conftest import Database
from tests.servers.kafka import KafkaServer

from .cluster import Cluster, Told, id_of
from .counted import Counted, moved

pytestmark = [pytest.mark.system, pytest.mark.long]
BACK_WITHIN_MS = "60000"
"""A worker needs seconds to start: so long its tasks wait for it."""


def load(told: Told) -> list[int]:
    """How many tasks each worker runs."""
    ids = [placed.worker_id for placed in told.values()]
    return sorted(ids.count(worker_id) for worker_id in set(ids))


def test_workers_come_and_go(make_cluster: Callable[..., Cluster], kafka: KafkaServer, database: Database) -> None:
    three = make_cluster(kafka, settings={"scheduled.rebalance.max.delay.ms": BACK_WITHIN_MS})
    three.start()
    counted = Counted(three, database)
    counted.create()
    counted.count_on(300)
    counted.check()
    for worker in list(three.workers):
        before = three.settled(counted.tasks)
        with counted.counting(f"restart of {worker.url}"):
            assert worker.stop() == 0
            worker.start()
            after = three.settled(counted.tasks)
        had = {key for key, placed in before.items() if placed.worker_id == id_of(worker)}
        assert moved(before, after) == had, "others' tasks went on"
    total = sum(counted.tasks.values())

    before = three.settled(counted.tasks)
    fourth = three.add()
    with counted.counting("a fourth worker"):
        fourth.start()
        after = three.settled_evenly(counted.tasks)
    assert moved(before, after) == {key for key, placed in after.items() if placed.worker_id == id_of(fourth)}
    assert sum(load(after)) == total

    before = after
    gone = three.workers[0]
    with counted.counting("one worker less"):
        assert gone.stop() == 0
        after = three.settled_evenly(counted.tasks)
    assert moved(before, after) == {key for key, placed in before.items() if placed.worker_id == id_of(gone)}
