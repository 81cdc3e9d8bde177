"""A task of the view to give records to, and what readers see."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow.dataset as ds

from headwater.connectors.parquet.sink import ParquetSinkConnector
from headwater.connectors.parquet.sink.sink import ParquetSink
from headwater.worker.api import TopicPartition, Values
from tests.sink_task import SinkTask
from tests.system.postgres_sink.records import PARTITION, TOPIC


def values(root: str | Path, **options: str) -> Values:
    """Parsed options; `_` in a name stands for a dot."""
    raw: dict[str, str | None] = {"path": str(root)}
    raw |= {name.replace("_", "."): value for name, value in options.items()}
    parsed, problems = ParquetSinkConnector.options.parse(raw)
    problems += ParquetSinkConnector().validate(parsed)
    assert not problems, problems
    return parsed


class Task(SinkTask):
    """One task of the view; of one partition where none is named."""

    sink: ParquetSink

    def __init__(self, values: Values, *partitions: TopicPartition, **options: Any) -> None:
        super().__init__(ParquetSink(), values, *(partitions or (PARTITION,)), **options)

    def __enter__(self) -> Task:
        return self


def current(root: str | Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(Path(root, "current.json").read_bytes())
    return document


def rows(root: str | Path, table: str = TOPIC) -> list[dict[str, Any]]:
    """What a reader sees, by offset where there is one, else by id."""
    found: list[dict[str, Any]] = ds.dataset(current(root)["tables"][table]["files"]).to_table().to_pylist()
    return sorted(
        found, key=lambda row: (row.get("__partition"), row.get("__offset")) if "__offset" in row else row["id"]
    )
