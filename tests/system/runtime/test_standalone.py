"""A whole worker: connectors come, change, rest and go; it stops, dies and comes back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from headwater.worker.api import ConfigError
from headwater.worker.cluster.caught_up import NotCaughtUp
from headwater.worker.cluster.refusals import NotThere, WorkerRunning
from headwater.worker.cluster.standalone import Standalone
from tests.plugins.counting.source import make_upstream, set_mood

from .scene import Scene, eventually

pytestmark = pytest.mark.system


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path, 1_000)


@pytest.fixture
def worker(scene: Scene) -> Iterator[Standalone]:
    running = Standalone({}, scene.data)
    running.start()
    yield running
    running.stop()


def files(*raws: dict[str, str]) -> list[tuple[str, dict[str, str]]]:
    return [(raw["name"], raw) for raw in raws]


def pids(worker: Standalone) -> dict[str, Any]:
    return {s["connector"]: s["pid"] for s in worker.snapshot()}


def test_only_what_has_changed_is_touched(scene: Scene, worker: Standalone) -> None:
    worker.apply_files(files(scene.source(), scene.sink()))
    assert worker.wait_until_caught_up(30)
    before = pids(worker)
    worker.put_config("extra", {**scene.source(), "count.topic": "others"})
    done = worker.apply_files(files(scene.source(count_batch=50), scene.sink()))
    assert done == {"counter": "changed", "view": "unchanged"}
    eventually(lambda: pids(worker).get("counter") not in (None, before["counter"]))
    assert pids(worker)["view"] == before["view"]
    done = worker.apply_files(files(scene.sink()))
    assert done == {"counter": "deleted", "view": "unchanged"}
    eventually(lambda: set(pids(worker)) == {"extra", "view"})
    assert pids(worker)["view"] == before["view"]


def test_states_and_restarts(scene: Scene, worker: Standalone) -> None:
    worker.apply_files(files(scene.source(), scene.sink()))
    assert worker.wait_until_caught_up(30)
    worker.set_state("counter", "PAUSED")
    eventually(lambda: worker.status("counter")["tasks"][0]["state"] == "PAUSED")
    before = pids(worker)
    make_upstream(scene.upstream, 2_000)
    worker.set_state("counter", "STARTED")
    eventually(lambda: len(scene.rows()) == 2_001)
    assert pids(worker) == before
    worker.restart_task("view", 0)
    eventually(lambda: pids(worker).get("view") not in (None, before["view"]))
    with pytest.raises(NotThere):
        worker.restart_task("view", 7)
    worker.set_state("view", "STOPPED")
    eventually(lambda: "view" not in pids(worker))
    assert worker.status("view")["connector"]["state"] == "STOPPED"
    worker.delete("counter")
    eventually(lambda: not pids(worker))
    with pytest.raises(NotThere):
        worker.config("counter")


def test_a_wrong_config_is_refused_with_every_problem(scene: Scene, worker: Standalone) -> None:
    with pytest.raises(ConfigError) as raised:
        worker.put_config("counter", {**scene.source(), "count.batch": "many", "count.tpoic": "x"})
    assert {p.option for p in raised.value.problems} == {"count.batch", "count.tpoic"}
    assert worker.connectors() == []


def test_a_failed_source_ends_the_waiting(scene: Scene, worker: Standalone) -> None:
    set_mood(scene.upstream, "broken")
    worker.apply_files(files(scene.source(restart_max_attempts=0), scene.sink()))
    with pytest.raises(NotCaughtUp, match="upstream is broken"):
        worker.wait_until_caught_up(30)
    assert any("counter" in line and "broken" in line for line in worker.health())


def test_a_source_that_fails_fatally_again_and_again_ends_the_waiting_early(scene: Scene, worker: Standalone) -> None:
    set_mood(scene.upstream, "broken")
    worker.apply_files(files(scene.source(restart_max_attempts=-1), scene.sink()))
    with pytest.raises(NotCaughtUp, match=r"counter task 0 has failed \d+ times in a row .*: the upstream is broken"):
        worker.wait_until_caught_up(30)


def test_a_second_worker_is_turned_away(scene: Scene, worker: Standalone) -> None:
    with pytest.raises(WorkerRunning, match=f"process {os.getpid()}"):
        Standalone({}, scene.data).start()
