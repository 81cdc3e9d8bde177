"""Files as a source: rows of files that are found by patterns, from a position on."""

from .connector import FileSourceConnector

__all__ = ["FileSourceConnector"]
