"""Columns that a view of Parquet files has beside the fields of its rows: `ParquetSink` writes them, `S3Source` makes
records of them again."""

from __future__ import annotations

from typing import Final

TOPIC: Final = "__topic"
PARTITION: Final = "__partition"
OFFSET: Final = "__offset"
TIME: Final = "__timestamp"
OP: Final = "__op"
DELETED: Final = "__deleted"
KEY: Final = "__key"
VERSION: Final = "__version"
HEADERS: Final = "__headers"
VALUE: Final = "value"
"""The column of a value that is no struct."""
COORDINATES: Final = (TOPIC, PARTITION, OFFSET)
