"""A view in a SQLite file that holds its own offsets, one table a generation: exactly once, fenced by its offsets."""

from __future__ import annotations

import os
import signal
import sqlite3
from collections.abc import Mapping, Sequence, Set
from pathlib import Path

from headwater.worker.api import (
    DataError,
    Fatal,
    Features,
    Fenced,
    Option,
    Options,
    OptionType,
    Record,
    Retriable,
    Sink,
    SinkBatch,
    SinkConnector,
    TaskContext,
    TopicPartition,
)


class TableSink(Sink):
    def open(self, context: TaskContext) -> None:
        self._context = context
        self._values = context.values
        self._table = f"view_g{context.generation}"
        self._db = sqlite3.connect(context.values["table.file"], timeout=30, isolation_level=None)
        self._db.execute(
            f"CREATE TABLE IF NOT EXISTS {self._table} (topic, partition, offset, n, key, version, task, "
            "UNIQUE (topic, partition, offset))"
        )
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS offsets (generation, topic, partition, topic_id, next, "
            "PRIMARY KEY (generation, topic, partition))"
        )
        self._batches: list[SinkBatch] = []

    def assign(self, partitions: Mapping[TopicPartition, str]) -> dict[TopicPartition, int | None]:
        found: dict[TopicPartition, int | None] = {}
        for tp, topic_id in partitions.items():
            row = self._db.execute(
                "SELECT topic_id, next FROM offsets WHERE generation = ? AND topic = ? AND partition = ?",
                (self._context.generation, *tp),
            ).fetchone()
            if row is not None and row[0] != topic_id:
                raise Fatal(f"the view holds another topic {tp.topic}")
            found[tp] = None if row is None else row[1]
            self._db.execute(
                "INSERT INTO offsets VALUES (?, ?, ?, ?, NULL) ON CONFLICT DO NOTHING",
                (self._context.generation, *tp, topic_id),
            )
        return found

    def write(self, batch: SinkBatch) -> None:
        if self._values["table.mood.file"] and os.path.exists(self._values["table.mood.file"]):
            raise Retriable("the view is down", after_s=0.1)
        if self._values["table.dies.file"] and self._batches:
            self.flush()
        self._batches.append(batch)

    def _die(self, numbers: Set[int]) -> None:
        """Once, right after the record that it refuses, whoever asked for a flush."""
        died = Path(self._values["table.dies.file"])
        if self._values["table.refuses"] in numbers and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    def flush(self) -> dict[TopicPartition, int]:
        done: dict[TopicPartition, int] = {}
        self._db.execute("BEGIN IMMEDIATE")
        try:
            for batch in self._batches:
                self._move(batch)
                for record in batch.records:
                    self._insert(record)
                done.update(batch.next)
            self._db.execute("COMMIT")
        except BaseException:
            self._db.execute("ROLLBACK")
            raise
        if self._values["table.dies.file"]:
            self._die({record.value["n"] for batch in self._batches for record in batch.records})
        self._batches = []
        return done

    def _move(self, batch: SinkBatch) -> None:
        for tp, first in batch.first.items():
            changed = self._db.execute(
                "UPDATE offsets SET next = ? WHERE generation = ? AND topic = ? AND partition = ? "
                "AND coalesce(next, ?) = ?",
                (batch.next[tp], self._context.generation, *tp, first, first),
            ).rowcount
            if changed != 1:
                raise Fenced(f"{tp} does not stand at {first} any more")

    def _insert(self, record: Record) -> None:
        n = record.value["n"]
        if self._values["table.refuses"] == n:
            assert self._context.report_bad_record is not None
            self._context.report_bad_record(record, DataError(f"{n} is refused"))
            return
        self._db.execute(
            f"INSERT INTO {self._table} VALUES (?, ?, ?, ?, ?, ?, ?)",
            (record.topic, record.partition, record.offset, n, record.key["id"], record.version, self._context.task),
        )

    def revoke(self, partitions: Sequence[TopicPartition]) -> None:
        return None

    def close(self) -> None:
        if hasattr(self, "_db"):
            self._db.close()


class TableSinkConnector(SinkConnector):
    options = Options(
        Option("table.file"),
        Option("table.mood.file", default=""),
        Option("table.dies.file", default=""),
        Option("table.refuses", OptionType.INT, -1),
    )
    features = Features(exactly_once=True)

    def task(self) -> TableSink:
        return TableSink()
