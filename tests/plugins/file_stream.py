"""Kafka's FileStream connectors by name, options and offsets, so that one REST call makes sense to both workers."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from headwater.worker.api import (
    Batch,
    ConfigError,
    Features,
    Option,
    Options,
    OptionType,
    Partition,
    Position,
    Problem,
    Record,
    Sink,
    SinkBatch,
    SinkConnector,
    Source,
    SourceConnector,
    TaskContext,
    TopicPartition,
    Values,
)


class FileStreamSource(Source):
    def open(self, context: TaskContext, positions: Sequence[tuple[Partition, Position]]) -> None:
        self._topic, self._path = context.values["topic"], Path(context.values["file"])
        self._most = context.values["batch.size"]
        stored = [position for partition, position in positions if partition.get("filename") == str(self._path)]
        self._position = int(stored[0]["position"]) if stored else 0
        self._file: BinaryIO | None = None

    def read(self, timeout_s: float) -> Batch | None:
        if self._file is None and self._path.exists():
            self._file = self._path.open("rb")
            self._file.seek(self._position)
        lines = [line for line in self._lines() if line.endswith(b"\n")]
        if not lines:
            time.sleep(min(timeout_s, 0.1))
            return None
        self._position += sum(map(len, lines))
        records = [Record(self._topic, None, line.rstrip(b"\r\n").decode()) for line in lines]
        return Batch(records, [({"filename": str(self._path)}, {"position": self._position})])

    def _lines(self) -> list[bytes]:
        if self._file is None:
            return []
        self._file.seek(self._position)
        return [self._file.readline() for _ in range(self._most)]

    def close(self) -> None:
        if getattr(self, "_file", None) is not None:
            assert self._file is not None
            self._file.close()


class FileStreamSourceConnector(SourceConnector):
    options = Options(
        Option("file", default=None, importance="high", doc="Source filename."),
        Option("topic", importance="high", doc="The topic to publish data to."),
        Option("batch.size", OptionType.INT, 2000, "Records of one batch at most.", importance="low"),
    )
    version = "1.0"
    features = Features(exactly_once=True)
    doc = "Reads lines from a file."

    def task(self) -> Source:
        return FileStreamSource()

    def alter_offsets(self, values: Values, offsets: Sequence[tuple[Partition, Position | None]]) -> None:
        for _, position in offsets:
            if position is not None and type(position.get("position")) is not int:
                raise ConfigError([Problem("position", "is a whole number")])


class FileStreamSink(Sink):
    def open(self, context: TaskContext) -> None:
        self._file = open(context.values["file"], "a", encoding="utf-8")  # noqa: SIM115 - until `close`
        self._next: dict[TopicPartition, int] = {}

    def write(self, batch: SinkBatch) -> None:
        self._file.writelines(f"{record.value}\n" for record in batch.records)
        self._next.update(batch.next)

    def flush(self) -> dict[TopicPartition, int]:
        self._file.flush()
        done, self._next = self._next, {}
        return done

    def close(self) -> None:
        if hasattr(self, "_file"):
            self._file.close()


class FileStreamSinkConnector(SinkConnector):
    options = Options(Option("file", default=None, importance="high", doc="Destination filename."))
    version = "1.0"
    doc = "Writes lines to a file."

    def task(self) -> Sink:
        return FileStreamSink()
