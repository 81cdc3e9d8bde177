"""The Parquet view keeps the contract in both modes and in both stores; one of them on both logs, others on one."""

from __future__ import annotations

import pytest

from headwater.worker.testing import SinkContract
from tests.contract.connectors.drivers import LOGS
from tests.contract.connectors.drivers.parquet import ChangeLogDriver, ParquetDriver, ParquetOnS3Driver
from tests.servers.s3 import S3Server


class TestLatestState(SinkContract):
    driver_type = ParquetDriver
    logs = LOGS


class TestChangeLog(SinkContract):
    driver_type = ChangeLogDriver


class TestOnS3(SinkContract):
    driver_type = ParquetOnS3Driver
    logs = ("kafka",)

    @pytest.fixture
    def driver(self, s3: S3Server, bucket: str) -> ParquetOnS3Driver:
        return ParquetOnS3Driver(s3, bucket)
