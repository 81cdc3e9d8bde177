"""The columns of a view's rows, and rows as Arrow's record batches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import pyarrow as pa

from headwater.worker.api import DataError, Record, Schema

from .kinds import Kind, arrow_field, kind_of

_NOTHING: Final[Mapping[str, Sequence[Any]]] = {}
MISFITS: Final = (pa.ArrowException, ValueError, TypeError, OverflowError, KeyError, AttributeError, ArithmeticError)


class BadRow(DataError):
    """`index`: of the row that a column cannot hold, in the rows given. Take it out and make the batch again."""

    def __init__(self, message: str, index: int) -> None:
        super().__init__(message)
        self.index = index


class Layout:
    """Immutable; make one for each record schema and keep it.

    `columns`: names, and schemas of Connect. Raises `DataError` for a schema that no column can hold.
    """

    def __init__(self, columns: Iterable[tuple[str, Schema]]) -> None:
        columns = tuple(columns)
        self._kinds: list[tuple[str, Kind]] = []
        for name, schema in columns:
            try:
                self._kinds.append((name, kind_of(schema)))
            except DataError as error:
                raise DataError(f"column {name}: {error}") from error
        self.arrow: Final[pa.Schema] = pa.schema([arrow_field(name, schema) for name, schema in columns])

    def batch(
        self,
        rows: Sequence[Mapping[str, Any]],
        records: Sequence[Record],
        extra: Mapping[str, Sequence[Any]] = _NOTHING,
    ) -> pa.RecordBatch:
        """`rows`: values by column name, a missing one is null, others are left alone. `extra`: whole columns by name,
        which need not stand in the rows. `records[i]` is what row i came from, for messages.

        Raises `BadRow` where a value does not fit its column.
        """
        arrays = []
        for name, kind in self._kinds:
            given = extra.get(name)
            values = [row.get(name) for row in rows] if given is None else list(given)
            try:
                arrays.append(kind.make(values))
            except MISFITS as error:
                raise _bad_row(name, kind, values, records, error) from error
        return pa.RecordBatch.from_arrays(arrays, schema=self.arrow)


def _bad_row(name: str, kind: Kind, values: list[Any], records: Sequence[Record], error: Exception) -> DataError:
    """Looks for the row that it was; the fast path does not know."""
    for index, value in enumerate(values):
        try:
            kind.make([value])
        except MISFITS as wrong:
            where = records[index].where()
            return BadRow(f"{where}: the field {name} does not fit its column of type {kind.type}: {wrong}", index)
    return DataError(f"{records[0].where()} and later: the column {name} of type {kind.type} cannot be made: {error}")
