"""Values as lines at the end of one file, as Kafka Connect's FileStreamSink writes them. At least once.

Source: org.apache.kafka.connect.file.FileStreamSinkConnector and -Task of Kafka 4.3, but that `flush` makes the lines
durable before their offsets are stored.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Sequence
from typing import ClassVar

from headwater.worker.api import (
    Fatal,
    Features,
    Option,
    Options,
    Problem,
    Retriable,
    Sink,
    SinkBatch,
    SinkConnector,
    TaskContext,
    TopicPartition,
    Values,
)

from .java_string import java_string


class FileStreamSink(Sink):
    every_record = True

    def open(self, context: TaskContext) -> None:
        self._path: str = context.values["file"]
        self._next: dict[TopicPartition, int] = {}
        self._descriptor = -1
        try:
            self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        except OSError as error:
            said = f"{self._path} cannot be written to: {error}"
            if error.errno in (errno.ENOSPC, errno.EDQUOT):
                raise Retriable(f"{said}. Headwater tries again until there is room") from error
            raise Fatal(said) from error
        try:
            self._end_a_cut_line()
        except OSError as error:  # of a disk that is still full, say
            raise Retriable(f"{self._path} cannot be written to: {error}. Headwater tries again") from error

    def _end_a_cut_line(self) -> None:
        """A disk that was full, or a machine that went down, may have left half a line: its record comes again."""
        size = os.fstat(self._descriptor).st_size
        if size and os.pread(self._descriptor, 1, size - 1) != b"\n":
            os.write(self._descriptor, b"\n")

    def write(self, batch: SinkBatch) -> None:
        text = "".join(f"{java_string(record.value, record.value_schema)}\n" for record in batch.records)
        data = memoryview(text.encode("utf-8", "replace"))
        try:
            while data:  # whole lines in one call: other tasks may append to the same file
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            raise Retriable(f"{self._path} cannot be written to: {error}. Lines of this batch come again") from error
        self._next.update(batch.next)

    def flush(self) -> dict[TopicPartition, int]:
        try:
            os.fsync(self._descriptor)
        except OSError as error:
            raise Retriable(f"{self._path} cannot be made durable: {error}") from error
        done, self._next = self._next, {}
        return done

    def revoke(self, partitions: Sequence[TopicPartition]) -> None:
        for partition in partitions:
            self._next.pop(partition, None)

    def close(self) -> None:
        descriptor, self._descriptor = getattr(self, "_descriptor", -1), -1
        if descriptor >= 0:
            os.close(descriptor)


class FileStreamSinkConnector(SinkConnector):
    options: ClassVar[Options] = Options(
        Option("file", default=None, importance="high", doc="The file to append to; it has to be named."),
    )
    version: ClassVar[str] = "1"
    features: ClassVar[Features] = Features()
    doc: ClassVar[str] = "Kafka Connect's file sink: each value as a line at the end of a file, at least once."

    def validate(self, values: Values) -> list[Problem]:
        return [] if values.get("file") else [Problem("file", "is needed: a task has no standard output of its own",
                                                      "name a file")]  # fmt: skip

    def task(self) -> Sink:
        return FileStreamSink()
