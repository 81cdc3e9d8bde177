"""From changes to rows in the binary form of COPY, the columns in the order of the table.

Source: "Binary Format" in PostgreSQL's reference of COPY.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Any, Final

from headwater.connectors.debezium.placeholder import Placeholder
from headwater.worker.api import DataError, Record

from .kinds import Kind
from .rows import Cell, Change, Origin, Plan, header_value
from .state import TableState

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
TRAILER: Final = b"\xff\xff"
NULL: Final = b"\xff\xff\xff\xff"

Field = bytes | None
"""A value with its length in front; None: unchanged, the view keeps what it has."""
Encode = Callable[[Any], Field]
"""From an event's value, never None."""

UNPACKABLE: Final = (ValueError, TypeError, OverflowError, AttributeError, KeyError, ArithmeticError, struct.error)
"""What a value raises that its column cannot hold."""

_length: Final = struct.Struct("!i").pack
_TRUE: Final = b"\0\0\0\1\1"
_FALSE: Final = b"\0\0\0\1\0"
# with its length in front, in one call; rounding to four bytes is what `_float32` in columns does
_PLAIN_NUMBERS: Final[dict[str, Encode]] = {
    "smallint": partial(struct.Struct("!ih").pack, 2),
    "integer": partial(struct.Struct("!ii").pack, 4),
    "bigint": partial(struct.Struct("!iq").pack, 8),
    "real": partial(struct.Struct("!if").pack, 4),
    "double precision": partial(struct.Struct("!id").pack, 8),
}
_PLACEHOLDER_KINDS: Final = ("text", "bytea", "jsonb")


def encoder(kind: Kind, cell: Cell, placeholder: Placeholder) -> Encode:
    """From an event's value to the field of a column of `kind`, which may be wider than the cell's own."""
    pack, read, own = kind.pack, cell.column.read, cell.column.kind.sql
    if kind.sql in _PLAIN_NUMBERS and (own == kind.sql or own in ("smallint", "integer", "bigint")):
        return _PLAIN_NUMBERS[kind.sql]
    if kind.sql == "boolean":
        return lambda value: _TRUE if value else _FALSE
    if kind.sql in ("text", "text[]") and own != kind.sql:
        pack = _as_text(kind, cell.column.kind)
    if kind.sql in _PLACEHOLDER_KINDS or kind.item is not None:
        matches = placeholder.matches

        def encode_or_keep(value: Any) -> Field:
            if matches(value):
                return None
            packed = pack(read(value))
            return _length(len(packed)) + packed

        return encode_or_keep

    def encode(value: Any) -> Field:
        packed = pack(read(value))
        return _length(len(packed)) + packed

    return encode


def _as_text(kind: Kind, own: Kind) -> Callable[[Any], bytes]:
    """Numbers and booleans in a column that has become text."""
    if own.item is None:
        return own.canonical
    show, pack = own.item.canonical, kind.pack
    return lambda items: pack([None if item is None else show(item).decode() for item in items])


class Packer:
    """Packs the changes of one plan for one table. `keeps`: columns that the plan lacks stay as they are in the view;
    else they become NULL."""

    def __init__(self, table: TableState, plan: Plan, placeholder: Placeholder, keeps: bool = False) -> None:
        cells = {cell.name: cell for cell in plan.cells}
        self._part = plan.part
        self._empty: list[Field] = [None if keeps and c.name not in cells else NULL for c in table.columns]
        self._values: list[tuple[int, str, Encode]] = []
        self._others: list[tuple[int, Cell, Encode]] = []
        self._cells: dict[int, tuple[Cell, Encode]] = {}
        self._keys: list[tuple[int, str]] = []
        for position, column in enumerate(table.columns):
            cell = cells.get(column.name)
            if column.key:
                self._keys.append((position, column.name))
            if cell is None:
                continue
            encode = encoder(column.kind, cell, placeholder)
            self._cells[position] = (cell, encode)
            if cell.origin is Origin.VALUE:
                self._values.append((position, cell.field, encode))
            else:
                self._others.append((position, cell, encode))

    def row(self, change: Change) -> list[Field]:
        """The fields of all columns. Raises `DataError`."""
        fields, get = self._empty.copy(), change.row.get
        try:
            for position, field, encode in self._values:
                value = get(field)
                if value is not None:
                    fields[position] = encode(value)
            for position, cell, encode in self._others:
                value = value_of(change, cell)
                if value is not None:
                    fields[position] = encode(value)
        except UNPACKABLE as error:
            raise self._refused(change, error) from error
        return fields

    def key_row(self, change: Change) -> list[Field]:
        """The same with the key columns alone."""
        fields = self._empty.copy()
        try:
            for position, _ in self._keys:
                cell, encode = self._cells[position]
                value = value_of(change, cell)
                if value is not None:
                    fields[position] = encode(value)
        except UNPACKABLE as error:
            raise self._refused(change, error) from error
        return fields

    def key_of(self, change: Change, row: list[Field]) -> list[bytes]:
        """The fields of the key columns in a row. Raises `DataError` where one has no value."""
        found = []
        for position, name in self._keys:
            field = row[position]
            if field is None or field is NULL:
                raise DataError(f"{change.record.where()}: the key column {name} of {self._part} has no value")
            found.append(field)
        return found

    def _refused(self, change: Change, error: Exception) -> DataError:
        """Looks for the column that it was; the hot path does not know."""
        for cell, encode in self._cells.values():
            value = value_of(change, cell)
            try:
                if value is not None:
                    encode(value)
            except UNPACKABLE as same:
                return DataError(f"{change.record.where()}: column {cell.name} of {self._part}: {same}")
        return DataError(f"{change.record.where()}: a value for {self._part} cannot be written: {error}")


def value_of(change: Change, cell: Cell) -> Any:
    record = change.record
    if cell.origin is Origin.VALUE:
        return change.row.get(cell.field)
    if cell.origin is Origin.KEY:
        return record.key.get(cell.field)
    if cell.origin is Origin.WHOLE_KEY:
        return record.key
    if cell.origin is Origin.HEADER:
        return header_value(record, cell.field)
    if cell.origin is Origin.TOPIC:
        return origin_topic(record)
    return record.partition if cell.origin is Origin.PARTITION else record.offset


def origin_topic(record: Record) -> str:
    """The topic that the record was read from, whatever transforms called it since."""
    return record.origin or record.topic
