"""The Parquet view: files kept up to date from topics, exactly once."""

from .connector import ParquetSinkConnector

__all__ = ["ParquetSinkConnector"]
