"""Lines of one file, as Kafka Connect's FileStreamSource reads them: its options, its positions, its lines.

Source: org.apache.kafka.connect.file.FileStreamSourceConnector and -Task of Kafka 4.3. A line ends with a line feed, a
carriage return, or both; one without an end waits for it. The file stays open under whatever name, like there.
"""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Sequence
from typing import BinaryIO, ClassVar

from headwater.worker.api import (
    Batch,
    ConfigError,
    DataError,
    Fatal,
    Features,
    Option,
    Options,
    OptionType,
    Partition,
    Position,
    Problem,
    Progress,
    Record,
    Retriable,
    Source,
    SourceConnector,
    TaskContext,
    Type,
    Values,
    primitive,
)

from .java_position import byte_position

log = logging.getLogger(__name__)

TEXT = primitive(Type.STRING)
CHUNK = 256 * 1024
LONGEST_LINE = 64 * 1024 * 1024
_END = re.compile(rb"\r\n|\n|\r")
_NO_STDIN = "a task is a process of its own and has no standard input"


class FileStreamSource(Source):
    def open(self, context: TaskContext, positions: Sequence[tuple[Partition, Position]]) -> None:
        self._context = context
        self._topic: str = context.values["topic"]
        self._path: str = context.values["file"]
        self._most: int = context.values["batch.size"]
        self._stored = next((q["position"] for p, q in positions if p.get("filename") == self._path), 0)
        if type(self._stored) is not int or self._stored < 0:
            raise Fatal(
                f"the stored position in {self._path} is {self._stored!r}, not a number of bytes; store a right one "
                "with `headwater offsets`"
            )
        self._file: BinaryIO | None = None
        self._position = 0
        self._rest = b""
        self._searched = 0
        self._waiting = False
        self._cut = False

    def read(self, timeout_s: float) -> Batch | None:
        if self._file is None and not self._begin():
            self._context.stopping.wait(timeout_s)
            return None
        assert self._file is not None
        lines, at_end = self._lines(self._file)
        if at_end:
            self._context.report_progress(Progress("reading", self._position, unit="bytes", caught_up=True))
        if not lines:
            if at_end:
                self._look_for_a_cut(self._file)
                self._context.stopping.wait(timeout_s)
            return None
        now = time.time_ns() // 1_000_000
        records = [Record(self._topic, None, line, None, TEXT, timestamp_ms=now) for line in lines]
        return Batch(records, [({"filename": self._path}, {"position": self._position})])

    def _begin(self) -> bool:
        try:
            file = open(self._path, "rb", buffering=0)  # noqa: SIM115 - until `close`
        except FileNotFoundError:
            if not self._waiting:
                self._waiting = True
                log.warning("%s is not there; it is waited for", self._path)
            self._context.report_progress(Progress("waiting for the file", caught_up=True))
            return False
        except OSError as error:
            raise Retriable(f"{self._path} cannot be opened: {error}") from error
        self._file = file
        self._position = byte_position(file, self._stored, self._path)
        file.seek(self._position)
        return True

    def _lines(self, file: BinaryIO) -> tuple[list[str], bool]:
        """At most `batch.size` lines; True where nothing more is there now."""
        lines: list[str] = []
        at, rest, at_end = 0, self._rest, False
        while len(lines) < self._most:
            end = _END.search(rest, at + self._searched)
            if end is not None and not (end[0] == b"\r" and end.end() == len(rest)):
                # What is not UTF-8 becomes U+FFFD, as in Java.
                lines.append(rest[at : end.start()].decode("utf-8", "replace"))
                at, self._searched = end.end(), 0
                continue
            # No end, or a carriage return whose line feed may be yet to come.
            self._searched = (len(rest) if end is None else end.start()) - at
            if lines:
                break
            chunk = file.read(CHUNK)
            at_end = not chunk
            if at_end:
                break
            rest += chunk
            if len(rest) > LONGEST_LINE:
                raise DataError(f"{self._path}: the line at byte {self._position} is longer than {LONGEST_LINE} bytes")
        self._position += at
        self._rest = rest[at:]
        return lines, at_end

    def _look_for_a_cut(self, file: BinaryIO) -> None:
        size = os.fstat(file.fileno()).st_size
        if size < self._position and not self._cut:
            log.warning(
                "%s was cut off at byte %d, after %d had been read: as in Kafka Connect, nothing is read before it is "
                "longer again", self._path, size, self._position,
            )  # fmt: skip
        self._cut = size < self._position

    def close(self) -> None:
        file, self._file = getattr(self, "_file", None), None
        if file is not None:
            file.close()


def _not_empty(value: object) -> str | None:
    return None if value else "must not be empty"


class FileStreamSourceConnector(SourceConnector):
    options: ClassVar[Options] = Options(
        Option(
            "file", default=None, importance="high", doc=f"The file to read. Standard input is not read: {_NO_STDIN}."
        ),
        Option("topic", importance="high", validate=_not_empty, doc="The topic to write to."),
        Option("batch.size", OptionType.INT, 2000, "Lines of one batch at most.", importance="low"),
    )
    version: ClassVar[str] = "1"
    features: ClassVar[Features] = Features(exactly_once=True)
    doc: ClassVar[str] = "Kafka Connect's file source: the lines of one file, in order. FileSource can do more."

    def validate(self, values: Values) -> list[Problem]:
        return [] if values.get("file") else [Problem("file", f"is needed: {_NO_STDIN}", "name a file")]

    def task(self) -> Source:
        return FileStreamSource()

    def alter_offsets(self, values: Values, offsets: Sequence[tuple[Partition, Position | None]]) -> None:
        problems = []
        for partition, position in offsets:
            if position is None:
                continue
            where = f"offset of {dict(partition)}"
            if "filename" not in partition:
                problems.append(Problem(where, 'has no "filename"'))
            if type(position.get("position")) is not int or position["position"] < 0:
                problems.append(Problem(where, '"position" must be a whole number of bytes'))
        if problems:
            raise ConfigError(problems)
