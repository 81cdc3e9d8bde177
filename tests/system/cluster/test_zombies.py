"""A worker that is frozen while its tasks are not: they stop writing by themselves, before anybody refuses them."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.plugins.counting.source import make_upstream, set_mood
from tests.servers.kafka import KafkaServer
from tests.servers.process import children_of
from tests.system.runtime.scene import eventually, once_each

from .cluster import SESSION_MS, TASK_MODULE, Cluster, command_line, id_of

pytestmark = pytest.mark.system


def state(pid: int) -> str:
    """As in proc(5); Z: it has ended, and its parent does not look."""
    return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]


def test_tasks_of_a_frozen_worker_wait(make_cluster: Callable[..., Cluster], kafka: KafkaServer) -> None:
    two = make_cluster(kafka, 2)
    two.start()
    scene = two.scene
    set_mood(scene.upstream, "slow")
    make_upstream(scene.upstream, 10_000_000)
    two.create(scene.source(tasks_max=2, count_batch=5))
    tasks = {scene.counter: 2}
    eventually(
        lambda: {placed.worker_id for placed in two.settled(tasks).values()} == set(map(id_of, two.workers)), 120
    )
    eventually(lambda: len(scene.numbers()) > 100, 300)

    frozen, other = two.workers
    zombies = [pid for pid in children_of(frozen.pid) if TASK_MODULE in command_line(pid)]
    assert zombies
    frozen.freeze()
    eventually(lambda: two.owners(scene.counter, other) == [id_of(other)] * 2, 300)
    before = max(scene.numbers())
    eventually(lambda: max(scene.numbers()) > before + 200, 300)
    time.sleep(SESSION_MS / 1000)
    # Whoever tries to write now is refused, and ends. They are there, and do not try, though their source has more.
    assert all(state(pid) != "Z" for pid in zombies)

    frozen.thaw()
    two.settled(tasks)
    make_upstream(scene.upstream, 0)
    eventually(lambda: not [pid for pid in zombies if Path(f"/proc/{pid}").exists()], 300)
    numbers: list[Counter[int]] = [scene.numbers()]

    def at_rest() -> bool:
        numbers.append(scene.numbers())
        return numbers[-1] == numbers[-2]

    eventually(at_rest, 300)
    found = scene.numbers()
    assert set(found.values()) == {1}
    for task in range(2):
        own = [number for number in found if number % 2 == task]
        assert sorted(own) == sorted(n for n in once_each(max(own)) if n % 2 == task)
