"""One file's rows as batches of records, from its position on."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from headwater.connectors.formats import (
    BadRow,
    Format,
    KeyFields,
    Row,
    RowBatches,
    Unreadable,
    bad_record,
    origin_headers,
)
from headwater.worker.api import Batch, Header, Record

from .open_file import OpenFile
from .position import FilePosition


@dataclass(frozen=True, slots=True)
class Shape:
    """What becomes of a row. `report` takes a bad one; it returns where that one is to be skipped."""

    topic: str
    key_fields: Sequence[str]
    headers: bool
    most_rows: int
    report: Callable[[Record, Exception], None]


class Reading:
    """Batches of one open file until its end."""

    def __init__(self, file: OpenFile, position: FilePosition, format: Format, shape: Shape) -> None:
        self.file = file
        self.position = position
        self._shape = shape
        self._keys = KeyFields(shape.key_fields)
        rows = format.rows(file, position.place)
        self._rows = RowBatches(rows, position.place, self._record, self._report, shape.most_rows)

    @property
    def ended(self) -> bool:
        return self._rows.ended

    def batch(self) -> Batch | None:
        """The next rows. None: the end was reached with nothing to tell. Raises what `report` raises."""
        records = self._rows.next()
        before, place = self.position, self._rows.place
        if place != before.place:
            self.position = before.moved_to(place, self.file.descriptor, self.file.plain)
        if self.ended:
            self._end()
        if self.position == before and not records:
            return None
        moment = self.file.mtime_ns // 1_000_000 if records else None
        return Batch(records, [(self.position.partition, self.position.stored())], committed_ms=moment)

    def _end(self) -> None:
        file = self.file
        self.position = replace(self.position, path=file.path, size=file.size, mtime_ns=file.mtime_ns,
                                done=file.complete)  # fmt: skip

    def _record(self, row: Row) -> Record:
        headers: tuple[Header, ...] = ()
        if self._shape.headers:
            headers = origin_headers(self.file.path, row.line)
        key, key_schema = self._keys.of(row.value, row.schema)
        return Record(self._shape.topic, key, row.value, key_schema, row.schema, headers)

    def _report(self, bad: BadRow | Unreadable, line: int) -> None:
        self._shape.report(*bad_record(self._shape.topic, self.file.path, line, bad))

    def close(self) -> None:
        self._rows.close()
        self.file.close()


def quiet(mtime_ns: int, complete_after_ms: int) -> bool:
    """Has nobody written to it for so long?"""
    return time.time_ns() - mtime_ns >= complete_after_ms * 1_000_000
