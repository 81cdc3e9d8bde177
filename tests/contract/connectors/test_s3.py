"""The S3 source keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from headwater.worker.testing import SourceContract
from tests.contract.connectors.drivers import LOGS
from tests.contract.connectors.drivers.s3 import S3SourceDriver
from tests.servers.cable import laid
from tests.servers.s3 import S3Server


class TestS3Source(SourceContract):
    driver_type = S3SourceDriver
    logs = LOGS

    @pytest.fixture
    def driver(self, s3: S3Server, bucket: str) -> Iterator[S3SourceDriver]:
        with laid(f"127.0.0.1:{s3.port}") as cable:
            yield S3SourceDriver(s3, bucket, cable)
