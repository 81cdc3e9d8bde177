"""One worker's folder with an upstream, a log and a view in it, and what the tests count there."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import orjson

from headwater.worker.api import TopicPartition
from headwater.worker.log import Log, Message, open_log
from headwater.worker.runtime.supervised import Work
from headwater.worker.runtime.supervisor import Supervisor
from headwater.worker.runtime.task_spec import TaskSpec
from tests.plugins.counting.source import make_upstream

MODULE = "headwater.worker.runtime.task_process"


class Scene:
    """`settings`: the worker's. Names on a broker that tests share end with its `group.id`, the test's own."""

    def __init__(self, folder: Path, limit: int, settings: Mapping[str, str] | None = None) -> None:
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        self.upstream = str(folder / "upstream.db")
        self.table = str(folder / "view.db")
        self.folder = folder
        self.settings = dict(settings or {})
        own = f"-{self.settings['group.id']}" if settings else ""
        self.counter, self.view, self.topic = f"counter{own}", f"view{own}", f"numbers{own}"
        make_upstream(self.upstream, limit)

    @property
    def on_kafka(self) -> bool:
        return "bootstrap.servers" in self.settings

    def source(self, **options: Any) -> dict[str, str]:
        return {
            "name": self.counter,
            "connector.class": "CountingSource",
            "count.file": self.upstream,
            "count.topic": self.topic,
            "restart.backoff.initial.ms": "50",
            "restart.backoff.max.ms": "200",
        } | {name.replace("_", "."): str(value) for name, value in options.items()}

    def sink(self, **options: Any) -> dict[str, str]:
        return {
            "name": self.view,
            "connector.class": "TableSink",
            "topics": self.topic,
            "table.file": self.table,
            "restart.backoff.initial.ms": "50",
            "restart.backoff.max.ms": "200",
        } | {name.replace("_", "."): str(value) for name, value in options.items()}

    def spec(self, raw: dict[str, str], task: int = 0, tasks: int = 1, **more: Any) -> TaskSpec:
        config = {"task.number": str(task), "task.count": str(tasks)} if "count.file" in raw else {}
        return TaskSpec(raw["name"], task, tasks, raw, config, settings=self.settings, data_dir=str(self.data), **more)

    def log(self) -> Log:
        return open_log(self.settings, self.data)

    def messages(self, topic: str = "") -> list[Message]:
        """All that a read-committed reader sees."""
        topic = topic or self.topic
        with closing(self.log()) as log:
            info = log.topics([topic]).get(topic)
            if info is None:
                return []
            partitions = [TopicPartition(topic, n) for n in range(info.partitions)]
            with closing(log.consumer()) as consumer:
                consumer.assign(log.begin_offsets(partitions))
                ends = log.end_offsets(partitions)
                found: list[Message] = []
                while any(consumer.position()[tp] < end for tp, end in ends.items()):
                    found += consumer.poll(5000, 1.0)
                return found

    def numbers(self, topic: str = "") -> Counter[int]:
        """How often each number lies on the log."""
        return Counter(orjson.loads(m.value)["payload"]["n"] for m in self.messages(topic) if m.value is not None)

    def rows(self, generation: int = 1) -> Counter[int]:
        """How often each number stands in the view."""
        if not os.path.exists(self.table):
            return Counter()
        with sqlite3.connect(self.table, timeout=30) as db:
            try:
                return Counter(n for (n,) in db.execute(f"SELECT n FROM view_g{generation}"))
            except sqlite3.OperationalError:
                return Counter()

    def asked(self, question: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(self.upstream, timeout=30) as db:
            return db.execute(question).fetchall()


def work(spec: TaskSpec) -> Work:
    who = {"connector": spec.connector, "generation": spec.generation, "task": spec.task}
    return Work(MODULE, spec.as_dict(), who)


def once_each(limit: int) -> dict[int, int]:
    return dict.fromkeys(range(limit + 1), 1)


def state_of(supervisor: Supervisor, connector: str) -> dict[str, Any]:
    return next((s for s in supervisor.snapshot() if s["connector"] == connector), {"state": "GONE"})


def eventually(check: Callable[[], Any], timeout_s: float = 240.0) -> Any:
    """The first true answer of `check`; fails with the last one."""
    end = time.monotonic() + timeout_s
    while not (answer := check()):
        assert time.monotonic() < end, f"not within {timeout_s} s: {answer!r}"
        time.sleep(0.05)
    return answer


def kafka_settings(bootstrap: str, group: str) -> dict[str, str]:
    """A worker on a single broker, with internal topics of its own."""
    return {
        "bootstrap.servers": bootstrap,
        "group.id": group,
        "config.storage.topic": f"{group}-configs",
        "config.storage.replication.factor": "1",
        "offset.storage.topic": f"{group}-offsets",
        "offset.storage.replication.factor": "1",
        "offset.storage.partitions": "3",
        "status.storage.topic": f"{group}-status",
        "status.storage.replication.factor": "1",
        "topics.storage.topic": f"{group}-topics",
        "views.storage.topic": f"{group}-views",
    }
