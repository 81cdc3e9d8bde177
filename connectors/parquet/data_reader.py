"""Rows read back from a view's file, a row group at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, Final

import pyarrow as pa
import pyarrow.parquet as pq

from headwater.worker.api import Fatal, Retriable

from .storage import Storage

BATCH_ROWS: Final = 65_536


def read_batches(
    storage: Storage, path: str, columns: Sequence[str] | None = None, batch_rows: int = BATCH_ROWS
) -> Iterator[pa.RecordBatch]:
    """All rows, in their order; `columns` None: all. Columns that the file lacks are left out.

    Raises `FileNotFoundError`, `Fatal` for what is no whole Parquet file, and what the storage raises.
    """
    with _opened(storage, path) as file:
        wanted = None if columns is None else [name for name in columns if name in file.schema_arrow.names]
        for group in range(file.num_row_groups):  # pyarrow would fetch all those it is asked for at once
            yield from file.iter_batches(batch_rows, [group], wanted, use_threads=False)


def file_schema(storage: Storage, path: str) -> pa.Schema:
    """Raises as `read_batches` does."""
    with _opened(storage, path) as file:
        return file.schema_arrow


@contextmanager
def _opened(storage: Storage, path: str) -> Iterator[Any]:
    try:
        with storage.open_input(path) as source, pq.ParquetFile(source, pre_buffer=True) as file:
            yield file
    except pa.ArrowInvalid as error:
        raise Fatal(_damaged(storage, path, error)) from error
    except FileNotFoundError:
        raise
    except OSError as error:
        if error.errno is None:  # not from the system: pyarrow could not decompress or decode
            raise Fatal(_damaged(storage, path, error)) from error
        raise Retriable(
            f"cannot read {storage.root}/{path}: {error}. Headwater tries again. Check the disk."
        ) from error


def _damaged(storage: Storage, path: str, error: Exception) -> str:
    return (
        f"{storage.root}/{path} is damaged or no Parquet file ({error}). Nothing was changed. Files of a view are "
        "never changed once they are visible: look for what else writes there, then rebuild the view."
    )
