"""What records should make of the view, computed without the code that writes it.

Shared are `rows` (which column a field becomes) and `columns` (its type and canonical form). Records whose event leaves
out a large value: the earlier values of rows that are large enough to have been TOASTed are remembered.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from headwater.connectors.formats.view_columns import COORDINATES
from headwater.worker.api import DataError, ExpectedRow, Record, Values

from ..columns import key_texts, row_digests
from .batches import make_batch
from .options import LATEST_STATE
from .partitioning import Partitioning
from .rows import Row, Rows, Shape

TOASTED_FROM: Final = 1000
"""Characters or bytes in a row's large columns below which no server moves a value out of line (it begins at 2 kB)."""
_AT_ONCE: Final = 5_000


class Expectation:
    """For one reading of the log in order."""

    def __init__(self, values: Values) -> None:
        self._latest = values["view.mode"] == LATEST_STATE
        self._rows = Rows(values)
        self._partitioning = Partitioning(values)
        self._remembered: dict[tuple[str, bytes], Mapping[str, Any]] = {}

    def rows(self, records: Iterable[Record]) -> Iterator[ExpectedRow]:
        held: list[Row] = []
        for record in records:
            try:
                row = self._rows.row(record)
                if row is not None:
                    self._partitioning.folder(row)
                    held.append(row)
            except DataError:
                continue  # the view hands such a record over as bad and stays as it was
            if len(held) == _AT_ONCE:
                yield from self._expected(held)
                held = []
        yield from self._expected(held)

    def _expected(self, rows: list[Row]) -> Iterator[ExpectedRow]:
        """In the order of the rows."""
        keys = self._keys(rows) if self._latest else {}
        ready = [row for row in rows if id(row) in keys] if self._latest else rows
        unfilled = {id(row) for row in ready if not self._fill(row, keys[id(row)])} if self._latest else set()
        digests: dict[int, tuple[bytes, int | None]] = {}
        for shape, same in _by_shape(ready).items():
            whole = [row for row in same if not row.gone]
            batch, kept = make_batch(shape.layout, whole, _ignore)
            if self._latest:
                names: Iterable[bytes] = [keys[id(row)] for row in kept]
                digests |= {id(row): (keys[id(row)], None) for row in same if row.gone}
            else:
                names = key_texts(batch, COORDINATES) if kept else ()
            for row, key, digest in zip(kept, names, row_digests(batch) if kept else (), strict=True):
                digests[id(row)] = (key, digest)
        for row in ready:
            if id(row) in digests:
                yield ExpectedRow(row.shape.table, *digests[id(row)], filled=id(row) not in unfilled)

    def _keys(self, rows: list[Row]) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        for shape, same in _by_shape(rows).items():
            assert shape.key_layout is not None
            batch, kept = make_batch(shape.key_layout, same, _ignore)
            if kept:
                names = sorted(column for column, _ in shape.key_fields)
                found |= {id(row): key for row, key in zip(kept, key_texts(batch, names), strict=True)}
        return found

    def _fill(self, row: Row, key: bytes) -> bool:
        """Put in the earlier values of what the event leaves out. Whether all of them are known."""
        place = (row.shape.table, key)
        if row.gone:
            self._remembered.pop(place, None)
            return True
        values, unknown = row.values, set[str]()
        if row.unfilled and isinstance(values, dict):
            earlier = self._remembered.get(place, {})
            unknown = {name for name in row.unfilled if name not in earlier}
            values.update({name: earlier.get(name) for name in row.unfilled})
        size = sum(
            len(v) for name in row.shape.toastable if isinstance(v := values.get(name), str | bytes | list | dict)
        )
        if row.unfilled or size >= TOASTED_FROM:
            known = {name: value for name, value in values.items() if name not in unknown} if unknown else values
            self._remembered[place] = known
        else:
            self._remembered.pop(place, None)
        return not unknown


def _by_shape(rows: Iterable[Row]) -> dict[Shape, list[Row]]:
    groups: dict[Shape, list[Row]] = {}
    for row in rows:
        groups.setdefault(row.shape, []).append(row)
    return groups


def _ignore(record: Record, error: Exception) -> None:
    """The view hands it over as bad and stays as it was."""
