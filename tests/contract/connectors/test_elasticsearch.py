"""The search view keeps the contract: in Elasticsearch on both logs, in OpenSearch on one."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from headwater.worker.testing import SinkContract
from tests.contract.connectors.drivers import LOGS
from tests.contract.connectors.drivers.elasticsearch import ElasticsearchDriver
from tests.servers.cable import laid
from tests.servers.elasticsearch import SearchServer


class TestElasticsearch(SinkContract):
    driver_type = ElasticsearchDriver
    logs = LOGS

    @pytest.fixture
    def driver(self, elasticsearch: SearchServer) -> Iterator[ElasticsearchDriver]:
        yield from connected(elasticsearch)


class TestOpenSearch(SinkContract):
    driver_type = ElasticsearchDriver

    @pytest.fixture
    def driver(self, opensearch: SearchServer) -> Iterator[ElasticsearchDriver]:
        yield from connected(opensearch)


def connected(server: SearchServer) -> Iterator[ElasticsearchDriver]:
    with laid(server.url.removeprefix("http://")) as cable, closing(ElasticsearchDriver(server, cable)) as driver:
        yield driver
