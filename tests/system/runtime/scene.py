"""One worker's folder with an upstream, a log and a view in it, and what the tests count there."""

from __future__ import annotations

import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from headwater.worker.api import TopicPartition
from headwater.worker.log import Message, open_log
from headwater.worker.runtime.supervised import Work
from headwater.worker.runtime.supervisor import Supervisor
from headwater.worker.runtime.task_spec import TaskSpec
from tests.plugins.counting.source import make_upstream

MODULE = "headwater.worker.runtime.task_process"


class Scene:
    def __init__(self, folder: Path, limit: int) -> None:
        self.data = folder / "data"
        self.data.mkdir(parents=True)
        self.upstream = str(folder / "upstream.db")
        self.table = str(folder / "view.db")
        self.folder = folder
        make_upstream(self.upstream, limit)

    def source(self, **options: Any) -> dict[str, str]:
        return {
            "name": "counter",
            "connector.class": "CountingSource",
            "count.file": self.upstream,
            "count.topic": "numbers",
            "restart.backoff.initial.ms": "50",
            "restart.backoff.max.ms": "200",
        } | {name.replace("_", "."): str(value) for name, value in options.items()}

    def sink(self, **options: Any) -> dict[str, str]:
        return {
            "name": "view",
            "connector.class": "TableSink",
            "topics": "numbers",
            "table.file": self.table,
            "restart.backoff.initial.ms": "50",
            "restart.backoff.max.ms": "200",
        } | {name.replace("_", "."): str(value) for name, value in options.items()}

    def spec(self, raw: dict[str, str], task: int = 0, tasks: int = 1, **more: Any) -> TaskSpec:
        config = {"task.number": str(task), "task.count": str(tasks)} if "count.file" in raw else {}
        return TaskSpec(raw["name"], task, tasks, raw, config, data_dir=str(self.data), **more)

    def messages(self, topic: str = "numbers") -> list[Message]:
        """All that a read-committed reader sees."""
        log = open_log({}, self.data)
        try:
            info = log.topics([topic]).get(topic)
            if info is None:
                return []
            partitions = [TopicPartition(topic, n) for n in range(info.partitions)]
            consumer = log.consumer()
            consumer.assign(log.begin_offsets(partitions))
            ends = log.end_offsets(partitions)
            found: list[Message] = []
            while any(consumer.position()[tp] < end for tp, end in ends.items()):
                found += consumer.poll(5000, 1.0)
            consumer.close()
            return found
        finally:
            log.close()

    def numbers(self, topic: str = "numbers") -> Counter[int]:
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


def state_of(supervisor: Supervisor, connector: str) -> dict[str, Any]:
    return next((s for s in supervisor.snapshot() if s["connector"] == connector), {"state": "GONE"})


def eventually(check: Callable[[], Any], timeout_s: float = 20.0) -> Any:
    """The first true answer of `check`; fails with the last one."""
    end = time.monotonic() + timeout_s
    while not (answer := check()):
        assert time.monotonic() < end, f"not within {timeout_s} s: {answer!r}"
        time.sleep(0.05)
    return answer
