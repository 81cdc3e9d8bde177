"""One file's rows as batches of records, from its position on."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from headwater.connectors.formats import BadRow, Format, Place, Row, Unreadable
from headwater.worker.api import Batch, DataError, Header, Record, Schema, Type, primitive, struct

from .open_file import OpenFile
from .position import FilePosition

FILE_HEADER = "headwater.file"
LINE_HEADER = "headwater.line"
_PATH = primitive(Type.STRING)
_LINE = primitive(Type.INT64)
BATCH_BYTES = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Shape:
    """What becomes of a row. `report` takes a bad one; it returns where that one is to be skipped."""

    topic: str
    key_fields: Sequence[str]
    headers: bool
    most_rows: int
    report: Callable[[Record, Exception], None]


class Reading:
    """Batches of one open file until its end. What is bad is reported before anything that follows it is read."""

    def __init__(self, file: OpenFile, position: FilePosition, format: Format, shape: Shape) -> None:
        self.file = file
        self.position = position
        self._shape = shape
        self._rows: Iterator[Row | BadRow] = format.rows(file, position.place)
        self._key_schemas: dict[int, tuple[Schema, Schema | None]] = {}
        self._bad: tuple[BadRow | Unreadable, Place] | None = None
        self.ended = False

    def batch(self) -> Batch | None:
        """The next rows. None: the end was reached with nothing to tell. Raises what `report` raises."""
        records: list[Record] = []
        place, size = self.position.place, 0
        if self._bad is not None:
            place = self._report(*self._bad)
            self._bad = None
        while not self.ended and len(records) < self._shape.most_rows and size < BATCH_BYTES:
            row: Row | BadRow | Unreadable | None
            try:
                row = next(self._rows, None)
            except Unreadable as error:
                row = error
            if row is None:
                self.ended = True
            elif isinstance(row, Row) and (record := self._record(row)) is not None:
                records.append(record)
                place = row.next
                size += row.size
            else:
                self._bad = self._what_is_wrong(row), place
                if records:
                    break
                place = self._report(*self._bad)
                self._bad = None
        return self._batch(records, place)

    def _batch(self, records: list[Record], place: Place) -> Batch | None:
        before = self.position
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

    def _record(self, row: Row) -> Record | None:
        """None where fields of the key are missing."""
        shape = self._shape
        headers: tuple[Header, ...] = ()
        if shape.headers:
            headers = Header(FILE_HEADER, self.file.path, _PATH), Header(LINE_HEADER, row.line, _LINE)
        key, key_schema = None, None
        if shape.key_fields:
            if not isinstance(row.value, dict) or any(row.value.get(name) is None for name in shape.key_fields):
                return None
            key = {name: row.value[name] for name in shape.key_fields}
            key_schema = self._key_schema(row.schema)
        return Record(shape.topic, key, row.value, key_schema, row.schema, headers)

    def _key_schema(self, schema: Schema | None) -> Schema | None:
        if schema is None:
            return None
        known = self._key_schemas.get(id(schema))
        if known is None:
            fields = {
                name: found.with_(optional=False) for name in self._shape.key_fields if (found := schema.get(name))
            }
            known = self._key_schemas[id(schema)] = schema, struct(fields)
        return known[1]

    def _what_is_wrong(self, row: Row | BadRow | Unreadable) -> BadRow | Unreadable:
        if not isinstance(row, Row):
            return row
        has = row.value if isinstance(row.value, dict) else {}
        missing = [name for name in self._shape.key_fields if has.get(name) is None]
        raw = repr(row.value).encode()[:1000]
        return BadRow(
            raw, f"has no value in {', '.join(missing)}, of which key.fields makes the key", row.line, row.next
        )

    def _report(self, bad: BadRow | Unreadable, place: Place) -> Place:
        """Returns where to go on; raises where this row is not to be skipped."""
        path = self.file.path
        if isinstance(bad, BadRow):
            raw, line, what = bad.raw, bad.line, bad.reason
            message = f"{path}, line {line}: the row {what}"
        else:
            self.ended = True
            raw, line = b"", place.line + 1
            message = f"{path} cannot be read from line {line} on: {bad}. Tolerated, the rest of it is left out"
        headers = Header(FILE_HEADER, path, _PATH), Header(LINE_HEADER, line, _LINE)
        self._shape.report(Record(self._shape.topic, None, raw, headers=headers), DataError(message))
        return bad.next if isinstance(bad, BadRow) else place

    def close(self) -> None:
        closing: Any = getattr(self._rows, "close", None)
        if closing is not None:
            closing()
        self.file.close()


def quiet(mtime_ns: int, complete_after_ms: int) -> bool:
    """Has nobody written to it for so long?"""
    return time.time_ns() - mtime_ns >= complete_after_ms * 1_000_000
