"""Requests to an Elasticsearch or OpenSearch cluster, each by its own client."""

from .contract import Busy, Client, Refusal, answered, path
from .opening import open_client
from .options import CONNECTION_OPTIONS, connection_problems, shown

__all__ = [
    "CONNECTION_OPTIONS",
    "Busy",
    "Client",
    "Refusal",
    "answered",
    "connection_problems",
    "open_client",
    "path",
    "shown",
]
