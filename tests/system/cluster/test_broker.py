"""The broker of a cluster is killed and comes back; then one worker's cable to it is cut, and mended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

import pytest

from tests.servers import cable as cables
from tests.servers.cable import Cable
from tests.servers.kafka import KafkaServer
from tests.system.runtime.scene import eventually

from .cluster import SESSION_MS, Cluster, id_of
from .counted import Counted, moved

pytestmark = [pytest.mark.system, pytest.mark.long]

IMPATIENT = {
    "producer.delivery.timeout.ms": "8000",
    "producer.max.block.ms": "8000",
    "consumer.session.timeout.ms": "6000",
}
AWAY_S = 12.0


@pytest.fixture
def broker() -> Iterator[tuple[KafkaServer, Cable]]:
    """Not 4.3, which forgets the end of a transaction when it is killed at the wrong moment. Whoever comes over the
    cable is sent back over it."""
    server = KafkaServer("4.1", listeners={"CABLE": "PLAINTEXT"})
    try:
        with cables.laid(server.address("CABLE")) as cable:
            server.settings["advertised.listeners"] = f"PLAINTEXT://{server.bootstrap},CABLE://{cable.address}"
            server.write_properties()
            server.start()
            yield server, cable
    finally:
        server.close()


def test_broker_and_cable(make_cluster: Callable[..., Cluster], broker: tuple[KafkaServer, Cable]) -> None:
    server, cable = broker
    cluster = make_cluster(server, 2, IMPATIENT)
    far = cluster.add(bootstrap_servers=cable.address)
    cluster.start()
    counted = Counted(cluster)
    counted.create()
    counted.count_on(300)
    counted.check()

    with counted.counting("the broker restarts in good order"):
        server.restart()
    with counted.counting(f"the broker is killed, and back after {AWAY_S:.0f} s"):
        server.kill()
        time.sleep(AWAY_S)
        server.start()

    before = cluster.settled_evenly(counted.tasks)
    had = {key for key, placed in before.items() if placed.worker_id == id_of(far)}
    assert had
    near = [worker for worker in cluster.workers if worker is not far]
    with counted.counting(f"a worker's cable is cut and mended, session {SESSION_MS / 1000} s", 3000):
        cable.cut()
        began = time.monotonic()

        def taken_over() -> bool:
            told = cluster.told(near[0])
            return all(placed.state == "RUNNING" and placed.worker_id != id_of(far) for placed in told.values())

        eventually(taken_over, 300)
        print(f"takeover from a worker that was cut off: {time.monotonic() - began:.1f} s")
        told = cluster.told(near[0])
        assert moved(before, told) == had, "the others' tasks went on"
        eventually(lambda: id_of(far) not in cluster.processes().values(), 300)  # it gives them up while it is cut off
        cable.mend()
        cluster.settled_evenly(counted.tasks)
