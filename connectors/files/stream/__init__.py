"""Kafka's FileStream connectors: lines of one file, by the same names, options and offsets."""

from .sink import FileStreamSinkConnector
from .source import FileStreamSourceConnector

__all__ = ["FileStreamSinkConnector", "FileStreamSourceConnector"]
