"""Three workers share connectors: whoever dies, sleeps or leaves, every task runs once and every number comes once."""

from __future__ import annotations

import time
import urllib.error
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import plugins
from tests.plugins.counting.source import make_upstream
from tests.servers.kafka import KafkaServer
from tests.servers.worker import MemberProcess
from tests.system.runtime.scene import Scene, eventually, once_each

pytestmark = pytest.mark.system
SESSION_MS = 6000
SETTINGS = {
    "session.timeout.ms": str(SESSION_MS),
    "heartbeat.interval.ms": "1000",
    "scheduled.rebalance.max.delay.ms": "2000",
    "config.storage.replication.factor": "1",
    "offset.storage.replication.factor": "1",
    "status.storage.replication.factor": "1",
}


class Cluster:
    def __init__(self, folder: Path, broker: KafkaServer, group: str, workers: int) -> None:
        own = {name: f"{group}-{name}" for name in ("configs", "status", "offsets", "topics", "views")}
        settings = SETTINGS | {
            "bootstrap.servers": broker.bootstrap,
            "group.id": group,
            "config.storage.topic": own["configs"],
            "status.storage.topic": own["status"],
            "offset.storage.topic": own["offsets"],
            "topics.storage.topic": own["topics"],
            "views.storage.topic": own["views"],
        }
        self.scene = Scene(folder / "scene", 200, settings)
        self.workers = [MemberProcess(folder, f"w{number}", settings) for number in range(workers)]

    def start(self) -> None:
        for worker in self.workers:
            worker.start()

    def close(self) -> None:
        for worker in self.workers:
            if worker.running():
                worker.thaw()
            worker.kill()

    @property
    def alive(self) -> list[MemberProcess]:
        return [worker for worker in self.workers if worker.running()]

    def create(self, config: dict[str, str], by: int = 0) -> None:
        eventually(lambda: self._put(config, by))

    def _put(self, config: dict[str, str], by: int) -> bool:
        try:
            self.workers[by].request("PUT", f"/connectors/{config['name']}/config", config)
        except urllib.error.HTTPError as error:
            assert error.code == 409, error.read()
            return False
        return True

    def status(self, name: str, by: MemberProcess | None = None) -> dict[str, Any]:
        try:
            found: dict[str, Any] = (by or self.alive[0]).get(f"/connectors/{name}/status")
        except urllib.error.HTTPError:
            return {"connector": {"state": "", "worker_id": ""}, "tasks": []}
        return found

    def owners(self, name: str, by: MemberProcess | None = None) -> list[str]:
        """Worker ids of the connector's running tasks, in their order."""
        return [task["worker_id"] for task in self.status(name, by)["tasks"] if task["state"] == "RUNNING"]

    def runs(self, name: str, tasks: int) -> bool:
        """All tasks run, on workers that live, and every worker says the same."""
        ids = {f"127.0.0.1:{worker.port}" for worker in self.alive}
        told = [self.owners(name, worker) for worker in self.alive]
        return all(len(owners) == tasks and owners == told[0] and set(owners) <= ids for owners in told)

    def all_work(self) -> bool:
        """Every worker has a task."""
        names = self.scene.counter, self.scene.view
        return len({owner for name in names for owner in self.owners(name)}) == len(self.workers)

    def worker(self, worker_id: str) -> MemberProcess:
        return next(worker for worker in self.workers if f"127.0.0.1:{worker.port}" == worker_id)


_groups = iter(range(1000))


@pytest.fixture
def cluster(tmp_path: Path, kafka: KafkaServer) -> Iterator[Callable[[int], Cluster]]:
    plugins.install()
    made: list[Cluster] = []

    def make(workers: int) -> Cluster:
        made.append(Cluster(tmp_path, kafka, f"group{time.time_ns() % 10**9}-{next(_groups)}", workers))
        made[-1].start()
        return made[-1]

    yield make
    for one in made:
        one.close()


def counted(cluster: Cluster, limit: int, tasks: int) -> None:
    """Every number up to `limit` lies on the log once, and stands in the view once."""
    scene = cluster.scene
    make_upstream(scene.upstream, limit)
    eventually(lambda: len(scene.numbers()) > limit, 120)
    assert scene.numbers() == Counter(once_each(limit))
    eventually(lambda: scene.rows() == Counter(once_each(limit)), 120)
    eventually(lambda: cluster.runs(scene.counter, tasks), 90)


def test_killed_frozen_and_restarted(cluster: Callable[[int], Cluster]) -> None:
    three = cluster(3)
    scene = three.scene
    three.create(scene.source(tasks_max=3), by=1)
    three.create(scene.sink(), by=2)
    counted(three, 300, 3)
    eventually(three.all_work, 90)

    victim = three.worker(three.owners(scene.counter)[0])
    victim.kill()
    began = time.monotonic()
    eventually(lambda: three.runs(scene.counter, 3), 90)
    print(f"takeover after kill -9: {time.monotonic() - began:.1f} s, session timeout {SESSION_MS / 1000} s")
    counted(three, 600, 3)
    victim.start()
    eventually(three.all_work, 90)

    sleeper = three.worker(three.owners(scene.counter)[1])
    sleeper.freeze()
    others = [worker for worker in three.workers if worker is not sleeper]
    eventually(lambda: f"127.0.0.1:{sleeper.port}" not in three.owners(scene.counter, others[0]) and
               len(three.owners(scene.counter, others[0])) == 3, 90)  # fmt: skip
    make_upstream(scene.upstream, 900)
    eventually(lambda: len(scene.numbers()) > 900, 120)
    sleeper.thaw()
    counted(three, 1200, 3)

    for worker in three.workers:
        assert worker.stop() == 0
        worker.start()
    counted(three, 1500, 3)
