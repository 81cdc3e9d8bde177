"""What a cluster shows of itself: each worker its own part in `/metrics`, all of them everything in the status."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.servers.kafka import KafkaServer
from tests.servers.worker import MemberProcess
from tests.system.runtime.scene import eventually

from .cluster import Cluster, samples

pytestmark = pytest.mark.system


@pytest.fixture
def two(make_cluster: Callable[..., Cluster], kafka: KafkaServer) -> Cluster:
    cluster = make_cluster(kafka, 2)
    cluster.start()
    return cluster


def test_each_shows_its_own_part_and_all_of_them_the_status(two: Cluster) -> None:
    scene = two.scene
    two.create(scene.source(tasks_max=2))
    two.create(scene.sink(tasks_max=2))
    eventually(lambda: two.runs(scene.counter, 2) and two.runs(scene.view, 2), 300)
    eventually(lambda: len({owner for name in (scene.counter, scene.view) for owner in two.owners(name)}) == 2, 300)

    def tasks(worker: MemberProcess) -> set[tuple[str, str]]:
        return {(s.labels["connector"], s.labels["task"]) for s in samples(worker, "headwater_task_stalled")}

    first, second = two.workers
    everything = {(name, number) for name in (scene.counter, scene.view) for number in "01"}
    eventually(lambda: tasks(first) | tasks(second) == everything and not tasks(first) & tasks(second), 300)

    rebalance = "kafka_connect_connect_worker_rebalance_metrics_"

    def agreed() -> bool:
        """The group may be about to agree on something."""
        told = [samples(worker, f"{rebalance}leader_name_info") for worker in two.workers]
        leaders = {sample.labels["leader_name"] for found in told for sample in found}
        epochs = {samples(worker, f"{rebalance}epoch")[0].value for worker in two.workers}
        resting = all(samples(worker, f"{rebalance}rebalancing")[0].value == 0 for worker in two.workers)
        return resting and len(leaders) == len(epochs) == 1 and leaders <= {f"{worker.url}/" for worker in two.workers}

    eventually(agreed, 300)
    assert samples(first, f"{rebalance}completed_rebalances_total")[0].value > 0

    def shown(worker: MemberProcess) -> bool:
        told = two.status(scene.view, worker)["tasks"]
        return len(told) == 2 and all((task["memory_bytes"] or 0) > 1_000_000 and task["cpu_s"] for task in told)

    eventually(lambda: all(shown(worker) for worker in two.workers), 300)
