"""A stand-in for the runtime: keeps what a source wrote, in memory, and acknowledges as the real one does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from headwater.connectors.postgres.source import PostgresSourceConnector
from headwater.worker.api import Batch, Partition, Position, Progress, Record, Source, TaskContext, Values
from tests.conftest import Database

FAST = {"status.update.interval.ms": "100"}


def parse(database: Database, **options: str) -> Values:
    raw: dict[str, str | None] = {
        "topic.prefix": "t",
        "database.hostname": "127.0.0.1",
        "database.port": str(database.server.port),
        "database.user": "postgres",
        "database.dbname": database.name,
        "slot.name": f"s_{database.name}",
    }
    raw |= FAST | {name.replace("__", "."): text for name, text in options.items()}
    values, problems = PostgresSourceConnector.options.parse(raw)
    assert not problems, problems
    assert not PostgresSourceConnector().validate(values)
    return values


class Driver:
    """What a connector's tasks have put on the log, over several incarnations of the source."""

    def __init__(self, database: Database, **options: str) -> None:
        self.database = database
        self.options = options
        self.positions: dict[bytes, tuple[Partition, Position]] = {}
        self.records: list[Record] = []
        self.batches: list[Batch] = []
        self.complete: dict[str, int] = {}
        self.restarted: list[str] = []
        self.progress: list[Progress] = []
        self.source: Source | None = None

    def open(self, **more: str) -> Driver:
        values = parse(self.database, **(self.options | more))
        self.progress.clear()
        self.stopping = threading.Event()
        context = TaskContext("demo", 0, values, stopping=self.stopping, report_progress=self.progress.append)
        self.source = PostgresSourceConnector().task()
        self.source.open(context, list(self.positions.values()))
        return self

    def step(self, timeout_s: float = 0.2, ack: bool = True) -> Batch | None:
        assert self.source is not None
        batch = self.source.read(timeout_s)
        if batch is None:
            self.source.ack([])
            return None
        self.batches.append(batch)
        self.records += batch.records
        for partition, position in batch.positions:
            place = orjson.dumps(partition)
            if position is None:
                self.positions.pop(place, None)
            else:
                self.positions[place] = (partition, position)
        self.restarted += batch.restarted
        for topic in batch.restarted:
            self.complete.pop(topic, None)
        self.complete |= batch.complete
        if ack:
            self.source.ack(batch.positions)
        return batch

    def until(self, condition: Callable[[], object], timeout_s: float = 300) -> Driver:
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, f"nothing more came; {len(self.records)} records: {self.ops()[-20:]}"
            self.step()
        return self

    def until_records(self, count: int) -> Driver:
        return self.until(lambda: len(self.records) >= count)

    def until_caught_up(self) -> Driver:
        self.until(lambda: self.progress and self.progress[-1].caught_up)
        return self

    def crash(self) -> None:
        """Forget the source without closing it: its connections stay open at the server."""
        self.source = None

    def close(self) -> None:
        if self.source is not None:
            self.source.close()
            self.source = None

    def stream_position(self) -> Position:
        return self.positions[orjson.dumps({"server": "t"})][1]

    def ops(self) -> list[str]:
        return [record.value["op"] if record.value else "-" for record in self.records]

    def afters(self, topic: str) -> list[Mapping[str, Any] | None]:
        return [record.value["after"] for record in self.records if record.topic == topic and record.value]

    def latest(self, topic: str, by_version: bool = False) -> dict[Any, Any]:
        """The topic folded by key: in the order of the log, or as a view that compares versions does."""
        rows: dict[Any, Any] = {}
        versions: dict[Any, int] = {}
        for record in self.records:
            if record.topic != topic:
                continue
            key = tuple(record.key.values())
            assert record.version is not None
            if by_version and record.version < versions.get(key, 0):
                continue
            versions[key] = record.version
            after = record.value and record.value["after"]
            if after is None:
                rows.pop(key, None)
            else:
                rows[key] = after
        return rows

    def versions_never_fall(self, topic: str) -> bool:
        newest: dict[Any, int] = {}
        for record in self.records:
            if record.topic == topic:
                key = tuple(record.key.values())
                assert record.version is not None
                if record.version < newest.get(key, 0):
                    return False
                newest[key] = record.version
        return True
