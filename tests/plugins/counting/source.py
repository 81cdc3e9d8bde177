"""Counts: record n has key n % keys and value {"n": n, …}. The upstream is a SQLite file that says how far to count.

The file is also where the tests look: table `acked` holds every position that was acknowledged.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Sequence
from pathlib import Path

from headwater.worker.api import (
    Batch,
    Fatal,
    Features,
    Option,
    Options,
    OptionType,
    Partition,
    Position,
    Progress,
    Record,
    Retriable,
    Source,
    SourceConnector,
    TaskConfig,
    TaskContext,
    TopicSettings,
    Type,
    Values,
    primitive,
    struct,
)

KEY = struct({"id": primitive(Type.INT64)})
FAR_AHEAD_MS = 4_000_000_000_000
"""Year 2096: retention by time deletes none of the records."""
VALUE = struct({"n": primitive(Type.INT64), "padding": primitive(Type.STRING)})


def make_upstream(path: str, limit: int) -> None:
    """Let sources with this file count up to `limit`."""
    with sqlite3.connect(path, timeout=30) as db:
        db.execute("CREATE TABLE IF NOT EXISTS upstream (one INTEGER PRIMARY KEY, last INTEGER, mood TEXT)")
        db.execute("CREATE TABLE IF NOT EXISTS acked (task INTEGER, n INTEGER, at REAL)")
        db.execute("CREATE TABLE IF NOT EXISTS opened (task INTEGER, pid INTEGER, n INTEGER)")
        db.execute(
            "INSERT INTO upstream VALUES (1, ?, '') ON CONFLICT (one) DO UPDATE SET last = excluded.last", (limit,)
        )


def set_mood(path: str, mood: str) -> None:
    """`` all is well, `down` Retriable, `broken` Fatal, `slow` reading waits, `hang` reading never returns."""
    with sqlite3.connect(path, timeout=30) as db:
        db.execute("UPDATE upstream SET mood = ?", (mood,))


class CountingSource(Source):
    def open(self, context: TaskContext, positions: Sequence[tuple[Partition, Position]]) -> None:
        values = context.values
        self._context = context
        self._task = int(context.task_config["task.number"])
        self._step = int(context.task_config["task.count"])
        self._topic, self._keys = values["count.topic"], values["count.keys"]
        self._whole = values["count.whole"]
        self._batch, self._padding = values["count.batch"], "x" * values["count.padding"]
        self._db = sqlite3.connect(values["count.file"], timeout=30, isolation_level=None)
        stored = {p["task"]: p2["n"] for p, p2 in positions}
        self._n = stored.get(self._task, self._task - self._step)
        self._goal = self._upstream()[0]
        self._db.execute("INSERT INTO opened VALUES (?, ?, ?)", (self._task, os.getpid(), self._n))

    def _upstream(self) -> tuple[int, str]:
        row: tuple[int, str] = self._db.execute("SELECT last, mood FROM upstream").fetchone()
        return row

    def read(self, timeout_s: float) -> Batch | None:
        last, mood = self._upstream()
        if mood == "down":
            raise Retriable("the upstream is down", after_s=0.1)
        if mood == "broken":
            raise Fatal("the upstream is broken")
        if mood == "hang":
            time.sleep(3600)
        if mood == "slow":
            time.sleep(0.02)
        first = self._n + self._step
        end = (first // self._whole + 1) * self._whole if self._whole else last + 1
        numbers = range(first, min(last + 1, end, first + self._batch * self._step), self._step)
        if self._n + self._step > self._goal:
            self._context.report_progress(Progress("counting", self._n, self._goal, caught_up=True))
        if not numbers:
            time.sleep(min(timeout_s, 0.05))
            return None
        self._n = numbers[-1]
        records = [self._record(n) for n in numbers]
        ends = not self._whole or self._n + self._step >= end
        return Batch(records, [({"task": self._task}, {"format": 1, "n": self._n})], ends)

    def _record(self, n: int) -> Record:
        value = {"n": n, "padding": self._padding}
        return Record(self._topic, {"id": n % self._keys}, value, KEY, VALUE, timestamp_ms=FAR_AHEAD_MS + n, version=n)

    def topic(self, name: str) -> TopicSettings:
        return TopicSettings(partitions=2, config={"message.timestamp.after.max.ms": str(FAR_AHEAD_MS)})

    def ack(self, positions: Sequence[tuple[Partition, Position | None]]) -> None:
        numbers = [position["n"] for _, position in positions if position is not None] or [-1]
        self._db.execute("INSERT INTO acked VALUES (?, ?, ?)", (self._task, max(numbers), time.time()))

    def close(self) -> None:
        if hasattr(self, "_db"):
            self._db.close()


class CountingSourceConnector(SourceConnector):
    options = Options(
        Option("count.file"),
        Option("count.topic"),
        Option("count.keys", OptionType.INT, 10),
        Option("count.batch", OptionType.INT, 100),
        Option("count.whole", OptionType.INT, 0, "So many numbers are one transaction of the source's own."),
        Option("count.padding", OptionType.INT, 0),
        Option("count.password", OptionType.PASSWORD, None),
    )
    features = Features(exactly_once=True, transactions=True)

    def plan_tasks(self, values: Values, max_tasks: int) -> list[TaskConfig]:
        return [{"task.number": str(n), "task.count": str(max_tasks)} for n in range(max_tasks)]

    def alter_offsets(self, values: Values, offsets: Sequence[tuple[Partition, Position | None]]) -> None:
        """Waits while there is a file COUNT.FILE.wait, and makes COUNT.FILE.waits then."""
        wait = Path(f"{values['count.file']}.wait")
        while wait.exists():
            wait.with_suffix(".waits").touch()
            time.sleep(0.02)

    def task(self) -> CountingSource:
        return CountingSource()
