"""Objects of a bucket as a source: rows of objects as they appear, and records back from what sinks stored."""

from .connector import S3SourceConnector

__all__ = ["S3SourceConnector"]
