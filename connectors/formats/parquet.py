"""Parquet files, read from their footer: only whole ones. A place is the number of rows that were read."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any

from headwater.worker.api import struct

from .contract import BadRow, Content, Place, Row, Unreadable

BATCH_ROWS = 1_000
BUFFER = 1024 * 1024


class Parquet:
    whole = True
    fields = True

    def rows(self, content: Content, start: Place) -> Iterator[Row | BadRow]:
        import pyarrow as pa
        import pyarrow.parquet as pq

        with content.open() as stream:
            if not stream.seekable():
                raise Unreadable("it is compressed as a whole; Parquet compresses inside")
            try:
                file = pq.ParquetFile(stream, buffer_size=BUFFER, pre_buffer=False)
                yield from _rows(file, start)
            except KeyError as error:
                raise Unreadable(f"a map in it has a key twice: {error.args[0]}") from error
            except (pa.ArrowException, OSError, ValueError) as error:
                raise Unreadable(f"it is no Parquet file, or damaged: {error}") from error


def _rows(file: Any, start: Place) -> Iterator[Row]:
    import pyarrow as pa

    from .arrow_schema import steps
    from .connect_names import restored

    shape = _shape(file)
    if start.shape and start.shape != shape:
        raise Unreadable(f"it was replaced after {start.row} rows of it had been read. To read the new one from its "
                         "beginning, reset its offset")  # fmt: skip
    fields = [*file.schema_arrow]
    found = [restored(field) for field in fields]
    columns = [each.column for each in found]
    converted = [(field.name, each.convert) for field, each in zip(fields, found, strict=True) if each.convert]
    schema = struct({field.name: each.schema for field, each in zip(fields, columns, strict=True)})
    first = pa.schema([pa.field(field.name, steps(field.type)) for field in fields])
    second = pa.schema([pa.field(field.name, each.cast) for field, each in zip(fields, columns, strict=True)])
    at = 0
    for group in range(file.num_row_groups):
        count = file.metadata.row_group(group).num_rows
        if at + count <= start.row:
            at += count
            continue
        for batch in file.iter_batches(BATCH_ROWS, row_groups=[group]):
            skip, size = max(0, start.row - at), batch.nbytes // max(1, batch.num_rows)
            table = pa.Table.from_batches([batch]).slice(skip).cast(first).cast(second)
            for number, value in enumerate(table.to_pylist(maps_as_pydicts="strict"), at + skip + 1):
                for name, convert in converted:
                    if value[name] is not None:
                        value[name] = convert(value[name])
                yield Row(value, schema, number, Place(0, number, number, shape), size)
            at += batch.num_rows


def _shape(file: Any) -> str:
    """A digest of the footer: where each column of each row group lies. Another file hardly has the same."""
    metadata = file.metadata
    said = [metadata.num_rows, metadata.num_columns, metadata.serialized_size, metadata.created_by]
    for group in range(metadata.num_row_groups):
        found = metadata.row_group(group)
        said += [found.num_rows, *(found.column(n).data_page_offset for n in range(metadata.num_columns))]
        said += [found.column(n).total_compressed_size for n in range(metadata.num_columns)]
    return hashlib.blake2b(repr(said).encode(), digest_size=8).hexdigest()
