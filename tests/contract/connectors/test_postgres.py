"""The PostgreSQL connectors keep the contract."""

from __future__ import annotations

import pytest

from headwater.worker.testing import SinkContract, SourceContract
from tests.conftest import Database
from tests.contract.connectors.drivers import LOGS
from tests.contract.connectors.drivers.postgres import PostgresSinkDriver, PostgresSourceDriver

pytestmark = pytest.mark.servers


class TestPostgresSource(SourceContract):
    driver_type = PostgresSourceDriver
    logs = LOGS

    @pytest.fixture
    def driver(self, database: Database) -> PostgresSourceDriver:
        return PostgresSourceDriver(database)


class TestPostgresSink(SinkContract):
    driver_type = PostgresSinkDriver
    logs = LOGS

    @pytest.fixture
    def driver(self, database: Database) -> PostgresSinkDriver:
        return PostgresSinkDriver(database)
