"""One Parquet file being written: rows gather until they fill a row group; visible once it is published."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from .storage import Storage

ROW_GROUP_ROWS: Final = 1_000_000
ROW_GROUP_BYTES: Final = 64 * 1024 * 1024
"""Of rows in memory, before they are encoded: what a file holds back at most, beside the encoder's own pages."""
CODECS: Final = ("none", "snappy", "gzip", "zstd", "lz4", "brotli")


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What a published file holds."""

    path: str
    rows: int
    size_bytes: int
    row_groups: int


class DataFile:
    """Ends with one `publish` or `discard`.

    `compression`: one of `CODECS`.
    """

    def __init__(
        self,
        storage: Storage,
        path: str,
        schema: pa.Schema,
        compression: str = "zstd",
        row_group_rows: int = ROW_GROUP_ROWS,
        row_group_bytes: int = ROW_GROUP_BYTES,
    ) -> None:
        self.path, self.schema = path, schema
        self.rows = 0
        self._compression = compression
        self._row_group_rows, self._row_group_bytes = row_group_rows, row_group_bytes
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_rows = self._waiting_bytes = 0
        self._output = storage.open_output(path)
        self._writer: Any = None

    @property
    def bytes(self) -> int:
        """An upper bound of the file's size if it were published now: what was encoded, and what waits as it is."""
        return self._output.tell() + self._waiting_bytes

    @property
    def buffered_bytes(self) -> int:
        """In memory now. Encoding a row group takes up to as much again for a moment."""
        return self._output.buffered_bytes + self._waiting_bytes

    def append(self, batch: pa.RecordBatch) -> None:
        """`batch` has the file's schema. Raises what the storage raises; then discard the file."""
        if not batch.schema.equals(self.schema):
            raise ValueError(f"{self.path} has another schema than these rows")
        start = 0
        while start < batch.num_rows:
            part = batch.slice(start, self._row_group_rows - self._waiting_rows)
            start += part.num_rows
            self._waiting.append(part)
            self._waiting_rows += part.num_rows
            self._waiting_bytes += part.nbytes
            self.rows += part.num_rows
            if self._waiting_rows >= self._row_group_rows or self._waiting_bytes >= self._row_group_bytes:
                self._write_row_group()

    def publish(self) -> FileFacts:
        """Make it visible, whole and durable. Where it raises, nothing or everything is visible; write it again."""
        try:
            if self._waiting_rows:
                self._write_row_group()
            writer = self._writer or self._open_writer()
            writer.close()
            row_groups = writer.writer.metadata.num_row_groups
            size = self._output.tell()
            self._output.publish()
        except BaseException:
            self.discard()
            raise
        self._writer = None
        return FileFacts(self.path, self.rows, size, row_groups)

    def discard(self) -> None:
        """Leave nothing. Never raises; does nothing after `publish`."""
        self._waiting.clear()
        self._waiting_rows = self._waiting_bytes = 0
        self._output.discard()
        if self._writer is not None:
            with contextlib.suppress(Exception):  # the output has ended, so its footer goes nowhere
                self._writer.close()
            self._writer = None

    def _open_writer(self) -> Any:
        self._writer = pq.ParquetWriter(
            self._output,
            self.schema,
            compression=self._compression,
            version="2.6",
            write_page_index=True,
            store_schema=True,
        )
        return self._writer

    def _write_row_group(self) -> None:
        table = pa.Table.from_batches(self._waiting, self.schema)
        self._waiting.clear()
        self._waiting_rows = self._waiting_bytes = 0
        writer = self._writer or self._open_writer()
        writer.write_table(table, row_group_size=max(1, table.num_rows))
