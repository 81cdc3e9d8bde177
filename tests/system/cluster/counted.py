"""Ten connectors of a cluster: sources that count, views of what they count, and a check that reads everything."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg

from tests.conftest import Database
from tests.plugins.counting.source import make_upstream, set_mood
from tests.system.runtime.scene import Scene, eventually, once_each

from .cluster import Cluster, Told

WHOLE_S = 240.0
SOURCE_TASKS = (2, 2, 1, 1)
VIEW_TASKS = (2, 1, 1, 1)


class Counted:
    """Four sources, a view of each, another one of the first, and one in PostgreSQL of the second."""

    def __init__(self, cluster: Cluster, database: Database | None = None) -> None:
        """`database`: of the view in PostgreSQL; without one there is a third view of the first source."""
        self.cluster = cluster
        self._database = database
        self.limit = 0
        self.streams = [self._stream(number) for number in range(len(SOURCE_TASKS))]
        self.views = [*self.streams, self._again("again")]
        if database is None:
            self.views.append(self._again("once-more"))
        self.tasks: dict[str, int] = {}

    def _stream(self, number: int) -> Scene:
        scene = Scene(self.cluster.folder / f"stream{number}", 0, self.cluster.settings)
        scene.counter, scene.view = f"counter{number}", f"view{number}"
        scene.topic = f"numbers{number}-{self.cluster.settings['group.id']}"
        set_mood(scene.upstream, "slow")
        return scene

    def _again(self, name: str) -> Scene:
        scene = Scene(self.cluster.folder / name, 0, self.cluster.settings)
        scene.view, scene.topic = name, self.streams[0].topic
        return scene

    def create(self) -> Told:
        """Each asked of another worker; returns when all run."""
        configs = []
        for scene, tasks in zip(self.streams, SOURCE_TASKS, strict=True):
            configs.append(scene.source(tasks_max=tasks, count_batch=5, count_keys=10**9))
        for scene, tasks in zip(self.views, (*VIEW_TASKS, 1, 1), strict=False):
            configs.append(scene.sink(tasks_max=tasks))
        if self._database is not None:
            configs.append(self._postgres(self._database))
        workers = len(self.cluster.workers)
        for number, config in enumerate(configs):
            self.cluster.create(config, by=number % workers)
            self.tasks[config["name"]] = int(config["tasks.max"])
        return self.cluster.settled(self.tasks)

    def _postgres(self, database: Database) -> dict[str, str]:
        return {
            "name": "postgres-view",
            "connector.class": "PostgresSink",
            "topics": self.streams[1].topic,
            "tasks.max": "2",
            "collection.name.format": "counted",
            "connection.url": database.url,
            "connection.username": "postgres",
            "connection.password": "none",
            "restart.backoff.initial.ms": "50",
            "restart.backoff.max.ms": "200",
        }

    def count_on(self, numbers: int) -> None:
        """Let all sources count so many further; they need some seconds for a thousand."""
        self.limit += numbers
        for scene in self.streams:
            make_upstream(scene.upstream, self.limit)

    def check(self) -> None:
        """Every number lies on the log once, and stands in every view once."""
        wanted = Counter(once_each(self.limit))
        for scene in self.streams:
            eventually(lambda scene=scene: len(scene.numbers()) > self.limit, WHOLE_S)  # type: ignore[misc]
            assert scene.numbers() == wanted, wrong(scene.numbers(), wanted)
        for scene in self.views:
            eventually(lambda scene=scene: len(scene.rows()) > self.limit, WHOLE_S)  # type: ignore[misc]
            assert scene.rows() == wanted, wrong(scene.rows(), wanted)
        if self._database is not None:
            eventually(lambda: len(self.in_postgres()) > self.limit, WHOLE_S)
            assert Counter(self.in_postgres()) == wanted

    def in_postgres(self) -> list[int]:
        """The numbers in the view; of every row the key says the same."""
        assert self._database is not None
        try:
            with self._database.connect() as connection:
                found: list[Any] = connection.execute("SELECT id, n FROM counted").fetchall()
        except psycopg.errors.UndefinedTable:
            return []
        assert all(key == n for key, n in found)
        return [n for _, n in found]

    @contextmanager
    def counting(self, what: str, numbers: int = 1000) -> Iterator[None]:
        """Something happens while they count; afterwards everything runs once, and nothing is lost or doubled."""
        self.count_on(numbers)
        began = time.monotonic()
        yield
        self.cluster.settled(self.tasks)
        print(
            f"{what}: all {sum(self.tasks.values())} tasks run, and all say so, {time.monotonic() - began:.1f} s after"
        )
        self.check()
        self.cluster.settled(self.tasks)


def wrong(found: Counter[int], wanted: Counter[int]) -> str:
    """The first of what is lost or doubled."""
    return f"missing {sorted(wanted - found)[:20]}, too many {sorted(found - wanted)[:20]}"


def moved(before: Told, after: Told) -> set[tuple[str, int]]:
    """Tasks whose process is another one."""
    return {key for key in before if before[key].pid != after[key].pid}
