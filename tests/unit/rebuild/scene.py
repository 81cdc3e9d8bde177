"""A log, a topic, a view on it, and tasks that follow the view's record: what a rebuild needs around it."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import orjson

from headwater.worker.api import VERSION_HEADER
from headwater.worker.cluster.view_state import ViewState
from headwater.worker.config.plan import build_plan
from headwater.worker.log import Log, Message, open_log
from headwater.worker.observe.metrics import TaskMetrics
from headwater.worker.rebuild.requests import ViewRequests
from headwater.worker.rebuild.views_log import ViewsLog
from headwater.worker.runtime.internal_topics import InternalTopics
from headwater.worker.runtime.sink_loop import SinkLoop
from headwater.worker.runtime.source_loop import SourceLoop
from headwater.worker.runtime.task_control import TaskControl
from headwater.worker.runtime.task_spec import TaskSpec
from tests import plugins

VIEW = "items-view"
SETTINGS: Mapping[str, str] = {
    "key.converter": "StringConverter",
    "value.converter": "JsonConverter",
    "value.converter.schemas.enable": "false",
}


class RunningTask:
    """One task's loop on a thread of this process."""

    def __init__(self, data: Path, raw: Mapping[str, str], generation: int) -> None:
        self.control = TaskControl(lambda event, fields: None)
        self.failure: str | None = None
        spec = TaskSpec(raw["name"], 0, 1, raw, generation=generation, settings=SETTINGS, data_dir=str(data))
        self._thread = threading.Thread(target=self._run, args=(data, spec), daemon=True)
        self._thread.start()

    def _run(self, data: Path, spec: TaskSpec) -> None:
        log = open_log(SETTINGS, data)
        try:
            plan = build_plan(spec.raw, SETTINGS)
            if plan.kind == "source":
                SourceLoop(log, plan, spec, self.control, TaskMetrics(), str).run()
            else:
                SinkLoop(log, plan, spec, self.control, TaskMetrics(), str).run()
        except Exception as error:
            self.failure = f"{type(error).__name__}: {error}"
        finally:
            log.close()

    def stop(self) -> None:
        self.control.stopping.set()
        self._thread.join(120)
        assert not self._thread.is_alive()


class TinyWorker:
    """Keeps the tasks of a view's generations running as its record asks for, and knows their states."""

    def __init__(self, data: Path) -> None:
        self._data = data
        self._tasks: dict[int, RunningTask] = {}
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._follow, daemon=True)
        self._thread.start()

    def _follow(self) -> None:
        log = open_log(SETTINGS, self._data)
        views = ViewsLog(log, InternalTopics())
        while not self._ending.is_set():
            views.refresh()
            wanted = views.state(VIEW).running()
            for number in set(self._tasks) - set(wanted):
                self._tasks[number].stop()
                del self._tasks[number]
            for number, raw in wanted.items():
                if number not in self._tasks:
                    self._tasks[number] = RunningTask(self._data, raw or stored_config(log, VIEW), number)
            self._ending.wait(0.05)
        views.close()
        log.close()

    def failure(self, view: str, generation: int) -> str | None:
        task = self._tasks.get(generation)
        return task and task.failure

    def stopped(self, view: str, generation: int) -> bool:
        return generation not in self._tasks

    def stop(self) -> None:
        self._ending.set()
        self._thread.join(120)
        for task in self._tasks.values():
            task.stop()


def stored_config(log: Log, connector: str) -> dict[str, str]:
    from headwater.worker.log.compacted import CompactedDict

    configs = CompactedDict(log, "connect-configs")
    configs.refresh()
    value = configs.get(f"connector-{connector}".encode())
    configs.close()
    assert value is not None
    properties: dict[str, str] = orjson.loads(value)["properties"]
    return properties


class Scene:
    """Made fresh for each test; `close` ends every thread."""

    def __init__(self, folder: Path, partitions: int = 2) -> None:
        plugins.install()
        self.data = folder / "data"
        self.data.mkdir()
        self.path = str(folder / "view.db")
        self.log = open_log(SETTINGS, self.data)
        self.log.create_topic("items", partitions, {"cleanup.policy": "compact"})
        self.log.create_topic("connect-configs", 1, {"cleanup.policy": "compact"})
        self.log.create_topic("headwater-topics", 1, {"cleanup.policy": "compact"})
        self.requests = ViewRequests(self.log, SETTINGS)
        self.worker: TinyWorker | None = None
        self.version = 0
        self.put_config(self.config())
        mark = orjson.dumps({"format": 1, "version": 1, "connector": "items-source"})
        self.send_raw("headwater-topics", b'["complete","items"]', mark)

    def config(self, fields: str = "id,name,price", **more: str) -> dict[str, str]:
        return {
            "name": VIEW,
            "connector.class": "SqliteView",
            "topics": "items",
            "path": self.path,
            "fields": fields,
        } | more

    def put_config(self, raw: Mapping[str, str]) -> None:
        self.send_raw("connect-configs", f"connector-{raw['name']}".encode(), orjson.dumps({"properties": dict(raw)}))

    def send_raw(self, topic: str, key: bytes, value: bytes | None) -> None:
        producer = self.log.producer()
        producer.send([Message(topic, key, value)])
        producer.flush()
        producer.close()

    def send(self, rows: Iterable[tuple[str, Mapping[str, object] | None]]) -> None:
        producer = self.log.producer()
        for key, value in rows:
            self.version += 1
            body = None if value is None else json.dumps(value).encode()
            headers = [(VERSION_HEADER, str(self.version).encode())]
            producer.send([Message("items", key.encode(), body, headers)])
        producer.flush()
        producer.close()

    def fill(self, rows: int) -> None:
        """Rows put, every third changed, every fifth deleted."""
        self.send((f"k{n}", item(n)) for n in range(rows))
        self.send((f"k{n}", item(n, "changed")) for n in range(0, rows, 3))
        self.send((f"k{n}", None) for n in range(0, rows, 5))

    def start_worker(self) -> TinyWorker:
        self.worker = TinyWorker(self.data)
        return self.worker

    def state(self) -> ViewState:
        return self.requests.state(VIEW)

    def job(self, *arguments: str, timeout_s: float = 300) -> int:
        """Run the job's process once; its exit status, negative for a signal."""
        assert self.worker is not None
        command = [sys.executable, "-m", "tests.unit.rebuild.job_runner", str(self.data), VIEW, *arguments]
        return subprocess.run(command, timeout=timeout_s, cwd=Path(__file__).parents[3]).returncode

    def close(self) -> None:
        if self.worker is not None:
            self.worker.stop()
        self.log.close()


def item(number: int, name: str = "first") -> dict[str, object]:
    return {"id": number, "name": f"{name} {number}", "price": number * 2}


def wait_for(condition: object, timeout_s: float = 300) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < deadline, "it does not come about"
        time.sleep(0.05)


def outcome(state: ViewState) -> tuple[str, list[str]]:
    """Of the job that ended last."""
    assert state.history
    return state.history[-1]["outcome"], list(state.history[-1]["reasons"])
