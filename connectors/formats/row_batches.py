"""Rows of one file or object as batches of records, for every source that reads formats."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from headwater.worker.api import DataError, Record, Schema, struct

from .contract import RAW_SHOWN, BadRow, Place, Row, Unreadable

BATCH_BYTES = 4 * 1024 * 1024

ToRecord = Callable[[Row], Record | None]
"""None: this row makes no record. Raises `DataError` with what is wrong with it, as in "the row has no key"."""
Report = Callable[[BadRow | Unreadable, int], None]
"""Takes what is bad and the line it begins in; returns where that is to be skipped, else raises."""


class RowBatches:
    """What is bad is reported before anything that follows it is read. `place`: where the next row begins."""

    def __init__(
        self, rows: Iterator[Row | BadRow], place: Place, record: ToRecord, report: Report, most_rows: int
    ) -> None:
        self._rows, self.place, self._record, self._report, self._most_rows = rows, place, record, report, most_rows
        self._bad: BadRow | Unreadable | None = None
        self.ended = False

    def next(self) -> list[Record]:
        """Of the next rows, good and bad, `most_rows` at most; empty where they made none, or the end was reached.

        Raises what `report` raises.
        """
        records: list[Record] = []
        size = rows = bad = 0
        self._report_bad()
        while not self.ended and rows + bad < self._most_rows and size < BATCH_BYTES:
            row: Row | BadRow | Unreadable | None
            try:
                row = next(self._rows, None)
                made = self._record(row) if isinstance(row, Row) else None
            except Unreadable as error:
                row = error
            except DataError as error:
                assert isinstance(row, Row)
                row = BadRow(repr(row.value).encode()[:RAW_SHOWN], str(error), row.line, row.next)
            if row is None:
                self.ended = True
            elif isinstance(row, Row):
                if made is not None:
                    records.append(made)
                self.place = row.next
                size += row.size
                rows += 1
            else:
                self._bad = row
                if rows:
                    break
                self._report_bad()
                bad += 1
        return records

    def _report_bad(self) -> None:
        bad, self._bad = self._bad, None
        if bad is None:
            return
        if isinstance(bad, BadRow):
            self._report(bad, bad.line)
            self.place = bad.next
        else:
            self._report(bad, self.place.line + 1)
            self.ended = True

    def close(self) -> None:
        closing: Any = getattr(self._rows, "close", None)
        if closing is not None:
            closing()


class KeyFields:
    """Keys made of fields of the rows: a struct."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        self._schemas: dict[int, tuple[Schema, Schema]] = {}

    def of(self, value: Any, schema: Schema | None) -> tuple[Any, Schema | None]:
        """Key and its schema; both None without names. Raises `DataError` where a field has no value."""
        if not self._names:
            return None, None
        fields = value if isinstance(value, dict) else {}
        missing = [name for name in self._names if fields.get(name) is None]
        if missing:
            raise DataError(f"has no value in {', '.join(missing)}, of which key.fields makes the key")
        return {name: fields[name] for name in self._names}, self._schema(schema)

    def _schema(self, schema: Schema | None) -> Schema | None:
        if schema is None:
            return None
        known = self._schemas.get(id(schema))
        if known is None:
            fields = {name: found.with_(optional=False) for name in self._names if (found := schema.get(name))}
            known = self._schemas[id(schema)] = schema, struct(fields)  # the schema is held, so that its id stays
        return known[1]
