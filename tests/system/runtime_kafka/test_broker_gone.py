"""The only broker freezes, is killed, comes back: a whole worker waits, says so, goes on, loses and doubles nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from headwater.worker.cluster.standalone import Standalone
from tests.plugins.counting.source import set_mood
from tests.servers.kafka import KafkaServer, running
from tests.system.runtime.scene import Scene, eventually, kafka_settings, once_each

pytestmark = pytest.mark.system

LONG_S = 180.0
IMPATIENT = {
    "producer.delivery.timeout.ms": "4000",
    "producer.max.block.ms": "8000",
    "consumer.session.timeout.ms": "6000",
}
"""Shorter than the default, so that a broker need not be away for minutes to be missed."""


@pytest.fixture
def broker() -> Iterator[KafkaServer]:
    """Not 4.3: killed right after it has said that a transaction is committed, 4.3.1 forgets to mark it as such when it
    is back, and readers of committed records wait there for ever."""
    with running("4.1") as server:
        yield server


def goes_on(scene: Scene) -> None:
    before = len(scene.rows())
    eventually(lambda: len(scene.rows()) > before + 200, LONG_S)


def test_a_worker_outlives_its_broker(tmp_path: Path, broker: KafkaServer) -> None:
    scene = Scene(tmp_path, 1_000_000, {**kafka_settings(broker.bootstrap, "gone"), **IMPATIENT})
    set_mood(scene.upstream, "slow")
    worker = Standalone(scene.settings, scene.data)
    worker.start()
    try:
        files = [(raw["name"], raw) for raw in (scene.source(count_batch=5), scene.sink())]
        worker.apply_files(files)
        goes_on(scene)

        broker.freeze()
        time.sleep(10)
        broker.thaw()
        goes_on(scene)

        pids = {s["connector"]: s["pid"] for s in worker.snapshot()}
        broker.kill()
        eventually(
            lambda: {s["connector"] for s in worker.snapshot() if s["state"] == "RESTARTING"} == set(pids), LONG_S
        )
        for name in pids:
            [task] = worker.status(name)["tasks"]
            assert task["state"] == "RESTARTING" and broker.bootstrap in task["trace"], task["trace"]
        eventually(lambda: any(line.startswith("the worker cannot") for line in worker.health()), LONG_S)
        broker.start()
        goes_on(scene)
        eventually(lambda: worker.health() == [], LONG_S)

        worker.set_state(scene.counter, "STOPPED")
        eventually(lambda: not [s for s in worker.snapshot() if s["connector"] == scene.counter], LONG_S)
        numbers = scene.numbers()
        assert numbers == once_each(len(numbers) - 1)
        eventually(lambda: len(scene.rows()) == len(numbers), LONG_S)
        assert scene.rows() == numbers

        broker.kill()
        began = time.monotonic()
    finally:
        worker.stop()
    assert time.monotonic() - began < 240
