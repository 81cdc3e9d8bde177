"""A task that crashes, leaks, hangs or spins: the others and the worker's REST API go on as if nothing were.

One worker with one good pipeline and one of each kind of misfortune, as a user would run it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families as parse

from tests import plugins
from tests.plugins.counting.source import make_upstream
from tests.servers.worker import WorkerProcess

from .scene import Scene, eventually, once_each

pytestmark = pytest.mark.system

CAP = 160_000_000
EVIL = ("crash", "grow", "hang", "spin")
LIMIT = 20_000


@pytest.fixture(scope="module")
def scene(tmp_path_factory: pytest.TempPathFactory) -> Scene:
    plugins.install()
    return Scene(tmp_path_factory.mktemp("isolation"), LIMIT)


@pytest.fixture(scope="module")
def worker(scene: Scene) -> Iterator[WorkerProcess]:
    files = [written(scene.folder / "good.yaml", scene.source()), written(scene.folder / "view.yaml", scene.sink())]
    for how in EVIL:
        upstream = scene.folder / f"{how}.db"
        make_upstream(str(upstream), 1_000_000)
        config = scene.source(count_file=upstream, count_topic=how, count_batch=10, restart_max_attempts=1)
        stage = {"transforms": "odd", "transforms.odd.type": "Misbehave", "transforms.odd.at": "50"}
        own = {"name": how, "transforms.odd.how": how}
        if how == "hang":
            own["task.memory.max.bytes"] = "0"  # no limit, whatever the worker's is
        files.append(written(scene.folder / f"{how}.yaml", config | stage | own))
    settings = {"task.stalled.after.ms": "8000", "task.memory.max.bytes": str(CAP), "log.format": "json"}
    settings_file = written(scene.folder / "worker.yaml", settings)
    process = WorkerProcess(files, scene.data, options=["--worker", str(settings_file)])
    process.start()
    yield process
    process.stop()


def written(path: Path, options: dict[str, Any]) -> Path:
    path.write_text(yaml.safe_dump({name: str(value) for name, value in options.items()}))
    return path


def states(worker: WorkerProcess) -> dict[str, dict[str, Any]]:
    found = worker.get("/connectors?expand=status")
    return {name: task for name, entry in found.items() for task in entry["status"]["tasks"]}


WANTED = {
    "counter": "RUNNING", "view": "RUNNING", "crash": "FAILED", "grow": "FAILED", "hang": "STALLED", "spin": "STALLED",
}  # fmt: skip


@pytest.fixture(scope="module")
def settled(worker: WorkerProcess) -> dict[str, dict[str, Any]]:
    """Once everything has gone wrong that goes wrong; REST is asked all the while."""
    slowest = 0.0

    def done() -> dict[str, dict[str, Any]] | None:
        nonlocal slowest
        begun = time.monotonic()
        found = states(worker)
        slowest = max(slowest, time.monotonic() - begun)
        return found if {name: task["state"] for name, task in found.items()} == WANTED else None

    found: dict[str, dict[str, Any]] = eventually(done, 300)
    print(f"the slowest answer took {slowest * 1000:.0f} ms")
    assert slowest < 120
    return found


def test_the_good_ones_do_their_work(scene: Scene, settled: dict[str, Any]) -> None:
    eventually(lambda: sum(scene.rows().values()) > LIMIT)
    assert scene.rows() == once_each(LIMIT)


def test_each_says_what_is_wrong_with_it(settled: dict[str, dict[str, Any]]) -> None:
    assert "SIGSEGV" in settled["crash"]["trace"]
    assert "more than the 160.0 MB that task.memory.max.bytes allows" in settled["grow"]["trace"]
    assert settled["grow"]["restarts"] == 1
    for name in ("hang", "spin"):
        assert "has not returned" in settled[name]["trace"]
    assert settled["spin"]["cpu_s"] > settled["hang"]["cpu_s"]
    assert settled["counter"]["memory_bytes"] > 10_000_000 and settled["counter"]["cpu_s"] > 0


def test_who_is_stopped_for_its_memory_has_written_what_it_read(scene: Scene, settled: dict[str, Any]) -> None:
    counted = scene.numbers("grow")
    assert len(counted) > 50 and counted == once_each(len(counted) - 1)


def test_metrics_and_health_tell_it(worker: WorkerProcess, settled: dict[str, Any]) -> None:
    def of(name: str) -> dict[str, float]:
        answer = httpx.get(f"{worker.url}/metrics", timeout=60)
        assert answer.status_code == 200 and answer.headers["content-type"].startswith("text/plain; version=0.0.4")
        (samples,) = [family.samples for family in parse(answer.text) if family.name == name]
        return {sample.labels["connector"]: sample.value for sample in samples}

    def which(name: str) -> set[str]:
        return {connector for connector, value in of(name).items() if value}

    eventually(lambda: which("headwater_task_stalled") == {"hang", "spin"})
    assert which("headwater_task_failed") == {"crash", "grow"}
    assert of("headwater_task_memory_bytes")["view"] > 10_000_000
    assert of("headwater_task_memory_max_bytes") == dict.fromkeys(set(WANTED) - {"hang"}, CAP)
    assert of("kafka_connect_source_task_metrics_source_record_write")["counter"] == LIMIT + 1
    assert of("kafka_connect_sink_task_metrics_sink_record_send")["view"] == LIMIT + 1

    def complaints() -> set[str]:
        health = httpx.get(f"{worker.url}/health", timeout=60)
        assert health.status_code == 500
        return {name for name in WANTED if f"{name} task 0 is" in health.json()["message"]}

    eventually(lambda: complaints() == set(EVIL))


def test_every_line_of_the_log_is_json_and_names_its_task(worker: WorkerProcess, settled: dict[str, Any]) -> None:
    told = [json.loads(line) for line in worker.log.read_text().splitlines()]
    assert {line["connector"] for line in told if "runs in process" in line["message"]} == set(WANTED)
    crash = [line for line in told if "Segmentation fault" in line["message"]]
    assert crash and all((line["connector"], line["task"]) == ("crash", 0) for line in crash)


def test_a_restart_brings_them_back(worker: WorkerProcess, settled: dict[str, Any]) -> None:
    pid = settled["hang"]["pid"]
    worker.request("POST", "/connectors/hang/restart?includeTasks=true")
    eventually(lambda: states(worker)["hang"]["pid"] not in (None, pid))
