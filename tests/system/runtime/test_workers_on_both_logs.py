"""A whole worker on the embedded log and on Kafka: it runs files, has its offsets altered, changes its tasks, dies."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from headwater.worker.cluster.refusals import NotValid
from headwater.worker.cluster.standalone import Standalone
from headwater.worker.log import Fenced, Message
from headwater.worker.runtime.task_spec import transactional_id
from tests.plugins.counting.source import make_upstream

from .scene import Scene, eventually, once_each

pytestmark = pytest.mark.system


@pytest.fixture
def scene(tmp_path: Path, any_log: dict[str, str]) -> Scene:
    return Scene(tmp_path, 1_000, any_log)


@pytest.fixture
def worker(scene: Scene) -> Iterator[Standalone]:
    running = Standalone(scene.settings, scene.data)
    running.start()
    yield running
    running.stop()


def files(*raws: dict[str, str]) -> list[tuple[str, dict[str, str]]]:
    return [(raw["name"], raw) for raw in raws]


def running(worker: Standalone, connector: str) -> list[int]:
    """Numbers of the tasks that run."""
    return sorted(s["task"] for s in worker.snapshot() if s.get("connector") == connector and s["state"] == "RUNNING")


def stop(worker: Standalone, connector: str) -> None:
    worker.set_state(connector, "STOPPED")
    eventually(lambda: not [s for s in worker.snapshot() if s.get("connector") == connector])


def test_files_run_until_they_have_caught_up(scene: Scene, worker: Standalone) -> None:
    done = worker.apply_files(files(scene.source(), scene.sink()))
    assert done == {scene.counter: "created", scene.view: "created"}
    assert worker.wait_until_caught_up(120)
    assert scene.rows() == once_each(1_000)
    assert worker.connectors() == [scene.counter, scene.view]
    assert worker.cluster_id == worker.log.cluster_id()
    status = worker.status(scene.counter)
    assert (status["connector"]["state"], status["type"]) == ("RUNNING", "source")
    assert [(t["id"], t["state"]) for t in status["tasks"]] == [(0, "RUNNING")]
    eventually(lambda: worker.topics(scene.counter) == worker.topics(scene.view) == [scene.topic])
    assert worker.health() == []
    assert worker.offsets(scene.counter) == [({"task": 0}, {"format": 1, "n": 1_000})]
    # as far as the log's end, over the markers that transactions leave there
    assert sum(o["kafka_offset"] for _, o in worker.offsets(scene.view)) >= 1_001


def test_offsets_of_a_source_are_altered_while_it_is_stopped(scene: Scene, worker: Standalone) -> None:
    worker.apply_files(files(scene.source()))
    assert worker.wait_until_caught_up(120)
    with pytest.raises(NotValid, match="must be stopped first"):
        worker.alter_offsets(scene.counter, None)
    stop(worker, scene.counter)
    worker.alter_offsets(scene.counter, [({"task": 0}, {"format": 1, "n": 990})])
    assert worker.offsets(scene.counter) == [({"task": 0}, {"format": 1, "n": 990})]
    worker.set_state(scene.counter, "STARTED")
    eventually(lambda: sum(scene.numbers().values()) == 1_011)
    stop(worker, scene.counter)
    worker.alter_offsets(scene.counter, None)
    assert worker.offsets(scene.counter) == []


def test_offsets_of_a_sink_are_altered_while_it_is_stopped(scene: Scene, worker: Standalone) -> None:
    worker.apply_files(files(scene.source(), scene.sink()))
    assert worker.wait_until_caught_up(120)
    with pytest.raises(NotValid, match="must be stopped first"):
        worker.alter_offsets(scene.view, None)
    stop(worker, scene.view)
    place = {"kafka_topic": scene.topic, "kafka_partition": 0}
    with pytest.raises(NotValid, match="negative"):
        worker.alter_offsets(scene.view, [(place, {"kafka_offset": -1})])
    worker.alter_offsets(scene.view, [(place, {"kafka_offset": 7})])
    assert (place, {"kafka_offset": 7}) in worker.offsets(scene.view)
    worker.alter_offsets(scene.view, None)
    assert worker.offsets(scene.view) == []


def test_a_new_set_of_tasks_starts_when_no_earlier_one_can_write(scene: Scene, worker: Standalone) -> None:
    log = scene.log()
    worker.apply_files(files(scene.source(tasks_max=3)))
    eventually(lambda: running(worker, scene.counter) == [0, 1, 2])
    assert worker.wait_until_caught_up(120)
    stop(worker, scene.counter)
    # a task of this set that lives on somewhere
    zombie = log.producer(transactional_id(scene.settings, scene.counter, 2))
    zombie.init_transactions()
    zombie.begin()
    zombie.send([Message(scene.topic, b"zombie", b"zombie")])
    worker.put_config(scene.counter, scene.source(tasks_max=1))
    worker.set_state(scene.counter, "STARTED")
    eventually(lambda: running(worker, scene.counter) == [0])
    with pytest.raises(Fenced):
        zombie.commit()
    zombie.close()
    log.close()


def test_a_killed_worker_comes_back_where_it_was(scene: Scene) -> None:
    code = (
        "import sys, time, orjson\n"
        "from pathlib import Path\n"
        "from headwater.worker.cluster.standalone import Standalone\n"
        "settings, raws = orjson.loads(sys.stdin.read())\n"
        "worker = Standalone(settings, Path(sys.argv[1])); worker.start()\n"
        "worker.apply_files([(raw['name'], raw) for raw in raws])\n"
        "time.sleep(600)\n"
    )
    make_upstream(scene.upstream, 30_000)
    raws = [scene.source(count_batch=20, tasks_max=2), scene.sink(tasks_max=2)]
    killed = subprocess.Popen([sys.executable, "-c", code, str(scene.data)], stdin=subprocess.PIPE)
    assert killed.stdin is not None
    killed.stdin.write(orjson.dumps([scene.settings, raws]))
    killed.stdin.close()
    eventually(lambda: len(scene.rows()) > 1_000)
    killed.send_signal(signal.SIGKILL)
    killed.wait()
    worker = Standalone(scene.settings, scene.data)
    worker.start()
    try:
        assert worker.connectors() == [scene.counter, scene.view]
        assert worker.wait_until_caught_up(120)
        assert scene.numbers() == once_each(30_000)
        assert scene.rows() == once_each(30_000)
    finally:
        worker.stop()
