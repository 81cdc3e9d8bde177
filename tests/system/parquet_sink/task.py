"""A task of the view to give records to, and what readers see."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from headwater.connectors.parquet.sink import ParquetSinkConnector
from headwater.connectors.parquet.sink.sink import ParquetSink
from headwater.worker.api import Record, SinkBatch, TaskContext, TopicPartition, Values
from tests.system.postgres_sink.records import PARTITION, TOPIC


def values(root: str | Path, **options: str) -> Values:
    """Parsed options; `_` in a name stands for a dot."""
    raw: dict[str, str | None] = {"path": str(root)}
    raw |= {name.replace("_", "."): value for name, value in options.items()}
    parsed, problems = ParquetSinkConnector.options.parse(raw)
    problems += ParquetSinkConnector().validate(parsed)
    assert not problems, problems
    return parsed


class Task:
    """One task at work on partitions of which it knows how far it has read."""

    def __init__(
        self,
        values: Values,
        *partitions: TopicPartition,
        generation: int = 1,
        topic_id: str = "id-1",
        view: str = "view",
    ) -> None:
        self.bad: list[tuple[Record, Exception]] = []
        self.context = TaskContext(view, 0, values, generation=generation)
        self.context.report_bad_record = lambda record, error: self.bad.append((record, error))
        self.sink = ParquetSink()
        self.sink.open(self.context)
        self.assigned = self.sink.assign(dict.fromkeys(partitions or (PARTITION,), topic_id))
        self.at = {partition: offset or 0 for partition, offset in self.assigned.items()}

    def write(self, records: Iterable[Record]) -> None:
        self.sink.write(self.batch(records))

    def batch(self, records: Iterable[Record]) -> SinkBatch:
        taken = list(records)
        first = dict(self.at)
        for record in taken:
            assert record.partition is not None and record.offset is not None
            self.at[TopicPartition(record.topic, record.partition)] = record.offset + 1
        moved = {p: n for p, n in self.at.items() if n != first[p]}
        return SinkBatch(taken, {p: first[p] for p in moved}, moved)

    def put(self, *records: Record) -> dict[TopicPartition, int]:
        self.write(records)
        return self.sink.flush()

    def __enter__(self) -> Task:
        return self

    def __exit__(self, *_: object) -> None:
        self.sink.close()


def current(root: str | Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Path(root, "current.json").read_bytes())
    return document


def rows(root: str | Path, table: str = TOPIC) -> list[dict[str, Any]]:
    """What a reader sees, by offset where there is one, else by id."""
    found: list[dict[str, Any]] = ds.dataset(current(root)["tables"][table]["files"]).to_table().to_pylist()
    return sorted(
        found, key=lambda row: (row.get("__partition"), row.get("__offset")) if "__offset" in row else row["id"]
    )
