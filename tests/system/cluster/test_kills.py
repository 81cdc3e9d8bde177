"""Ten connectors on three workers, of which any process is killed: nothing is lost or doubled, nothing runs twice."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from tests.conftest import Database
from tests.servers.kafka import KafkaServer
from tests.servers.process import children_of, kill_one
from tests.system.runtime.scene import eventually

from .cluster import SESSION_MS, TASK_MODULE, Cluster, command_line, id_of
from .counted import Counted, moved

pytestmark = [pytest.mark.system, pytest.mark.long]


SPARES = 5
"""Tasks that a worker inherits when one of three dies, and one more."""


def test_any_process_is_killed(make_cluster: Callable[..., Cluster], kafka: KafkaServer, database: Database) -> None:
    three = make_cluster(kafka, settings={"task.spare.processes": str(SPARES)})
    three.start()
    counted = Counted(three, database)
    counted.create()
    counted.count_on(300)
    counted.check()
    for victim in ("follower", "leader"):
        before = three.settled(counted.tasks)
        eventually(lambda: three.spares() == SPARES * len(three.alive), 300)
        leader = three.leader()
        killed = leader if victim == "leader" else next(worker for worker in three.alive if worker is not leader)
        pids = children_of(killed.pid)
        with counted.counting(f"kill -9 of the {victim}, session {SESSION_MS / 1000} s"):
            killed.kill()
            began = time.monotonic()
            eventually(lambda: len(three.processes()) == sum(counted.tasks.values()), 300)
            print(f"handed out after kill -9 of the {victim}: {time.monotonic() - began:.1f} s")
            after = three.settled(counted.tasks)
            print(f"takeover after kill -9 of the {victim}: {time.monotonic() - began:.1f} s")
        lost = {key for key, placed in before.items() if placed.worker_id == id_of(killed)}
        assert moved(before, after) == lost, "what the others had went on"
        assert not [pid for pid in pids if TASK_MODULE in command_line(pid)], "orphans"
        with counted.counting(f"the {victim} is back"):
            killed.start()
    before = three.settled(counted.tasks)
    for name in ("counter0", "view0", "postgres-view"):
        with counted.counting(f"kill -9 of a task of {name}", 300):
            pid = three.settled(counted.tasks)[name, 0].pid
            assert pid is not None
            kill_one(pid)
    after = three.settled(counted.tasks)
    assert moved(before, after) == {("counter0", 0), ("view0", 0), ("postgres-view", 0)}
    assert all(before[key].worker_id == after[key].worker_id for key in before)
