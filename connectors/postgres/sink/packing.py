"""From changes to rows in the binary form of COPY, the columns in the order of the table.

Source: "Binary Format" in PostgreSQL's reference of COPY.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import Any, Final

from headwater.connectors.debezium.placeholder import Placeholder
from headwater.worker.api import DataError, Record

from .kinds import Kind
from .rows import Cell, Change, Origin, Plan
from .state import TableState

HEADER: Final = b"PGCOPY\n\xff\r\n\0" + struct.pack("!ii", 0, 0)
TRAILER: Final = b"\xff\xff"
NULL: Final = b"\xff\xff\xff\xff"

Field = bytes | None
"""A value with its length in front; None: unchanged, the view keeps what it has."""
Encode = Callable[[Any], Field]

UNPACKABLE: Final = (ValueError, TypeError, OverflowError, AttributeError, KeyError, ArithmeticError, struct.error)
"""What a value raises that its column cannot hold."""

_length: Final = struct.Struct("!i").pack
_FIXED: Final = {"smallint": 2, "integer": 4, "bigint": 8, "real": 4, "double precision": 8, "boolean": 1}
_PLACEHOLDER_KINDS: Final = ("text", "bytea", "jsonb")


def encoder(kind: Kind, cell: Cell, placeholder: Placeholder) -> Encode:
    """From an event's value to the field of a column of `kind`, which may be wider than the cell's own."""
    pack, read = kind.pack, cell.column.read
    if kind.sql in _FIXED:
        prefix = _length(_FIXED[kind.sql])
        return lambda value: NULL if value is None else prefix + pack(read(value))

    def encode(value: Any) -> Field:
        if value is None:
            return NULL
        packed = pack(read(value))
        return _length(len(packed)) + packed

    if kind.sql not in _PLACEHOLDER_KINDS and kind.item is None:
        return encode
    matches = placeholder.matches
    return lambda value: None if value is not None and matches(value) else encode(value)


class Packer:
    """Packs the changes of one plan for one table."""

    def __init__(self, table: TableState, plan: Plan, placeholder: Placeholder) -> None:
        cells = {cell.name: cell for cell in plan.cells}
        self._cells: list[tuple[Cell, Encode] | None] = []
        self._keys: list[int] = []
        for position, column in enumerate(table.columns):
            cell = cells.get(column.name)
            self._cells.append(None if cell is None else (cell, encoder(column.kind, cell, placeholder)))
            if column.key:
                self._keys.append(position)

    def key(self, change: Change) -> list[bytes]:
        """The fields of the key columns. Raises `DataError`."""
        fields = [self._field(change, position) for position in self._keys]
        return [self._checked(change, field, at) for field, at in zip(fields, self._keys, strict=True)]

    def row(self, change: Change) -> list[Field]:
        """The fields of all columns; NULL where the record has none. Raises `DataError`."""
        row = [self._field(change, position) for position in range(len(self._cells))]
        for position in self._keys:
            self._checked(change, row[position], position)
        return row

    def _field(self, change: Change, position: int) -> Field:
        found = self._cells[position]
        if found is None:
            return NULL
        cell, encode = found
        try:
            return encode(change.row.get(cell.field) if cell.origin is Origin.VALUE else value_of(change, cell))
        except UNPACKABLE as error:
            raise DataError(f"{change.record.where()}: column {cell.name} of {change.plan.part}: {error}") from error

    def _checked(self, change: Change, field: Field, position: int) -> bytes:
        if field is None or field == NULL:
            found = self._cells[position]
            name = found[0].name if found else f"number {position + 1}"
            raise DataError(f"{change.record.where()}: the key column {name} of {change.plan.part} has no value")
        return field


def value_of(change: Change, cell: Cell) -> Any:
    record = change.record
    if cell.origin is Origin.VALUE:
        return change.row.get(cell.field)
    if cell.origin is Origin.KEY:
        return record.key.get(cell.field)
    if cell.origin is Origin.WHOLE_KEY:
        return record.key
    if cell.origin is Origin.TOPIC:
        return origin_topic(record)
    return record.partition if cell.origin is Origin.PARTITION else record.offset


def origin_topic(record: Record) -> str:
    """The topic that the record was read from, whatever transforms called it since."""
    return record.origin or record.topic
