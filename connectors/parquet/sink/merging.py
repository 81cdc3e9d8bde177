"""One file of a latest state with the newest rows: the file's rows that have not changed, then those that have."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pyarrow as pa

from ..columns import cast, key_texts
from ..data_reader import read_batches
from ..storage import Storage
from .newest import BASE, NOWHERE, At, Newest


class Changes:
    """`pending`: rows that the entries point into; `starts`: the row in it that each batch begins at."""

    def __init__(self, pending: pa.Table, starts: Sequence[int]) -> None:
        self._pending, self._starts = pending, starts

    def merged(self, base: pa.Table, base_keys: list[bytes], newest: Mapping[bytes, Newest]) -> tuple[Any, list[bytes]]:
        """The rows, and the key of each."""
        keep = [key not in newest for key in base_keys]
        standing = [(key, entry) for key, entry in newest.items() if entry.at is not None]
        rows = self._pending.take(pa.array([self._index(entry.at) for _, entry in standing], pa.int64()))
        filled = sorted({name for _, entry in standing for name in entry.fills})
        if filled:
            wanted = {key for key, entry in standing if entry.fills}
            at_base = {key: index for index, key in enumerate(base_keys) if key in wanted}
            for name in filled:
                rows = self._fill(rows, name, base, at_base, standing)
        kept = base.filter(pa.array(keep, pa.bool_()))
        keys = [key for key, stays in zip(base_keys, keep, strict=True) if stays] + [key for key, _ in standing]
        return pa.concat_tables([kept, rows]), keys

    def _fill(
        self, rows: pa.Table, name: str, base: pa.Table, at_base: Mapping[bytes, int],
        standing: Sequence[tuple[bytes, Newest]],
    ) -> pa.Table:  # fmt: skip
        """`rows` with the earlier values of column `name`."""
        behind = self._pending.num_rows
        indices: list[int | None] = []
        for key, entry in standing:
            source = entry.fills.get(name, entry.at)
            if source == BASE:
                found = at_base.get(key)
                indices.append(None if found is None else behind + found)
            else:
                indices.append(None if source is None or source == NOWHERE else self._index(source))
        both = pa.chunked_array(
            [*self._pending.column(name).chunks, *base.column(name).chunks], rows.schema.field(name).type
        )
        at = rows.schema.get_field_index(name)
        return rows.set_column(at, rows.schema.field(at), both.take(pa.array(indices, pa.int64())))

    def _index(self, at: At | None) -> int:
        assert at is not None
        return self._starts[at.batch] + at.row


def read_base(
    storage: Storage, path: str | None, schema: pa.Schema, key: Sequence[str]
) -> tuple[pa.Table, list[bytes]]:
    """A file's rows under `schema`, and their keys; None: no rows."""
    batches: list[pa.RecordBatch] = []
    keys: list[bytes] = []
    for batch in read_batches(storage, path) if path is not None else ():
        keys += key_texts(batch, key)
        batches.append(cast(batch, schema))
    return pa.Table.from_batches(batches, schema), keys
