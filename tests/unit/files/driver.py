"""A file source without a worker: what it writes, what is durable, and what happens when it dies in between."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from headwater.connectors.files.source import FileSourceConnector
from headwater.worker.api import Position, Record, SourceConnector, TaskContext

OLD_S = 3600.0


class Driver:
    """`log`: the records that are durable. `stored`: positions, which become durable together with their records."""

    def __init__(
        self, connector: SourceConnector | None = None, task: dict[str, str] | None = None, **options: Any
    ) -> None:
        self.connector = connector or FileSourceConnector()
        raw = {name.replace("_", "."): str(value) for name, value in options.items()}
        if isinstance(self.connector, FileSourceConnector):
            raw = {"topic": "t", "poll.interval.ms": "10"} | raw
        self.values, problems = self.connector.options.parse(raw)
        self.problems = [*problems, *(() if problems else self.connector.validate(self.values))]
        self.task_config = task or {}
        self.log: list[Record] = []
        self.stored: dict[bytes, Position] = {}
        self.bad: list[tuple[Record, Exception]] = []
        self.progress: list[Any] = []

    def start(self, tolerant: bool = False) -> Driver:
        assert not self.problems
        self.source = self.connector.task()
        context = TaskContext("c", 0, self.values, self.task_config, report_progress=self.progress.append)
        if tolerant:
            context.report_bad_record = lambda record, error: self.bad.append((record, error))
        self.source.open(context, [(orjson.loads(p), q) for p, q in self.stored.items()])
        self.waiting: list[Any] = []
        return self

    def read(self, commit: bool = True, ack: bool = True) -> int:
        """One batch; how many records it had."""
        batch = self.source.read(0.01)
        if batch is None:
            return 0
        if commit:
            self.log += batch.records
            for partition, position in batch.positions:
                key = orjson.dumps(dict(partition), option=orjson.OPT_SORT_KEYS)
                if position is None:
                    self.stored.pop(key, None)
                else:
                    self.stored[key] = orjson.loads(orjson.dumps(dict(position)))
            self.waiting += batch.positions
            if ack:
                self.ack()
        return len(batch.records)

    def ack(self) -> None:
        waiting, self.waiting = self.waiting, []
        self.source.ack(waiting)

    def until(self, condition: Callable[[], object], timeout_s: float = 240) -> Driver:
        end = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < end, "it does not come about"
            self.read()
        return self

    def drain(self) -> Driver:
        """Until three rounds of listing in a row have nothing new."""
        idle = 0
        while idle < 3:
            before = len(self.log), dict(self.stored), self.source._rounds
            self.until(lambda before=before: self.source._rounds > before[2])
            idle = idle + 1 if (len(self.log), self.stored) == before[:2] else 0
        return self

    def die(self) -> Driver:
        """What was not committed is gone; nothing is told to the source."""
        self.source.close()
        return self

    @property
    def lines(self) -> list[Any]:
        return [record.value for record in self.log]

    def position(self, path: Path) -> Any:
        return next((p for p in self.stored.values() if p["path"] == str(path)), None)


def write(path: Path, text: str | bytes, age_s: float = OLD_S, append: bool = False) -> Path:
    """A file that was last written to so long ago."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("ab" if append else "wb") as file:
        file.write(text.encode() if isinstance(text, str) else text)
    when = time.time() - age_s
    os.utime(path, (when, when))
    return path
