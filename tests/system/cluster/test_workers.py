"""Three workers share connectors: whoever dies, sleeps or leaves, every task runs once and every number comes once."""

from __future__ import annotations

import time
from collections import Counter

import pytest

from tests.plugins.counting.source import make_upstream
from tests.system.runtime.scene import eventually, once_each

from .cluster import SESSION_MS, Cluster

pytestmark = pytest.mark.system


def counted(cluster: Cluster, limit: int, tasks: int) -> None:
    """Every number up to `limit` lies on the log once, and stands in the view once."""
    scene = cluster.scene
    make_upstream(scene.upstream, limit)
    eventually(lambda: len(scene.numbers()) > limit, 300)
    assert scene.numbers() == Counter(once_each(limit))
    eventually(lambda: scene.rows() == Counter(once_each(limit)), 300)
    eventually(lambda: cluster.runs(scene.counter, tasks), 240)


def test_killed_frozen_and_restarted(three: Cluster) -> None:
    scene = three.scene

    def all_work() -> bool:
        """Every worker has a task."""
        return len({owner for name in (scene.counter, scene.view) for owner in three.owners(name)}) == 3

    three.create(scene.source(tasks_max=3), by=1)
    three.create(scene.sink(), by=2)
    counted(three, 300, 3)
    eventually(all_work, 240)

    victim = three.worker(three.owners(scene.counter)[0])
    victim.kill()
    began = time.monotonic()
    eventually(lambda: three.runs(scene.counter, 3), 240)
    print(f"takeover after kill -9: {time.monotonic() - began:.1f} s, session timeout {SESSION_MS / 1000} s")
    counted(three, 600, 3)
    victim.start()
    eventually(all_work, 240)

    sleeper = three.worker(three.owners(scene.counter)[1])
    sleeper.freeze()
    others = [worker for worker in three.workers if worker is not sleeper]
    eventually(lambda: f"127.0.0.1:{sleeper.port}" not in three.owners(scene.counter, others[0]) and
               len(three.owners(scene.counter, others[0])) == 3, 90)  # fmt: skip
    make_upstream(scene.upstream, 900)
    eventually(lambda: len(scene.numbers()) > 900, 300)
    sleeper.thaw()
    counted(three, 1200, 3)

    for worker in three.workers:
        assert worker.stop() == 0
        worker.start()
    counted(three, 1500, 3)
