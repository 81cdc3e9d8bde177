"""The newest row of each key among what was written since the last commit, in Arrow's memory."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import pyarrow as pa

from ..columns import cast

_PER_KEY: Final = 250
"""Bytes that a key and its entry take, about."""


class At(NamedTuple):
    """A row of one of the batches."""

    batch: int
    row: int


BASE: Final = At(-1, -1)
"""The row that the file has."""
NOWHERE: Final = At(-1, -2)
"""No row: the column is null."""


class Newest(NamedTuple):
    """`at` None: the row is gone. `fills`: where the value of a column stands whose event held a placeholder."""

    at: At | None
    fills: Mapping[str, At]


_NONE: Final[Mapping[str, At]] = {}


class Pending:
    """Rows of one table from one partition of the log."""

    def __init__(self) -> None:
        self._batches: list[pa.RecordBatch] = []
        self._entries: dict[bytes, Newest] = {}
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def held_bytes(self) -> int:
        return self._bytes + _PER_KEY * len(self._entries)

    def add_batch(self, batch: pa.RecordBatch) -> int:
        """Its number, for `put`."""
        self._batches.append(batch)
        self._bytes += batch.nbytes
        return len(self._batches) - 1

    def put(self, key: bytes, at: At, unfilled: tuple[str, ...]) -> None:
        """`unfilled`: columns that hold null where the event had a placeholder."""
        if not unfilled:
            self._entries[key] = Newest(at, _NONE)
            return
        earlier = self._entries.get(key)
        if earlier is None:
            fills = dict.fromkeys(unfilled, BASE)
        elif earlier.at is None:
            fills = dict.fromkeys(unfilled, NOWHERE)
        else:
            fills = {name: earlier.fills.get(name, earlier.at) for name in unfilled}
        self._entries[key] = Newest(at, fills)

    def remove(self, key: bytes) -> None:
        self._entries[key] = Newest(None, _NONE)

    def items(self) -> Iterator[tuple[bytes, Newest]]:
        return iter(self._entries.items())

    def table(self, schema: pa.Schema) -> tuple[pa.Table, list[int]]:
        """All batches under `schema`, and the row that each begins at."""
        starts, at = [], 0
        for batch in self._batches:
            starts.append(at)
            at += batch.num_rows
        return pa.Table.from_batches([cast(batch, schema) for batch in self._batches], schema), starts
