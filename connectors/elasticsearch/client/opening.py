"""From options to a client. Each server's package is loaded only where that server is used."""

from __future__ import annotations

from headwater.worker.api import Values

from .contract import Client
from .options import OPENSEARCH


def open_client(values: Values, connections: int = 2) -> Client:
    """Asks nobody yet. `connections`: requests at one time, at most. Raises `Fatal` where the package is missing."""
    if values["distribution"] == OPENSEARCH:
        from .opensearch import OpenSearchClient

        return OpenSearchClient(values, connections)
    from .elastic import ElasticClient

    return ElasticClient(values, connections)
